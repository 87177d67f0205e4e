"""Promises about resources of another account: only the grant's own policies are evaluated."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from grantproof.aws.staged.stage import Stage
from grantproof.contract import load
from tests.suite import suite_of

TEMPLATE = """
Resources:
  Hub:
    Type: AWS::IAM::Role
    Properties:
      RoleName: hub
      AssumeRolePolicyDocument:
        Statement: [{Effect: Allow, Principal: {Service: events.amazonaws.com}, Action: "sts:AssumeRole"}]
      Policies:
        - PolicyName: own
          PolicyDocument:
            Statement:
              - {Effect: Allow, Action: "events:PutEvents", Resource: "arn:aws:events:*:222222222222:event-bus/b"}
              - {Effect: Allow, Action: "sts:*", Resource: "arn:aws:iam::*:role/hub-*"}
"""
CONTRACT = """
version: 1
accounts: {owner: "111111111111", other: "222222222222"}
region: eu-west-1
stacks:
  hub: {account: owner, template: t.yaml}
principals:
  hub:
    role: arn:${partition}:iam::${accounts.owner}:role/hub
    trust: [{Principal: {Service: events.amazonaws.com}, Action: "sts:AssumeRole"}]
    allows:
      - {Action: "events:PutEvents", Resource: "arn:aws:events:eu-west-1:222222222222:event-bus/b"}
      - {Action: "sts:*", Resource: "arn:aws:iam::*:role/hub-*"}
      - {Action: "events:PutEvents", Resource: "arn:aws:events:eu-west-1:222222222222:event-bus/other"}
"""


BUS = "Resources: {Bus: {Type: AWS::Events::EventBus, Properties: {Name: b}}}\n"
REFUSED = ["events:PutEvents is denied"]


@pytest.mark.parametrize(
    ("number", "more", "refused"),
    [(0, "", []), (1, "", []), (2, "", REFUSED), (0, "  bus: {account: other, template: bus.yaml}\n", REFUSED)],
    ids=[
        "a bus elsewhere",
        "roles elsewhere",
        "what the template does not give",
        "a bus of the grant, without a policy",
    ],
)
def test_access_that_another_account_must_also_allow_is_judged_by_the_grant_s_half(
    tmp_path: Path, number: int, more: str, refused: list[str]
) -> None:
    (tmp_path / "t.yaml").write_text(TEMPLATE, encoding="utf-8")
    (tmp_path / "bus.yaml").write_text(BUS, encoding="utf-8")
    (tmp_path / "contract.yaml").write_text(CONTRACT.replace("principals:", f"{more}principals:"), encoding="utf-8")
    contract = load(tmp_path)
    said: list[str] = []
    verdict = SimpleNamespace(broken=lambda _, detail, **more: said.append(detail), unverified=lambda *_, **__: None)
    stage = Stage(contract)
    stage.open()
    try:
        hub = contract.principal("hub")
        suite_of("access").test_what_is_allowed_succeeds(contract, (hub, hub.allows[number]), stage, verdict)
    finally:
        stage.close()
    assert said == refused
