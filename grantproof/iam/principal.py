"""Principals: who makes a request, and whom a policy names (rules P1 to P34).

A policy can name the same caller as everybody, through its account, through its role, or as this very session. What
else is required depends on this (rules E11 to E18). Matching therefore returns not only whether, but *how* a principal
is named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, Flag, auto
from functools import lru_cache
from typing import Any

from grantproof.iam.errors import BadRequest

_ARN = re.compile(
    r"arn:(?P<partition>[a-z-]+):(?P<service>iam|sts):[a-z0-9-]*:(?P<account>\d{12}):"
    r"(?:(?P<root>root)|(?P<type>user|role|assumed-role|federated-user)/(?P<name>.+))"
)
_UNIQUE_ID = re.compile(r"A[A-Z]{3}[A-Z0-9]{8,}")
# A user of no account, with blanks in its name: CloudFront Developer Guide, "Restrict access to an Amazon S3 origin".
_ORIGIN_ACCESS_IDENTITY = re.compile(r"arn:[a-z-]+:iam::cloudfront:user/CloudFront Origin Access Identity [A-Z0-9]+")


class Kind(Enum):
    """The kinds of principals that make requests."""

    USER = "user"
    ROOT = "root"
    ROLE_SESSION = "role session"
    FEDERATED_USER = "federated user session"
    SERVICE = "service"
    FEDERATED = "federated identity"
    CANONICAL = "canonical user"
    ANONYMOUS = "anonymous"


class Via(Flag):
    """How a Principal element reaches a caller."""

    NONE = 0
    EVERYONE = auto()
    """`*`: rules P12, E17."""
    ACCOUNT = auto()
    """The caller's account: a delegation, not a grant to the caller (rules P5, E18)."""
    ROLE = auto()
    """The role of which the caller is a session (rules P6, E12)."""
    FEDERATING_USER = auto()
    """The user who federated the caller (rules P9, E15)."""
    ITSELF = auto()
    """This very user, session, root user, service or identity (rules E11, E13, E14)."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who makes a request.

    `arn` is None for services, federated identities, canonical users and anonymous callers, and for a role session
    whose name is not known. `issuer` is the ARN of the role, or of the user who called GetFederationToken;
    `path_unknown`: the request does not say the path of the role, so its ARN is written without one. `name` is the
    service name, the provider or the canonical ID.
    """

    kind: Kind
    arn: str | None = None
    account: str | None = None
    partition: str | None = None
    issuer: str | None = None
    name: str | None = None
    path_unknown: bool = False

    @property
    def identity_arn(self) -> str | None:
        """The ARN of the identity that has the caller's policies, `aws:PrincipalArn` (rule C45)."""
        return self.issuer if self.kind is Kind.ROLE_SESSION else self.arn

    @property
    def session_name(self) -> str | None:
        """The name of a role session or federated user session."""
        if self.arn is None or self.kind not in (Kind.ROLE_SESSION, Kind.FEDERATED_USER):
            return None
        return self.arn.rsplit("/", 1)[1]

    @property
    def session_unknown(self) -> bool:
        """Is this a session of a role whose name is not known?"""
        return self.kind is Kind.ROLE_SESSION and self.arn is None

    @property
    def service_linked(self) -> bool:
        """Is the caller a session of a service-linked role (rules E40, T31)?"""
        return self.kind is Kind.ROLE_SESSION and ":role/aws-service-role/" in (self.issuer or "")

    def __str__(self) -> str:
        return self.arn or self.name or self.issuer or self.kind.value


def parse(value: str | Mapping[str, Any], issuer: str | None = None) -> Principal:
    """The principal of a request: an ARN, `*` for anonymous, `{"Service": name}`, `{"Federated": provider}` or
    `{"CanonicalUser": id, "Account": account}`. A role ARN stands for some session of the role. `issuer`: for a
    session, the ARN of the role, or of the user who called GetFederationToken.

    Raises:
        BadRequest: an unreadable principal, or an issuer that does not fit it.
    """
    found = _parsed(value, issuer)
    if issuer is not None and found.issuer != issuer:
        raise BadRequest(
            f"session_issuer belongs to a session of a role or a federated user, and {found} is none",
            element="session_issuer",
        )
    return found


def _parsed(value: str | Mapping[str, Any], issuer: str | None) -> Principal:
    if value == "*":
        return Principal(Kind.ANONYMOUS)
    if isinstance(value, str):
        # An origin access identity has a canonical user id as well, and is what such users are: nobody's.
        return Principal(Kind.CANONICAL, name=value) if is_origin_access_identity(value) else _from_arn(value, issuer)
    if isinstance(value, Mapping):
        match dict(value):
            case {"Service": str(name)} if len(value) == 1 and _is_name(name):
                return Principal(Kind.SERVICE, name=name)
            case {"Federated": str(name)} if len(value) == 1 and _is_name(name):
                return Principal(Kind.FEDERATED, name=name)
            case {"CanonicalUser": str(name), **rest} if set(rest) <= {"Account"} and _is_name(name):
                return Principal(Kind.CANONICAL, name=name, account=rest.get("Account"))
            case {"AWS": str(arn)} if len(value) == 1:
                return _parsed(arn, issuer)
    raise BadRequest(
        f"principal {value!r} is not readable; give an ARN of a user, root user, role or session, '*', "
        "or an object with Service, Federated or CanonicalUser",
        element="principal",
    )


def _is_name(text: str) -> bool:
    """Is the text the name of a service, a provider or a canonical user?"""
    return bool(text) and not set("*?") & set(text)


