"""The permissions of the declared principals: static analysis of the deployed policies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from policyuniverse.policy import Policy as Reading

from grantproof.aws.held.deployed import PrincipalNotDeployed
from grantproof.aws.staged.stage import Stage
from grantproof.contract import Contract, DeclaredPrincipal, DeclaredStatement
from grantproof.evidence.finding import digest
from grantproof.evidence.words import document_of
from grantproof.iam import Policy, PolicyType, Statement, actions


def allows(world: Stage, principal: DeclaredPrincipal) -> Iterator[tuple[Policy, Statement]]:
    """The Allow statements of a principal."""
    for policy in world.identity_policies(principal):
        yield from ((policy, statement) for statement in policy.statements if statement.allow)


def reached(world: Stage, principal: DeclaredPrincipal, statement: Statement) -> set[str]:
    """The known actions of an Allow statement, as far as a boundary allows them."""
    found = actions.covered(map(str, statement.actions), others=statement.not_action)
    bounded = world.bounded(principal)
    return found if bounded is None else found & bounded


def names(document: Any) -> list[str]:
    """The patterns under Action, as a list."""
    found = document.get("Action", [])
    return [found] if isinstance(found, str) else list(found)


def place(world: Stage, policy: Policy, statement: Statement) -> dict[str, str]:
    """The position of a deployed statement, for a finding."""
    sid = f"Sid {statement.sid}" if statement.sid else f"Statement[{statement.index}]"
    place_ = str(world.origins.place(policy.label, statement.index) or policy.label)
    covers = digest(document_of(statement))
    return {"place": place_, "statement": sid + world.origins.inside(policy.label), "covers": covers}


def test_the_principal_is_deployed(grant: Contract, principal: DeclaredPrincipal, world: Stage, verdict: Any) -> None:
    try:
        world.identity_policies(principal)
    except PrincipalNotDeployed as error:
        verdict.broken(f"the {principal.kind} {principal.alias} is deployed", str(error), place=str(error.place))


def test_no_action_is_allowed_that_the_contract_does_not_name(
    grant: Contract, principal: DeclaredPrincipal, world: Stage, verdict: Any
) -> None:
    """Every known action that the deployed patterns match is matched by those of the contract; wildcards only as
    declared. With a boundary, only what it allows is checked: the policies can be wider."""
    declared = [pattern for s in world.allowed(principal) for pattern in names(s.document)]
    promised = {action for pattern in declared for action in actions.matching(pattern)}
    if any("NotAction" in s.document for s in world.allowed(principal)):
        return
    bounded = world.bounded(principal) is not None
    for policy, statement in allows(world, principal):
        extra = sorted(reached(world, principal, statement) - promised)
        written = {text.lower() for text in declared}
        said = ""
        if statement.not_action and (extra or not bounded):
            said = "NotAction allows every action but those listed, also those that AWS adds later"
        elif extra:
            shown = ", ".join(extra[:3]) + (f" and {len(extra) - 3} more" if len(extra) > 3 else "")
            patterns = [str(p) for p in statement.actions if not set(extra).isdisjoint(actions.matching(str(p)))]
            said = f"allows {', '.join(patterns)}, which is {shown}; the contract: {', '.join(declared)}"
        elif not bounded:
            # The next test reports those that name no action.
            named = [str(p) for p in statement.actions if p.literal is None and actions.names_something(str(p))]
            wild = [pattern for pattern in named if pattern not in written]
            said = f"allows {', '.join(wild)}; the contract: {', '.join(declared)}" if wild else ""
        if said:
            verdict.broken(f"{principal.alias} may do what the contract names", said, **place(world, policy, statement))


def test_every_action_exists(grant: Contract, principal: DeclaredPrincipal, world: Stage, verdict: Any) -> None:
    """A mistyped action allows nothing and denies nothing (rule A10); another one was meant. In AWS managed policies
    that the contract names, AWS has retired it."""
    of_aws = {world.resolved(policy.reference) for policy in principal.managed}
    for policy in (p for p in world.identity_policies(principal) if p.label not in of_aws):
        for statement in policy.statements:
            for pattern in statement.actions:
                if not actions.names_something(str(pattern)):
                    near = actions.nearest(str(pattern))
                    verdict.broken(
                        f"every action of {principal.alias} exists",
                        f"there is no action {pattern}" + (f"; did you mean {near}?" if near else ""),
                        **place(world, policy, statement),
                    )


def test_only_the_declared_access_levels_are_reached(
    grant: Contract, principal: DeclaredPrincipal, world: Stage, verdict: Any
) -> None:
    """Read and List stay Read and List: by the levels of the action list, and by policyuniverse's categories."""
    declared = _levels(name for s in world.allowed(principal) for name in s.known_actions())
    for policy, statement in allows(world, principal):
        levels = _levels(reached(world, principal, statement))
        if statement.not_action or levels <= declared:
            continue
        wanted = ", ".join(sorted(declared)) or "none"
        verdict.broken(
            f"{principal.alias} has the access levels of the contract",
            f"reaches {', '.join(sorted(levels - declared))}; the contract has {wanted}",
            **place(world, policy, statement),
        )


