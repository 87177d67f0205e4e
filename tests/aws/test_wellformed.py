"""A malformed template is refused at the position of the fault, before other code reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from grantproof.aws.templates import wellformed
from grantproof.aws.templates.constraints import only_in_java
from grantproof.aws.templates.template_data import with_places
from grantproof.source import parse

RIGHT = """
Parameters:
  Stage: {Type: String, AllowedPattern: "[a-z]+", MinLength: "1", AllowedValues: [a, b]}
Conditions:
  Always: !Equals [a, a]
Resources:
  Role:
    Type: AWS::IAM::Role
    Condition: Always
    Properties:
      RoleName: !Sub "${Stage}-role"
      Description: !If [Always, !Ref Stage, !Ref AWS::NoValue]
Outputs:
  Arn: {Value: !GetAtt Role.Arn}
"""


def template(text: str) -> Any:
    return with_places(parse(text, Path("t.yaml")))


def test_a_well_formed_template_is_accepted() -> None:
    wellformed.check_template(template(RIGHT))


@pytest.mark.parametrize(
    ("right", "wrong", "said", "line"),
    [
        ("{Type: String, ", "{", "Stage: a parameter names its Type", 3),
        ('"[a-z]+"', '"*"', "Stage: its AllowedPattern is not understood: nothing to repeat", 3),
        ('"[a-z]+"', "'\\p{Alpha}+'", "Stage: its AllowedPattern is not understood: bad escape", 3),
        (
            '"[a-z]+"',
            "'[a-c[^x]]+'",
            "is not understood: CloudFormation reads [^ in a class",
            3,
        ),
        ('"[a-z]+"', "'[a-z&&[^x]]+'", "CloudFormation reads && in a class otherwise than Python", 3),
        ('"[a-z]+"', "'(?x)[a-z]+'", "CloudFormation reads with the flag x, white space in a class", 3),
        ('MinLength: "1"', "MinLength: one", "Stage: its MinLength is a number", 3),
        ('"[a-z]+"', "1", "Stage: its AllowedPattern is not understood", 3),
        ("[a, b]}", "a}", "Stage: its AllowedValues are a list", 3),
        ("!Equals [a, a]", "!Equals [a]", "Fn::Equals takes a list of 2", 5),
        ("!Equals [a, a]", "x", "Conditions: Always is an object", 5),
        ("Type: AWS::IAM::Role", "Type: [x]", "Role: a resource names its Type", 8),
        ("Condition: Always", "Condition: [Always]", "Role: the condition of a resource names its Condition", 9),
        ("Condition: Always", "DependsOn: [[Always]]", "DependsOn names resources", 9),
        ("!Ref AWS::NoValue]", "x, y]", "Fn::If takes a list of 3", 12),
        ('!Sub "${Stage}-role"', "!Sub [x]", "Fn::Sub takes a text, or a list of a text and an object", 11),
        ("!GetAtt Role.Arn", "!GetAtt [Role]", "Fn::GetAtt takes a resource and an attribute", 14),
    ],
    ids=str,
)
def test_a_malformed_template_is_refused_at_the_position(right: str, wrong: str, said: str, line: int) -> None:
    assert right in RIGHT
    with pytest.raises(wellformed.Malformed) as refused:
        wellformed.check_template(template(RIGHT.replace(right, wrong)))
    assert said in str(refused.value)
    assert refused.value.place is not None
    assert refused.value.place.line == line


@pytest.mark.parametrize("pattern", ["[a-z]+", r"[\[\]]+", "[]a]", "[^]a]x&&y", r"a\[b[c]", "^$|^[!-&]$"])
def test_a_pattern_that_java_and_python_read_alike_is_accepted(pattern: str) -> None:
    assert only_in_java(pattern) == ""


@pytest.mark.parametrize(
    ("written", "refused"),
    [("0144", True), ("1:30", True), ("0x64", True), ("1_00", True), ("1.0e+2", True), ("012345678901", True),
     ("!!int '0144'", True), ("144", False), ("'0144'", False), ("222222222222", False), ("2012-10-17", False)],
)  # fmt: skip
def test_a_number_that_parsers_read_differently_is_refused_in_a_policy(written: str, refused: bool) -> None:
    """CloudFormation reads an account ID that begins with 0 as a float, and YAML parsers as other numbers."""
    age = f"{{NumericLessThan: {{x: {written}}}}}"
    policy = parse(f"Mode: 0644\nPolicy: {{Statement: [{{Effect: Allow, Condition: {age}}}]}}", Path("t.yaml"))
    if not refused:
        wellformed.check_numbers(policy)
        return
    with pytest.raises(wellformed.NotUnderstood, match="readers make different numbers of it") as told:
        wellformed.check_numbers(policy)
    assert (told.value.place.line if told.value.place else 0) == 2


def test_properties_that_are_no_object_are_refused() -> None:
    wrong = RIGHT.replace('\n      RoleName: !Sub "${Stage}-role"\n', " ").partition("Description")[0] + "[x]"
    with pytest.raises(wellformed.Malformed, match="the properties of a resource are an object"):
        wellformed.check_template(template(wrong))
