"""CloudFormation's checks of parameter values, which moto does not make: constraints of each parameter, and Rules."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from grantproof.aws.templates.constraints import Existing, as_typed, member_type, text, violation
from grantproof.aws.templates.intrinsics import condition_holds, truth
from grantproof.aws.templates.pseudo import pseudo_parameters
from grantproof.aws.templates.scope import NotResolved, Scope
from grantproof.source import Document


class RefusedParameters(Exception):
    """CloudFormation would refuse to create the stack with these parameter values. The message says why."""


def check(
    template: Mapping[str, Any],
    given: Mapping[str, str],
    pseudo: Mapping[str, Any] | None = None,
    existing: Existing | None = None,
) -> None:
    """Check parameter values against a template: missing and unknown parameters, types, AllowedPattern, AllowedValues,
    MinLength, MaxLength, MinValue, MaxValue, and Rules with all rule functions.

    Args:
        given: parameter to value, as text; defaults apply to the others.
        pseudo: the pseudo parameters, such as `AWS::Region`, for Rules; None: the defaults of `pseudo_parameters`.
        existing: looks up values of AWS-specific and SSM types; None: only their form is checked.

    Raises:
        RefusedParameters: in CloudFormation's words, as far as these are documented; for a rule with its
            AssertDescription. Also for a rule that cannot be evaluated here.

    Source: CloudFormation User Guide, "Parameters" and "Rules".
    """
    _check(
        template, given, pseudo, lambda name, parameter, value: violation(name, parameter, value, existing), existing
    )


def _check(
    template: Mapping[str, Any],
    given: Mapping[str, str],
    pseudo: Mapping[str, Any] | None,
    violation_of: Callable[[str, Mapping[str, Any], str], str],
    existing: Existing | None = None,
) -> None:
    declared: Mapping[str, Any] = template.get("Parameters") or {}
    if unknown := [name for name in given if name not in declared]:
        raise RefusedParameters(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    missing = [name for name, p in declared.items() if name not in given and "Default" not in p]
    if missing:
        raise RefusedParameters(f"Parameters: [{', '.join(missing)}] must have values")
    for name, parameter in declared.items():
        value = text(given.get(name, parameter.get("Default", "")))
        if refused := violation_of(name, parameter, value):
            raise RefusedParameters(refused)
    if template.get("Rules"):
        _check_rules(template, scope_of(template, given, pseudo or pseudo_parameters(), existing))


def refusal(document: Document, given: Mapping[str, str], pseudo: Mapping[str, Any]) -> str:
    """Why `check` refuses parameter values for a template; empty if it does not. Cached for all templates with the same
    parameters and rules. The values of pseudo parameters are strings."""
    sections = _sections(document, ("Parameters", "Rules", "Mappings"))
    return _refusal(sections, tuple(given.items()), tuple(pseudo.items()))


def truths(document: Document, given: Mapping[str, str], pseudo: Mapping[str, Any]) -> Mapping[str, bool]:
    """The truth of each condition of a template. Cached for all templates with the same parameters and conditions.

    Raises:
        NotResolved: one cannot be evaluated here.
    """
    sections = _sections(document, ("Parameters", "Conditions", "Mappings"))
    return _truths(sections, tuple(given.items()), tuple(pseudo.items()))


@lru_cache(maxsize=512)
def _sections(document: Document, names: tuple[str, ...]) -> str:
    """These sections of a template as JSON, which is a key for the caches below."""
    return _interned(json.dumps({name: document.value[name] for name in names if name in document.value}))


@lru_cache(maxsize=512)
def _interned(text: str) -> str:
    return text  # the same object for equal texts, so that the caches can compare keys by identity


@lru_cache(maxsize=512)
def _parsed(sections: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(sections)
    return found


@lru_cache(maxsize=8192)
def _truths(
    sections: str, given: tuple[tuple[str, str], ...], pseudo: tuple[tuple[str, Any], ...]
) -> Mapping[str, bool]:
    scope = scope_of(_parsed(sections), dict(given), dict(pseudo))
    return {name: condition_holds(name, scope) for name in scope.conditions}


@lru_cache(maxsize=8192)
def _refusal(sections: str, given: tuple[tuple[str, str], ...], pseudo: tuple[tuple[str, Any], ...]) -> str:
    try:
        _check(_parsed(sections), dict(given), dict(pseudo), lambda name, _, value: _violation(sections, name, value))
    except RefusedParameters as error:
        return str(error)
    return ""


@lru_cache(maxsize=32768)
def _violation(sections: str, name: str, value: str) -> str:
    # Cached by parameter: most combinations of options give most parameters the same value.
    return violation(name, _parsed(sections)["Parameters"][name], value)


def scope_of(
    template: Mapping[str, Any], given: Mapping[str, str], pseudo: Mapping[str, Any], existing: Existing | None = None
) -> Scope:
    """The scope of a template with these parameter values, and the defaults of the others. References to resources are
    not resolved in it."""
    declared: Mapping[str, Any] = template.get("Parameters") or {}
    types = {name: parameter.get("Type", "String") for name, parameter in declared.items()}
    values = {
        name: as_typed(types[name], text(given.get(name, parameter.get("Default", ""))))
        for name, parameter in declared.items()
    }

    def attribute(value: str, name: str) -> str:
        kinds = [
            member_type(types[parameter])
            for parameter, held in values.items()
            if value in (held if isinstance(held, list) else [held])
        ]
        found = existing(kinds[-1], value) if existing is not None and kinds else None
        if found is None or name not in found:
            raise NotResolved(f"{name} of {value!r} is not known here")
        return found[name]

    return Scope(
        parameters=values,
        pseudo=pseudo,
        mappings=template.get("Mappings") or {},
        conditions=template.get("Conditions") or {},
        attributes_of=attribute,
        types=types,
    )


def _check_rules(template: Mapping[str, Any], scope: Scope) -> None:
    """Check the Rules of a template. Assertions apply if the RuleCondition is true, or if there is none. A rule cannot
    refer to the template's Conditions.

    Source: CloudFormation User Guide, "Rules".
    """
    bare = replace(scope, conditions={})
    for name, rule in (template.get("Rules") or {}).items():
        try:
            if "RuleCondition" in rule and not truth(rule["RuleCondition"], bare):
                continue
            for assertion in rule["Assertions"]:
                if not truth(assertion["Assert"], bare):
                    said = assertion.get("AssertDescription") or "an assertion does not hold"
                    raise RefusedParameters(f"Template error: rule {name} failed: {said}")
        except (NotResolved, KeyError, TypeError, ValueError) as error:
            raise RefusedParameters(f"Template error: rule {name} cannot be evaluated: {error}") from None
