"""Parameters that reach a policy indirectly are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from grantproof.aws.combinations.policy_parameters import parameters_in_policies
from grantproof.contract import load

ROLE = """
Parameters:
  X: {Type: String, Default: db, AllowedPattern: "[a-z*]+"}
  Y: {Type: String, Default: db, AllowedPattern: "[a-z*]+"}
Resources:
  Held: {Type: AWS::SSM::Parameter, Properties: {Name: !Ref Y, Type: String, Value: !Ref X}}
  Key: {Type: AWS::EC2::KeyPair, Properties: {KeyName: !Ref X}}
  Inner:
    Type: AWS::CloudFormation::Stack
    Properties: {TemplateURL: https://grants.s3.amazonaws.com/inner.yaml, Parameters: {Z: !Ref X}}
  Reader:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Statement: [{Effect: Allow, Principal: {Service: x}, Action: "sts:AssumeRole"}]}
      Policies: [{PolicyName: read, PolicyDocument: %s}]
"""
INNER = """
Parameters:
  Z: {Type: String, AllowedPattern: "[a-z*]+"}
Resources:
  Handle: {Type: AWS::CloudFormation::WaitConditionHandle}
Outputs:
  Out: {Value: !Ref Z}
"""
CONTRACT = """
version: 1
accounts: {owner: "111111111111"}
region: eu-west-1
uploads: {nested: {account: owner, bucket: grants, files: [inner.yaml]}}
stacks: {app: {account: owner, template: role.yaml}}
principals:
  reader:
    role: ${stacks.app.resources.Reader}
    trust: [{Principal: {Service: x}, Action: "sts:AssumeRole"}]
    allows: [{Action: "ssm:GetParameter", Resource: "*"}]
"""


@pytest.mark.parametrize(
    ("document", "names"),
    [
        ("{Statement: [{Resource: !Ref X}]}", {"X"}),
        ("{Statement: [{Resource: !GetAtt Held.Value}]}", {"X"}),
        ("{Statement: [{Resource: !Sub '${Held.Value}'}]}", {"X"}),
        ("{Statement: [{Resource: !Ref Held}]}", set()),
        ("{Statement: [{Resource: !Ref Key}]}", {"X"}),
        ("{Statement: [{Resource: !GetAtt Inner.Outputs.Out}]}", {"Z"}),
        ("{Statement: [{Resource: '*'}]}", set()),
        ("""!Sub '{"Statement": [{"Resource": "${X}"}]}'""", {"X"}),
        ("""!Join ["", ['{"Statement": [{"Resource": "', !Ref X, '"}]}']]""", {"X"}),
        ("!Ref X", {"X"}),
        ("!If [a, !Ref X, {Statement: []}]", {"X"}),
    ],
)
def test_parameters_that_reach_policies_indirectly_are_found(document: str, names: set[str], tmp_path: Path) -> None:
    files = {"role.yaml": ROLE % document, "inner.yaml": INNER, "contract.yaml": CONTRACT}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert {name for _, name in parameters_in_policies(load(tmp_path))} & {"X", "Y", "Z"} == names
