"""What a promise quotes is the name of something that the stacks create: a text would say what the template likes."""

from __future__ import annotations

from pathlib import Path

import pytest

from grantproof.aws.held.quoted_outputs import freely_written_outputs
from grantproof.aws.synthesis.stacks import synthesise
from grantproof.aws.synthesis.synthesised import Synthesised
from grantproof.contract import load

TEMPLATE = """
Parameters:
  Set: {{Type: String, Default: x}}
  Left: {{Type: String, Default: x}}
Conditions:
  Home: !Equals [!Ref AWS::Region, eu-west-1]
Resources:
  Topic: {{Type: AWS::SNS::Topic, Properties: {{TopicName: t}}}}
  Stored: {{Type: AWS::SSM::Parameter, Properties: {{Name: /db, Type: String, Value: "*"}}}}
  Inner:
    Type: AWS::CloudFormation::Stack
    Properties:
      TemplateURL: https://s3.amazonaws.com/made/inner.yaml
      Parameters: {{Given: {given}}}
Outputs:
  Quoted: {{Value: {value}}}
  Free: {{Value: "*"}}
"""
INNER = """
Parameters: {Given: {Type: String}}
Resources:
  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: q}}
Outputs:
  Arn: {Value: !GetAtt Queue.Arn}
  Star: {Value: "*"}
  Given: {Value: !Ref Given}
"""
CONTRACT = """
version: 1
description: Something is promised as an output has it.
accounts: {owner: "111111111111"}
region: eu-west-1
uploads: {made: {account: owner, bucket: made, files: [inner.yaml]}}
stacks: {app: {account: owner, template: app.yaml, parameters: {Set: x}}}
principals:
  other:
    role: other
    trust: [{Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}]
    allows: [{Action: "sns:Publish", Resource: "${stacks.app.outputs.Quoted}"}]
"""


def free(folder: Path, value: str, given: str = "!Ref Topic") -> list[str]:
    """The outputs that are found to be written freely."""
    (folder / "app.yaml").write_text(TEMPLATE.format(value=value, given=given), encoding="utf-8")
    (folder / "inner.yaml").write_text(INNER, encoding="utf-8")
    (folder / "contract.yaml").write_text(CONTRACT, encoding="utf-8")
    contract = load(folder)
    made = Synthesised(contract, synthesise(contract))
    return [name for stack in made.deployment.stacks for name in freely_written_outputs(made, stack)]


@pytest.mark.parametrize(
    "value",
    [
        "!Ref Topic",
        "!GetAtt Topic.TopicName",
        "!GetAtt Inner.Outputs.Arn",
        "!GetAtt Inner.Outputs.Given",
        "!Ref Set",
        "!Ref AWS::AccountId",
        "!If [Home, !Ref Topic, !GetAtt Inner.Outputs.Arn]",
        '!Sub "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter${Stored}"',
        "arn:aws:sns:eu-west-1:111111111111:t",
    ],
)
def test_the_name_of_what_the_stacks_create_may_be_quoted_however_it_is_written(value: str, tmp_path: Path) -> None:
    assert free(tmp_path, value) == []


@pytest.mark.parametrize(
    "value",
    [
        '"*"',
        "arn:aws:sns:eu-west-1:111111111111:another",
        '!Sub "${Topic}*"',
        "!Join ['', [!Ref Topic, '*']]",
        "!Ref Left",
        "!GetAtt Stored.Value",
        "!GetAtt Inner.Outputs.Star",
        "!If [Home, '*', !Ref Topic]",
    ],
)
def test_a_text_that_the_template_may_change_alone_is_no_promise(value: str, tmp_path: Path) -> None:
    assert free(tmp_path, value) == ["Quoted"]


def test_what_a_parent_hands_over_is_a_text_as_well(tmp_path: Path) -> None:
    assert free(tmp_path, "!GetAtt Inner.Outputs.Given", given='"*"') == ["Quoted"]
