"""This evaluator gives the decision that AWS's documentation states, in every case of `fixtures/conformance`."""

from __future__ import annotations

from typing import Any

import pytest

from grantproof.iam import IamError
from grantproof.iam.decisions import decide
from tests.conformance import Case, every_case

CASES = tuple(every_case())
TOPICS = sorted({case.topic for case in CASES})


def answer(case: Case) -> dict[str, Any]:
    try:
        got = decide(case.asked)
    except IamError as error:
        return {"error": error.as_dict()}
    because = sorted([cited["policy"], cited["statement"]] for cited in got["because"])
    return {"decision": got["decision"], "because": because, "explanation": got["explanation"]}


def agrees(expected: Any, got: Any) -> bool:
    if "error" in expected:
        return "error" in got and all(got["error"][name] == value for name, value in expected["error"].items())
    return got.get("decision") == expected["decision"] and (
        "because" not in expected or got["because"] == sorted(expected["because"])
    )


@pytest.mark.parametrize("topic", TOPICS)
def test_every_case_is_decided_as_documented(topic: str) -> None:
    answers = [(case, answer(case)) for case in CASES if case.topic == topic]
    wrong = [f"{c.name} {c.rules}: {c.expected} but got {got}" for c, got in answers if not agrees(c.expected, got)]
    assert answers
    assert wrong == []


def test_every_decision_explains_itself() -> None:
    silent = [case.name for case in CASES if "decision" in (got := answer(case)) and not got["explanation"].strip()]
    assert silent == []


def test_a_case_that_rests_on_an_open_point_names_it() -> None:
    """If all other points have their default reading, a pair of opposite cases depends on its own open point."""
    pairs = [case for case in CASES if case.topic == "open-points" and case.asked["assumptions"]]
    assert len(pairs) > 30
    for case in pairs:
        (point,) = case.asked["assumptions"]
        assert point in decide(case.asked)["depends_on"], case.name
