"""Which names a value of a template refers to, without evaluating it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from grantproof.aws.templates.intrinsics import SUBSTITUTION


def referenced_names(value: Any) -> set[str]:
    """Every name that a value refers to: parameters, pseudo parameters, resources, attributes as `RESOURCE.ATTRIBUTE`,
    and conditions as `Condition:NAME`. The value depends on nothing else."""
    found: set[str] = set()
    if isinstance(value, list):
        return found.union(*map(referenced_names, value))
    if not isinstance(value, Mapping):
        return found
    for key, argument in value.items():
        if key in _NAMED_BY:
            found.update(_NAMED_BY[key](argument))
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


#: The names that a function's argument names by itself, beside those that its parts refer to.
_NAMED_BY: Mapping[str, Callable[[Any], Iterable[str]]] = {
    "Ref": _name,
    "Condition": _condition,
    "Fn::If": _branches,
    "Fn::GetAtt": _attribute,
    "Fn::Sub": _substituted,
    "Fn::ValueOf": lambda argument: (argument[0],),
}
