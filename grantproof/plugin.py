"""The pytest plugin: the option `--grants DIR`, the fixtures of a grant, and a verdict on each grant at the end.

It does nothing unless a test takes the fixture `grant`, so it does not disturb other projects of an environment in
which grantproof is installed.
"""

from __future__ import annotations

import atexit
import json
import os
from collections.abc import Callable, Generator, Iterable
from functools import partial
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
    """Add the options and settings of the plugin."""
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
    group.addoption("--grants-report-passing", action="store_true", help="they are temporary: do not name their folder")


# --- the cases of each test ------------------------------------------------------------------------------------------


def _templates(contract: Contract) -> Iterable[tuple[str, Any]]:
    return ((path.name, path) for path in contract.templates)


def _swept(contract: Contract) -> Iterable[tuple[str, Any]]:
    """Each role, group and user with each boto3 client of the services that the contract names for it. Groups and users
    that may only assume roles are left out. A service that only the console uses has no client."""
    from grantproof.aws.calls.services import clients_of

    for principal in contract.principals:
        services = {p.split(":")[0] for s in (*principal.allows, *principal.denies) for p in s.patterns}
        if principal.kind == "role" or (principal.kind in ("group", "user") and services != {"sts"}):
            clients = [client for prefix in sorted(services - {"*"}) for client in clients_of(prefix)]
            yield from ((f"{principal.alias}-{client}", (principal, client)) for client in clients)


def _parts(contract: Contract) -> Iterable[tuple[str, Any]]:
    """The parts of a grant that are not the same under all combinations of its options, or in all regions; a part is a
    trust policy, limits, or the other policies of a stack."""
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
        found = [("policies", contract.stacks[0].alias)]  # the test of this part reports what is wrong
    yield from (("-".join(part), part) for part in found)


def _covering_combinations(contract: Contract) -> Iterable[tuple[str, Any]]:
    """A few combinations of variants that together contain every variant; before them the empty combination, if a trust
    policy has conditions without variants."""
    if not contract.accounts_for_options:
        return
    from grantproof.aws.combinations.space import space_of

    if any("Condition" in s.document for p in contract.principals for s in p.trust):
        yield "as-it-is", ()
    for group in space_of(contract).covering_combinations():
        more = f"-and-{len(group) - 1}-more" if len(group) > 1 else ""
        yield f"{group[0].alias}{more}", group


#: What a test can be about: name of the fixture to a function that gives the cases, with their ids, for a contract.
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
    """Run a test that takes the fixture `grant` for every grant; if it also takes one of `AXES`, such as `role`,
    `template` or `allowed` (a pair of principal and statement), run it for each of these in every grant."""
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
    """Sort tests by grant; within a grant, those that use the shared world first, then those under variants, then those
    that deploy a world of their own. A process has only one world at a time, so any other order would deploy the same
    grant several times. Tests that destroy their world come last."""

    # pytest collects a placeholder for a test without cases, for example if no contract has a statement under `denies`.
    items[:] = [item for item in items if not is_placeholder(item) and can_run(item)]

    def order(item: pytest.Item) -> tuple[str, int, str]:
        grant, fixtures = grant_of(item), getattr(item, "fixturenames", ())
        own = 2 if "deploy" in fixtures else 1 if "varied" in fixtures else 0
        own += 1 if item.get_closest_marker("destroys") else 0
        return (grant.grant if grant else "", own, item.callspec.id if own == 1 else "")  # type: ignore[attr-defined]  # only parametrized items

    items.sort(key=order)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With pytest-xdist: a scheduler that runs all tests of a grant in one process, and so all tests of a module under
    `one_process` in pytest.ini."""
    if config.getoption("dist") != "loadgroup":
        return None
    from grantproof.scheduling import ByGrant

    try:
        return ByGrant(config, log, _units(config))
    except pytest.UsageError:
        return None  # no grants, or a contract that cannot be read: the tests that need it report that


def _units(config: pytest.Config, processes: int = 1) -> Units:
    from grantproof.scheduling import Units

    return Units([contract.grant for contract in contracts(config)], config.getini("one_process"), processes)


def _cost(item: pytest.Item) -> int:
    """About how long a test takes: one about the options of a grant takes longer the more variants there are, and one
    that deploys takes as long as ten others."""
    fixtures, grant = set(getattr(item, "fixturenames", ())), grant_of(item)
    if grant is not None and fixtures & {"accounted", "combination", "part"}:
        return 1 + len(grant.variants)
    return 10 if "deploy" in fixtures else 1


# --- fixtures ---------------------------------------------------------------------------------------------------------


def adopt(config: pytest.Config, stage: Stage | None) -> None:
    """Make the suites use a stage that the caller has opened and will close; None ends that."""
    config.stash.setdefault(STAGES, Stages()).adopt(stage)


def outcome_of(report: pytest.TestReport) -> Outcome | None:
    """The outcome of a test for a grant, from pytest's report; None if it is no test of a grant."""
    data = getattr(report, recording.ATTRIBUTE, None)
    return Outcome.from_dict(json.loads(data)["outcome"]) if data else None


