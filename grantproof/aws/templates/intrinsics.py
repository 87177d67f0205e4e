"""CloudFormation's intrinsic functions, conditions and rule functions, evaluated without deploying anything.

Pure: a template as data and a `Scope` in, plain values out. What is not known here is `NotResolved`, never a guess.

Source: CloudFormation Template Reference, "Intrinsic functions" and "Rule functions".
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grantproof.aws.templates.placed import like


class NotResolved(Exception):
    """A function, or a reference, of which the value cannot be said without deploying."""


class _NoValue:
    """`AWS::NoValue`: takes the property or the list entry away that it stands in."""

    def __repr__(self) -> str:
        return "AWS::NoValue"


NO_VALUE = _NoValue()


def _unknown(name: str, *_: str) -> Any:
    raise NotResolved(f"{name} stands for nothing that is known here")


@dataclass(frozen=True)
class Scope:
    """What names stand for in one template.

    Attributes:
        parameters: name to value; lists for list types.
        pseudo: `AWS::Region` and its kin, see `pseudo`.
        mappings: the template's Mappings.
        conditions: the template's Conditions, as written.
        reference: what `Ref` of a resource gives.
        attribute: what `Fn::GetAtt` of a resource and an attribute gives.
        attributes_of: (value of an AWS-specific parameter, attribute) to the attribute's value (`Fn::ValueOf`).
        types: name to type of each parameter.
        exported: what `Fn::ImportValue` of a name gives.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    pseudo: Mapping[str, Any] = field(default_factory=dict)
    mappings: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, Any] = field(default_factory=dict)
    reference: Callable[[str], Any] = _unknown
    attribute: Callable[[str, str], Any] = _unknown
    attributes_of: Callable[[str, str], Any] = _unknown
    types: Mapping[str, str] = field(default_factory=dict)
    exported: Callable[[str], Any] = _unknown
    settled: dict[str, bool | None] = field(default_factory=dict, init=False, repr=False, compare=False)
    """The truth of conditions that were asked for before; None of one that is being found out. A scope with anything
    replaced starts anew."""

    def name(self, name: str) -> Any:
        """`Ref`.

        Raises:
            NotResolved: nothing of that name is known.
        """
        if name == "AWS::NoValue":
            return NO_VALUE
        for known in (self.parameters, self.pseudo):
            if name in known:
                return known[name]
        return self.reference(name)


def value(item: Any, scope: Scope) -> Any:
    """A value with its intrinsic functions carried out.

    Raises:
        NotResolved: a function or a reference that is not known here.
    """
    if isinstance(item, str):  # most are, and it takes longer to see that something is no Mapping
        return item
    if isinstance(item, list):
        each = (entry if isinstance(entry, str) else value(entry, scope) for entry in item)
        return [found for found in each if found is not NO_VALUE]
    if not isinstance(item, dict) and not isinstance(item, Mapping):
        return item
    if len(item) == 1:
        ((name, argument),) = item.items()
        if name == "Ref":
            return scope.name(text(value(taken(name, argument), scope)))
        if name in _FUNCTIONS:
            return _FUNCTIONS[name](taken(name, argument), scope)
        if name in _TESTS and name != "Condition":
            return truth(item, scope)
        if name.startswith("Fn::"):
            raise NotResolved(f"{name} is not carried out here")
    entries = {}
    for key, entry in item.items():
        found = entry if isinstance(entry, str) else value(entry, scope)
        if found is not NO_VALUE:
            entries[key] = found
    return like(item, entries)


def truth(expression: Any, scope: Scope) -> bool:
    """A condition, or an assertion of a rule.

    Raises:
        NotResolved: a function or a name that is not known here, or no condition at all.
    """
    if isinstance(expression, bool) or expression in ("true", "false"):
        return expression in (True, "true")
    if isinstance(expression, Mapping) and len(expression) == 1:
        ((name, argument),) = expression.items()
        if name in _TESTS:
            return _TESTS[name](taken(name, argument), scope)
    raise NotResolved(f"{json.dumps(expression)} is no condition")


#: How many entries the functions take that take a list, at least and at most.
_ENTRIES: Mapping[str, tuple[int, int]] = {
    "Fn::And": (2, 10),
    "Fn::Cidr": (2, 3),
    "Fn::Contains": (2, 2),
    "Fn::EachMemberEquals": (2, 2),
    "Fn::EachMemberIn": (2, 2),
    "Fn::Equals": (2, 2),
    "Fn::FindInMap": (3, 4),
    "Fn::If": (3, 3),
    "Fn::Join": (2, 2),
    "Fn::Not": (1, 1),
    "Fn::Or": (2, 10),
    "Fn::Select": (2, 2),
    "Fn::Split": (2, 2),
    "Fn::ValueOf": (2, 2),
    "Fn::ValueOfAll": (2, 2),
}


