"""Policy variables in a comparison, with generic values: texts that no pattern spells out.

Where it is easily seen that no other values can matter, this module says so; otherwise `assignments` finds those that
do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from grantproof.iam.comparison.caller import Caller
from grantproof.iam.comparison.effort import TooHard
from grantproof.iam.comparison.language import FRESH, covers, overlap
from grantproof.iam.comparison.patterns import EVERY_RESOURCE, Patterns
from grantproof.iam.glob import Glob, Token, Wild
from grantproof.iam.layers import Layers, service_of
from grantproof.iam.pattern import Pattern, Variable
from grantproof.iam.policy import Statement
from grantproof.iam.request import Values

#: The first of the private characters of which generic values are made.
FIRST = 0xE100
#: The greatest length of a generic value; each variable has as many private characters of its own.
MOST_LENGTH = 8
_MOST_NUMBERS = 0xF00 // MOST_LENGTH


def generic_values(variables: frozenset[str], caller: Caller, length: int = 1) -> dict[str, Values]:
    """A generic value for every variable, except those that the caller determines.

    Args:
        length: of the values; it matters to patterns that count characters.

    Raises:
        TooHard: `aws:PrincipalArn` stands as a variable, for callers whose name is free.
    """
    if not variables:
        return {}
    settled = caller.states(variables)
    if "aws:principalarn" in variables and caller.names:
        raise TooHard("aws:PrincipalArn stands as a policy variable")
    return {
        key: settled[key][0] if key in settled else (private(number, length),)
        for number, key in enumerate(sorted(variables))
    }


def private(number: int, length: int = 1) -> str:
    """A text of private characters, all different; texts of different numbers share none.

    Raises:
        TooHard: the private characters are used up.
    """
    if number >= _MOST_NUMBERS:
        raise TooHard("policy variables may have values of too many parts")
    return "".join(chr(FIRST + number * MOST_LENGTH + at) for at in range(length))


def longest(statements: Iterable[Statement]) -> int:
    """The length from which on no pattern can tell the length of a value: one more than the `?` of any pattern that may
    match a text with a variable in it.

    Raises:
        TooHard: too long.
    """
    counted = max(_counted(tuple(statements)), default=0)
    if counted >= MOST_LENGTH:
        raise TooHard("policy variables meet patterns that count many characters")
    return 1 + counted


def _counted(statements: tuple[Statement, ...]) -> Iterator[int]:
    for patterns in _comparable(statements):
        holding = [filled(pattern, {}) for pattern in patterns if pattern.fixed is None]
        for pattern in patterns:
            count = pattern.text.count("?")
            if count and any(overlap(filled(pattern, {}), other) for other in holding):
                yield count
    variables = {v.key for patterns in _comparable(statements) for p in patterns for v in p.variables}
    for test in (test for statement in statements for test in statement.conditions if test.key in variables):
        yield from (pattern.text.count("?") for pattern in test.values)


def settled_by_generic(inner: Layers, outer: Layers, free: frozenset[str]) -> bool:
    """If nothing escapes with generic values of variables, does nothing escape with any? Sound, not complete.

    A pattern that matches another's generic point with generic values in it matches all that the other matches, for any
    values: each part matches the same part. That argument needs that nothing depends on what a pattern does *not* match
    (Not forms) or shares with another pattern, on lengths, on conditions with these values, or on a default, which
    applies without a value; and that the patterns are ARNs.

    Args:
        outer: has no Deny that `inner` has not.
        free: the variables that the caller does not determine.
    """
    sides = (inner, outer)
    limits = (inner.resource, inner.boundary, inner.session, inner.scp, inner.rcp, inner.endpoint)
    statements = tuple(s for side in sides for _, _, policies in side.sets for _, s in policies.entries)
    if any(limit is not None for limit in limits) or inner.grants or longest(statements) > 1:
        return False
    for statement in statements:
        for pattern in statement.resources or ():
            with_values = filled(pattern, {v.key: (FRESH,) for v in pattern.variables})
            is_arn = covers(EVERY_RESOURCE[1], with_values)
            held = [v for v in pattern.variables if v.key in free]
            if statement.not_resource or (held and not is_arn) or any(v.default is not None for v in held):
                return False
        for test in statement.conditions:
            if test.key in free or any(v.key in free for pattern in test.values for v in pattern.variables):
                return False
    return True


def relevant(inner: Layers, outer: Layers) -> tuple[Statement, ...]:
    """The statements that may fire on a request that `inner` allows; the others cannot matter."""
    of_inner, of_outer = ([s for _, _, policies in side.sets for _, s in policies.entries] for side in (inner, outer))
    allows = [s for s in of_inner if s.allow]
    if any(s.not_action for s in allows):
        return (*of_inner, *of_outer)
    allowed = Patterns((one for s in allows for one in s.actions), service_of)

    def may_fire(statement: Statement) -> bool:
        met = (overlap(one, other) for one in statement.actions for other in allowed.near(one))
        return statement.not_action or any(met)

    return (*allows, *(s for s in of_inner if not s.allow and may_fire(s)), *filter(may_fire, of_outer))


def _comparable(statements: tuple[Statement, ...]) -> Iterator[list[Pattern]]:
    """Groups of patterns that are compared with the same text: those of resources, and those of each condition key."""
    yield list(dict.fromkeys(pattern for statement in statements for pattern in statement.resources or ()))
    by_key: dict[str, dict[Pattern, None]] = {}
    for statement in statements:
        for test in statement.conditions:
            by_key.setdefault(test.key, {}).update(dict.fromkeys(test.values))
    yield from (list(patterns) for patterns in by_key.values())


def filled(pattern: Pattern, values: Mapping[str, Values]) -> Glob:
    """A pattern with the values of its variables filled in; a wildcard for those without value."""
    if pattern.fixed is not None:
        return pattern.fixed
    tokens: list[Token] = []
    for part in pattern.parts:
        if not isinstance(part, Variable):
            tokens.append(part)
        elif not values.get(part.key):
            tokens.append(Wild.ANY)
        else:
            tokens.append(values[part.key][0])
    return Glob(tokens)
