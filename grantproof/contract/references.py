"""References in a contract, such as `${stacks.owner.outputs.RoleArn}`, and their values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from grantproof.contract.declared import Contract

_BRACED = re.compile(r"\$\{([^{}]*)\}")
#: An IAM policy variable: a condition key, which has a colon, or one of three characters.
_OF_IAM = re.compile(r"[*?$]|[^:]+:(?!:).*")
_REFERENCE = re.compile(r"\$\{(accounts|region|partition|uploads|stacks)((?:\.[^{}]*)?)\}")


@dataclass(frozen=True)
class Facts:
    """The values of references, by dotted name (`stacks.owner.outputs.RoleArn`)."""

    values: Mapping[str, str] = field(default_factory=dict)

    def with_values(self, more: Mapping[str, str]) -> Facts:
        """These facts with further values."""
        return Facts({**self.values, **more})


def facts_of(contract: Contract) -> Facts:
    """The facts known before a deployment."""
    values = {"region": contract.region, "partition": contract.partition}
    values |= {f"accounts.{alias}": number for alias, number in contract.accounts.items()}
    values |= {f"stacks.{stack.alias}.name": stack.name for stack in contract.stacks}
    for upload in contract.uploads:
        values |= {f"uploads.{upload.alias}.bucket": upload.bucket, f"uploads.{upload.alias}.prefix": upload.prefix}
    return Facts(values)


class UnknownFact(KeyError):
    """A reference without a value, such as an output that the deployed stack does not have."""

    def __str__(self) -> str:
        return f"nothing is known of ${{{self.args[0]}}}: the deployed stack has no such output"


def resolve(value: Any, facts: Facts) -> Any:
    """Fill the references in text, lists and objects. IAM policy variables (`${aws:username}`) are kept.

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
    """The names in `${...}` in a text that are neither references nor IAM policy variables."""
    found = (match[1] for match in _BRACED.finditer(_REFERENCE.sub("", text)))
    return tuple(name for name in found if not _OF_IAM.fullmatch(name))


def with_stand_ins(value: Any) -> Any:
    """A value with references replaced by placeholder values of the same form, so that the rest can be checked."""

    def stand_in(match: re.Match[str]) -> str:
        name = match[1] + match[2]
        if match[1] == "accounts":
            return "123456789012"
        # An output or resource at the start of a text may be an ARN, whatever its name is.
        arn = name.endswith(("Arn", "ARN")) or (match.start() == 0 and (".outputs." in name or ".resources." in name))
        return "arn:aws:iam::123456789012:role/name" if arn else "name"

    if isinstance(value, str):
        return _REFERENCE.sub(stand_in, value.replace("${partition}", "aws"))
    if isinstance(value, Mapping):
        return {key: with_stand_ins(item) for key, item in value.items()}
    if isinstance(value, list):
        return [with_stand_ins(item) for item in value]
    return value