#: What `Ref` takes; as a tuple, since it is asked a million times.
_NAME = (str, Mapping)


def taken(name: str, argument: Any) -> Any:
    """The argument of a function, of the shape that it takes.

    Raises:
        NotResolved: it is of another, which CloudFormation refuses before it creates anything.
    """
    takes = ""
    if name in _ENTRIES:
        least, most = _ENTRIES[name]
        if not isinstance(argument, list) or not least <= len(argument) <= most:
            takes = f"a list of {least}" if least == most else f"a list of {least} to {most}"
    elif name == "Ref":
        takes = "" if isinstance(argument, _NAME) else "a name"
    elif name == "Fn::GetAtt":
        several = argument if isinstance(argument, list) else str(argument).split(".", 1)
        takes = "" if len(several) > 1 and isinstance(argument, str | list) else "a resource and an attribute"
    elif name == "Fn::Sub":
        match argument:
            case str() | [str(), Mapping()]:
                pass
            case _:
                takes = "a text, or a list of a text and an object"
    if takes:
        raise NotResolved(f"{name} takes {takes}, not {json.dumps(argument)}")
    return argument


def condition(name: str, scope: Scope) -> bool:
    """A condition of the template by its name.

    Raises:
        NotResolved: there is none of that name, it names itself, or it cannot be evaluated here.
    """
    if name not in scope.conditions:
        raise NotResolved(f"there is no condition {name}")
    if name not in scope.settled:
        scope.settled[name] = None
        try:
            scope.settled[name] = truth(scope.conditions[name], scope)
        finally:
            if scope.settled[name] is None:
                del scope.settled[name]
    settled = scope.settled[name]
    if settled is None:
        raise NotResolved(f"the condition {name} names itself")
    return settled


def text(item: Any) -> str:
    """A scalar as CloudFormation compares and joins it."""
    if isinstance(item, str):
        return item
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, int | float):
        return str(item)
    raise NotResolved(f"{item!r} is no text")


# --- functions --------------------------------------------------------------------------------------------------------


def _if(argument: Any, scope: Scope) -> Any:
    name, then, otherwise = argument
    return value(then if condition(name, scope) else otherwise, scope)


#: `${Name}` of Fn::Sub, and `${!Literal}`.
SUBSTITUTION = re.compile(r"\$\{(!?)([^{}]*)\}")


def _sub(argument: Any, scope: Scope) -> str:
    template, more = (argument, {}) if isinstance(argument, str) else argument

    def fill(match: re.Match[str]) -> str:
        literal, name = match[1], match[2].strip()
        if literal:
            return "${" + match[2] + "}"  # ${!aws:username} becomes ${aws:username}
        if name in more:
            return text(value(more[name], scope))
        if "." in name and name not in scope.parameters:
            return text(scope.attribute(*name.split(".", 1)))
        return text(scope.name(name))

    return SUBSTITUTION.sub(fill, template)


def _join(argument: Any, scope: Scope) -> str:
    separator, items = argument
    return str(separator).join(text(item) for item in _items(items, scope))


def _items(items: Any, scope: Scope) -> list[Any]:
    found = value(items, scope)
    if not isinstance(found, list):
        raise NotResolved(f"{found!r} is no list")
    return found


def _split(argument: Any, scope: Scope) -> list[str]:
    separator, whole = argument
    return text(value(whole, scope)).split(str(separator))


def _counted(items: Any, scope: Scope) -> list[Any]:
    """A list of which somebody counts the entries. Whether one that is taken away counts is not documented."""
    if isinstance(items, list) and any(value(entry, scope) is NO_VALUE for entry in items):
        raise NotResolved("which entry of a list with AWS::NoValue is which cannot be said")
    return _items(items, scope)


def _select(argument: Any, scope: Scope) -> Any:
    index, items = argument
    found, index = _counted(items, scope), text(value(index, scope))
    if not index.isdecimal():
        raise NotResolved(f"Fn::Select takes a number, not {index!r}")
    number = int(index)
    if not 0 <= number < len(found):
        raise NotResolved(f"Fn::Select takes entry {number} of {len(found)}")
    return found[number]


