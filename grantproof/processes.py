"""The tests of a session, shared out between forked processes: `--grants-processes N`.

pytest-xdist starts its processes anew, and each imports boto3, moto and the suites and collects the tests before it
runs one, which takes as long as verifying two grants. A forked process begins with all that.
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

import pytest
from _pytest.runner import runtestprotocol

from grantproof.children import Children

#: Longest that one test may take, in seconds: a pattern of a template can keep whoever matches it busy for ever.
_PATIENCE = 600
#: As many tests take far longer than to make anew what they share.
_LARGE = 250
_DIED = f"the process that was to run it has died, or needed more than {_PATIENCE // 60} minutes for one test"
_WIDTH = 4


class Forked:
    """In place of pytest's own loop. Children run the tests and say what became of each; pytest and its plugins hear it
    here, as if the tests had run here.

    Args:
        processes: how many at most, beside the one that goes ahead.
        unit_of: gives, for a node id, what its test shares something costly with, and which part of that. One process
            runs all of a part, unless these are very many. The parts of one thing are told in pytest's order, whoever
            is done first.
        ahead: modules that need nothing of what collecting the others imports. Their tests run in a process of their
            own, which begins before that.
        before: makes in this process what each of the others would otherwise make for itself.
        meanwhile: what this process does while the others have begun, and it would wait for them.
    """

    def __init__(
        self,
        config: pytest.Config,
        processes: int,
        unit_of: Callable[[str], tuple[str, str]],
        ahead: Sequence[str],
        before: Callable[[], object],
        meanwhile: Callable[[], object],
    ) -> None:
        self._hook, self._config, self._processes, self._unit_of = config.hook, config, processes, unit_of
        self._ahead, self._before, self._meanwhile = frozenset(ahead), before, meanwhile
        self._children = Children[str](_PATIENCE)
        self._reports: list[pytest.TestReport] | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> None:
        """Begin with what goes ahead."""
        if self._ahead and not self._config.option.collectonly:
            self._children.begin("ahead", partial(self._go_ahead, session))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Every test ends in reports: where a process dies, the tests that it leaves fail."""
        if session.testsfailed or session.config.option.collectonly:
            return None  # pytest says what could not be collected, or lists what was
        units: dict[tuple[str, str], list[pytest.Item]] = {}
        for item in session.items:
            if not self._goes_ahead(item):
                units.setdefault(self._unit_of(item.nodeid), []).append(item)
        # The longest first, so that no process is left with it when the others are done. A part that goes apart from
        # the rest of its grant has few tests, and long ones.
        ordered = sorted(units, key=lambda unit: (unit[1], len(units[unit])), reverse=True)
        shares = [share for unit in ordered for share in _shares(units[unit], self._processes)]
        telling = _Telling(session.items, lambda nodeid: self._unit_of(nodeid)[0])
        if shares:
            self._before()
        with tempfile.TemporaryFile(buffering=0) as queue:
            queue.write(b"".join(number.to_bytes(_WIDTH) for number in range(len(shares))))
            queue.seek(0)
            for _ in range(min(self._processes, len(shares))):
                self._children.begin("", partial(self._work, shares, queue))
            self._meanwhile()
            for line in self._said():
                for item, reports in telling.heard([self._report(data) for data in json.loads(line)]):
                    self._tell(item, reports)
        if telling.unheard:
            self._hook.pytest_testnodedown(node=None, error=_DIED)  # as pytest-xdist says it
        for item, reports in telling.rest():
            died = pytest.TestReport(item.nodeid, item.location, {}, "failed", _DIED, "call")
            self._tell(item, reports or [died])
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Nobody listens any more."""
        self._children.close()

    def _said(self) -> Iterator[bytes]:
        """What the children say: first all of that which goes ahead, so that the output over one grant is the same each
        time."""
        ahead, waiting = bool(self._ahead), list[bytes]()
        while self._children:
            for task, line in self._children.said():
                if line is None and task:
                    ahead = False
                    yield from waiting
                elif line is not None and ahead and not task:
                    waiting.append(line)
                elif line is not None:
                    yield line

    def _goes_ahead(self, item: pytest.Item) -> bool:
        return item.nodeid.partition("::")[0] in self._ahead

    def _go_ahead(self, session: pytest.Session, _: str) -> Iterator[bytes]:
        """In the child that does: collect what it runs, and nothing else."""
        self._config.pluginmanager.unregister(name="terminalreporter")
        self._config.pluginmanager.register(_Only(self._config.rootpath, self._ahead))
        yield from self._run([item for item in session.perform_collect() if self._goes_ahead(item)])

    def _work(self, shares: Sequence[Sequence[pytest.Item]], queue: IO[bytes], _: str) -> Iterator[bytes]:
        """In a child: run one share after another, as long as there are any. All children read the queue by one file
        description, so that each share goes to one of them."""
        while number := queue.read(_WIDTH):
            yield from self._run(shares[int.from_bytes(number)])

    def _run(self, items: Sequence[pytest.Item]) -> Iterator[bytes]:
        """In a child: what became of each."""
        for item, following in zip(items, (*items[1:], None), strict=True):
            self._reports = []
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

    def _tell(self, item: pytest.Item, reports: Sequence[pytest.TestReport]) -> None:
        """Everybody who listens, of one test."""
        self._hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in reports:
            self._hook.pytest_runtest_logreport(report=report)
        self._hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)


def _shares(tests: list[pytest.Item], processes: int) -> Sequence[Sequence[pytest.Item]]:
    """The tests of a unit in equal parts, if they are many: of each test function, one process runs some cases, which
    are of the same principals, and another one others."""
    if len(tests) < _LARGE:
        return [tests]
    cases: dict[str, list[pytest.Item]] = {}
    for test in tests:
        cases.setdefault(test.nodeid.partition("[")[0], []).append(test)
    part = {test.nodeid: number * processes // len(same) for same in cases.values() for number, test in enumerate(same)}
    return [share for n in range(processes) if (share := [test for test in tests if part[test.nodeid] == n])]


class _Telling:
    """What became of the tests, each told when those before it have been: of what `group_of` gives for its node id."""

    def __init__(self, items: Sequence[pytest.Item], group_of: Callable[[str], str]) -> None:
        self._group_of = group_of
        self._heard: dict[str, list[pytest.TestReport]] = {}
        self._turns: dict[str, deque[pytest.Item]] = defaultdict(deque)
        for item in items:
            self._turns[group_of(item.nodeid)].append(item)

    def heard(self, reports: list[pytest.TestReport]) -> Iterator[tuple[pytest.Item, list[pytest.TestReport]]]:
        """The reports of a test have come: what can now be told."""
        self._heard[reports[0].nodeid] = reports
        turns = self._turns[self._group_of(reports[0].nodeid)]
        while turns and turns[0].nodeid in self._heard:
            item = turns.popleft()
            yield item, self._heard.pop(item.nodeid)

    @property
    def unheard(self) -> bool:
        """Are there tests of which no reports have come?"""
        return any(item.nodeid not in self._heard for turns in self._turns.values() for item in turns)

    def rest(self) -> Iterator[tuple[pytest.Item, list[pytest.TestReport]]]:
        """All that has not been told; no reports of a test of which none came."""
        for turns in self._turns.values():
            for item in turns:
                yield item, self._heard.get(item.nodeid, [])


class _Only:
    """Collects some modules, by their names below a folder, and no others."""

    def __init__(self, folder: Path, modules: Collection[str]) -> None:
        self._modules = {folder / module for module in modules}

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        return None if collection_path.is_dir() or collection_path in self._modules else True
