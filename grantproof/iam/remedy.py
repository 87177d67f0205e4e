"""Finds the smallest change with which a refused request would be allowed. Each change is tried by deciding again.

The smallest is the one that gives least access: condition keys that the request could have come before changes of
policies; an Allow is added for exactly this action and resource; a Deny is named only if it is in the way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from grantproof.iam.assumption import DEFAULTS, Judge
from grantproof.iam.decision import Cited, Decision, Outcome
from grantproof.iam.document import parse as parse_policy
from grantproof.iam.errors import IamError, Undecided
from grantproof.iam.evaluate import evaluate
from grantproof.iam.explain import RULES
from grantproof.iam.layers import Layers
from grantproof.iam.match import principal_matches, resource_matches
from grantproof.iam.policy import Policy, PolicyType, Statement
from grantproof.iam.principal import Kind
from grantproof.iam.request import DERIVED_KEYS, Request
from grantproof.iam.satisfy import added, satisfying

_MOST_STEPS = 8
_OF_RESOURCE = (PolicyType.RESOURCE, PolicyType.TRUST, PolicyType.KEY)


@dataclass(frozen=True)
class Change:
    """One step of a remedy.

    Attributes:
        kind: `request` (the request has `context` in addition), `statement` (`statement` is added to a policy of the
            type `layer`), or `deny` (the Deny statement `cited` no longer applies).
        cited: the nearest statement, or the one that denies; None if there was none.
    """

    kind: str
    layer: PolicyType
    cited: Cited | None = None
    context: Mapping[str, tuple[str, ...]] | None = None
    statement: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Remedy:
    """The changes with which the request is allowed; or `never`, the reason why no change of policies is enough."""

    changes: tuple[Change, ...] = ()
    never: str = ""


def remedy(request: Request, layers: Layers) -> Remedy:
    """The changes that are needed for the request to be allowed.

    Raises:
        IamError: it cannot be decided, with the changes found so far or without them.
    """
    changes: list[Change] = []
    for _ in range(_MOST_STEPS):
        decision = evaluate(request, layers)
        if decision.allowed:
            return Remedy(tuple(changes))
        if decision.rule:
            return Remedy(never=f"{RULES.get(decision.rule, 'a rule of AWS')} ({decision.rule})")
        step = _step(request, layers, decision)
        if step is None:
            break
        change, request, layers = step
        changes.append(change)
    return Remedy(never="no single step on the way was found that lets the request further")


Step = tuple[Change, Request, Layers]


def _step(request: Request, layers: Layers, decision: Decision) -> Step | None:
    if decision.outcome is Outcome.EXPLICIT_DENY:
        cited = decision.because[0]
        return Change("deny", cited.type, cited), request, _without(layers, cited)
    if decision.blocked_by is None:
        return None
    return _by_request(request, layers, decision.blocked_by) or _by_statement(request, layers, decision.blocked_by)


def _by_request(request: Request, layers: Layers, blocked: PolicyType) -> Step | None:
    """A request that meets the conditions of an Allow whose other elements match already."""
    for policy, statement in _statements(layers, blocked):
        if (
            not statement.allow
            or not statement.conditions
            or not _but_for_conditions(policy, statement, request, layers)
        ):
            continue
        met = satisfying(statement.conditions, request)
        if met is None or met == request or not _further(met, layers, blocked):
            continue
        context = added(request, met)
        # What follows from who asks, and for which resource, nobody can send otherwise.
        if DERIVED_KEYS.isdisjoint(key.lower() for key in context):
            cited = Cited(policy.label, statement.index, statement.sid, statement.effect, policy.type)
            return Change("request", blocked, cited, context=context), met, layers
    return None


def _further(request: Request, layers: Layers, blocked: PolicyType) -> bool:
    try:
        decision = evaluate(request, layers)
    except IamError:
        return False
    return decision.outcome is not Outcome.EXPLICIT_DENY and decision.blocked_by is not blocked


def _but_for_conditions(policy: Policy, statement: Statement, request: Request, layers: Layers) -> bool:
    judge = Judge(DEFAULTS)
    if any(glob.matches(request.key) for glob in statement.actions) == statement.not_action:
        return False
    try:
        if not principal_matches(policy, statement, request, judge, has_boundary=layers.boundary is not None):
            return False
        return request.resource is None or resource_matches(policy, statement, request, judge)
    except Undecided:
        return False


def _by_statement(request: Request, layers: Layers, blocked: PolicyType) -> Step | None:
    """An Allow for exactly this request."""
    if blocked in (PolicyType.SCP, PolicyType.RCP):
        return None  # the policies of the organization are not part of a grant
    document: dict[str, Any] = {"Effect": "Allow"}
    if blocked in _OF_RESOURCE:
        principal = _named(request)
        if principal is None:
            return None
        document["Principal"] = principal
    document["Action"] = request.action
    if blocked is not PolicyType.TRUST:
        # A key policy applies to its own key only (rule K10).
        document["Resource"] = "*" if blocked is PolicyType.KEY else request.resource or "*"
    policy = parse_policy({"Version": "2012-10-17", "Statement": [document]}, blocked, "the change")
    changed = _with(layers, blocked, policy)
    return None if changed is None else (Change("statement", blocked, statement=document), request, changed)


def _named(request: Request) -> Any:
    caller = request.principal
    match caller.kind:
        case Kind.SERVICE:
            return {"Service": caller.name}
        case Kind.FEDERATED:
            return {"Federated": caller.name}
        case Kind.ANONYMOUS:
            return "*"
        case Kind.CANONICAL:
            return {"CanonicalUser": caller.name}
    return {"AWS": caller.identity_arn} if caller.identity_arn else None


def _with(layers: Layers, blocked: PolicyType, policy: Policy) -> Layers | None:
    match blocked:
        case PolicyType.IDENTITY:
            return replace(layers, identity=(*layers.identity, policy))
        case PolicyType.BOUNDARY:
            return replace(layers, boundary=(*(layers.boundary or ()), policy))
        case PolicyType.SESSION:
            return replace(layers, session=(*(layers.session or ()), policy))
        case PolicyType.ENDPOINT:
            return replace(layers, endpoint=(*(layers.endpoint or ()), policy))
        case PolicyType.RESOURCE | PolicyType.TRUST | PolicyType.KEY:
            if layers.resource is None:
                return replace(layers, resource=policy)
            start = len(layers.resource.statements)
            more = tuple(replace(s, index=start + n) for n, s in enumerate(policy.statements))
            return replace(layers, resource=replace(layers.resource, statements=(*layers.resource.statements, *more)))
    return None


def _statements(layers: Layers, blocked: PolicyType) -> Iterator[tuple[Policy, Statement]]:
    layer = PolicyType.RESOURCE if blocked in _OF_RESOURCE else blocked
    for type_, _, policies in layers.sets:
        if type_ is layer:
            yield from policies.entries


def _without(layers: Layers, cited: Cited) -> Layers:
    """The layers without one statement."""

    def cut(policy: Policy) -> Policy:
        if policy.label != cited.policy:
            return policy
        return replace(policy, statements=tuple(s for s in policy.statements if s.index != cited.statement))

    def all_cut(policies: tuple[Policy, ...] | None) -> tuple[Policy, ...] | None:
        return None if policies is None else tuple(cut(policy) for policy in policies)

    return replace(
        layers,
        identity=tuple(cut(policy) for policy in layers.identity),
        resource=None if layers.resource is None else cut(layers.resource),
        boundary=all_cut(layers.boundary),
        session=all_cut(layers.session),
        endpoint=all_cut(layers.endpoint),
    )
