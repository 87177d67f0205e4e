"""Resources synthesised without a deployment."""

from __future__ import annotations

from pathlib import Path

import pytest

from grantproof.aws.synthesis.made_account import MadeAccount
from grantproof.aws.synthesis.makers import Making, make
from grantproof.aws.templates import parameters
from grantproof.aws.templates.assumed_values import assumed_arn
from grantproof.aws.templates.scope import Scope


@pytest.mark.parametrize(
    ("type_", "name", "expected"),
    [
        ("AWS::DynamoDB::Table", {"TableName": "orders"}, "arn:aws:dynamodb:eu-west-1:111111111111:table/orders"),
        ("AWS::SNS::Topic", {"TopicName": "news"}, "arn:aws:sns:eu-west-1:111111111111:news"),
        ("AWS::Lambda::Function", {"FunctionName": "f"}, "arn:aws:lambda:eu-west-1:111111111111:function:f"),
        # Of a kind that the action list does not name: made up.
        ("AWS::Batch::Thing", {"Name": "x"}, "arn:aws:batch:eu-west-1:111111111111:x"),
    ],
)
def test_an_assumed_arn_has_the_form_of_the_action_list(type_: str, name: dict[str, str], expected: str) -> None:
    scope = Scope(pseudo={"AWS::Partition": "aws", "AWS::Region": "eu-west-1"})
    account = MadeAccount("111111111111")
    making = Making(("stack", "R"), type_, name, "", "stack", Path("t.yaml"), account, scope)
    assert assumed_arn(type_, making.physical(next(iter(name.values()))), making.where) == expected


@pytest.mark.parametrize(
    ("type_", "shape"),
    [
        ("AWS::EC2::VPC", "AWS::EC2::VPC::Id"),
        ("AWS::EC2::Subnet", "AWS::EC2::Subnet::Id"),
        ("AWS::EC2::SecurityGroup", "AWS::EC2::SecurityGroup::Id"),
        ("AWS::EC2::Instance", "AWS::EC2::Instance::Id"),
        ("AWS::EC2::Volume", "AWS::EC2::Volume::Id"),
    ],
)
def test_an_assumed_id_satisfies_the_parameter_type_of_another_stack(type_: str, shape: str) -> None:
    scope = Scope(pseudo={"AWS::Partition": "aws", "AWS::Region": "eu-west-1"})
    account = MadeAccount("111111111111")
    making = Making(("stack", "R"), type_, {}, "", "stack", Path("t.yaml"), account, scope)
    parameters.check({"Parameters": {"P": {"Type": shape}}}, {"P": make(making).physical_id})
