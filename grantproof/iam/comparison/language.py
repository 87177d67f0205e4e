"""Languages: which strings several patterns match together, and which of these escape others.

The central fact: strings range over all characters, and no policy can hold `FRESH` (rule G12). Put `FRESH` where a
pattern has a wildcard, and whatever other pattern matches the result can only have taken it with a wildcard of its own,
so that it matches everything that the first one matches. One string, the pattern's *generic point*, stands for all of
them. Where the other side counts characters (`?`) or stops at colons, one point is not enough, and an exact search over
the positions in all patterns takes its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count

from grantproof.iam.errors import Undecided
from grantproof.iam.glob import ONE_OF, Glob, Token, Wild

#: A private character: none of the documents that AWS accepts can hold it.
FRESH = "\ue000"
#: An intersection is given up beyond so many parts.
MOST_PARTS = 256
#: How many steps the searches of a comparison may take: about a second.
MOST_STEPS = 60_000
#: So many answers are remembered before they are all forgotten.
_MOST_REMEMBERED = 16_384
_UNTRIED = "these patterns count characters in too many ways to try"


class TooHard(Undecided):
    """A comparison that was given up: nothing is known of it."""


class Effort:
    """What exact searches may still cost, shared by all those of one comparison."""

    def __init__(self, steps: int = MOST_STEPS) -> None:
        self._left = steps
        self._reason = ""

    @property
    def left(self) -> int:
        """How many steps are left."""
        return self._left

    def spend(self, steps: int, reason: str) -> None:
        """So many steps more.

        Raises:
            TooHard: those were too many; with the reason, which stays the first one.
        """
        self._left -= steps
        if self._left < 0:
            self._reason = self._reason or reason
            raise TooHard(self._reason)


@lru_cache(maxsize=262_144)
def generic_point(glob: Glob) -> str:
    """The string of a pattern that stands for all of its strings."""
    return "".join(token if isinstance(token, str) else FRESH for token in glob.tokens)


def covers(outer: Glob, inner: Glob) -> bool:
    """Does `outer` match every string that `inner` matches? Sound; exact where `outer` has no wildcard but `*`."""
    if outer.literal is not None:
        return outer.literal == inner.literal
    if outer.counts:
        # `FRESH` stands for any number of characters here, so nothing that counts may take it.
        return outer == inner or (inner.literal is not None and outer.matches(inner.literal))
    return outer.matches(generic_point(inner))


# --- intersection --------------------------------------------------------------------------------------------------


def intersection(left: Glob, right: Glob) -> tuple[Glob, ...]:
    """Patterns that together match what both match; none lies inside another.

    Raises:
        TooHard: more than `MOST_PARTS` patterns.
    """
    if left == right or covers(right, left):
        return (left,)
    if covers(left, right):
        return (right,)
    if left.literal is not None:
        return (left,) if right.matches(left.literal) else ()
    if right.literal is not None:
        return (right,) if left.matches(right.literal) else ()
    if not (left.prefix.startswith(right.prefix) or right.prefix.startswith(left.prefix)):
        return ()
    if not _ends_meet(_suffix(left), _suffix(right)):
        return ()
    return _intersection(left, right)


@lru_cache(maxsize=65_536)
def _intersection(left: Glob, right: Glob) -> tuple[Glob, ...]:
    found = [Glob(tokens) for tokens in _Meeting(_characters(left), _characters(right)).of(0, 0)]
    return without_covered(found)


@lru_cache(maxsize=65_536)
def overlap(left: Glob, right: Glob) -> bool:
    """Does some string match both? Exact."""
    whole = _characters(right)
    return len(whole) in _reached(_characters(left), whole)


def without_covered(globs: Iterable[Glob]) -> tuple[Glob, ...]:
    """The patterns that lie inside no other, each once, in order."""
    once = dict.fromkeys(globs)
    wild: list[Glob] = []
    # A literal covers nothing but itself, and a list of levels of access may have twenty thousand of them.
    for glob in once:
        if glob.literal is None and not any(covers(other, glob) for other in wild):
            wild = [other for other in wild if not covers(glob, other)]
            wild.append(glob)
    kept = set(wild)
    return tuple(
        glob for glob in once if glob in kept or (glob.literal is not None and not any(covers(w, glob) for w in wild))
    )


def _suffix(glob: Glob) -> str:
    last = glob.tokens[-1] if glob.tokens else ""
    return last if isinstance(last, str) else ""


def _ends_meet(left: str, right: str) -> bool:
    return left.endswith(right) or right.endswith(left)


@lru_cache(maxsize=65_536)
def _characters(glob: Glob) -> tuple[Token, ...]:
    """The tokens, literals character by character."""
    return tuple(piece for token in glob.tokens for piece in (token if isinstance(token, str) else (token,)))


def _meet(left: Token, right: Token) -> Token | None:
    """What two tokens of one character have in common."""
    if isinstance(left, Wild):
        left, right = right, left
    if isinstance(left, str):
        fits = right == left if isinstance(right, str) else left not in right.stops_at
        return left if fits else None
    assert isinstance(right, Wild)
    return max(left, right, key=lambda wild: len(wild.stops_at))


class _Meeting:
    """Walks two patterns at once: literals must agree, a star takes the other's next token or ends."""

    def __init__(self, left: tuple[Token, ...], right: tuple[Token, ...]) -> None:
        self._left, self._right = left, right
        self._memo: dict[tuple[int, int], frozenset[tuple[Token, ...]]] = {}
        self._parts = 0

    def of(self, i: int, j: int) -> frozenset[tuple[Token, ...]]:
        """The ways in which the rests from these positions meet."""
        at = (i, j)
        if at not in self._memo:
            self._memo[at] = frozenset(self._ways(i, j))
            self._parts += len(self._memo[at])
            if len(self._memo[at]) > MOST_PARTS or self._parts > 64 * MOST_PARTS:
                raise TooHard("two patterns meet in too many ways to list")
        return self._memo[at]

    def _ways(self, i: int, j: int) -> Iterator[tuple[Token, ...]]:
        left = self._left[i] if i < len(self._left) else None
        right = self._right[j] if j < len(self._right) else None
        if left is None and right is None:
            yield ()
            return
        left_many = isinstance(left, Wild) and left.many
        right_many = isinstance(right, Wild) and right.many
        if left_many and right_many:
            assert isinstance(left, Wild)
            assert isinstance(right, Wild)
            star = max(left, right, key=lambda wild: len(wild.stops_at))
            for rest in self.of(i + 1, j) | self.of(i, j + 1):
                yield Glob((star, *rest)).tokens if rest and rest[0] is star else (star, *rest)
        elif left_many:
            yield from self.of(i + 1, j)
            if right is not None and (token := _meet(_one_of(left), right)) is not None:
                yield from ((token, *rest) for rest in self.of(i, j + 1))
        elif right_many:
            yield from self.of(i, j + 1)
            if left is not None and (token := _meet(_one_of(right), left)) is not None:
                yield from ((token, *rest) for rest in self.of(i + 1, j))
        elif left is not None and right is not None and (token := _meet(left, right)) is not None:
            yield from ((token, *rest) for rest in self.of(i + 1, j + 1))


