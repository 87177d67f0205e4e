"""Which characters a value of a parameter can contain, over all values that its constraints accept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from re import _parser as _regex  # type: ignore[attr-defined]  # the only reader of expressions as data
from typing import Any

from grantproof.aws.templates.constraints import form_of


def may_hold(parameter: Mapping[str, Any], characters: str) -> bool:
    """Can an accepted value contain one of these characters? A "no" is certain: lengths and lookarounds are ignored,
    and a pattern that cannot be parsed counts as accepting anything."""
    type_ = str(parameter.get("Type", "String"))
    if "AWS::SSM::Parameter::Value<" in type_:
        return True  # the constraints are about the name: what is stored under it is anything
    if "Number" in type_ or ((form := form_of(type_)) and not _some(form, characters)):
        return False
    if "AllowedValues" in parameter:
        return any(c in str(value) for value in parameter["AllowedValues"] for c in characters)
    return _some(str(parameter.get("AllowedPattern", ".*")), characters)


def _some(pattern: str, characters: str) -> bool:
    try:
        parsed = _regex.parse(pattern)
    except (re.error, RecursionError):
        return True
    flags = re.IGNORECASE if parsed.state.flags & re.IGNORECASE else 0
    return any(_takes(parsed, c, flags) for c in characters)


def could_widen(parameter: Mapping[str, Any]) -> str:
    """How an accepted value could widen a policy that it is inserted into; empty where none can."""
    if may_hold(parameter, "*?"):
        return "a wildcard"
    if may_hold(parameter, "$"):
        return "a policy variable"  # its other half may stand in the template, or in another parameter
    if all(may_hold(parameter, character) for character in "{:}"):
        return "a dynamic reference"
    return ""


def _takes(pattern: Any, character: str, flags: int) -> bool:
    """Can a match of a parsed expression contain the character? Unknown operators count as yes."""
    for op, argument in pattern:
        match str(op):
            case "AT" | "ASSERT" | "ASSERT_NOT" | "GROUPREF" | "FAILURE":
                continue  # takes no character of its own; what a group took is looked at where the group stands
            case "LITERAL":
                if chr(argument) == character:
                    return True
            case "NOT_LITERAL":
                if chr(argument) != character:
                    return True
            case "IN":
                if in_class(argument, character):
                    return True
            case "SUBPATTERN":
                if _takes(argument[-1], character, flags):
                    return True
            case "BRANCH":
                if any(_takes(branch, character, flags) for branch in argument[1]):
                    return True
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                if _takes(argument[2], character, flags):
                    return True
            case "ATOMIC_GROUP":
                if _takes(argument, character, flags):
                    return True
            case _:
                return True
    return False


def in_class(items: Any, character: str) -> bool:
    """Does a parsed character class hold the character?"""
    negated = bool(items) and str(items[0][0]) == "NEGATE"
    hit = False
    for op, argument in items[negated:]:
        match str(op):
            case "LITERAL":
                hit = hit or chr(argument) == character
            case "RANGE":
                hit = hit or argument[0] <= ord(character) <= argument[1]
            case "CATEGORY":
                hit = hit or re.match(_CATEGORIES.get(str(argument), "."), character) is not None
    return hit != negated


_CATEGORIES = {
    "CATEGORY_DIGIT": r"\d",
    "CATEGORY_NOT_DIGIT": r"\D",
    "CATEGORY_WORD": r"\w",
    "CATEGORY_NOT_WORD": r"\W",
    "CATEGORY_SPACE": r"\s",
    "CATEGORY_NOT_SPACE": r"\S",
}
