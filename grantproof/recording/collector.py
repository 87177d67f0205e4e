"""The main process of a run: collects the outcomes of tests, prints the verdicts and writes the reports."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from grantproof.contract.undecided import Draft, undecided
from grantproof.evidence.claim import SUITES
from grantproof.evidence.results import Collection, Results
from grantproof.evidence.summary import lines
from grantproof.recording.inputs import ATTRIBUTE, contracts, on_real_accounts, recorded, today, waivers
from grantproof.recording.repeated_failures import RepeatedFailures
from grantproof.source import shown, text_of

if TYPE_CHECKING:
    from grantproof.contract import Contract

#: The claims of a run, including deselected ones, and the test functions that make them.
POPULATION = pytest.StashKey[Any]()


class Collector:
    """A pytest plugin of the main process: collects outcomes, prints the verdicts and writes the reports."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._repeated = RepeatedFailures()
        config.pluginmanager.register(self._repeated, "grantproof-alike")
        self._collection = Collection()
        self._results: Results | None = None
        self._wrote = ""
        """The end of the last line: where the reports are, or why they could not be written."""
        self._started = time.monotonic()
        self._lock = ExitStack()
        self._digests: dict[str, str] = {}
        """Digests of the inputs at the start of the run, by name of the file."""

    def pytest_sessionstart(self) -> None:
        """Fix the day on which waivers are judged. If reports will be written, lock their folder and compute digests of
        the inputs.

        Raises:
            pytest.UsageError: an export is not usable, or the folder cannot be written.
        """
        today(self._config)
        if folder := self._config.getoption("--grants-report"):
            from grantproof.evidence import report_folder

            recorded(self._config)  # first, so that an export that cannot be read gets its own error
            try:
                self._lock.enter_context(report_folder.exclusive(Path(folder)))
                self._digests = self._inputs()
            except OSError as error:
                raise pytest.UsageError(f"{folder}: reports cannot be written there: {error.strerror}.") from None

    def pytest_unconfigure(self) -> None:
        self._lock.close()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        # With pytest-xdist this process collects no tests; the first report of each worker carries the population.
        if population := session.config.stash.get(POPULATION, None):
            self._collection.population(population)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = json.loads(getattr(report, ATTRIBUTE, None) or "{}")
        if data.get("population"):
            self._collection.population(data["population"])
        if data.get("facts"):
            self._collection.facts(*data["facts"])
        if data:
            self._collection.outcome(data["outcome"])
        elif report.failed:
            self._collection.failed_without_outcome(report.nodeid, str(report.longrepr).strip().splitlines()[-1])

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._collection.problem(f"{report.nodeid} could not be collected")

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput[ATTRIBUTE] = today(self._config).isoformat()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        if error:
            self._collection.problem("a process that ran tests died")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        folder = self._config.getoption("--grants-report")
        if not folder and not self._collection.has_outcomes_of((*SUITES, "drift")):
            return
        grants = [contract.grant for contract in contracts(self._config)]
        real = recorded(self._config)
        self._notice_changes()
        results = self._collection.results(
            grants,
            waivers(self._config),
            ended=_ended(exitstatus),
            suites=on_real_accounts(self._config) if real else SUITES,
            against={name: one.summary() for name, one in real.items()},
            drafts={contract.grant: draft for contract in contracts(self._config) if (draft := _draft(contract))},
        )
        self._results = results
        if not folder:
            return
        if results.verdict == "not verified" and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        self._write(session, results, Path(folder))

    def _notice_changes(self) -> None:
        """Record a problem for each input that changed during the run: the digests in the reports would be wrong."""
        if not self._digests:
            return
        try:
            now = self._inputs()
        except OSError as error:
            self._collection.problem(f"{error.filename} was changed during the run: it is gone")
            return
        for name in sorted(self._digests.keys() | now.keys()):
            if now.get(name) != self._digests.get(name):
                self._collection.problem(f"{name} was changed during the run")

    def _inputs(self) -> dict[str, str]:
        """The digests of all files that the run reads, by name.

        Raises:
            OSError: a file cannot be read.
        """
        from grantproof.evidence import provenance

        files = provenance.digests(contracts(self._config), waivers(self._config))
        return files | provenance.exported(self._exports())

    def _exports(self) -> list[Path]:
        return [Path(text.partition("=")[2]) for text in self._config.getoption("--snapshot")]

    def _write(self, session: pytest.Session, results: Results, folder: Path) -> None:
        from grantproof.evidence import bundle, provenance

        try:
            suites = next((Path(name) for name in self._config.args if Path(name).is_dir()), None)
            about = provenance.gather(
                contracts(self._config), waivers(self._config), _command(self._config), suites, self._exports()
            )
            xml = self._config.getoption("xmlpath", None)
            bundle.write(results, about, folder, Path(xml) if xml else None)
            self._wrote = "" if self._config.getoption("--grants-report-passing") else f"; reports in {folder}"
            for plugin in self._config.pluginmanager.get_plugins():
                if xml and getattr(plugin, "logfile", None) == xml:
                    plugin.logfile = str(folder / "junit.xml")  # pytest prints this: the file was moved there
        except OSError as error:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
            self._wrote = f"; no report was written to {folder}: {error.strerror or error}"

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        self._repeated.restore(terminalreporter)
        if self._results is None:
            return
        terminalreporter.section("verdict", sep="=")
        for line in lines(self._results):
            terminalreporter.write_line(line)
        seconds = time.monotonic() - self._started
        terminalreporter.write_line(f"{_count(self._results.grants, 'grant')} in {seconds:.1f} s{self._wrote}")


def _draft(contract: Contract) -> Draft | None:
    """The number and first place of the lines of a contract that are still marked DECIDE; None if there are none."""
    lines = undecided(text_of(contract.path))
    return Draft(len(lines), f"{shown(contract.path)}:{lines[0]}") if lines else None


def _ended(status: int) -> str:
    """Why the run did not execute every test, by pytest's exit status; empty if it did."""
    return {
        pytest.ExitCode.INTERRUPTED: "the run was interrupted",
        pytest.ExitCode.INTERNAL_ERROR: "pytest met an error of its own",
        pytest.ExitCode.USAGE_ERROR: "pytest was not called as it should be",
        pytest.ExitCode.NO_TESTS_COLLECTED: "no test was run",
    }.get(pytest.ExitCode(status), "")


def _command(config: pytest.Config) -> str:
    """The command that reproduces the run."""
    only = config.getoption("keyword", "")
    more = [word for export in config.getoption("--snapshot") for word in ("--snapshot", export)]
    more += ["-k", only] if only else []
    return shlex.join(["grantproof", "verify", str(config.getoption("--grants")), *more])


def _count(things: Sequence[Any], name: str) -> str:
    return f"{len(things)} {name}" + ("" if len(things) == 1 else "s")
