"""Compares a grant under a combination of its variants with its contract under the same variants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from grantproof.aws.combinations.dependencies import Part
from grantproof.aws.combinations.space import Space, meets_requirements
from grantproof.aws.held.agreement import Sides, disagreements, permissions, resource_policy, trust
from grantproof.aws.held.content import content, held_content
from grantproof.aws.held.deployed import Deployed
from grantproof.aws.held.disclosures import discloses
from grantproof.aws.held.policies import SnapshotIncomplete
from grantproof.aws.held.sends import clause_of, disagreements_about, senders, undeclared_sends
from grantproof.aws.held.undeclarable import is_declared, place_of
from grantproof.aws.synthesis.stacks import Refused
from grantproof.aws.synthesis.synthesised import Synthesised
from grantproof.aws.templates.pseudo import partition_of
from grantproof.contract import DeclaredPrincipal, DeclaredResource, Variant
from grantproof.source import shown
from grantproof.variants import Incompatible

#: A place in a template or a contract, or a function that returns it: looking it up costs more than most comparisons.
LazyPlace = str | Callable[[], str]


@dataclass
class CombinedFinding:
    """A finding (`broken` or `unverified`), the combinations that have it, and the evidence from the first of them.
    `covers`: what the text leaves out, under each combination."""

    kind: str
    shown: Mapping[str, Any]
    under: list[str] = field(default_factory=list)
    covers: list[str] = field(default_factory=list)


@dataclass
class CombinedFindings:
    """The findings under many combinations, by (clause, detail, place).

    Attributes:
        under: the combination that is being compared, in words.
        only_wider: ignore findings that give no more access than the contract says.
    """

    found: dict[tuple[str, str, str], CombinedFinding] = field(default_factory=dict)
    under: str = ""
    only_wider: bool = False

    def broken(self, clause: str, detail: str, place: LazyPlace, covers: str = "", **shown: Any) -> None:
        """See `Notes.broken`. `shown` is kept from the first combination."""
        self._note("broken", clause, detail, place, shown, covers)

    def narrower(self, clause: str, detail: str, place: LazyPlace, covers: str = "", **shown: Any) -> None:
        """As `broken`, for a difference that gives nobody more access."""
        if not self.only_wider:
            self._note("broken", clause, detail, place, shown, covers)

    def unverified(self, clause: str, detail: str, place: LazyPlace) -> None:
        """See `Notes.unverified`."""
        self._note("unverified", clause, detail, place, {}, "")

    def _note(
        self, kind: str, clause: str, detail: str, place: LazyPlace, shown: Mapping[str, Any], covers: str
    ) -> None:
        spot = place if isinstance(place, str) else place()
        finding = self.found.setdefault((clause, detail, spot), CombinedFinding(kind, shown))
        finding.under.append(self.under)
        finding.covers.append(covers)


def combination_name(chosen: Sequence[Variant]) -> str:
    """The name of a combination: the aliases of its variants."""
    return " + ".join(variant.alias for variant in chosen) or "no variant"


def synthesised_under(
    space: Space, chosen: Sequence[Variant], region: str, noted: CombinedFindings
) -> Synthesised | None:
    """The stacks under a combination; None if CloudFormation refuses it or the contract excludes it. Notes a finding if
    only one of the two holds.

    Raises:
        NotResolved: a value cannot be computed.
    """
    clause, place = "combinations of options are refused as the contract says", shown(space.contract.path)
    try:
        found = space.synthesised(chosen, region)
    except Incompatible as error:
        if meets_requirements(chosen):
            noted.broken(clause, f"the variants contradict each other, and exclude each other nowhere: {error}", place)
        return None
    if isinstance(found, Refused):
        if meets_requirements(chosen):
            noted.narrower(clause, f"CloudFormation refuses it, and the contract does not: {found}", place)
        elif len(found.stack) > 1:
            noted.narrower(clause, f"only a nested stack refuses it, when others exist already: {found}", place)
        return None
    if not meets_requirements(chosen):
        noted.broken(clause, "it can be deployed, and the contract says that it is refused", place)
        return None
    partition, _ = partition_of(region)
    varied = space.varied(frozenset(variant.alias for variant in chosen))
    return Synthesised(replace(varied, region=region, partition=partition), found)


def note_unknown_access(space: Space, found: Synthesised, noted: CombinedFindings) -> None:
    """Note resources that may give access in a way that is not modelled, and that the deployment without variants does
    not have, or has with other properties. In another region, properties are not compared, since they name the region.

    Raises:
        NotResolved: a value cannot be computed.
    """
    home, region = space.contract.region, found.contract.region
    base = space.synthesised((), home)
    before = base.unknown_access if not isinstance(base, Refused) else {}
    for path, resource in found.unknown_access.items():
        same = path in before and (region != home or before[path].properties == resource.properties)
        if not same and not is_declared(found, resource):
            clause = "what is not worked out stays as the contract's own deployment has it"
            change = "is another" if path in before else "comes with it"
            said = f"{change}, and whom it lets in is not known"
            if discloses(found.deployment, resource):
                said = "then has the value of a secret in clear"
            detail = f"{'/'.join(path)} ({resource.type}) {said}"
            (stack,) = (one for one in found.deployment.stacks if one.alias == path[0])
            noted.broken(clause, detail, partial(place_of, resource, found), content(stack, resource))


def compare_part(deployed: Deployed, part: Part, noted: CombinedFindings, *, whole: bool = True) -> None:
    """Compare one part of a grant with the contract. `whole`: for a "policies" part, compare also what belongs to no
    principal (`compare_rest`).

    Raises:
        IamError: a policy is not valid.
        SnapshotIncomplete: the contract names an output that no stack has.
    """
    kind, alias = part[:2]
    for principal in deployed.contract.principals:
        try:
            held = deployed.held(principal) if principal.kind != "policy" else None
            arn = held.arn if held else deployed.resolved(principal.reference)
        except SnapshotIncomplete:
            if not noted.only_wider:
                raise
            continue  # it is not created; what is created instead is reported as undeclared
        place = partial(_place, deployed, arn, principal)
        where = deployed.located(arn)
        of_aws = principal.kind == "policy" and ":iam::aws:policy/" in arn and arn in deployed.policies.managed
        if where is None and of_aws:
            # An AWS managed policy as boundary exists without the stacks.
            if kind == "policies":
                _note_disagreements(deployed, noted, permissions(deployed, principal))
        elif where is None:
            noted.narrower(f"the {principal.kind} {principal.alias} is deployed", f"no {arn} is deployed", place)
        elif kind == "trust" and held is not None and held.trust is not None and where == part[1:]:
            _note_disagreements(deployed, noted, trust(deployed, principal, held.trust))
        elif kind == "limits" and held is not None and where == part[1:]:
            _limits(deployed, noted, principal, held.max_session, place)
        elif kind == "policies" and where[0] == alias:
            _note_disagreements(deployed, noted, permissions(deployed, principal))
    if kind == "policies" and whole:
        compare_rest(deployed, noted)


def compare_rest(held: Deployed, noted: CombinedFindings) -> None:
    """Compare resource policies, external destinations and the set of entities with the contract.

    Raises:
        SnapshotIncomplete: the contract names an output that no stack has.
    """
    _resources(held, noted)
    _sends(held, noted)
    _undeclared(held, noted)


def _place(deployed: Deployed, arn: str, declared: DeclaredPrincipal | DeclaredResource) -> str:
    """The place in the templates that creates what an ARN names, else its place in the contract."""
    return str(deployed.origins.place(arn) or declared.place)


def _reported_arn(deployed: Deployed, sides: Sides) -> str:
    """The ARN under whose place a statement without a place of its own (in an AWS managed policy) is reported."""
    declared = sides.declared
    if sides.what == "may do" and isinstance(declared, DeclaredPrincipal) and declared.kind != "policy":
        held = deployed.held(declared)
        if held is not None:
            return held.arn
    return sides.real[0].label


def _note_disagreements(deployed: Deployed, noted: CombinedFindings, sides: Sides) -> None:
    """Note disagreements. The exact comparison runs only where the quick one, by statements, does not settle it."""
    if sides.trivially_agree():
        return
    place = str(sides.declared.place)
    if sides.real:
        place = _place(deployed, _reported_arn(deployed, sides), sides.declared)
    for found in disagreements(deployed, sides):
        if found.kind == "doubt":
            noted.unverified(sides.clause, found.detail, place)
        else:
            note = noted.broken if found.kind == "wider" else noted.narrower
            note(sides.clause, found.detail, found.place or place, found.covers, **found.shown)


def _limits(
    deployed: Deployed, noted: CombinedFindings, principal: DeclaredPrincipal, longest: int, place: LazyPlace
) -> None:
    clause = f"{principal.alias} has the limits of the contract"
    if longest != principal.max_session:
        note = noted.broken if longest > principal.max_session else noted.narrower
        note(clause, f"MaxSessionDuration is {longest}; the contract's is {principal.max_session}", place)
    held = deployed.held(principal)
    real = held.boundary[0].label if held is not None and held.boundary else None
    boundary = deployed.contract.principal(principal.boundary).reference if principal.boundary else None
    if real != deployed.resolved(boundary):
        # A boundary that the contract does not have removes access; one in place of another may give access.
        note = noted.broken if boundary else noted.narrower
        note(clause, f"its permissions boundary is {real}; the contract's is {deployed.resolved(boundary)}", place)


def _resources(deployed: Deployed, noted: CombinedFindings) -> None:
    for resource in deployed.contract.resources:
        clause = f"{resource.alias} says exactly what the contract says"
        try:
            real = deployed.resource_policy(resource)
        except SnapshotIncomplete:
            if not noted.only_wider:
                raise
            continue  # the resource itself is not created
        if real is None:
            noted.broken(clause, "there is no such policy", str(resource.place))
        else:
            _note_disagreements(deployed, noted, resource_policy(deployed, resource, real))


def _sends(deployed: Deployed, noted: CombinedFindings) -> None:
    for sending in deployed.contract.sends:
        try:
            for found in disagreements_about(deployed, sending):
                if found.kind == "doubt":
                    noted.unverified(clause_of(sending), found.detail, found.place)
                    continue
                note = noted.broken if found.kind == "wider" else noted.narrower
                note(clause_of(sending), found.detail, found.place, found.covers)
        except SnapshotIncomplete:
            if not noted.only_wider:
                raise
            if sending.path in senders(deployed.deployment):
                noted.broken(clause_of(sending), "it sends, and what it is promised to is not made", str(sending.place))
    for sent in undeclared_sends(deployed):
        clause = "the stacks create what the contract declares, and nothing else"
        noted.broken(clause, sent.detail, sent.place, sent.content)


def _undeclared(deployed: Deployed, noted: CombinedFindings) -> None:
    declared = set()
    contract = deployed.contract
    references = [principal.reference for principal in contract.principals]
    references += [resource.reference for resource in contract.resources]
    for reference in references:
        try:
            declared.add(deployed.resolved(reference))
        except SnapshotIncomplete:
            if not noted.only_wider:
                raise
    clause = "the stacks create what the contract declares, and nothing else"
    for arn in (*deployed.policies.held, *deployed.policies.managed, *deployed.policies.resource_policies):
        known = {arn, arn.rsplit("/", 1)[1]} if "/" in arn else {arn}
        made = arn in deployed.policies.resource_policies or deployed.origins.resource(arn) is not None
        if made and not known & declared:
            place = str(deployed.origins.place(arn) or shown(contract.path))
            noted.broken(clause, f"{arn} is not declared", place, held_content(deployed.policies, arn))
