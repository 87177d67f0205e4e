"""Patterns of actions and of resources: sorted by service, intersected, and indexed by statement."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from grantproof.iam.comparison.effort import TooHard
from grantproof.iam.comparison.language import FRESH, intersection
from grantproof.iam.comparison.services import EVERY_ACTION
from grantproof.iam.glob import Glob, glob
from grantproof.iam.layers import arn_service_of, service_of
from grantproof.iam.policy import Statement

EVERY_RESOURCE = (Glob(("*",)), glob("arn:*:*:*:*:*"))
#: With more pieces in one dimension, a comparison is given up.
MOST_PIECES = 50_000
Bucket = Callable[[str], str | None]


def everything(globs: Iterable[Glob]) -> bool:
    """Does one of them match everything?"""
    # Fast path: nearly all patterns begin with literal text.
    bare = [one for one in globs if not one.prefix]
    return any(one.everything or one == EVERY_ACTION for one in bare)


class Patterns:
    """Patterns of actions or resources, sorted by service, so that patterns that cannot have a string in common are not
    compared."""

    def __init__(self, globs: Iterable[Glob], bucket: Bucket) -> None:
        found = tuple(globs)
        self.globs = tuple(dict.fromkeys(found)) if len(found) > 1 else found
        self.bucket = bucket

    def __bool__(self) -> bool:
        return bool(self.globs)

    @cached_property
    def everything(self) -> bool:
        """Does one of them match everything?"""
        return everything(self.globs)

    @cached_property
    def _sorted(self) -> tuple[dict[str, list[Glob]], list[Glob]]:
        by_bucket: dict[str, list[Glob]] = {}
        anywhere: list[Glob] = []
        for one in self.globs:
            name = self.bucket(one.prefix)
            (anywhere if name is None else by_bucket.setdefault(name, [])).append(one)
        return by_bucket, anywhere

    @cached_property
    def services(self) -> frozenset[str] | None:
        """The services in which they match something; None if it can be any service."""
        by_bucket, anywhere = self._sorted
        return None if anywhere else frozenset(by_bucket)

    @property
    def by_service(self) -> Iterable[Sequence[Glob]]:
        """The patterns of each service; those that name none are omitted."""
        return self._sorted[0].values()

    def without(self, excluded: Callable[[str], bool]) -> Patterns:
        """The patterns without those of excluded services."""
        by_bucket, anywhere = self._sorted
        kept = [name for name in by_bucket if not excluded(name)]
        if len(kept) == len(by_bucket):
            return self
        return Patterns(chain(anywhere, *(by_bucket[name] for name in kept)), self.bucket)

    def near(self, other: Glob) -> Iterable[Glob]:
        """The patterns that can have a string in common with another pattern."""
        name = self.bucket(other.prefix)
        if name is None:
            return self.globs
        by_bucket, anywhere = self._sorted
        return (*by_bucket.get(name, ()), *anywhere)


def meet(left: Patterns, right: Patterns) -> Patterns:
    """The intersection: patterns that match what both a pattern of `left` and one of `right` match.

    Raises:
        TooHard: too many.
    """
    if right.everything or left.globs == right.globs:
        return left
    if left.globs == (EVERY_ACTION,):
        return right
    if left.services is not None and right.services is not None and left.services.isdisjoint(right.services):
        return Patterns((), left.bucket)
    out: dict[Glob, None] = {}
    for one in left.globs:
        for other in right.near(one):
            out.update(dict.fromkeys(intersection(one, other)))
        if len(out) > MOST_PIECES:
            raise TooHard("the patterns of several statements meet in too many ways")
    return Patterns(out, left.bucket)


class Index:
    """Which of the numbered statements an action or resource matches, as a bit mask. Literals are looked up, and other
    patterns sorted by service, so that the cost depends only on those that can match."""

    def __init__(self, elements: Iterable[tuple[Iterable[Glob], bool]], bucket: Bucket) -> None:
        self._bucket = bucket
        self._literal = literal = dict[str, int]()
        self._by_bucket: dict[str, list[tuple[Glob, int]]] = {}
        self._anywhere: list[tuple[Glob, int]] = []
        self._negated = self._always = 0
        self._excepted: dict[str | None, int] = {}
        self._counting: list[tuple[Glob, int]] = []
        for number, (globs, negated) in enumerate(elements):
            bit = 1 << number
            self._negated |= bit if negated else 0
            for one in globs:
                text = one.literal
                if text is None:
                    self._add(one, bit)
                    continue
                literal[text] = literal.get(text, 0) | bit
                if negated:
                    name = bucket(text)
                    self._excepted[name] = self._excepted.get(name, 0) | bit
        self.counts = bool(self._counting)
        """Does any pattern count characters?"""
        self._covering: dict[str, int] = {}

    def _add(self, one: Glob, bit: int) -> None:
        """A pattern with a wildcard."""
        if one.everything:
            self._always |= bit
        else:
            name = self._bucket(one.prefix)
            (self._anywhere if name is None else self._by_bucket.setdefault(name, [])).append((one, bit))
            if one.counts:
                self._counting.append((one, bit))

    def read(self) -> None:
        """Compute now what is otherwise computed on first use."""
        for service in (*self._by_bucket, *self._excepted):
            self.covering_service(service or "")

    def counting(self, statements: int) -> Iterator[Glob]:
        """The patterns of these statements that count characters."""
        return (one for one, bit in self._counting if bit & statements)

    def near(self, other: Glob, statements: int) -> Iterator[Glob]:
        """The patterns of these statements that can have a string in common with another pattern."""
        name = self._bucket(other.prefix)
        wild = chain(*self._by_bucket.values()) if name is None else self._by_bucket.get(name, ())
        yield from (one for one, bit in chain(wild, self._anywhere) if bit & statements)
        for text, bits in self._literal.items():
            if bits & statements and (name is None or self._bucket(text) == name):
                yield Glob((text,))

    def covering_service(self, service: str) -> int:
        """The statements whose element matches every text of a service: possibly too few, never too many."""
        if not self._anywhere and service not in self._by_bucket and service not in self._excepted:
            return self._unnamed
        found = self._covering.get(service)
        if found is None:
            there = union(bit for _, bit in chain(self._by_bucket.get(service, ()), self._anywhere))
            excepting = there & self._negated | self._excepted.get(service, 0) | self._uncounted
            found = self._covering[service] = self.mask(f"{service}:{FRESH}") & ~excepting
        return found

    @cached_property
    def _unnamed(self) -> int:
        """As `covering_service`, for services that no pattern names."""
        return (self._always ^ self._negated) & ~self._uncounted

    @cached_property
    def _uncounted(self) -> int:
        """The statements with a pattern that counts characters: they are left out of `covering_service`."""
        return union(bit for _, bit in self._counting)

    def mask(self, text: str) -> int:
        """The statements whose element the text satisfies."""
        name = self._bucket(text)
        if not self._anywhere and name not in self._by_bucket:
            return (self._literal.get(text, 0) | self._always) ^ self._negated
        found = self._literal.get(text, 0) | self._always
        near = () if name is None else self._by_bucket.get(name, ())
        for one, bit in chain(near, self._anywhere):
            if not found & bit and one.matches(text):
                found |= bit
        return found ^ self._negated


@dataclass(frozen=True, eq=False)
class Dimension:
    """Actions or resources; both are searched in the same way.

    Attributes:
        bucket: the service of a text.
        every: the patterns of all of them.
        anything: what every one of them also matches.
    """

    name: str
    bucket: Bucket
    every: Patterns
    anything: Glob

    @cached_property
    def nothing(self) -> Index:
        """A text that is in no request."""
        return Index((), self.bucket)

    def negated(self, statement: Statement) -> bool:
        """Is the statement's element in Not form?"""
        return statement.not_action if self is ACTIONS else statement.not_resource


ACTIONS = Dimension("actions", service_of, Patterns((EVERY_ACTION,), service_of), glob("?*:?*"))
RESOURCES = Dimension("resources", arn_service_of, Patterns(EVERY_RESOURCE, arn_service_of), glob("*"))


def union(masks: Iterable[int]) -> int:
    """All bits that are set in any of them."""
    out = 0
    for mask in masks:
        out |= mask
    return out


def bits(mask: int) -> Iterator[int]:
    """The numbers of the bits that are set."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low
