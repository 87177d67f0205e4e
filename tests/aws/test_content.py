"""A finding about a resource is about what the resource is: with something else in its place it is another finding."""

from __future__ import annotations

from pathlib import Path

import pytest

from grantproof.aws.held.content import held_content
from grantproof.aws.held.undeclarable import undeclarable
from grantproof.aws.synthesis.stacks import synthesise
from grantproof.aws.synthesis.synthesised import Synthesised
from grantproof.contract import load

PARENT = """
Parameters:
  Who: {Type: String, Default: "333333333333"}
Mappings:
  Names: {eu-west-1: {of: db}}
  Others: {eu-west-1: {of: x}}
Conditions:
  Home: !Equals [!Ref AWS::Region, eu-west-1]
Resources:
  Names:
    Type: AWS::CloudFormation::Stack
    Properties: {TemplateURL: https://s3.amazonaws.com/made/child.yaml, Parameters: {Shared: !Ref Who}}
  Pool:
    Type: AWS::Cognito::IdentityPool
    Metadata: {said: nothing}
    Properties:
      IdentityPoolName: !FindInMap [Names, !Ref AWS::Region, of]
      DeveloperProviderName: !Ref Who
      OpenIdConnectProviderARNs: [!GetAtt Shared.Arn, !If [Home, !GetAtt Names.Outputs.Topic, !Ref AWS::NoValue]]
  Shared:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: sts:AssumeRole}]
      Policies:
        - PolicyName: p
          PolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "s3:GetObject", Resource: "*"}]}
  Beside: {Type: AWS::SSM::Parameter, Properties: {Name: n, Type: String, Value: before}}
"""
CHILD = """
Parameters: {Shared: {Type: String}}
Resources:
  Topic: {Type: AWS::SNS::Topic, Properties: {TopicName: first}}
  Inner: {Type: AWS::Cognito::IdentityPool, Properties: {IdentityPoolName: n, DeveloperProviderName: !Ref Shared}}
Outputs: {Topic: {Value: !Ref Topic}}
"""
CONTRACT = """
version: 1
description: Lets guests in.
accounts: {owner: "111111111111"}
region: eu-west-1
uploads: {made: {account: owner, bucket: made, files: [child.yaml]}}
stacks: {app: {account: owner, template: app.yaml, parameters: {Who: "222222222222"}}}
principals:
  other: {role: other, trust: [{Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}], allows: []}
"""


def deployed(folder: Path, old: str = "", new: str = "") -> Synthesised:
    """The grant with one change."""
    for name, text in (("app.yaml", PARENT), ("child.yaml", CHILD), ("contract.yaml", CONTRACT)):
        (folder / name).write_text(text.replace(old, new) if old else text, encoding="utf-8")
    contract = load(folder)
    return Synthesised(contract, synthesise(contract))


def content_of(made: Synthesised, name: str) -> str:
    """The content that the finding about the resource covers."""
    (found,) = (one.content for one in undeclarable(made) if one.detail.startswith(f"creates {name}, "))
    return found


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("Pool", "DeveloperProviderName: !Ref Who", 'DeveloperProviderName: anybody'),
        ("Pool", 'Who: "222222222222"', 'Who: "444444444444"'),
        ("Pool", "of: db", "of: all"),
        ("Pool", "!Equals [!Ref AWS::Region, eu-west-1]", "!Not [!Equals [!Ref AWS::Region, us-east-1]]"),
        ("Pool", "s3:GetObject", "s3:*"),
        ("Pool", "TopicName: first", "TopicName: second"),
        ("Inner", "IdentityPoolName: n", "IdentityPoolName: o"),
        ("Inner", 'Who: "222222222222"', 'Who: "444444444444"'),
        ("Inner", "{Shared: !Ref Who}", '{Shared: "*"}'),
    ],
    ids=[
        "its properties", "a parameter that the contract sets", "a mapping", "a condition", "a resource that it names",
        "what a nested stack that it names makes", "its properties in a nested stack", "a parameter of the parent",
        "what the parent hands over",
    ],
)  # fmt: skip
def test_a_finding_changes_with_the_resource_and_with_what_it_refers_to(
    name: str, old: str, new: str, tmp_path: Path
) -> None:
    before = content_of(deployed(tmp_path), name)
    assert content_of(deployed(tmp_path, old, new), name) != before


def test_a_parameter_default_that_is_used_is_part_of_the_finding(tmp_path: Path) -> None:
    without = ', parameters: {Who: "222222222222"}'
    before = content_of(deployed(tmp_path, without, ""), "Pool")
    (tmp_path / "app.yaml").write_text(PARENT.replace("333333333333", "444444444444"), encoding="utf-8")
    contract = load(tmp_path)
    assert content_of(Synthesised(contract, synthesise(contract)), "Pool") != before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("said: nothing", "said: something"),
        ("Value: before", "Value: after"),
        ("of: x", "of: y"),
        ("333333333333", "0"),
    ],
    ids=["metadata", "another resource", "a mapping for something else", "a default that the contract replaces"],
)
def test_an_unrelated_change_leaves_the_finding_the_same(old: str, new: str, tmp_path: Path) -> None:
    before = content_of(deployed(tmp_path), "Pool")
    assert content_of(deployed(tmp_path, old, new), "Pool") == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("s3:GetObject", "s3:*"),
        ("Service: ec2.amazonaws.com", 'AWS: "222222222222"'),
        ("Shared:\n    Type: AWS::IAM::Role\n    Properties:\n", "Shared:\n    Type: AWS::IAM::Role\n    Properties:\n"
         "      MaxSessionDuration: 7200\n"),
    ],
    ids=["what it may", "who enters", "for how long"],
)  # fmt: skip
def test_an_undeclared_role_is_reported_with_all_its_policies(old: str, new: str, tmp_path: Path) -> None:
    def role(made: Synthesised) -> str:
        (arn,) = made.policies.held
        return held_content(made.policies, arn)

    before = role(deployed(tmp_path))
    assert role(deployed(tmp_path)) == before
    assert role(deployed(tmp_path, old, new)) != before
