"""Joins the documents of one account to one complete and consistent export, or rejects them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from grantproof.aws.held.snapshot import RESOURCE_POLICIES, AccountSnapshot
from grantproof.source import SourceError

Part = Mapping[str, Any]

#: A JSON decoder that raises `DuplicateKey`.
DECODER = json.JSONDecoder(object_pairs_hook=lambda pairs: _once(pairs))


class DuplicateKey(ValueError):
    """A key occurs twice in one JSON object."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        keys = [key for key, _ in pairs]
        raise DuplicateKey(next(key for key in keys if keys.count(key) > 1))
    return out


class ExportRefused(SourceError):
    """An export is no complete and consistent snapshot of one account; names the file, the fault and the next step."""


@dataclass(frozen=True)
class RecordedStack:
    """A stack as DescribeStacks returns it. `id` is its ARN; `parameters` omit masked values (`NoEcho`)."""

    name: str
    id: str
    status: str
    outputs: Mapping[str, str]
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def settled(self) -> bool:
        """Is its status final, so that no operation is in progress?"""
        return self.status in _SETTLED

    @property
    def region(self) -> str:
        """The region of the stack."""
        return self.id.split(":")[3]


@dataclass(frozen=True)
class Export:
    """The export of one account. `resources` are those of stacks and nested stacks, by the stack's ARN; `services` are
    those whose resource policies were read."""

    path: Path
    snapshot: AccountSnapshot
    stacks: tuple[RecordedStack, ...] = ()
    resources: Mapping[str, tuple[Part, ...]] = field(default_factory=dict)
    services: tuple[str, ...] = ()

    @property
    def account(self) -> str:
        """The account number, 12 digits."""
        return self.snapshot.account


def join(path: Path, documents: Iterable[Part]) -> Export:
    """Join documents to one export; `path` is only used in error messages.

    Raises:
        ExportRefused: as `read_export`.
    """
    return _Joined(path, list(documents)).export()


_DETAILS = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")
#: Every known key of a document, with the command that prints it.
_PARTS = {
    **dict.fromkeys(_DETAILS, "aws iam get-account-authorization-details"),
    "Roles": "aws iam list-roles",
    "Stacks": "aws cloudformation describe-stacks",
    "StackResources": "aws cloudformation describe-stack-resources --stack-name NAME",
    "ResourcePolicies": "grantproof snapshot",
    "Account": "aws sts get-caller-identity",
}
_BESIDE = frozenset({"IsTruncated", "Marker", "NextToken", "ResponseMetadata", "UserId", "Arn", "Services"})
_SETTLED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE")
_INLINE = {"UserDetailList": "UserPolicyList", "GroupDetailList": "GroupPolicyList", "RoleDetailList": "RolePolicyList"}
_NAMED = {
    "UserDetailList": ("UserName", "UserId"),
    "GroupDetailList": ("GroupName", "GroupId"),
    "RoleDetailList": ("RoleName", "RoleId", "AssumeRolePolicyDocument"),
    "Policies": ("DefaultVersionId", "PolicyVersionList"),
}


def _contradicts(version: Part, default: str) -> bool:
    """Does a version of a managed policy say of itself that another one is the default?"""
    is_default = version.get("VersionId") == default
    return bool(version.get("IsDefaultVersion", is_default)) != is_default


#: DescribeStackResources returns at most so many resources.
_MOST = 100


