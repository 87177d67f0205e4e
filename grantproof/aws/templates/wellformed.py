"""What CloudFormation refuses of a template before it creates anything: sections, resources and functions that are not
of the shape that they have to be. Whoever reads a processed template afterwards can rely on it.

Source: CloudFormation User Guide, "Template sections"; Template Reference, "Intrinsic function reference".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from grantproof.aws.templates.constraints import only_in_java, python_pattern
from grantproof.aws.templates.function_arguments import checked_argument
from grantproof.aws.templates.placed import documents, place_of
from grantproof.aws.templates.scope import NotResolved
from grantproof.source import Document, Key, Place

_Path = tuple[Key, ...]
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


class Malformed(ValueError):
    """What is wrong, and where; None for a template that is no file."""

    def __init__(self, said: str, place: Place | None) -> None:
        super().__init__(said)
        self.place = place


class NotUnderstood(Malformed):
    """What CloudFormation may take, and of which it is not known here what it comes to."""


def parameters(template: Mapping[str, Any]) -> None:
    """Refuse a template whose parameters are malformed; no transform makes them anew.

    Raises:
        Malformed: at the first that is.
    """
    for path, parameter in _entries(template, "Parameters"):
        _text(template, path, parameter, "Type", "a parameter")
        try:
            if what := only_in_java(parameter.get("AllowedPattern", "")):
                raise re.error(f"CloudFormation reads {what} otherwise than Python")
            re.compile(python_pattern(parameter.get("AllowedPattern", "")))
        except (re.error, TypeError) as error:
            # A pattern of Java's that Python lacks is refused too: what it accepts is not known here.
            said = f"{path[-1]}: its AllowedPattern is not understood: {error}"
            raise NotUnderstood(said, place_of(template, (*path, "AllowedPattern"))) from None
        if not isinstance(parameter.get("AllowedValues", []), list):
            raise Malformed(f"{path[-1]}: its AllowedValues are a list", place_of(template, (*path, "AllowedValues")))
        for bound in ("MinLength", "MaxLength", "MinValue", "MaxValue"):
            if not _NUMBER.fullmatch(str(parameter.get(bound, 0))):
                raise Malformed(f"{path[-1]}: its {bound} is a number", place_of(template, (*path, bound)))


def whole(template: Mapping[str, Any]) -> None:
    """Refuse a processed template that is malformed anywhere.

    Raises:
        Malformed: at the first place that is.
    """
    parameters(template)
    for path, resource in _entries(template, "Resources"):
        _text(template, path, resource, "Type", "a resource")
        properties = resource.get("Properties")
        if properties is not None and not isinstance(properties, Mapping):
            raise Malformed("the properties of a resource are an object", place_of(template, (*path, "Properties")))
        if "Condition" in resource:
            _text(template, path, resource, "Condition", "the condition of a resource")
        _functions(template, path, resource)
    for section in ("Conditions", "Outputs"):
        for path, entry in _entries(template, section):
            _functions(template, path, entry)


def numbers(document: Document) -> None:
    """Refuse a template in whose policies or conditions a number is not written as decimals are.

    Raises:
        NotUnderstood: at the first.
    """
    if document.unclear:
        policies = tuple(documents(document.value, text=False))
        for path, written in document.unclear.items():
            if path[0] == "Conditions" or any(path[: len(policy)] == policy for policy in policies):
                said = f"{written}: readers make different numbers of it; put it in quotation marks"
                raise NotUnderstood(said, document.place(*path))


def _entries(template: Mapping[str, Any], section: str) -> Iterator[tuple[_Path, Mapping[str, Any]]]:
    entries = template.get(section) or {}
    if not isinstance(entries, Mapping):
        raise Malformed(f"{section} is an object", place_of(template, (section,)))
    for name, entry in entries.items():
        if not isinstance(entry, Mapping):
            raise Malformed(f"{section}: {name} is an object", place_of(template, (section, name)))
        yield (section, name), entry


def _text(template: Any, path: _Path, entry: Mapping[str, Any], key: str, of: str) -> None:
    if not isinstance(entry.get(key), str):
        raise Malformed(f"{path[-1]}: {of} names its {key}", place_of(template, (*path, key)))


def _functions(template: Any, path: _Path, value: Any) -> None:
    if isinstance(value, list):
        for number, item in enumerate(value):
            _functions(template, (*path, number), item)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if len(value) == 1:
                try:
                    checked_argument(key, item)
                except NotResolved as error:
                    raise Malformed(str(error), place_of(template, path)) from None
            _functions(template, (*path, key), item)
