"""Points that AWS's documentation leaves open, each with the readings it admits.

The names are the O-rules of the reference. A decision that would differ under another reading says so
(`Decision.depends_on`); a proof that depends on one is not a proof.
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
    """One open point: its readings, the first being the default, and what it is about."""

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
    """Why nothing is said of what depends on open points, and what each is about."""
    asked = ", ".join(f"{name} ({OPEN_POINTS[name].question})" for name in points)
    return f"it depends on what AWS's documentation leaves open: {asked}"


@dataclass(frozen=True)
class Assumptions:
    """The reading taken of every open point; those not named in `chosen` have their default.

    Raises:
        ValueError: an unknown point or reading, naming those that exist.
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
        """What tells these assumptions from others, as a key of dictionaries."""
        return tuple(sorted(self.chosen.items()))

    def reading(self, name: str) -> str:
        """The reading in force."""
        return self.chosen.get(name) or OPEN_POINTS[name].readings[0]

    def alternatives(self, name: str) -> Iterator[Assumptions]:
        """These assumptions with every other reading of one point."""
        for reading in OPEN_POINTS[name].readings:
            if reading != self.reading(name):
                yield Assumptions({**self.chosen, name: reading})

    def unlike(self, other: Assumptions) -> frozenset[str]:
        """The points of which the two take different readings."""
        named = self.chosen.keys() | other.chosen.keys()
        return frozenset(name for name in named if self.reading(name) != other.reading(name))


DEFAULTS = Assumptions()


class Judge:
    """The readings in force during one evaluation, and which open points it had to consult."""

    __slots__ = ("assumptions", "consulted")

    def __init__(self, assumptions: Assumptions) -> None:
        self.assumptions = assumptions
        self.consulted: set[str] = set()

    def takes(self, name: str, reading: str) -> bool:
        """Is this the reading in force? Records that the point mattered so far."""
        self.consulted.add(name)
        return self.assumptions.reading(name) == reading


def under_every_reading(decide: Callable[[Judge], _T], base: Assumptions) -> Iterator[tuple[Assumptions, _T]]:
    """What a computation says under every combination of readings, each answer once for all the combinations that agree
    on the points which it asked for it; those first that differ from `base` in fewer points.

    Complete, since the computation learns of readings from its judge alone: whatever agrees with a run on all that the
    run asked would have run in the same way. What does not agree with it differs from it in a first point, in the order
    of their names, and is looked at with the readings of the points before that one settled as they were.
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
    """The open points of those combinations that hold none of another's, which alone make the difference."""
    found: set[str] = set()
    for points in sorted(set(combinations), key=lambda points: (len(points), sorted(points))):
        if not found & points:
            found |= points
    return tuple(sorted(found, key=lambda name: int(name[1:])))
