"""`grantproof evaluate`: JSON Lines in, JSON Lines out, one decision a line, in constant memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from grantproof.iam import (
    DEFAULTS,
    Assumptions,
    BadRequest,
    LawError,
    evaluate,
    explanation,
    parse_layers,
    parse_request,
)
from grantproof.iam.document import parse_json

_FIELDS = frozenset({"id", "request", "policies", "assumptions"})


def answers(lines: Iterable[str], assumptions: Assumptions = DEFAULTS) -> Iterator[dict[str, Any]]:
    """One answer for each line that is not blank: a decision, or an `error` that says what is wrong with the line."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield answer(line, number, assumptions)


def answer(line: str, number: int = 1, assumptions: Assumptions = DEFAULTS) -> dict[str, Any]:
    """The answer to one line."""
    case: Any = None
    try:
        case = parse_json(line, f"line {number}")
        return {"id": _identifier(case), **decide(case, assumptions)}
    except LawError as error:
        return {"id": _identifier(case), "error": error.as_dict()}


def decide(case: Mapping[str, Any], assumptions: Assumptions = DEFAULTS) -> dict[str, Any]:
    """Decide one case in the form of `grantproof evaluate`; the answer without its id.

    Raises:
        LawError: the case is malformed or cannot be judged.
    """
    if not isinstance(case, Mapping):
        raise BadRequest("a case is a JSON object")
    if unknown := sorted(set(case) - _FIELDS):
        raise BadRequest(f"unknown field {unknown[0]!r}; known: {', '.join(sorted(_FIELDS))}", element=unknown[0])
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


def _identifier(case: Any) -> Any:
    return case.get("id") if isinstance(case, Mapping) else None


def dumps(value: Mapping[str, Any]) -> str:
    """One line of JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
