"""The pytest plugin: `--grants DIR`, the fixtures of a grant, and one verdict for each at the end.

Inert unless a test asks for `grant`: a repository that only happens to have grantproof installed sees nothing of it.
"""

from __future__ import annotations

import atexit
import json
import os
from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any

import pytest

from grantproof import recording
from grantproof.evidence.finding import Outcome
from grantproof.evidence.subjects import SUBJECTS, Axis
from grantproof.recording import (
    Record,
    can_run,
    contracts,
    grant_of,
    hooks,
    is_placeholder,
    record_of,
    recorded,
)
from grantproof.stages import Stages

if TYPE_CHECKING:
    import boto3

    from grantproof.aws.real.recorded import Recorded
    from grantproof.aws.staged.stage import Stage
    from grantproof.contract import Contract, Variant
    from grantproof.scheduling import Units

STAGES = pytest.StashKey["Stages"]()


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
    parser.addini("one_process", "modules whose tests share something costly", "linelist", [])
    parser.addini(
        "early_modules",
        "modules that need nothing that others import: with --grants-processes they start before those are collected",
        "linelist",
        [],
    )
    group.addoption("--grants-processes", metavar="N", type=int, default=1, help="run the tests in N forked processes")
    group.addoption("--calls", metavar="FILE", help="what became of the calls that `verify --try-calls` made")
    group.addoption("--grants-report", metavar="DIR", help="write reports for auditors and machines into this folder")
    group.addoption("--grants-report-passing", action="store_true", help="they are thrown away: do not point to them")


# --- which tests run for what ---------------------------------------------------------------------------------------


def _templates(contract: Contract) -> Iterable[tuple[str, Any]]:
    return ((path.name, path) for path in contract.templates)


def _swept(contract: Contract) -> Iterable[tuple[str, Any]]:
    """Each role, group and user with each boto3 client of the services that its contract speaks of; but for those that
    only enter roles. A service of the console alone has no calls to try."""
    from grantproof.aws.calls.services import clients_of

    for principal in contract.principals:
        spoken = {p.split(":")[0] for s in (*principal.allows, *principal.denies) for p in s.patterns}
        if principal.kind == "role" or (principal.kind in ("group", "user") and spoken != {"sts"}):
            clients = [client for prefix in sorted(spoken - {"*"}) for client in clients_of(prefix)]
            yield from ((f"{principal.alias}-{client}", (principal, client)) for client in clients)


def _parts(contract: Contract) -> Iterable[tuple[str, Any]]:
    """The parts of a grant that differ between combinations of its options, or between places."""
    if not contract.accounts_for_options:
        return
    from grantproof.aws.combinations.regions_to_check import regions_to_check
    from grantproof.aws.combinations.space import space_of
    from grantproof.aws.synthesis.stacks import Refused
    from grantproof.aws.templates.scope import NotResolved

    try:
        several = len(regions_to_check(contract)) > 1
        found = [part for part, variants in space_of(contract).parts.items() if variants or several]
    except (NotResolved, Refused):
        found = [("policies", contract.stacks[0].alias)]  # the test that is given it says what is wrong
    yield from (("-".join(part), part) for part in found)


def _covering_combinations(contract: Contract) -> Iterable[tuple[str, Any]]:
    """The covering combinations of the variants, and the empty one where a trust policy has conditions without any."""
    if not contract.accounts_for_options:
        return
    from grantproof.aws.combinations.space import space_of

    if any("Condition" in s.document for p in contract.principals for s in p.trust):
        yield "as-it-is", ()
    for group in space_of(contract).covering_combinations():
        more = f"-and-{len(group) - 1}-more" if len(group) > 1 else ""
        yield f"{group[0].alias}{more}", group


