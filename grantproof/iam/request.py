"""The request, which is decided about (rule E43)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from grantproof.iam.errors import BadRequest
from grantproof.iam.principal import Kind, Principal
from grantproof.iam.principal import parse as parse_principal

Values = tuple[str, ...]


@dataclass(frozen=True)
class Request:
    """One request.

    Args:
        principal: who makes it.
        action: `service:Name`, in any case (rule A1).
        resource: an ARN; `*` for an action without resource types (rule E37); None where it is not known, in which
            case a decision that would depend on it is refused.
        resource_account: the owner's account, 12 digits; None where it is not known.
        context: condition keys, with the values that the request carries. Keys are case-insensitive (rule C5). Keys
            that follow from the principal and the resource are added where they are missing: `aws:PrincipalArn`,
            `aws:PrincipalAccount`, `aws:PrincipalType`, `aws:username`, `aws:userid` of anonymous and root callers,
            `aws:PrincipalIsAWSService`, `aws:PrincipalServiceName`, `aws:ResourceAccount` (rules C45 to C54, C64);
            and for actions of their service `kms:CallerAccount` (rule K18) and `s3:ResourceAccount`.
    """

    principal: Principal
    action: str
    resource: str | None
    resource_account: str | None = None
    context: Mapping[str, Values] = field(default_factory=dict)

    @cached_property
    def key(self) -> str:
        """The action as it is compared, in lower case."""
        return self.action.lower()

    @cached_property
    def values(self) -> Mapping[str, Values]:
        """The context by lower-cased key, with the derived keys."""
        out = dict(_derived(self))
        for key, values in self.context.items():
            out[key.lower()] = values
        return out

    @cached_property
    def collisions(self) -> frozenset[str]:
        """Keys that are given more than once, in different case and with different values: it is open which one counts
        (O29)."""
        seen: dict[str, Values] = {}
        clashing = set()
        for key, values in self.context.items():
            if seen.setdefault(key.lower(), values) != values:
                clashing.add(key.lower())
        return frozenset(clashing)

    @cached_property
    def cross_account(self) -> bool:
        """Does the principal's account differ from the resource's (rule X1)? False if either is unknown."""
        return (
            self.principal.account is not None
            and self.resource_account is not None
            and self.principal.account != self.resource_account
        )


def _derived(request: Request) -> Mapping[str, Values]:
    caller = request.principal
    out: dict[str, Values] = {}
    if caller.identity_arn is not None:
        out["aws:principalarn"] = (caller.identity_arn,)
    if caller.account is not None:
        out["aws:principalaccount"] = (caller.account,)
    match caller.kind:
        case Kind.USER:
            out["aws:principaltype"] = ("User",)
            out["aws:username"] = ((caller.arn or "").rsplit("/", 1)[1],)
        case Kind.ROOT:
            out["aws:principaltype"] = ("Account",)
            out["aws:userid"] = (caller.account or "",)
        case Kind.ROLE_SESSION:
            out["aws:principaltype"] = ("AssumedRole",)
        case Kind.FEDERATED_USER:
            out["aws:principaltype"] = ("FederatedUser",)
            out["aws:userid"] = (f"{caller.account}:{caller.session_name}",)
        case Kind.ANONYMOUS:
            out["aws:principaltype"] = ("Anonymous",)
            out["aws:userid"] = ("anonymous",)
            out["aws:principalaccount"] = ("anonymous",)
        case Kind.SERVICE:
            out["aws:principalservicename"] = (caller.name or "",)
    if caller.kind is not Kind.ANONYMOUS:
        out["aws:principalisawsservice"] = ("true" if caller.kind is Kind.SERVICE else "false",)
    if request.resource_account is not None:
        out["aws:resourceaccount"] = (request.resource_account,)
    if (same := OF_SERVICES.get(request.key.partition(":")[0])) and (value := out.get(same[1])):
        out[same[0]] = value
    return out


#: By service, its own key and the global key with the same value (rule K18; Service Authorization Reference, S3).
OF_SERVICES: Mapping[str, tuple[str, str]] = {
    "kms": ("kms:calleraccount", "aws:principalaccount"),
    "s3": ("s3:resourceaccount", "aws:resourceaccount"),
}


#: The keys that follow from the caller and the owner of the resource, which `Request` adds.
DERIVED_KEYS = frozenset(
    f"aws:{name}"
    for name in """
    principalarn principalaccount principaltype username principalisawsservice principalservicename resourceaccount
    """.split()
).union(key for key, _ in OF_SERVICES.values())


def account_of(arn: str) -> str | None:
    """The account in the fifth field of an ARN, if it has one (rule R20: some ARNs do not)."""
    fields = arn.split(":", 5)
    return fields[4] if len(fields) == 6 and fields[4].isdigit() and len(fields[4]) == 12 else None


_ACTION = re.compile(r"[A-Za-z0-9-]+:[A-Za-z0-9_.-]+")
_FIELDS = frozenset({"principal", "session_issuer", "action", "resource", "resource_account", "context"})


def parse(data: Mapping[str, Any]) -> Request:
    """A request from plain data, in the form of `grantproof evaluate`.

    The owner of the resource is taken from `resource_account`, else from `aws:ResourceAccount`, else from the ARN;
    for resource `*` it is the caller's own account (rule R15). Otherwise it stays unknown.

    Raises:
        BadRequest: a missing, unknown or unreadable field.
    """
    if unknown := sorted(set(data) - _FIELDS):
        raise BadRequest(f"unknown field {unknown[0]!r}; known: {', '.join(sorted(_FIELDS))}", element=unknown[0])
    for name in ("principal", "action", "resource"):
        if name not in data:
            raise BadRequest(f"the request has no {name!r}", element=name)
    issuer = data.get("session_issuer")
    if issuer is not None and not isinstance(issuer, str):
        raise BadRequest("session_issuer is the ARN of a role or user", element="session_issuer")
    caller = parse_principal(data["principal"], issuer)
    action, resource = data["action"], data["resource"]
    if not isinstance(action, str) or not _ACTION.fullmatch(action):
        raise BadRequest(f"action {action!r} is not of the form service:Name", element="action")
    if not isinstance(resource, str) or not (resource == "*" or resource.startswith("arn:")):
        raise BadRequest(f"resource {resource!r} is neither an ARN nor '*'", element="resource")
    if resource != "*" and resource.count(":") < _COLONS:
        raise BadRequest(
            f"resource {resource!r} is no whole ARN, arn:PARTITION:SERVICE:REGION:ACCOUNT:NAME", element="resource"
        )
    context = _context(data.get("context") or {})
    account = _owner(data.get("resource_account"), context)
    if account is None:
        account = caller.account if resource == "*" else account_of(resource)
    return Request(caller, action, resource, account, context)


#: Of an ARN, at least.
_COLONS = 5


def _owner(account: Any, context: Mapping[str, Values]) -> str | None:
    """The owner of the resource, if the request says it explicitly."""
    said = next((v[0] for k, v in context.items() if k.lower() == "aws:resourceaccount" and v), None)
    if account is None:
        return said
    if not isinstance(account, str) or not (account.isdigit() and len(account) == 12):
        raise BadRequest(f"resource_account {account!r} is not 12 digits in quotes", element="resource_account")
    if said is not None and said != account:
        raise BadRequest(
            f"resource_account is {account}, and aws:ResourceAccount of the context is {said}",
            element="resource_account",
        )
    return account


def _context(data: Any) -> Mapping[str, Values]:
    if not isinstance(data, Mapping):
        raise BadRequest("the context is an object of condition keys", element="context")
    out: dict[str, Values] = {}
    for key, value in data.items():
        items = value if isinstance(value, list) else [value]
        out[key] = tuple(_text(key, item) for item in items)
    return out


def _text(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise BadRequest(f"the value of {key} is neither text, number nor boolean", element=f"context.{key}")