def _one_of(star: Token | None) -> Wild:
    assert isinstance(star, Wild)
    return ONE_OF[star]


# --- parts ------------------------------------------------------------------------------------------------------------


def fragments(before: Glob, after: Glob, whole: Glob) -> tuple[Glob, ...]:
    """Which strings can stand between `before` and `after` so that the whole is one of `whole`'s, as patterns, of which
    some may lie in others."""
    tokens = _characters(whole)
    starts = _reached(_characters(before), tokens)
    ends = {len(tokens) - k for k in _reached(_characters(after)[::-1], tokens[::-1])}
    return tuple(dict.fromkeys(Glob(tokens[i:j]) for i in sorted(starts) for j in sorted(ends) if i <= j))


def _reached(part: tuple[Token, ...], whole: tuple[Token, ...]) -> set[int]:
    """The positions of `whole` that a string of `part` leads to."""
    seen = set()
    todo = [(0, 0)]
    out = set()
    while todo:
        i, j = todo.pop()
        if (i, j) in seen:
            continue
        seen.add((i, j))
        mine = part[i] if i < len(part) else None
        other = whole[j] if j < len(whole) else None
        if mine is None:
            out.add(j)
        mine_many, other_many = (isinstance(t, Wild) and t.many for t in (mine, other))
        todo += [(i + 1, j)] if mine_many else []
        todo += [(i, j + 1)] if other_many else []
        if mine is None or other is None:
            continue
        if _meet(_one_of(mine) if mine_many else mine, _one_of(other) if other_many else other) is not None:
            todo.append((i if mine_many else i + 1, j if other_many else j + 1))
    return out


