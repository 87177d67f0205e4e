"""Conditions that restrict nothing are found; those that restrict something are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from grantproof.aws.combinations.combined import CombinedFindings
from grantproof.aws.combinations.idle_conditions import idle_conditions
from grantproof.aws.combinations.space import Space
from grantproof.aws.synthesis.synthesised import Synthesised
from grantproof.contract import load
from grantproof.iam import request_keys

TEMPLATE = """
Resources:
  Reader:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: {{Effect: Allow, Principal: {{AWS: "222222222222"}}, Action: "sts:AssumeRole", Condition: {trust}}}
      Policies:
        - PolicyName: read
          PolicyDocument:
            Version: "2012-10-17"
            Statement: {{Effect: Allow, Action: "ssm:GetParameter", Resource: "*", Condition: {policy}}}
Outputs:
  RoleArn: {{Value: !GetAtt Reader.Arn}}
"""
CONTRACT = """
version: 1
description: A role under conditions.
accounts: {owner: "111111111111"}
region: eu-west-1
stacks: {app: {account: owner, template: app.yaml}}
principals:
  reader:
    role: ${stacks.app.outputs.RoleArn}
    trust: [{Principal: {AWS: "222222222222"}, Action: "sts:AssumeRole"}]
    allows: []
"""


def idle(folder: Path, trust: str = "{}", policy: str = "{}") -> list[str]:
    """The findings about a role whose trust policy and permissions have these conditions."""
    grant = folder / "grant"
    grant.mkdir()
    (grant / "app.yaml").write_text(TEMPLATE.format(trust=trust, policy=policy), encoding="utf-8")
    (grant / "contract.yaml").write_text(CONTRACT, encoding="utf-8")
    contract, noted = load(grant), CombinedFindings()
    assert idle_conditions(Synthesised(contract, Space(contract).base), noted) == 1
    return [detail for _, detail, _ in noted.found]


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ('{StringLikeIfExists: {"aws:SourceVpce": "*"}}', "holds for every request"),
        ('{"ForAllValues:StringLike": {"aws:TagKeys": "*"}}', "holds for every request"),
        ('{StringEqualsIfExists: {"aws:SourceVpce": vpce-1}}', "holds for whoever comes without aws:sourcevpce"),
        ('{BoolIfExists: {"aws:MultiFactorAuthPresent": "true"}}', "whoever comes without aws:multifactorauthpresent"),
        ('{"ForAllValues:StringLike": {"aws:PrincipalOrgPaths": "o-1/*"}}', "comes without aws:principalorgpaths"),
        ('{"ForAllValues:StringEquals": {"aws:TagKeys": [a]}}', "none for ssm:GetParameter carries the key"),
        ('{StringNotEquals: {"s3:prefix": x}}', "none for ssm:GetParameter carries the key"),
        ('{StringEquals: {"aws:NoSuchKey": x}}', "AWS has no such condition key"),
        ('{StringNotEquals: {"ssm:NoSuchKey": x}}', "AWS has no such condition key"),
        ('{"Null": {"nosuchservice:Key": "true"}}', "AWS has no such condition key"),
    ],
)  # fmt: skip
def test_a_condition_that_restricts_nothing_is_found(condition: str, says: str, tmp_path: Path) -> None:
    (said,) = idle(tmp_path, policy=condition)
    assert says in said


@pytest.mark.parametrize("key", ["sts:ExternalId", "aws:PrincipalOrgID", "sts:SourceIdentity", "aws:PrincipalTag/team"])
def test_a_condition_on_a_key_that_callers_can_omit_restricts_nothing(key: str, tmp_path: Path) -> None:
    (said,) = idle(tmp_path, trust=f'{{StringEqualsIfExists: {{"{key}": some-value-or-other}}}}')
    assert f"holds for whoever comes without {key.lower()}" in said


@pytest.mark.parametrize(
    "condition",
    [
        '{StringEquals: {"aws:SourceVpce": vpce-1}}',
        '{Bool: {"aws:MultiFactorAuthPresent": "true"}}',
        '{StringNotEquals: {"aws:SourceVpc": vpc-1}}',
        '{"Null": {"aws:TokenIssueTime": "false"}}',
        '{IpAddress: {"aws:SourceIp": 192.0.2.0/24}}',
        '{StringEquals: {"aws:ResourceTag/team": red}}',
    ],
)
def test_a_condition_that_restricts_is_no_finding(condition: str, tmp_path: Path) -> None:
    assert idle(tmp_path, policy=condition) == []


def test_condition_keys_of_identity_providers_are_accepted_unlisted() -> None:
    assert request_keys.exists("token.actions.githubusercontent.com:sub")
    assert request_keys.exists("saml:aud")
    assert request_keys.exists("kms:encryptioncontext:secretarn")
    assert not request_keys.exists("kms:encryption")
