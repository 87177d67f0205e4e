"""A generated organisation: many accounts with one deployment of a grant and many other roles each.

One account is deployed into the mocked world and exported; the others are copies with other numbers and names. Nothing
but the current account is in memory.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grantproof.contract import load
from tests.aws.exporting import exported

GRANT = Path(__file__).parent.parent / "fixtures" / "broken" / "good"
#: What the other roles of an account may do: what one meets.
_POLICIES = (
    [{"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::app-{n}/*"}],
    [{"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"}],
    [
        {"Effect": "Allow", "Action": "dynamodb:*", "Resource": "arn:aws:dynamodb:eu-west-1:{account}:table/t-{n}"},
        {"Effect": "Deny", "Action": "dynamodb:DeleteTable", "Resource": "*"},
    ],
    [
        {
            "Effect": "Allow",
            "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
            "Resource": "*",
            "Condition": {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}},
        }
    ],
)
_ENTERED_BY = (
    {"Service": "lambda.amazonaws.com"},
    {"Service": "ec2.amazonaws.com"},
    {"AWS": "arn:aws:iam::{account}:root"},
    {"AWS": "arn:aws:iam::999999999999:role/deployer"},
)


def write(folder: Path, accounts: int, roles: int) -> Path:
    """Write the snapshots of so many accounts with so many roles each, and the file of deployments; gives its path."""
    (template,) = exported(load(GRANT)).values()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "fleet.jsonl").open("w", encoding="utf-8") as fleet:
        for index in range(accounts):
            account = f"{100_000_000_000 + index * 7919}"
            text = json.dumps(_account(template, account, roles)).replace("111111111111", account)
            # The parameter that the contract names is in the account of the contract.
            text = text.replace(f"eu-west-1:{account}:parameter/db", "eu-west-1:111111111111:parameter/db")
            (folder / f"{account}.json").write_text(text, encoding="utf-8")
            line = {"grant": "good", "accounts": {"owner": account}, "snapshots": {"owner": f"{account}.json"}}
            fleet.write(json.dumps(line) + "\n")
    return folder / "fleet.jsonl"


def _account(template: dict[str, Any], account: str, roles: int) -> list[Any]:
    documents = json.loads(json.dumps(list(template.values())))
    for document in documents:
        for key, entries in (
            ("RoleDetailList", _others(account, roles - 1)),
            ("Roles", _durations(account, roles - 1)),
        ):
            if key in document:
                document[key] += list(entries)
    return list(documents)


def _others(account: str, number: int) -> Iterator[dict[str, Any]]:
    chosen = random.Random(account)  # noqa: S311 - the same organisation every time
    for n in range(number):
        policy = _filled(chosen.choice(_POLICIES), account, n)
        entry = {
            "Effect": "Allow",
            "Principal": _filled(chosen.choice(_ENTERED_BY), account, n),
            "Action": "sts:AssumeRole",
        }
        yield {
            "Path": "/",
            "RoleName": f"app-{n}",
            "RoleId": f"AROA{int(account):012d}{n:05d}",
            "Arn": f"arn:aws:iam::{account}:role/app-{n}",
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [entry]},
            "InstanceProfileList": [],
            "RolePolicyList": [{"PolicyName": "own", "PolicyDocument": {"Version": "2012-10-17", "Statement": policy}}],
            "AttachedManagedPolicies": [],
            "Tags": [],
        }


def _durations(account: str, number: int) -> Iterator[dict[str, Any]]:
    for n in range(number):
        yield {"Arn": f"arn:aws:iam::{account}:role/app-{n}", "RoleName": f"app-{n}", "MaxSessionDuration": 3600}


def _filled(value: Any, account: str, n: int) -> Any:
    return json.loads(json.dumps(value).replace("{account}", account).replace("{n}", str(n)))


if __name__ == "__main__":
    import sys

    write(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
