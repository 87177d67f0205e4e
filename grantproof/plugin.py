"""The pytest plugin: `--grants DIR`, the fixtures of a grant, and one verdict for each at the end.

Inert unless a test asks for `grant`: a repository that only happens to have grantproof installed sees nothing of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from grantproof.evidence.finding import Finding, Outcome
from grantproof.evidence.summary import SUITES, verdicts
from grantproof.source import shown

if TYPE_CHECKING:
    import boto3

    from grantproof.aws.recorded import Recorded
    from grantproof.aws.stage import Stage
    from grantproof.contract import Contract

CONTRACTS = pytest.StashKey[tuple["Contract", ...]]()
RECORDED = pytest.StashKey[dict[str, "Recorded"]]()
OUTCOMES = pytest.StashKey[list[Outcome]]()
#: Where a report carries its outcome; what is in a report's __dict__ survives the way from an xdist worker.
ATTRIBUTE = "grantproof"
RECORD = pytest.StashKey["Record"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--grants DIR`, `--snapshot ALIAS=FILE`."""
    group = parser.getgroup("grantproof")
    group.addoption("--grants", metavar="DIR", default="templates", help="folder of the grants to verify")
    group.addoption(
        "--snapshot",
        metavar="ALIAS=FILE",
        action="append",
        default=[],
        help="verify against the export of a real account instead of a mocked world; once for each account",
    )


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


# --- which tests run for what ---------------------------------------------------------------------------------------

Axis = Callable[["Contract"], Iterable[tuple[str, Any]]]


def _templates(contract: Contract) -> Iterable[tuple[str, Any]]:
    return ((path.name, path) for path in contract.templates)


def _principals(*kinds: str) -> Axis:
    def of(contract: Contract) -> Iterable[tuple[str, Any]]:
        return ((p.alias, p) for p in contract.principals if not kinds or p.kind in kinds)

    return of


def _statements(which: str) -> Axis:
    def of(contract: Contract) -> Iterable[tuple[str, Any]]:
        for principal in contract.principals:
            for number, statement in enumerate(getattr(principal, which)):
                name = statement.document.get("Sid") or "+".join(_names(statement.document, 2))
                yield f"{principal.alias}-{which}[{number}]-{name}", (principal, statement)

    return of


def _names(document: Any, most: int | None) -> list[str]:
    actions = document.get("Action", document.get("NotAction", []))
    return [actions] if isinstance(actions, str) else list(actions)[:most]


def _swept(contract: Contract) -> Iterable[tuple[str, Any]]:
    """Each role with each service that its contract speaks of."""
    for principal in contract.principals:
        if principal.kind == "role":
            spoken = {p.split(":")[0] for s in (*principal.allows, *principal.denies) for p in _names(s.document, None)}
            yield from ((f"{principal.alias}-{service}", (principal, service)) for service in sorted(spoken - {"*"}))


