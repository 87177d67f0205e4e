"""The search for a request that one side allows and the other does not.

A request escapes when certain statements fire (the *positive* ones: an Allow from every group of one option of the
allowing side, and perhaps a Deny of the other side) while others do not (the *blocking* ones: the Denies of the
allowing side, and every Allow of a group that the other side needs). What fires depends on action, resource and
conditions separately, so each is searched by itself: the patterns of the positive statements are met with each other,
and with those of blocking Not forms, which is how a string gets away from them; every such piece is judged at its
generic point. What blocking statements are then left with can only be stopped by its conditions.
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
from grantproof.iam.document import Statement
from grantproof.iam.glob import Glob, glob
from grantproof.iam.request import Values


class Piece(NamedTuple):
    """A pattern of actions or of resources, at one of its strings: which statements of either side match there."""

    glob: Glob
    text: str
    mine: int
    theirs: int


@dataclass(frozen=True)
class Escape:
    """A set of requests that one side allows and the other does not.

    Attributes:
        positive: the statements that fire; the first are the Allows of the allowing side.
        denied_by: a Deny of the other side that fires, if that is what it takes.
        actions, resources: the patterns, each at a string that escapes.
        context: condition keys with which it does.
        unless: statements with conditions that had to be kept from firing, on the allowing and on the other side.
        reading: of the open points, under which it escapes.
        blocking_mine, blocking_theirs: the statements of either side that would have stopped it, as masks.
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


#: Pieces that the same blocking statements of either side match.
_Group = tuple[tuple[int, int], tuple[Piece, ...]]


