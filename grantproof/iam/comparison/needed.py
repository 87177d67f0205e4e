"""Which patterns have to match so that one side allows a request and the other does not.

Only these can make particular values of policy variables matter. Patterns that must *not* match need none: generic
values do not match them wherever other values do not (`equations`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from grantproof.iam.comparison.effort import TooHard
from grantproof.iam.comparison.points import points
from grantproof.iam.condition import Test
from grantproof.iam.glob import Token, glob
from grantproof.iam.layers import Layers
from grantproof.iam.operators import Set, Type
from grantproof.iam.pattern import Variable
from grantproof.iam.policy import PolicyType, Statement

Parts = tuple[Token | Variable, ...]
#: What is compared: a condition key ("" for the resource), and the number of one of its values if it has several.
Subject = tuple[str, int]
RESOURCE: Subject = ("", 0)
_ARN = "aws:principalarn"
#: A user's ARN ends in the user's name (C49): with and without a path.
_USERS: tuple[Parts, ...] = tuple(
    (*glob(f"arn:*:iam::*:user/{path}").tokens, Variable("aws:username")) for path in ("", "*/")
)
_MOST_VALUES = 4


class Matching(NamedTuple):
    """A text matches one of some patterns.

    Attributes:
        ignore_case: the comparison ignores case.
        unless_missing: the key may be missing instead.
        compared_as: the type of the comparison if it is not text; the patterns are then samples.
    """

    subject: Subject
    patterns: tuple[Parts, ...]
    ignore_case: bool = False
    unless_missing: bool = False
    compared_as: str = ""


class Group(NamedTuple):
    """Statements of which one has to fire, or has to be kept from firing: for each, all that has to match.

    Attributes:
        optional: none of them may do so.
        enough: if one does already, the others need not be tried.
    """

    ways: tuple[tuple[Matching, ...], ...]
    optional: bool = True
    enough: bool = False


def needed(inner: Layers, outer: Layers, statements: Iterable[Statement], *, tags_ignore_case: bool) -> list[Group]:
    """What may have to match so that `inner` allows what `outer` does not: an Allow of each layer of `inner`, a Deny of
    `outer`, and the Not forms and negated tests that keep other statements from firing.

    Args:
        statements: those that can matter.
        tags_ignore_case: values of `aws:RequestTag` are compared without regard to case (O23).

    Raises:
        TooHard: a key of several values may have to be empty beside others.
    """
    matter = tuple(statements)
    ids = {id(statement) for statement in matter}
    mine, theirs = (_numbered(side) for side in (inner, outer))
    denied = {(type_, s.essence) for type_, _, s in mine if not s.allow}
    denies = [s for type_, _, s in theirs if not s.allow and (type_, s.essence) not in denied]
    allows = [one for one in mine if one[2].allow]
    if not denies and _one_layer(inner) and _one_layer(outer):
        # What an Allow that stands on both sides allows cannot escape.
        there = {s.essence for _, _, s in theirs if s.allow}
        allows = [one for one in allows if one[2].essence not in there]
    tests = _Tests(matter, tags_ignore_case=tags_ignore_case)
    # Each layer must allow; only where policies name callers may one layer do instead of another.
    optional = any(layer is not None for layer in (inner.resource, inner.rcp, inner.endpoint))
    layers: dict[tuple[PolicyType, int], list[tuple[Matching, ...]]] = {}
    for type_, level, statement in allows:
        if id(statement) in ids:
            layers.setdefault((type_, level), []).append(tuple(tests.to_fire(statement)))
    out = [Group(tuple(dict.fromkeys(ways)), optional) for ways in layers.values()]
    out.append(Group(tuple(dict.fromkeys(tuple(tests.to_fire(s)) for s in denies if id(s) in ids))))
    out.append(Group(((Matching((_ARN, 0), _USERS),),)))
    must_not = [s for _, _, s in mine if not s.allow] + [s for _, _, s in theirs if s.allow]
    for statement in dict.fromkeys(s for s in must_not if id(s) in ids):
        out.append(Group(tuple(tests.not_to_fire(statement)), enough=True))
    return [group for group in out if group.ways]


def _numbered(side: Layers) -> list[tuple[PolicyType, int, Statement]]:
    return [(type_, level, statement) for type_, level, policies in side.sets for _, statement in policies.entries]


def _one_layer(side: Layers) -> bool:
    return len(side.sets) == 1 and side.scp is None and side.rcp is None and not side.grants


class _Tests:
    """What the conditions and resources of statements require to match.

    Args:
        statements: all that can matter.
        tags_ignore_case: values of `aws:RequestTag` are compared without regard to case (O23).
    """

    def __init__(self, statements: Iterable[Statement], *, tags_ignore_case: bool) -> None:
        self._tags_ignore_case = tags_ignore_case
        self._in_sets: dict[str, list[Test]] = {}
        plain: set[str] = set()
        for test in (test for statement in statements for test in statement.conditions):
            if test.operator.prefix is Set.NONE:
                plain.add(test.key)
            elif test not in (found := self._in_sets.setdefault(test.key, [])):
                found.append(test)
        # A key that a plain operator tests carries one value (O24).
        for key in plain & self._in_sets.keys():
            del self._in_sets[key]

    def to_fire(self, statement: Statement) -> Iterator[Matching]:
        """What has to match for a statement to fire."""
        if not statement.not_resource and statement.resources is not None:
            yield Matching(RESOURCE, tuple(p.parts for p in statement.resources))
        for test in statement.conditions:
            if not test.operator.negated:
                yield from self._matching(test, some=test.operator.prefix is Set.ANY)

    def not_to_fire(self, statement: Statement) -> Iterator[tuple[Matching, ...]]:
        """What has to match to keep a statement from firing: any one of these is enough."""
        if statement.not_resource:
            yield (Matching(RESOURCE, tuple(p.parts for p in statement.resources or ())),)
        for test in statement.conditions:
            if test.operator.negated or test.operator.type is Type.BOOL:
                yield tuple(self._matching(test, some=test.operator.prefix is Set.ALL, missing=False))

    def _matching(self, test: Test, *, some: bool, missing: bool = True) -> Iterator[Matching]:
        """`some`: it is enough that one of several values matches. `missing`: or that the operator accepts a missing
        key."""
        if test.operator.type is Type.NULL:
            return
        patterns = _patterns(test)
        unless_missing = missing and (test.operator.if_exists or test.operator.prefix is Set.ALL)
        beside = self._in_sets.get(test.key, [])
        if len(beside) > _MOST_VALUES:
            raise TooHard(f"{test.key} may have many values, and policy variables stand for some of them")
        # One value for each test that may need one of its own, and one for what none may be without: text.
        number = beside.index(test) if beside else 0
        ignore_case = ignores_case(test, tags_ignore_case=self._tags_ignore_case)
        for n in (number,) if some else range(max(1, len(beside) + any(not p for p in patterns))):
            yield Matching((test.key, n), patterns, ignore_case, unless_missing, _compared_as(test))


def ignores_case(test: Test, *, tags_ignore_case: bool) -> bool:
    """Does a test ignore case? With `tags_ignore_case`, tests of `aws:RequestTag` do too (O23)."""
    of_tags = tags_ignore_case and test.key.startswith("aws:requesttag/")
    return of_tags or test.operator.ignore_case or test.operator.type is Type.BOOL


def _compared_as(test: Test) -> str:
    return "" if test.operator.type in (Type.STRING, Type.ARN, Type.BOOL) else test.operator.type.value


def _patterns(test: Test) -> tuple[Parts, ...]:
    found = tuple(pattern.parts for pattern in test.values)
    if test.operator.type is Type.BOOL:
        return *found, ("true",), ("false",)
    if test.operator.type in (Type.STRING, Type.ARN):
        return found
    return tuple((text,) for text in points(test.operator.type, [pattern.text for pattern in test.values]))
