"""An exact search for strings that match some patterns and none of others.

All patterns are read at the same time, character by character; the state after some characters is the set of reached
positions in the patterns. This replaces the generic point (`language`) for patterns that count characters, exclude
some, or differ in case.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from grantproof.iam.comparison.effort import Effort
from grantproof.iam.comparison.language import FRESH, characters, generic_point
from grantproof.iam.glob import Glob, Wild, folded, spellings

#: The cache is emptied when it has this many answers.
_MOST_REMEMBERED = 16_384
_UNTRIED = "these patterns count characters in too many ways to try"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A pattern that is compared with or without regard to case."""

    glob: Glob
    ignore_case: bool = False

    def matches(self, text: str) -> bool:
        """Does the pattern match the text?"""
        return _folded(self.glob).matches(folded(text)) if self.ignore_case else self.glob.matches(text)


def _folded(glob: Glob) -> Glob:
    return Glob(folded(token) if isinstance(token, str) else token for token in glob.tokens)


class Automaton:
    """Several patterns, read at the same time. Their positions are the bits of one integer.

    `accepting[n]` is the bit that is set when pattern n matches the text so far.
    """

    def __init__(self, patterns: Sequence[Wanted]) -> None:
        self.literal: dict[str, int] = {}
        self.start = self._star = 0
        self._wild: dict[str, int] = {}
        accepting: list[int] = []
        position = count()
        for wanted in patterns:
            self.start |= 1 << (at := next(position))
            for token in characters(wanted.glob):
                bit = 1 << at
                if isinstance(token, Wild):
                    self._star |= bit if token.many else 0
                    self._wild[token.stops_at] = self._wild.get(token.stops_at, 0) | bit
                else:
                    for character in spellings(token) if wanted.ignore_case else {token}:
                        self.literal[character] = self.literal.get(character, 0) | bit
                at = next(position)
            accepting.append(1 << at)
        self.accepting = tuple(accepting)
        self.stops = frozenset("".join(self._wild))
        self.start = self._closed(self.start)

    def _closed(self, state: int) -> int:
        while (closed := state | (state & self._star) << 1) != state:
            state = closed
        return state

    def step(self, state: int, character: str) -> int:
        """The positions after one more character."""
        takes = self.literal.get(character, 0)
        for stops, positions in self._wild.items():
            if character not in stops:
                takes |= positions
        live = state & takes
        return self._closed(live & self._star | (live & ~self._star) << 1)

    def literals(self, state: int) -> Iterator[str]:
        """The literal characters at these positions."""
        return (character for character, mask in self.literal.items() if mask & state)


@dataclass(frozen=True, slots=True)
class Found:
    """A string, and the numbers of the unwanted patterns that it matches all the same."""

    text: str
    hit: frozenset[int]


@dataclass
class _Frontier:
    """The states of the search that are worth continuing: with the same positions in the wanted patterns, fewer
    positions in unwanted ones are better."""

    effort: Effort
    seen: dict[tuple[int, ...], list[int]] = field(default_factory=dict)

    def takes(self, wanted: tuple[int, ...], unwanted: int) -> bool:
        known = self.seen.setdefault(wanted, [])
        self.effort.spend(1 + len(known) // 16, _UNTRIED)
        if any(other & ~unwanted == 0 for other in known):
            return False
        known[:] = [other for other in known if unwanted & ~other]
        known.append(unwanted)
        return True


def least_hit(
    wanted: Sequence[Sequence[Wanted]], unwanted: Sequence[Wanted], effort: Effort | None = None
) -> tuple[Found, ...]:
    """Strings that match at least one pattern of each wanted group: for every least set of unwanted patterns that such
    a string has to match, one string that matches no other.

    Exact.

    Raises:
        TooHard: the effort that is left is too small. A cached answer costs as much as a new one, so that results do
            not depend on earlier comparisons.
    """
    effort = effort or Effort()
    asked = (tuple(map(tuple, wanted)), tuple(unwanted))
    if asked in _LEAST_HIT:
        answer, steps = _LEAST_HIT[asked]
        effort.spend(1 if effort.paid(asked) else steps, _UNTRIED)
        return answer
    before = effort.left
    effort.paid(asked)
    found = tuple(_search(wanted, unwanted, effort))
    answer = tuple(one for one in found if not any(other.hit < one.hit for other in found))
    if len(_LEAST_HIT) >= _MOST_REMEMBERED:
        _LEAST_HIT.clear()
    _LEAST_HIT[asked] = answer, before - effort.left
    return answer


_LEAST_HIT: dict[tuple[tuple[tuple[Wanted, ...], ...], tuple[Wanted, ...]], tuple[tuple[Found, ...], int]] = {}


def _search(wanted: Sequence[Sequence[Wanted]], unwanted: Sequence[Wanted], effort: Effort) -> Iterator[Found]:
    """Every least hit, the shortest string first, and before them some that are not least. It ends with a string that
    matches no unwanted pattern."""
    groups = [Automaton(patterns) for patterns in wanted]
    against = Automaton(unwanted)
    # A character that a wildcard excludes can be the one with which a string does not match.
    extra = (FRESH, *sorted(frozenset().union(*(a.stops for a in (*groups, against)))))
    frontier = _Frontier(effort)
    start = tuple(group.start for group in groups)
    frontier.takes(start, against.start)
    level = [(start, against.start, "")]
    least: list[frozenset[int]] = []
    while level:
        following = []
        for states, bad, text in level:
            if all(any(state & bit for bit in group.accepting) for state, group in zip(states, groups, strict=True)):
                hit = frozenset(n for n, bit in enumerate(against.accepting) if bad & bit)
                if not any(other <= hit for other in least):
                    least.append(hit)
                    yield Found(text, hit)
                    if not hit:
                        return
            spelt = {c for state, group in zip(states, groups, strict=True) for c in group.literals(state)}
            for character in (*extra, *sorted(spelt)):
                after = tuple(group.step(state, character) for state, group in zip(states, groups, strict=True))
                worse = against.step(bad, character)
                if all(after) and frontier.takes(after, worse):
                    following.append((after, worse, text + character))
        level = following


def find(wanted: Sequence[Sequence[Wanted]], unwanted: Sequence[Wanted], effort: Effort | None = None) -> str | None:
    """A string that matches at least one pattern of each wanted group and none of the unwanted patterns, or None.

    Exact.

    Raises:
        TooHard: the effort that is left is too small.
    """
    quick = _quick(wanted)
    if quick is not None and not any(pattern.matches(quick) for pattern in unwanted):
        return quick
    search = _search(wanted, unwanted, effort or Effort())
    return next((found.text for found in search if not found.hit), None)


def _quick(wanted: Sequence[Sequence[Wanted]]) -> str | None:
    """A string of the wanted patterns that is found quickly: readable, and most often the answer."""
    for group in wanted:
        for pattern in group[:4]:
            text = generic_point(pattern.glob)
            if all(any(p.matches(text) for p in other) for other in wanted):
                return text
    return None


def forget() -> None:
    """Empty the cache."""
    _LEAST_HIT.clear()
