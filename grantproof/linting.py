"""Runs cfn-lint on a template, in this process. To import cfn-lint takes longer than most checks, so only the lint
suite imports this module."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from functools import cache
from typing import Any
from unittest.mock import patch

from cfnlint import api, core
from cfnlint.config import ManualArgs
from cfnlint.context import context
from cfnlint.jsonschema import _filter, validators
from cfnlint.rules import Match, RulesCollection
from cfnlint.template import Template

_LEVELS = ["I", "W", "E"]
_make_validator = validators.create
_validators: dict[object, type] = {}


@cache
def rules() -> RulesCollection:
    """Every rule, also informational ones. Loading them takes as long as applying them, so it is cached."""
    return core.get_rules([], [], _LEVELS)


def matches(text: str, region: str) -> list[Match]:
    """Every finding of cfn-lint about a template: errors, warnings and informational ones, also those that its Metadata
    or a .cfnlintrc disable."""
    config = ManualArgs(regions=[region], include_checks=["I"], mandatory_checks=_LEVELS)
    with _memoised():
        found: list[Match] = api.lint(text, rules(), [region], config)
    return found


def message(match: Match) -> str:
    """The text of a finding; of a list of more than twelve values in it, as where an action is not one of a service's,
    only the first and how many more."""
    return re.sub(r"\['[^\[\]]*'\]", _shortened, str(match.message))


def _shortened(found: re.Match[str]) -> str:
    values = found[0][1:-1].split(", ")
    return found[0] if len(values) <= _MOST_VALUES else f"[{', '.join(values[:3])}, and {len(values) - 3} more]"


_MOST_VALUES = 12


@contextmanager
def _memoised() -> Generator[None, None, None]:
    """A context in which cfn-lint caches what it otherwise computes for each property: a class of validators and a
    dataclass for each rule, the fields of dataclasses, and an empty template for each validator, which is then
    replaced. This saves a quarter of the time (cfn-lint 1.58)."""
    with (
        patch.object(validators, "create", _validator),
        patch.object(validators, "Template", _template),
        patch.object(validators, "fields", _fields),
        patch.object(context, "fields", _fields),
        patch.object(_filter, "fields", _fields),
    ):
        yield


_fields = cache(fields)
_empty_template = cache(lambda: Template(None, {}))


def _template(filename: str | None, template: dict[str, Any]) -> Template:
    return _empty_template() if filename is None and not template else Template(filename, template)


def _validator(
    validators: Mapping[str, Callable[..., Any]],
    function_filter: _filter.FunctionFilter,
    fn_resolvers: Mapping[str, Callable[..., Any]],
) -> type:
    """The class of validators with these functions for the keywords, in this order, and with this filter."""
    asked = tuple((name, _hashable(value)) for name, value in sorted(vars(function_filter).items()))
    key = (tuple(validators.items()), asked, tuple(fn_resolvers.items()))
    if key not in _validators:
        _validators[key] = _make_validator(validators, function_filter, fn_resolvers)
    return _validators[key]


def _hashable(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value
