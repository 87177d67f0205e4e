"""Equations between words: for which values of what is unknown in them are two words the same text?

A pattern with policy variables is a word of letters and unknowns: a variable stands for the same text wherever it
stands, each wildcard for a text of its own. Two patterns match one text where their words are equal, and all solutions
are instances of a few *most general* ones, in which only what is free is left unknown (G. Plotkin's pig-pug, over
Levi's lemma: of two words that are equal, the first symbols are equal, or one begins with the other).

Why that is enough: a free unknown is a text of private characters (`language.FRESH`) at the *generic point* of a
solution. Whatever other pattern matches there, has taken them by a wildcard, or as the value of the same variable, and
matches all instances of the solution alike. So each instance matches what the generic point matches, and perhaps more.

Exact where solutions come to an end, as they do where no unknown stands on both sides at different places. `aU = Ua`
has one for each number of `a`s; such equations are told by coming back to themselves, and say that they are not done.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import count
from typing import NamedTuple

from grantproof.iam.comparison.effort import TooHard
from grantproof.iam.glob import folded, spellings

#: So many steps are taken for one equation, and for all those of a comparison's variables.
_MOST_OF_ONE, _MOST_OF_ALL = 400, 20_000
_TWICE = 2


class Unknown(NamedTuple):
    """A text that is not known.

    Attributes:
        one: it is one character.
        filled: it is not empty; where that is not said, it may be or not.
        among: it is one of these characters.
    """

    number: int
    one: bool = False
    filled: bool = False
    among: str = ""


Symbol = str | Unknown
Word = tuple[Symbol, ...]
#: What stands for unknowns, to be put in their places one after the other.
Bound = tuple[tuple[Unknown, Word], ...]
#: Two words, what is bound so far, and the equations passed on the way.
_Open = tuple[Word, Word, Bound, tuple[tuple[Word, ...], ...]]


def put(word: Word, bound: Bound) -> Word:
    """A word with what is bound in place of the unknowns."""
    for unknown, by in bound:
        if unknown in word:
            word = tuple(piece for symbol in word for piece in (by if symbol == unknown else (symbol,)))
    return word


def renamed(*words: Word) -> tuple[Word, ...]:
    """The words with their unknowns numbered in the order in which they stand, so that those which differ in numbers
    alone are the same."""
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
        """A text of which nothing is known yet."""
        return Unknown(next(self._numbers), one, filled)

    def solutions(
        self, left: Word, right: Word, loose: Collection[Unknown], *, ignore_case: bool = False
    ) -> Iterator[Bound]:
        """The most general solutions. `loose`: the unknowns that stand nowhere else. `ignore_case`: case does not
        count; what is bound to a letter then stands for that letter in any case.

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
            # What makes an equation shorter at once is tried before what may go on.
            for more in reversed(tuple(self._first(*_turned(one, other, loose), loose, ignore_case=ignore_case))):
                there = tuple((unknown, caseless(by)) for unknown, by in more) if ignore_case else more
                todo.append((put(one, there), put(other, there), (*bound, *more), (*path, at)))
        # Where it came back and no way led out, none does: what solves an equation is had without going round.
        if gave_up or (came_back and found):
            self.doubt = self.doubt or "policy variables stand at different places of patterns that may meet"

    def _spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise TooHard("policy variables meet other patterns in too many ways")

    def _first(
        self, one: Word, other: Word, backwards: bool, loose: set[Unknown], *, ignore_case: bool
    ) -> Iterator[Bound]:
        """What the first symbols, which differ, say of each other: one way after the other. `backwards`: the words are
        read from behind."""
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
        # Neither is empty from here on, or an equation might never get shorter.
        filled = tuple((u, (self._rest(u, loose, filled=True),)) for u in (mine, theirs) if not u.filled)
        left, right = (put((unknown,), filled)[0] for unknown in (mine, theirs))
        for here, there, more in ((left, right, False), (right, left, True)):
            assert isinstance(here, Unknown)
            yield (*filled, (here, _joined((there,), self._rest(here, loose, filled=more), backwards=backwards)))
            if here not in loose and isinstance(there, Unknown):
                loose.discard(there)

    def _rest(self, of: Unknown, loose: set[Unknown], *, filled: bool = False) -> Unknown:
        """What is left of an unknown."""
        rest = self.unknown(filled=filled)
        if of in loose:
            loose.add(rest)
        return rest

    def _in_any_case(self, word: Word, *, ignore_case: bool) -> Word:
        """The word with a letter in any case for each letter, where case does not count."""
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
    """Both without what both begin and end with."""
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
    """Both words, read from that end at which no wildcard stands, which would take the other word piece by piece."""
    backwards = _begins_loose(one, other, loose) and not _begins_loose(one[::-1], other[::-1], loose)
    return (one[::-1], other[::-1], True) if backwards else (one, other, False)


def _begins_loose(one: Word, other: Word, loose: set[Unknown]) -> bool:
    return any(s in loose and isinstance(s, Unknown) and not s.one for s in (one[:1] + other[:1]))


def _may_be_equal(one: Word, other: Word) -> bool:
    """Not where one begins or ends with another letter, nor where it has letters that the other can make of nothing."""
    if one and other:
        for mine, theirs in ((one[0], other[0]), (one[-1], other[-1])):
            if isinstance(mine, str) and isinstance(theirs, str) and mine != theirs:
                return False
    more: dict[Symbol, int] = {}
    for symbol in one:
        more[symbol] = more.get(symbol, 0) + 1
    for symbol in other:
        more[symbol] = more.get(symbol, 0) - 1
    # An unknown that stands as often on both sides adds the same letters to both.
    of_one = any(n > 0 for s, n in more.items() if isinstance(s, Unknown))
    of_other = any(n < 0 for s, n in more.items() if isinstance(s, Unknown))
    letters = [n for s, n in more.items() if isinstance(s, str)]
    return (of_other or all(n <= 0 for n in letters)) and (of_one or all(n >= 0 for n in letters))
