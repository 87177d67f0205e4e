"""A side without its policy variables allows at least, or at most, what it allows with them."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest

from grantproof.iam import Assumptions, evaluate
from grantproof.iam.comparison.compare import contained
from grantproof.iam.comparison.comparisons import layers_of
from grantproof.iam.comparison.relaxed import Effect, relaxed
from grantproof.iam.errors import Undecided
from grantproof.iam.layers import Layers
from grantproof.iam.principal import parse as parse_principal
from grantproof.iam.request import Request

CALLER = parse_principal("arn:aws:iam::111111111111:user/u")
RESOURCES = ["*", *(f"arn:aws:{end}" for end in ("s3:::a", "s3:::ab", "s3:::a:b", "s3:::b", "sqs:::a"))]
WRITTEN = ["*", *(f"arn:aws:s3:::{end}" for end in ("${v}", "a${v}", "${v}b", "a${v}*", "a", "?b")), "arn:aws:s*:*"]
WRITTEN += ["arn:aws:${v}:::a", "arn:aws:s3:${v}::*", "arn:aws:s*:${v}${v}::a"]
TEXTS = ["", "a", "b", "s3", "a:b", "arn:aws:s3:::a", "arn:aws:s3:::ab", "arn:aws:s3::::a"]
VALUES = ["${v}", "a", "b", "${v, 'a'}"]
ARNS = ["arn:aws:s3:::${v}", "arn:aws:${v}:::a", "arn:aws:s3:::a*", "arn:aws:s3:${v}::ab"]
READINGS = [
    {},
    {"O9": "void"},
    {"O5": "segments", "O42": "replaced"},
    {"O3": "true", "O28": "covered", "O39": "never", "O42": "replaced"},
]


def condition(random: Random) -> dict[str, Any]:
    kind, values = random.choice([("String", VALUES), ("Arn", ARNS)])
    prefix, key = random.choice([("", "j"), ("", "j"), ("ForAllValues:", "k"), ("ForAnyValue:", "k")])
    name = f"{prefix}{kind}{random.choice(['Equals', 'NotEquals', 'Like', 'NotLike'])}"
    return {f"{name}{random.choice(['', 'IfExists'])}": {key: random.sample(values, random.randint(1, 2))}}


def side(random: Random) -> Layers:
    def statement() -> dict[str, Any]:
        out: dict[str, Any] = {"Effect": random.choice(["Allow", "Allow", "Deny"]), "Action": "s3:*"}
        out[random.choice(["Resource", "Resource", "NotResource"])] = random.sample(WRITTEN, random.randint(1, 2))
        return {**out, "Condition": condition(random)} if random.random() < 0.6 else out

    statements = [statement() for _ in range(random.randint(1, 3))]
    return layers_of({"identity": [{"Version": "2012-10-17", "Statement": statements}]})


def request(random: Random) -> Request:
    context = {
        "v": random.choice([(), ("a",), ("b",), ("s3",), ("s3:",), ("a:",), ("",)]),
        "j": random.choice([(), *((text,) for text in TEXTS)]),
        "k": tuple(random.sample(TEXTS, random.randint(0, 2))),
    }
    return Request(CALLER, "s3:Get", random.choice(RESOURCES), "111111111111", context)


@pytest.mark.parametrize("reading", READINGS, ids=str)
def test_one_relaxed_side_allows_at_least_and_the_other_at_most_what_any_values_allow(reading: dict[str, str]) -> None:
    random, assumptions = Random(str(reading)), Assumptions(reading)  # noqa: S311 - policies, not secrets
    answers: Counter[tuple[bool, ...]] = Counter()
    for _ in range(300):
        exact = side(random)
        sides = [relaxed(exact, Effect.DENY, assumptions), exact, relaxed(exact, Effect.ALLOW, assumptions)]
        for asked in (request(random) for _ in range(4)):
            try:
                found = tuple(evaluate(asked, one, assumptions).allowed for one in sides)
            except Undecided:
                continue
            answers[found] += 1
            assert found == tuple(sorted(found)), (asked, exact.identity[0])
    assert {(False, False, True), (False, True, True), (True, True, True)} <= answers.keys()


def test_a_value_may_hold_colons_which_no_wildcard_of_an_arn_operator_takes() -> None:
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {"ArnLike": {"j": ARNS[1]}}}
    exact = layers_of({"identity": [{"Version": "2012-10-17", "Statement": statement}]})
    asked = Request(CALLER, "s3:Get", "*", "111111111111", {"v": ("s3:",), "j": ("arn:aws:s3::::a",)})
    assert evaluate(asked, exact).allowed
    assert evaluate(asked, relaxed(exact, Effect.ALLOW, Assumptions())).allowed


def test_a_condition_on_a_value_with_a_variable_requires_the_key() -> None:
    """Whether `${k}*` and `a${k}` overlap is not searched, but in any case the key must be present."""
    tangled = {"StringLike": {"example:path": ["${k}*", "a${k}"]}}
    inner, outer = (
        layers_of({"identity": [{"Version": "2012-10-17", "Statement": {**allow, "Condition": condition}}]})
        for allow in ({"Effect": "Allow", "Action": "s3:*", "Resource": "*"},)
        for condition in (tangled, {"Null": {"example:path": "false"}})
    )
    assert contained(inner, outer)
    assert not contained(outer, layers_of({"identity": []}))
