"""One condition key: with which values are these tests true and those false? (Several keys at once: `correlated`.)

Every answer has been checked with the evaluator's own `holds`. This module only says which values to try: for text,
from the languages of the tests' patterns; for numbers, dates and addresses, `points`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from grantproof.iam.assumption import Assumptions, Judge
from grantproof.iam.comparison.automaton import Wanted, find
from grantproof.iam.comparison.effort import Effort, TooHard
from grantproof.iam.comparison.points import between, moments, points, seconds
from grantproof.iam.condition import Test, holds, value_holds
from grantproof.iam.errors import Undecided
from grantproof.iam.glob import Glob, Wild
from grantproof.iam.operators import Set, Type
from grantproof.iam.pattern import Pattern, completed, single_value, split_fields
from grantproof.iam.request import Values
from grantproof.iam.request_keys import never_empty

#: The key is not in the request.
MISSING: Values = ()


class Presence(Enum):
    """The key has some value."""

    PRESENT = "present"


PRESENT = Presence.PRESENT
#: The states that are allowed: these, any with a value (PRESENT), or any at all (None).
Among = tuple[Values, ...] | Presence | None
_EMPTY: Values = ("",)
_NOT_EMPTY = Wanted(Glob((Wild.ONE, Wild.ANY)))
_TEXT = (Type.STRING, Type.ARN)
EPOCH = "aws:epochtime"


@dataclass(frozen=True)
class Probe:
    """A request of which only these condition keys are known."""

    values: Mapping[str, Values]
    collisions: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Bounds:
    """What is known about condition keys before any test is looked at.

    Attributes:
        states: keys of which only these states are possible.
        shapes: keys whose value, if any, matches one of the first patterns and none of the second.
        single: keys that carry one value at most.
        present: keys that are never missing.
        variables: the values of the keys that stand as policy variables in patterns.
        correlated: do keys have to fit together (`correlated`)?
    """

    states: Mapping[str, tuple[Values, ...]] = field(default_factory=dict)
    shapes: Mapping[str, tuple[tuple[Glob, ...], tuple[Glob, ...]]] = field(default_factory=dict)
    single: frozenset[str] = frozenset()
    present: frozenset[str] = frozenset()
    variables: Mapping[str, Values] = field(default_factory=dict)
    correlated: bool = True


class Keys:
    """Finds values of condition keys. `unsure` says why a value was skipped: the evaluator does not decide it."""

    def __init__(self, judge: Judge, bounds: Bounds, effort: Effort | None = None) -> None:
        self._judge, self.bounds, self.effort = judge, bounds, effort or Effort()
        self._memo: dict[tuple[str, frozenset[Test], frozenset[Test], Among], Values | None] = {}
        self.unsure = ""

    @property
    def assumptions(self) -> Assumptions:
        """The readings in force."""
        return self._judge.assumptions

    def find(self, key: str, true: frozenset[Test], false: frozenset[Test], among: Among = None) -> Values | None:
        """A state of the key in which all of `true` hold and none of `false` does; None where there is none. `among`:
        only these states are allowed, or only those in which the key has values.

        Exact for tests of one type.

        Raises:
            TooHard: the search was given up, or a key is compared both as text and as something else.
        """
        asked = (key, true, false, among)
        if asked not in self._memo:
            self._memo[asked] = self._find(key, true, false, among)
        return self._memo[asked]

    def present(self, key: str, true: frozenset[Test], false: frozenset[Test]) -> Present:
        """The search for values of a key that is in the request."""
        return Present(key, true, false, self.bounds, self._judge, self.effort)

    def _find(self, key: str, true: frozenset[Test], false: frozenset[Test], among: Among) -> Values | None:
        if true & false:
            return None
        for state in self._states(key, true, false, among):
            if self.fits(key, state, true, false):
                return state
        return None

    def fits(self, key: str, state: Values, true: Iterable[Test], false: Iterable[Test]) -> bool:
        """Do all of `true` hold in this state of the key, and none of `false`?"""
        probe = Probe({**self.bounds.variables, key: state})
        try:
            return all(holds(t, probe, self._judge) for t in true) and not any(
                holds(t, probe, self._judge) for t in false
            )
        except Undecided as error:
            # An empty text is no number, date or address (O24), and no request carries it as one.
            if state != _EMPTY:
                self.unsure = error.message
            return False

    def _states(self, key: str, true: frozenset[Test], false: frozenset[Test], among: Among) -> Iterator[Values]:
        settled = self.bounds.states.get(key)
        if settled is not None:
            yield from settled
            return
        if isinstance(among, tuple):
            yield from (s for s in among if s or key not in self.bounds.present)
            return
        if among is None and key not in self.bounds.present:
            yield MISSING
        found = self.present(key, true, false).state()
        if found is not None:
            yield found
        # An empty text is a value of its own (O20), and counts as missing under a set operator.
        if key not in self.bounds.shapes and not (self.bounds.correlated and never_empty(key)):
            yield _EMPTY


#: A test, and what it has to say of one value.
Constraint = tuple[Test, bool]


class Present:
    """The search for a state in which the key has values."""

    def __init__(
        self, key: str, true: frozenset[Test], false: frozenset[Test], bounds: Bounds, judge: Judge, effort: Effort
    ) -> None:
        self._key, self._bounds, self._judge, self._effort = key, bounds, judge, effort
        self.plain: list[Constraint] = []
        self.every: list[Constraint] = []
        self.some: list[Constraint] = []
        self._undecided = ""
        for tests, wanted in ((true, True), (false, False)):
            for test in tests:
                if test.operator.type is Type.NULL:
                    continue
                if test.operator.prefix is Set.NONE:
                    self.plain.append((test, wanted))
                elif (test.operator.prefix is Set.ALL) == wanted:
                    self.every.append((test, wanted))
                else:
                    self.some.append((test, wanted))

    @property
    def all(self) -> list[Constraint]:
        """What an only value has to satisfy."""
        return [*self.plain, *self.every, *self.some]

    @property
    def one_at_most(self) -> bool:
        """Does the key carry one value at most?"""
        return bool(self.plain) or self._key in self._bounds.single

    def state(self) -> Values | None:
        """Values that satisfy everything, or None."""
        if self.one_at_most or not self.some:
            one = self.value(self.all)
            return None if one is None else (one,)
        found = [self.value([*self.every, constraint]) for constraint in self.some]
        if any(value is None for value in found):
            return None
        values = tuple(dict.fromkeys(value for value in found if value is not None))
        # Values that are all empty count as none (rule C19), so that something has to stand beside them.
        other = None if any(values) else self.value(self.every)
        return (*values, other) if other else values

    def value(self, constraints: Sequence[Constraint]) -> str | None:
        """One value of which every test says what it is to say."""
        types = {test.operator.type for test, _ in constraints}
        if types <= set(_TEXT):
            return self._text(constraints)
        for value in self._points(constraints):
            if self._has_shape(value) and all(self._says(test, value) == wanted for test, wanted in constraints):
                return value
        if types & set(_TEXT) or (len(types) > 1 and not self._is_moment(types)) or self._key in self._bounds.shapes:
            raise TooHard(f"{self._key} is compared both as {' and as '.join(sorted(t.value for t in types))}")
        if self._undecided:
            # A policy's own value is no number, date or address (O24): whatever the request has, nothing is known.
            raise TooHard(self._undecided)
        return None

    def _has_shape(self, value: str) -> bool:
        """May the key have this value, as far as something is known of its shape?"""
        shapes, excluded = self._bounds.shapes.get(self._key, ((), ()))
        return not shapes or (any(g.matches(value) for g in shapes) and not any(g.matches(value) for g in excluded))

    def _is_moment(self, types: set[Type]) -> bool:
        """`aws:EpochTime` is compared as a date and as a number alike (C70)."""
        return self._key == EPOCH and types == {Type.DATE, Type.NUMERIC}

    def _says(self, test: Test, value: str) -> bool | None:
        try:
            return value_holds(test, value, Probe(self._bounds.variables), self._judge)
        except Undecided as error:
            self._undecided = error.message
            return None

    # text

    def languages(self, constraints: Sequence[Constraint]) -> tuple[list[Sequence[Wanted]], list[Wanted]]:
        """The patterns of which a value matches one in each group, and those of which it matches none.

        Raises:
            TooHard: some test compares something other than text.
        """
        wanted: list[Sequence[Wanted]] = []
        unwanted: list[Wanted] = []
        for test, holding in constraints:
            if test.operator.type not in _TEXT:
                raise TooHard(f"{self._key} is compared as {test.operator.type.value}")
            patterns = self._patterns(test)
            if holding != test.operator.negated:
                wanted.append(patterns)
            else:
                unwanted += patterns
        return wanted, unwanted

    def _text(self, constraints: Sequence[Constraint]) -> str | None:
        wanted, unwanted = self.languages(constraints)
        shapes, excluded = self._bounds.shapes.get(self._key, ((), ()))
        if shapes:
            wanted.append([Wanted(glob) for glob in shapes])
            unwanted += [Wanted(glob) for glob in excluded]
        if not all(wanted):
            return None
        # Something rather than nothing, where both will do: an empty text is a null value to some tests (rule C8).
        found = find([*wanted, [_NOT_EMPTY]], unwanted, self._effort)
        return found if found is not None else find(wanted or [[Wanted(Glob((Wild.ANY,)))]], unwanted, self._effort)

    def _patterns(self, test: Test) -> list[Wanted]:
        if not test.values:
            raise TooHard(f"{test.operator.name} {test.key} has an empty list of values (O20)")
        ignore_case = test.operator.ignore_case or (
            test.key.startswith("aws:requesttag/") and self._judge.takes("O23", "insensitive")
        )
        out = []
        for pattern in test.values:
            glob = pattern.resolve(single_value(self._bounds.variables))
            if glob is None:
                continue
            if test.operator.type is Type.ARN:
                if not pattern.variables and completed(glob) != glob:
                    if self._judge.takes("O41", "never"):
                        continue
                    glob = completed(glob)
                glob = arn_shape(glob)
            if ignore_case and not pattern.text.isascii():
                raise TooHard(f"{test.operator.name} {test.key} ignores the case of characters beyond ASCII")
            out.append(Wanted(glob, ignore_case))
        return out

    # everything else

    def _points(self, constraints: Sequence[Constraint]) -> Iterator[str]:
        by_type: dict[Type, list[Pattern]] = {}
        for test, _ in constraints:
            by_type.setdefault(test.operator.type, []).extend(test.values)
        if self._is_moment({*by_type}):
            yield from map(seconds, between(moments(test for test, _ in constraints)))
            return
        for type_, patterns in by_type.items():
            yield from points(type_, [pattern.text for pattern in patterns])
        yield from (p.text for type_ in _TEXT for p in by_type.get(type_, ()))


def arn_shape(glob: Glob) -> Glob:
    """What an ARN operator's value matches, as one pattern: wildcards stay in the field in which they are written, but
    for the last field, which may hold colons (rule C34).

    Raises:
        TooHard: not an ARN of six fields, since a variable stands for some of them.
    """
    fields = split_fields(glob, 6)
    if fields is None:
        raise TooHard(f"{str(glob)!r} stands under an ARN operator and is not an ARN of six fields (C34)")
    inside = {Wild.ANY: Wild.FIELD, Wild.ONE: Wild.FIELD_ONE}
    tokens = [
        piece
        for part in fields[:5]
        for piece in (*(inside[t] if isinstance(t, Wild) and t in inside else t for t in part.tokens), ":")
    ]
    return Glob((*tokens, *fields[5].tokens))
