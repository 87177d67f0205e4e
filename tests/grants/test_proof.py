"""Proof: what is true for all requests, not only for those that were tried."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import chain
from typing import Any

from grantproof.aws.held.agreement import Sides, disagreements, permissions, resource_policy, trust
from grantproof.aws.held.content import held_content
from grantproof.aws.held.deployed import Deployed
from grantproof.aws.held.disclosures import disclosures
from grantproof.aws.held.policies import Held
from grantproof.aws.held.sends import clause_of, disagreements_about, undeclared_sends
from grantproof.aws.held.undeclarable import undeclarable
from grantproof.aws.staged.stage import Stage
from grantproof.contract import Contract, DeclaredPrincipal, DeclaredResource, DeclaredSending, DeclaredStatement
from grantproof.evidence.finding import digest
from grantproof.iam import Layers, PolicyType, Statement, actions, parse_policy
from grantproof.iam.assumption import in_doubt
from grantproof.iam.comparison.comparisons import request_as_dict
from grantproof.iam.comparison.escalation import Bounds, Danger, dangers
from grantproof.iam.comparison.promise import taken_away
from grantproof.source import shown


def test_nothing_else_came_along(grant: Contract, world: Stage, verdict: Any) -> None:
    """Every user, role, group, managed policy and resource policy that the stacks create is declared in the
    contract."""
    declared = {(p.kind, world.resolved(p.reference)) for p in grant.principals}
    for held in world.policies.held.values():
        if world.origins.resource(held.arn) is None:
            continue  # created by the suites themselves, as callers
        if not {(held.kind, held.arn), (held.kind, held.arn.rsplit("/", 1)[1])} & declared:
            verdict.broken(
                "the stacks create what the contract declares, and nothing else",
                f"creates the {held.kind} {held.arn.rsplit('/', 1)[1]}, which the contract does not declare",
                place=str(world.origins.place(held.arn) or shown(grant.path)),
                covers=digest(held_content(world.policies, held.arn)),
            )
    for arn in world.policies.managed:
        if world.origins.resource(arn) is not None and ("policy", arn) not in declared:
            verdict.broken(
                "the stacks create what the contract declares, and nothing else",
                f"creates the managed policy {arn.rsplit('/', 1)[1]}, which the contract does not declare",
                place=str(world.origins.place(arn) or shown(grant.path)),
                covers=digest(held_content(world.policies, arn)),
            )
    for clause, findings in (
        ("the stacks create what the contract declares, and nothing else", (undeclarable, undeclared_sends)),
        ("the value of a secret is kept where it is", (disclosures,)),
    ):
        for found in chain.from_iterable(of(world) for of in findings):
            verdict.broken(clause, found.detail, place=found.place, covers=digest(found.content))
    carriers = {world.resolved(resource.reference) for resource in grant.resources}
    for arn in filter(world.may_have_created, world.policies.resource_policies):
        if arn not in carriers:
            verdict.broken(
                "the stacks create what the contract declares, and nothing else",
                f"puts a policy on {arn}, which the contract does not declare",
                place=str(world.origins.place(arn) or shown(grant.path)),
                covers=digest(held_content(world.policies, arn)),
            )


def test_every_policy_of_the_templates_was_deployed(grant: Contract, world: Stage, verdict: Any) -> None:
    """The mocked services drop what they do not know. A statement of a template that is in no account afterwards was
    never examined, so no result about this grant would be valid."""
    held = [policy for entity in world.policies.held.values() for policy in entity.identity]
    held += [entity.trust for entity in world.policies.held.values() if entity.trust]
    held += [policy for entity in world.policies.held.values() for policy in entity.boundary or ()]
    held += [*world.policies.managed.values(), *world.policies.resource_policies.values()]
    places = {place for policy in held for place in world.origins.places(policy.label)}
    for written in world.origins.written():
        if written not in places:
            verdict.unverified(
                "every policy of the templates was deployed",
                "this policy is in no account after the deployment: it was dropped, or taken away since",
                place=str(written),
            )


def test_a_principal_is_allowed_exactly_what_the_contract_says(
    grant: Contract, principal: DeclaredPrincipal, world: Stage, verdict: Any
) -> None:
    """In both directions, over all possible requests: nothing wider, nothing narrower."""
    if principal.kind != "policy":
        bounded(world, verdict, principal, world.holder(principal))
    tell(world, verdict, permissions(world, principal))


def bounded(world: Deployed, verdict: Any, principal: DeclaredPrincipal, held: Held) -> None:
    """Check that the boundary is the declared one."""
    declared = world.resolved(world.contract.principal(principal.boundary).reference) if principal.boundary else None
    real = held.boundary[0].label if held.boundary else None
    if real != declared:
        verdict.broken(
            f"{principal.alias} may do exactly what the contract says",
            f"its permissions boundary is {real or 'missing'}; the contract's is {declared or 'none'}",
            place=str(world.origins.place(held.arn) or principal.place),
        )


def test_a_resource_policy_says_exactly_what_the_contract_says(
    grant: Contract, resource: DeclaredResource, world: Stage, verdict: Any
) -> None:
    """Principals and conditions, Allow and Deny, both directions."""
    exactly(world, verdict, resource)


def exactly(world: Deployed, verdict: Any, resource: DeclaredResource) -> None:
    """Report every difference between the policy of a resource and the contract."""
    real = world.resource_policy(resource)
    if real is None:
        arn = world.resolved(resource.reference)
        verdict.broken(
            f"{resource.alias} has the policy that the contract says", f"{arn} has none", place=str(resource.place)
        )
        return
    mistyped = {str(p).lower(): s for s in real.statements for p in s.actions if not actions.names_something(str(p))}
    for action, statement in mistyped.items():
        near = actions.nearest(action)
        verdict.broken(
            f"every action of {resource.alias} exists",
            f"there is no action {action}" + (f"; did you mean {near}?" if near else ""),
            place=str(world.origins.place(real.label, statement.index) or resource.place),
        )
    tell(world, verdict, resource_policy(world, resource, real), told=mistyped)


def test_a_resource_sends_exactly_where_the_contract_says(
    grant: Contract, sending: DeclaredSending, world: Stage, verdict: Any
) -> None:
    """To each promised destination, and to no other; another account or region is another destination."""
    clause = clause_of(sending)
    for found in disagreements_about(world, sending):
        note = verdict.unverified if found.kind == "doubt" else verdict.broken
        note(clause, found.detail, place=found.place, covers=digest(found.covers))


def test_a_role_is_entered_exactly_as_the_contract_says(
    grant: Contract, role: DeclaredPrincipal, world: Stage, verdict: Any
) -> None:
    """Principals and conditions, both directions."""
    held = world.holder(role)
    assert held.trust is not None
    tell(world, verdict, trust(world, role, held.trust))


def test_what_is_named_as_denied_is_apart_from_what_is_allowed(
    grant: Contract, denied: tuple[DeclaredPrincipal, DeclaredStatement], world: Stage, verdict: Any
) -> None:
    """Over all requests, a Deny of what the contract names as denied would remove no access."""
    principal, statement = denied
    document = {**world.resolved(statement.document), "Effect": "Deny"}
    if statement.levels:
        document = {k: v for k, v in document.items() if k != "NotAction"} | {"Action": list(statement.known_actions())}
    deny = parse_policy({"Version": "2012-10-17", "Statement": [document]}, PolicyType.IDENTITY, "contract")
    found = taken_away(tuple(world.identity_policies(principal)), deny)
    clause = f"what {principal.alias} may do is apart from what is named as denied"
    for difference in found.lost_access:
        cited = difference.because[0]
        verdict.broken(
            clause,
            f"allows {difference.clause}, which {statement.place} names as denied",
            place=str(world.origins.place(cited.policy, cited.statement) or cited.policy),
            statement=f"Sid {cited.sid}" if cited.sid else f"Statement[{cited.statement}]",
            witness=request_as_dict(difference.witness),
            covers=digest(difference.clause.in_words()),
        )
    if found.reason or found.depends_on:
        doubt = found.reason or in_doubt(found.depends_on)
        verdict.unverified(clause, f"cannot be said: {doubt}", place=str(statement.place))
    verdict.proves()


def tell(world: Deployed, verdict: Any, sides: Sides, told: Collection[str] = ()) -> None:
    """Report every piece of access that only one side gives, over all requests, except access to nonexistent actions in
    `told`, which no contract can name."""
    for found in disagreements(world, sides):
        if str(found.shown.get("witness", {}).get("action")).lower() in told:
            continue
        note = verdict.unverified if found.kind == "doubt" else verdict.broken
        place, covers = found.place or str(sides.declared.place), digest(found.covers)
        note(sides.clause, found.detail, place=place, covers=covers, **found.shown)
    verdict.proves(sum(len(policy.statements) for policy in sides.real))


def test_every_known_action_is_accounted_for(
    grant: Contract, role: DeclaredPrincipal, world: Stage, verdict: Any
) -> None:
    """Of all existing actions, those that no Allow statement of the role covers, or none of its boundary, are denied
    whatever the resource and conditions; the contract covers all others."""
    held = world.holder(role)
    allowing = [s for policy in held.identity for s in policy.statements if s.allow]
    declared = [s for s in world.promised(world.allowed(role), PolicyType.IDENTITY).statements if s.allow]
    reached, left = covered(allowing), world.bounded(role)
    if more := sorted((reached if left is None else reached & left) - covered(declared)):
        named = ", ".join(more[:3]) + (f" and {len(more) - 3:,} more" if len(more) > 3 else "")
        verdict.broken(
            f"{role.alias} is denied every other action",
            f"allowed: {named}",
            place=str(role.place),
            covers=digest(more),
        )


def covered(statements: Sequence[Statement]) -> set[str]:
    """The known actions that the Action or NotAction of a statement covers."""
    return {name for s in statements for name in actions.covered(map(str, s.actions), others=s.not_action)}


# --- escalation -------------------------------------------------------------------------------------------------------

#: The greatest number of ways to more access that are reported one by one.
_FEW_WAYS = 5


def test_nothing_that_a_caller_may_do_widens_its_own_access(
    grant: Contract, caller: DeclaredPrincipal, world: Stage, verdict: Any
) -> None:
    """Neither by a known combination of actions, nor by changing a policy that limits it."""
    held = world.holder(caller)
    layers = Layers(identity=held.identity, boundary=held.boundary)
    found = dangers(layers, bounds(held), promised=named_one_by_one(world, caller))
    told = found[:_FEW_WAYS]
    for danger in told:
        last = danger is told[-1] and len(found) > len(told)
        note(world, verdict, caller, danger, f"; and {len(found) - len(told)} ways more" if last else "")
    verdict.proves(not found)


def bounds(held: Held) -> Bounds:
    """What limits the caller."""
    attached = {policy.label for policy in (*held.identity, *(held.boundary or ())) if "#" not in policy.label}
    return Bounds(
        role=held.arn if held.kind == "role" else "",
        user=held.arn if held.kind == "user" else "",
        groups=held.groups,
        policies=tuple(sorted(attached)),
    )


def named_one_by_one(world: Stage, caller: DeclaredPrincipal) -> list[str]:
    """The actions that the contract promises by their full names, on resources by their full names."""
    out: list[str] = []
    for statement in caller.allows:
        document = world.resolved(statement.document)
        names, resources = (
            [found] if isinstance(found, str) else list(found)
            for found in (document.get("Action", []), document.get("Resource", []))
        )
        if resources and not any(character in text for text in resources for character in "*?$"):
            out += [name for name in names if not set(name) & set("*?")]
    return out


def note(world: Stage, verdict: Any, caller: DeclaredPrincipal, danger: Danger, more: str) -> None:
    """Report a danger: the way, the statement that allows it, and an example request."""
    clause = f"{caller.alias} may do nothing that widens its own access"
    source = f" ({danger.source})" if danger.source else ""
    by = f"{danger.what}: {' with '.join(danger.actions)}{source}{more}"
    if danger.witness is None:
        verdict.unverified(clause, f"may be that it {by}; {danger.doubt}", place=str(caller.place))
        return
    cited = danger.because[0]
    verdict.broken(
        clause,
        by,
        place=str(world.origins.place(cited.policy, cited.statement) or cited.policy),
        statement=f"Sid {cited.sid}" if cited.sid else f"Statement[{cited.statement}]",
        witness={
            "principal": world.resolved(caller.reference),
            "action": danger.witness.action,
            "resource": danger.witness.resource,
            "context": {key: ", ".join(values) for key, values in sorted(danger.witness.context.items())},
        },
    )
