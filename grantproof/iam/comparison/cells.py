"""All ways in which a request can escape, as cells: which statements have to fire, and which must not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import product
from typing import NamedTuple

from grantproof.iam.comparison.caller import Caller
from grantproof.iam.comparison.patterns import ACTIONS, RESOURCES, Patterns, bits, meet, union
from grantproof.iam.comparison.plan import Plan
from grantproof.iam.comparison.side import Side


class Cell(NamedTuple):
    """One way to escape: the statements of either side that fire, the actions and resources that all of them match, and
    the statements of either side that block the request if they fire."""

    mine: tuple[int, ...]
    theirs: int | None
    actions: Patterns
    resources: Patterns
    blocking_mine: int
    blocking_theirs: int


#: The actions and resources that all chosen statements match.
_Met = tuple[Patterns, Patterns]
#: One Allow from each group, and what all of them match.
_Choice = tuple[tuple[int, ...], _Met]


class Cells:
    """The cells of one kind of caller. `mine` is the allowing side."""

    def __init__(self, mine: Side, theirs: Side, plans: tuple[Plan, Plan], caller: Caller) -> None:
        self._mine, self._theirs, self._caller = mine, theirs, caller
        self._plan, self._other = plans

    def all(self) -> Iterator[Cell]:
        """Every cell in which something can escape."""
        mine, denies = self._plan.denies, tuple(self._other_denies())
        if mine & self._mine.always_fire:
            return
        lacking = [mask for mask in _ways_to_lack(self._other.options) if not mask & self._theirs.always_fire]
        if not lacking and not denies:
            return
        matter = -1 if denies else self._matter(lacking)
        for option in self._plan.options:
            mattering = matter if denies else matter & self._usable(option, lacking)
            for chosen, found in self._choices(tuple(group & mattering for group in option)):
                there = union(self._same_there.get(number, 0) for number in chosen)
                yield from (Cell(chosen, None, *found, mine, mask) for mask in lacking if not mask & there)
                for number in denies:
                    met = self._met(found, self._theirs, number)
                    if met is not None:
                        yield Cell(chosen, number, *met, mine, 0)

    def _matter(self, lacking: Sequence[int]) -> int:
        """The statements of the allowing side with which something can escape: not those that act only in services in
        which the other side allows everything, whatever group it lacks."""
        lost = [mask & self._theirs.decided_by(ACTIONS) for mask in lacking]
        if not all(lost):
            return -1
        theirs = self._theirs.index(ACTIONS)
        kept = (
            s for s in self._mine.in_service if s is None or not all(theirs.covering_service(s) & mask for mask in lost)
        )
        return union(self._mine.in_service[service] for service in kept)

    @cached_property
    def _same_there(self) -> Mapping[int, int]:
        return _alike(self._mine, self._theirs)

    def _usable(self, option: tuple[int, ...], lacking: Sequence[int]) -> int:
        """The statements of an option with which something can escape. If the same statement is on the other side and
        must not fire there, it cannot fire here either; every group needs a statement that can."""
        out = 0
        for mask in lacking:
            lost = union(1 << number for number, there in self._same_there.items() if there & mask)
            left = [group & ~lost for group in option]
            out |= union(left) if all(left) else 0
        return out

    def _other_denies(self) -> Iterator[int]:
        """The Denies of the other side, except those that the allowing side has too: what these match is allowed on
        neither side."""
        denied = {self._mine.signatures[n] for n in bits(self._plan.denies)} if self._other.denies else ()
        return (n for n in bits(self._other.denies) if self._theirs.signatures[n] not in denied)

    def _choices(self, groups: tuple[int, ...]) -> Iterator[_Choice]:
        """Every choice of one Allow from each group, with the actions and resources that all of them match."""

        def choose(rest: tuple[int, ...], chosen: tuple[int, ...], found: _Met) -> Iterator[_Choice]:
            if not rest:
                yield chosen, found
                return
            for number in bits(rest[0]):
                met = self._met(found, self._mine, number)
                if met is not None:
                    yield from choose(rest[1:], (*chosen, number), met)

        inside, resources = self._caller.domain.inside, self._caller.domain.resources
        if len(groups) == 1 and inside == ACTIONS.every.globs and resources == RESOURCES.every.globs:
            # A single layer that allows: the usual case, which does not depend on the other side.
            for number in bits(groups[0]):
                acts, on = self._mine.starts(ACTIONS, number), self._mine.starts(RESOURCES, number)
                if acts and on:
                    yield (number,), (acts, on)
            return
        yield from choose(groups, (), (Patterns(inside, ACTIONS.bucket), Patterns(resources, RESOURCES.bucket)))

    def _met(self, found: _Met, side: Side, number: int) -> _Met | None:
        """The part of these actions and resources that a statement also matches; None if there is none. Not elements
        are left to the search."""
        acts, resources = found
        statement = side.statements[number]
        if not statement.not_action:
            acts = meet(acts, side.patterns(ACTIONS, number))
        if acts and not statement.not_resource:
            resources = meet(resources, side.patterns(RESOURCES, number))
        return (acts, resources) if acts and resources else None


@lru_cache(maxsize=64)
def _alike(mine: Side, theirs: Side) -> Mapping[int, int]:
    """For each statement of one side, the mask of the equal statements of the other side in policies of the same type:
    they fire on the same requests."""
    found: dict[int, int] = {}
    for at in mine.by_signature.keys() & theirs.by_signature.keys():
        found |= dict.fromkeys(bits(mine.by_signature[at]), theirs.by_signature[at])
    return found


@lru_cache(maxsize=4096)
def _ways_to_lack(options: tuple[tuple[int, ...], ...]) -> tuple[int, ...]:
    """For each way in which no option is satisfied (each has a group without a statement that fires), the mask of the
    statements that must not fire. Empty if an option has no group, and is therefore always satisfied."""
    found: list[int] = []
    for choice in product(*options):
        mask = 0
        for group in choice:
            mask |= group
        if not any(other & ~mask == 0 for other in found):
            found = [other for other in found if mask & ~other]
            found.append(mask)
    return tuple(found)
