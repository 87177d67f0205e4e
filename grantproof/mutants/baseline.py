"""The original grant, with which its mutants are compared, whether they are synthesised or deployed."""

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
from grantproof.mutants.deployed_access import Access, access, changes
from grantproof.mutants.equivalence import constraints, difference
from grantproof.mutants.mutant import Mutant
from grantproof.mutants.reasons import declared_references, traces_of, with_changes
from grantproof.mutants.score import DORMANT, EQUIVALENT, KILLED, Result
from grantproof.mutants.trial import Trial
from grantproof.source import Document, read

Suites = Sequence[Sequence[pytest.Item]]


@dataclass(frozen=True)
class Baseline:
    """What the original grant holds.

    Attributes:
        physical: the physical IDs of its resources, by the alias of the contract's stack and logical IDs.
        declared_references: see `reasons.declared_references`.
        limits: the constraints of the parameters that are inserted into policies.
    """

    contract: Contract
    physical: Mapping[tuple[str, ...], str]
    holds: Access
    declared_references: Mapping[tuple[str, str], str]
    limits: Mapping[str, Any]

    @staticmethod
    def of_deployment(stage: Deployed) -> Baseline:
        """The baseline of a deployment, taken before a test creates anything in its accounts."""
        physical = {(s.alias, *r.path): r.physical_id for s in stage.deployment.stacks for r in s.resources}
        return Baseline(
            stage.contract, physical, access(stage), declared_references(stage), constraints(stage.contract)
        )

    def judge(self, mutant: Mutant, broken: Deployed, trial: Trial, suites: Suites) -> Result:
        """The verdict on a mutant: equivalent, or what the suites find.

        Args:
            broken: the grant with the mutant in place of its template; reading the template gives the mutant.
        """
        after = access(broken)
        changed = changes(self.holds, after)
        if not (difference(self.holds, after, in_words=False) or self._other_limits()):
            return _unchanged(mutant, reads_otherwise=bool(changed))
        traces = with_changes(traces_of(mutant), changed, broken, self.declared_references)
        with trial.on(broken):
            found = trial.verdict(mutant, suites, traces)
        if found.verdict == KILLED:
            return found
        return replace(found, why=difference(self.holds, after) or self._other_limits())

    def _other_limits(self) -> str:
        """A parameter inserted into policies that accepts other values than before; empty where there is none."""
        now = constraints(self.contract)
        return next((f"{name} takes other values" for name in now if now[name] != self.limits.get(name)), "")


def _unchanged(mutant: Mutant, *, reads_otherwise: bool) -> Result:
    """The verdict on a mutant that changes nobody's access. `reads_otherwise`: some document differs, so the mutated
    part is deployed."""
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
    """Why CloudFormation refuses a mutant under any parameters: a function or section of an invalid shape. Empty where
    it may accept it, and for transformed templates. Reads the template, which must be the mutant."""
    return _malformed(read(mutant.template))


@lru_cache(maxsize=2)
def _malformed(document: Document) -> str:
    if is_transformed(document):
        return ""
    try:
        wellformed.check_template(document.value)
    except wellformed.NotUnderstood:
        return ""
    except wellformed.Malformed as error:
        return str(error)
    return ""


def check_contract(contract: Contract, before: Mapping[str, Any], mutant: Mutant) -> None:
    """Check the contract against a mutant. Reads the template, which must be the mutant.

    Args:
        before: the original template. A contract depends on its sections, on the logical IDs of its resources and on
            whether it is transformed; if these are the same, the contract is not checked again.

    Raises:
        ContractError: the contract does not fit the mutated template.
    """
    if _seen_by_a_contract(before) != _seen_by_a_contract(read(mutant.template).value):
        _load(contract.path, tuple(map(read, (contract.path, *contract.templates))))


@lru_cache(maxsize=2)
def _load(path: Path, documents: tuple[Document, ...]) -> None:
    # Cached: a mutant that changes nothing deployed is checked again under the variants.
    load(path)


def _seen_by_a_contract(template: Mapping[str, Any]) -> list[Any]:
    resources = template["Resources"]
    return [{**template, "Resources": sorted(resources)}, "Fn::Transform" in json.dumps(resources)]
