"""The tests of a session, shared out between forked processes: `--grants-processes N`.

pytest-xdist starts its processes anew, and each imports boto3, moto and the suites and collects the tests before it
runs one, which takes as long as verifying two grants. A forked process begins with all that.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import IO, Any

import pytest
from _pytest.runner import runtestprotocol

from grantproof.children import heard

_DIED = "the process that was to run it has died"
_WIDTH = 4


class Forked:
    """In place of pytest's own loop. Children run the tests and say what became of each; pytest and its plugins hear it
    here, as if the tests had run here.

    Args:
        processes: how many at most.
        unit_of: gives, for a node id, what its test shares something costly with; one process runs all of that.
    """

    def __init__(self, config: pytest.Config, processes: int, unit_of: Callable[[str], str]) -> None:
        self._hook, self._config, self._processes, self._unit_of = config.hook, config, processes, unit_of
        self._reports: list[pytest.TestReport] | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Every test ends in reports: where a process dies, the tests that it leaves fail."""
        if session.testsfailed or session.config.option.collectonly:
            return None  # pytest says what could not be collected, or lists what was
        units: dict[str, list[pytest.Item]] = {}
        for item in session.items:
            units.setdefault(self._unit_of(item.nodeid), []).append(item)
        # The longest first, so that no process is left with it when the others are done; lint has rules to load.
        shares = sorted(units.items(), key=lambda unit: (unit[0] != "lint", -len(unit[1])))
        left = {item.nodeid: item for item in session.items}
        with tempfile.TemporaryFile(buffering=0) as queue:
            queue.write(b"".join(number.to_bytes(_WIDTH) for number in range(len(shares))))
            queue.seek(0)
            work = partial(self._work, [items for _, items in shares], queue)
            processes = min(self._processes, len(shares))
            for _, line in heard([None] * processes, work, processes):
                if line is not None:
                    self._tell(*map(self._report, json.loads(line)), left=left)
        if left:
            self._hook.pytest_testnodedown(node=None, error=_DIED)  # as pytest-xdist says it
        for item in tuple(left.values()):
            self._tell(pytest.TestReport(item.nodeid, item.location, {}, "failed", _DIED, "call"), left=left)
        return True

    def _work(self, shares: Sequence[Sequence[pytest.Item]], queue: IO[bytes], _: None) -> Iterator[bytes]:
        """In a child: run one share after another, as long as there are any. All children read the queue by one file
        description, so that each share goes to one of them."""
        self._reports = []
        while number := queue.read(_WIDTH):
            items = shares[int.from_bytes(number)]
            for item, following in zip(items, (*items[1:], None), strict=True):
                self._hook.pytest_runtest_protocol(item=item, nextitem=following)
                to_data = self._hook.pytest_report_to_serializable
                yield json.dumps([to_data(config=self._config, report=report) for report in self._reports]).encode()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """In a child: nobody is told here."""
        if self._reports is None:
            return None
        self._reports = runtestprotocol(item, log=False, nextitem=nextitem)
        return True

    def _report(self, data: dict[str, Any]) -> pytest.TestReport:
        if isinstance(data["longrepr"], list):
            data["longrepr"] = tuple(data["longrepr"])  # of a test that was skipped, as JUnit's report has it
        report: pytest.TestReport = self._hook.pytest_report_from_serializable(config=self._config, data=data)
        return report

    def _tell(self, *reports: pytest.TestReport, left: dict[str, pytest.Item]) -> None:
        """Everybody who listens, of one test."""
        item = left.pop(reports[0].nodeid)
        self._hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in reports:
            self._hook.pytest_runtest_logreport(report=report)
        self._hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