#: What a test can be about, by the name of the fixture.
AXES: dict[str, Axis] = {
    **SUBJECTS,
    "swept": _swept,
    "template": _templates,
    "part": _parts,
    "accounted": lambda contract: (("options", True),) if contract.accounts_for_options else (),
    "combination": _covering_combinations,
    "stack": lambda contract: ((stack.alias, stack) for stack in contract.stacks),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for `grant` runs for every grant; one that also asks for `role`, `template`, `allowed` (a pair
    of principal and statement) and so on runs for each of them."""
    if "grant" not in metafunc.fixturenames:
        return
    axes = [name for name in (*AXES, "answer") if name in metafunc.fixturenames]
    rows: list[Any] = []
    for contract in contracts(metafunc.config):
        if not axes:
            rows.append(pytest.param(contract, id=contract.grant))
            continue
        if axes[0] == "answer":
            answers = recording.answers(metafunc.config, contract.grant)
            rows += [pytest.param(contract, one, id=f"{contract.grant}-{one.trial.name}") for one in answers]
            continue
        for name, value in AXES[axes[0]](contract):
            rows.append(pytest.param(contract, value, id=f"{contract.grant}-{name}"))
    metafunc.parametrize(["grant", *axes[:1]], rows, indirect=False, scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Grant by grant, and within one the tests that deploy a world of their own last, those that destroy it at the very
    end: only one world exists at a time in a process, so going back and forth would deploy again and again."""

    # Where no contract has what a test is about (no statement under `denies`, say), pytest puts a placeholder.
    items[:] = [item for item in items if not is_placeholder(item) and can_run(item)]

    def order(item: pytest.Item) -> tuple[str, int, str]:
        grant, fixtures = grant_of(item), getattr(item, "fixturenames", ())
        own = 2 if "deploy" in fixtures else 1 if "varied" in fixtures else 0
        own += 1 if item.get_closest_marker("destroys") else 0
        return (grant.grant if grant else "", own, item.callspec.id if own == 1 else "")  # type: ignore[attr-defined]  # only parametrized items

    items.sort(key=order)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Share the suites out by grant, and modules by their names under `one_process` in pytest.ini."""
    if config.getoption("dist") != "loadgroup":
        return None
    from grantproof.scheduling import ByGrant

    try:
        return ByGrant(config, log, _units(config))
    except pytest.UsageError:
        return None  # a repository without grants, or a broken one: whoever asks for them says so


def _units(config: pytest.Config, processes: int = 1) -> Units:
    from grantproof.scheduling import Units

    return Units([contract.grant for contract in contracts(config)], config.getini("one_process"), processes)


# --- fixtures ---------------------------------------------------------------------------------------------------------


def adopt(config: pytest.Config, stage: Stage | None) -> None:
    """Give the suites a stage that somebody else opened, and will close."""
    config.stash.setdefault(STAGES, Stages()).adopt(stage)


def outcome_of(report: pytest.TestReport) -> Outcome | None:
    """What a test noted about a grant, from its report."""
    data = getattr(report, recording.ATTRIBUTE, None)
    return Outcome.from_dict(json.loads(data)["outcome"]) if data else None


@pytest.fixture(scope="session")
def _stages(pytestconfig: pytest.Config) -> Generator[Stages, None, None]:
    stages = pytestconfig.stash.setdefault(STAGES, Stages())
    yield stages
    stages.close()


@pytest.fixture
def world(grant: Contract, _stages: Stages, request: pytest.FixtureRequest) -> Stage | Recorded:
    """The grant, deployed in its mocked accounts. Shared between tests, so they must not change what is deployed. With
    `--snapshot`, what real accounts hold of it."""
    if real := recorded(request.config):
        record_of(request.node).facts = _stages.facts(grant, real[grant.grant])
        return real[grant.grant]
    stage = _stages.of(grant)
    record_of(request.node).facts = _stages.facts(grant, stage)
    record_of(request.node).watch(stage)
    return stage


@pytest.fixture
def varied(grant: Contract, combination: tuple[Variant, ...], _stages: Stages, request: pytest.FixtureRequest) -> Stage:
    """The grant, deployed under a combination of variants. Shared between tests."""
    stage = _stages.of_variants(grant, combination)
    record_of(request.node).watch(stage)
    return stage


@pytest.fixture
def deploy(_stages: Stages, request: pytest.FixtureRequest) -> Generator[Callable[[Contract], Stage], None, None]:
    """A stage of the test's own, as nobody has touched it yet: `stage = deploy(grant)`. The shared world is closed."""

    def open_stage(contract: Contract) -> Stage:
        stage = _stages.untouched(contract)
        record_of(request.node).watch(stage)
        return stage

    yield open_stage
    _stages.close_if_touched()


@pytest.fixture
def sessions(grant: Contract, world: Stage) -> Callable[[str], boto3.Session]:
    """A boto3 session of somebody who acts as a principal of the contract: `sessions("reader")`."""
    return lambda alias: world.member(grant.principal(alias))


@pytest.fixture
def verdict(grant: Contract, request: pytest.FixtureRequest) -> Record:
    """Where a test notes what it proved and what it found. A finding fails the test when it ends."""
    return record_of(request.node)


def _prepare(config: pytest.Config) -> None:
    """What all processes need: the list of actions, of which each grant's are counted; and what it takes to deploy and
    call, but where the accounts are real."""
    from grantproof.iam import actions

    actions.every()
    if not config.getoption("--snapshot"):
        from grantproof.aws.mocked import world

        world.prepare()


def _prepare_reports(config: pytest.Config) -> None:
    if config.getoption("--grants-report"):
        from grantproof.evidence import bundle

        bundle.prepare()


def pytest_configure(config: pytest.Config) -> None:
    """The second part: what tests note, verdicts and reports."""
    config.addinivalue_line("markers", "destroys: leaves a deployment that no other test can use, so it comes last")
    config.pluginmanager.register(hooks, "grantproof-recording")
    processes = config.getoption("--grants-processes")
    if processes > 1 and not hasattr(config, "workerinput"):
        from grantproof.processes import Forked

        units, early = _units(config, processes), config.getini("early_modules")
        forked = Forked(config, processes, units, early, lambda: _prepare(config), lambda: _prepare_reports(config))
        config.pluginmanager.register(forked, "grantproof-processes")
    if hasattr(config, "workerinput") and config.getoption("--grants-report"):
        # A process of `grantproof verify`: nobody waits for it to take moto's state apart, as `cli.console` does not.
        atexit.register(os._exit, 0)
