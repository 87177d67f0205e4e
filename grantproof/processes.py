"""Shares the tests of a session out between forked processes: `--grants-processes N`.

pytest-xdist starts new processes. Each of them imports boto3, moto and the suites and collects all tests before it runs
one, which takes as long as verifying two grants. A forked process starts with all of that done.
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

#: How many seconds one test may take. Matching a bad pattern of a template could otherwise take for ever.
_LIMIT = 600
#: A unit with at least this many tests is divided between the processes: deploying its grant once in each of them takes
#: less time than running all of its tests in one.
_LARGE = 250
_DIED = f"the process that was to run it has died, or needed more than {_LIMIT // 60} minutes for one test"
#: The tasks of the children, to tell their output apart.
_EARLY, _LATER = "early", "later"
#: The number of bytes of a share's number in the queue.
_WIDTH = 4


class Forked:
    """A pytest plugin that runs the tests in forked children, in place of pytest's own loop.

    The children send the reports of their tests to this process, which passes them to pytest and its plugins as if the
    tests had run here.

    Args:
        processes: the greatest number of children, not counting the one that runs the early modules.
        unit_of_test: from a node ID to what its test shares something expensive with, such as a grant, and the part of
            that. One child runs all tests of a part, unless they are very many. Reports of tests with the same first
            value are passed on in pytest's order, whichever child is done first.
        cost_of_test: about how long a test takes, in any measure.
        early_modules: modules whose tests need nothing of what the others import. A child of their own collects and
            runs them while this process still collects the others.
        prepare: loads what every child needs, so that it is loaded once, here, before they are forked.
        meanwhile: what this process does while the children run their first tests and it would only wait.
    """

    def __init__(
        self,
        config: pytest.Config,
        processes: int,
        unit_of_test: Callable[[str], tuple[str, str]],
        cost_of_test: Callable[[pytest.Item], int],
        early_modules: Sequence[str],
        prepare: Callable[[], object],
        meanwhile: Callable[[], object],
    ) -> None:
        self._hook, self._config, self._processes = config.hook, config, processes
        self._unit_of_test, self._cost_of_test = unit_of_test, cost_of_test
        self._early_modules = frozenset(early_modules)
        self._prepare, self._meanwhile = prepare, meanwhile
        self._children = Children[str](_LIMIT)
        self._reports: list[pytest.TestReport] | None = None
        """In a child: the reports of the test that it runs. None in this process."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> None:
        """Start the child that runs the early modules."""
        if self._early_modules and not self._config.option.collectonly:
            self._children.begin(_EARLY, partial(self._run_early_modules, session))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Run all tests in children. Every test gets a report: if a child dies, the tests that it did not finish
        fail."""
        if session.testsfailed or session.config.option.collectonly:
            return None  # pytest's own loop reports the errors of the collection, or lists the tests
        shares = self._shares_of(session.items)
        in_order = _InOrder(session.items, lambda nodeid: self._unit_of_test(nodeid)[0])
        if shares:
            self._prepare()
        with tempfile.TemporaryFile(buffering=0) as queue:
            queue.write(b"".join(number.to_bytes(_WIDTH) for number in range(len(shares))))
            queue.seek(0)
            for _ in range(min(self._processes, len(shares))):
                self._children.begin(_LATER, partial(self._run_shares, shares, queue))
            self._meanwhile()
            for line in self._lines():
                for item, reports in in_order.add([self._report(data) for data in json.loads(line)]):
                    self._pass_on(item, reports)
        if in_order.is_incomplete:
            self._hook.pytest_testnodedown(node=None, error=_DIED)  # as pytest-xdist reports a process that died
        for item, reports in in_order.remaining():
            died = pytest.TestReport(item.nodeid, item.location, {}, "failed", _DIED, "call")
            self._pass_on(item, reports or [died])
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Kill children that are still running, after an interruption for example: nobody reads their output."""
        self._children.close()

    def _shares_of(self, tests: Sequence[pytest.Item]) -> list[Sequence[pytest.Item]]:
        """The tests that are not in early modules, in shares that one child runs without a break."""
        units: dict[tuple[str, str], list[pytest.Item]] = {}
        for test in tests:
            if not self._is_early(test):
                units.setdefault(self._unit_of_test(test.nodeid), []).append(test)
        # The longest first, so that no child has to start with it when the others are done.
        ordered = sorted(units, key=lambda unit: sum(map(self._cost_of_test, units[unit])), reverse=True)
        return [share for unit in ordered for share in _shares(units[unit], self._processes)]

    def _lines(self) -> Iterator[bytes]:
        """The lines that the children send. Those about early modules come first, so that the terminal shows the tests
        of a grant in the same order in every run."""
        early_runs, held_back = bool(self._early_modules), list[bytes]()
        while self._children:
            for task, line in self._children.lines():
                if line is None and task == _EARLY:
                    early_runs = False
                    yield from held_back
                elif line is not None and early_runs and task == _LATER:
                    held_back.append(line)
                elif line is not None:
                    yield line

    def _is_early(self, item: pytest.Item) -> bool:
        return item.nodeid.partition("::")[0] in self._early_modules

    def _run_early_modules(self, session: pytest.Session, _: str) -> Iterator[bytes]:
        """In a child: collect the early modules and no others, and run their tests. Yields as `_run`."""
        self._config.pluginmanager.unregister(name="terminalreporter")
        self._config.pluginmanager.register(_CollectOnly(self._config.rootpath, self._early_modules))
        yield from self._run([item for item in session.perform_collect() if self._is_early(item)])

    def _run_shares(self, shares: Sequence[Sequence[pytest.Item]], queue: IO[bytes], _: str) -> Iterator[bytes]:
        """In a child: run the next share in the queue until there is none left. Yields as `_run`. All children have the
        same position in the file, since they inherited it, so each number is read by one of them."""
        while number := queue.read(_WIDTH):
            yield from self._run(shares[int.from_bytes(number)])

    def _run(self, items: Sequence[pytest.Item]) -> Iterator[bytes]:
        """In a child: run tests. Yields the reports of each as a JSON list."""
        for item, following in zip(items, (*items[1:], None), strict=True):
            self._reports = []
            self._hook.pytest_runtest_protocol(item=item, nextitem=following)
            to_data = self._hook.pytest_report_to_serializable
            yield json.dumps([to_data(config=self._config, report=report) for report in self._reports]).encode()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """In a child: keep the reports of a test, which `_run` sends, and pass them to no plugin."""
        if self._reports is None:
            return None
        self._reports = runtestprotocol(item, log=False, nextitem=nextitem)
        return True

    def _report(self, data: dict[str, Any]) -> pytest.TestReport:
        """The report of which a child sent this data."""
        if isinstance(data["longrepr"], list):
            data["longrepr"] = tuple(data["longrepr"])  # of a skipped test: pytest's JUnit report needs a tuple
        report: pytest.TestReport = self._hook.pytest_report_from_serializable(config=self._config, data=data)
        return report

    def _pass_on(self, item: pytest.Item, reports: Sequence[pytest.TestReport]) -> None:
        """Call the hooks with which pytest reports one test."""
        self._hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in reports:
            self._hook.pytest_runtest_logreport(report=report)
        self._hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)


