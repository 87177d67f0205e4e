"""The original grant under every combination of its variants, with which mutants are compared."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from grantproof.aws.combinations.combined import (
    CombinedFinding,
    CombinedFindings,
    combination_name,
    compare_part,
    compare_rest,
    note_unknown_access,
    synthesised_under,
)
from grantproof.aws.combinations.regions_to_check import regions_to_check
from grantproof.aws.combinations.space import Space, meets_requirements
from grantproof.aws.held.policies import SnapshotIncomplete
from grantproof.aws.mocked.deployment import Deployment
from grantproof.aws.synthesis.stacks import Refused, Synthesis
from grantproof.aws.synthesis.synthesised import Synthesised
from grantproof.aws.templates.scope import NotResolved, Scope
from grantproof.contract import Contract, UnknownFact, Variant
from grantproof.evidence.finding import Finding
from grantproof.iam import IamError
from grantproof.mutants.template_diff import TRUST_POLICY, Path_
from grantproof.source import overlay
from grantproof.variants import Incompatible


@dataclass(frozen=True)
class Case:
    """The original grant under a combination of variants in a region."""

    chosen: tuple[Variant, ...]
    region: str
    synthesis: Synthesis

    def surroundings(self, changed: Sequence[Path_]) -> str:
        """A digest of the other policies that can mask a difference in changed parts; empty if only trust policies
        changed, because nothing else decides who may assume a role."""
        return "" if all(path[-1] == TRUST_POLICY for path in changed) else self._without_trust

    @cached_property
    def _without_trust(self) -> str:
        accounts = [
            {**snapshot.as_dict(), "RoleDetailList": [{**role, TRUST_POLICY: None} for role in snapshot.roles]}
            for snapshot in self.synthesis.snapshots.values()
        ]
        return hashlib.sha256(json.dumps(accounts, sort_keys=True).encode()).hexdigest()


class Cases:
    """The combinations of a contract's variants, in the regions in which its templates differ.

    Attributes:
        every: the cases that can be deployed, fewest variants first: fewer other policies can mask a fault.
        excluded: the combinations that the contract excludes and a template refuses, with the refusal.

    Raises:
        NotResolved: the stacks cannot be synthesised.
    """

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.space = Space(contract)
        self.regions = regions_to_check(contract)
        self._parts = tuple(self.space.parts)
        self._held: dict[tuple[frozenset[str], str], Synthesised | None] = {}
        self.every = tuple(sorted(self._all(), key=lambda case: len(case.chosen)))
        # Computed now, while the templates are the originals.
        self.excluded = tuple(self._all_excluded())

    def _all(self) -> Iterator[Case]:
        for chosen, region in self._combinations():
            with suppress(Incompatible):
                found = self.space.synthesised(chosen, region) if meets_requirements(chosen) else Refused((), "")
                if not isinstance(found, Refused):
                    yield Case(chosen, region, found)

    def _combinations(self) -> Iterator[tuple[tuple[Variant, ...], str]]:
        """All combinations, each once, those that the contract excludes included."""
        told: set[tuple[frozenset[str], str]] = set()
        for region in self.regions if self.contract.accounts_for_options else self.regions[:1]:
            combinations = [c for part in self._parts for c in self.space.combinations(part)]
            for chosen in [(), *self.space.covering_combinations(), *combinations]:
                key = frozenset(variant.alias for variant in chosen), region
                if key not in told:
                    told.add(key)
                    yield tuple(chosen), region

    def _all_excluded(self) -> Iterator[tuple[tuple[Variant, ...], str, Refused]]:
        for chosen, region in self._combinations():
            if not meets_requirements(chosen):
                with suppress(Incompatible, NotResolved):
                    found = self.space.synthesised(chosen, region)
                    if isinstance(found, Refused):
                        yield chosen, region, found

    def scopes(self, stacks: Sequence[tuple[str, ...]]) -> Iterator[Scope]:
        """The scopes of these stacks in every case where they exist: the values of their parameters and conditions."""
        for case in self.every:
            yield from (scope for path in stacks if (scope := case.synthesis.scopes.get(path)) is not None)

    def findings(self, space: Space, case: Case) -> tuple[Finding, ...]:
        """The findings of the suite variants for a case in the space of the mutated templates.

        Raises:
            IamError, NotResolved, SnapshotIncomplete, UnknownFact: the case cannot be judged.
        """
        noted = CombinedFindings(under=combination_name(case.chosen))
        found = synthesised_under(space, case.chosen, case.region, noted)
        if found is not None:
            fine = self._fine(case)
            if (
                fine is not None
                and hold_the_same(fine, found)
                and self._unknown_access(space) == self._unknown_access(self.space)
            ):
                return ()
            self._judge(space, found, noted)
        return tuple(_as_finding(self.contract, noted.under, *item) for item in noted.found.items())

    def _judge(self, space: Space, found: Synthesised, noted: CombinedFindings) -> None:
        for part in self._parts:
            compare_part(found, part, noted, whole=False)
        compare_rest(found, noted)
        note_unknown_access(space, found, noted)

    def _fine(self, case: Case) -> Synthesised | None:
        """The original stacks in a case, if they have no finding; else None. Computed on first use, from the original
        files."""
        key = frozenset(variant.alias for variant in case.chosen), case.region
        if key not in self._held:
            self._held[key] = None
            noted = CombinedFindings()
            with overlay({}), suppress(IamError, NotResolved, SnapshotIncomplete, UnknownFact):
                found = synthesised_under(self.space, case.chosen, case.region, noted)
                if found is not None:
                    self._judge(self.space, found, noted)
                    self._held[key] = None if noted.found else found
        return self._held[key]

    def _unknown_access(self, space: Space) -> Mapping[tuple[str, ...], Any]:
        """The resources of the deployment without variants that may give access in a way that is not modelled."""
        found = space.synthesised((), self.contract.region)
        return {} if isinstance(found, Refused) else {p: r.properties for p, r in found.unknown_access.items()}


def hold_the_same(one: Synthesised, other: Synthesised) -> bool:
    """Are two syntheses the same in everything that the suites which read policies examine? Policies and their holders,
    the values of the contract's references, the resources, and properties that may give access."""
    return (
        one.deployment.facts == other.deployment.facts
        and one.policies.same_as(other.policies)
        and _made(one.deployment) == _made(other.deployment)
        and _properties(one) == _properties(other)
    )


def _made(deployment: Deployment) -> list[tuple[str, ...]]:
    return [
        (stack.alias, resource.type, resource.physical_id, resource.account, *resource.path)
        for stack in deployment.stacks
        for resource in stack.resources
    ]


def _properties(held: Synthesised) -> Mapping[tuple[str, ...], Any]:
    """The properties of resources whose effect is not contained in policies or in nested stacks."""
    every = {(stack.alias, *r.path): r for stack in held.deployment.stacks for r in stack.resources}
    apart = held.unknown_access
    return {path: r.properties for path, r in every.items() if path in apart or not _is_covered_by_policies(r.type)}


def _is_covered_by_policies(type_: str) -> bool:
    return type_.startswith("AWS::IAM::") or type_ == "AWS::CloudFormation::Stack"


def _as_finding(contract: Contract, under: str, where: tuple[str, str, str], seen: CombinedFinding) -> Finding:
    clause, detail, place = where
    kind: Literal["broken", "unverified"] = "broken" if seen.kind == "broken" else "unverified"
    return Finding(contract.grant, clause, kind, f"with {under}: {detail}", place)