class _Joined:
    """Joins the documents of one account."""

    def __init__(self, path: Path, documents: Sequence[Part]) -> None:
        self._path, self._documents = path, documents

    def export(self) -> Export:
        for document in self._documents:
            self._known(document)
        details = {name: self._entries(name) for name in _DETAILS}
        account = self._account(details)
        self._consistent(details)
        roles = self._with_durations(details["RoleDetailList"])
        snapshot = AccountSnapshot(
            account=account,
            users=tuple(self._whole("UserDetailList", user) for user in details["UserDetailList"]),
            groups=tuple(self._whole("GroupDetailList", group) for group in details["GroupDetailList"]),
            roles=tuple(self._whole("RoleDetailList", role) for role in roles),
            policies=tuple(self._managed(policy) for policy in details["Policies"]),
            resource_policies=tuple(self._resource_policies(account)),
        )
        stacks, services = tuple(self._stacks(account)), tuple(self._services())
        return Export(self._path, snapshot, stacks, self._resources(), services)

    def _refuse(self, message: str) -> ExportRefused:
        return ExportRefused(self._path, message)

    def _known(self, document: Part) -> None:
        parts = [key for key in document if key in _PARTS]
        unknown = [key for key in document if key not in _PARTS and key not in _BESIDE]
        if unknown or not parts:
            what = f"the key {unknown[0]!r}" if unknown else "a document with none of the known keys"
            raise self._refuse(f"holds {what}, which is no part of a snapshot. Known: {', '.join(_PARTS)}.")
        if document.get("NextToken"):
            raise self._refuse(f"is cut off: {parts[0]} ends with a NextToken. Export it again without --max-items.")
        for key in parts:
            if key != "Account" and not isinstance(document[key], list):
                raise self._refuse(f"{key} is not a list.")

    def _having(self, name: str) -> list[Part]:
        return [document for document in self._documents if name in document]

    def _entries(self, name: str) -> list[dict[str, Any]]:
        """The entries of a list, over all its pages. Every page but the last has `IsTruncated: true`."""
        pages = self._having(name)
        if not pages:
            raise self._refuse(f"has no {name}. Add what `{_PARTS[name]}` prints.")
        # On the last page IsTruncated is false or missing: the CLI joins pages itself and then may omit it.
        *before, last = [page.get("IsTruncated", False) for page in pages]
        if last:
            raise self._refuse(f"is cut off: the last page of {name} says IsTruncated. Add the pages that follow.")
        if not all(before):
            raise self._refuse(
                f"holds two answers of `{_PARTS[name]}`: a page of {name} that is not the last says that it is. "
                "Keep one answer, its pages in order."
            )
        entries = [entry for page in pages for entry in page[name]]
        for entry in entries:
            if not isinstance(entry, dict) or not isinstance(entry.get("Arn"), str):
                raise self._refuse(f"{name} has an entry without Arn.")
        return entries

    # one account

    def _account(self, details: Mapping[str, list[dict[str, Any]]]) -> str:
        found: dict[str, str] = {str(d["Account"]): "Account" for d in self._having("Account")}
        for entries in details.values():
            for entry in entries:
                number = entry["Arn"].split(":")[4] if entry["Arn"].count(":") >= 5 else ""
                # ARNs of AWS managed policies have `aws` in place of the account.
                if number != "aws":
                    found.setdefault(number, entry["Arn"])
        if not found:
            raise self._refuse(f"does not say of which account it is. Add what `{_PARTS['Account']}` prints.")
        if len(found) > 1:
            (one, shows), (other, too), *_ = sorted(found.items())
            raise self._refuse(f"mixes accounts {one} ({shows}) and {other} ({too}). Keep one account in one export.")
        (account,) = found
        if not re.fullmatch(r"\d{12}", account):
            raise self._refuse(f"{found[account]} names no account of 12 digits.")
        return account

    def _consistent(self, details: Mapping[str, list[dict[str, Any]]]) -> None:
        groups = {group.get("GroupName") for group in details["GroupDetailList"]}
        held = {policy["Arn"] for policy in details["Policies"]}
        for name, entries in details.items():
            seen: set[str] = set()
            for entry in entries:
                arn = entry["Arn"]
                if arn in seen:
                    raise self._refuse(f"{arn} stands twice in {name}. Keep one answer, its pages in order.")
                seen.add(arn)
                if missing := [key for key in _NAMED[name] if not entry.get(key)]:
                    raise self._refuse(f"{arn} has no {missing[0]}. Export it again, unchanged.")
                self._attached(entry, held)
                for group in entry.get("GroupList") or ():
                    if group not in groups:
                        raise self._refuse(f"{arn} is in the group {group}, which the export does not hold.")

    def _attached(self, entry: Part, held: set[str]) -> None:
        arns = [attached.get("PolicyArn") for attached in entry.get("AttachedManagedPolicies") or ()]
        if boundary := entry.get("PermissionsBoundary"):
            arns.append(boundary.get("PermissionsBoundaryArn"))
        for arn in arns:
            if arn not in held:
                raise self._refuse(
                    f"{entry['Arn']} has the policy {arn}, which Policies does not hold. "
                    "Export without --filter, or with LocalManagedPolicy and AWSManagedPolicy as well."
                )

    # entities

    def _whole(self, name: str, entry: dict[str, Any]) -> Part:
        # AWS omits UserPolicyList where a user has no inline policy; the other lists are always present.
        required = ("AttachedManagedPolicies", *((_INLINE[name],) if name != "UserDetailList" else ("GroupList",)))
        for key in required:
            if not isinstance(entry.get(key), list):
                raise self._refuse(f"{entry['Arn']} has no {key}. Export it again, unchanged.")
        out = dict(entry)
        out[_INLINE[name]] = [
            {"PolicyName": inline["PolicyName"], "PolicyDocument": self._document(inline.get("PolicyDocument"), entry)}
            for inline in entry.get(_INLINE[name]) or ()
        ]
        if name == "RoleDetailList":
            out["AssumeRolePolicyDocument"] = self._document(entry["AssumeRolePolicyDocument"], entry)
        return out

    def _managed(self, policy: Part) -> Part:
        wanted = policy["DefaultVersionId"]
        versions = [v for v in policy["PolicyVersionList"] if v.get("VersionId") == wanted]
        if len(versions) != 1 or "Document" not in versions[0]:
            raise self._refuse(f"{policy['Arn']} has the default version {wanted}, which the export does not hold.")
        if any(_contradicts(version, wanted) for version in policy["PolicyVersionList"]):
            raise self._refuse(f"{policy['Arn']} has the default version {wanted}; IsDefaultVersion differs.")
        document = self._document(versions[0]["Document"], policy)
        kept = {"VersionId": wanted, "IsDefaultVersion": True, "Document": document}
        return {**policy, "PolicyVersionList": [kept]}

    def _document(self, value: Any, entry: Part) -> Any:
        """A policy document, given as an object or as percent-encoded JSON text."""
        if isinstance(value, str):
            text = value if value.lstrip().startswith("{") else unquote(value)
            try:
                value = DECODER.decode(text)
            except (ValueError, RecursionError):
                value = None
        if not isinstance(value, dict):
            raise self._refuse(f"{entry['Arn']} has a policy document that is not JSON.")
        return value

    def _with_durations(self, roles: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if not self._having("Roles"):
            return roles
        listed = {role["Arn"]: role for role in self._entries("Roles")}
        if missing := sorted(listed.keys() - {role["Arn"] for role in roles}):
            raise self._refuse(
                f"{missing[0]} is in Roles and not in RoleDetailList: that one was left out by --filter, or the two "
                "answers were taken at different times."
            )
        out = []
        for role in roles:
            if role["Arn"] not in listed:
                raise self._refuse(f"{role['Arn']} is not in Roles: the two answers were taken at different times.")
            seconds = listed[role["Arn"]].get("MaxSessionDuration")
            out.append({**role, "MaxSessionDuration": seconds} if seconds else role)
        return out

    # beside IAM

    def _resource_policies(self, account: str) -> Iterator[Part]:
        seen: dict[str, Part] = {}
        for document in self._having("ResourcePolicies"):
            for entry in document["ResourcePolicies"]:
                if missing := [key for key in ("Arn", "Type", "Policy") if not entry.get(key)]:
                    raise self._refuse(f"an entry of ResourcePolicies has no {missing[0]}: {entry.get('Arn', entry)}.")
                if entry.get("Account", account) != account:
                    raise self._refuse(f"ResourcePolicies holds one of account {entry['Account']}: {entry['Arn']}.")
                found = {**entry, "Account": account, "Policy": self._document(entry["Policy"], entry)}
                # The same answer may be there for several regions, each with all buckets.
                if seen.setdefault(entry["Arn"], found) != found:
                    raise self._refuse(f"holds two policies of {entry['Arn']}. Keep the one of the newest answer.")
                yield found

    def _services(self) -> Iterator[str]:
        for document in self._having("ResourcePolicies"):
            for service in document.get("Services", ()):
                if service not in RESOURCE_POLICIES:
                    known = ", ".join(RESOURCE_POLICIES)
                    raise self._refuse(f"Services names {service!r}, whose policies are not known. Known: {known}.")
                yield service

    def _resources(self) -> Mapping[str, tuple[Part, ...]]:
        out: dict[str, tuple[Part, ...]] = {}
        for document in self._having("StackResources"):
            if len(document["StackResources"]) >= _MOST and "IsTruncated" not in document:
                raise self._refuse(
                    f"has {_MOST} StackResources in one answer, where AWS stops. Take it with `grantproof snapshot`."
                )
            for entry in document["StackResources"]:
                if missing := [k for k in ("StackId", "LogicalResourceId", "ResourceType") if not entry.get(k)]:
                    raise self._refuse(f"an entry of StackResources has no {missing[0]}.")
                out[entry["StackId"]] = (*out.get(entry["StackId"], ()), entry)
        return out

    def _stacks(self, account: str) -> Iterator[RecordedStack]:
        for document in self._having("Stacks"):
            for stack in document["Stacks"]:
                if missing := [k for k in ("StackId", "StackName", "StackStatus") if not stack.get(k)]:
                    raise self._refuse(f"an entry of Stacks has no {missing[0]}.")
                if stack["StackId"].split(":")[4:5] != [account]:
                    raise self._refuse(f"the stack {stack['StackId']} is not of account {account}.")
                outputs = {o["OutputKey"]: str(o["OutputValue"]) for o in stack.get("Outputs") or ()}
                given = {p.get("ParameterKey"): p.get("ParameterValue") for p in stack.get("Parameters") or ()}
                known = {
                    str(name): text for name, text in given.items() if isinstance(text, str) and set(text) != {"*"}
                }
                yield RecordedStack(stack["StackName"], stack["StackId"], stack["StackStatus"], outputs, known)
