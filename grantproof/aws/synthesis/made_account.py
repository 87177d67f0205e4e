"""What the stacks of a contract would create in one account, in the form of snapshots."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from moto.iam.aws_managed_policies import aws_managed_policies_data

from grantproof.aws.held.snapshot import AccountSnapshot
from grantproof.aws.templates.scope import NotResolved


@dataclass
class MadeAccount:
    """IAM entities by kind and ARN, and resource policies.

    Attributes:
        under: what earlier stacks have created, if this object holds only what one stack adds.
        reached: whether the stack has used anything of `under`.
    """

    number: str
    under: MadeAccount | None = None
    reached: bool = False
    entities: dict[str, dict[str, dict[str, Any]]] = field(
        default_factory=lambda: {kind: {} for kind in ("user", "group", "role", "policy")}
    )
    resource_policies: list[dict[str, Any]] = field(default_factory=list)

    def named(self, kind: str, name: str) -> dict[str, Any]:
        """An entity of the account by name.

        Raises:
            NotResolved: no stack creates it.
        """
        for entity in self.entities[kind].values():
            if entity[f"{kind.capitalize()}Name"] == name:
                return entity
        if self.under is not None:
            self.reached = True
            return self.under.named(kind, name)
        raise NotResolved(f"the {kind} {name} is made by no stack")

    def add(self, more: MadeAccount) -> None:
        """Add what a stack adds, as copies, since later stacks may attach policies to its entities."""
        for kind, entities in more.entities.items():
            self.entities[kind] |= {
                arn: {name: list(entry) if isinstance(entry, list) else entry for name, entry in entity.items()}
                for arn, entity in entities.items()
            }
        self.resource_policies += more.resource_policies

    def snapshot(self) -> AccountSnapshot:
        """The account as a snapshot, with the AWS managed policies that are attached to its entities."""
        for kind in ("user", "group", "role"):
            for entity in self.entities[kind].values():
                for attached in entity["AttachedManagedPolicies"]:
                    self._add_policy_of_aws(attached["PolicyArn"])
                if boundary := entity.get("PermissionsBoundary"):
                    self._add_policy_of_aws(boundary["PermissionsBoundaryArn"])
        users, groups, roles, policies = (tuple(self.entities[k].values()) for k in ("user", "group", "role", "policy"))
        return AccountSnapshot(self.number, users, groups, roles, policies, tuple(self.resource_policies))

    def _add_policy_of_aws(self, arn: str) -> None:
        if ":iam::aws:policy/" in arn and arn not in self.entities["policy"]:
            known = _policies_of_aws().get(arn.rsplit("/", 1)[1])
            if known is None:
                raise NotResolved(f"{arn} is not among the AWS managed policies that moto ships")
            self.entities["policy"][arn] = managed_policy(arn, known["Path"], known["Document"])


@cache
def _policies_of_aws() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(aws_managed_policies_data)
    return found


def managed_policy(arn: str, path: str, document: Any) -> dict[str, Any]:
    """A managed policy with one version."""
    version = {"VersionId": "v1", "IsDefaultVersion": True, "Document": as_document(document)}
    name = arn.rsplit("/", 1)[1]
    return {"PolicyName": name, "Arn": arn, "Path": path, "DefaultVersionId": "v1", "PolicyVersionList": [version]}


def as_document(item: Any) -> Any:
    """A policy document, which templates may also write as text."""
    return json.loads(item) if isinstance(item, str) else item
