"""What CloudFormation refuses for its shape is refused at its place, before anything else reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from grantproof.aws.templates import wellformed
from grantproof.aws.templates.placed import placed
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
    return placed(parse(text, Path("t.yaml")))


def test_what_is_well_formed_is_not_refused() -> None:
    wellformed.whole(template(RIGHT))


@pytest.mark.parametrize(
    ("right", "wrong", "said", "line"),
    [
        ("{Type: String, ", "{", "Stage: a parameter names its Type", 3),
        ('"[a-z]+"', '"*"', "Stage: its AllowedPattern is not understood: nothing to repeat", 3),
        ('"[a-z]+"', "'\\p{Alpha}+'", "Stage: its AllowedPattern is not understood: bad escape", 3),
        ('MinLength: "1"', "MinLength: one", "Stage: its MinLength is a number", 3),
        ('"[a-z]+"', "1", "Stage: its AllowedPattern is not understood", 3),
        ("[a, b]}", "a}", "Stage: its AllowedValues are a list", 3),
        ("!Equals [a, a]", "!Equals [a]", "Fn::Equals takes a list of 2", 5),
        ("!Equals [a, a]", "x", "Conditions: Always is an object", 5),
        ("Type: AWS::IAM::Role", "Type: [x]", "Role: a resource names its Type", 8),
        ("Condition: Always", "Condition: [Always]", "Role: the condition of a resource names its Condition", 9),
        ("!Ref AWS::NoValue]", "x, y]", "Fn::If takes a list of 3", 12),
        ('!Sub "${Stage}-role"', "!Sub [x]", "Fn::Sub takes a text, or a list of a text and an object", 11),
        ("!GetAtt Role.Arn", "!GetAtt [Role]", "Fn::GetAtt takes a resource and an attribute", 14),
    ],
    ids=str,
)
def test_what_is_malformed_is_refused_where_it_is(right: str, wrong: str, said: str, line: int) -> None:
    assert right in RIGHT
    with pytest.raises(wellformed.Malformed) as refused:
        wellformed.whole(template(RIGHT.replace(right, wrong)))
    assert said in str(refused.value)
    assert refused.value.place is not None
    assert refused.value.place.line == line


def test_properties_are_an_object() -> None:
    wrong = RIGHT.replace('\n      RoleName: !Sub "${Stage}-role"\n', " ").partition("Description")[0] + "[x]"
    with pytest.raises(wellformed.Malformed, match="the properties of a resource are an object"):
        wellformed.whole(template(wrong))
