"""Judges mutants by what their templates would hold, worked out instead of deployed: a hundredth of the time.

Only what is seen in this way is judged. A mutant that cannot be worked out, that CloudFormation would refuse, or that
no suite which reads policies has caught, is left to be deployed. So is every mutant of a grant of which a deployment
holds something else than was worked out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from grantproof.aws.intrinsics import NotResolved
from grantproof.aws.synthesis import Refused, synthesise
from grantproof.aws.synthesised import Synthesised
from grantproof.contract import Contract, ContractError, load
from grantproof.iam import MalformedPolicy
from grantproof.mutants.access import Access, access, changes, constraints, difference
from grantproof.mutants.catalogue import Mutant
from grantproof.mutants.reasons import traces_of, with_changes
from grantproof.mutants.score import DORMANT, EQUIVALENT, KILLED, Result
from grantproof.mutants.trial import Trial, in_the_original
from grantproof.source import instead, read


@dataclass(frozen=True)
class Reading:
    """A grant as it was worked out unbroken."""

    contract: Contract
    physical: Mapping[tuple[str, ...], str]
    """What the resources are called, by path."""
    before: Access
    references: dict[str, str]
    limits: dict[str, Any]

    @staticmethod
    def of(contract: Contract, physical: Mapping[tuple[str, ...], str], deployed: Access) -> Reading | None:
        """None where it cannot be worked out, or not as it was deployed, when things were called so."""
        try:
            view = Synthesised(contract, synthesise(contract, physical=physical))
            before = access(view)
        except (Refused, NotResolved, MalformedPolicy):
            return None
        if difference(deployed, before):
            return None
        references = {p.alias: str(view.resolved(p.reference)) for p in contract.principals}
        return Reading(contract, physical, before, references, constraints(contract))

    def judge(self, trial: Trial, suites: Sequence[Sequence[pytest.Item]], mutant: Mutant) -> Result | None:
        """What becomes of a mutant; None where it has to be deployed."""
        with instead({mutant.template: mutant.text}):
            found = self._verdict(trial, suites, mutant)
            broken = read(mutant.template)
        return in_the_original(found, broken) if found is not None else None

    def _verdict(self, trial: Trial, suites: Sequence[Sequence[pytest.Item]], mutant: Mutant) -> Result | None:
        try:
            load(self.contract.path)
            view = Synthesised(self.contract, synthesise(self.contract, physical=self.physical))
            after = access(view)
        except (ContractError, Refused, NotResolved, MalformedPolicy):
            return None
        changed = changes(self.before, after)
        differs = difference(self.before, after) or limits_differ(self.contract, self.limits)
        if not differs:
            return unchanged(mutant, bool(changed))
        traces = with_changes(traces_of(mutant), changed, self.contract, view, self.references)
        trial.plugin.adopt(trial.session.config, view)
        try:
            found = trial.verdict(mutant, suites, traces, differs)
        finally:
            trial.plugin.adopt(trial.session.config, None)
        return found if found.verdict == KILLED else None


def unchanged(mutant: Mutant, reads_otherwise: bool) -> Result:
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


def limits_differ(contract: Contract, before: dict[str, Any]) -> str:
    """Which parameter that policies are built from takes other values than before; empty where none does."""
    now = constraints(contract)
    return next((f"{name} takes other values" for name in now if now[name] != before.get(name)), "")
