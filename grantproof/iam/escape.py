"""The search for a request that one side allows and the other does not.

A request escapes when certain statements fire (the *positive* ones: an Allow from every group of one option of the
allowing side, and perhaps a Deny of the other side) while others do not (the *hurting* ones: the Denies of the allowing
side, and every Allow of a group that the other side needs). What fires depends on action, resource and conditions
separately, so each is searched by itself: the patterns of the positive statements are met with each other, and with
those of hurting Not forms, which is how a string gets away from them; every such piece is judged at its generic point.
What hurting statements are then left with can only be stopped by its conditions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

from grantproof.iam import actions
from grantproof.iam.callers import Caller
from grantproof.iam.condition import Test
from grantproof.iam.document import Statement
from grantproof.iam.glob import Glob, glob
from grantproof.iam.language import (
    Effort,
    TooHard,
    Wanted,
    generic_point,
    least_hit,
    overlap,
)
from grantproof.iam.plan import Plan
from grantproof.iam.request import Values
from grantproof.iam.side import (
    EVERY_ACTION,
    EVERY_RESOURCE,
    MOST_PIECES,
    NAMED,
    Bucket,
    Index,
    Side,
    arn_service_of,
    meet,
    service_of,
)
from grantproof.iam.values import Keys


@dataclass(frozen=True)
class _Dimension:
    """Actions or resources, of which each is searched in the same way."""

    bucket: Bucket
    index: Callable[[Side], Index]
    globs: Callable[[Side, int], tuple[Glob, ...]]
    negated: Callable[[Statement], bool]
    anything: Glob

    @cached_property
    def nothing(self) -> Index:
        """What nobody asks."""
        return Index((), self.bucket)


_ACTIONS = _Dimension(service_of, lambda side: side.actions, Side.action_globs, lambda s: s.not_action, NAMED)
_RESOURCES = _Dimension(
    arn_service_of, lambda side: side.resources, Side.resource_globs, lambda s: s.not_resource, glob("*")
)


@dataclass(frozen=True, slots=True)
class Piece:
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
    """

    caller: Caller
    positive: tuple[int, ...]
    denied_by: int | None
    actions: tuple[Piece, ...]
    resources: tuple[Piece, ...]
    context: Mapping[str, Values]
    unless: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class _Cell:
    """Positive statements with what their patterns meet in, and which statements of either side would hurt."""

    mine: tuple[int, ...]
    theirs: int | None
    actions: tuple[Glob, ...]
    resources: tuple[Glob, ...]
    hurting_mine: int
    hurting_theirs: int


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
        keys: Keys,
        effort: Effort,
        *,
        known: bool = False,
        first: bool = False,
    ) -> None:
        self._mine, self._theirs, self._caller, self._keys = mine, theirs, caller, keys
        self._plan, self._other = plans
        self._effort, self._known, self._first = effort, known, first

    def escapes(self) -> Iterator[Escape]:
        """Everything that the first side allows and the second does not; nothing where there is nothing.

        Complete: when nothing comes, nothing escapes. Raises:
            TooHard: that cannot be said.
        """
        for cell in self._cells():
            yield from self._cell(cell)
        if self._keys.unsure:
            raise TooHard(self._keys.unsure)

    # which statements fire, which must not

    def _cells(self) -> Iterator[_Cell]:
        dead = _ways_to_lack(self._other.options)
        for option in self._plan.options:
            for chosen, found_actions, found_resources in self._choices(option):
                for theirs in dead:
                    yield _Cell(chosen, None, found_actions, found_resources, self._plan.denies, theirs)
                for number in _bits(self._other.denies):
                    if self._denied_here_too(number):
                        continue
                    met_actions = self._meet_actions(found_actions, self._theirs, number)
                    met_resources = self._meet_resources(found_resources, self._theirs, number)
                    if met_actions and met_resources:
                        yield _Cell(chosen, number, met_actions, met_resources, self._plan.denies, 0)

    def _choices(self, groups: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], tuple[Glob, ...], tuple[Glob, ...]]]:
        """One Allow from each group, with the patterns in which they all meet."""

        def choose(
            rest: tuple[int, ...], chosen: tuple[int, ...], acts: tuple[Glob, ...], things: tuple[Glob, ...]
        ) -> Iterator[tuple[tuple[int, ...], tuple[Glob, ...], tuple[Glob, ...]]]:
            if not rest:
                yield chosen, acts, things
                return
            for number in _bits(rest[0]):
                met_actions = self._meet_actions(acts, self._mine, number)
                met_resources = self._meet_resources(things, self._mine, number) if met_actions else ()
                if met_resources:
                    yield from choose(rest[1:], (*chosen, number), met_actions, met_resources)

        inside = self._caller.region.inside
        if len(groups) == 1 and inside == (EVERY_ACTION,):
            # One layer that allows: the common case, and the same for every other side.
            for number in _bits(groups[0]):
                acts, things = self._mine.starts(number)
                if acts and things:
                    yield (number,), acts, things
            return
        yield from choose(groups, (), inside, EVERY_RESOURCE)

    def _meet_actions(self, found: tuple[Glob, ...], side: Side, number: int) -> tuple[Glob, ...]:
        if side.statements[number].not_action:
            return found
        return meet(found, side.action_globs(number), service_of)

    def _meet_resources(self, found: tuple[Glob, ...], side: Side, number: int) -> tuple[Glob, ...]:
        if side.statements[number].not_resource:
            return found
        return meet(found, side.resource_globs(number), arn_service_of)

    def _denied_here_too(self, number: int) -> bool:
        """Has the allowing side the very same Deny? Then nothing that it catches is allowed at all."""
        statement = self._theirs.statements[number]
        return any(
            _alike(statement, self._mine.statements[n])
            and self._theirs.resource_globs(number) == self._mine.resource_globs(n)
            for n in _bits(self._plan.denies)
        )

    # one cell

    def _cell(self, cell: _Cell) -> Iterator[Escape]:
        if cell.hurting_mine & self._mine.whole or cell.hurting_theirs & self._theirs.whole:
            return
        resource_pieces = self._pieces(cell, cell.resources, _RESOURCES)
        by_resource = _by_mask(resource_pieces, cell.hurting_mine, cell.hurting_theirs)
        if not by_resource:
            return
        action_pieces = self._pieces(cell, cell.actions, _ACTIONS)
        gather = _one_by_one if self._first else _by_mask
        by_action = gather(action_pieces, cell.hurting_mine, cell.hurting_theirs)
        firm_mine = cell.hurting_mine & ~self._mine.conditional
        firm_theirs = cell.hurting_theirs & ~self._theirs.conditional
        required = self._required(cell)
        for (action_mine, action_theirs), some_actions in by_action:
            for (resource_mine, resource_theirs), some_resources in by_resource:
                live_mine, live_theirs = action_mine & resource_mine, action_theirs & resource_theirs
                if live_mine & firm_mine or live_theirs & firm_theirs:
                    continue
                unless = (
                    *(self._mine.statements[n] for n in _bits(live_mine)),
                    *(self._theirs.statements[n] for n in _bits(live_theirs)),
                )
                context = self._context(required, unless)
                if context is not None:
                    yield Escape(self._caller, cell.mine, cell.theirs, some_actions, some_resources, context, unless)

    def _required(self, cell: _Cell) -> frozenset[Test]:
        tests = [t for n in cell.mine for t in self._mine.statements[n].conditions]
        if cell.theirs is not None:
            tests += self._theirs.statements[cell.theirs].conditions
        return frozenset(tests)

    def _pieces(self, cell: _Cell, start: tuple[Glob, ...], dimension: _Dimension) -> Iterator[Piece]:
        """The patterns of one dimension, and those in which they get away from hurting Not forms."""
        found = self._escaping(cell, list(start), dimension)
        outside: tuple[Glob, ...] = ()
        if dimension is _ACTIONS:
            outside = self._caller.region.outside
            if self._known:
                found = [glob(name.lower()) for one in found for name in actions.matching(str(one))]
        need_mine = sum(1 << n for n in cell.mine)
        need_theirs = 0 if cell.theirs is None else 1 << cell.theirs
        # Statements in plain form fire by construction, so that the allowing side is asked only where it may object.
        objects = cell.hurting_mine or any(dimension.negated(self._mine.statements[n]) for n in cell.mine)
        mine = dimension.index(self._mine) if objects else dimension.nothing
        theirs = dimension.index(self._theirs)
        for one in found:
            for text in self._points(one, cell, mine, theirs, outside, dimension.anything):
                here, there = mine.mask(text) if objects else need_mine, theirs.mask(text)
                fires = here & need_mine == need_mine and there & need_theirs == need_theirs
                if fires and not any(other.matches(text) for other in outside):
                    yield Piece(one, text, here, there)

    def _escaping(self, cell: _Cell, found: list[Glob], dimension: _Dimension) -> list[Glob]:
        """The patterns, and what they have in common with those of each hurting statement in Not form."""
        for side, hurting in ((self._mine, cell.hurting_mine), (self._theirs, cell.hurting_theirs)):
            for number in _bits(hurting):
                if dimension.negated(side.statements[number]):
                    found = list(
                        dict.fromkeys((*found, *meet(tuple(found), dimension.globs(side, number), dimension.bucket)))
                    )
                    if len(found) > MOST_PIECES:
                        raise TooHard("the statements in Not form have too many patterns to get away from")
        return found

    def _points(
        self, one: Glob, cell: _Cell, mine: Index, theirs: Index, outside: tuple[Glob, ...], anything: Glob
    ) -> Iterator[str]:
        """Strings of a pattern that match as little else as possible: its generic point, and where a pattern that
        counts characters takes that, every least choice."""
        text = generic_point(one)
        yield text
        if one.literal is not None:
            return
        if not (mine.counts or theirs.counts or any(g.counts for g in outside)):
            return
        matter = cell.hurting_mine | sum(1 << n for n in cell.mine)
        counting = [*mine.counting(matter), *theirs.counting(-1), *(g for g in outside if g.counts)]
        if not any(g.matches(text) for g in counting):
            return
        # Whatever else takes the generic point takes every string of the pattern; what does not may take another one.
        others = (*mine.near(one, matter), *theirs.near(one, -1), *outside)
        avoidable = [g for g in others if g.counts or (not g.matches(text) and overlap(one, g))]
        unwanted = [Wanted(g) for g in dict.fromkeys((*counting, *avoidable))]
        wanted = [[Wanted(one)], [Wanted(anything)]]
        yield from (f.text for f in least_hit(wanted, unwanted, self._effort) if f.text != text)

    # conditions

    def _context(self, required: frozenset[Test], unless: Sequence[Statement]) -> Mapping[str, Values] | None:
        """Values of condition keys with which every required test holds and some test of each statement fails."""
        clauses = []
        for statement in unless:
            tests = frozenset(statement.conditions)
            if tests <= required:
                return None
            clauses.append(tests - required)
        if not required and not clauses:
            return {}
        return self._solve(_by_key(required), {}, sorted(set(clauses), key=len))

    def _solve(
        self,
        true: Mapping[str, frozenset[Test]],
        false: Mapping[str, frozenset[Test]],
        clauses: Sequence[frozenset[Test]],
    ) -> Mapping[str, Values] | None:
        for key, tests in true.items():
            if self._keys.find(key, tests, false.get(key, frozenset())) is None:
                return None
        if not clauses:
            return self._keys.together(true, false)
        first, rest = clauses[0], clauses[1:]
        for test in sorted(first, key=str):
            refused = false.get(test.key, frozenset()) | {test}
            if self._keys.find(test.key, true.get(test.key, frozenset()), refused) is None:
                continue
            later = [clause for clause in rest if test not in clause]
            found = self._solve(true, {**false, test.key: refused}, later)
            if found is not None:
                return found
        return None


