"""What escapes under some reading of the open points, though nothing does under those in force.

Trying every combination of readings would mean a whole search for each of them: 64 for six points. Here each point is
read both ways only where it is asked, and combinations are made only of what meets in one place. A request escapes
under a combination of readings when there is

1. a kind of caller with what it takes for it to be allowed on either side: the plans, which learn of readings by
   asking for them, caller by caller (`under_every_reading`); nearly all callers have one plan;
2. under that, statements of which patterns meet: the resources of a statement depend on O5, O9, O28 and O39 alone;
3. under those, values of condition keys with which some tests hold and others fail: what these say depends on the
   points of these very tests (`readings.of_test`).

So all combinations of the points of the second kind that some statement touches are gone through; under each, those
plans of a caller that differ; and for each question of the third kind, all combinations of the points of its tests.
Nothing is left out: with every other point, plans, patterns and answers of tests are what they are here.

Of the second kind some combinations need not be tried, or not whole:

- O28 is about requests for the resource `*` and no other; no wildcard of those runs over a colon (O5) and no pattern
  that matches it has a service (O39). So with O28 only that resource is looked at, and never with those two: what
  escapes under them together escapes without O28, or without the two.
- O9 is about variables without value: with it, only such assignments of variables are looked at.
- O6 is about IAM users alone, and O28 about none of them: with it only users are looked at, of sides without regard
  to case (`user_name_case`), and where no pattern's case can matter, nothing is.
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
from grantproof.iam.document import Statement
from grantproof.iam.errors import Undecided
from grantproof.iam.glob import Glob
from grantproof.iam.request import Values

#: Of two sides and a kind of caller, the plans that differ, each with a reading that gives them.
Distinct = dict[tuple[int, int, Caller], list[tuple[Plans, Assumptions]]]
_STAR = (Glob(("*",)),)


def escaping_readings(asked: Question, outer: Prepared, inner: Prepared) -> set[frozenset[str]]:
    """The combinations of open points of which another reading lets something escape, or leaves it open whether it
    does; nothing where nothing escapes under any reading. `asked`: the question under the readings in force, to which
    the answer was that nothing escapes."""
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
                question, sides = asked.of(*lowered), lowered
            for escape, _ in _OtherReadings(question, reading, known, plans).escapes(*sides, first=True):
                known.add(escape.reading.unlike(base))
        except Open as error:
            known.combinations |= error.combinations
        except Undecided:
            # Given up before anything was read otherwise: whatever may be asked is open.
            known.add(changed or touched.union(OF_CALLERS, *(of_test(t) for s in statements for t in s.conditions)))
        if asked.effort.left < 0:
            break
    return known.combinations


class Open(TooHard):
    """Not known under another reading of some points, of one combination of them or another."""

    def __init__(self, message: str, *combinations: frozenset[str]) -> None:
        super().__init__(message)
        self.combinations = {points for points in combinations if points}


class Known:
    """The combinations of points that are known to make a difference.

    Args:
        base: the readings in force.
        doubtful: under these, too, something may escape of what is looked at.
    """

    def __init__(self, base: Assumptions, *, doubtful: bool = False) -> None:
        self.base, self._doubtful = base, doubtful
        self.combinations: set[frozenset[str]] = set()

    def add(self, points: frozenset[str]) -> None:
        """With another reading of these points something escapes, or it is not known whether it does."""
        self.combinations.add(points)

    def settles(self, reading: Assumptions) -> bool:
        """Need this reading not be looked at: is it the one in force, or does a part of what differs make a difference
        already?"""
        changed = reading.unlike(self.base)
        if not changed and not self._doubtful:
            return True
        return any(points <= changed for points in self.combinations)


class _OtherReadings(Question):
    """The same question under one combination of what bears on resources, and every combination of all else."""

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
        #: The combinations with which something may escape, for some value of policy variables.
        self._doubtful = set[frozenset[str]]()

    def of(self, old: Prepared, new: Prepared) -> Question:
        other = _OtherReadings(super().of(old, new), self.assumptions, self._settled, {})
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
            # Where nothing escapes whatever the variables stand for, it does not matter that not all was tried.
            if self._doubtful and frozenset() not in self._doubtful:
                raise Open(error.message, *self._doubtful) from None
            raise

    def _nothing_whoever_asks(self, outer: Prepared, inner: Prepared) -> bool:
        # What others may do than users and roles may depend on readings of which none of these asks.
        if not all(caller.alike for caller in self._callers()):
            return False
        settled = self._settled
        try:
            # Without variables, tests are left out, and with them their points.
            self._settled = Known(settled.base, doubtful=bool(self._variables))
            return super()._nothing_whoever_asks(outer, inner)
        finally:
            self._settled = settled

    def _check_case(self) -> None:
        """Of users there is a search of its own."""

    def _matter(self, variables: Mapping[str, Values]) -> bool:
        return "O9" not in self._changed or not variables or not all(variables.values())

    @property
    def _tags_ignore_case(self) -> tuple[bool, ...]:
        asked = any(key.startswith("aws:requesttag/") for key in self._keys)
        return (False, True) if asked else (False,)

    def _callers(self) -> Iterable[Caller]:
        return self._asked.every_caller

    def _in_question(self, caller: Caller) -> Caller:
        resources = _STAR if "O28" in self._changed else (USERS,) if "O6" in self._changed else caller.domain.resources
        return replace(caller, domain=replace(caller.domain, resources=resources))

    def _ways(self, mine: Side, theirs: Side, caller: Caller) -> Iterator[tuple[Plans, Assumptions]]:
        at = (id(mine.layers), id(theirs.layers), caller)
        if at not in self._distinct:
            self._distinct[at] = list(self._plans_of(mine, theirs, caller))
        for plans, reading in self._distinct[at]:
            other = {name: reading.reading(name) for name in reading.unlike(self._settled.base)}
            yield plans, Assumptions({**self.assumptions.chosen, **other})

    def _plans_of(self, mine: Side, theirs: Side, caller: Caller) -> Iterator[tuple[Plans, Assumptions]]:
        """Every two plans of a kind of caller that some reading gives, each once."""

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
    """Values of condition keys under every reading of the points that their tests ask."""

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