def _shares(tests: list[pytest.Item], processes: int) -> Sequence[Sequence[pytest.Item]]:
    """The tests of a unit, divided into one share for each process if they are very many. Each share gets an equal run
    of the cases of each test function; neighbouring cases are about the same principals and share what that takes."""
    if len(tests) < _LARGE:
        return [tests]
    cases: dict[str, list[pytest.Item]] = {}
    for test in tests:
        cases.setdefault(test.nodeid.partition("[")[0], []).append(test)
    part = {test.nodeid: number * processes // len(same) for same in cases.values() for number, test in enumerate(same)}
    return [share for n in range(processes) if (share := [test for test in tests if part[test.nodeid] == n])]


class _InOrder:
    """Keeps the reports of tests until those of all earlier tests of the same group have arrived.

    Args:
        items: all tests, in pytest's order.
        group_of: from a node ID to the group of its test. Groups do not wait for each other.
    """

    def __init__(self, items: Sequence[pytest.Item], group_of: Callable[[str], str]) -> None:
        self._group_of = group_of
        self._kept: dict[str, list[pytest.TestReport]] = {}
        self._waiting: dict[str, deque[pytest.Item]] = defaultdict(deque)
        for item in items:
            self._waiting[group_of(item.nodeid)].append(item)

    def add(self, reports: list[pytest.TestReport]) -> Iterator[tuple[pytest.Item, list[pytest.TestReport]]]:
        """Take the reports of one test. Yields the tests whose turn has come, with their reports."""
        self._kept[reports[0].nodeid] = reports
        waiting = self._waiting[self._group_of(reports[0].nodeid)]
        while waiting and waiting[0].nodeid in self._kept:
            item = waiting.popleft()
            yield item, self._kept.pop(item.nodeid)

    @property
    def is_incomplete(self) -> bool:
        """Are there tests of which no report has arrived?"""
        return any(item.nodeid not in self._kept for waiting in self._waiting.values() for item in waiting)

    def remaining(self) -> Iterator[tuple[pytest.Item, list[pytest.TestReport]]]:
        """The tests that `add` has not yielded, with their reports; an empty list if none has arrived."""
        for waiting in self._waiting.values():
            for item in waiting:
                yield item, self._kept.get(item.nodeid, [])


class _CollectOnly:
    """A pytest plugin by which only these modules are collected; they are named relative to `folder`."""

    def __init__(self, folder: Path, modules: Collection[str]) -> None:
        self._modules = {folder / module for module in modules}

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        return None if collection_path.is_dir() or collection_path in self._modules else True
