"""From tests to one run: what each test noted, the verdict on every grant, and the reports.

A second part of the pytest plugin. A worker of pytest-xdist attaches what its tests noted to their reports; the
controller gathers it.
"""

from __future__ import annotations

import json
import shlex
import time
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from grantproof.evidence import stamp
from grantproof.evidence.claim import SUITES, Planned
from grantproof.evidence.finding import Finding, Outcome, Status, Tried
from grantproof.evidence.results import Collection, Results
from grantproof.evidence.summary import lines
from grantproof.evidence.waivers import Waivers
from grantproof.source import SourceError, shown

if TYPE_CHECKING:
    from grantproof.aws.recorded import Recorded
    from grantproof.aws.stage import Stage
    from grantproof.aws.trying import Answer
    from grantproof.contract import Contract

CONTRACTS = pytest.StashKey[tuple["Contract", ...]]()
RECORDED = pytest.StashKey[dict[str, "Recorded"]]()
WAIVERS = pytest.StashKey[tuple["Waivers", ...]]()
TODAY = pytest.StashKey[date]()
#: Where a report carries what the run needs; what is in a report's __dict__ survives the way from an xdist worker.
ATTRIBUTE = "grantproof"
RECORD = pytest.StashKey["Record"]()
COLLECTED = pytest.StashKey[list[pytest.Item]]()
POPULATION = pytest.StashKey[Any]()


def contracts(config: pytest.Config) -> tuple[Contract, ...]:
    """The contracts of every grant below `--grants`, read once.

    Raises:
        pytest.UsageError: one of them cannot be read, or there is none.
    """
    if CONTRACTS not in config.stash:
        from grantproof.contract import ContractError, find

        try:
            config.stash[CONTRACTS] = find(Path(config.getoption("--grants")))
        except ContractError as error:
            raise pytest.UsageError(str(error)) from None
    return config.stash[CONTRACTS]


#: The suites that judge what accounts hold, without making calls. The last is for real accounts only: a mocked world
#: holds nothing but what the grant deploys.
ON_SNAPSHOTS = ("trust", "permissions", "proof", "drift")
#: The suite that judges calls which were tried against real accounts.
ON_CALLS = "calls"


def recorded(config: pytest.Config) -> dict[str, Recorded]:
    """With `--snapshot`: every grant beside the exports, by name. Empty without.

    Raises:
        pytest.UsageError: an export is not a whole snapshot of what the contracts need.
    """
    if RECORDED not in config.stash:
        from grantproof.aws import export, recorded

        try:
            exports = {
                alias: export.read_export(path) for alias, path in export.named(config.getoption("--snapshot")).items()
            }
            config.stash[RECORDED] = recorded.recorded(contracts(config), exports) if exports else {}
        except export.ExportRefused as error:
            raise pytest.UsageError(str(error)) from None
    return config.stash[RECORDED]


def runs(item: pytest.Item) -> bool:
    """Does the test have what it needs: a mocked world, or exports?"""
    suite = suite_of(item)
    if suite not in (*SUITES, "drift", ON_CALLS) or not (grant_of(item) or is_placeholder(item)):
        return True
    return suite in _on_real_accounts(item.config) if recorded(item.config) else suite not in ("drift", ON_CALLS)


def _on_real_accounts(config: pytest.Config) -> tuple[str, ...]:
    return (*ON_SNAPSHOTS, ON_CALLS) if config.getoption("--calls") else ON_SNAPSHOTS


def answers(config: pytest.Config, grant: str) -> list[Answer]:
    """What became of the calls that were tried for a grant. Empty where none were to be."""
    file = config.getoption("--calls")
    if not file:
        return []
    from grantproof.aws import trying

    return trying.read(Path(file)).get(grant, [])


def is_placeholder(item: pytest.Item) -> bool:
    """What pytest collects of a test that has nothing to run for."""
    callspec = getattr(item, "callspec", None)
    return callspec is not None and "grant" in callspec.params and grant_of(item) is None


def waivers(config: pytest.Config) -> tuple[Waivers, ...]:
    """The waivers of every grant below `--grants`, read once.

    Raises:
        pytest.UsageError: one of them cannot be read.
    """
    if WAIVERS not in config.stash:
        from grantproof.evidence.waivers import load

        try:
            config.stash[WAIVERS] = tuple(load(contract.path, contract.grant) for contract in contracts(config))
        except SourceError as error:
            raise pytest.UsageError(str(error)) from None
    return config.stash[WAIVERS]


