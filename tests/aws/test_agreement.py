"""A combination compared with its contract: which disagreements are reported, where, and with which witness."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from grantproof.aws.combinations.combined import CombinedFindings, compare_part, synthesised_under
from grantproof.aws.combinations.space import Space
from grantproof.contract import load

TEMPLATE = """
Parameters:
  More: {{Type: String, Default: "no", AllowedValues: ["no", "yes"]}}
Conditions:
  WithMore: !Equals [!Ref More, "yes"]
Resources:
  Reader:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{{Effect: Allow, Principal: {{AWS: {principal}}}, Action: sts:AssumeRole}}]
      {boundary}
      Policies:
        - PolicyName: read
          PolicyDocument:
            Version: "2012-10-17"
            Statement: [{{Effect: Allow, Action: {action}, Resource: "*"}}]
  Limit:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument:
        Version: "2012-10-17"
        Statement: [{{Effect: Allow, Action: s3:ListAllMyBuckets, Resource: "*"}}]
Outputs:
  Arn: {{Value: !GetAtt Reader.Arn}}
  Limit: {{Value: !Ref Limit}}
"""
CONTRACT = """
version: 1
accounts: {{owner: "111111111111"}}
region: {region}
stacks: {{app: {{account: owner, name: app, template: app.yaml}}}}
principals:
  reader:
    role: ${{stacks.app.outputs.Arn}}
    {boundary}
    trust: [{{Principal: {{AWS: "arn:${{partition}}:iam::${{accounts.owner}}:root"}}, Action: sts:AssumeRole}}]
    allows: [{{Action: "s3:ListAllMyBuckets", Resource: "*"}}]
  limit: {{policy: "${{stacks.app.outputs.Limit}}", allows: [{{Action: "s3:ListAllMyBuckets", Resource: "*"}}]}}
variants:
  more: {{parameters: {{app: {{More: "yes"}}}}}}
"""
ROOT = '!Sub "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"'


def found(
    folder: Path, part: tuple[str, ...], region: str = "eu-west-1", bound: bool = False, **changed: str
) -> list[tuple[str, dict[str, Any]]]:
    """The findings about a part under the variant, with their evidence."""
    plain = {"principal": ROOT, "action": "s3:ListAllMyBuckets"}
    boundary = "PermissionsBoundary: !Ref Limit" if bound else ""
    (folder / "app.yaml").write_text(TEMPLATE.format(boundary=boundary, **{**plain, **changed}), encoding="utf-8")
    declared = CONTRACT.format(region=region, boundary="boundary: limit" if bound else "")
    (folder / "contract.yaml").write_text(declared, encoding="utf-8")
    space, noted = Space(load(folder)), CombinedFindings(under="more")
    held = synthesised_under(space, space.contract.variants, region, noted)
    assert held is not None
    compare_part(held, part, noted)
    return [(detail, dict(seen.shown)) for (_, detail, _), seen in noted.found.items()]


def test_there_is_no_finding_where_contract_and_combination_agree(tmp_path: Path) -> None:
    assert found(tmp_path, ("trust", "app", "Reader")) == []
    assert found(tmp_path, ("policies", "app")) == []


def test_a_user_of_the_own_account_that_an_option_trusts_by_name_is_reported(tmp_path: Path) -> None:
    """Naming the account leaves the decision to the account's own policies; naming the user does not (rules E11 to
    E17)."""
    bob = '!Sub "arn:${AWS::Partition}:iam::${AWS::AccountId}:user/bob"'
    said = found(tmp_path, ("trust", "app", "Reader"), principal=f"!If [WithMore, [{ROOT}, {bob}], {ROOT}]")
    ((detail, shown),) = said
    assert detail.startswith("wider than the contract: sts:AssumeRole")
    assert shown["witness"]["principal"] == "arn:aws:iam::111111111111:user/bob"


def test_a_witness_is_a_session_of_the_role_in_the_role_s_partition(tmp_path: Path) -> None:
    action = "!If [WithMore, [s3:ListAllMyBuckets, s3:GetObject], s3:ListAllMyBuckets]"
    said = found(tmp_path, ("policies", "app"), region="us-gov-west-1", action=action)
    ((detail, shown),) = said
    assert detail == "wider than the contract: s3:GetObject on *"
    assert shown["witness"]["principal"] == "arn:aws-us-gov:sts::111111111111:assumed-role/app-Reader/example"


def test_access_that_a_boundary_removes_is_not_reported(tmp_path: Path) -> None:
    assert found(tmp_path, ("policies", "app"), bound=True, action='"*"') == []
    said = found(tmp_path, ("policies", "app"), bound=True, action="ssm:GetParameter")
    assert [detail for detail, _ in said] == ["narrower than the contract, which promises s3:ListAllMyBuckets on *"]
