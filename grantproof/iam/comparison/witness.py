"""Turns a difference into requests that people can read.

The search returns private characters for everything that is arbitrary. Here they become an existing action, a plausible
name, a region. The evaluator then decides which of the proposed requests shows the difference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import islice, product
from typing import NamedTuple

from grantproof.iam import actions
from grantproof.iam.comparison.caller import PRINCIPAL_KEYS
from grantproof.iam.comparison.escape import Escape, Piece
from grantproof.iam.comparison.language import FRESH, generic_point
from grantproof.iam.comparison.variables import FIRST, MOST_LENGTH
from grantproof.iam.document import parse
from grantproof.iam.glob import Glob
from grantproof.iam.layers import Layers, is_role_entry, resource_type
from grantproof.iam.policy import PolicyType
from grantproof.iam.principal import Kind, Principal
from grantproof.iam.principal import parse as parse_principal
from grantproof.iam.request import Request, Values

_PRIVATE = re.compile("[\ue000-\uf8ff]")
#: Names for arbitrary parts, the most readable first.
_NAMES = ("example", "x", "")
#: If nothing longer fits: single characters that are unlikely in patterns.
_LETTERS = "qzwkjvyxuhg"
_MOST_ACTIONS, _MOST_RESOURCES = 6, 4
_WELL_KNOWN = ("s3", "ec2", "iam", "ssm")


def candidates(escape: Escape, variables: Mapping[str, Values]) -> Iterator[Request]:
    """Requests that possibly show the difference, the most readable first."""
    tried = islice(escape.actions, _MOST_ACTIONS)
    for piece, (name, thing) in product(tried, product(_NAMES, islice(escape.resources, _MOST_RESOURCES))):
        for action, place in product(_actions(piece, name), _places(thing.text)):
            request = _request(escape, action, thing.text, variables, name, place)
            yield request if place.partition == "aws" else in_partition(request, place.partition)


def _actions(piece: Piece, name: str) -> Iterator[str]:
    """Actions of a piece: some that exist, and the one that the search found."""
    if FRESH in piece.text:
        existing = _existing(piece.glob)
        yield from existing[:: max(1, len(existing) // _MOST_ACTIONS)][:_MOST_ACTIONS]
        service, _, operation = piece.text.partition(":")
        yield f"{_plain(service, name.lower())}:{_plain(operation, name.capitalize())}"
    else:
        yield actions.spelt(piece.text)


@lru_cache(maxsize=4096)
def _existing(pattern: Glob) -> tuple[str, ...]:
    """Known actions of a pattern; for one that names no service, those of well-known services."""
    service = str(pattern).partition(":")[0]
    if not set("*?") & set(service):
        return actions.matching(str(pattern))
    return tuple(n for known in _WELL_KNOWN for n in actions.in_service(known) if pattern.matches(n.lower()))


class Place(NamedTuple):
    """Where a resource is, as far as that is arbitrary. `account`: one other than the caller's, if any."""

    region: str = "eu-west-1"
    account: str = ""
    partition: str = "aws"


_ANYWHERE = Place()
_ELSEWHERE = (
    Place("us-east-1", "210987654321"),
    Place("ap-southeast-2", "321098765432"),
    Place(FRESH, "432109876543"),
)


def _places(resource: str) -> tuple[Place, ...]:
    """The possible places of a resource. The obvious one first, but the difference can be in another."""
    fields = resource.split(":", 5)
    if len(fields) < 6:
        return (_ANYWHERE,)
    found = (_ANYWHERE, *(_ELSEWHERE if FRESH in fields[3] + fields[4] else ()))
    partitions = ("aws", "aws-cn", "aws-us-gov") if FRESH in fields[1] else ("aws",)
    return tuple(place._replace(partition=partition) for partition, place in product(partitions, found))


def _request(
    escape: Escape, action: str, resource: str, variables: Mapping[str, Values], name: str, place: Place
) -> Request:
    values = {**{k: v for k, v in variables.items() if v}, **{k: v for k, v in escape.context.items() if v}}
    named = {key: tuple(_plain(text, name) for text in texts) for key, texts in values.items()}
    principal = _principal(escape, named, name)
    owner = escape.caller.owner
    account = _account(resource) or (place.account if FRESH in resource.split(":", 5)[4:5] else "")
    if escape.caller.open and not escape.caller.states(values) and account:
        # Accounts make no difference here, so the caller is in the account of the resource.
        owner = account
        principal = _moved(principal, account)
    if is_role_entry(action) and resource in (FRESH, *map(generic_point, escape.caller.domain.resources)):
        resource = f"arn:{principal.partition or 'aws'}:iam::{owner or '111111111111'}:role/{name}"
    resource = resource if resource == "*" else _plain(_arn(resource, action, place.region, owner or ""), name)
    context = {key: found for key, found in named.items() if key not in PRINCIPAL_KEYS}
    if escape.caller.user_id is not None:
        context["aws:userid"] = (_plain(escape.caller.user_id, name),)
    return Request(principal, action, resource, owner, context)


