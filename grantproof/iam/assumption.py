"""The points that AWS's documentation leaves open, each with its possible readings.

Their names are the O-rules of `docs/iam-rules.md`. A decision that would differ under another reading names the point
(`Decision.depends_on`), and a proof that depends on one is not accepted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TypeVar

_T = TypeVar("_T")


@dataclass(frozen=True)
class OpenPoint:
    """An open point: its readings, the default first, and what it is about."""

    name: str
    readings: tuple[str, ...]
    question: str


OPEN_POINTS: Mapping[str, OpenPoint] = MappingProxyType(
    {
        point.name: point
        for point in (
            OpenPoint("O3", ("false", "true"), "ForAnyValue with a negated operator, the key being absent"),
            OpenPoint("O4", ("literal", "substituted"), "policy variables in the values of Bool"),
            OpenPoint("O5", ("string", "segments"), "does a wildcard inside an ARN's field run over colons"),
            OpenPoint("O6", ("sensitive", "insensitive"), "case of IAM user names in Resource"),
            OpenPoint("O9", ("null", "void"), "a variable without value: a null value, or a void statement"),
            OpenPoint("O10", ("accepted", "refused"), "a trust policy with principal *"),
            OpenPoint("O16", ("128", "32"), "prefix length of an IPv6 address written without one"),
            OpenPoint("O17", ("limited", "unlimited"), "a boundary or session policy over a grant to a role ARN"),
            OpenPoint("O18", ("limited", "unlimited"), "the same over a grant from another account"),
            OpenPoint("O19", ("unlimited", "limited"), "the same over a trust policy naming the caller's role"),
            OpenPoint("O20", ("present", "null"), "is an empty string a present value"),
            OpenPoint("O21", ("denied", "spared"), "NotPrincipal listing the account alone, for its identities"),
            OpenPoint("O22", ("denied", "default"), "a federated user session without session policy"),
            OpenPoint("O23", ("sensitive", "insensitive"), "case of aws:RequestTag values"),
            OpenPoint("O25", ("bound", "exempt"), "do RCPs bind AWS service principals"),
            OpenPoint("O28", ("exact", "covered"), "a wildcard ARN, for an action without resource types"),
            OpenPoint("O36", ("everyone", "delegation"), "a Deny on the resource's own account"),
            OpenPoint("O37", ("unlimited", "limited"), "a boundary or session policy over a grant to *"),
            OpenPoint("O39", ("evaluated", "never"), "a wildcard in the service field of a Resource ARN"),
            OpenPoint("O41", ("completed", "never"), "an ARN operator's pattern of fewer than six fields"),
            OpenPoint("O42", ("never", "replaced"), "a policy variable before the fifth colon of a Resource ARN"),
        )
    }
)


def in_doubt(points: Iterable[str]) -> str:
    """The reason why something that depends on open points is not decided, with what each point is about."""
    asked = ", ".join(f"{name} ({OPEN_POINTS[name].question})" for name in points)
    return f"it depends on what AWS's documentation leaves open: {asked}"


@dataclass(frozen=True)
class Assumptions:
    """A reading for every open point; those that are not in `chosen` have their default.

    Raises:
        ValueError: an unknown point or reading; the message names the known ones.
    """

    chosen: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, reading in self.chosen.items():
            if name not in OPEN_POINTS:
                raise ValueError(f"no open point is called {name!r}; known: {', '.join(OPEN_POINTS)}")
            if reading not in OPEN_POINTS[name].readings:
                known = ", ".join(OPEN_POINTS[name].readings)
                raise ValueError(f"open point {name} has no reading {reading!r}; known: {known}")

    @cached_property
    def key(self) -> tuple[tuple[str, str], ...]:
        """A hashable key for these assumptions."""
        return tuple(sorted(self.chosen.items()))

    def reading(self, name: str) -> str:
        """The reading of a point."""
        return self.chosen.get(name) or OPEN_POINTS[name].readings[0]

    def alternatives(self, name: str) -> Iterator[Assumptions]:
        """These assumptions with each other reading of one point."""
        for reading in OPEN_POINTS[name].readings:
            if reading != self.reading(name):
                yield Assumptions({**self.chosen, name: reading})

    def unlike(self, other: Assumptions) -> frozenset[str]:
        """The points that have different readings in the two."""
        named = self.chosen.keys() | other.chosen.keys()
        return frozenset(name for name in named if self.reading(name) != other.reading(name))


DEFAULTS = Assumptions()


class Judge:
    """The readings during one evaluation; it records which open points were asked for."""

    __slots__ = ("assumptions", "consulted")

    def __init__(self, assumptions: Assumptions) -> None:
        self.assumptions = assumptions
        self.consulted: set[str] = set()

    def takes(self, name: str, reading: str) -> bool:
        """Does the point have this reading? Records that the point was asked for."""
        self.consulted.add(name)
        return self.assumptions.reading(name) == reading


def under_every_reading(decide: Callable[[Judge], _T], base: Assumptions) -> Iterator[tuple[Assumptions, _T]]:
    """The results of a computation under all combinations of readings. Each result is yielded once, for all
    combinations that agree on the points that the computation asked for; results with fewer differences from `base`
    come first.

    This is complete, because the computation knows readings only from its judge: with a combination that agrees on all
    points that a run asked for, it would run in the same way. Any other combination differs from that run in a first
    point, in the order of their names, and is computed with the readings before that point fixed.
    """
    waiting: deque[dict[str, str]] = deque([{}])
    while waiting:
        settled = waiting.popleft()
        judge = Judge(Assumptions({**base.chosen, **settled}))
        yield judge.assumptions, decide(judge)
        for name in sorted(judge.consulted - settled.keys()):
            waiting += [{**settled, name: other.reading(name)} for other in base.alternatives(name)]
            settled = {**settled, name: base.reading(name)}


def smallest(combinations: Iterable[frozenset[str]]) -> tuple[str, ...]:
    """The combinations of open points that contain no other of these combinations: those that alone make the
    difference."""
    found: set[str] = set()
    for points in sorted(set(combinations), key=lambda points: (len(points), sorted(points))):
        if not found & points:
            found |= points
    return tuple(sorted(found, key=lambda name: int(name[1:])))