@lru_cache(maxsize=4096)
def _from_arn(arn: str, issuer: str | None) -> Principal:
    match = _ARN.fullmatch(arn)
    if match is None:
        raise BadRequest(f"principal {arn!r} is not the ARN of a user, root user, role or session", element="principal")
    partition, account, name = match["partition"], match["account"], match["name"]
    if name and any(c in name for c in "*? "):
        raise BadRequest(f"principal {arn!r} names nobody in particular: a name has no wildcard", element="principal")
    if match["root"]:
        return Principal(Kind.ROOT, arn, account, partition)
    match match["type"]:
        case "user":
            return Principal(Kind.USER, arn, account, partition)
        case "role":
            return Principal(Kind.ROLE_SESSION, None, account, partition, issuer=arn)
        case "federated-user":
            user = f"arn:{partition}:iam::{account}:user/"
            if issuer is not None and not issuer.startswith(user):
                raise BadRequest(
                    f"session_issuer {issuer!r} is not the user of account {account} who made {arn}",
                    element="session_issuer",
                )
            return Principal(Kind.FEDERATED_USER, arn, account, partition, issuer)
    role, slash, session = name.partition("/")
    if not slash or not session or "/" in session:
        raise BadRequest(f"session ARN {arn!r} is not assumed-role/ROLE/SESSION", element="principal")
    role_arn = f"arn:{partition}:iam::{account}:role/{role}"
    if issuer is not None:
        of_account, _, path = issuer.partition(":role/")
        if not role_arn.startswith(f"{of_account}:role/") or path.rsplit("/", 1)[-1] != role:
            raise BadRequest(
                f"session_issuer {issuer!r} is not the role of {arn}, which is {role_arn} or one with a path",
                element="session_issuer",
            )
    return Principal(Kind.ROLE_SESSION, arn, account, partition, issuer or role_arn, path_unknown=issuer is None)


@dataclass(frozen=True, slots=True)
class PrincipalElement:
    """The content of `Principal` or `NotPrincipal`, normalised: each entry is everyone, an account, an ARN, a unique
    ID, or a name under `Service`, `Federated` or `CanonicalUser`."""

    everyone: bool = False
    accounts: frozenset[str] = frozenset()
    arns: frozenset[str] = frozenset()
    unique_ids: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    providers: frozenset[str] = frozenset()
    canonical: frozenset[str] = frozenset()

    def reaches(self, caller: Principal, user_id: str | None = None) -> Via:
        """Every way in which this element names the caller. `user_id` is the caller's `aws:userid`, if known.

        Exact for the forms of rules P3 to P9. A session whose name is not known is not reached by the ARN of a session;
        `may_name_session` tells whether that matters.
        """
        via = Via.EVERYONE if self.everyone else Via.NONE
        if caller.account is not None and caller.account in self.accounts:
            via |= Via.ACCOUNT
        if caller.arn is not None and caller.arn in self.arns:
            via |= Via.ITSELF
        if caller.issuer is not None and caller.issuer in self.arns:
            via |= Via.ROLE if caller.kind is Kind.ROLE_SESSION else Via.FEDERATING_USER
        if self.unique_ids and user_id:
            via |= self._by_unique_id(user_id)
        if caller.name is not None:
            names = {
                Kind.SERVICE: self.services,
                Kind.FEDERATED: self.providers,
                Kind.CANONICAL: self.canonical,
            }.get(caller.kind, frozenset())
            if caller.name in names:
                via |= Via.ITSELF
        return via

    def _by_unique_id(self, user_id: str) -> Via:
        """IAM stores `AIDA...` or `AROA...` when a policy that names the identity is saved (rules P21 to P23)."""
        identity, _, session = user_id.partition(":")
        if user_id in self.unique_ids:
            return Via.ITSELF
        return Via.ROLE if session and identity in self.unique_ids else Via.NONE

    def may_name_issuer(self, caller: Principal) -> bool:
        """Does the element name the possible issuer of the caller's session, if the request does not say which it is: a
        role of the same name in a path (names are unique whatever the path, rule G15), or a user, for a federated user
        session?"""
        start = f"arn:{caller.partition}:iam::{caller.account}:"
        if caller.kind is Kind.FEDERATED_USER and caller.issuer is None:
            return any(arn.startswith(f"{start}user/") for arn in self.arns)
        if not caller.path_unknown:
            return False
        end = f"/{(caller.issuer or '').rsplit('/', 1)[1]}"
        return any(arn.startswith(f"{start}role/") and arn.endswith(end) and arn != caller.issuer for arn in self.arns)

    def may_name_session(self, role_arn: str) -> bool:
        """Does the element name a session of this role by its ARN?"""
        account, name = role_arn.split(":")[4], role_arn.rsplit("/", 1)[1]
        start = f":sts::{account}:assumed-role/{name}/"
        return any(start in arn for arn in self.arns)


def is_unique_id(text: str) -> bool:
    """Does the text have the form of an IAM unique identifier (`AIDAJQABLZS4A3QDU576Q`)?"""
    return _UNIQUE_ID.fullmatch(text) is not None


def is_origin_access_identity(text: str) -> bool:
    """Is it the ARN of an origin access identity, with which CloudFront reads a bucket?"""
    return _ORIGIN_ACCESS_IDENTITY.fullmatch(text) is not None


def named_account(text: str) -> str | None:
    """The account that an `AWS` entry names, as 12 digits or `...:root` (rule P4)."""
    if re.fullmatch(r"\d{12}", text):
        return text
    match = re.fullmatch(r"arn:[a-z-]+:iam::(\d{12}):root", text)
    return match[1] if match else None