def _alike(one: Statement, other: Statement) -> bool:
    """Do two statements apply to the same requests, as they are written?"""
    return (
        one.actions == other.actions
        and one.not_action == other.not_action
        and one.not_resource == other.not_resource
        and one.principals == other.principals
        and one.not_principal == other.not_principal
        and frozenset(one.conditions) == frozenset(other.conditions)
    )


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def _by_key(tests: Iterable[Test]) -> dict[str, frozenset[Test]]:
    out: dict[str, frozenset[Test]] = {}
    for test in tests:
        out[test.key] = out.get(test.key, frozenset()) | {test}
    return out


def _by_mask(pieces: Iterable[Piece], mine: int, theirs: int) -> list[tuple[tuple[int, int], tuple[Piece, ...]]]:
    """Pieces that the same hurting statements match, those with the fewest first."""
    found: dict[tuple[int, int], list[Piece]] = {}
    for piece in pieces:
        found.setdefault((piece.mine & mine, piece.theirs & theirs), []).append(piece)
    return sorted(
        ((masks, tuple(group)) for masks, group in found.items()),
        key=lambda item: item[0][0].bit_count() + item[0][1].bit_count(),
    )


def _one_by_one(pieces: Iterable[Piece], mine: int, theirs: int) -> Iterator[tuple[tuple[int, int], tuple[Piece, ...]]]:
    """The first piece of each kind, as they come."""
    seen = set()
    for piece in pieces:
        masks = (piece.mine & mine, piece.theirs & theirs)
        if masks not in seen:
            seen.add(masks)
            yield masks, (piece,)


def _ways_to_lack(options: tuple[tuple[int, ...], ...]) -> tuple[int, ...]:
    """For each way in which every option lacks an Allow in some group, the statements that must not fire. None at all
    where an option needs nothing."""
    found: list[int] = []
    for choice in product(*options):
        mask = 0
        for group in choice:
            mask |= group
        if not any(other & ~mask == 0 for other in found):
            found = [other for other in found if mask & ~other]
            found.append(mask)
    return tuple(found)
