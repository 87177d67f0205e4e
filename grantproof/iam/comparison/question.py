"""What one side allows and the other does not, under one reading of every open point: one search for each kind of
caller, and for each assignment of policy variables that can matter."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from grantproof.iam.assumption import DEFAULTS, Assumptions, Judge
from grantproof.iam.comparison.assignments import VariableReading, special_values
from grantproof.iam.comparison.caller import ANYBODY, PRINCIPAL_KEYS, Caller
from grantproof.iam.comparison.caller_bounds import bounds_of
from grantproof.iam.comparison.callers import callers, limits_differ
from grantproof.iam.comparison.conditions import Conditions
from grantproof.iam.comparison.consulted import counts_characters
from grantproof.iam.comparison.effort import Effort, TooHard
from grantproof.iam.comparison.escape import Escape, Search
from grantproof.iam.comparison.plan import Plan, plan
from grantproof.iam.comparison.prepared import Prepared
from grantproof.iam.comparison.relaxed import Effect
from grantproof.iam.comparison.replayable import Replayable
from grantproof.iam.comparison.side import Side
from grantproof.iam.comparison.user_name_case import case_may_matter
from grantproof.iam.comparison.values import Bounds, Keys
from grantproof.iam.comparison.variables import generic_values, longest, settled_by_generic
from grantproof.iam.errors import Undecided
from grantproof.iam.layers import Layers
from grantproof.iam.policy import PolicyType, Statement
from grantproof.iam.request import Values
from grantproof.iam.request_keys import has_one_value

#: The plan of the side that allows, and of the other.
Plans = tuple[Plan, Plan]
#: The steps that each assignment of policy variables counts as, beside those of the search itself.
_STEPS_OF_VALUES = 8


class Question:
    """Two sides under one reading of every open point.

    Args:
        owner: the account that owns the resource of the resource policies; None for any.
        known: search among the actions that exist today only.
        correlated: only requests whose condition keys fit together (`correlated`).
    """

    def __init__(
        self,
        old: Prepared,
        new: Prepared,
        effort: Effort,
        *,
        owner: str | None = None,
        assumptions: Assumptions = DEFAULTS,
        known: bool = False,
        correlated: bool = True,
    ) -> None:
        self.old, self.new, self.assumptions = old, new, assumptions
        self.owner, self.known, self.effort, self.correlated = owner, known, effort, correlated
        mine, theirs = old.consulted, new.consulted
        self._keys = mine.keys | theirs.keys
        self._variables = mine.variables | theirs.variables
        #: The keys that carry one value at most: an operator without set prefix tests them, they are variables, or AWS
        #: says so.
        self._single = mine.plain | theirs.plain | self._variables
        if correlated:
            self._single |= frozenset(filter(has_one_value, mine.sets | theirs.sets))
        self._plans: dict[tuple[int, Caller], Plan] = {}

    #: Are special values of variables tried even if generic ones show a difference?
    looks_further = False

    def under(self, assumptions: Assumptions) -> Question:
        """The same question under another reading; both share one effort."""
        out = self._with(self.old, self.new, assumptions)
        out.every_caller = self.every_caller
        return out

    def escapes(
        self, outer: Prepared, inner: Prepared, *, first: bool = False
    ) -> Iterator[tuple[Escape, Mapping[str, Values]]]:
        """What `inner` allows and `outer` does not, with the values of policy variables at which it does. `first`: one
        escape is enough.

        Raises:
            Undecided: there may be more than was found.
        """
        self._check_case()
        if self._plainly_nothing(outer, inner):
            return
        found = False
        for caller in self._callers():
            generic = generic_values(self._variables, caller, self._length)
            if not self._matter(generic):
                continue
            for escape in self._search(caller, self._bounds(caller, generic), outer, inner, first=first):
                found = True
                yield escape, generic
        if self._variables and (self.looks_further or not found):
            yield from self._by_values(outer, inner, first=first)

    def _by_values(
        self, outer: Prepared, inner: Prepared, *, first: bool
    ) -> Iterator[tuple[Escape, Mapping[str, Values]]]:
        """The escapes that only special values of policy variables show: those that patterns tell from generic ones."""
        special: dict[frozenset[tuple[str, Values]], Replayable[dict[str, Values]]] = {}
        layers = inner.as_read(self.assumptions), outer.as_read(self.assumptions)
        for caller in self._in_doubt(outer, inner):
            settled = {key: states[0] for key, states in caller.states(self._variables).items()}
            generic_settles = self._variables_are_plain and inner.denies_what(outer)
            if generic_settles and settled_by_generic(*layers, self._variables - settled.keys()):
                continue
            # Most kinds of caller fix the same variables to the same values.
            at = frozenset(settled.items())
            if at not in special:
                special[at] = Replayable(self._special_values(caller, *layers))
            for variables in filter(self._matter, special[at]):
                self.effort.spend(_STEPS_OF_VALUES, "the policy variables have too many values that may matter")
                bounds = self._bounds(caller, variables)
                yield from ((escape, variables) for escape in self._search(caller, bounds, outer, inner, first=first))

    def _special_values(self, caller: Caller, inner: Layers, outer: Layers) -> Iterator[dict[str, Values]]:
        fields, void = self.assumptions.reading("O5") == "segments", self.assumptions.reading("O9") == "void"
        for tags_ignore_case in self._tags_ignore_case:
            reading = VariableReading(fields, void, tags_ignore_case)
            yield from special_values(self._variables, caller, inner, outer, reading)

    @property
    def _tags_ignore_case(self) -> tuple[bool, ...]:
        """Are values of `aws:RequestTag` compared without regard to case (O23)?"""
        return (self.assumptions.reading("O23") == "insensitive",)

    def _check_case(self) -> None:
        """Refuse to search without regard to the case of user names (O6): `other_readings` searches that."""
        if self.assumptions.reading("O6") == "insensitive" and case_may_matter(self._statements()):
            raise TooHard("names of users are compared, and their case is taken not to count (O6)")

    def _plainly_nothing(self, outer: Prepared, inner: Prepared) -> bool:
        """Does nothing escape, going by a check for all callers at once? Sound, not complete."""
        if inner.within(outer):
            return True
        if inner.names_no_caller and outer.names_no_caller and not self._root_asks:
            return inner.acts_only_in(outer.unrestricted_services) or self._nothing_whoever_asks(outer, inner)
        return False

    def _nothing_whoever_asks(self, outer: Prepared, inner: Prepared) -> bool:
        """Does nothing escape even if the keys that follow from the caller, and policy variables, could have any value?
        One search then answers for all callers. Sound, not complete."""
        callers_matter = bool(self._keys & PRINCIPAL_KEYS) or bool(self._variables)
        if not callers_matter:
            return False
        narrow, wide = self._without_variables(outer, inner)
        try:
            found = self._search(
                ANYBODY, Bounds(single=self._single, correlated=self.correlated), narrow, wide, first=True
            )
            return next(found, None) is None
        except Undecided:
            return False

    def _in_doubt(self, outer: Prepared, inner: Prepared) -> Iterable[Caller]:
        """The callers for whom something may escape with some values of variables."""
        narrow, wide = self._without_variables(outer, inner)
        relaxed = self.with_sides(narrow, wide)
        if relaxed._plainly_nothing(narrow, wide):
            return ()
        return (caller for caller in self._callers() if relaxed._may_escape(caller, narrow, wide))

    def _may_escape(self, caller: Caller, outer: Prepared, inner: Prepared) -> bool:
        """May anything escape for this caller? The sides are without variables."""
        try:
            return next(self._search(caller, self._bounds(caller, {}), outer, inner, first=True), None) is not None
        except Undecided:
            return True

    def with_sides(self, old: Prepared, new: Prepared) -> Question:
        """The same question about other sides."""
        return self._with(old, new, self.assumptions)

    def _with(self, old: Prepared, new: Prepared, assumptions: Assumptions) -> Question:
        return Question(
            old,
            new,
            self.effort,
            owner=self.owner,
            assumptions=assumptions,
            known=self.known,
            correlated=self.correlated,
        )

    def _without_variables(self, outer: Prepared, inner: Prepared) -> tuple[Prepared, Prepared]:
        """The two sides without variables: the outer allows no more, the inner no less than with any of their
        values."""
        return outer.relaxed(Effect.DENY, self.assumptions), inner.relaxed(Effect.ALLOW, self.assumptions)

    @property
    def _root_asks(self) -> bool:
        """May the root user, who needs no identity policy, be treated differently from others?"""
        return bool(self._keys & PRINCIPAL_KEYS) and limits_differ(self.old.layers, self.new.layers)

    @cached_property
    def every_caller(self) -> Iterable[Caller]:
        """Every kind of caller that the two sides can tell apart.

        Raises:
            TooHard: as `callers`.
        """
        old, new = self.old, self.new
        return Replayable(callers(old.layers, new.layers, lambda: old.named | new.named, self._keys, self.owner))

    def _callers(self) -> Iterable[Caller]:
        return self.every_caller

    def _search(
        self, caller: Caller, bounds: Bounds, outer: Prepared, inner: Prepared, *, first: bool
    ) -> Iterator[Escape]:
        mine, theirs = (side.side(self.assumptions, bounds.variables) for side in (inner, outer))
        asking = self._narrowed(caller)
        for plans, reading in self._plan_pairs(mine, theirs, caller):
            conditions = self._conditions(bounds, reading)
            search = Search(mine, theirs, plans, asking, conditions, self.effort, known=self.known, first=first)
            yield from search.escapes()

    # overridden in `other_readings`

    def _matter(self, variables: Mapping[str, Values]) -> bool:
        """Does this assignment of policy variables have to be tried?"""
        return True

    def _narrowed(self, caller: Caller) -> Caller:
        """The caller with the part of its domain that is searched."""
        return caller

    def _plan_pairs(self, mine: Side, theirs: Side, caller: Caller) -> Iterator[tuple[Plans, Assumptions]]:
        """The plans of both sides for a caller, each pair with the reading that gives it."""
        judge = Judge(self.assumptions)
        yield (self._plan(mine, caller, judge), self._plan(theirs, caller, judge)), self.assumptions

    def _conditions(self, bounds: Bounds, reading: Assumptions) -> Conditions:
        """Finds values of condition keys under a reading."""
        return Conditions(Keys(Judge(reading), bounds, self.effort), self.effort)

    def _bounds(self, caller: Caller, variables: Mapping[str, Values]) -> Bounds:
        identified = self.correlated and bool(self._keys & PRINCIPAL_KEYS)
        return bounds_of(caller, self._keys, self._single, variables, identified=identified, correlated=self.correlated)

    def _plan(self, side: Side, caller: Caller, judge: Judge) -> Plan:
        if caller.alike and not side.tells_callers_apart:
            # No statement names callers: the same statements allow all of them.
            return side.plan_for_anybody
        # A side has the same statements whatever the values of policy variables.
        at = (id(side.layers), caller)
        if judge.assumptions is not self.assumptions:
            return plan(side.entries, side.layers, caller, self._resource_type, judge)
        if at not in self._plans:
            self._plans[at] = plan(side.entries, side.layers, caller, self._resource_type, judge)
        return self._plans[at]

    @cached_property
    def _resource_type(self) -> PolicyType:
        found = (side.layers.resource.type for side in (self.old, self.new) if side.layers.resource is not None)
        return next(found, PolicyType.RESOURCE)

    @property
    def _variables_are_plain(self) -> bool:
        """Are wildcards free to match colons (O5), and do statements survive a variable without value (O9)?"""
        return self.assumptions.reading("O5") == "string" and self.assumptions.reading("O9") == "null"

    @cached_property
    def _length(self) -> int:
        """The length of the generic values of variables."""
        counts = self._variables and counts_characters(self._statements())
        return longest(self._statements()) if counts else 1

    @cached_property
    def several_values(self) -> str:
        """Why requests that carry several values of a key, which are not searched, may matter: a key is tested both
        with and without a set prefix, and not by the same statements on both sides (O24). Empty where they do not."""
        for key in sorted((self.old.consulted.sets | self.new.consulted.sets) & self._single):
            if not has_one_value(key) and self.old.testing(key) != self.new.testing(key):
                return f"what several values of {key} mean to an operator without a set prefix is not documented (O24)"
        return ""

    def _statements(self) -> Iterator[Statement]:
        yield from self.old.statements()
        yield from self.new.statements()
