"""An action that does not exist, in a resource policy, is reported as such: no contract can name it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from grantproof.aws.drafts.drafting import draft
from grantproof.aws.staged.stage import Stage
from grantproof.contract import load
from tests.suite import suite_of

KEY = """
Resources:
  Key:
    Type: AWS::KMS::Key
    Properties:
      KeyPolicy:
        Statement:
          - {Effect: Allow, Principal: {AWS: "222222222222"}, Action: ["kms:Decrypt", "kms:ReEncrypt"], Resource: "*"}
"""


def told(folder: Path) -> list[str]:
    contract, said = load(folder), []
    verdict = SimpleNamespace(
        broken=lambda _, detail, **more: said.append(f"{Path(more['place']).name} {detail}"), proves=lambda *_: None
    )
    stage = Stage(contract)
    stage.open()
    try:
        suite = suite_of("proof")
        suite.test_a_resource_policy_says_exactly_what_the_contract_says(
            contract, contract.resources[0], stage, verdict
        )
    finally:
        stage.close()
    return said


def test_a_nonexistent_action_and_wider_access_are_two_findings(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(KEY, encoding="utf-8")
    draft([tmp_path / "t.yaml"], "eu-west-1", {})
    mistyped = "t.yaml:8:13 there is no action kms:reencrypt; did you mean kms:ReEncryptTo?"
    assert told(tmp_path) == [mistyped]
    (tmp_path / "t.yaml").write_text(KEY.replace('"kms:Decrypt"', '"kms:Decrypt", "kms:Encrypt"'), encoding="utf-8")
    first, *more = told(tmp_path)
    assert first == mistyped
    assert more
    assert all("wider than the contract: kms:encrypt on " in finding.lower() for finding in more)


def test_nonexistent_actions_that_aws_s_own_tools_write_are_no_finding(tmp_path: Path) -> None:
    """SNS's own policies, and SAM's SQSPollerPolicy."""
    queue = KEY.replace("AWS::KMS::Key", "AWS::SQS::Queue").partition("    Properties:")[0]
    policy = (
        "  P:\n    Type: AWS::SQS::QueueInlinePolicy\n    Properties:\n      Queue: !Ref Key\n      PolicyDocument:\n"
        '        Statement: [{Effect: Allow, Principal: {AWS: "222222222222"}, Resource: "*", '
        'Action: ["sqs:DeleteMessageBatch", "sqs:DeleteMessage"]}]\n'
    )
    (tmp_path / "t.yaml").write_text(queue + policy, encoding="utf-8")
    assert "sqs:DeleteMessageBatch" in draft([tmp_path / "t.yaml"], "eu-west-1", {}).read_text(encoding="utf-8")
    assert told(tmp_path) == []