def grant_of(item: pytest.Item) -> Contract | None:
    """The contract that a test runs for, if it asks for one."""
    callspec = getattr(item, "callspec", None)
    found = callspec.params.get("grant") if callspec else None
    return found if hasattr(found, "grant") else None


def names(document: Any, most: int | None) -> list[str]:
    """The first action patterns of a statement, at most so many; all of them for None."""
    actions = document.get("Action", document.get("NotAction", []))
    return [actions] if isinstance(actions, str) else list(actions)[:most]


Key = tuple[str, str, str, bool]


@dataclass
class Record:
    """What one test notes while it runs."""

    grant: str = ""
    proved: int = 0
    findings: tuple[Finding, ...] = ()
    facts: Any = None
    watched: tuple[tuple[Stage, tuple[int, int], Counter[Key]], ...] = ()

    def watch(self, stage: Stage) -> None:
        """Count the calls made on this stage from now on."""
        self.watched += ((stage, stage.calls, Counter(stage.tried)),)

    @property
    def calls(self) -> tuple[int, int]:
        """Calls made by the test, and how many of them the law refused."""
        made = sum(stage.calls[0] - before[0] for stage, before, _ in self.watched)
        return made, sum(stage.calls[1] - before[1] for stage, before, _ in self.watched)

    @property
    def tried(self) -> Counter[Key]:
        """The same calls by principal, action, resource and whether they were allowed."""
        out: Counter[Key] = Counter()
        for stage, _, before in self.watched:
            out.update(stage.tried - before)
        return out

    def proves(self, number: int = 1) -> None:
        """Note that so many statements are settled for all requests."""
        self.proved += number

    def broken(self, clause: str, detail: str, **shown: Any) -> None:
        """Note that a clause does not hold, with what shows it (`place`, `statement`, `witness`)."""
        self.findings += (Finding(self.grant, clause, "broken", detail, **shown),)

    def unverified(self, clause: str, detail: str, **shown: Any) -> None:
        """Note that a clause could not be judged: it fails, because not understood is not verified."""
        self.findings += (Finding(self.grant, clause, "unverified", detail, **shown),)


def record_of(item: pytest.Item) -> Record:
    """Where a test notes what it finds."""
    return item.stash.setdefault(RECORD, Record())


