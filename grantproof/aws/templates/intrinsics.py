"""CloudFormation's intrinsic functions, conditions and rule functions, evaluated without a deployment.

Pure: part of a template and a `Scope` in, plain values out. What cannot be determined raises `NotResolved`; nothing is
guessed.

Source: CloudFormation Template Reference, "Intrinsic functions" and "Rule functions".
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from grantproof.aws.templates.constraints import member_type
from grantproof.aws.templates.function_arguments import checked_argument
from grantproof.aws.templates.scope import NO_VALUE, NotResolved, Scope
from grantproof.aws.templates.template_data import like


def resolve(item: Any, scope: Scope) -> Any:
    """A value with its intrinsic functions carried out; `NO_VALUE` where it is a reference to AWS::NoValue.

    Raises:
        NotResolved: it contains a function or a reference whose value cannot be determined.
    """
    if isinstance(item, str):  # first, since most values are texts, and the check for a Mapping is slow
        return item
    if isinstance(item, list):
        each = (entry if isinstance(entry, str) else resolve(entry, scope) for entry in item)
        return [found for found in each if found is not NO_VALUE]
    if not isinstance(item, dict) and not isinstance(item, Mapping):
        return item
    if len(item) == 1:
        ((name, argument),) = item.items()
        if name == "Ref":
            return scope.ref(text(resolve(checked_argument(name, argument), scope)))
        if name in _FUNCTIONS:
            return _FUNCTIONS[name](checked_argument(name, argument), scope)
        if name in _TESTS and name != "Condition":
            return truth(item, scope)
        if name.startswith("Fn::"):
            raise NotResolved(f"{name} is not carried out here")
    entries = {}
    for key, entry in item.items():
        found = entry if isinstance(entry, str) else resolve(entry, scope)
        if found is not NO_VALUE:
            entries[key] = found
    return like(item, entries)


def truth(expression: Any, scope: Scope) -> bool:
    """Is a condition expression, or the assertion of a rule, true?

    Raises:
        NotResolved: it is neither, or it contains a function or a name whose value cannot be determined.
    """
    if isinstance(expression, bool) or expression in ("true", "false"):
        return expression in (True, "true")
    if isinstance(expression, Mapping) and len(expression) == 1:
        ((name, argument),) = expression.items()
        if name in _TESTS:
            return _TESTS[name](checked_argument(name, argument), scope)
    raise NotResolved(f"{json.dumps(expression)} is no condition")


def condition_holds(name: str, scope: Scope) -> bool:
    """Is the template's condition of this name true?

    Raises:
        NotResolved: there is none of this name, it refers to itself, or it cannot be evaluated.
    """
    if name not in scope.conditions:
        raise NotResolved(f"there is no condition {name}")
    if name not in scope.evaluated:
        scope.evaluated[name] = None
        try:
            scope.evaluated[name] = truth(scope.conditions[name], scope)
        finally:
            if scope.evaluated[name] is None:
                del scope.evaluated[name]
    result = scope.evaluated[name]
    if result is None:
        raise NotResolved(f"the condition {name} names itself")
    return result


def text(item: Any) -> str:
    """A scalar as the text that CloudFormation compares and joins.

    Raises:
        NotResolved: it is no scalar.
    """
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
    return resolve(then if condition_holds(name, scope) else otherwise, scope)


#: `${Name}` of Fn::Sub, and `${!Literal}`.
SUBSTITUTION = re.compile(r"\$\{(!?)([^{}]*)\}")


def _sub(argument: Any, scope: Scope) -> str:
    template, more = (argument, {}) if isinstance(argument, str) else argument

    def fill(match: re.Match[str]) -> str:
        literal, name = match[1], match[2].strip()
        if literal:
            return "${" + match[2] + "}"  # ${!aws:username} becomes ${aws:username}
        if name in more:
            return text(resolve(more[name], scope))
        if "." in name and name not in scope.parameters:
            return text(scope.attribute(*name.split(".", 1)))
        return text(scope.ref(name))

    return SUBSTITUTION.sub(fill, template)


def _join(argument: Any, scope: Scope) -> str:
    separator, items = argument
    return str(separator).join(text(item) for item in _items(items, scope))


def _items(items: Any, scope: Scope) -> list[Any]:
    found = resolve(items, scope)
    if not isinstance(found, list):
        raise NotResolved(f"{found!r} is no list")
    return found


def _split(argument: Any, scope: Scope) -> list[str]:
    separator, whole = argument
    return text(resolve(whole, scope)).split(str(separator))


def _countable(items: Any, scope: Scope) -> list[Any]:
    """A list whose entries are numbered or counted. AWS does not document whether an entry that is AWS::NoValue counts,
    so a list with one is not resolved."""
    if isinstance(items, list) and any(resolve(entry, scope) is NO_VALUE for entry in items):
        raise NotResolved("which entry of a list with AWS::NoValue is which cannot be said")
    return _items(items, scope)


def _select(argument: Any, scope: Scope) -> Any:
    index, items = argument
    found, index = _countable(items, scope), text(resolve(index, scope))
    if not index.isdecimal():
        raise NotResolved(f"Fn::Select takes a number, not {index!r}")
    number = int(index)
    if not 0 <= number < len(found):
        raise NotResolved(f"Fn::Select takes entry {number} of {len(found)}")
    return found[number]


def _find_in_map(argument: Any, scope: Scope) -> Any:
    keys = [text(resolve(item, scope)) for item in argument[:3]]
    options = argument[3] if len(argument) > 3 and isinstance(argument[3], Mapping) else {}
    found: Any = scope.mappings
    for key in keys:
        if not isinstance(found, Mapping) or key not in found:
            if "DefaultValue" in options:
                return resolve(options["DefaultValue"], scope)
            raise NotResolved(f"Fn::FindInMap: there is no {' '.join(keys)}")
        found = found[key]
    return found


def _get_att(argument: Any, scope: Scope) -> Any:
    name, *rest = argument if isinstance(argument, list) else argument.split(".", 1)
    return scope.attribute(text(resolve(name, scope)), ".".join(text(resolve(part, scope)) for part in rest))


def _get_azs(argument: Any, scope: Scope) -> list[str]:
    region = text(resolve(argument, scope)) or text(scope.ref("AWS::Region"))
    return [f"{region}{zone}" for zone in "abc"]


def _cidr(argument: Any, scope: Scope) -> list[str]:
    block, count, *bits = [text(resolve(item, scope)) for item in argument]
    network = ipaddress.ip_network(block)
    subnets = network.subnets(new_prefix=network.max_prefixlen - int(bits[0] if bits else 8))
    return [str(subnet) for _, subnet in zip(range(int(count)), subnets, strict=False)]


def _to_json(argument: Any, scope: Scope) -> str:
    return json.dumps(resolve(argument, scope), separators=(",", ":"))


def _base64(argument: Any, scope: Scope) -> str:
    return base64.b64encode(text(resolve(argument, scope)).encode()).decode()


def _ref_all(argument: Any, scope: Scope) -> list[Any]:
    found = [scope.parameters[name] for name, type_ in scope.types.items() if member_type(type_) == argument]
    return [item for entry in found for item in (entry if isinstance(entry, list) else [entry])]


def _value_of(argument: Any, scope: Scope) -> Any:
    name, attribute = argument
    found = scope.ref(name)
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
    "Fn::ImportValue": lambda argument, scope: scope.exported(text(resolve(argument, scope))),
    "Fn::Length": lambda argument, scope: len(_countable(argument, scope)),
    "Fn::ToJsonString": _to_json,
    "Fn::Base64": _base64,
    "Fn::RefAll": _ref_all,
    "Fn::ValueOf": _value_of,
    "Fn::ValueOfAll": _value_of_all,
}


# --- conditions and rules ---------------------------------------------------------------------------------------------


def _truths(expressions: Sequence[Any], scope: Scope) -> list[bool]:
    # All of them, also after the first that decides: one that cannot be evaluated is an error wherever it stands.
    return [truth(expression, scope) for expression in expressions]


def _equals(argument: Any, scope: Scope) -> bool:
    left, right = (resolve(item, scope) for item in argument)
    if isinstance(left, list) or isinstance(right, list):
        return bool(left == right)
    return text(left) == text(right)


def _texts(items: Any, scope: Scope) -> list[str]:
    return [text(item) for item in _items(items, scope)]


_TESTS: dict[str, Callable[[Any, Scope], bool]] = {
    "Fn::And": lambda argument, scope: all(_truths(argument, scope)),
    "Fn::Or": lambda argument, scope: any(_truths(argument, scope)),
    "Fn::Not": lambda argument, scope: not truth(argument[0], scope),
    "Fn::Equals": _equals,
    "Condition": condition_holds,
    "Fn::Contains": lambda argument, scope: text(resolve(argument[1], scope)) in _texts(argument[0], scope),
    "Fn::EachMemberEquals": lambda argument, scope: (
        set(_texts(argument[0], scope)) <= {text(resolve(argument[1], scope))}
    ),
    "Fn::EachMemberIn": lambda argument, scope: set(_texts(argument[0], scope)) <= set(_texts(argument[1], scope)),
}
