"""What the declared principals may do: static analysis of the policies that were really deployed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policyuniverse.policy import Policy as Reading

from grantproof.aws.held.deployed import NotHeld
from grantproof.aws.staged.stage import Stage
from grantproof.contract import Contract, DeclaredPrincipal, DeclaredStatement
from grantproof.evidence.finding import digest
from grantproof.evidence.words import document_of
from grantproof.iam import Policy, PolicyType, Statement, actions


def allows(world: Stage, principal: DeclaredPrincipal) -> Iterator[tuple[Policy, Statement]]:
    """Its Allow statements."""
    for policy in world.identity_policies(principal):
        yield from ((policy, statement) for statement in policy.statements if statement.allow)


def names(document: Any) -> list[str]:
    """The patterns under Action, as a list."""
    found = document.get("Action", [])
    return [found] if isinstance(found, str) else list(found)


def place(world: Stage, policy: Policy, statement: Statement) -> dict[str, str]:
    """Where a deployed statement stands, for a finding."""
    sid = f"Sid {statement.sid}" if statement.sid else f"Statement[{statement.index}]"
    place_ = str(world.origins.place(policy.label, statement.index) or policy.label)
    covers = digest(document_of(statement))
    return {"place": place_, "statement": sid + world.origins.inside(policy.label), "covers": covers}


def test_the_principal_is_deployed(grant: Contract, principal: DeclaredPrincipal, world: Stage, verdict: Any) -> None:
    try:
        world.identity_policies(principal)
    except NotHeld as error:
        verdict.broken(f"the {principal.kind} {principal.alias} is deployed", str(error), place=str(error.place))


def test_no_action_is_allowed_that_the_contract_does_not_name(
    grant: Contract, principal: DeclaredPrincipal, world: Stage, verdict: Any
) -> None:
    """Every known action that the deployed patterns match is matched by the contract's; wildcards only as declared."""
    declared = [pattern for s in world.allowed(principal) for pattern in names(s.document)]
    promised = {action for pattern in declared for action in actions.matching(pattern)}
    negated = any("NotAction" in s.document for s in world.allowed(principal))
    for policy, statement in allows(world, principal):
        if statement.not_action and not negated:
            verdict.broken(
                f"{principal.alias} may do what the contract names",
                "NotAction allows every action but those listed, also those that AWS adds later",
                **place(world, policy, statement),
            )
            continue
        for pattern in statement.actions if not negated else ():
            extra = [name for name in actions.matching(str(pattern)) if name not in promised]
            written = {text.lower() for text in declared}
            if extra or (pattern.literal is None and str(pattern) not in written):
                shown = ", ".join(extra[:3]) + (f" and {len(extra) - 3} more" if len(extra) > 3 else "")
                verdict.broken(
                    f"{principal.alias} may do what the contract names",
                    f"allows {pattern}"
                    + (f", which is {shown}" if extra else "")
                    + f"; the contract: {', '.join(declared)}",
                    **place(world, policy, statement),
                )


def test_every_action_exists(grant: Contract, principal: DeclaredPrincipal, world: Stage, verdict: Any) -> None:
    """A mistyped action allows nothing and denies nothing (rule A10); somebody meant another. In AWS's own policies,
    named by the contract, it is one that AWS has retired."""
    of_aws = {world.resolved(policy.reference) for policy in principal.managed}
    for policy in (p for p in world.identity_policies(principal) if p.label not in of_aws):
        for statement in policy.statements:
            for pattern in statement.actions:
                if not actions.matching(str(pattern)):
                    near = actions.nearest(str(pattern))
                    verdict.broken(
                        f"every action of {principal.alias} exists",
                        f"there is no action {pattern}" + (f"; did you mean {near}?" if near else ""),
                        **place(world, policy, statement),
                    )


def test_only_the_declared_access_levels_are_reached(
    grant: Contract, principal: DeclaredPrincipal, world: Stage, verdict: Any
) -> None:
    """Read and List stay Read and List: by the action list's levels, and by policyuniverse's categories."""
    declared = _levels(pattern for s in world.allowed(principal) for pattern in names(s.document))
    for policy, statement in allows(world, principal):
        reached = _levels(str(pattern) for pattern in statement.actions)
        if statement.not_action or reached <= declared:
            continue
        wanted = ", ".join(sorted(declared)) or "none"
        verdict.broken(
            f"{principal.alias} has the access levels of the contract",
            f"reaches {', '.join(sorted(reached - declared))}; the contract has {wanted}",
            **place(world, policy, statement),
        )


def _levels(patterns: Any) -> set[str]:
    return {level for p in patterns for name in actions.matching(p) for level in actions.details(name).levels}


def test_policyuniverse_finds_no_other_service(
    grant: Contract, principal: DeclaredPrincipal, world: Stage, verdict: Any
) -> None:
    """A second reading of the same documents, by another's code."""
    declared = {pattern.split(":")[0].lower() for s in world.allowed(principal) for pattern in names(s.document)}
    for document in documents(world, principal):
        # It counts what is denied as reached.
        listed = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
        allowing = {**document, "Statement": [s for s in listed if s["Effect"] == "Allow"]}
        for summary in Reading(allowing).action_summary().items() if "*" not in declared else ():
            service, categories = summary
            if service not in declared:
                verdict.broken(
                    f"{principal.alias} uses the services of the contract",
                    f"reaches {service} ({', '.join(sorted(filter(None, categories)))})",
                    place=str(principal.place),
                    covers=digest(document),
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
    for policy, allow in allows(world, principal):
        hit = [name for name in forbidden if _covers(allow, name)]
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
    """Is it plain that the two name different resources? Only literal ARNs on both sides count as plain."""
    (wanted,) = world.promised([statement], PolicyType.IDENTITY).statements
    left, right = wanted.resources or (), allow.resources or ()
    if wanted.not_resource or allow.not_resource:
        return False
    literals = [p.fixed.literal if p.fixed else None for p in (*left, *right)]
    return None not in literals and not set(literals[: len(left)]) & set(literals[len(left) :])
