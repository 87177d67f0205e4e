"""What escapes under another reading of the open points, where nothing does under the readings in force.

A whole search for every combination of readings would be 64 searches for six points. Here a point is read both ways
only where it is consulted, and readings are combined only where they meet. A request escapes under a combination of
readings when there is

1. a kind of caller and its plan on either side. A plan consults readings as it is made (`under_every_reading`); nearly
   all callers have the same plan under all of them;
2. under these plans, statements whose patterns intersect. Which resources a statement matches depends on O5, O9, O28
   and O39 alone;
3. under these statements, values of condition keys with which some tests hold and others fail. What a test says depends
   on its own points alone (`readings.of_test`).

So this goes through all combinations of the points of (2) that some statement consults; under each, through the
different plans of each caller; and for each question of (3), through all combinations of the points of its tests. That
is complete: no other point changes the plans, patterns or tests that are looked at.

Some combinations of (2) need not be tried, or only in part:

- O28 concerns requests for the resource `*` only. That string has no colon (O5) and no service (O39), so with O28 only
  this resource is searched, and never together with O5 or O39: what escapes with them escapes without O28, or without
  them.
- O9 concerns variables without value: only assignments with such variables are tried.
- O6 concerns IAM users only, and O28 does not: only users are searched, with sides in lower case (`user_name_case`),
  and only if case can matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from grantproof.iam.assumption import Assumptions, Judge, under_every_reading
from grantproof.iam.comparison.caller import Caller
from grantproof.iam.comparison.conditions import Conditions
from grantproof.iam.comparison.effort import Effort, TooHard
from grantproof.iam.comparison.escape import Escape
from grantproof.iam.comparison.prepared import Prepared
from grantproof.iam.comparison.question import Plans, Question
from grantproof.iam.comparison.readings import OF_CALLERS, of_statement, of_test, readings
from grantproof.iam.comparison.side import Side
from grantproof.iam.comparison.user_name_case import USERS, case_may_matter, without_case
from grantproof.iam.comparison.values import Bounds, Keys
from grantproof.iam.condition import Test
from grantproof.iam.errors import Undecided
from grantproof.iam.glob import Glob
from grantproof.iam.policy import Statement
from grantproof.iam.request import Values

#: For two sides and a kind of caller: the different pairs of plans, each with a reading that gives it.
Distinct = dict[tuple[int, int, Caller], list[tuple[Plans, Assumptions]]]
_STAR = (Glob(("*",)),)


def escaping_readings(asked: Question, outer: Prepared, inner: Prepared) -> set[frozenset[str]]:
    """The combinations of open points with another reading of which something escapes, or may escape. Empty: nothing
    escapes under any reading.

    Args:
        asked: the question under the readings in force, under which nothing escapes.
    """
    base = asked.assumptions
    statements = [s for side in (outer, inner) for s in side.statements()]
    touched = frozenset[str]().union(*map(of_statement, statements))
    known = Known(base)
    plans: Distinct = {}
    lowered: tuple[Prepared, Prepared] | None = None
    users = {"O6"} if case_may_matter(statements) else set[str]()
    for reading in readings(base, touched | users):
        changed = reading.unlike(base)
        if "O28" in changed and changed & {"O5", "O6", "O39"}:
            continue
        try:
            question, sides = asked, (outer, inner)
            if "O6" in changed:
                lowered = lowered or without_case(outer, inner)
                question, sides = asked.with_sides(*lowered), lowered
            for escape, _ in _OtherReadings(question, reading, known, plans).escapes(*sides, first=True):
                known.add(escape.reading.unlike(base))
        except Open as error:
            known.combinations |= error.combinations
        except Undecided:
            # Given up before any point was read otherwise: all that may be consulted are open.
            known.add(changed or touched.union(OF_CALLERS, *(of_test(t) for s in statements for t in s.conditions)))
        if asked.effort.left < 0:
            break
    return known.combinations


class Open(TooHard):
    """It is not known what escapes under another reading of some combinations of points."""

    def __init__(self, message: str, *combinations: frozenset[str]) -> None:
        super().__init__(message)
        self.combinations = {points for points in combinations if points}


class Known:
    """The combinations of points that are known to make a difference.

    Args:
        base: the readings in force.
        doubtful: something may escape under these, too.
    """

    def __init__(self, base: Assumptions, *, doubtful: bool = False) -> None:
        self.base, self._doubtful = base, doubtful
        self.combinations: set[frozenset[str]] = set()

    def add(self, points: frozenset[str]) -> None:
        """Record that with another reading of these points something escapes, or may escape."""
        self.combinations.add(points)

    def settles(self, reading: Assumptions) -> bool:
        """Can this reading be skipped: is it the one in force, or is a part of its combination known already?"""
        changed = reading.unlike(self.base)
        if not changed and not self._doubtful:
            return True
        return any(points <= changed for points in self.combinations)


class _OtherReadings(Question):
    """The question under one combination of the points of resources, and every combination of all others."""

    looks_further = True

    def __init__(self, asked: Question, reading: Assumptions, known: Known, plans: Distinct) -> None:
        super().__init__(
            asked.old,
            asked.new,
            asked.effort,
            owner=asked.owner,
            assumptions=reading,
            known=asked.known,
            correlated=asked.correlated,
        )
        self._asked, self._settled, self._distinct = asked, known, plans
        self._changed = reading.unlike(known.base)
        #: The combinations with which something may escape for some values of policy variables.
        self._doubtful = set[frozenset[str]]()

    def with_sides(self, old: Prepared, new: Prepared) -> Question:
        other = _OtherReadings(super().with_sides(old, new), self.assumptions, self._settled, {})
        other._doubtful = self._doubtful
        return other

    def _may_escape(self, caller: Caller, outer: Prepared, inner: Prepared) -> bool:
        self._settled = Known(self._settled.base, doubtful=True)
        try:
            for escape in self._search(caller, self._bounds(caller, {}), outer, inner, first=True):
                self._settled.add(escape.reading.unlike(self._settled.base))
        except Undecided:
            self._settled.add(self._changed)
        self._doubtful |= self._settled.combinations
        return bool(self._settled.combinations)

    def _by_values(
        self, outer: Prepared, inner: Prepared, *, first: bool
    ) -> Iterator[tuple[Escape, Mapping[str, Values]]]:
        try:
            yield from super()._by_values(outer, inner, first=first)
        except Open:
            raise
        except Undecided as error:
            # If nothing escapes whatever the values of variables, it does not matter that not all were tried.
            if self._doubtful and frozenset() not in self._doubtful:
                raise Open(error.message, *self._doubtful) from None
            raise

    def _nothing_whoever_asks(self, outer: Prepared, inner: Prepared) -> bool:
        # The plans of other callers than users and roles may consult points that this check does not.
        if not all(caller.alike for caller in self._callers()):
            return False
        settled = self._settled
        try:
            # Relaxed sides lack the tests with variables, and the points that these consult.
            self._settled = Known(settled.base, doubtful=bool(self._variables))
            return super()._nothing_whoever_asks(outer, inner)
        finally:
            self._settled = settled

    def _check_case(self) -> None:
        """The case of user names is searched separately, under O6."""

    def _matter(self, variables: Mapping[str, Values]) -> bool:
        return "O9" not in self._changed or not variables or not all(variables.values())

    @property
    def _tags_ignore_case(self) -> tuple[bool, ...]:
        asked = any(key.startswith("aws:requesttag/") for key in self._keys)
        return (False, True) if asked else (False,)

    def _callers(self) -> Iterable[Caller]:
        return self._asked.every_caller

    def _narrowed(self, caller: Caller) -> Caller:
        resources = _STAR if "O28" in self._changed else (USERS,) if "O6" in self._changed else caller.domain.resources
        return replace(caller, domain=replace(caller.domain, resources=resources))

    def _plan_pairs(self, mine: Side, theirs: Side, caller: Caller) -> Iterator[tuple[Plans, Assumptions]]:
        at = (id(mine.layers), id(theirs.layers), caller)
        if at not in self._distinct:
            self._distinct[at] = list(self._plans_of(mine, theirs, caller))
        for plans, reading in self._distinct[at]:
            other = {name: reading.reading(name) for name in reading.unlike(self._settled.base)}
            yield plans, Assumptions({**self.assumptions.chosen, **other})

    def _plans_of(self, mine: Side, theirs: Side, caller: Caller) -> Iterator[tuple[Plans, Assumptions]]:
        """Every pair of plans that some reading gives for a kind of caller, each once."""

        def planned(judge: Judge) -> Plans:
            try:
                return self._plan(mine, caller, judge), self._plan(theirs, caller, judge)
            except Undecided as error:
                raise Open(error.message, judge.assumptions.unlike(self._settled.base)) from None

        seen = set[Plans]()
        for reading, plans in under_every_reading(planned, self._settled.base):
            self.effort.spend(1, "the open points can be read in too many ways to try")
            if plans not in seen:
                seen.add(plans)
                yield plans, reading

    def _conditions(self, bounds: Bounds, reading: Assumptions) -> Conditions:
        return _Conditions(reading, bounds, self.effort, self._settled)


class _Conditions(Conditions):
    """Finds values of condition keys under every reading of the points that their tests consult."""

    def __init__(self, reading: Assumptions, bounds: Bounds, effort: Effort, known: Known) -> None:
        super().__init__(Keys(Judge(reading), bounds, effort), effort)
        self._reading, self._bounds, self._known = reading, bounds, known
        self._others: dict[tuple[tuple[str, str], ...], Conditions] = {reading.key: self}

    def found(
        self, required: frozenset[Test], unless: Sequence[Statement]
    ) -> Iterator[tuple[Mapping[str, Values], Assumptions]]:
        points = frozenset[str]().union(*map(of_test, required), *(of_test(t) for s in unless for t in s.conditions))
        for reading in readings(self._reading, points) if points else (self._reading,):
            if self._known.settles(reading):
                continue
            try:
                context = self._under(reading).context(required, unless)
            except Undecided as error:
                raise Open(error.message, reading.unlike(self._known.base)) from None
            if context is not None:
                yield context, reading

    def check(self) -> None:
        for conditions in self._others.values():
            if unsure := conditions.keys.unsure:
                raise Open(unsure, conditions.keys.assumptions.unlike(self._known.base))

    def _under(self, reading: Assumptions) -> Conditions:
        if reading.key not in self._others:
            keys = Keys(Judge(reading), self._bounds, self._effort)
            self._others[reading.key] = Conditions(keys, self._effort)
        return self._others[reading.key]
