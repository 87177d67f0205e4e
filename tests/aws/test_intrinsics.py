"""Intrinsic functions have the values that CloudFormation gives them, or are refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from grantproof.aws.mocked.created import UnsupportedResource
from grantproof.aws.mocked.stack_scope import NotCreated
from grantproof.aws.templates.intrinsics import resolve, truth
from grantproof.aws.templates.scope import NO_VALUE, NotResolved, Scope


def reference(name: str) -> Any:
    if name == "Missing":
        NotCreated("Missing", "AWS::QLDB::Ledger").refuse()
    if name != "Role":
        raise NotResolved(f"nothing in the template is called {name}")
    return "role-1"


def attribute(name: str, wanted: str) -> Any:
    reference(name)
    if wanted != "Arn":
        raise UnsupportedResource(f"attribute {wanted} of {name}")
    return "arn:role-1"


def exported(name: str) -> Any:
    if name != "vpc-prod":
        raise NotResolved(f"no stack exports {name}")
    return "vpc-1"


SCOPE = Scope(
    parameters={"Stage": "prod", "Count": 3, "Zones": ["a", "b"]},
    pseudo={"AWS::Region": "eu-west-1"},
    mappings={"Map": {"eu-west-1": {"Ami": "ami-1", "Names": ["x", "y"]}, "1": {"n": 1}}},
    conditions={"Yes": {"Fn::Equals": ["a", "a"]}, "No": {"Fn::Equals": ["a", "b"]}},
    reference=reference,
    attribute=attribute,
    exported=exported,
)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"Ref": "Stage"}, "prod"),
        ({"Ref": "Zones"}, ["a", "b"]),
        ({"Ref": "Role"}, "role-1"),
        ({"Fn::GetAtt": ["Role", "Arn"]}, "arn:role-1"),
        ({"Fn::GetAtt": "Role.Arn"}, "arn:role-1"),
        ({"Fn::Sub": "${Stage}/${Role.Arn}/${!aws:username}"}, "prod/arn:role-1/${aws:username}"),
        ({"Fn::Sub": ["${X}-${Stage}", {"X": {"Ref": "Count"}}]}, "3-prod"),
        ({"Fn::Sub": ["${X}", {"X": "${Stage}"}]}, "${Stage}"),
        ({"Fn::If": ["Yes", "y", {"Ref": "Nowhere"}]}, "y"),
        ({"Fn::If": ["No", "y", {"Ref": "AWS::NoValue"}]}, NO_VALUE),
        ([1, {"Fn::If": ["No", "y", {"Ref": "AWS::NoValue"}]}], [1]),
        ({"a": {"Ref": "AWS::NoValue"}, "b": 1}, {"b": 1}),
        ({"Fn::FindInMap": ["Map", {"Ref": "AWS::Region"}, "Ami"]}, "ami-1"),
        ({"Fn::FindInMap": ["Map", "us-east-1", "Ami", {"DefaultValue": "ami-0"}]}, "ami-0"),
        ({"Fn::FindInMap": ["Map", "1", "n"]}, 1),
        ({"Fn::Join": ["-", ["x", {"Ref": "Count"}, {"Ref": "AWS::NoValue"}, True]]}, "x-3-true"),
        ({"Fn::Join": [",", {"Ref": "Zones"}]}, "a,b"),
        ({"Fn::Split": [",", "a,b"]}, ["a", "b"]),
        ({"Fn::Select": ["1", {"Fn::Split": ["/", "a/b"]}]}, "b"),
        ({"Fn::Select": [{"Fn::FindInMap": ["Map", "1", "n"]}, {"Ref": "Zones"}]}, "b"),
        ({"Fn::GetAZs": {"Ref": "AWS::Region"}}, ["eu-west-1a", "eu-west-1b", "eu-west-1c"]),
        ({"Fn::GetAZs": ""}, ["eu-west-1a", "eu-west-1b", "eu-west-1c"]),
        ({"Fn::Cidr": ["10.0.0.0/16", 2, 8]}, ["10.0.0.0/24", "10.0.1.0/24"]),
        ({"Fn::ImportValue": {"Fn::Sub": "vpc-${Stage}"}}, "vpc-1"),
        ({"Fn::Base64": "a"}, "YQ=="),
        ({"Fn::Length": {"Ref": "Zones"}}, 2),
        ({"Fn::ToJsonString": {"a": {"Ref": "Count"}}}, '{"a":3}'),
        ({"Condition": {"StringEquals": {"a": "b"}}}, {"Condition": {"StringEquals": {"a": "b"}}}),
    ],
    ids=str,
)
def test_a_function_has_the_value_that_cloudformation_gives_it(item: Any, expected: Any) -> None:
    assert resolve(item, SCOPE) == expected


@pytest.mark.parametrize(
    ("item", "error", "message"),
    [
        ({"Ref": "Nowhere"}, NotResolved, "nothing in the template is called Nowhere"),
        ({"Ref": "Missing"}, UnsupportedResource, "what it takes from Missing"),
        ({"Fn::GetAtt": ["Missing", "Arn"]}, UnsupportedResource, "what it takes from Missing"),
        ({"Fn::GetAtt": ["Role", "Colour"]}, UnsupportedResource, "attribute Colour of Role"),
        ({"Fn::Sub": "${aws:username}"}, NotResolved, "called aws:username"),
        ({"Fn::Sub": "${Zones}"}, NotResolved, "is no text"),
        ({"Fn::Select": [5, {"Ref": "Zones"}]}, NotResolved, "entry 5 of 2"),
        ({"Fn::FindInMap": ["Map", "us-east-1", "Ami"]}, NotResolved, "Fn::FindInMap: there is no"),
        ({"Fn::ImportValue": "nothing"}, NotResolved, "exports nothing"),
        ({"Fn::If": ["Maybe", 1, 2]}, NotResolved, "Maybe"),
        ({"Fn::Unheard": []}, NotResolved, "Fn::Unheard is not carried out"),
        ({"Fn::If": ["Yes", "y"]}, NotResolved, "Fn::If takes a list of 3, not"),
        ({"Fn::Join": "a,b"}, NotResolved, "Fn::Join takes a list of 2, not"),
        ({"Fn::FindInMap": ["Map", "1"]}, NotResolved, "takes a list of 3 to 4, not"),
        ({"Fn::Select": [1, [{"Ref": "AWS::NoValue"}, "*", "a"]]}, NotResolved, "a list with AWS::NoValue"),
        ({"Fn::Length": ["a", {"Ref": "AWS::NoValue"}]}, NotResolved, "a list with AWS::NoValue"),
        ({"Fn::Select": ["a", {"Ref": "Zones"}]}, NotResolved, "takes a number, not 'a'"),
        ({"Fn::Sub": ["${X}"]}, NotResolved, "Fn::Sub takes a text, or a list of a text and an object"),
        ({"Fn::GetAtt": "Role"}, NotResolved, "takes a resource and an attribute"),
        ({"Ref": ["Stage"]}, NotResolved, "Ref takes a name"),
    ],
    ids=str,
)
def test_a_function_without_a_value_is_refused(item: Any, error: type[Exception], message: str) -> None:
    """If it were left unresolved or omitted, the policy would differ from AWS's."""
    with pytest.raises(error, match=message):
        resolve(item, SCOPE)


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"Fn::Equals": [{"Ref": "Count"}, "3"]}, True),
        ({"Fn::Equals": ["1", 1]}, True),
        ({"Fn::Equals": ["true", True]}, True),
        ({"Fn::Equals": ["True", True]}, False),
        ({"Fn::Equals": [{"Fn::Join": ["", {"Ref": "Zones"}]}, "ab"]}, True),
        ({"Fn::Not": [{"Condition": "Yes"}]}, False),
        ({"Fn::And": [{"Condition": "Yes"}, {"Fn::Not": [{"Condition": "No"}]}]}, True),
        ({"Condition": "No"}, False),
    ],
    ids=str,
)
def test_a_condition_has_the_truth_that_cloudformation_gives_it(item: Any, expected: bool) -> None:
    assert truth(item, SCOPE) is expected


def test_conditions_that_refer_to_each_other_are_refused_every_time() -> None:
    scope = Scope(conditions={"A": {"Fn::Not": [{"Condition": "B"}]}, "B": {"Condition": "A"}, "C": {"Condition": "X"}})
    for name in ("A", "B", "C", "A"):
        with pytest.raises(NotResolved, match=r"names itself|there is no condition X"):
            truth({"Condition": name}, scope)


@pytest.mark.parametrize(
    "item", [{"Fn::Not": [True, False]}, {"Fn::Not": []}, {"Fn::Equals": ["a"]}, {"Fn::And": [True]}], ids=str
)
def test_a_condition_that_cloudformation_refuses_is_refused(item: Any) -> None:
    with pytest.raises(NotResolved, match="takes a list of"):
        truth(item, SCOPE)


def test_a_condition_is_evaluated_again_if_a_parameter_differs() -> None:
    scope = Scope(parameters={"P": "a"}, conditions={"IsA": {"Fn::Equals": [{"Ref": "P"}, "a"]}})
    assert truth({"Condition": "IsA"}, scope)
    assert not truth({"Condition": "IsA"}, replace(scope, parameters={"P": "b"}))
