"""The permissions that a call needs, as values that `operations` passes to the authoriser."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Params = Mapping[str, Any]
Context = Mapping[str, tuple[str, ...]]
#: Looks up a name in the caller's account: (kind, name) to an ARN, or None if it is unknown.
Find = Callable[[str, str], str | None]


def no_lookup(kind: str, name: str) -> str | None:
    """A lookup that finds nothing, for callers of an unknown account."""
    return None


@dataclass(frozen=True, slots=True)
class CallerScope:
    """The caller of a call: the values of Partition, Account and Region in ARN templates, how names are looked up, and
    the ARN of the calling user (None if the caller is no user)."""

    partition: str
    account: str
    region: str
    find: Find = no_lookup
    user: str | None = None

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource in the caller's account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


@dataclass(frozen=True, slots=True)
class Authorisation:
    """One permission to decide. `resource` is an ARN, `*` for an action without resource types, or None if the call
    does not determine it. `resource_account` is None if the ARN does not contain it."""

    action: str
    resource: str | None
    resource_account: str | None
    context: Context = field(default_factory=dict)


#: Returns the permissions that an operation needs.
Special = Callable[[Params, CallerScope], tuple[Authorisation, ...]]
#: Returns the values of one variable of an ARN template.
Filler = Callable[[Params, CallerScope], Sequence[str]]


def owner(arn: str | None, where: CallerScope) -> str | None:
    """The account in an ARN. If the ARN has none, the caller's account, except for S3, whose ARNs never have one (rule
    R20)."""
    if arn is None:
        return where.account
    fields = arn.split(":", 5)
    account = fields[4] if len(fields) == 6 else ""
    return account or (None if fields[2:3] == ["s3"] else where.account)


def ask(action: str, resource: str | None, where: CallerScope, context: Context | None = None) -> Authorisation:
    """One permission; the owner of the resource is determined from the ARN."""
    return Authorisation(action, resource, owner(resource, where), context or {})


def tags(params: Params) -> Context:
    """The condition keys for the tags in a request (rule C66)."""
    found = params.get("Tags")
    if isinstance(found, Mapping):
        found = [{"Key": key, "Value": value} for key, value in found.items()]
    if not isinstance(found, list) or not found or not all(isinstance(tag, Mapping) for tag in found):
        return {}
    pairs = [(tag.get("Key") or tag.get("TagKey"), tag.get("Value", tag.get("TagValue", ""))) for tag in found]
    if not all(isinstance(key, str) for key, _ in pairs):
        return {}
    out = {f"aws:RequestTag/{key}": (str(value),) for key, value in pairs}
    return {**out, "aws:TagKeys": tuple(str(key) for key, _ in pairs)}


def through(service: str, where: CallerScope) -> Context:
    """The condition keys of a call that a service makes with the caller's identity (rules C67, C68, K19)."""
    host = f"{service}.amazonaws.com"
    return {
        "aws:ViaAWSService": ("true",),
        "aws:CalledVia": (host,),
        "aws:CalledViaFirst": (host,),
        "aws:CalledViaLast": (host,),
        "kms:ViaService": (f"{service}.{where.region}.amazonaws.com",),
    }