def _plain(text: str, name: str) -> str:
    """A text without private characters: the arbitrary part and the value of each variable get names of their own."""

    def named(match: re.Match[str]) -> str:
        number, at = divmod(ord(match[0]) - FIRST, MOST_LENGTH)
        if not name:
            return _LETTERS[(number + 2 if number >= 0 else ord(match[0]) - ord(FRESH)) % len(_LETTERS)]
        if number < 0:
            return name
        # The first character of a value identifies it.
        return f"{name}{number + 1}" if at == 0 else ""

    return _PRIVATE.sub(named, text)


def _account(resource: str) -> str | None:
    fields = resource.split(":", 5)
    return fields[4] if len(fields) == 6 and re.fullmatch(r"[0-9]{12}", fields[4]) else None


def _arn(text: str, action: str, region: str, owner: str) -> str:
    """An ARN whose arbitrary fields have plausible values."""
    fields = text.split(":", 5)
    if len(fields) != 6:
        return text
    fill = ("arn", "aws", action.partition(":")[0], region, owner)
    return ":".join((*(f.replace(FRESH, plain) for f, plain in zip(fields[:5], fill, strict=True)), fields[5]))


def _principal(escape: Escape, named: Mapping[str, Values], name: str) -> Principal:
    """The caller, with the ARN or user name that the conditions require."""
    who = escape.caller.principal
    arn = named.get("aws:principalarn", ("",))[0]
    if not arn and named.get("aws:username"):
        arn = (who.arn or "").rsplit("/", 1)[0] + "/" + named["aws:username"][0]
    arn = arn or _plain(who.identity_arn or "", name)
    if who.kind is Kind.ROLE_SESSION and escape.caller.names:
        session = f"arn:{who.partition}:sts::{who.account}:assumed-role/{arn.rsplit('/', 1)[1]}/{name}"
        return replace(who, arn=session, issuer=arn)
    if who.kind is Kind.ROLE_SESSION or not escape.caller.names:
        return replace(
            who,
            arn=None if who.arn is None else _plain(who.arn, name),
            issuer=None if who.issuer is None else _plain(who.issuer, name),
            name=None if who.name is None else _plain(who.name, name),
        )
    return replace(who, arn=arn, issuer=None if who.issuer is None else _plain(who.issuer, name))


def _moved(principal: Principal, account: str) -> Principal:
    old = principal.account or ""
    return replace(principal, arn=(principal.arn or "").replace(old, account), account=account)


def in_partition(request: Request, partition: str) -> Request:
    """The same request in another partition; only if everything in it is in the commercial partition."""

    def moved(text: str | None) -> str | None:
        return None if text is None else re.sub(r"^arn:aws:", f"arn:{partition}:", text)

    who = request.principal
    caller = replace(
        who,
        arn=moved(who.arn),
        issuer=moved(who.issuer),
        name=moved(who.name),
        partition=partition if who.partition == "aws" else who.partition,
    )
    return replace(request, principal=caller, resource=moved(request.resource))


def borne_by(request: Request, arn: str) -> Request:
    """The same request, made by a user, or by a session of a role."""
    caller = parse_principal(arn)
    if caller.session_unknown:
        session = f"arn:{caller.partition}:sts::{caller.account}:assumed-role/{arn.rsplit('/', 1)[1]}/example"
        caller = replace(caller, arn=session)
    return replace(request, principal=caller)


#: The label of the resource policy that `delegated` assumes.
DELEGATED = "owner"


def delegated(layers: Layers, request: Request) -> Layers:
    """The same layers for a resource whose owner lets the caller's account in, so that its own policies decide."""
    type_ = resource_type(request.action, request.resource or "")
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:{request.principal.partition}:iam::{request.principal.account}:root"},
        "Action": "*",
        **({} if type_ is PolicyType.TRUST else {"Resource": "*"}),
    }
    return replace(layers, resource=parse({"Statement": [statement]}, type_, DELEGATED))
