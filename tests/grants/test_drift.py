"""Drift: what else a real account contains that affects the principals of a grant. Runs on snapshots only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from grantproof.aws.held.policies import Held
from grantproof.aws.real.recorded import Recorded
from grantproof.contract import Contract, DeclaredPrincipal
from grantproof.evidence.finding import digest
from grantproof.iam import Policy, PolicyType, Statement, parse_policy
from grantproof.iam.comparison.comparisons import request_as_dict
from grantproof.iam.comparison.promise import check_promise
from grantproof.source import shown


def test_no_policy_of_others_lets_the_principal_do_more(
    grant: Contract, caller: DeclaredPrincipal, world: Recorded, verdict: Any
) -> None:
    """Within one account, a resource policy that names a role or user gives it access by itself (rules E11, E12, E17).
    The buckets, keys, queues and roles of others are checked for that."""
    held = world.holder(caller)
    clause = f"{caller.alias} may do exactly what the contract says"
    declared = world.promised(world.allowed(caller), PolicyType.IDENTITY)
    for policy, document in others(grant, world, held):
        given = [
            without_principal(raw, policy.label)
            for statement, raw in zip(policy.statements, document, strict=True)
            if statement.allow and names(statement, held)
        ]
        if not given:
            continue
        place = shown(world.exports[alias_of(world, held)].path)
        real = parse_policy({"Version": "2012-10-17", "Statement": given}, PolicyType.IDENTITY, policy.label)
        found = check_promise((declared,), (real,), bearer=held.arn, partition=grant.partition)
        if found.doubt:
            said = f"{policy.label} names {held.arn} and cannot be compared: {found.doubt}"
            verdict.unverified(clause, said, place=place)
        for breach in found.breaches:
            if breach.wider:
                verdict.broken(
                    clause,
                    f"wider than the contract: {policy.label} lets {held.arn} do {breach.clause}",
                    place=place,
                    statement=f"Sid {breach.cited.sid}" if breach.cited.sid else "",
                    witness=request_as_dict(breach.witness),
                    covers=digest(breach.in_full),
                )


def others(grant: Contract, world: Recorded, held: Held) -> Iterator[tuple[Policy, list[Any]]]:
    """The resource and trust policies of the principal's own account, except those that the contract promises, each
    with its raw statements."""
    account = held.arn.split(":")[4]
    entered = {role.arn for p in grant.principals if p.kind == "role" and (role := world.held(p))}
    declared = {world.resolved(resource.reference) for resource in grant.resources}
    snapshot = world.snapshots()[account]
    for entry in snapshot.resource_policies:
        if entry["Arn"] in declared:
            continue
        yield world.policies.resource_policies[entry["Arn"]], statements(entry["Policy"])
    for role in snapshot.roles:
        trust = world.policies.held[role["Arn"]].trust
        if role["Arn"] not in entered and trust is not None:
            yield trust, statements(role["AssumeRolePolicyDocument"])


def statements(document: Mapping[str, Any]) -> list[Any]:
    found = document["Statement"]
    return found if isinstance(found, list) else [found]


def names(statement: Statement, held: Held) -> bool:
    """Does a statement let the principal in by itself? One that names its account does not: it leaves the decision to
    the account's own policies. One with NotPrincipal can."""
    element = statement.principals
    if element is None or statement.not_principal or element.everyone:
        return True
    account, name = held.arn.split(":")[4], held.arn.rsplit("/", 1)[1]
    session = f":sts::{account}:assumed-role/{name}/"
    return (
        held.arn in element.arns or held.unique_id in element.unique_ids or any(session in arn for arn in element.arns)
    )


def without_principal(raw: Mapping[str, Any], label: str) -> dict[str, Any]:
    """The statement as in an identity policy. The resource of a trust policy is its role."""
    out = {key: value for key, value in raw.items() if key not in ("Principal", "NotPrincipal")}
    if "Resource" not in out and "NotResource" not in out:
        out["Resource"] = label.removesuffix("#trust")
    return out


def alias_of(world: Recorded, held: Held) -> str:
    return next(alias for alias, export in world.exports.items() if export.account == held.arn.split(":")[4])
