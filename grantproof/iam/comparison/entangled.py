"""Policy variables at different places of patterns that have to match the same text.

`a${v}` and `${v}*` match the same text where the value is nothing but `a`s, `acme-${team}` and `${project}-logs` where
one value ends as the other begins. Values like these are made for each other, and no pattern spells them out.

Only patterns that *have to* match matter. Values that are nothing in particular get away from a pattern that must not
match wherever other values do: what matches them does so with the same variable at the same place, or with a wildcard.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from functools import partial
from itertools import combinations, islice, product, takewhile
from typing import NamedTuple

from grantproof.iam.comparison.effort import TooHard
from grantproof.iam.comparison.language import FRESH, generic_point, intersection, overlap
from grantproof.iam.document import PolicyType, Statement
from grantproof.iam.glob import Glob, Token, Wild, glob
from grantproof.iam.layers import Layers
from grantproof.iam.operators import Type
from grantproof.iam.pattern import Variable

Parts = tuple[Token | Variable, ...]
#: The first of the private characters that stand for what is free in a value, each for a text of its own.
FREE = 0xE001
_MOST_FREE, _FREE_OF_EACH = 0xFF, 15
_MOST_MEETINGS = 8
#: A user's ARN ends in the user's name (C49): with and without a path.
_USERS: tuple[Parts, ...] = tuple(
    (*glob(f"arn:*:iam::*:user/{path}").tokens, Variable("aws:username")) for path in ("", "*/")
)
_TEXT = (Type.STRING, Type.ARN, Type.BOOL)


class Needed(NamedTuple):
    """A pattern that a text has to match for a request to be allowed on one side only, or one of those of which one
    has to.

    Attributes:
        subject: the condition key, or nothing for the resource.
        group: of the statements of a group only one is needed.
        statement, test: where in the group; of one test's patterns only one is needed.
    """

    subject: str
    group: Hashable
    statement: int
    test: int
    parts: Parts

    def beside(self, other: Needed) -> bool:
        """May the same text have to match both?"""
        if self.subject != other.subject:
            return False
        return self.group != other.group or (self.statement == other.statement and self.test != other.test)


def needed(inner: Layers, outer: Layers, statements: Iterable[Statement]) -> list[Needed]:
    """The patterns that may have to match so that `inner` allows what `outer` does not: of an Allow of
    each layer of `inner`, of a Deny of `outer`, and those by which a Not form or a negated test of the statements that
    must not fire is got away from. `statements`: those that can matter."""
    matter = {id(statement) for statement in statements}
    mine, theirs = (_numbered(side) for side in (inner, outer))
    denied = {(type_, s.essence) for type_, _, s in mine if not s.allow}
    denies = [(type_, level, s) for type_, level, s in theirs if not s.allow and (type_, s.essence) not in denied]
    allows = [one for one in mine if one[2].allow]
    if not denies and _one_layer(inner) and _one_layer(outer):
        # What an Allow allows that stands on both sides is not missing on the other.
        there = {s.essence for _, _, s in theirs if s.allow}
        allows = [one for one in allows if one[2].essence not in there]
    out: list[Needed] = []
    for number, (type_, level, statement) in enumerate(allows):
        out += _to_fire(statement, (type_, level), number) if id(statement) in matter else ()
    for number, (_, _, statement) in enumerate(denies):
        out += _to_fire(statement, "denied", number) if id(statement) in matter else ()
    out += [Needed("aws:principalarn", "the caller", 0, 0, parts) for parts in _USERS]
    must_not = [s for _, _, s in mine if not s.allow] + [s for _, _, s in theirs if s.allow]
    for number, statement in enumerate(must_not):
        out += _not_to_fire(statement, number) if id(statement) in matter else ()
    return out


def _numbered(side: Layers) -> list[tuple[PolicyType, int, Statement]]:
    return [(type_, level, statement) for type_, level, policies in side.sets for _, statement in policies.entries]


def _one_layer(side: Layers) -> bool:
    return len(side.sets) == 1 and side.scp is None and side.rcp is None and not side.grants


def _to_fire(statement: Statement, group: Hashable, number: int) -> Iterator[Needed]:
    if not statement.not_resource:
        yield from (Needed("", group, number, 0, p.parts) for p in statement.resources or ())
    for at, test in enumerate(statement.conditions):
        if test.operator.type in _TEXT and not test.operator.negated:
            yield from (Needed(test.key, group, number, at, p.parts) for p in test.values)


def _not_to_fire(statement: Statement, number: int) -> Iterator[Needed]:
    """One test that fails is enough, so that each statement counts as one."""
    group = ("kept from firing", number)
    if statement.not_resource:
        yield from (Needed("", group, 0, 0, p.parts) for p in statement.resources or ())
    for test in statement.conditions:
        if test.operator.type in _TEXT and (test.operator.negated or test.operator.type is Type.BOOL):
            yield from (Needed(test.key, group, 0, 0, p.parts) for p in test.values)


# --- which of them meet at values made for each other -----------------------------------------------------------------


class Entangled(NamedTuple):
    """Two patterns that may meet for values that are made for it, without what both begin or end with; and the free
    variables in them."""

    left: Parts
    right: Parts
    keys: frozenset[str]


def entangled(patterns: Iterable[Needed], free: frozenset[str]) -> list[Entangled]:
    """Each such two. `free`: the variables that the caller does not settle."""
    found: dict[Entangled, None] = {}
    holding = [one for one in dict.fromkeys(patterns) if keys_of(one.parts) & free]
    for one, other in combinations(holding, 2):
        if not one.beside(other):
            continue
        left, right = _stripped(*_stripped(one.parts, other.parts, forwards=True), forwards=False)
        mine, theirs = keys_of(left) & free, keys_of(right) & free
        if not (mine and theirs and _overlap(left, right) and _may_be_of_one_length(left, right)):
            continue
        if mine & theirs or _may_cross(left, right, free):
            found[Entangled(left, right, mine | theirs)] = None
    return list(found)


def _stripped(one: Parts, other: Parts, *, forwards: bool) -> tuple[Parts, Parts]:
    """Both without the literal text and the variables with which both begin, or end."""
    at = 0 if forwards else -1
    left, right = list(_letters(one)), list(_letters(other))
    while left and right and _same(left[at], right[at]):
        left.pop(at)
        right.pop(at)
    return tuple(left), tuple(right)


def _same(one: Token | Variable, other: Token | Variable) -> bool:
    """Do both stand for the same text? A default is for a variable without value, which is another matter."""
    if isinstance(one, Variable) and isinstance(other, Variable):
        return one.key == other.key
    return isinstance(one, str) and one == other


def _letters(parts: Parts) -> Iterator[Token | Variable]:
    for part in parts:
        yield from part if isinstance(part, str) else (part,)


def keys_of(parts: Parts) -> frozenset[str]:
    """The variables in a pattern."""
    return frozenset(part.key for part in parts if isinstance(part, Variable))


def _whole(parts: Parts) -> Glob:
    """A pattern with any text for its variables."""
    return Glob(Wild.ANY if isinstance(part, Variable) else part for part in parts)


def _overlap(left: Parts, right: Parts) -> bool:
    return overlap(_whole(left), _whole(right))


def _may_be_of_one_length(left: Parts, right: Parts) -> bool:
    """With the same variables and without wildcards, only texts of one length are."""
    if any(isinstance(part, Wild) for part in (*left, *right)):
        return True
    fixed = [sum(isinstance(part, str) for part in parts) for parts in (left, right)]
    variables = [sorted(part.key for part in parts if isinstance(part, Variable)) for parts in (left, right)]
    return variables[0] != variables[1] or fixed[0] == fixed[1]


def _may_cross(left: Parts, right: Parts, free: frozenset[str]) -> bool:
    """May a value of the one begin before one of the other, and end inside it? Where one holds the other, or they are
    apart, each is found by itself; and so it is where nothing else is free, so that it is plain where both begin."""
    if all(len(keys_of(parts)) == 1 and not any(isinstance(p, Wild) for p in parts) for parts in (left, right)):
        return False
    places = ([n for n, p in enumerate(parts) if isinstance(p, Variable) and p.key in free] for parts in (left, right))
    for at, to in product(*places):
        before, after = (left[:at], right[:to]), (left[at + 1 :], right[to + 1 :])
        if _shorter(*before) and _shorter(*after[::-1]):
            return True
        if _shorter(*before[::-1]) and _shorter(*after):
            return True
    return False


def _shorter(one: Parts, other: Parts) -> bool:
    """May what stands for the one be shorter than what stands for the other?"""
    if any(isinstance(part, Variable) or part is Wild.ANY for part in other):
        return True
    return sum(part is not Wild.ANY for part in one) < len(other)


# --- values made for each other ---------------------------------------------------------------------------------------


def made(pair: Entangled) -> Iterator[dict[str, str]]:
    """Some values of the variables with which both patterns match the same text. Not all that there are."""
    for key in sorted(pair.keys):
        yield from ({key: text} for parts in (pair.left, pair.right) for text in _ends(parts))
    try:
        meetings = intersection(_whole(pair.left), _whole(pair.right))
    except TooHard:
        return
    for text in (told_apart(generic_point(one)) for one in islice(meetings, _MOST_MEETINGS)):
        for left, right in product(_ways(pair.left, text), _ways(pair.right, text)):
            found = {**left, **right}
            if {**right, **left} == found:
                yield {key: value for key, value in found.items() if key in pair.keys}


def _ends(parts: Parts) -> Iterator[str]:
    """The literal text with which a pattern begins, and with which it ends."""
    for letters in (parts, parts[::-1]):
        text = "".join(str(part) for part in takewhile(lambda part: isinstance(part, str), letters))
        if text:
            yield text if letters is parts else text[::-1]


def told_apart(text: str, number: int = 0) -> str:
    """A generic point as the value of variable `number`: each free part gets a character of its own, so that it matches
    no other."""
    first, *pieces = text.split(FRESH)
    marks = (chr(FREE + (number * _FREE_OF_EACH + at) % _MOST_FREE) for at in range(len(pieces)))
    return first + "".join(mark + piece for mark, piece in zip(marks, pieces, strict=True))


def _ways(parts: Parts, text: str) -> list[Mapping[str, str]]:
    """Values with which a pattern matches a text: the shortest and the longest."""
    matches = (re.fullmatch(_expression(parts, lazy), text, re.DOTALL) for lazy in ("?", ""))
    names = {f"v{n}": key for n, key in enumerate(sorted(keys_of(parts)))}
    return [{names[name]: value for name, value in found.groupdict().items()} for found in matches if found is not None]


def _expression(parts: Parts, lazy: str) -> str:
    numbers = {key: n for n, key in enumerate(sorted(keys_of(parts)))}
    seen: set[str] = set()
    return "".join(map(partial(_piece, numbers, seen, lazy), parts))


def _piece(numbers: Mapping[str, int], seen: set[str], lazy: str, part: Token | Variable) -> str:
    if isinstance(part, str):
        return re.escape(part)
    if isinstance(part, Wild):
        return f".*{lazy}" if part is Wild.ANY else "."
    if part.key in seen:
        return f"(?P=v{numbers[part.key]})"
    seen.add(part.key)
    return f"(?P<v{numbers[part.key]}>.+{lazy})"
