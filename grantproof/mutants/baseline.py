"""A grant as it is without a fault, against which its mutants are judged: both those that are read and those that are
deployed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from grantproof.aws.combinations.instances import is_transformed
from grantproof.aws.held.deployed import Deployed
from grantproof.aws.templates import wellformed
from grantproof.contract import Contract, load
from grantproof.mutants.catalogue import Mutant
from grantproof.mutants.deployed_access import Access, access, changes
from grantproof.mutants.equivalence import constraints, difference
from grantproof.mutants.reasons import spoken_of, traces_of, with_changes
from grantproof.mutants.score import DORMANT, EQUIVALENT, KILLED, Result
from grantproof.mutants.trial import Trial
from grantproof.source import Document, read

Suites = Sequence[Sequence[pytest.Item]]


@dataclass(frozen=True)
class Baseline:
    """What a grant holds.

    Attributes:
        physical: what its resources are called, by the alias of the contract's stack and logical ids.
        spoken_of: what the contract speaks of, as it is called (`reasons.spoken_of`).
        limits: what may be given for the parameters that policies are built from.
    """

    contract: Contract
    physical: Mapping[tuple[str, ...], str]
    holds: Access
    spoken_of: Mapping[tuple[str, str], str]
    limits: Mapping[str, Any]

    @staticmethod
    def of(stage: Deployed) -> Baseline:
        """Before anybody else has been created in its accounts."""
        physical = {(s.alias, *r.path): r.physical_id for s in stage.deployment.stacks for r in s.resources}
        return Baseline(stage.contract, physical, access(stage), spoken_of(stage), constraints(stage.contract))

    def judge(self, mutant: Mutant, broken: Deployed, trial: Trial, suites: Suites) -> Result:
        """What becomes of a mutant: equivalent, or what the suites say.

        Args:
            broken: the grant with the mutant in place of its template, which is the one that is read.
        """
        after = access(broken)
        changed = changes(self.holds, after)
        if not (difference(self.holds, after, in_words=False) or self._other_limits()):
            return _unchanged(mutant, reads_otherwise=bool(changed))
        traces = with_changes(traces_of(mutant), changed, broken, self.spoken_of)
        with trial.on(broken):
            found = trial.verdict(mutant, suites, traces)
        if found.verdict == KILLED:
            return found
        return replace(found, why=difference(self.holds, after) or self._other_limits())

    def _other_limits(self) -> str:
        """Which parameter that policies are built from takes other values; empty where none does."""
        now = constraints(self.contract)
        return next((f"{name} takes other values" for name in now if now[name] != self.limits.get(name)), "")


def _unchanged(mutant: Mutant, *, reads_otherwise: bool) -> Result:
    """The verdict on a mutant under which everybody's access is the same. `reads_otherwise`: some document differs, so
    that the comparison has had something to compare."""
    if not reads_otherwise and _in_a_branch(mutant):
        return Result(mutant, DORMANT, "the branch is not deployed by this contract")
    return Result(mutant, EQUIVALENT)


def _in_a_branch(mutant: Mutant) -> bool:
    if "Fn::If" in (*mutant.site, mutant.operator.intrinsic):
        return True
    if mutant.site[:1] != ("Resources",) or len(mutant.site) < 2:
        return False
    owner = read(mutant.template).value["Resources"].get(mutant.site[1])
    return owner is not None and "Condition" in owner


def malformed(mutant: Mutant) -> str:
    """Why CloudFormation refuses a mutant whatever its parameters are, when it is what is read: a function or a section
    of another shape than it takes. Empty where it may take it; what a transform makes of a template is not known."""
    return _malformed(read(mutant.template))


@lru_cache(maxsize=2)
def _malformed(document: Document) -> str:
    if is_transformed(document):
        return ""
    try:
        wellformed.whole(document.value)
    except wellformed.NotUnderstood:
        return ""
    except wellformed.Malformed as error:
        return str(error)
    return ""


def check_contract(contract: Contract, before: Mapping[str, Any], mutant: Mutant) -> None:
    """Refuse a mutant that the contract does not go together with, when the mutant is what is read.

    Args:
        before: the template without the fault. Of its resources a contract sees only what they are called, and whether
            something else is made of them; where nothing else differs the contract stands as it was read.

    Raises:
        ContractError: as for a contract that is written so.
    """
    if _seen_by_a_contract(before) != _seen_by_a_contract(read(mutant.template).value):
        _load(contract.path, tuple(map(read, (contract.path, *contract.templates))))


@lru_cache(maxsize=2)
def _load(path: Path, documents: tuple[Document, ...]) -> None:
    # A mutant that a deployment does not tell from the grant is asked about again for what it does elsewhere.
    load(path)


def _seen_by_a_contract(template: Mapping[str, Any]) -> list[Any]:
    resources = template["Resources"]
    return [{**template, "Resources": sorted(resources)}, "Fn::Transform" in json.dumps(resources)]
