"""The search for a request that one side allows and the other does not.

A request escapes when certain statements fire (the *positive* ones: an Allow from every group of one option of the
allowing side, and perhaps a Deny of the other side) while others do not (the *blocking* ones: the Denies of the
allowing side, and every Allow of a group that the other side needs). What fires depends on action, resource and
conditions separately, so each is searched by itself. The patterns of the positive statements are intersected with each
other, and with those of blocking statements in Not form, which do not fire there. Each resulting piece is judged at its
generic point. Blocking statements that still match can only be kept from firing by their conditions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from grantproof.iam import actions
from grantproof.iam.assumption import Assumptions
from grantproof.iam.comparison.automaton import Wanted, least_hit
from grantproof.iam.comparison.caller import Caller
from grantproof.iam.comparison.cells import Cell, Cells
from grantproof.iam.comparison.conditions import Conditions
from grantproof.iam.comparison.effort import Effort, TooHard
from grantproof.iam.comparison.language import generic_point, overlap
from grantproof.iam.comparison.patterns import (
    ACTIONS,
    MOST_PIECES,
    RESOURCES,
    Dimension,
    Index,
    Patterns,
    bits,
    meet,
)
from grantproof.iam.comparison.plan import Plan
from grantproof.iam.comparison.replayable import Replayable
from grantproof.iam.comparison.side import Side
from grantproof.iam.condition import Test
from grantproof.iam.glob import Glob, glob
from grantproof.iam.policy import Statement
from grantproof.iam.request import Values


class Piece(NamedTuple):
    """A pattern of actions or of resources, and one of its strings: which statements of either side match the
    string."""

    glob: Glob
    text: str
    mine: int
    theirs: int


@dataclass(frozen=True)
class Escape:
    """A set of requests that one side allows and the other does not.

    Attributes:
        positive: the statements that fire; the first are the Allows of the allowing side.
        denied_by: the Deny of the other side that fires, where the other side refuses by a Deny.
        actions, resources: the patterns, each with a string that escapes.
        context: the values of condition keys with which it escapes.
        unless: the statements of either side that their conditions keep from firing.
        reading: of the open points, under which the requests escape.
        blocking_mine, blocking_theirs: the statements of either side that would block it, as masks.
    """

    caller: Caller
    positive: tuple[int, ...]
    denied_by: int | None
    actions: tuple[Piece, ...]
    resources: tuple[Piece, ...]
    context: Mapping[str, Values]
    unless: tuple[Statement, ...]
    reading: Assumptions
    blocking_mine: int
    blocking_theirs: int


#: Pieces that the same blocking statements of either side match, after the masks of these.
_Group = tuple[tuple[int, int], tuple[Piece, ...]]


class Search:
    """One kind of caller, one pair of sides.

    Args:
        known: search among the actions that exist today only.
        first: one escape is enough, so pieces are judged one by one instead of sorted first.
    """

    def __init__(
        self,
        mine: Side,
        theirs: Side,
        plans: tuple[Plan, Plan],
        caller: Caller,
        conditions: Conditions,
        effort: Effort,
        *,
        known: bool = False,
        first: bool = False,
    ) -> None:
        self._mine, self._theirs, self._caller, self._conditions = mine, theirs, caller, conditions
        self._cells = Cells(mine, theirs, plans, caller)
        self._effort, self._known, self._first = effort, known, first
        self._outside = _outside(caller.domain.outside)
        self._masks: dict[tuple[Index, str], int] = {}

    def escapes(self) -> Iterator[Escape]:
        """What the first side allows and the second does not. Complete: where it yields nothing, nothing escapes.

        Raises:
            TooHard: the search was given up.
        """
        for cell in self._cells.all():
            self._effort.spend(3, "the layers allow in too many ways to try")
            yield from self._cell(cell)
        self._conditions.check()

    def _cell(self, cell: Cell) -> Iterator[Escape]:
        cell = cell._replace(actions=self._without_blocked_services(cell))
        if not cell.actions:
            return
        gather = _one_by_one if self._first else _by_mask
        by_resource = Replayable(gather(self._pieces(cell, RESOURCES), cell))
        required = self._required(cell)
        sure_mine = cell.blocking_mine & ~self._mine.conditional
        sure_theirs = cell.blocking_theirs & ~self._theirs.conditional
        for (action_mine, action_theirs), some_actions in gather(self._pieces(cell, ACTIONS), cell):
            for (resource_mine, resource_theirs), some_resources in by_resource:
                live_mine, live_theirs = action_mine & resource_mine, action_theirs & resource_theirs
                if live_mine & sure_mine or live_theirs & sure_theirs:
                    continue
                unless = (
                    *(self._mine.statements[n] for n in bits(live_mine)),
                    *(self._theirs.statements[n] for n in bits(live_theirs)),
                )
                for context, reading in self._conditions.found(required, unless):
                    pieces = some_actions, some_resources
                    blocking = cell.blocking_mine, cell.blocking_theirs
                    yield Escape(self._caller, cell.mine, cell.theirs, *pieces, context, unless, reading, *blocking)

    def _without_blocked_services(self, cell: Cell) -> Patterns:
        """The actions of a cell, without those of services in which some statement blocks every action."""
        sure_mine = cell.blocking_mine & self._mine.decided_by(ACTIONS)
        sure_theirs = cell.blocking_theirs & self._theirs.decided_by(ACTIONS)
        if not (sure_mine or sure_theirs):
            return cell.actions
        mine, theirs = self._mine.index(ACTIONS), self._theirs.index(ACTIONS)

        def blocked(service: str) -> bool:
            by_mine = sure_mine and mine.covering_service(service) & sure_mine
            return bool(by_mine or (sure_theirs and theirs.covering_service(service) & sure_theirs))

        return cell.actions.without(blocked)

    def _required(self, cell: Cell) -> frozenset[Test]:
        tests = [t for n in cell.mine for t in self._mine.statements[n].conditions]
        if cell.theirs is not None:
            tests += self._theirs.statements[cell.theirs].conditions
        return frozenset(tests)

    def _pieces(self, cell: Cell, dimension: Dimension) -> Iterator[Piece]:
        """The pieces of one dimension in which the positive statements fire. Left out are those that are blocked
        whatever the conditions and the other dimension are."""
        outside = self._outside if dimension is ACTIONS else _NOTHING
        need_mine = sum(1 << n for n in cell.mine)
        need_theirs = 0 if cell.theirs is None else 1 << cell.theirs
        sure_mine = cell.blocking_mine & self._mine.decided_by(dimension)
        sure_theirs = cell.blocking_theirs & self._theirs.decided_by(dimension)
        # Positive statements in plain form match by construction; only others have to be asked.
        must_ask = cell.blocking_mine or any(dimension.negated(self._mine.statements[n]) for n in cell.mine)
        mine = self._mine.index(dimension) if must_ask else dimension.nothing
        theirs = self._theirs.index(dimension)
        for one in self._patterns(cell, dimension):
            for text in self._points(one, cell, dimension, mine, theirs, outside):
                here, there = self._mask(mine, text) if must_ask else need_mine, self._mask(theirs, text)
                fires = here & need_mine == need_mine and there & need_theirs == need_theirs
                blocked = here & sure_mine or there & sure_theirs
                if fires and not blocked and not outside.mask(text):
                    yield Piece(one, text, here, there)

    def _mask(self, index: Index, text: str) -> int:
        """The statements that match a text; kept, because many cells ask for the same text."""
        found = self._masks.get((index, text))
        if found is None:
            found = self._masks[index, text] = index.mask(text)
        return found

    def _patterns(self, cell: Cell, dimension: Dimension) -> Iterable[Glob]:
        """The patterns of a cell, and their intersections with those of each blocking statement in Not form."""
        found = cell.actions if dimension is ACTIONS else cell.resources
        for side, blocking in ((self._mine, cell.blocking_mine), (self._theirs, cell.blocking_theirs)):
            for number in bits(blocking & side.in_not_form(dimension)):
                met = meet(found, side.patterns(dimension, number))
                found = Patterns((*found.globs, *met.globs), dimension.bucket) if met else found
                if len(found.globs) > MOST_PIECES:
                    raise TooHard("the statements in Not form have too many patterns to get away from")
        if self._known and dimension is ACTIONS:
            return [glob(name.lower()) for one in found.globs for name in actions.matching(str(one))]
        return found.globs

    def _points(
        self, one: Glob, cell: Cell, dimension: Dimension, mine: Index, theirs: Index, outside: Index
    ) -> Iterator[str]:
        """Strings of a pattern that match as few other patterns as possible: its generic point and, where a pattern
        that counts characters matches that, one string for each least set of other patterns that must match."""
        text = generic_point(one)
        yield text
        if one.literal is not None or not (mine.counts or theirs.counts or outside.counts):
            return
        matter = cell.blocking_mine | sum(1 << n for n in cell.mine)
        counting = [*mine.counting(matter), *theirs.counting(-1), *outside.counting(-1)]
        if not any(g.matches(text) for g in counting):
            return
        # A pattern without `?` that matches the generic point matches every string; one that does not may match
        # another.
        others = (*mine.near(one, matter), *theirs.near(one, -1), *outside.near(one, -1))
        avoidable = [g for g in others if g.counts or (not g.matches(text) and overlap(one, g))]
        unwanted = [Wanted(g) for g in dict.fromkeys((*counting, *avoidable))]
        wanted = [[Wanted(one)], [Wanted(dimension.anything)]]
        yield from (f.text for f in least_hit(wanted, unwanted, self._effort) if f.text != text)


_NOTHING = ACTIONS.nothing


@lru_cache(maxsize=256)
def _outside(globs: tuple[Glob, ...]) -> Index:
    """The actions outside the caller's domain."""
    return Index(((globs, False),), ACTIONS.bucket)


def _blocking(piece: Piece, cell: Cell) -> tuple[int, int]:
    return piece.mine & cell.blocking_mine, piece.theirs & cell.blocking_theirs


def _by_mask(pieces: Iterable[Piece], cell: Cell) -> Iterator[_Group]:
    """Pieces grouped by the blocking statements that match them, the fewest of these first."""
    found: dict[tuple[int, int], list[Piece]] = {}
    for piece in pieces:
        found.setdefault(_blocking(piece, cell), []).append(piece)
    groups = ((masks, tuple(group)) for masks, group in found.items())
    yield from sorted(groups, key=lambda group: sum(mask.bit_count() for mask in group[0]))


def _one_by_one(pieces: Iterable[Piece], cell: Cell) -> Iterator[_Group]:
    """As `_by_mask`, but only the first piece of each group, as it is found."""
    seen = set()
    for piece in pieces:
        masks = _blocking(piece, cell)
        if masks not in seen:
            seen.add(masks)
            yield masks, (piece,)
