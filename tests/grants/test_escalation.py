"""Escalation: nothing that a session may do lets it widen its own access."""

from __future__ import annotations

from typing import Any

from grantproof.aws.policies import Held
from grantproof.aws.stage import Stage
from grantproof.contract import Contract, DeclaredPrincipal
from grantproof.iam import Layers
from grantproof.iam.escalation import Bounds, Danger, dangers

#: So many are told one by one.
_FEW = 5


def test_nothing_that_a_caller_may_do_widens_its_own_access(
    grant: Contract, caller: DeclaredPrincipal, world: Stage, verdict: Any
) -> None:
    """Neither by a known combination of actions nor by changing a policy that bounds it."""
    held = world.held(caller)
    assert held is not None, f"no {caller.kind} {world.resolved(caller.reference)} is deployed"
    layers = Layers(identity=held.identity, boundary=held.boundary)
    found = dangers(layers, bounds(held), promised=named_one_by_one(world, caller))
    for danger in found[:_FEW]:
        more = f"; and {len(found) - _FEW} ways more" if len(found) > _FEW and danger is found[_FEW - 1] else ""
        note(world, verdict, caller, danger, more)
    verdict.proves(not found)


def bounds(held: Held) -> Bounds:
    """By what the caller is bound."""
    attached = {policy.label for policy in (*held.identity, *(held.boundary or ())) if "#" not in policy.label}
    return Bounds(
        role=held.arn if held.kind == "role" else "",
        user=held.arn if held.kind == "user" else "",
        groups=held.groups,
        policies=tuple(sorted(attached)),
    )


def named_one_by_one(world: Stage, caller: DeclaredPrincipal) -> list[str]:
    """The actions that the contract promises by their whole name, on resources by their whole name."""
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
    """A finding: the way, the statement that opens it, and a request that shows it."""
    clause = f"{caller.alias} may do nothing that widens its own access"
    by = f"{danger.what}: {' with '.join(danger.actions)} ({danger.source}){more}"
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
