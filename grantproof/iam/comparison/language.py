"""Patterns as languages: containment, intersection and overlap.

The central fact: no policy can hold the character `FRESH` (rule G12). Put `FRESH` in place of each wildcard of a
pattern; a second pattern that matches the result can only have matched `FRESH` with a wildcard of its own, and so it
matches every string of the first pattern. One string, the *generic point* of the pattern, stands for all its strings.
Where the second pattern counts characters (`?`) or its wildcards stop at colons, one point is not enough, and an exact
search (`automaton`) is used instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from grantproof.iam.comparison.effort import TooHard
from grantproof.iam.glob import ONE_OF, Glob, Token, Wild

#: A private-use character, which no document that AWS accepts can contain.
FRESH = "\ue000"
#: The greatest number of patterns in an intersection.
MOST_PARTS = 256


@lru_cache(maxsize=262_144)
def generic_point(glob: Glob) -> str:
    """The string of a pattern that stands for all of its strings."""
    return "".join(token if isinstance(token, str) else FRESH for token in glob.tokens)


def covers(outer: Glob, inner: Glob) -> bool:
    """Does `outer` match every string that `inner` matches? Sound; exact where `outer` has no wildcard but `*`."""
    if outer.literal is not None:
        return outer.literal == inner.literal
    if outer.counts:
        # `FRESH` stands for any number of characters, so a pattern that counts them must not match it.
        return outer == inner or (inner.literal is not None and outer.matches(inner.literal))
    return outer.matches(generic_point(inner))


# --- intersection --------------------------------------------------------------------------------------------------


def intersection(left: Glob, right: Glob) -> tuple[Glob, ...]:
    """Patterns that together match exactly what both match; none of them covers another.

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
    if not _ends_meet(left, right):
        return ()
    return _intersection(left, right)


@lru_cache(maxsize=65_536)
def _intersection(left: Glob, right: Glob) -> tuple[Glob, ...]:
    found = [Glob(tokens) for tokens in _Meeting(characters(left), characters(right)).from_positions(0, 0)]
    return without_covered(found)


@lru_cache(maxsize=65_536)
def overlap(left: Glob, right: Glob) -> bool:
    """Does some string match both? Exact."""
    if not _ends_meet(left, right):
        return False
    if _is_open(left) and _is_open(right):
        # A string with both patterns' middle parts one after the other matches both.
        return True
    whole = characters(right)
    return len(whole) in _reached(characters(left), whole)


def without_covered(globs: Iterable[Glob]) -> tuple[Glob, ...]:
    """The patterns that no other covers, each once, in order."""
    once = dict.fromkeys(globs)
    wild: list[Glob] = []
    # A literal covers only itself, and the actions of an access level may be twenty thousand literals.
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


def _ends_meet(left: Glob, right: Glob) -> bool:
    """Do their literal beginnings fit, and their literal ends? Not for two literals."""
    before, behind = (left.prefix, right.prefix), (_suffix(left), _suffix(right))
    begin = before[0].startswith(before[1]) or before[1].startswith(before[0])
    return begin and (behind[0].endswith(behind[1]) or behind[1].endswith(behind[0]))


@lru_cache(maxsize=65_536)
def _is_open(glob: Glob) -> bool:
    """Are its first and last wildcards stars that match any text?"""
    wild = [token for token in glob.tokens if isinstance(token, Wild)]
    return bool(wild) and wild[0] is wild[-1] is Wild.ANY


@lru_cache(maxsize=65_536)
def characters(glob: Glob) -> tuple[Token, ...]:
    """The tokens, literals character by character."""
    return tuple(piece for token in glob.tokens for piece in (token if isinstance(token, str) else (token,)))


def _meet(left: Token, right: Token) -> Token | None:
    """The intersection of two tokens that match one character each; None where it is empty."""
    if isinstance(left, Wild):
        left, right = right, left
    if isinstance(left, str):
        fits = right == left if isinstance(right, str) else left not in right.stops_at
        return left if fits else None
    assert isinstance(right, Wild)
    return max(left, right, key=lambda wild: len(wild.stops_at))


class _Meeting:
    """Intersects two patterns token by token: literals must agree, a star matches the other's next token or ends."""

    def __init__(self, left: tuple[Token, ...], right: tuple[Token, ...]) -> None:
        self._left, self._right = left, right
        self._memo: dict[tuple[int, int], frozenset[tuple[Token, ...]]] = {}
        self._parts = 0

    def from_positions(self, i: int, j: int) -> frozenset[tuple[Token, ...]]:
        """The intersection of what is left of the patterns from these positions on."""
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
            for rest in self.from_positions(i + 1, j) | self.from_positions(i, j + 1):
                yield Glob((star, *rest)).tokens if rest and rest[0] is star else (star, *rest)
        elif left_many:
            yield from self.from_positions(i + 1, j)
            if right is not None and (token := _meet(_one_of(left), right)) is not None:
                yield from ((token, *rest) for rest in self.from_positions(i, j + 1))
        elif right_many:
            yield from self.from_positions(i, j + 1)
            if left is not None and (token := _meet(_one_of(right), left)) is not None:
                yield from ((token, *rest) for rest in self.from_positions(i + 1, j))
        elif left is not None and right is not None and (token := _meet(left, right)) is not None:
            yield from ((token, *rest) for rest in self.from_positions(i + 1, j + 1))


def _one_of(star: Token | None) -> Wild:
    assert isinstance(star, Wild)
    return ONE_OF[star]


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
    """Empty the cache of results about pairs of patterns."""
    _intersection.cache_clear()
    overlap.cache_clear()
