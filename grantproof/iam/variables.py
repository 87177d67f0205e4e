"""Policy variables in a comparison: which values of them can matter.

A variable whose value is nothing in particular is a text that no pattern spells out, and is treated as such. Others
matter only where they make a pattern with the variable meet another pattern, or where a condition on the variable's
own key names them; those are found here. Where the values cannot matter at all, that is seen first, and cheaply.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import Enum
from itertools import product

from grantproof.iam.callers import Caller
from grantproof.iam.condition import Type
from grantproof.iam.document import Policy, Statement
from grantproof.iam.glob import Glob, Wild
from grantproof.iam.language import FRESH, TooHard, fragments, generic_point, intersection
from grantproof.iam.layers import Layers
from grantproof.iam.pattern import Pattern, Variable
from grantproof.iam.request import Values
from grantproof.iam.values import MISSING

#: The first of the private characters that stand for values that are nothing in particular, one for each variable.
FIRST = 0xE100
#: Stands for what is free in a special value, as `FRESH` does elsewhere.
_FREE = "\ue001"
_MOST_SPECIAL = 32
_MOST_ASSIGNMENTS = 256


def generic_values(variables: frozenset[str], caller: Caller) -> dict[str, Values]:
    """Every variable with a value that is nothing in particular, but for those that the caller settles.

    Raises:
        TooHard: `aws:PrincipalArn` stands as a variable, for callers whose name is free.
    """
    if not variables:
        return {}
    settled = caller.states(variables)
    if "aws:principalarn" in variables and caller.names:
        raise TooHard("aws:PrincipalArn stands as a policy variable")
    return {
        key: settled[key][0] if key in settled else (chr(FIRST + number),)
        for number, key in enumerate(sorted(variables))
    }


def special_values(
    variables: frozenset[str], caller: Caller, statements: tuple[Statement, ...]
) -> Iterator[dict[str, Values]]:
    """The other assignments that can matter: a variable without value, and with each value by which a pattern with the
    variable meets another pattern, or which a condition on its own key names.

    Raises:
        TooHard: there are too many of them.
    """
    generic = generic_values(variables, caller)
    settled = caller.states(variables)
    choices: list[list[Values]] = []
    total = 1
    for key in sorted(variables):
        own = [] if key in settled else [MISSING, *((text,) for text in _values_of(key, generic, statements))]
        choices.append([generic[key], *own])
        total *= len(choices[-1])
    if total > _MOST_ASSIGNMENTS:
        raise TooHard(f"the policy variables have {total} combinations of values that may matter")
    for number, values in enumerate(product(*choices)):
        if number:
            yield dict(zip(sorted(variables), values, strict=True))


def _values_of(key: str, generic: Mapping[str, Values], statements: tuple[Statement, ...]) -> list[str]:
    found: dict[Glob, None] = {}
    for statement in statements:
        for test in statement.conditions:
            if test.key == key and test.operator.type in (Type.STRING, Type.ARN):
                found.update((filled(pattern, generic), None) for pattern in test.values)
    for patterns in _comparable(statements):
        places = [place for pattern in patterns for place in _around(pattern, key, generic)]
        wholes = [filled(pattern, generic, key) for pattern in patterns] if places else []
        for before, after in dict.fromkeys(places):
            found.update((part, None) for whole in wholes for part in fragments(before, after, whole))
    closed = list(found)
    for one in closed:
        closed += [p for other in closed for p in intersection(one, other) if p not in closed]
        if len(closed) > _MOST_SPECIAL:
            raise TooHard(f"the policy variable {key} meets other patterns in too many ways")
    texts = (generic_point(one).replace(FRESH, _FREE) for one in closed)
    return [text for text in dict.fromkeys(texts) if text]


def _comparable(statements: tuple[Statement, ...]) -> Iterator[list[Pattern]]:
    """Patterns that are compared with the same text: all of resources, and those of each condition key."""
    yield list(dict.fromkeys(pattern for statement in statements for pattern in statement.resources or ()))
    by_key: dict[str, dict[Pattern, None]] = {}
    for statement in statements:
        for test in statement.conditions:
            by_key.setdefault(test.key, {}).update(dict.fromkeys(test.values))
    yield from (list(patterns) for patterns in by_key.values())


def filled(pattern: Pattern, values: Mapping[str, Values], free: str = "") -> Glob:
    """A pattern with the values of its variables, and any text for the variable `free` and for those without value."""
    if pattern.fixed is not None:
        return pattern.fixed
    tokens = []
    for part in pattern.parts:
        if not isinstance(part, Variable):
            tokens.append(part)
        elif part.key == free or not values.get(part.key):
            tokens.append(Wild.ANY)
        else:
            tokens.append(values[part.key][0])
    return Glob(tokens)


def _around(pattern: Pattern, key: str, values: Mapping[str, Values]) -> Iterator[tuple[Glob, Glob]]:
    """What stands before and after each place of a variable."""
    for at, part in enumerate(pattern.parts):
        if isinstance(part, Variable) and part.key == key:
            before, after = (
                replace(pattern, parts=parts, fixed=None) for parts in (pattern.parts[:at], pattern.parts[at + 1 :])
            )
            yield filled(before, values, key), filled(after, values, key)


class Effect(Enum):
    """Which of a side's statements count for an escape when they fire; the others count against it."""

    ALLOW = True
    DENY = False


def relaxed(layers: Layers, firing: Effect) -> Layers:
    """The same policies without variables, so that more escapes and nothing less: where firing is good for an escape, a
    variable stands for any text and a condition with one holds; where it is bad, such a statement never fires."""

    def of(policy: Policy) -> Policy:
        statements = (_relaxed(s, s.allow == firing.value) for s in policy.statements)
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


def _relaxed(statement: Statement, good: bool) -> Statement | None:
    free = [pattern for pattern in statement.resources or () if pattern.variables]
    tests = tuple(test for test in statement.conditions if not any(p.variables for p in test.values))
    if not free and len(tests) == len(statement.conditions):
        return statement
    if not good:
        return None
    resources = statement.resources
    if resources is not None and statement.not_resource:
        resources = tuple(pattern for pattern in resources if not pattern.variables)
    elif resources is not None:
        resources = tuple(_anything(pattern) for pattern in resources)
    return replace(statement, resources=resources, conditions=tests)


def _anything(pattern: Pattern) -> Pattern:
    glob = filled(pattern, {})
    return Pattern(pattern.text, glob.tokens, glob)