class Search:
    """One kind of caller, one pair of sides.

    Args:
        known: ask about the actions that exist, and not about all that may ever exist.
        first: one escape is enough, so that pieces need not be gathered before they are judged.
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
        """Everything that the first side allows and the second does not; nothing where there is nothing.

        Complete: when nothing comes, nothing escapes. Raises:
            TooHard: that cannot be said.
        """
        for cell in self._cells.all():
            self._effort.spend(3, "the layers allow in too many ways to try")
            yield from self._cell(cell)
        self._conditions.check()

    def _cell(self, cell: Cell) -> Iterator[Escape]:
        cell = cell._replace(actions=self._not_lost(cell))
        if not cell.actions:
            return
        gather = _one_by_one if self._first else _by_mask
        by_resource = Replayable(gather(self._pieces(cell, RESOURCES), cell))
        required = self._required(cell)
        firm_mine = cell.blocking_mine & ~self._mine.conditional
        firm_theirs = cell.blocking_theirs & ~self._theirs.conditional
        for (action_mine, action_theirs), some_actions in gather(self._pieces(cell, ACTIONS), cell):
            for (resource_mine, resource_theirs), some_resources in by_resource:
                live_mine, live_theirs = action_mine & resource_mine, action_theirs & resource_theirs
                if live_mine & firm_mine or live_theirs & firm_theirs:
                    continue
                unless = (
                    *(self._mine.statements[n] for n in bits(live_mine)),
                    *(self._theirs.statements[n] for n in bits(live_theirs)),
                )
                for context, reading in self._conditions.found(required, unless):
                    pieces = some_actions, some_resources
                    blocking = cell.blocking_mine, cell.blocking_theirs
                    yield Escape(self._caller, cell.mine, cell.theirs, *pieces, context, unless, reading, *blocking)

    def _not_lost(self, cell: Cell) -> Patterns:
        """The actions without those of services in which everything is lost, whatever the action."""
        lost_mine = cell.blocking_mine & self._mine.firm(ACTIONS)
        lost_theirs = cell.blocking_theirs & self._theirs.firm(ACTIONS)
        if not (lost_mine or lost_theirs):
            return cell.actions
        mine, theirs = self._mine.index(ACTIONS), self._theirs.index(ACTIONS)

        def lost(service: str) -> bool:
            by_mine = lost_mine and mine.throughout(service) & lost_mine
            return bool(by_mine or (lost_theirs and theirs.throughout(service) & lost_theirs))

        return cell.actions.but(lost)

    def _required(self, cell: Cell) -> frozenset[Test]:
        tests = [t for n in cell.mine for t in self._mine.statements[n].conditions]
        if cell.theirs is not None:
            tests += self._theirs.statements[cell.theirs].conditions
        return frozenset(tests)

    def _pieces(self, cell: Cell, dimension: Dimension) -> Iterator[Piece]:
        """The patterns of one dimension, and those in which they get away from blocking Not forms; without those that
        no condition and nothing in the other dimension can save."""
        outside = self._outside if dimension is ACTIONS else _NOTHING
        need_mine = sum(1 << n for n in cell.mine)
        need_theirs = 0 if cell.theirs is None else 1 << cell.theirs
        lost_mine = cell.blocking_mine & self._mine.firm(dimension)
        lost_theirs = cell.blocking_theirs & self._theirs.firm(dimension)
        # Statements in plain form fire by construction, so that the allowing side is asked only where it may object.
        objects = cell.blocking_mine or any(dimension.negated(self._mine.statements[n]) for n in cell.mine)
        mine = self._mine.index(dimension) if objects else dimension.nothing
        theirs = self._theirs.index(dimension)
        for one in self._patterns(cell, dimension):
            for text in self._points(one, cell, dimension, mine, theirs, outside):
                here, there = self._mask(mine, text) if objects else need_mine, self._mask(theirs, text)
                fires = here & need_mine == need_mine and there & need_theirs == need_theirs
                lost = here & lost_mine or there & lost_theirs
                if fires and not lost and not outside.mask(text):
                    yield Piece(one, text, here, there)

    def _mask(self, index: Index, text: str) -> int:
        """The statements that match a text, of which many cells ask."""
        found = self._masks.get((index, text))
        if found is None:
            found = self._masks[index, text] = index.mask(text)
        return found

    def _patterns(self, cell: Cell, dimension: Dimension) -> Iterable[Glob]:
        """The patterns, and what they have in common with those of each blocking statement in Not form."""
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
        """Strings of a pattern that match as little else as possible: its generic point, and where a pattern that
        counts characters takes that, every least choice."""
        text = generic_point(one)
        yield text
        if one.literal is not None or not (mine.counts or theirs.counts or outside.counts):
            return
        matter = cell.blocking_mine | sum(1 << n for n in cell.mine)
        counting = [*mine.counting(matter), *theirs.counting(-1), *outside.counting(-1)]
        if not any(g.matches(text) for g in counting):
            return
        # Whatever else takes the generic point takes every string of the pattern; what does not may take another one.
        others = (*mine.near(one, matter), *theirs.near(one, -1), *outside.near(one, -1))
        avoidable = [g for g in others if g.counts or (not g.matches(text) and overlap(one, g))]
        unwanted = [Wanted(g) for g in dict.fromkeys((*counting, *avoidable))]
        wanted = [[Wanted(one)], [Wanted(dimension.anything)]]
        yield from (f.text for f in least_hit(wanted, unwanted, self._effort) if f.text != text)


_NOTHING = ACTIONS.nothing


@lru_cache(maxsize=256)
def _outside(globs: tuple[Glob, ...]) -> Index:
    """The actions that are not asked about."""
    return Index(((globs, False),), ACTIONS.bucket)


def _blocking(piece: Piece, cell: Cell) -> tuple[int, int]:
    return piece.mine & cell.blocking_mine, piece.theirs & cell.blocking_theirs


def _by_mask(pieces: Iterable[Piece], cell: Cell) -> Iterator[_Group]:
    """Pieces that the same blocking statements match, those with the fewest first."""
    found: dict[tuple[int, int], list[Piece]] = {}
    for piece in pieces:
        found.setdefault(_blocking(piece, cell), []).append(piece)
    groups = ((masks, tuple(group)) for masks, group in found.items())
    yield from sorted(groups, key=lambda group: sum(mask.bit_count() for mask in group[0]))


def _one_by_one(pieces: Iterable[Piece], cell: Cell) -> Iterator[_Group]:
    """The first piece of each kind, as they come."""
    seen = set()
    for piece in pieces:
        masks = _blocking(piece, cell)
        if masks not in seen:
            seen.add(masks)
            yield masks, (piece,)