def forget() -> None:
    """Forget what was worked out of patterns together."""
    _intersection.cache_clear()
    overlap.cache_clear()
    _LEAST_HIT.clear()


# --- exact search --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """A pattern, compared with or without regard to case."""

    glob: Glob
    fold: bool = False

    def matches(self, text: str) -> bool:
        """Is the string one of the pattern's?"""
        return _folded(self.glob).matches(text.lower()) if self.fold else self.glob.matches(text)


def _folded(glob: Glob) -> Glob:
    return Glob(token.lower() if isinstance(token, str) else token for token in glob.tokens)


class Automaton:
    """Several patterns read at once, their positions being the bits of one integer.

    `accepting[n]` is the bit that is set after a whole string of pattern n.
    """

    def __init__(self, patterns: Sequence[Wanted]) -> None:
        self.literal: dict[str, int] = {}
        self.start = self._star = 0
        self._wild: dict[str, int] = {}
        accepting: list[int] = []
        position = count()
        for wanted in patterns:
            self.start |= 1 << (at := next(position))
            for token in _characters(wanted.glob):
                bit = 1 << at
                if isinstance(token, Wild):
                    self._star |= bit if token.many else 0
                    self._wild[token.stops_at] = self._wild.get(token.stops_at, 0) | bit
                else:
                    for character in {token.lower(), token.upper()} if wanted.fold else {token}:
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
        """The characters that are spelt out at one of these positions."""
        return (character for character, mask in self.literal.items() if mask & state)


@dataclass(frozen=True, slots=True)
class Found:
    """A string, and which of the numbered unwanted patterns match it all the same."""

    text: str
    hit: frozenset[int]


@dataclass
class _Frontier:
    """States of the search that are worth going on from: at one place in the wanted patterns, fewer live positions of
    the unwanted ones are better."""

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
    a string cannot help matching, one string that matches no more.

    Exact. Raises:
        TooHard: more effort than there was left. What was asked before costs as much again, so that the answer does not
            depend on what was asked before.
    """
    effort = effort or Effort()
    asked = (tuple(map(tuple, wanted)), tuple(unwanted))
    if asked in _LEAST_HIT:
        answer, steps = _LEAST_HIT[asked]
        effort.spend(steps, _UNTRIED)
        return answer
    before = effort.left
    found = tuple(_search(wanted, unwanted, effort))
    answer = tuple(one for one in found if not any(other.hit < one.hit for other in found))
    if len(_LEAST_HIT) >= _MOST_REMEMBERED:
        _LEAST_HIT.clear()
    _LEAST_HIT[asked] = answer, before - effort.left
    return answer


_LEAST_HIT: dict[tuple[tuple[tuple[Wanted, ...], ...], tuple[Wanted, ...]], tuple[tuple[Found, ...], int]] = {}


def _search(wanted: Sequence[Sequence[Wanted]], unwanted: Sequence[Wanted], effort: Effort) -> Iterator[Found]:
    """Every least hit, shortest string first, and before them some that are not least; ends with a string that hits
    nothing."""
    groups = [Automaton(patterns) for patterns in wanted]
    against = Automaton(unwanted)
    # A character at which some wildcard stops may be just what gets away from it.
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

    Exact. Raises:
        TooHard: more effort than there was left.
    """
    quick = _quick(wanted)
    if quick is not None and not any(pattern.matches(quick) for pattern in unwanted):
        return quick
    search = _search(wanted, unwanted, effort or Effort())
    return next((found.text for found in search if not found.hit), None)


def _quick(wanted: Sequence[Sequence[Wanted]]) -> str | None:
    """A string of the wanted patterns that is easily had: readable, and most often the answer."""
    for group in wanted:
        for pattern in group[:4]:
            text = generic_point(pattern.glob)
            if all(any(p.matches(text) for p in other) for other in wanted):
                return text
    return None