@pytest.fixture(scope="session")
def _stages(pytestconfig: pytest.Config) -> Generator[Stages, None, None]:
    stages = pytestconfig.stash.setdefault(STAGES, Stages())
    yield stages
    stages.close()


@pytest.fixture
def world(grant: Contract, _stages: Stages, request: pytest.FixtureRequest) -> Stage | Recorded:
    """The grant, deployed in its mocked accounts. Tests share it, so they must not change what is deployed. With
    `--snapshot`: the exports of the grant's real accounts."""
    if real := recorded(request.config):
        record_of(request.node).facts = _stages.facts(grant, real[grant.grant])
        return real[grant.grant]
    stage = _stages.stage_of(grant)
    record_of(request.node).facts = _stages.facts(grant, stage)
    record_of(request.node).watch(stage)
    return stage


@pytest.fixture
def varied(grant: Contract, combination: tuple[Variant, ...], _stages: Stages, request: pytest.FixtureRequest) -> Stage:
    """The grant, deployed under a combination of variants. Tests share it, so they must not change what is deployed."""
    stage = _stages.stage_of_variants(grant, combination)
    record_of(request.node).watch(stage)
    return stage


@pytest.fixture
def deploy(_stages: Stages, request: pytest.FixtureRequest) -> Generator[Callable[[Contract], Stage], None, None]:
    """Deploys a grant for this test alone, which may change it: `stage = deploy(grant)`. The shared world may be closed
    for this, and is deployed again when a test asks for it."""

    def open_stage(contract: Contract) -> Stage:
        stage = _stages.untouched(contract)
        record_of(request.node).watch(stage)
        return stage

    yield open_stage
    _stages.close_if_touched()


@pytest.fixture
def sessions(grant: Contract, world: Stage) -> Callable[[str], boto3.Session]:
    """Gives a boto3 session with the access of a principal of the contract, by its alias: `sessions("reader")`."""
    return lambda alias: world.member(grant.principal(alias))


@pytest.fixture
def verdict(grant: Contract, request: pytest.FixtureRequest) -> Record:
    """The record in which a test notes what it proved and its findings. A test with findings fails at its end."""
    return record_of(request.node)


def _prepare(config: pytest.Config) -> None:
    """Load what every forked process needs: the list of all actions, and moto and botocore unless the accounts are
    real."""
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
    """Register the other parts of the plugin: records, verdicts and reports; with several processes, `Forked`."""
    config.addinivalue_line("markers", "destroys: leaves a deployment that no other test can use, so it comes last")
    config.pluginmanager.register(hooks, "grantproof-recording")
    processes = config.getoption("--grants-processes")
    if processes > 1 and not hasattr(config, "workerinput"):
        from grantproof.processes import Forked

        units, early = _units(config, processes), config.getini("early_modules")
        prepare, meanwhile = partial(_prepare, config), partial(_prepare_reports, config)
        forked = Forked(config, processes, units, _cost, early, prepare, meanwhile)
        config.pluginmanager.register(forked, "grantproof-processes")
    if hasattr(config, "workerinput") and config.getoption("--grants-report"):
        # A pytest-xdist process of `grantproof verify`: exit without freeing moto's objects one by one, as
        # `cli.console` does.
        atexit.register(os._exit, 0)
