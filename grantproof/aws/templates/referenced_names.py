"""Which names a value of a template refers to, without evaluating it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from grantproof.aws.templates.intrinsics import SUBSTITUTION


def referenced_names(value: Any) -> set[str]:
    """Every name that a value refers to: parameters, pseudo parameters, resources, attributes as `RESOURCE.ATTRIBUTE`,
    and conditions as `Condition:NAME`. What the value resolves to depends on these alone."""
    found: set[str] = set()
    if isinstance(value, list):
        return found.union(*map(referenced_names, value))
    if not isinstance(value, Mapping):
        return found
    for key, argument in value.items():
        if key in _NAMES_IN:
            found.update(_NAMES_IN[key](argument))
        found |= referenced_names(argument)
    return found


def _name(argument: Any) -> Iterable[str]:
    return (argument,) if isinstance(argument, str) else ()


def _condition(argument: Any) -> Iterable[str]:
    return (f"Condition:{argument}",) if isinstance(argument, str) else ()


def _branches(argument: Any) -> Iterable[str]:
    return (f"Condition:{argument[0]}",) if isinstance(argument, list) and argument else ()


def _attribute(argument: Any) -> Iterable[str]:
    return (".".join(map(str, argument)) if isinstance(argument, list) else argument,)


def _substituted(argument: Any) -> Iterable[str]:
    template = argument if isinstance(argument, str) else argument[0]
    return {match[2].strip() for match in SUBSTITUTION.finditer(template) if not match[1]}


#: By function: the names that its argument itself refers to. Functions inside the argument are examined separately.
_NAMES_IN: Mapping[str, Callable[[Any], Iterable[str]]] = {
    "Ref": _name,
    "Condition": _condition,
    "Fn::If": _branches,
    "Fn::GetAtt": _attribute,
    "Fn::Sub": _substituted,
    "Fn::ValueOf": lambda argument: (argument[0],),
}
