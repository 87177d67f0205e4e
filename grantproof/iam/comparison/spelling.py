"""Writes values of policy variables for the solutions of `equations`: a few texts for each, which stand for all its
instances.

An arbitrary text becomes private characters, as many as patterns can count, with as many colons as wildcards can stop
at. A letter in any case is spelt as no pattern spells it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import product, takewhile
from math import prod
from typing import NamedTuple

from grantproof.iam.comparison.effort import TooHard
from grantproof.iam.comparison.equations import Unknown, Word
from grantproof.iam.comparison.variables import private
from grantproof.iam.glob import folded

_MOST = 128


class Sizes(NamedTuple):
    """How arbitrary parts of a value are written.

    Attributes:
        longest: the length from which on patterns cannot distinguish lengths.
        colons: the number of colons in a value that can matter.
        written: the texts of which patterns are made.
        cased: a letter in arbitrary parts, if it can matter that there is one; else empty.
    """

    longest: int
    colons: int
    written: frozenset[str]
    cased: str

    def texts(self, words: Sequence[Word]) -> Iterator[tuple[str, ...]]:
        """The values of variables at the points of a solution that stand for all of them.

        Raises:
            TooHard: there are too many of them.
        """
        unknowns = list(dict.fromkeys(s for word in words for s in word if isinstance(s, Unknown)))
        options = [list(self._spelt(u, words) if u.among else self._of(u)) for u in unknowns]
        if prod(map(len, options)) > _MOST:
            raise TooHard("values of policy variables meet patterns that count characters in too many ways")
        for chosen in product(*options):
            by = dict(zip(unknowns, chosen, strict=True))
            texts = tuple("".join(s if isinstance(s, str) else by[s] for s in word) for word in words)
            if all(texts):
                yield texts

    def _spelt(self, unknown: Unknown, words: Sequence[Word]) -> Iterable[str]:
        """The cases of a letter that matter: one that no pattern has at this position, if there is one. Every pattern
        that matches it matches the others too."""
        places = [(word, at) for word in words for at, symbol in enumerate(word) if symbol == unknown]
        lower_first = sorted(unknown.among, key=lambda c: (not c.isascii(), c.isupper()))
        other = (
            c for c in lower_first if not any(_spells(text, c, *place) for text in self.written for place in places)
        )
        found = next(other, None)
        return lower_first if found is None else (found,)

    def _of(self, unknown: Unknown) -> Iterator[str]:
        first = unknown.number * (self.colons + 1)
        if unknown.one:
            yield self.cased or private(first)
            return
        if self.longest > 1 and not unknown.filled:
            yield ""
        for size in range(self.longest, 0, -1):
            for colons in range(self.colons + 1):
                yield ":".join(private(first + n, size) for n in range(colons + 1)) + self.cased


def _spells(text: str, letter: str, word: Word, at: int) -> bool:
    """Can a pattern's text have this letter at a position of a value, judging by the text on both sides?"""
    around, beside = [_folded(symbol) for symbol in word], folded(text)
    ways = ((to, step) for to, other in enumerate(text) if other == letter for step in (-1, 1))
    along: dict[int, bool] = {}
    for to, step in ways:
        along[to] = along.get(to, True) and _agree(around[at::step], beside[to::step])
    return any(along.values())


def _agree(some: Sequence[str], others: Sequence[str]) -> bool:
    """Are they the same letters, up to the end of one, or to an arbitrary part?"""
    pairs = takewhile(lambda pair: pair[0], zip(some, others, strict=False))
    return all(one == other for one, other in pairs)


def _folded(symbol: str | Unknown) -> str:
    """A letter without regard to case; empty for an arbitrary part."""
    return folded(symbol if isinstance(symbol, str) else symbol.among[:1])