AXES: dict[str, Axis] = {
    "swept": _swept,
    "template": _templates,
    "principal": _principals(),
    "role": _principals("role"),
    "caller": _principals("role", "user"),
    "allowed": _statements("allows"),
    "denied": _statements("denies"),
    "stack": lambda contract: ((stack.alias, stack) for stack in contract.stacks),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for `grant` runs for every grant; one that also asks for `role`, `template`, `allowed` (a pair
    of principal and statement) and so on runs for each of them."""
    if "grant" not in metafunc.fixturenames:
        return
    axes = [name for name in AXES if name in metafunc.fixturenames]
    rows: list[Any] = []
    for contract in contracts(metafunc.config):
        if not axes:
            rows.append(pytest.param(contract, id=contract.grant))
            continue
        for name, value in AXES[axes[0]](contract):
            rows.append(pytest.param(contract, value, id=f"{contract.grant}-{name}"))
    metafunc.parametrize(["grant", *axes[:1]], rows, indirect=False, scope="session")


#: The suites that judge what accounts hold, without making calls. The last is for real accounts only: a mocked world
#: holds nothing but what the grant deploys.
ON_SNAPSHOTS = ("trust", "permissions", "proof", "drift")


def _suite(item: pytest.Item) -> str:
    return Path(str(item.path)).stem.removeprefix("test_")


def _runs(item: pytest.Item) -> bool:
    """Does the test have what it needs: a mocked world, or exports?"""
    if not _grant_of(item) or _suite(item) not in (*SUITES, "drift"):
        return True
    return _suite(item) in ON_SNAPSHOTS if recorded(item.config) else _suite(item) != "drift"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Grant by grant, and within one the tests that deploy a world of their own last: only one world exists at a time
    in a process, so going back and forth would deploy again and again."""

    # Where no contract has what a test is about (no statement under `denies`, say), pytest puts a placeholder.
    items[:] = [item for item in items if not _is_placeholder(item) and _runs(item)]

    def order(item: pytest.Item) -> tuple[str, bool]:
        grant = _grant_of(item)
        return (grant.grant if grant else "", "deploy" in getattr(item, "fixturenames", ()))

    items.sort(key=order)


def _grant_of(item: pytest.Item) -> Contract | None:
    callspec = getattr(item, "callspec", None)
    found = callspec.params.get("grant") if callspec else None
    return found if hasattr(found, "grant") else None


def _is_placeholder(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    return callspec is not None and "grant" in callspec.params and _grant_of(item) is None


# --- fixtures ---------------------------------------------------------------------------------------------------------


class _Stages:
    """The one world of this process."""

    def __init__(self) -> None:
        self._current: Stage | None = None
        self._failed: dict[str, str] = {}

    def of(self, contract: Contract) -> Stage:
        if self._current is None or self._current.contract is not contract:
            self.close()
            self._current = self.open(contract)
        return self._current

    def open(self, contract: Contract) -> Stage:
        """A new stage. What cannot be deployed is tried once and then fails every test that needs it, in one line."""
        from grantproof.aws.deploy import DeploymentFailed
        from grantproof.aws.stage import Stage

        stage = Stage(contract)
        if contract.grant not in self._failed:
            try:
                stage.open()
            except _not_understood(DeploymentFailed) as error:
                self._failed[contract.grant] = str(error)
        if contract.grant in self._failed:
            pytest.fail(self._failed[contract.grant], pytrace=False)
        return stage

    def close(self) -> None:
        if self._current is not None:
            stage, self._current = self._current, None
            stage.close()


@pytest.fixture(scope="session")
def _stages() -> Generator[_Stages, None, None]:
    stages = _Stages()
    yield stages
    stages.close()


@pytest.fixture
def world(grant: Contract, _stages: _Stages, request: pytest.FixtureRequest) -> Stage | Recorded:
    """The grant, deployed in its mocked accounts. Shared between tests, so they must not change what is deployed. With
    `--snapshot`, what real accounts hold of it."""
    if real := recorded(request.config):
        return real[grant.grant]
    stage = _stages.of(grant)
    _record(request.node).watch(stage)
    return stage


@pytest.fixture
def deploy(_stages: _Stages, request: pytest.FixtureRequest) -> Generator[Callable[[Contract], Stage], None, None]:
    """Open a stage of the test's own: `stage = deploy(grant)`. The shared world is closed first."""
    opened: list[Stage] = []

    def open_stage(contract: Contract) -> Stage:
        _stages.close()
        stage = _stages.open(contract)
        opened.append(stage)
        _record(request.node).watch(stage)
        return stage

    yield open_stage
    for stage in opened:
        stage.close()


@pytest.fixture
def sessions(grant: Contract, world: Stage) -> Callable[[str], boto3.Session]:
    """A boto3 session of somebody who acts as a principal of the contract: `sessions("reader")`."""
    return lambda alias: world.member(grant.principal(alias))


@pytest.fixture
def verdict(grant: Contract, request: pytest.FixtureRequest) -> Record:
    """Where a test notes what it proved and what it found. A finding fails the test when it ends."""
    return _record(request.node)


# --- from tests to one verdict ----------------------------------------------------------------------------------------


@dataclass
class Record:
    """What one test notes while it runs."""

    grant: str = ""
    proved: int = 0
    findings: tuple[Finding, ...] = ()
    watched: tuple[tuple[Stage, tuple[int, int]], ...] = ()

    def watch(self, stage: Stage) -> None:
        """Count the calls made on this stage from now on."""
        self.watched += ((stage, stage.calls),)

    @property
    def calls(self) -> tuple[int, int]:
        """Calls made by the test, and how many of them the law refused."""
        made = sum(stage.calls[0] - before[0] for stage, before in self.watched)
        return made, sum(stage.calls[1] - before[1] for stage, before in self.watched)

    def proves(self, number: int = 1) -> None:
        """Note that so many statements are settled for all requests."""
        self.proved += number

    def broken(self, clause: str, detail: str, **shown: Any) -> None:
        """Note that a clause does not hold, with what shows it (`place`, `statement`, `witness`)."""
        self.findings += (Finding(self.grant, clause, "broken", detail, **shown),)

    def unverified(self, clause: str, detail: str, **shown: Any) -> None:
        """Note that a clause could not be judged: it fails, because not understood is not verified."""
        self.findings += (Finding(self.grant, clause, "unverified", detail, **shown),)


def _record(item: pytest.Item) -> Record:
    return item.stash.setdefault(RECORD, Record())


def _not_understood(*more: type[Exception]) -> tuple[type[Exception], ...]:
    """The errors that say: this cannot be judged."""
    from grantproof.aws.law import NotJudged
    from grantproof.aws.policies import SnapshotIncomplete
    from grantproof.iam import LawError

    return NotJudged, SnapshotIncomplete, LawError, *more


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """A test that noted findings fails with them, in the words of the grant and without a traceback. What was not
    understood is not verified, and says so in the same way."""
    contract = _grant_of(pyfuncitem)
    if contract is None:
        return (yield)
    _record(pyfuncitem).grant = contract.grant
    try:
        result = yield
    except _not_understood() as error:
        place = shown(contract.path)
        _record(pyfuncitem).unverified("what is asked can be judged", f"not verified: {error}", place=place)
        result = True
    findings = pyfuncitem.stash.get(RECORD, Record()).findings
    if findings:
        pytest.fail("\n".join(str(finding) for finding in findings), pytrace=False)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach what the test noted, as plain data, so that it survives the way from an xdist worker."""
    report = yield
    contract = _grant_of(item)
    if contract is None or (report.when != "call" and report.passed):
        return report
    record = _record(item)
    report.__dict__[ATTRIBUTE] = json.dumps(
        Outcome(
            grant=contract.grant,
            suite=_suite(item),
            test=item.name,
            passed=report.passed,
            seconds=report.duration,
            proved=record.proved,
            calls=record.calls[0],
            refused=record.calls[1],
            findings=record.findings,
        ).as_dict()
    )
    return report


class _Collector:
    """On the controller: gathers outcomes and prints the verdicts."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._outcomes: list[Outcome] = []
        self._started = time.monotonic()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if data := getattr(report, ATTRIBUTE, None):
            self._outcomes.append(Outcome.from_dict(json.loads(data)))

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        ran = [o for o in self._outcomes if o.suite in (*SUITES, "drift")]
        if not ran:
            return
        real = recorded(self._config)
        expected = [contract.grant for contract in contracts(self._config)]
        terminalreporter.section("verdict", sep="=")
        for found in verdicts(ran, expected):
            for line in found.lines():
                terminalreporter.write_line(line)
            if found.grant in real:
                terminalreporter.write_line(f"  {real[found.grant].summary()}")
                terminalreporter.write_line(f"  not run on snapshots: {', '.join(_needs_calls())}")
        seconds = time.monotonic() - self._started
        terminalreporter.write_line(f"{_count(expected, 'grant')} in {seconds:.1f} s")


def _needs_calls() -> list[str]:
    return [suite for suite in SUITES if suite not in ON_SNAPSHOTS]


def _count(things: Sequence[Any], name: str) -> str:
    return f"{len(things)} {name}" + ("" if len(things) == 1 else "s")


def pytest_configure(config: pytest.Config) -> None:
    """Collect outcomes where there is somebody to tell, which with xdist is the controller."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Collector(config), "grantproof-verdicts")
