"""A decision layer by layer: the result of each policy type that applies to the request."""

from __future__ import annotations

from dataclasses import dataclass

from grantproof.iam.assumption import DEFAULTS, Assumptions, Judge
from grantproof.iam.decision import Cited
from grantproof.iam.errors import Undecided
from grantproof.iam.explain import Near, nearest_of
from grantproof.iam.layers import Layers
from grantproof.iam.match import applies
from grantproof.iam.policy import Policy, PolicyType, Statement
from grantproof.iam.request import Request


@dataclass(frozen=True, slots=True)
class Layer:
    """The result of one layer, or of one level of it.

    Attributes:
        level: for SCPs and RCPs, from 0, the root of the organization; 0 for other types.
        allows: the Allow statements that apply.
        denies: the Deny statements that apply.
        nearest: if no Allow applies, the one that came nearest.
        statements: the number of statements in the layer.
        unclear: the statements for which it cannot be decided whether they apply, each with the reason.
    """

    type: PolicyType
    level: int
    allows: tuple[Cited, ...]
    denies: tuple[Cited, ...]
    nearest: Near | None
    statements: int
    unclear: tuple[tuple[Cited, str], ...] = ()


def layerwise(request: Request, layers: Layers, assumptions: Assumptions = DEFAULTS) -> tuple[Layer, ...]:
    """Every layer that exists for the request, in the order of `Layers`."""
    judge = Judge(assumptions)
    out = []
    for type_, level, policies in layers.sets:
        allows: list[Cited] = []
        denies: list[Cited] = []
        unclear: list[tuple[Cited, str]] = []
        for policy, statement in policies.candidates(request.key, request.resource):
            cited = Cited(policy.label, statement.index, statement.sid, statement.effect, policy.type)
            try:
                if applies(policy, statement, request, judge, has_boundary=layers.boundary is not None):
                    (allows if statement.allow else denies).append(cited)
            except Undecided as error:
                unclear.append((cited, error.message))
        entries: list[tuple[Policy, Statement]] = [(p, s) for p, s in policies.entries if s.allow]
        near = None if allows else nearest_of(entries, request, layers)
        named = policies.policies[0].type if policies.policies else type_
        out.append(Layer(named, level, tuple(allows), tuple(denies), near, len(policies.entries), tuple(unclear)))
    return tuple(out)
