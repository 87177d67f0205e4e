"""`grantproof evaluate`: decides one case, a request with its policies, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from grantproof.iam import DEFAULTS, Assumptions, BadRequest, evaluate, explanation, parse_layers, parse_request
from grantproof.iam.lines import checked

_FIELDS = frozenset({"id", "request", "policies", "assumptions"})


def decide(case: Any, assumptions: Assumptions = DEFAULTS) -> dict[str, Any]:
    """Decide one case in the form of `grantproof evaluate`; returns the answer without its id.

    Raises:
        IamError: the case is malformed or cannot be decided.
    """
    case = checked(case, _FIELDS)
    for name, empty in (("request", None), ("policies", {})):
        if not isinstance(case.get(name, empty), Mapping):
            raise BadRequest(f"{name} is an object", element=name)
    request = parse_request(case["request"])
    layers = parse_layers(case.get("policies", {}), request.action, request.resource or "")
    if "assumptions" in case:
        assumptions = _assumptions(case["assumptions"], assumptions)
    decision = evaluate(request, layers, assumptions)
    out: dict[str, Any] = {
        "decision": decision.outcome.value,
        "because": [
            {"policy": c.policy, "statement": c.statement, "sid": c.sid, "effect": c.effect} for c in decision.because
        ],
        "explanation": explanation(request, layers, decision),
    }
    if decision.depends_on:
        out["depends_on"] = list(decision.depends_on)
    return out


def _assumptions(chosen: Any, base: Assumptions) -> Assumptions:
    if not isinstance(chosen, Mapping) or not all(isinstance(v, str) for v in chosen.values()):
        raise BadRequest("assumptions is an object of open points and readings", element="assumptions")
    try:
        return Assumptions({**base.chosen, **chosen})
    except ValueError as error:
        raise BadRequest(str(error), element="assumptions") from None