def _speaks_of(statement: DeclaredStatement, service: str) -> bool:
    """Does a statement name actions of a service, or under NotAction not exclude all of them?"""
    patterns = [pattern.lower() for pattern in statement.patterns]
    if "NotAction" in statement.document:
        return not {"*", f"{service}:*"}.intersection(patterns)
    return any(pattern.split(":")[0] in ("*", service) for pattern in patterns)


def _levels(known: Iterable[str]) -> set[str]:
    return {level for name in known for level in actions.details(name).levels}


def test_policyuniverse_finds_no_other_service(
    grant: Contract, principal: DeclaredPrincipal, world: Stage, verdict: Any
) -> None:
    """A second analysis of the same documents, by independent code."""
    promised = world.allowed(principal)
    left = world.bounded(principal)
    services = None if left is None else {name.split(":")[0] for name in left}
    others: dict[str, set[str]] = {}
    read = [*documents(world, principal)]
    for document in read:
        # It counts denied actions as reached.
        listed = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
        allowing = {**document, "Statement": [s for s in listed if s["Effect"] == "Allow"]}
        for service, categories in Reading(allowing).action_summary().items():
            if service not in actions.services() or any(_speaks_of(s, service) for s in promised):
                continue  # of a service that AWS has retired no action exists
            if services is None or service in services:
                others.setdefault(service, set()).update(filter(None, categories))
    if others:
        reached = [f"{service} ({', '.join(sorted(others[service]))})" for service in sorted(others)]
        verdict.broken(
            f"{principal.alias} uses the services of the contract",
            f"reaches {', '.join(reached[:3])}" + (f" and {len(reached) - 3} services more" if reached[3:] else ""),
            place=str(principal.place),
            covers=digest([reached, read]),
        )


def documents(world: Stage, principal: DeclaredPrincipal) -> Iterator[Any]:
    """The raw documents of the principal's inline and managed policies."""
    labels = {policy.label for policy in world.identity_policies(principal)}
    for snapshot in world.snapshots().values():
        for policy in snapshot.policies:
            if policy["Arn"] in labels:
                yield policy["PolicyVersionList"][0]["Document"]
        for kind, entries in (("Role", snapshot.roles), ("User", snapshot.users), ("Group", snapshot.groups)):
            for entity in entries:
                for inline in entity.get(f"{kind}PolicyList") or ():
                    if f"{entity['Arn']}#{inline['PolicyName']}" in labels:
                        yield inline["PolicyDocument"]


def test_what_is_named_as_denied_is_not_allowed(
    grant: Contract, denied: tuple[DeclaredPrincipal, DeclaredStatement], world: Stage, verdict: Any
) -> None:
    """No known action under the denied patterns is matched by any Allow statement, whatever its resource."""
    principal, statement = denied
    forbidden = statement.known_actions()
    assert forbidden, f"{statement.place}: matches no known action"
    left = world.bounded(principal)
    for policy, allow in allows(world, principal):
        hit = [name for name in forbidden if _covers(allow, name) and (left is None or name in left)]
        if hit and not _resources_apart(world, statement, allow):
            more = f" and {len(hit) - 1} more" if len(hit) > 1 else ""
            verdict.broken(
                f"{principal.alias} may not {' '.join(names(statement.document))}",
                f"allows {hit[0]}{more}, which {statement.place} names as denied",
                **place(world, policy, allow),
            )


def _covers(statement: Statement, name: str) -> bool:
    return any(pattern.matches(name.lower()) for pattern in statement.actions) != statement.not_action


def _resources_apart(world: Stage, statement: DeclaredStatement, allow: Statement) -> bool:
    """Do the two certainly name different resources? Only literal ARNs on both sides count."""
    (wanted,) = world.promised([statement], PolicyType.IDENTITY).statements
    left, right = wanted.resources or (), allow.resources or ()
    if wanted.not_resource or allow.not_resource:
        return False
    literals = [p.fixed.literal if p.fixed else None for p in (*left, *right)]
    return None not in literals and not set(literals[: len(left)]) & set(literals[len(left) :])
