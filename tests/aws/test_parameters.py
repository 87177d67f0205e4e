"""CloudFormation's checks of parameters: made here too, in its words, before anything is created."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from grantproof.aws.mocked.world import World
from grantproof.aws.templates.parameters import RefusedParameters, check, refusal, truths
from grantproof.aws.templates.pseudo import pseudo_parameters
from grantproof.source import Document

OWNER = "111111111111"
A, B = {"Ref": "A"}, {"Ref": "B"}
RESOURCE = {"P": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Name": "made", "Value": "v"}}}


def template(parameters: dict[str, Any], rules: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"Parameters": parameters, "Rules": rules or {}, "Resources": RESOURCE}


def refused(parameter: dict[str, Any], value: str) -> str:
    with pytest.raises(RefusedParameters) as error:
        check(template({"P": parameter}), {"P": value})
    return str(error.value)


@pytest.mark.parametrize(
    ("parameter", "right", "wrong", "says"),
    [
        ({"AllowedPattern": "[a-z]+"}, "abc", "abc1", "Parameter 'P' must match pattern [a-z]+"),
        ({"AllowedPattern": "^[a-z]+$"}, "abc", "abc\n", "Parameter 'P' must match pattern ^[a-z]+$"),
        ({"AllowedPattern": "^$|^o-[a-z0-9]{10}$"}, "", "o-abc", "must match pattern"),
        ({"AllowedValues": ["a", "b"]}, "b", "c", "Parameter 'P' must be one of AllowedValues"),
        ({"AllowedValues": [True, 2]}, "true", "True", "must be one of AllowedValues"),
        ({"MinLength": 2}, "ab", "a", "Parameter 'P' must contain at least 2 characters"),
        ({"MaxLength": "2"}, "ab", "abc", "Parameter 'P' must contain at most 2 characters"),
        ({"Type": "Number", "MinValue": 900}, "900", "899", "Parameter 'P' must be a number not less than 900"),
        ({"Type": "Number", "MaxValue": 3600}, "3600", "3601", "must be a number not greater than 3600"),
        ({"Type": "Number"}, "1.5", "1e3", "Parameter 'P' must be a number"),
        ({"Type": "List<Number>"}, "1, 2", "1,x", "Parameter 'P' must be a number"),
        ({"Type": "CommaDelimitedList", "AllowedPattern": "[a-z]"}, "a, b", "a,bb", "must match pattern"),
        ({"MinLength": 2, "ConstraintDescription": "two"}, "ab", "a", "Parameter P failed to satisfy constraint: two"),
        ({"Type": "AWS::EC2::VPC::Id"}, "vpc-12345678", "subnet-12345678", "parameter value subnet-12345678 for"),
        ({"Type": "List<AWS::EC2::Subnet::Id>"}, "subnet-12345678", "subnet-1", "does not exist"),
    ],
)
def test_a_constraint_accepts_a_value_and_refuses_its_neighbour(
    parameter: dict[str, Any], right: str, wrong: str, says: str
) -> None:
    parameter = {"Type": "String", **parameter}
    check(template({"P": parameter}), {"P": right})
    assert says in refused(parameter, wrong)


@pytest.mark.parametrize("type_", ["Strin", "List<String>", "AWS::EC2::VPC", "List<AWS::EC2::KeyPair::KeyName>"])
def test_a_type_that_cloudformation_does_not_know_is_refused(type_: str) -> None:
    assert refused({"Type": type_}, "x") == f"Template format error: Unrecognized parameter type: {type_}"


RULES: list[tuple[Any, dict[str, str], bool]] = [
    ({"Fn::Equals": [A, "x"]}, {"A": "x"}, True),
    ({"Fn::Equals": [A, "x"]}, {"A": "X"}, False),
    ({"Fn::Not": [{"Fn::Equals": [A, ""]}]}, {"A": ""}, False),
    ({"Fn::Or": [{"Fn::Equals": [A, ""]}, {"Fn::Equals": [B, ""]}]}, {"A": "x", "B": ""}, True),
    ({"Fn::Or": [{"Fn::Equals": [A, ""]}, {"Fn::Equals": [B, ""]}]}, {"A": "x", "B": "y"}, False),
    ({"Fn::And": [{"Fn::Equals": [A, ""]}, {"Fn::Equals": [B, ""]}]}, {"A": "", "B": "y"}, False),
    ({"Fn::Contains": [["x", "y"], A]}, {"A": "y"}, True),
    ({"Fn::Contains": [["x", "y"], A]}, {"A": "z"}, False),
    ({"Fn::EachMemberEquals": [{"Ref": "L"}, "x"]}, {"L": "x,x"}, True),
    ({"Fn::EachMemberEquals": [{"Ref": "L"}, "x"]}, {"L": "x,y"}, False),
    ({"Fn::EachMemberIn": [{"Ref": "L"}, ["x", "y"]]}, {"L": "y,x"}, True),
    ({"Fn::EachMemberIn": [{"Ref": "L"}, ["x", "y"]]}, {"L": "x,z"}, False),
    ({"Fn::EachMemberIn": [{"Fn::RefAll": "String"}, ["x"]]}, {"A": "x", "B": "x"}, True),
    ({"Fn::EachMemberIn": [{"Fn::RefAll": "String"}, ["x"]]}, {"A": "x", "B": "y"}, False),
    ({"Fn::Equals": [{"Ref": "AWS::Partition"}, "aws-cn"]}, {}, False),
]


@pytest.mark.parametrize(("assertion", "given", "holds"), RULES)
def test_rules_are_evaluated(assertion: Any, given: dict[str, str], holds: bool) -> None:
    text = {"Type": "String", "Default": ""}
    declared = {"A": text, "B": text, "L": {"Type": "CommaDelimitedList", "Default": ""}}
    value = template(declared, {"R": {"Assertions": [{"Assert": assertion, "AssertDescription": "not so"}]}})
    if holds:
        check(value, given)
        return
    with pytest.raises(RefusedParameters, match="rule R failed: not so"):
        check(value, given)


def test_a_rule_applies_only_if_its_condition_is_true() -> None:
    rule = {"RuleCondition": {"Fn::Equals": [A, "on"]}, "Assertions": [{"Assert": {"Fn::Equals": [B, "x"]}}]}
    value = template({"A": {"Type": "String"}, "B": {"Type": "String"}}, {"R": rule})
    check(value, {"A": "off", "B": "y"})
    with pytest.raises(RefusedParameters):
        check(value, {"A": "on", "B": "y"})


@pytest.mark.parametrize(
    "assertion",
    [{"Fn::Sometimes": []}, {"Fn::Equals": ["x"]}, {"Condition": "C"}, "yes", {"Fn::And": [{"Fn::Equals": [A, A]}]}],
)
def test_a_rule_that_cannot_be_evaluated_is_refused(assertion: Any) -> None:
    value = template({"A": {"Type": "String"}}, {"R": {"Assertions": [{"Assert": assertion}]}})
    with pytest.raises(RefusedParameters, match="rule R cannot be evaluated"):
        check(value, {"A": "x"})


def _template(
    *, allowed: str = "yes", equal: str = "yes", mapped: str = "yes", when: str = "yes", **rest: Any
) -> Document:
    """A template that uses its one parameter in a constraint, in a rule, in a mapping and as a value."""
    found = {"Fn::FindInMap": ["Map", "all", "Value"]}
    value = {
        "Parameters": {"P": {"Type": "String", "AllowedValues": [allowed, "default"], "Default": "default"}},
        "Mappings": {"Map": {"all": {"Value": mapped}}},
        "Rules": {
            "Equal": {"Assertions": [{"Assert": {"Fn::Equals": [{"Ref": "P"}, equal]}}]},
            "Mapped": {"Assertions": [{"Assert": {"Fn::Equals": [{"Ref": "P"}, found]}}]},
            "Home": {"Assertions": [{"Assert": {"Fn::Equals": [{"Ref": "AWS::Region"}, "eu-west-1"]}}]},
        },
        "Conditions": {"Yes": {"Fn::Equals": [{"Ref": "P"}, when]}, "Mapped": {"Fn::Equals": [{"Ref": "P"}, found]}},
        "Resources": {},
        **rest,
    }
    return Document(Path("t.yaml"), value, {})


def test_cached_results_about_parameters_depend_on_everything_that_they_use() -> None:
    home, abroad = (pseudo_parameters(region=region) for region in ("eu-west-1", "us-east-1"))
    yes = {"P": "yes"}
    assert refusal(_template(), yes, home) == ""
    assert refusal(_template(Resources={"A": {}}), yes, home) == ""
    assert "AllowedValues" in refusal(_template(allowed="no"), yes, home)
    assert "rule Equal failed" in refusal(_template(equal="no"), yes, home)
    assert "rule Mapped failed" in refusal(_template(mapped="no"), yes, home)
    assert "rule Equal failed" in refusal(_template(), {}, home)
    assert "rule Home failed" in refusal(_template(), yes, abroad)
    assert refusal(_template(Rules={}), {}, abroad) == ""
    assert truths(_template(), yes, home) == {"Yes": True, "Mapped": True}
    assert truths(_template(when="no"), yes, home) == {"Yes": False, "Mapped": True}
    assert truths(_template(mapped="no"), yes, home) == {"Yes": True, "Mapped": False}
    assert truths(_template(), {}, home) == {"Yes": False, "Mapped": False}
    elsewhere = {"Home": {"Fn::Equals": [{"Ref": "AWS::Region"}, "eu-west-1"]}}
    found = [truths(_template(Conditions=elsewhere), yes, pseudo)["Home"] for pseudo in (home, abroad)]
    assert found == [True, False]


def test_a_cached_violation_applies_to_one_value_name_and_template_only() -> None:
    def said(a: str, b: str, allowed: str = "x") -> str:
        declared = {
            "A": {"Type": "String", "AllowedValues": [allowed]},
            "B": {"Type": "String", "AllowedValues": ["y"]},
        }
        document = Document(Path("t.yaml"), {"Parameters": declared}, {})
        return refusal(document, {"A": a, "B": b}, pseudo_parameters())

    assert said("x", "y") == ""
    assert said("x", "x") == "Parameter 'B' must be one of AllowedValues"
    assert said("y", "y") == "Parameter 'A' must be one of AllowedValues"
    assert said("x", "y", allowed="y") == "Parameter 'A' must be one of AllowedValues"


def test_pseudo_parameters_are_those_of_the_region() -> None:
    found = pseudo_parameters(OWNER, "cn-north-1")
    assert (found["AWS::Partition"], found["AWS::URLSuffix"]) == ("aws-cn", "amazonaws.com.cn")


# --- on the wire ------------------------------------------------------------------------------------------------------


@pytest.fixture
def world() -> Iterator[World]:
    with World({"owner": OWNER}, "eu-west-1") as opened:
        yield opened


def client(world: World, service: str = "cloudformation") -> Any:
    return world.client(world.root("owner"), service)


def create(world: World, value: dict[str, Any], **given: str) -> None:
    pairs = [{"ParameterKey": name, "ParameterValue": text} for name, text in given.items()]
    client(world).create_stack(StackName="stack", TemplateBody=json.dumps(value), Parameters=pairs)


ONE_OF_TWO = {
    "R": {"Assertions": [{"Assert": {"Fn::Or": [{"Fn::Equals": [A, ""]}, {"Fn::Equals": [B, ""]}]}}]},
}
BOTH = {"A": {"Type": "String", "Default": ""}, "B": {"Type": "String", "Default": "", "AllowedPattern": "[a-z]*"}}


@pytest.mark.parametrize("given", [{"A": "x", "B": "y"}, {"B": "1"}])
def test_create_stack_is_refused_before_anything_exists(world: World, given: dict[str, str]) -> None:
    with pytest.raises(ClientError) as error:
        create(world, template(BOTH, ONE_OF_TWO), **given)
    assert error.value.response["Error"]["Code"] == "ValidationError"
    assert client(world, "ssm").describe_parameters()["Parameters"] == []


def test_a_refused_update_changes_nothing(world: World) -> None:
    create(world, template(BOTH, ONE_OF_TWO), A="x")
    with pytest.raises(ClientError, match="rule R failed"):
        client(world).update_stack(
            StackName="stack",
            TemplateBody=json.dumps({**template(BOTH, ONE_OF_TWO), "Resources": {}}),
            Parameters=[{"ParameterKey": n, "ParameterValue": "x"} for n in "AB"],
        )
    assert [p["Name"] for p in client(world, "ssm").describe_parameters()["Parameters"]] == ["made"]


def test_parameters_of_a_nested_stack_are_checked_too(world: World) -> None:
    s3 = client(world, "s3")
    s3.create_bucket(Bucket="inner", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_object(Bucket="inner", Key="inner.json", Body=json.dumps(template(BOTH, ONE_OF_TWO)))
    nested = {
        "TemplateURL": "https://inner.s3.eu-west-1.amazonaws.com/inner.json",
        "Parameters": {"A": "x", "B": "y"},
    }
    outer = {"Resources": {"Inner": {"Type": "AWS::CloudFormation::Stack", "Properties": nested}}}
    with pytest.raises(ClientError, match="rule R failed"):
        create(world, outer)
    assert client(world, "ssm").describe_parameters()["Parameters"] == []


def test_aws_specific_types_are_looked_up_in_the_account(world: World) -> None:
    ec2 = client(world, "ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    other = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    inside = {"Fn::EachMemberEquals": [{"Fn::ValueOf": ["B", "VpcId"]}, A]}
    declared = {"A": {"Type": "AWS::EC2::VPC::Id"}, "B": {"Type": "List<AWS::EC2::Subnet::Id>"}}
    value = template(declared, {"R": {"Assertions": [{"Assert": inside}]}})
    with pytest.raises(ClientError, match="parameter value vpc-00000000 for parameter name A does not exist"):
        create(world, value, A="vpc-00000000", B=subnet)
    with pytest.raises(ClientError, match="rule R failed"):
        create(world, value, A=other, B=subnet)
    create(world, value, A=vpc, B=subnet)


def test_a_list_parameters_default_is_a_list(world: World) -> None:
    """moto 5.2.5 leaves it as text, whose characters Fn::Join then takes."""
    value = template({"L": {"Type": "CommaDelimitedList", "Default": "ab, cd"}})
    value["Outputs"] = {"Joined": {"Value": {"Fn::Join": ["+", {"Ref": "L"}]}}}
    create(world, value)
    (output,) = client(world).describe_stacks()["Stacks"][0]["Outputs"]
    assert output["OutputValue"] == "ab+cd"
