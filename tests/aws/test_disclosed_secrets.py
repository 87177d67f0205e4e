"""Secrets whose values templates disclose."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from grantproof.aws.combinations.combined import CombinedFindings, note_unknown_access, synthesised_under
from grantproof.aws.combinations.space import Space
from grantproof.aws.held.disclosures import disclosures
from grantproof.aws.synthesis.stacks import synthesise
from grantproof.aws.synthesis.synthesised import Synthesised
from grantproof.aws.templates.disclosed_secrets import disclosed
from grantproof.contract import load

VALUE = "{{resolve:secretsmanager:database:SecretString:password}}"
SECURE = "{{resolve:ssm-secure:/database/password}}"
PLAIN = "{{resolve:ssm:/database/name}}"


@pytest.mark.parametrize(
    ("type_", "properties", "where"),
    [
        ("AWS::SSM::Parameter", {"Type": "String", "Value": VALUE}, "Value"),
        ("AWS::SSM::Parameter", {"Type": "String", "Value": f"postgres://u:{VALUE}@host"}, "Value"),
        ("AWS::SSM::Parameter", {"Type": "String", "Value": SECURE}, "Value"),
        ("AWS::SSM::Parameter", {"Type": "String", "Value": PLAIN}, ""),
        ("AWS::SSM::Parameter", {"Value": {"Fn::Join": ["", ["{{resolve:secretsmanager:", {"Ref": "S"}]]}}, "Value"),
        ("AWS::SSM::Parameter", {"Value": {"Fn::Sub": "{{resolve:secretsmanager:${S}}}"}}, "Value"),
        ("AWS::S3::Bucket", {"Tags": [{"Key": "password", "Value": VALUE}]}, "Tags"),
        ("AWS::SSM::Parameter", {"Value": "x", "Tags": {"Password": VALUE}}, "Tags"),
        ("AWS::Lambda::Function", {"Environment": {"Variables": {"PASSWORD": VALUE}}}, "Environment"),
        ("AWS::Lambda::Function", {"Environment": {"Variables": {"SECRET": "arn:aws:secretsmanager:::"}}}, ""),
        ("AWS::ECS::TaskDefinition", {"ContainerDefinitions": [{"Environment": [{"Value": VALUE}]}]}, "ContainerDef"),
        ("AWS::EC2::Instance", {"UserData": base64.b64encode(f"#! {VALUE}".encode()).decode()}, "UserData"),
        ("AWS::EC2::Instance", {"UserData": {"Fn::Base64": f"#! {VALUE}"}}, "UserData"),
        ("AWS::EC2::Instance", {"UserData": "no base64"}, ""),
        ("AWS::Lambda::Function", {"Description": VALUE}, "Description"),
        ("AWS::CloudFormation::Stack", {"Parameters": {"Password": VALUE}}, "Parameters"),
        ("AWS::CloudFormation::Stack", {"Parameters": {"Hidden": VALUE}}, ""),
        ("AWS::StepFunctions::StateMachine", {"DefinitionSubstitutions": {"secret": VALUE}}, "DefinitionSub"),
        ("AWS::ECS::TaskDefinition", {"ContainerDefinitions": [{"DockerLabels": {"token": VALUE}}]}, "ContainerDef"),
        # What services take as a secret, and do not tell again.
        ("AWS::RDS::DBInstance", {"MasterUsername": VALUE, "MasterUserPassword": VALUE}, ""),
        ("AWS::RDS::DBInstance", {"DBName": VALUE}, "DBName"),
        ("AWS::IAM::User", {"LoginProfile": {"Password": SECURE}}, ""),
        ("AWS::SecretsManager::Secret", {"SecretString": VALUE}, ""),
        ("AWS::ElastiCache::ReplicationGroup", {"AuthToken": VALUE}, ""),
        ("AWS::Cognito::UserPoolIdentityProvider", {"ProviderDetails": {"client_secret": VALUE}}, ""),
        ("AWS::Events::Connection", {"AuthParameters": {"X": {"HeaderParameters": [{"Value": VALUE}]}}}, ""),
    ],
    ids=str,
)
def test_a_secret_is_disclosed_where_the_service_returns_the_property(type_: str, properties: Any, where: str) -> None:
    found = [".".join(map(str, path)) for path in disclosed(type_, properties, {"Hidden"})]
    assert len(found) == bool(where)
    assert all(path.startswith(where) for path in found)


TEMPLATE = """
Parameters:
  More: {Type: String, Default: "no", AllowedValues: ["no", "yes"]}
