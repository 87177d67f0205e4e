"""Idle conditions: those that restrict nothing, because without them the same requests are allowed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from grantproof.aws.combinations.combined import CombinedFindings
from grantproof.aws.held.deployed import Deployed
from grantproof.iam import EVERYTHING, Layers, Policy, Statement, actions, request_keys
from grantproof.iam.comparison.compare import Verdict, compare
from grantproof.iam.condition import Test
from grantproof.iam.operators import Set, Type
from grantproof.source import shown


def idle_conditions(deployed: Deployed, noted: CombinedFindings) -> int:
    """Note the idle conditions. If a condition restricts something, some denied request becomes allowed without it (in
    a Deny, an allowed one denied); the exact comparison finds that. Returns the number of conditions examined."""
    looked_at = 0
    for kind, policy in _policies(deployed):
        for statement in policy.statements:
            for test in statement.conditions:
                _check(deployed, noted, kind, policy, statement, test)
                looked_at += 1
    return looked_at


def _policies(deployed: Deployed) -> Iterator[tuple[str, Policy]]:
    """The policies that the stacks create; AWS managed policies are left out."""
    seen: set[str] = set()
    for arn, held in deployed.policies.held.items():
        found = [("identity", policy) for policy in (*held.identity, *(held.boundary or ()))]
        for kind, policy in [*found, *([("resource", held.trust)] if held.trust else [])]:
            if policy.label not in seen and deployed.origins.resource(arn) is not None:
                seen.add(policy.label)
                if ":iam::aws:policy/" not in policy.label:
                    yield kind, policy
    managed = deployed.policies.managed
    yield from (
        ("identity", p) for label, p in managed.items() if label not in seen and deployed.origins.resource(label)
    )
    yield from (("resource", policy) for policy in deployed.policies.resource_policies.values())


def _check(
    deployed: Deployed, noted: CombinedFindings, kind: str, policy: Policy, statement: Statement, test: Test
) -> None:
    place = str(deployed.origins.place(policy.label, statement.index) or shown(deployed.contract.path))
    clause = "every condition of the policies protects from something"
    others = tuple(other for other in statement.conditions if other is not test)
    without = replace(
        policy,
        statements=tuple(replace(s, conditions=others) if s is statement else s for s in policy.statements),
    )

    def layers(chosen: Policy) -> Layers:
        if kind == "resource":
            return Layers(identity=(EVERYTHING,), resource=chosen)
        # A Deny has an effect only together with an Allow.
        return Layers(identity=(chosen,) if statement.allow else (chosen, EVERYTHING))

    # Relations between two keys can make one of two conditions redundant; having both is no fault.
    found = compare(layers(policy), layers(without), every_reading=False, correlated=False)
    differs = found.new_access if statement.allow else found.lost_access
    if found.verdict is Verdict.EQUAL:
        noted.broken(clause, f"{test} holds for every request: without it the policy allows the same", place)
    elif void := _void(statement, test):
        noted.broken(clause, void, place)
    elif not differs:
        noted.unverified(clause, f"{test} may change nothing: {found.reason or found.verdict.value}", place)


def _void(statement: Statement, test: Test) -> str:
    """Why a condition restricts nobody, given which keys AWS puts into a request; empty if it does. The comparison over
    all requests cannot find this, because there a request may carry any key."""
    if not request_keys.exists(test.key):
        return f"{test} asks for {test.key}, and AWS has no such condition key"
    operator = test.operator
    without = operator.if_exists or operator.prefix is Set.ALL
    if operator.type is Type.NULL:
        holds_without = any(wanted.text.lower() == "true" for wanted in test.values)
    else:
        holds_without = without or operator.negated
    names = _actions(statement)
    if holds_without and names and not request_keys.may_come_with(test.key, names):
        more = " and its like" if len(names) > 1 else ""
        return f"{test} holds for every request: none for {names[0]}{more} carries the key"
    if without and statement.allow and (test.key in request_keys.SHOWN or test.key.startswith("aws:principaltag/")):
        return f"{test} holds for whoever comes without {test.key}; let it be asked for in any case"
    return ""


def _actions(statement: Statement) -> tuple[str, ...]:
    """The known actions that the Action element of a statement matches; none for a statement with NotAction."""
    if statement.not_action:
        return ()
    literal = [name for glob in statement.actions if glob.literal for name in actions.matching(glob.literal)]
    wild = [glob for glob in statement.actions if not glob.literal]
    return (*literal, *(n for n in (actions.every() if wild else ()) if any(g.matches(n.lower()) for g in wild)))
