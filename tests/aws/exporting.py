"""For tests: the documents that the AWS CLI would print for the accounts of a deployed grant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from grantproof.aws.mocked.deploy import cloudformation
from grantproof.aws.staged.stage import Stage
from grantproof.contract import Contract

Documents = dict[str, Any]


def exported(contract: Contract) -> dict[str, Documents]:
    """The documents of each account by alias, under the name of the command that prints them."""
    stage = Stage(contract)
    stage.open()
    try:
        return {alias: account(stage, alias) for alias in contract.accounts}
    finally:
        stage.close()


def account(stage: Stage, alias: str) -> Documents:
    snapshot = stage.snapshots()[stage.contract.accounts[alias]].as_dict()
    client = cloudformation(stage.world, alias)
    stacks = client.describe_stacks()["Stacks"]
    lists = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")
    out = {
        "get-account-authorization-details": {name: snapshot[name] for name in lists},
        "get-caller-identity": {"Account": snapshot["Account"]},
        "list-roles": {
            "Roles": [{k: r[k] for k in ("Arn", "RoleName", "MaxSessionDuration")} for r in snapshot["RoleDetailList"]]
        },
        "describe-stacks": {"Stacks": stacks},
        "resource-policies": {"ResourcePolicies": snapshot["ResourcePolicies"], "Services": ["s3"]},
    }
    for role in snapshot["RoleDetailList"]:
        del role["MaxSessionDuration"]
    for stack in stacks:
        found = client.describe_stack_resources(StackName=stack["StackId"])
        out[f"resources-{stack['StackName']}"] = {"StackResources": found["StackResources"]}
    return json.loads(json.dumps(out, default=str))  # type: ignore[no-any-return]


def written(documents: dict[str, Documents], folder: Path) -> list[str]:
    """Write the documents of each account into a folder; returns the arguments for `verify`."""
    out = []
    for alias, found in documents.items():
        (folder / alias).mkdir(parents=True, exist_ok=True)
        for name, document in found.items():
            (folder / alias / f"{name}.json").write_text(json.dumps(document), encoding="utf-8")
        out.append(f"--snapshot={alias}={folder / alias}")
    return out
