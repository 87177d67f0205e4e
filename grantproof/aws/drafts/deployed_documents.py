"""The policy documents of a deployed grant, from which a contract is drafted."""

from __future__ import annotations

from typing import Any

from grantproof.aws.drafts.skeleton import CannotDraft
from grantproof.aws.staged.stage import Stage
from grantproof.iam import actions


def deployed_document(stage: Stage, label: str) -> Any:
    """The document of a policy, as deployed.

    Raises:
        CannotDraft: no account has the policy.
    """
    arn, _, name = label.partition("#")
    for snapshot in stage.snapshots().values():
        for carrier in snapshot.resource_policies:
            if carrier["Arn"] == label:
                return carrier["Policy"]
        for policy in snapshot.policies:
            if policy["Arn"] == label:
                return next(v["Document"] for v in policy["PolicyVersionList"] if v["IsDefaultVersion"])
        entities = (
            (snapshot.roles, "RolePolicyList"),
            (snapshot.users, "UserPolicyList"),
            (snapshot.groups, "GroupPolicyList"),
        )
        for found, inline in entities:
            for entity in found:
                if entity["Arn"] != arn:
                    continue
                if name == "trust":
                    return entity["AssumeRolePolicyDocument"]
                return next(p["PolicyDocument"] for p in entity[inline] if p["PolicyName"] == name)
    raise CannotDraft(f"{label} is in no account.")


def without_unknown_actions(statement: Any) -> tuple[Any, list[str]]:
    """A statement without actions that do not exist, which a contract rejects, and the list of these. None instead of
    the statement where no action is left. The verification reports the unknown actions of the policy."""
    for element in ("Action", "NotAction"):
        written = statement.get(element, [])
        named = [written] if isinstance(written, str) else written
        known = [name for name in named if actions.names_something(name)]
        if len(known) < len(named):
            unknown = [name for name in named if name not in known]
            return ({**statement, element: known} if known else None), unknown
    return statement, []
