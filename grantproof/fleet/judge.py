"""Judges one deployment by running the suites' test functions without pytest."""

from __future__ import annotations

import importlib.util
import inspect
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from grantproof.aws.calls.authoriser import NotJudged
from grantproof.aws.held.policies import SnapshotIncomplete
from grantproof.aws.real.export import ExportRefused, read_export
from grantproof.aws.real.recorded import Recorded
from grantproof.contract import Contract, find
from grantproof.evidence.claim import ON_SNAPSHOTS
from grantproof.evidence.notes import Notes
from grantproof.evidence.subjects import SUBJECTS
from grantproof.fleet.plan import Deployment
from grantproof.iam import IamError


class CannotJudge(Exception):
    """A test of the suites needs a fixture that snapshots cannot provide. Such a test is never skipped."""


@dataclass(frozen=True)
class Judgement:
    """The result of the suites for one deployment."""

    name: str
    line: int
    verified: bool
    tests: int
    proved: int
    roles: int
    seconds: float
    findings: tuple[str, ...] = ()


def judge(directory: Path, suites: Path, batch: Sequence[Deployment]) -> list[Judgement]:
    """Verify some deployments, in this process. An error in one does not affect the others."""
    contracts = _contracts(directory)
    return [_judged(contracts[deployment.grant], suites, deployment) for deployment in batch]


@lru_cache(maxsize=4)
def _contracts(directory: Path) -> Mapping[str, Contract]:
    return {contract.grant: contract for contract in find(directory)}


def _judged(contract: Contract, suites: Path, deployment: Deployment) -> Judgement:
    began, bound = time.perf_counter(), deployment.bound(contract)
    try:
        exports = {alias: read_export(path) for alias, path in deployment.snapshots.items()}
        world = Recorded(bound, exports)
    except ExportRefused as error:
        return _judgement(deployment, began, 0, 0, 0, [f"refused: {error}"])
    notes, run = Notes(bound.grant), 0
    said: list[str] = []
    for test, arguments in _tests(suites, bound, world, notes):
        run += 1
        before = len(notes.findings)
        try:
            test(**arguments)
        except (NotJudged, SnapshotIncomplete, IamError) as error:
            notes.unverified("what is asked can be judged", f"not verified: {error}")
        except (AssertionError, LookupError) as error:
            said.append(f"{test.__name__}: {error or 'does not hold'}")
        said += [str(finding) for finding in notes.findings[before:]]
    roles = sum(len(snapshot.roles) for snapshot in world.snapshots().values())
    return _judgement(deployment, began, run, notes.proved, roles, said or ([] if run else ["no test ran"]))


def _judgement(deployment: Deployment, began: float, run: int, proved: int, roles: int, said: list[str]) -> Judgement:
    seconds = time.perf_counter() - began
    return Judgement(deployment.name, deployment.line, not said, run, proved, roles, seconds, tuple(said))


def _tests(
    suites: Path, contract: Contract, world: Recorded, notes: Notes
) -> Iterator[tuple[Callable[..., None], dict[str, Any]]]:
    """Every test of the suites, once for each of its parameters."""
    given = {"grant": contract, "world": world, "verdict": notes}
    for test in _functions(suites):
        asked = set(inspect.signature(test).parameters) - set(given)
        if not asked:
            yield test, {name: given[name] for name in inspect.signature(test).parameters}
            continue
        (axis, *more) = sorted(asked)
        if more or axis not in SUBJECTS:
            raise CannotJudge(f"{test.__name__} asks for {', '.join(sorted(asked))}, which snapshots do not give")
        for _, value in SUBJECTS[axis](contract):
            own = {**given, axis: value}
            yield test, {name: own[name] for name in inspect.signature(test).parameters}


@lru_cache(maxsize=1)
def _functions(suites: Path) -> tuple[Callable[..., None], ...]:
    out: list[Callable[..., None]] = []
    for suite in ON_SNAPSHOTS:
        module = _module(suites / f"test_{suite}.py")
        own = [value for name, value in vars(module).items() if name.startswith("test_") and callable(value)]
        if not own:
            raise CannotJudge(f"the suite {suite} has no tests")
        out += own
    return tuple(out)


def _module(path: Path) -> Any:
    name = f"grantproof_suites_{path.stem}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise CannotJudge(f"{path} cannot be loaded: install the package again")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]
