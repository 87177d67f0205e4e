"""Which characters the values of a parameter can contain, over all values that it accepts."""

from __future__ import annotations

from typing import Any

import pytest

from grantproof.aws.templates.possible_characters import could_widen, may_hold


@pytest.mark.parametrize(
    ("pattern", "may"),
    [
        (r"^[0-9]{12}$", False),
        (r"^[*0-9]{12}$", True),
        (r"^(?!(?i:aws|ssm))[A-Za-z0-9][A-Za-z0-9_.-]*$", False),
        (r"^(/?[A-Za-z0-9_.-]+|(/[A-Za-z0-9_.-]+){2,15})$", False),
        (r"^(/?[A-Za-z0-9_.-]+|(/[A-Za-z0-9_.*-]+){2,15})$", True),
        (r"a.*", True),
        (r"[^a]", True),
        (r"[^*?$]", False),
        (r"[!-~]", True),
        (r"\S+", True),
        (r"\w+", False),
        (r"[^\W]+", False),
        (r"a\*b", True),
        (r"(?:x|\*)?", True),
        (r"(?<!\*)a", False),
        (r"(a)\1", False),
        (r"((", True),
        (r"\p{Alpha}", True),
    ],
)
def test_the_pattern_tells_whether_a_value_can_contain_a_wildcard(pattern: str, may: bool) -> None:
    assert may_hold({"AllowedPattern": pattern}, "*") is may


@pytest.mark.parametrize(
    ("parameter", "said"),
    [
        ({}, "a wildcard"),
        ({"Type": "Number"}, ""),
        ({"Type": "AWS::EC2::VPC::Id"}, ""),
        ({"Type": "AWS::SSM::Parameter::Value<String>"}, "a wildcard"),
        ({"AllowedValues": ["a", "b"]}, ""),
        ({"AllowedValues": ["a", "b*"]}, "a wildcard"),
        ({"AllowedPattern": "[${}a-z:]+"}, "a policy variable"),
        ({"AllowedPattern": "[$a-z]+"}, "a policy variable"),
        ({"AllowedPattern": "[{:}a-z]+"}, "a dynamic reference"),
        ({"AllowedPattern": "[{}a-z]+"}, ""),
        ({"Type": "AWS::SSM::Parameter::Value<String>", "AllowedPattern": "[a-z]+"}, "a wildcard"),
        ({"Type": "AWS::EC2::KeyPair::KeyName"}, "a wildcard"),
        ({"Type": "List<AWS::EC2::SecurityGroup::GroupName>", "AllowedPattern": "[a-z]+"}, ""),
    ],
    ids=str,
)
def test_how_a_value_could_widen_a_policy_is_reported(parameter: dict[str, Any], said: str) -> None:
    assert could_widen(parameter) == said
