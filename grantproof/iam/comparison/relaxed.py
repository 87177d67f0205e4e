"""A side without policy variables that allows at least as much, or at most as much, whatever the values of the
variables.

Patterns with a variable are replaced in each statement: by a pattern that matches everything that any value can match,
if matching favours an escape, or by none, if it does not. A result about two such sides is true for every value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum
from functools import partial
from itertools import takewhile

from grantproof.iam.assumption import Assumptions
from grantproof.iam.comparison.variables import filled
from grantproof.iam.condition import Test
from grantproof.iam.glob import Glob, Wild
from grantproof.iam.layers import Layers
from grantproof.iam.operators import Type
from grantproof.iam.pattern import Pattern, Variable
from grantproof.iam.policy import Policy, Statement

_EVERYTHING = Glob((Wild.ANY,))
_ANY_ARN = Glob((Wild.ANY, ":") * 5 + (Wild.ANY,))


class Effect(Enum):
    """The statements of a side that favour an escape if they fire; the others prevent it."""

    ALLOW = True
    DENY = False


def relaxed(layers: Layers, firing: Effect, assumptions: Assumptions) -> Layers:
    """The same policies without variables, so that at least as much escapes. A statement that favours an escape fires
    on every request on which it fires for any value; one that prevents it only on those on which it fires for every
    value."""

    return each_statement(layers, lambda s: _relaxed(s, assumptions, widen=s.allow == firing.value))


def each_statement(layers: Layers, made: Callable[[Statement], Statement | None]) -> Layers:
    """The same policies with each statement replaced, or removed."""

    def of(policy: Policy) -> Policy:
        statements = map(made, policy.statements)
        return replace(policy, statements=tuple(s for s in statements if s is not None))

    def each(policies: tuple[Policy, ...] | None) -> tuple[Policy, ...] | None:
        return None if policies is None else tuple(map(of, policies))

    def levels(found: tuple[tuple[Policy, ...], ...] | None) -> tuple[tuple[Policy, ...], ...] | None:
        return None if found is None else tuple(tuple(map(of, level)) for level in found)

    return replace(
        layers,
        identity=each(layers.identity) or (),
        resource=None if layers.resource is None else of(layers.resource),
        boundary=each(layers.boundary),
        session=each(layers.session),
        scp=levels(layers.scp),
        rcp=levels(layers.rcp),
        endpoint=each(layers.endpoint),
    )


def without_early(statement: Statement) -> Statement:
    """The statement without resources that have a variable before the fifth colon (O42)."""
    resources = statement.resources
    return statement if resources is None else replace(statement, resources=tuple(p for p in resources if not p.early))


def _relaxed(statement: Statement, assumptions: Assumptions, *, widen: bool) -> Statement | None:
    """The relaxed statement; None if it may never fire."""
    s = statement
    free = [p for p in (*(s.resources or ()), *(p for t in s.conditions for p in t.values)) if p.variables]
    if not free:
        return s
    if not widen and assumptions.reading("O9") == "void":
        # A variable without a value makes the whole statement void.
        return None
    resources = s.resources
    if resources is not None:
        resources = _patterns(resources, partial(_any_resource, assumptions=assumptions), widen=widen != s.not_resource)
        if not resources and not s.not_resource:
            return None
    tests = [_test(test, widen=widen) for test in s.conditions]
    if not widen and None in tests:
        return None
    return replace(s, resources=resources, conditions=tuple(test for test in tests if test is not None))


def _test(test: Test, *, widen: bool) -> Test | None:
    """A test that is true wherever this one is (`widen`), or only there; None if no such test is known."""
    if not any(p.variables for p in test.values):
        return test
    if test.operator.type is Type.BOOL:
        return None
    fill = _any_arn if test.operator.type is Type.ARN else _any_text
    values = _patterns(test.values, fill, widen=widen != test.operator.negated)
    return replace(test, values=values) if values else None


def _patterns(patterns: Sequence[Pattern], fill: Callable[[Pattern], Glob], *, widen: bool) -> tuple[Pattern, ...]:
    """Patterns that match whatever these match for some values of their variables (`widen`), or for all values."""
    out = []
    for pattern in patterns:
        if not pattern.variables:
            out.append(pattern)
        elif widen:
            found = fill(pattern)
            out.append(Pattern(pattern.outline, found.tokens, found))
    return tuple(out)


def _any_text(pattern: Pattern) -> Glob:
    return filled(pattern, {})


def _any_arn(pattern: Pattern) -> Glob:
    """Wildcards match within a field only, but a value can contain colons."""
    before = takewhile(lambda part: not isinstance(part, Variable), pattern.parts)
    in_last_field = sum(part.count(":") for part in before if isinstance(part, str)) >= 5
    return filled(pattern, {}) if in_last_field else _ANY_ARN


def _any_resource(pattern: Pattern, assumptions: Assumptions) -> Glob:
    """If wildcards do not match colons (O5), or nothing in the service field (O39), no wildcard matches all values."""
    stops = assumptions.reading("O5") == "segments" or (pattern.early and assumptions.reading("O39") == "never")
    return _EVERYTHING if stops else filled(pattern, {})
