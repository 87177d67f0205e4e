"""Proof: what holds for all requests, not only for those that were tried."""

from __future__ import annotations

from typing import Any

from grantproof.aws.stage import Stage
from grantproof.contract import Contract
from grantproof.source import shown


def test_nothing_else_came_along(grant: Contract, world: Stage, verdict: Any) -> None:
    """Every user, role, group, managed policy and resource policy that the stacks create is declared in the
    contract."""
    declared = {(p.kind, world.resolved(p.reference)) for p in grant.principals}
    for held in world.policies.held.values():
        if world.origins.resource(held.arn) is None:
            continue  # made by the suites themselves: somebody to call as
        if not {(held.kind, held.arn), (held.kind, held.arn.rsplit("/", 1)[1])} & declared:
            verdict.broken(
                "the stacks create what the contract declares, and nothing else",
                f"creates the {held.kind} {held.arn.rsplit('/', 1)[1]}, which the contract does not declare",
                place=str(world.origins.place(held.arn) or shown(grant.path)),
            )
    for arn in world.policies.managed:
        if world.origins.resource(arn) is not None and ("policy", arn) not in declared:
            verdict.broken(
                "the stacks create what the contract declares, and nothing else",
                f"creates the managed policy {arn.rsplit('/', 1)[1]}, which the contract does not declare",
                place=str(world.origins.place(arn) or shown(grant.path)),
            )
    for arn in world.policies.resource_policies:
        verdict.broken(
            "the stacks create what the contract declares, and nothing else",
            f"puts a policy on {arn}, which the contract does not declare",
            place=str(world.origins.place(arn) or shown(grant.path)),
        )


def test_every_policy_of_the_templates_was_deployed(grant: Contract, world: Stage, verdict: Any) -> None:
    """The mocked services drop what they do not know. A statement that a template writes and no account holds
    afterwards was never looked at, so nothing said of this grant would hold."""
    held = [policy for entity in world.policies.held.values() for policy in entity.identity]
    held += [entity.trust for entity in world.policies.held.values() if entity.trust]
    held += [policy for entity in world.policies.held.values() for policy in entity.boundary or ()]
    held += [*world.policies.managed.values(), *world.policies.resource_policies.values()]
    places = {world.origins.place(policy.label) for policy in held}
    for written in world.origins.written():
        if written not in places:
            verdict.unverified(
                "every policy of the templates was deployed",
                "this policy is in no account after the deployment: the mocked world cannot hold it",
                place=str(written),
            )
