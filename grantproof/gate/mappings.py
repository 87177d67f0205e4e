"""Changed entries in Mappings that no deployment of the contract uses.

A template has values for other regions, stages or accounts in its Mappings. A contract is deployed in one region with
its own parameters, so the comparison does not show another principal in an entry for a different region.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grantproof.aws.held.non_policy_access import AccessKind, access_kind
from grantproof.aws.templates import parameters
from grantproof.aws.templates.external_principals import holds_policy
from grantproof.aws.templates.intrinsics import resolve
from grantproof.aws.templates.pseudo import pseudo_parameters
from grantproof.aws.templates.scope import NotResolved, Scope
from grantproof.contract import Contract, Stack
from grantproof.source import Document, at, read, shown
from grantproof.variants import needed, with_variants


@dataclass(frozen=True)
class _LookUp:
    """A use of `Fn::FindInMap`: its arguments, and whether it is in a property that can give access."""

    arguments: tuple[Any, ...]
    gives_access: bool


def changed_elsewhere(before: Contract, after: Contract) -> Iterator[str]:
    """Doubts: new or changed entries in Mappings, and defaults of lookups, from which access can be built and which no
    deployment of the contract uses."""
    known = {entry for template in before.templates for entry in _entries(read(template))}
    for template in after.templates:
        document = read(template)
        look_ups, scopes = tuple(_look_ups(document)), tuple(_scopes(after, template))
        for entry in dict.fromkeys(_entries(document)):
            concerned = [one for one in look_ups if _may_give(one, entry)]
            if entry in known or not concerned or any(_is_used(o, entry, s) for o in concerned for s in scopes):
                continue
            name, first, second, value = entry
            where = f"under {first}, {second}" if second else "for what it has no entry of"
            yield (
                f"the mapping {name} in {shown(template)} now says {value} {where}, and access may be built from it; "
                "no deployment of the contract uses it, so what it gives is not compared. Add a variant whose "
                "parameters lead to it; for another region, a grant of its own"
            )


#: The name of a mapping, its two keys, and the value as JSON. A default has no second key.
_Entry = tuple[str, str, str, str]


def _entries(document: Document) -> Iterator[_Entry]:
    for name, rows in _items(document.value.get("Mappings")):
        for first, columns in _items(rows):
            for second, value in _items(columns):
                yield str(name), str(first), str(second), json.dumps(value, default=str)
    for look_up in _look_ups(document):
        default = at(look_up.arguments, (3, "DefaultValue"))
        if default is not None:
            yield str(look_up.arguments[0]), "DefaultValue", "", json.dumps(default, default=str)


def _items(value: Any) -> Iterable[tuple[Any, Any]]:
    return value.items() if isinstance(value, Mapping) else ()


def _look_ups(document: Document) -> Iterator[_LookUp]:
    for _, resource in _items(document.value.get("Resources")):
        type_, properties = str(at(resource, ("Type",))), at(resource, ("Properties",))
        gives = access_kind(type_) in (AccessKind.POLICY, AccessKind.DIRECT) or type_ == "AWS::CloudFormation::Stack"
        for arguments in _arguments(properties):
            yield _LookUp(arguments, gives or holds_policy(properties))


def _arguments(value: Any) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, list):
        for item in value:
            yield from _arguments(item)
    for key, item in _items(value):
        if key == "Fn::FindInMap" and isinstance(item, list) and len(item) > 2:
            yield tuple(item)
        yield from _arguments(item)


#: Values that can be a principal or a destination in any property.
_SOMEBODY = re.compile(r"\d{12}|arn:|[*@]|://")


def _may_give(look_up: _LookUp, entry: _Entry) -> bool:
    """Can access be built from an entry by this lookup?"""
    name = look_up.arguments[0]
    return (not isinstance(name, str) or name == entry[0]) and (
        look_up.gives_access or _SOMEBODY.search(entry[3]) is not None
    )


def _is_used(look_up: _LookUp, entry: _Entry, scope: Scope) -> bool:
    """Does the lookup find the entry in this deployment? For a lookup in a nested stack, whose parameters are not known
    here, possibly."""
    name, *keys = (_resolved(one, scope) for one in look_up.arguments[:3])
    if name not in (None, entry[0]):
        return False
    found = all(one in (None, wanted) for one, wanted in zip(keys, entry[1:3], strict=True))
    return found if entry[2] else at(scope.mappings, tuple(map(str, (name, *keys)))) is None


def _resolved(value: Any, scope: Scope) -> str | None:
    try:
        return str(resolve(value, scope))
    except (NotResolved, KeyError, TypeError, ValueError):
        return None


def _scopes(contract: Contract, template: Path) -> Iterator[Scope]:
    """The scope of a template in each deployment of it, with and without each variant. Parameters of nested stacks, and
    those with values from other stacks or the contract's accounts, are unknown."""
    for stacks in _deployments(contract):
        own = [stack for stack in stacks if stack.template == template]
        yield from (_scope(contract, template, stack) for stack in own or (None,))


def _scope(contract: Contract, template: Path, stack: Stack | None) -> Scope:
    """The scope of a template. `stack` is None for a nested one."""
    value = read(template).value
    pseudo = pseudo_parameters(region=contract.region)
    if stack is None:
        del pseudo["AWS::AccountId"], pseudo["AWS::StackName"]
        return parameters.scope_of({**value, "Parameters": {}}, {}, pseudo)
    filled = {name for name, text in stack.parameters.items() if "${" in text}
    declared = {name: one for name, one in _items(value.get("Parameters")) if name not in filled}
    pseudo = pseudo_parameters(contract.accounts[stack.account], contract.region, stack.name)
    return parameters.scope_of({**value, "Parameters": declared}, stack.parameters, pseudo)


def _deployments(contract: Contract) -> Iterator[tuple[Stack, ...]]:
    yield contract.stacks
    for variant in contract.variants:
        yield with_variants(contract, needed(contract, variant)).stacks
