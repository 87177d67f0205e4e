"""Converts the export of an account to a template that creates its IAM entities."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from grantproof.aws.drafts.skeleton import OWNER, CannotDraft

_GIVEN = "`aws iam get-account-authorization-details` prints; give that, unchanged"


def template_of(export: Mapping[str, Any], only: Sequence[str] = ()) -> dict[str, Any]:
    """A template that creates the IAM entities in a response of GetAccountAuthorizationDetails.

    Service-linked roles are omitted, since AWS creates them. `only` restricts the template to entities of these names.

    Raises:
        CannotDraft: `export` is no such response, is cut off, or lacks one of the names.
    """
    try:
        return _template_of(export, only)
    except KeyError as error:
        raise CannotDraft(f"an entry of the export has no {error}, which {_GIVEN}.") from None
    except (AttributeError, TypeError):
        raise CannotDraft(f"the export is not what {_GIVEN}.") from None


def _template_of(export: Mapping[str, Any], only: Sequence[str]) -> dict[str, Any]:
    if not isinstance(export, Mapping) or "RoleDetailList" not in export:
        raise CannotDraft(f"the export has no RoleDetailList, which {_GIVEN}.")
    if export.get("IsTruncated"):
        raise CannotDraft(
            "the export is cut off: it says IsTruncated, so users, roles or policies may be missing. Export again, "
            "without --max-items and --no-paginate."
        )
    resources: dict[str, Any] = {}
    for policy in export.get("Policies") or ():
        if ":iam::aws:" not in policy["Arn"] and (not only or policy["PolicyName"] in only):
            _add(resources, policy["PolicyName"], "ManagedPolicy", _managed(policy))
    for group in export.get("GroupDetailList") or ():
        if not only or group["GroupName"] in only:
            _add(resources, group["GroupName"], "Group", _entity(group, "Group"))
    for user in export.get("UserDetailList") or ():
        if not only or user["UserName"] in only:
            extra = {"Groups": user["GroupList"]} if user.get("GroupList") else {}
            _add(resources, user["UserName"], "User", {**_entity(user, "User"), **extra})
    for role in export["RoleDetailList"]:
        if not _is_service_linked(role) and (not only or role["RoleName"] in only):
            _add(resources, role["RoleName"], "Role", _role(role))
    if missing := sorted(set(only) - set(_names(export))):
        near = difflib.get_close_matches(missing[0], list(_names(export)), n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise CannotDraft(f"the export holds no user, group, role or policy that is called {missing[0]}.{hint}")
    if not resources:
        raise CannotDraft("the export holds no role, user, group or policy of the account's own.")
    _order(resources)
    return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}


def _names(export: Mapping[str, Any]) -> Iterator[str]:
    """The names of the entities and policies of an export that can become resources."""
    yield from (policy["PolicyName"] for policy in export.get("Policies") or () if ":iam::aws:" not in policy["Arn"])
    yield from (group["GroupName"] for group in export.get("GroupDetailList") or ())
    yield from (user["UserName"] for user in export.get("UserDetailList") or ())
    yield from (role["RoleName"] for role in export["RoleDetailList"] if not _is_service_linked(role))


def _is_service_linked(role: Mapping[str, Any]) -> bool:
    return str(role["Path"]).startswith("/aws-service-role/")


def _add(resources: dict[str, Any], name: str, kind: str, properties: Mapping[str, Any]) -> None:
    bare = re.sub(r"[^A-Za-z0-9]", "", name) or kind
    logical = bare if bare not in resources else f"{bare}{kind}"
    resources[logical] = {"Type": f"AWS::IAM::{kind}", "Properties": dict(properties)}


def _managed(policy: Mapping[str, Any]) -> dict[str, Any]:
    version = next((v for v in policy["PolicyVersionList"] if v.get("IsDefaultVersion")), None)
    if version is None:
        raise CannotDraft(f"{policy['Arn']} has no default version in the export.")
    return {
        "ManagedPolicyName": policy["PolicyName"],
        "Path": policy.get("Path", "/"),
        "PolicyDocument": _decoded(version["Document"]),
    }


def _entity(entity: Mapping[str, Any], kind: str) -> dict[str, Any]:
    out: dict[str, Any] = {f"{kind}Name": entity[f"{kind}Name"], "Path": entity.get("Path", "/")}
    inline = [
        {"PolicyName": p["PolicyName"], "PolicyDocument": _decoded(p["PolicyDocument"])}
        for p in entity.get(f"{kind}PolicyList") or ()
    ]
    attached = [p["PolicyArn"] for p in entity.get("AttachedManagedPolicies") or ()]
    if inline:
        out["Policies"] = inline
    if attached:
        out["ManagedPolicyArns"] = attached
    if entity.get("PermissionsBoundary"):
        out["PermissionsBoundary"] = entity["PermissionsBoundary"]["PermissionsBoundaryArn"]
    return out


def _role(role: Mapping[str, Any]) -> dict[str, Any]:
    out = {"AssumeRolePolicyDocument": _decoded(role["AssumeRolePolicyDocument"]), **_entity(role, "Role")}
    if "MaxSessionDuration" in role:
        out["MaxSessionDuration"] = role["MaxSessionDuration"]
    return out


def _decoded(document: Any) -> Any:
    """A policy document, which the CLI gives as an object and the API as percent-encoded text."""
    if not isinstance(document, str):
        return document
    try:
        return json.loads(unquote(document))
    except ValueError:
        raise CannotDraft("a policy document of the export is not JSON.") from None


def _order(resources: dict[str, Any]) -> None:
    """Add DependsOn to resources that name a policy or group of the template."""
    by_arn_end = {
        f":policy{r['Properties']['Path']}{r['Properties']['ManagedPolicyName']}": name
        for name, r in resources.items()
        if r["Type"] == "AWS::IAM::ManagedPolicy"
    }
    groups = {r["Properties"]["GroupName"]: n for n, r in resources.items() if r["Type"] == "AWS::IAM::Group"}
    for resource in resources.values():
        properties = resource["Properties"]
        arns = [*properties.get("ManagedPolicyArns", ()), properties.get("PermissionsBoundary", "")]
        waits = [name for end, name in by_arn_end.items() if any(arn.endswith(end) for arn in arns)]
        waits += [groups[name] for name in properties.get("Groups", ()) if name in groups]
        if waits:
            resource["DependsOn"] = sorted(waits)


def account_of_export(export: Mapping[str, Any]) -> str:
    """The account number of an export."""
    for entries in ("RoleDetailList", "UserDetailList", "GroupDetailList"):
        for entity in export.get(entries) or ():
            return str(entity["Arn"]).split(":")[4]
    return OWNER
