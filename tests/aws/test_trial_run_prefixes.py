"""Listing a bucket under prefixes near the one that a contract names. Deployed in a world of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from grantproof.aws.real import trial_run
from grantproof.aws.real.export import join
from grantproof.aws.real.live import Source
from grantproof.aws.real.recorded import Recorded
from grantproof.aws.staged.stage import Stage
from grantproof.contract import load
from tests.aws.exporting import account

LISTER = """\
version: 1
accounts: {owner: "111111111111"}
region: eu-west-1
stacks: {owner: {account: owner, template: lister.yaml, name: lister}}
principals:
  lister:
    role: arn:aws:iam::111111111111:role/lister
    trust: [{Principal: {AWS: "111111111111"}, Action: "sts:AssumeRole"}]
    allows:
      - Action: s3:ListBucket
        Resource: arn:aws:s3:::theirs-1111
        Condition: {StringLike: {"s3:prefix": "app/*"}, StringEquals: {"aws:PrincipalAccount": "111111111111"}}
"""
LISTING = """\
Resources:
  Bucket: {Type: AWS::S3::Bucket, Properties: {BucketName: theirs-1111}}
  Lister:
    Type: AWS::IAM::Role
    Properties:
      RoleName: lister
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {AWS: "111111111111"}, Action: "sts:AssumeRole"}]
      Policies:
        - PolicyName: list
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              - Effect: Allow
                Action: s3:ListBucket
                Resource: arn:aws:s3:::theirs-1111
                Condition: {StringLike: {"s3:prefix": "app/*"}, StringEquals: {"aws:PrincipalAccount": "111111111111"}}
"""


@pytest.mark.parametrize("deployed", ["app/*", "*"])
def test_prefixes_similar_to_the_allowed_one_are_tried(tmp_path: Path, deployed: str) -> None:
    """The bucket exists, so that denials count; a role that may list all of it is noticed."""
    (tmp_path / "contract.yaml").write_text(LISTER, encoding="utf-8")
    (tmp_path / "lister.yaml").write_text(LISTING.replace('"app/*"', f'"{deployed}"'), encoding="utf-8")
    contract = load(tmp_path / "contract.yaml")
    stage = Stage(contract)
    stage.open()
    try:
        owner = stage.outsider("111111111111", "assumes-all", "*")
        recorded = Recorded(contract, {"owner": join(Path("owner"), list(account(stage, "owner").values()))})
        source = Source(owner, "profile owner", "owner", "111111111111", "eu-west-1")
        answers = list(trial_run.tried(trial_run.plans({"g": recorded}, [source])["g"], [source],
                                    session_of=lambda credentials, _: stage.world.session(credentials)))  # fmt: skip
    finally:
        stage.close()
    beside = {a.trial.name.rpartition(" under ")[2]: a.finding for a in answers if " under " in a.trial.name}
    assert set(beside) == {"APP/", "app"}
    assert all((finding is None) == (deployed == "app/*") for finding in beside.values()), beside
    assert any(a.trial.params.get("Prefix") == "app/" and a.trial.allowed for a in answers)