def _find_in_map(argument: Any, scope: Scope) -> Any:
    keys = [text(value(item, scope)) for item in argument[:3]]
    options = argument[3] if len(argument) > 3 and isinstance(argument[3], Mapping) else {}
    found: Any = scope.mappings
    for key in keys:
        if not isinstance(found, Mapping) or key not in found:
            if "DefaultValue" in options:
                return value(options["DefaultValue"], scope)
            raise NotResolved(f"Fn::FindInMap: there is no {' '.join(keys)}")
        found = found[key]
    return found


def _get_att(argument: Any, scope: Scope) -> Any:
    name, *rest = argument if isinstance(argument, list) else argument.split(".", 1)
    return scope.attribute(text(value(name, scope)), ".".join(text(value(part, scope)) for part in rest))


def _get_azs(argument: Any, scope: Scope) -> list[str]:
    region = text(value(argument, scope)) or text(scope.name("AWS::Region"))
    return [f"{region}{zone}" for zone in "abc"]


def _cidr(argument: Any, scope: Scope) -> list[str]:
    block, count, *bits = [text(value(item, scope)) for item in argument]
    network = ipaddress.ip_network(block)
    subnets = network.subnets(new_prefix=network.max_prefixlen - int(bits[0] if bits else 8))
    return [str(subnet) for _, subnet in zip(range(int(count)), subnets, strict=False)]


def _to_json(argument: Any, scope: Scope) -> str:
    return json.dumps(value(argument, scope), separators=(",", ":"))


def _base64(argument: Any, scope: Scope) -> str:
    return base64.b64encode(text(value(argument, scope)).encode()).decode()


def _ref_all(argument: Any, scope: Scope) -> list[Any]:
    found = [scope.parameters[name] for name, type_ in scope.types.items() if _member_type(type_) == argument]
    return [item for entry in found for item in (entry if isinstance(entry, list) else [entry])]


def _member_type(type_: str) -> str:
    return type_.removeprefix("List<").removesuffix(">")


def _value_of(argument: Any, scope: Scope) -> Any:
    name, attribute = argument
    found = scope.name(name)
    if isinstance(found, list):
        return [scope.attributes_of(item, attribute) for item in found]
    return scope.attributes_of(found, attribute)


def _value_of_all(argument: Any, scope: Scope) -> list[Any]:
    type_, attribute = argument
    return [scope.attributes_of(item, attribute) for item in _ref_all(type_, scope)]


_FUNCTIONS: dict[str, Callable[[Any, Scope], Any]] = {
    "Fn::If": _if,
    "Fn::Sub": _sub,
    "Fn::Join": _join,
    "Fn::Split": _split,
    "Fn::Select": _select,
    "Fn::FindInMap": _find_in_map,
    "Fn::GetAtt": _get_att,
    "Fn::GetAZs": _get_azs,
    "Fn::Cidr": _cidr,
    "Fn::ImportValue": lambda argument, scope: scope.exported(text(value(argument, scope))),
    "Fn::Length": lambda argument, scope: len(_counted(argument, scope)),
    "Fn::ToJsonString": _to_json,
    "Fn::Base64": _base64,
    "Fn::RefAll": _ref_all,
    "Fn::ValueOf": _value_of,
    "Fn::ValueOfAll": _value_of_all,
}


# --- conditions and rules ---------------------------------------------------------------------------------------------


def _each(argument: Sequence[Any], scope: Scope) -> list[bool]:
    return [truth(item, scope) for item in argument]


def _equals(argument: Any, scope: Scope) -> bool:
    left, right = (value(item, scope) for item in argument)
    if isinstance(left, list) or isinstance(right, list):
        return bool(left == right)
    return text(left) == text(right)


def _texts(items: Any, scope: Scope) -> list[str]:
    return [text(item) for item in _items(items, scope)]


_TESTS: dict[str, Callable[[Any, Scope], bool]] = {
    "Fn::And": lambda argument, scope: all(_each(argument, scope)),
    "Fn::Or": lambda argument, scope: any(_each(argument, scope)),
    "Fn::Not": lambda argument, scope: not truth(argument[0], scope),
    "Fn::Equals": _equals,
    "Condition": condition,
    "Fn::Contains": lambda argument, scope: text(value(argument[1], scope)) in _texts(argument[0], scope),
    "Fn::EachMemberEquals": lambda argument, scope: (
        set(_texts(argument[0], scope)) <= {text(value(argument[1], scope))}
    ),
    "Fn::EachMemberIn": lambda argument, scope: set(_texts(argument[0], scope)) <= set(_texts(argument[1], scope)),
}
