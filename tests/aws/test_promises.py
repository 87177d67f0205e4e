"""AWS managed policies, promised by name whatever their content, and nothing besides."""

from __future__ import annotations

from pathlib import Path

import pytest

from grantproof.aws.combinations.space import Space
from grantproof.aws.held.agreement import disagreements, permissions
from grantproof.aws.synthesis.synthesised import Synthesised
from grantproof.contract import load

TEMPLATE = """
Resources:
  Reader:
    Type: AWS::IAM::Role
    Properties:
      RoleName: reader
      ManagedPolicyArns: [{attached}]
      AssumeRolePolicyDocument: &trust
        Version: "2012-10-17"
        Statement: [{{Effect: Allow, Principal: {{AWS: "222222222222"}}, Action: "sts:AssumeRole"}}]
  Other:
    Type: AWS::IAM::Role
    Properties:
      RoleName: other
      ManagedPolicyArns: [{of_other}]
      AssumeRolePolicyDocument: *trust
"""
CONTRACT = """
version: 1
description: A role with policies of AWS's own.
accounts: {{owner: "111111111111", partner: "222222222222"}}
region: eu-west-1
stacks: {{app: {{account: owner, template: app.yaml}}}}
principals:
  reader:
    role: reader
    trust: [{{Principal: {{AWS: "${{accounts.partner}}"}}, Action: "sts:AssumeRole"}}]
    managed: [{promised}]
"""
#: It names actions that AWS has retired, which no contract could write out.
AUDIT = "arn:aws:iam::aws:policy/SecurityAudit"
BILLING = "arn:aws:iam::aws:policy/AWSBillingReadOnlyAccess"


def told(folder: Path, promised: str, attached: str, of_other: str = "") -> list[tuple[str, str]]:
    """The kind and detail of each difference about the reader between contract and stacks."""
    (folder / "app.yaml").write_text(TEMPLATE.format(attached=attached, of_other=of_other), encoding="utf-8")
    (folder / "contract.yaml").write_text(CONTRACT.format(promised=promised), encoding="utf-8")
    contract = load(folder)
    found = Synthesised(contract, Space(contract).base)
    sides = permissions(found, contract.principal("reader"))
    plain = sides.trivially_agree()
    out = [(d.kind, d.detail) for d in disagreements(found, sides)]
    assert not (plain and out)
    return out


def test_a_policy_promised_by_name_is_compared_with_the_attached_one(tmp_path: Path) -> None:
    assert told(tmp_path, AUDIT, AUDIT) == []


def test_two_policies_may_use_the_same_sids(tmp_path: Path) -> None:
    assert told(tmp_path, f"{AUDIT}, {BILLING}", f"{BILLING}, {AUDIT}") == []


def test_a_policy_besides_the_promised_one_is_wider(tmp_path: Path) -> None:
    assert {kind for kind, _ in told(tmp_path, AUDIT, f"{AUDIT}, {BILLING}")} == {"wider"}


@pytest.mark.parametrize("of_other", ["", AUDIT], ids=["nobody has it", "another role has it"])
def test_a_promised_policy_that_is_not_attached_is_narrower(tmp_path: Path, of_other: str) -> None:
    assert {kind for kind, _ in told(tmp_path, f"{AUDIT}, {BILLING}", BILLING, of_other)} == {"narrower"}


def test_a_policy_in_place_of_the_promised_one_is_both(tmp_path: Path) -> None:
    found = told(tmp_path, AUDIT, BILLING)
    assert {kind for kind, _ in found} == {"wider", "narrower"}
    said = f"narrower than the contract, which promises {AUDIT}: it is not attached; attached of AWS's own: {BILLING}"
    assert ("narrower", said) in found


def test_a_similar_policy_is_suggested_for_a_mistyped_one(tmp_path: Path) -> None:
    for mistyped in (AUDIT.replace("Audit", "Audits"), AUDIT.replace("policy/", "policy/job-function/")):
        ((_, said), *_) = [one for one in told(tmp_path, mistyped, AUDIT) if one[0] == "narrower"]
        assert said.endswith(f"There is no such policy; did you mean {AUDIT}?")
