"""Actions that are allowed on all resources without conditions: no action is called covered wrongly."""

from __future__ import annotations

from itertools import product
from random import Random
from typing import Any

import pytest

from grantproof.iam.comparison.action_patterns import ActionPatterns, points_of
from grantproof.iam.comparison.prepared import Prepared
from grantproof.iam.glob import Glob, glob
from tests.iam.test_compare import allow, deny, identity, when

PATTERNS = [
    "*",
    "*:*",
    "s:*",
    "s:a*",
    "s:*a",
    "s:?",
    "s:a?*",
    "s:ab",
    "s:a",
    "s*:b",
    "*:a",
    "t:*",
    "t:b",
    "s?:*",
    "s:*a*",
]
ACTIONS = [f"{s}:{''.join(name)}" for s in ("s", "t", "st") for n in range(1, 4) for name in product("abc", repeat=n)]


def covered(mine: list[Glob], theirs: list[Glob]) -> bool:
    statements = identity(allow([str(one) for one in mine])).identity[0].statements
    points = points_of(statements)
    return points is not None and ActionPatterns(theirs).covers(points)


def test_patterns_that_are_called_covered_match_no_action_that_the_others_do_not() -> None:
    random = Random(1)  # noqa: S311 - patterns, not secrets
    answers = set()
    for _ in range(2_000):
        mine, theirs = (list(map(glob, random.sample(PATTERNS, random.randint(1, 3)))) for _ in range(2))
        answers.add(found := covered(mine, theirs))
        asked = [action for action in ACTIONS if any(one.matches(action) for one in mine)]
        assert not found or all(any(one.matches(action) for one in theirs) for action in asked)
    assert answers == {True, False}


LIMITED = {
    "by a condition": [allow("s3:*", **when("StringEquals", "aws:PrincipalTag/t", "x"))],
    "to some resources": [allow("s3:*", "arn:aws:s3:::b/*")],
    "by a Deny": [allow("s3:*"), deny("s3:GetObject", "arn:aws:s3:::b/*")],
    "by NotResource": [{"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::b/*"}],
}


@pytest.mark.parametrize("outer", LIMITED.values(), ids=LIMITED)
def test_a_limited_action_is_not_allowed_on_everything(outer: list[Any]) -> None:
    inner = Prepared(identity(allow("s3:GetObject")))
    assert not inner.acts_only_where_unrestricted(Prepared(identity(*outer)))
    assert inner.acts_only_where_unrestricted(Prepared(identity(*outer, allow("s3:Get*")))) is (
        outer[-1]["Effect"] == "Allow"
    )


@pytest.mark.parametrize("layer", ["boundary", "session"])
def test_an_action_that_another_layer_limits_is_not_allowed_on_everything(layer: str) -> None:
    limit = [{"Version": "2012-10-17", "Statement": [allow("s3:List*")]}]
    outer = Prepared(identity(allow("s3:*"), **{layer: limit}))
    assert not Prepared(identity(allow("s3:GetObject"))).acts_only_where_unrestricted(outer)


def test_not_action_is_not_covered_by_the_actions_of_one_service() -> None:
    but = identity({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"})
    assert not Prepared(but).acts_only_where_unrestricted(Prepared(identity(allow("ec2:*"))))
