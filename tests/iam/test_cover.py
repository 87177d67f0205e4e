"""Coverage of statements by statements: nothing is called covered wrongly."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grantproof.iam import PolicyType, parse_policy
from grantproof.iam.comparison.cover import NotPlain, contains, uncovered
from grantproof.iam.glob import glob

patterns = st.text(alphabet="ab*?", max_size=6)


@given(outer=patterns, inner=patterns, texts=st.lists(st.text(alphabet="ab", max_size=7), max_size=30))
def test_a_contained_pattern_matches_nothing_that_the_other_does_not(outer: str, inner: str, texts: list[str]) -> None:
    if contains(glob(outer), glob(inner)):
        for text in texts:
            assert not glob(inner).matches(text) or glob(outer).matches(text)


@pytest.mark.parametrize(
    ("outer", "inner", "expected"),
    [
        ("*", "a*b", True),
        ("a*", "a*b", True),
        ("a*b", "a*", False),
        ("?", "*", False),
        ("?", "?", True),
        ("a?*", "a*", False),
        ("*a*", "ba?", True),
        ("s3:?et*", "s3:get*", True),
        ("s3:get", "s3:get*", False),
    ],
)
def test_containment_of_globs(outer: str, inner: str, expected: bool) -> None:
    assert contains(glob(outer), glob(inner)) is expected


def policy(*statements: dict[str, Any]) -> Any:
    defaults = {"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [{**defaults, **s} for s in statements]}
    return (parse_policy(document, PolicyType.IDENTITY, "p"),)


def wide(inner: Any, outer: Any) -> list[str]:
    return [str(piece) for piece in uncovered(inner, outer)]


def test_the_same_access_is_covered_however_it_is_split_into_statements() -> None:
    one = policy({"Action": ["ssm:GetParameter", "ssm:PutParameter"]})
    two = policy({"Action": "ssm:PutParameter"}, {})
    assert wide(one, two) == wide(two, one) == []


def test_a_wider_action_resource_or_condition_is_not_covered() -> None:
    narrow = policy({"Resource": "arn:aws:ssm:*:*:parameter/a", "Condition": {"Bool": {"aws:SecureTransport": "true"}}})
    for change in ({"Action": "ssm:*"}, {"Resource": "arn:aws:ssm:*:*:parameter/*"}, {"Condition": {}}):
        statement = {
            "Resource": "arn:aws:ssm:*:*:parameter/a",
            "Condition": {"Bool": {"aws:SecureTransport": "true"}},
            **change,
        }
        assert len(wide(policy(statement), narrow)) == 1
        assert wide(narrow, policy(statement)) == []


def test_another_value_of_a_condition_is_not_covered() -> None:
    left = policy({"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}})
    right = policy({"Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-2"}}})
    assert wide(left, right) != []


def test_a_denial_that_is_missing_is_not_covered() -> None:
    deny = {"Effect": "Deny", "Action": "ssm:GetParameter"}
    assert wide(policy({}), policy({}, deny)) == ["ssm:GetParameter on *"]
    assert wide(policy({}, deny), policy({})) == []


def test_not_forms_are_refused() -> None:
    document = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}}
    with pytest.raises(NotPlain):
        wide((parse_policy(document, PolicyType.IDENTITY, "p"),), policy({}))