def not_understood(*more: type[Exception]) -> tuple[type[Exception], ...]:
    """The errors that say: this cannot be judged."""
    from grantproof.aws.intrinsics import NotResolved
    from grantproof.aws.law import NotJudged
    from grantproof.aws.people import NotPresentable
    from grantproof.aws.policies import SnapshotIncomplete
    from grantproof.contract import UnknownFact
    from grantproof.iam import LawError

    return NotJudged, NotPresentable, NotResolved, SnapshotIncomplete, UnknownFact, LawError, *more


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test that runs again has found nothing yet."""
    if RECORD in item.stash:
        del item.stash[RECORD]


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """A test that noted findings fails with them, in the words of the grant and without a traceback. What was not
    understood is not verified, and says so in the same way. A test whose findings are all accepted is skipped: it did
    not pass."""
    contract = grant_of(pyfuncitem)
    if contract is None:
        return (yield)
    record = record_of(pyfuncitem)
    record.grant = contract.grant
    try:
        result = yield
    except not_understood() as error:
        place = shown(contract.path)
        record.unverified("what is asked can be judged", f"not verified: {error}", place=place)
        result = True
    record.findings = _under_waivers(pyfuncitem, contract, record.findings)
    failing = [finding for finding in record.findings if not finding.accepted]
    if failing:
        pytest.fail("\n".join(str(finding) for finding in failing), pytrace=False)
    if record.findings:
        accepted = {f"{f.accepted.owner} until {f.accepted.expires}" for f in record.findings if f.accepted}
        pytest.skip(f"accepted deviation: {', '.join(sorted(accepted))}")
    return result


def _under_waivers(item: pytest.Item, contract: Contract, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    if not findings:
        return ()
    own = next(w for w in waivers(item.config) if w.grant == contract.grant)
    return own.apply(_planned(item).id, findings, _today(item.config))


def _today(config: pytest.Config) -> date:
    """The day on which waivers are judged: the same in every process of a run."""
    if TODAY not in config.stash:
        given = getattr(config, "workerinput", {}).get(ATTRIBUTE)
        config.stash[TODAY] = date.fromisoformat(given) if given else stamp.now().date()
    return config.stash[TODAY]


def _planned(item: pytest.Item, *, selected: bool = True) -> Planned:
    contract = grant_of(item)
    assert contract is not None
    callspec = item.callspec  # type: ignore[attr-defined]
    subject = callspec.id.removeprefix(contract.grant).removeprefix("-")
    test = function_of(item).partition("/")[2]
    return Planned(item.nodeid, contract.grant, suite_of(item), test, subject, _place(callspec.params), selected)


def function_of(item: pytest.Item) -> str:
    """`suite/test`, whatever the test runs for."""
    return f"{suite_of(item)}/{getattr(item, 'originalname', None) or item.name}"


def suite_of(item: pytest.Item) -> str:
    """The suite of a test: the name of its file, without `test_`."""
    return Path(str(item.path)).stem.removeprefix("test_")


def _place(params: dict[str, Any]) -> str:
    """The clause that a test is about: the place of what it is given, or the contract."""
    for value in params.values():
        for part in value[::-1] if isinstance(value, tuple) else (value,):
            if hasattr(part, "place"):
                return str(part.place)
            if isinstance(part, Path):
                return f"{shown(part)}:1"
    return f"{shown(params['grant'].path)}:1"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """First of all plugins, so that what others deselect is known as well."""
    config.stash[COLLECTED] = [item for item in items if (is_placeholder(item) or grant_of(item)) and runs(item)]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Note the population: what is to run, and what was deselected."""
    collected = session.config.stash.get(COLLECTED, [])
    if not collected:
        return
    functions = {function_of(item) for item in collected}
    collected = [item for item in collected if not is_placeholder(item)]
    selected = set(session.items)
    claims = [asdict(_planned(item, selected=item in selected)) for item in collected]
    session.config.stash[POPULATION] = {"claims": claims, "functions": sorted(functions)}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach what the test noted, as plain data, so that it survives the way from an xdist worker. The first report of
    a process also carries the population."""
    report = yield
    contract = grant_of(item)
    if contract is None or (report.when != "call" and report.passed):
        return report
    record = record_of(item)
    status, reason = _status(report, call, record)
    outcome = Outcome(
        nodeid=item.nodeid,
        grant=contract.grant,
        suite=suite_of(item),
        test=item.name,
        status=status,
        seconds=report.duration,
        reason=reason,
        proved=record.proved,
        calls=record.calls[0],
        refused=record.calls[1],
        findings=record.findings,
        tried=_grouped(contract, record.tried),
    )
    data: dict[str, Any] = {"outcome": outcome.as_dict(), "facts": record.facts}
    if hasattr(item.config, "workerinput") and item.config.stash[POPULATION]:
        data["population"], item.config.stash[POPULATION] = item.config.stash[POPULATION], None
    report.__dict__[ATTRIBUTE] = json.dumps(data)
    return report


def _status(report: pytest.TestReport, call: pytest.CallInfo[None], record: Record) -> tuple[Status, str]:
    """Of the closed vocabulary, and why where findings do not say it."""
    if hasattr(report, "wasxfail"):
        return "fail", f"expected to fail: {report.wasxfail}"
    if report.passed:
        return "pass", ""
    said = call.excinfo.exconly() if call.excinfo else "no reason was given"
    if report.skipped:
        accepted = bool(record.findings) and all(finding.accepted for finding in record.findings)
        return ("exception", "") if accepted else ("not run", said.removeprefix("Skipped: "))
    failed = call.excinfo is not None and call.excinfo.errisinstance((AssertionError, pytest.fail.Exception))
    if report.when != "call" or not failed:
        return "error", said.removeprefix("Failed: ")
    if not record.findings:
        return "fail", said
    judged = any(f.status == "broken" and not f.accepted for f in record.findings)
    return ("fail" if judged else "unknown"), ""


def _grouped(contract: Contract, tried: Counter[Key]) -> tuple[Tried, ...]:
    """The calls, those that were refused and are named in no clause by service."""
    named = {name.lower() for p in contract.principals for s in p.allows for name in names(s.document, None)}
    counted: dict[tuple[str, str, str], list[int]] = {}
    for (principal, action, resource, allowed), number in tried.items():
        alone = allowed or action.lower() in named
        key = (principal, action, resource) if alone else (principal, f"{action.partition(':')[0]}:*", "")
        counted.setdefault(key, [0, 0])[0 if allowed else 1] += number
    return tuple(Tried(*key, *numbers) for key, numbers in sorted(counted.items()))


class _Collector:
    """On the controller: gathers what arrives, prints the verdicts and writes the reports."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._collection = Collection()
        self._results: Results | None = None
        self._wrote = ""
        self._started = time.monotonic()
        self._alone = ExitStack()
        self._read: dict[str, str] = {}

    def pytest_sessionstart(self) -> None:
        """With reports to write: have the folder to itself, and know what the inputs were when the run began."""
        if folder := self._config.getoption("--grants-report"):
            from grantproof.evidence import bundle

            recorded(self._config)  # says in its own words what is wrong with an export
            try:
                self._alone.enter_context(bundle.alone(Path(folder)))
                self._read = self._inputs()
            except OSError as error:
                raise pytest.UsageError(f"{folder}: reports cannot be written there: {error.strerror}.") from None

    def pytest_unconfigure(self) -> None:
        self._alone.close()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        # With xdist the controller collects nothing; the population then comes with the first report of each worker.
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
        node.workerinput[ATTRIBUTE] = _today(self._config).isoformat()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        if error:
            self._collection.problem("a process that ran tests died")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        folder = self._config.getoption("--grants-report")
        if not folder and not self._collection.spoke_of((*SUITES, "drift")):
            return
        grants = [contract.grant for contract in contracts(self._config)]
        real = recorded(self._config)
        self._notice_changes()
        results = self._collection.results(
            grants,
            waivers(self._config),
            ended=_ended(exitstatus),
            suites=_on_real_accounts(self._config) if real else SUITES,
            against={name: one.summary() for name, one in real.items()},
        )
        self._results = results
        if not folder:
            return
        if results.verdict == "not verified" and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        self._write(session, results, Path(folder))

    def _notice_changes(self) -> None:
        """The reports' digests are those of files that were the same from the beginning of the run to its end."""
        if not self._read:
            return
        try:
            now = self._inputs()
        except OSError as error:
            self._collection.problem(f"{error.filename} was changed during the run: it is gone")
            return
        for name in sorted(self._read.keys() | now.keys()):
            if now.get(name) != self._read.get(name):
                self._collection.problem(f"{name} was changed during the run")

    def _inputs(self) -> dict[str, str]:
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
            self._wrote = f"; reports in {folder}"
            for plugin in self._config.pluginmanager.get_plugins():
                if xml and getattr(plugin, "logfile", None) == xml:
                    plugin.logfile = str(folder / "junit.xml")  # where it is to be found now
        except OSError as error:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
            self._wrote = f"; no report was written: {error}"

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self._results is None:
            return
        terminalreporter.section("verdict", sep="=")
        for line in lines(self._results):
            terminalreporter.write_line(line)
        seconds = time.monotonic() - self._started
        terminalreporter.write_line(f"{_count(self._results.grants, 'grant')} in {seconds:.1f} s{self._wrote}")


def _ended(status: int) -> str:
    """How the run ended, where that was not by running every test."""
    return {
        pytest.ExitCode.INTERRUPTED: "the run was interrupted",
        pytest.ExitCode.INTERNAL_ERROR: "pytest met an error of its own",
        pytest.ExitCode.USAGE_ERROR: "pytest was not called as it should be",
        pytest.ExitCode.NO_TESTS_COLLECTED: "no test was run",
    }.get(pytest.ExitCode(status), "")


def _command(config: pytest.Config) -> str:
    """What reproduces the run."""
    only = config.getoption("keyword", "")
    more = [word for export in config.getoption("--snapshot") for word in ("--snapshot", export)]
    more += ["-k", only] if only else []
    return shlex.join(["grantproof", "verify", str(config.getoption("--grants")), *more])


def _count(things: Sequence[Any], name: str) -> str:
    return f"{len(things)} {name}" + ("" if len(things) == 1 else "s")


def pytest_configure(config: pytest.Config) -> None:
    """Collect outcomes where there is somebody to tell, which with xdist is the controller."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Collector(config), "grantproof-verdicts")
