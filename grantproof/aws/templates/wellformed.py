"""Refuses templates whose sections, resources or functions have the wrong shape.

CloudFormation refuses them too, before it creates anything. Code that reads a checked template can rely on its shape.

Source: CloudFormation User Guide, "Template sections"; Template Reference, "Intrinsic function reference".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from grantproof.aws.templates.constraints import only_in_java, python_pattern
from grantproof.aws.templates.function_arguments import checked_argument
from grantproof.aws.templates.scope import NotResolved
from grantproof.aws.templates.template_data import place_of, policy_paths
from grantproof.source import Document, Key, Place

_Path = tuple[Key, ...]
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


class Malformed(ValueError):
    """What is wrong with a template. `place`: where; None for a template that is not in a file."""

    def __init__(self, message: str, place: Place | None) -> None:
        super().__init__(message)
        self.place = place


class NotUnderstood(Malformed):
    """CloudFormation may accept it, but its meaning is not known here."""


def check_parameters(template: Mapping[str, Any]) -> None:
    """Refuse a template whose parameters are malformed. It can be called before transforms, which do not change them.

    Raises:
        Malformed: at the first malformed one.
    """
    for path, parameter in _entries(template, "Parameters"):
        _check_text(template, path, parameter, "Type", "a parameter")
        try:
            if what := only_in_java(parameter.get("AllowedPattern", "")):
                raise re.error(f"CloudFormation reads {what} otherwise than Python")
            re.compile(python_pattern(parameter.get("AllowedPattern", "")))
        except (re.error, TypeError) as error:
            # CloudFormation reads patterns as Java does; Python does not know all of its syntax.
            message = f"{path[-1]}: its AllowedPattern is not understood: {error}"
            raise NotUnderstood(message, place_of(template, (*path, "AllowedPattern"))) from None
        if not isinstance(parameter.get("AllowedValues", []), list):
            raise Malformed(f"{path[-1]}: its AllowedValues are a list", place_of(template, (*path, "AllowedValues")))
        for bound in ("MinLength", "MaxLength", "MinValue", "MaxValue"):
            if not _NUMBER.fullmatch(str(parameter.get(bound, 0))):
                raise Malformed(f"{path[-1]}: its {bound} is a number", place_of(template, (*path, bound)))


def check_template(template: Mapping[str, Any]) -> None:
    """Refuse a template that is malformed anywhere. Its transforms have to be applied before.

    Raises:
        Malformed: at the first malformed place.
    """
    check_parameters(template)
    for path, resource in _entries(template, "Resources"):
        _check_text(template, path, resource, "Type", "a resource")
        properties = resource.get("Properties")
        if properties is not None and not isinstance(properties, Mapping):
            raise Malformed("the properties of a resource are an object", place_of(template, (*path, "Properties")))
        if "Condition" in resource:
            _check_text(template, path, resource, "Condition", "the condition of a resource")
        after = resource.get("DependsOn", [])
        if not all(isinstance(name, str) for name in (after if isinstance(after, list) else [after])):
            raise Malformed("DependsOn names resources", place_of(template, (*path, "DependsOn")))
        _check_functions(template, path, resource)
    for section in ("Conditions", "Outputs"):
        for path, entry in _entries(template, section):
            _check_functions(template, path, entry)


def check_numbers(document: Document) -> None:
    """Refuse a template with a number in a policy or condition that YAML parsers read differently, such as 0123.

    Raises:
        NotUnderstood: at the first such number.
    """
    if document.unclear:
        policies = tuple(policy_paths(document.value, text=False))
        for path, written in document.unclear.items():
            if path[0] == "Conditions" or any(path[: len(policy)] == policy for policy in policies):
                message = f"{written}: readers make different numbers of it; put it in quotation marks"
                raise NotUnderstood(message, document.place(*path))


def _entries(template: Mapping[str, Any], section: str) -> Iterator[tuple[_Path, Mapping[str, Any]]]:
    """The entries of a section, each an object, with their paths."""
    entries = template.get(section) or {}
    if not isinstance(entries, Mapping):
        raise Malformed(f"{section} is an object", place_of(template, (section,)))
    for name, entry in entries.items():
        if not isinstance(entry, Mapping):
            raise Malformed(f"{section}: {name} is an object", place_of(template, (section, name)))
        yield (section, name), entry


def _check_text(template: Any, path: _Path, entry: Mapping[str, Any], key: str, of: str) -> None:
    if not isinstance(entry.get(key), str):
        raise Malformed(f"{path[-1]}: {of} names its {key}", place_of(template, (*path, key)))


def _check_functions(template: Any, path: _Path, value: Any) -> None:
    if isinstance(value, list):
        for number, item in enumerate(value):
            _check_functions(template, (*path, number), item)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if len(value) == 1:
                try:
                    checked_argument(key, item)
                except NotResolved as error:
                    raise Malformed(str(error), place_of(template, path)) from None
            _check_functions(template, (*path, key), item)
