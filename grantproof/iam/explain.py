"""Explains a decision: in one sentence, and in the words of AWS's access-denied messages (rules N1 to N9)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from grantproof.iam.assumption import DEFAULTS, Judge
from grantproof.iam.condition import Test, holds
from grantproof.iam.decision import Decision, Outcome
from grantproof.iam.errors import Undecided
from grantproof.iam.layers import Layers
from grantproof.iam.match import principal_matches, resource_matches
from grantproof.iam.policy import Policy, PolicyType, Statement
from grantproof.iam.principal import Via
from grantproof.iam.request import Request


class Mismatch(Enum):
    """The element because of which a statement does not apply, in the order in which they are compared."""

    ACTION = "action"
    PRINCIPAL = "principal"
    RESOURCE = "resource"
    CONDITION = "condition"


@dataclass(frozen=True, slots=True)
class Near:
    """An Allow statement that did not apply, and its first element that did not match."""

    policy: str
    statement: int
    sid: str | None
    why: Mismatch
    detail: str = ""


RULES = {
    "E1": "the account's root user has full access to it",
    "E44": "no bucket policy can keep the root user of the bucket's account from reading and changing it",
    "K9": "this KMS operation cannot be used from another account",
    "T9": "the root user cannot assume roles",
    "T23": "the credentials of a role session cannot call it",
    "T24": "a federated user session can call no IAM operation, and of STS only GetCallerIdentity",
    "T26": "GetSessionToken needs no permission",
    "T28": "GetCallerIdentity needs no permission and cannot be denied",
    "X10": "access is never delegated from one partition to another",
}


def nearest(request: Request, layers: Layers, decision: Decision) -> Near | None:
    """For an implicit deny, the statement of the blocking layer that came nearest to allowing the request.

    That is the one whose failing element is last in the order action, principal, resource, condition; of several the
    first. None if the layer has no Allow statement, or no layer blocked.
    """
    if decision.blocked_by is None:
        return None
    return nearest_of(_allows_of(layers, decision.blocked_by), request, layers)


def nearest_of(statements: Iterable[tuple[Policy, Statement]], request: Request, layers: Layers) -> Near | None:
    """The statement that came nearest, of these, none of which applies."""
    order = list(Mismatch)
    best: Near | None = None
    for policy, statement in statements:
        near = _mismatch(policy, statement, request, layers)
        if near is not None and (best is None or order.index(near.why) > order.index(best.why)):
            best = near
    return best


def _allows_of(layers: Layers, blocked_by: PolicyType) -> list[tuple[Policy, Statement]]:
    of_resource = (PolicyType.RESOURCE, PolicyType.TRUST, PolicyType.KEY)
    layer = PolicyType.RESOURCE if blocked_by in of_resource else blocked_by
    return [
        (policy, statement)
        for type_, _, policies in layers.sets
        if type_ is layer
        for policy, statement in policies.entries
        if statement.allow
    ]


def _mismatch(policy: Policy, statement: Statement, request: Request, layers: Layers) -> Near | None:
    judge = Judge(DEFAULTS)

    def near(why: Mismatch, detail: str = "") -> Near:
        return Near(policy.label, statement.index, statement.sid, why, detail)

    covered = any(glob.matches(request.key) for glob in statement.actions)
    if covered == statement.not_action:
        return near(Mismatch.ACTION)
    try:
        if principal_matches(policy, statement, request, judge, has_boundary=layers.boundary is not None) is Via.NONE:
            return near(Mismatch.PRINCIPAL)
        if request.resource is not None and not resource_matches(policy, statement, request, judge):
            return near(Mismatch.RESOURCE)
    except Undecided:
        return None
    for test in statement.conditions:
        if _fails(test, request, judge):
            values = request.values.get(test.key)
            has = f"the request has {', '.join(values)}" if values else "the request does not carry the key"
            return near(Mismatch.CONDITION, f"{test.as_written}; {has}")
    return None


def _fails(test: Test, request: Request, judge: Judge) -> bool:
    """Is an entry certainly false? An undecided one does not matter beside one that is."""
    try:
        return not holds(test, request, judge)
    except Undecided:
        return False


def explanation(request: Request, layers: Layers, decision: Decision) -> str:
    """The decision in one sentence."""
    if decision.rule:
        verb = "Allowed" if decision.allowed else "Denied"
        return f"{verb}: {RULES[decision.rule]} ({decision.rule})."
    if decision.because:
        named = ", ".join(
            f"{c.policy} Statement[{c.statement}]" + (f" ({c.sid})" if c.sid else "") for c in decision.because
        )
        verb = "Allowed by" if decision.outcome is Outcome.ALLOWED else "Explicitly denied by"
        return f"{verb} {named}."
    blocked = decision.blocked_by.value if decision.blocked_by else "policy"
    text = f"Implicitly denied: no {blocked} allows {request.action}"
    near = nearest(request, layers, decision)
    if near is None:
        return f"{text}; there is no such Allow statement."
    sid = f" ({near.sid})" if near.sid else ""
    detail = f": {near.detail}" if near.detail else ""
    where = f"{near.policy} Statement[{near.statement}]{sid}"
    return f"{text}; nearest is {where}, whose {near.why.value} does not match{detail}."


def refusal_message(request: Request, decision: Decision) -> str:
    """The message with which AWS refuses the request (rules N1 to N5, N9, N14).

    Exact in form. AWS does not document which policy type it names if several deny, and whether it names a resource
    (O30): here it is the first in the order of rule E3, and the resource, if there is one, except for trust policies
    (N9).
    """
    type_ = decision.because[0].type if decision.because else decision.blocked_by
    on = f" on resource: {request.resource}" if request.resource not in (None, "*") else ""
    if type_ is PolicyType.TRUST:
        on = ""
    start = f"User: {request.principal} is not authorized to perform: {request.action}{on}"
    if type_ is None:
        return start
    name = (PolicyType.RESOURCE if type_ is PolicyType.KEY else type_).value
    if decision.outcome is Outcome.EXPLICIT_DENY:
        article = "the" if type_ is PolicyType.TRUST else "an" if type_ is PolicyType.IDENTITY else "a"
        return f"{start} with an explicit deny in {article} {name}"
    return f"{start} because no {name} allows the {request.action} action"
