"""Equations between words: for which values of their unknowns are two words the same text?

A pattern with policy variables is a word of letters and unknowns: a variable is the same unknown wherever it occurs,
and each wildcard is an unknown of its own. Two patterns match the same text if their words are equal. All solutions are
instances of a few *most general* ones, in which only what is arbitrary is still unknown (G. Plotkin's pig-pug
algorithm, with Levi's lemma: the first symbols of two equal words are equal, or one begins with the other).

Why this is enough: at the *generic point* of a solution, each remaining unknown is a text of private characters
(`language.FRESH`). Any other pattern that matches there has matched them by a wildcard, or as the value of the same
variable, so it matches all instances of the solution. Each instance therefore matches at least what the generic point
matches.

Exact if there are finitely many solutions, as there are if no unknown is on both sides at different positions. `aU =
Ua` has one for each number of `a`s; such an equation leads back to itself, which is noticed and reported as incomplete.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import count
from typing import NamedTuple

from grantproof.iam.comparison.effort import TooHard
from grantproof.iam.glob import folded, spellings

#: The greatest number of steps for one equation, and for all those of a comparison's variables.
_MOST_OF_ONE, _MOST_OF_ALL = 400, 20_000
_TWICE = 2


class Unknown(NamedTuple):
    """An unknown text.

    Attributes:
        one: it is one character.
        filled: it is not empty; else it can be empty or not.
        among: it is one of these characters.
    """

    number: int
    one: bool = False
    filled: bool = False
    among: str = ""


Symbol = str | Unknown
Word = tuple[Symbol, ...]
#: The bindings of unknowns, to be applied in order.
Bound = tuple[tuple[Unknown, Word], ...]
#: Two words, the bindings so far, and the equations on the way to them.
_Open = tuple[Word, Word, Bound, tuple[tuple[Word, ...], ...]]


def put(word: Word, bound: Bound) -> Word:
    """A word with its unknowns replaced by what they are bound to."""
    for unknown, by in bound:
        if unknown in word:
            word = tuple(piece for symbol in word for piece in (by if symbol == unknown else (symbol,)))
    return word


def renamed(*words: Word) -> tuple[Word, ...]:
    """The words with their unknowns numbered in order, so that words that differ only in these numbers are equal."""
    numbers: dict[int, int] = {}
    return tuple(
        tuple(s if isinstance(s, str) else s._replace(number=numbers.setdefault(s.number, len(numbers))) for s in word)
        for word in words
    )


class Equations:
    """Solves equations. `doubt` says why some solutions may not have been found."""

    def __init__(self) -> None:
        self._numbers = count()
        self._left = _MOST_OF_ALL
        self.doubt = ""

    def unknown(self, *, one: bool = False, filled: bool = False) -> Unknown:
        """A new unknown text."""
        return Unknown(next(self._numbers), one, filled)

    def solutions(
        self, left: Word, right: Word, loose: Collection[Unknown], *, ignore_case: bool = False
    ) -> Iterator[Bound]:
        """The most general solutions. `loose`: the unknowns that occur nowhere else. `ignore_case`: case does not
        matter; a letter in a solution then stands for that letter in any case.

        Raises:
            TooHard: too many steps.
        """
        start = (caseless(left), caseless(right)) if ignore_case else (left, right)
        todo: list[_Open] = [(*start, (), ())]
        found = came_back = gave_up = False
        loose = set(loose)
        steps = 0
        while todo:
            one, other, bound, path = todo.pop()
            one, other = _stripped(one, other)
            if not one and not other:
                found = True
                yield bound
                continue
            if not _may_be_equal(one, other):
                continue
            self._spend()
            steps += 1
            at = renamed(one, other)
            if at in path:
                came_back = True
                if path.count(at) >= _TWICE:
                    continue
            if steps > _MOST_OF_ONE:
                gave_up = True
                break
            # Steps that make the equation shorter are tried first.
            for more in reversed(tuple(self._first(*_turned(one, other, loose), loose, ignore_case=ignore_case))):
                there = tuple((unknown, caseless(by)) for unknown, by in more) if ignore_case else more
                todo.append((put(one, there), put(other, there), (*bound, *more), (*path, at)))
        # If it came back and there was no other way, there is no solution: a solution can be found without a circle.
        if gave_up or (came_back and found):
            self.doubt = self.doubt or "policy variables stand at different places of patterns that may meet"

    def _spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise TooHard("policy variables meet other patterns in too many ways")

    def _first(
        self, one: Word, other: Word, backwards: bool, loose: set[Unknown], *, ignore_case: bool
    ) -> Iterator[Bound]:
        """The possible relations of the first symbols, which differ. `backwards`: the words are read from the end."""
        if not one or not other:
            first = (one or other)[0]
            if isinstance(first, Unknown) and not (first.one or first.filled):
                yield ((first, ()),)
            return
        mine, theirs = one[0], other[0]
        if isinstance(mine, str) or (mine.one and isinstance(theirs, Unknown)):
            mine, theirs = theirs, mine
        if isinstance(mine, str):
            return
        if ignore_case and isinstance(theirs, Unknown) and not loose & {mine, theirs}:
            self.doubt = self.doubt or "policy variables are compared with each other without regard to case"
        if mine.one:
            yield from (
                ((unknown, self._in_any_case(by, ignore_case=ignore_case)),)
                for unknown, by in _same_character(mine, theirs)
            )
            return
        if not mine.filled:
            yield ((mine, ()),)
        if isinstance(theirs, str) or theirs.one:
            rest = self._rest(mine, loose)
            yield ((mine, _joined(self._in_any_case((theirs,), ignore_case=ignore_case), rest, backwards=backwards)),)
            return
        if not theirs.filled:
            yield ((theirs, ()),)
        # From here on neither is empty; otherwise an equation might never get shorter.
        filled = tuple((u, (self._rest(u, loose, filled=True),)) for u in (mine, theirs) if not u.filled)
        left, right = (put((unknown,), filled)[0] for unknown in (mine, theirs))
        for here, there, more in ((left, right, False), (right, left, True)):
            assert isinstance(here, Unknown)
            yield (*filled, (here, _joined((there,), self._rest(here, loose, filled=more), backwards=backwards)))
            if here not in loose and isinstance(there, Unknown):
                loose.discard(there)

    def _rest(self, of: Unknown, loose: set[Unknown], *, filled: bool = False) -> Unknown:
        """The rest of an unknown after a part of it is known."""
        rest = self.unknown(filled=filled)
        if of in loose:
            loose.add(rest)
        return rest

    def _in_any_case(self, word: Word, *, ignore_case: bool) -> Word:
        """The word with each letter in any case, if case does not matter."""
        if not ignore_case:
            return word
        return tuple(self._spelt(s) if isinstance(s, str) else s for s in word)

    def _spelt(self, letter: str) -> Symbol:
        among = "".join(sorted(spellings(letter)))
        return Unknown(next(self._numbers), one=True, among=among) if len(among) > 1 else letter


def caseless(word: Word) -> Word:
    """A word without regard to case."""
    return tuple(folded(s) if isinstance(s, str) else folded(s.among[0]) if s.among else s for s in word)


def _same_character(mine: Unknown, theirs: Symbol) -> Iterator[tuple[Unknown, Word]]:
    if isinstance(theirs, str):
        if not mine.among or theirs in mine.among:
            yield mine, (theirs,)
    elif not mine.among:
        yield mine, (theirs,)
    elif theirs.among in ("", mine.among):
        # Characters that are told apart by their case alone: two such sets are the same, or have nothing in common.
        yield theirs, (mine,)


def _stripped(one: Word, other: Word) -> tuple[Word, Word]:
    """Both words without their common beginning and end."""
    most = min(len(one), len(other))
    start = 0
    while start < most and one[start] == other[start]:
        start += 1
    end = 0
    while end < most - start and one[-1 - end] == other[-1 - end]:
        end += 1
    return one[start : len(one) - end], other[start : len(other) - end]


def _joined(word: Word, rest: Unknown, *, backwards: bool) -> Word:
    return (rest, *word) if backwards else (*word, rest)


def _turned(one: Word, other: Word, loose: set[Unknown]) -> tuple[Word, Word, bool]:
    """Both words, read from the end at which there is no wildcard, which would match the other word piece by piece."""
    backwards = _begins_loose(one, other, loose) and not _begins_loose(one[::-1], other[::-1], loose)
    return (one[::-1], other[::-1], True) if backwards else (one, other, False)


def _begins_loose(one: Word, other: Word, loose: set[Unknown]) -> bool:
    return any(s in loose and isinstance(s, Unknown) and not s.one for s in (one[:1] + other[:1]))


def _may_be_equal(one: Word, other: Word) -> bool:
    """Can two words be equal? Not if they begin or end with different letters, or if one has letters that the other
    cannot have."""
    if one and other:
        for mine, theirs in ((one[0], other[0]), (one[-1], other[-1])):
            if isinstance(mine, str) and isinstance(theirs, str) and mine != theirs:
                return False
    more: dict[Symbol, int] = {}
    for symbol in one:
        more[symbol] = more.get(symbol, 0) + 1
    for symbol in other:
        more[symbol] = more.get(symbol, 0) - 1
    # An unknown that occurs equally often on both sides adds the same letters to both.
    of_one = any(n > 0 for s, n in more.items() if isinstance(s, Unknown))
    of_other = any(n < 0 for s, n in more.items() if isinstance(s, Unknown))
    letters = [n for s, n in more.items() if isinstance(s, str)]
    return (of_other or all(n <= 0 for n in letters)) and (of_one or all(n >= 0 for n in letters))
