"""SAM templates become CloudFormation without a call; generated resources have the position of their source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from grantproof.aws.templates.scope import Scope
from grantproof.aws.templates.template_data import place_of, with_places
from grantproof.aws.templates.transforms import TemplateError, process
from grantproof.source import at, parse

SOURCE = """\
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Runtime: python3.12, CodeUri: ./src}
Resources:
  Reader:
    Type: AWS::Serverless::Function
    Properties:
      Handler: a.b
      Policies:
        - AWSXrayWriteOnlyAccess
        - DynamoDBReadPolicy: {TableName: !Ref Table} #template
        - Statement:
            - {Effect: Allow, Action: "s3:GetObject", Resource: !Sub "arn:aws:s3:::${Table}/*"} #own
      Events:
        Timer: {Type: Schedule, Properties: {Schedule: rate(1 day)}} #event
  ReaderAgain:
    Type: AWS::Serverless::Function
    Properties:
      Handler: a.b
      Policies: {Statement: {Effect: Allow, Action: "s3:PutObject", Resource: "*"}} #alone
  Table: {Type: "AWS::DynamoDB::Table"} #table
Outputs:
  Role: {Value: !GetAtt ReaderRole.Arn} #output
"""


def made(text: str, region: str = "eu-west-1", partition: str = "aws") -> Any:
    names = Scope(pseudo={"AWS::Region": region, "AWS::Partition": partition})
    return process(with_places(parse(text, Path("t.yaml"))), names, lambda location: pytest.fail(location))


def line_of(mark: str) -> int:
    return next(n for n, line in enumerate(SOURCE.splitlines(), 1) if line.endswith(f"#{mark}"))


def test_every_generated_object_has_the_position_of_its_source() -> None:
    out = made(SOURCE)
    policies = ("Resources", "ReaderRole", "Properties", "Policies")
    for path, mark in (
        ((*policies, 0, "PolicyDocument", "Statement", 0), "template"),
        ((*policies, 1, "PolicyDocument", "Statement", 0), "own"),
        (("Resources", "ReaderAgainRole", "Properties", "Policies", 0, "PolicyDocument", "Statement"), "alone"),
        (("Resources", "Table"), "table"),
        (("Outputs", "Role"), "output"),
    ):
        place = place_of(out, path)
        assert place is not None
        assert (place.line, mark) == (line_of(mark), mark)
    trust = place_of(out, ("Resources", "ReaderRole", "Properties", "AssumeRolePolicyDocument", "Statement", 0))
    assert str(trust) == "t.yaml:5:3", "what SAM adds of its own stands at the function"


def test_roles_use_the_partition_and_policy_templates_are_filled_in() -> None:
    role = made(SOURCE, "cn-north-1", "aws-cn")["Resources"]["ReaderRole"]["Properties"]
    assert role["ManagedPolicyArns"] == [
        "arn:aws-cn:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
        "arn:aws-cn:iam::aws:policy/AWSXrayWriteOnlyAccess",
    ]
    assert "dynamodb:GetItem" in at(role, ("Policies", 0, "PolicyDocument", "Statement", 0, "Action"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("DynamoDBReadPolicy: {TableName", "DynamoDBReadPolicy: {TableNam", "DynamoDBReadPolicy"),
        (
            "Handler: a.b",
            "Handlers: a.b",
            "property Handlers not defined for resource of type AWS::Serverless::Function",
        ),
        (
            'Table: {Type: "AWS::DynamoDB::Table"}',
            "Table: {Type: 'AWS::Serverless::Application', Properties: {Location: {ApplicationId: a}}}",
            "Table is an application of the repository in AWS, which is not known here",
        ),
    ],
)
def test_a_template_that_sam_refuses_or_needs_a_call_for_is_refused(old: str, new: str, said: str) -> None:
    with pytest.raises(TemplateError, match="SAM cannot make a template of it: ") as refused:
        made(SOURCE.replace(old, new))
    assert said in str(refused.value)
