"""References in a contract, such as `${stacks.owner.outputs.RoleArn}`, and what they stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from grantproof.contract.declared import Contract

_BRACED = re.compile(r"\$\{([^{}]*)\}")
#: A policy variable of IAM's: a condition key, which has a colon, or one of three characters.
_OF_IAM = re.compile(r"[*?$]|[^:]+:(?!:).*")
_REFERENCE = re.compile(r"\$\{(accounts|region|partition|uploads|stacks)((?:\.[^{}]*)?)\}")


@dataclass(frozen=True)
class Facts:
    """What references stand for: the dotted name of each (`stacks.owner.outputs.RoleArn`) and its value."""

    values: Mapping[str, str] = field(default_factory=dict)

    def with_values(self, more: Mapping[str, str]) -> Facts:
        """These facts and more."""
        return Facts({**self.values, **more})


def facts_of(contract: Contract) -> Facts:
    """What is known before anything is deployed."""
    values = {"region": contract.region, "partition": contract.partition}
    values |= {f"accounts.{alias}": number for alias, number in contract.accounts.items()}
    values |= {f"stacks.{stack.alias}.name": stack.name for stack in contract.stacks}
    for upload in contract.uploads:
        values |= {f"uploads.{upload.alias}.bucket": upload.bucket, f"uploads.{upload.alias}.prefix": upload.prefix}
    return Facts(values)


class UnknownFact(KeyError):
    """A reference to what is not known: an output of a stack that has no value."""

    def __str__(self) -> str:
        return f"nothing is known of ${{{self.args[0]}}}: the deployed stack has no such output"


def resolve(value: Any, facts: Facts) -> Any:
    """Fill the references in text, lists and objects. IAM's own variables (`${aws:username}`) stay as they are.

    Raises:
        UnknownFact: a fact is not known (yet).
    """
    if isinstance(value, str):
        if "${" not in value:
            return value

        def known(match: re.Match[str]) -> str:
            name = match[1] + match[2]
            if name not in facts.values:
                raise UnknownFact(name)
            return facts.values[name]

        return _REFERENCE.sub(known, value)
    if isinstance(value, Mapping):
        return {key: resolve(item, facts) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [resolve(item, facts) for item in value]
    return value


def references(value: Any) -> tuple[str, ...]:
    """The dotted names of the references in text, lists and objects."""
    if isinstance(value, str):
        return tuple(match[1] + match[2] for match in _REFERENCE.finditer(value))
    if isinstance(value, Mapping):
        return tuple(name for item in value.values() for name in references(item))
    if isinstance(value, list | tuple):
        return tuple(name for item in value for name in references(item))
    return ()


def unknown_references(text: str) -> tuple[str, ...]:
    """What stands in `${...}` in a text and is neither a reference nor a policy variable of IAM's."""
    found = (match[1] for match in _BRACED.finditer(_REFERENCE.sub("", text)))
    return tuple(name for name in found if not _OF_IAM.fullmatch(name))


def with_stand_ins(value: Any) -> Any:
    """References filled with harmless values of the same shape, so that what is around them can be judged."""

    def stand_in(match: re.Match[str]) -> str:
        name = match[1] + match[2]
        if match[1] == "accounts":
            return "123456789012"
        # What an output or a resource at the beginning is called does not say that it is no ARN.
        arn = name.endswith(("Arn", "ARN")) or (match.start() == 0 and (".outputs." in name or ".resources." in name))
        return "arn:aws:iam::123456789012:role/name" if arn else "name"

    if isinstance(value, str):
        return _REFERENCE.sub(stand_in, value.replace("${partition}", "aws"))
    if isinstance(value, Mapping):
        return {key: with_stand_ins(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_stand_ins(item) for item in value]
    return value