Conditions:
  WithMore: !Equals [!Ref More, "yes"]
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: sts:AssumeRole}]
  Copied:
    Type: AWS::SSM::Parameter
    Properties: {Type: String, Value: CLEAR}
Outputs:
  Arn: {Value: !GetAtt Role.Arn}
  Told: {Value: OUTPUT}
"""
CONTRACT = """
version: 1
accounts: {owner: "111111111111"}
region: eu-west-1
stacks: {app: {account: owner, name: app, template: app.yaml}}
principals:
  role:
    role: ${stacks.app.outputs.Arn}
    trust: [{Principal: {Service: ec2.amazonaws.com}, Action: sts:AssumeRole}]
    allows: []
variants:
  more: {parameters: {app: {More: "yes"}}}
"""


def grant(folder: Path, clear: str, output: str = "x") -> Any:
    template = TEMPLATE.replace("CLEAR", clear).replace("OUTPUT", output)
    (folder / "app.yaml").write_text(template, encoding="utf-8")
    (folder / "contract.yaml").write_text(CONTRACT, encoding="utf-8")
    return load(folder)


def test_a_disclosed_secret_is_reported_with_its_line(tmp_path: Path) -> None:
    contract = grant(tmp_path, f'"{VALUE}"', f'"{VALUE}"')
    copied, told = disclosures(Synthesised(contract, synthesise(contract)))
    assert copied.detail.startswith("Copied (AWS::SSM::Parameter) has the value of a secret in clear at Value: ")
    assert copied.place.endswith("app.yaml:15:32")
    assert told.detail.startswith("the output Told has the value of a secret in clear")
    assert told.place.endswith("app.yaml:18:3")


@pytest.mark.parametrize("take", ["!GetAtt Client.ClientSecret", '!Sub "x${Client.ClientSecret}"'])
def test_an_attribute_that_is_a_secret_is_disclosed_too(take: str, tmp_path: Path) -> None:
    contract = grant(tmp_path, take, take)
    client = "  Client: {Type: AWS::Cognito::UserPoolClient, Properties: {UserPoolId: p, GenerateSecret: true}}\n"
    text = (tmp_path / "app.yaml").read_text(encoding="utf-8").replace("Resources:\n", f"Resources:\n{client}")
    (tmp_path / "app.yaml").write_text(text, encoding="utf-8")
    copied, told = disclosures(Synthesised(contract, synthesise(contract)))
    assert copied.detail.startswith("Copied (AWS::SSM::Parameter) has the value of a secret in clear at Value")
    assert copied.place.endswith("app.yaml:16:32")
    assert told.detail.startswith("the output Told has the value of a secret in clear")


@pytest.mark.parametrize(("clear", "told"), [(VALUE, True), (PLAIN, False)])
def test_a_secret_that_only_an_option_discloses_is_reported_under_it(clear: str, told: bool, tmp_path: Path) -> None:
    contract = grant(tmp_path, f'!If [WithMore, "{clear}", x]')
    space, noted = Space(contract), CombinedFindings(under="more")
    assert list(disclosures(Synthesised(contract, space.base))) == []
    found = synthesised_under(space, contract.variants, "eu-west-1", noted)
    assert found is not None
    note_unknown_access(space, found, noted)
    details = [detail for _, detail, _ in noted.found]
    assert details == ["app/Copied (AWS::SSM::Parameter) then has the value of a secret in clear"][:told]
