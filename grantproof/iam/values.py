"""One condition key: with which values are these tests true and those false?

Whatever is answered has been asked of the law's own `holds`. What is written here is only where to look: for text the
languages of the tests' patterns, for numbers, dates and addresses the points at which some test changes its answer.
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from grantproof.iam.assumption import Judge
from grantproof.iam.condition import Set, Test, Type, Void, date, holds, network, number, value_holds
from grantproof.iam.errors import Undecided
from grantproof.iam.glob import Glob, Wild
from grantproof.iam.language import Effort, TooHard, Wanted, find
from grantproof.iam.pattern import Pattern, single_value, split_fields
from grantproof.iam.request import Values

#: The key is not in the request.
MISSING: Values = ()
_EMPTY: Values = ("",)
_NOT_EMPTY = Wanted(Glob((Wild.ONE, Wild.ANY)))
_TEXT = (Type.STRING, Type.ARN)


@dataclass(frozen=True)
class Probe:
    """A context with nothing else in it."""

    values: Mapping[str, Values]
    collisions: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Bounds:
    """What is settled about the keys of a request before any test is looked at.

    Attributes:
        states: keys of which only these states are possible.
        shapes: keys whose value, if there is one, is one of these patterns' and none of those.
        single: keys that carry one value at most.
        present: keys that are never missing.
        variables: the values of the keys that stand as policy variables in patterns.
    """

    states: Mapping[str, tuple[Values, ...]] = field(default_factory=dict)
    shapes: Mapping[str, tuple[tuple[Glob, ...], tuple[Glob, ...]]] = field(default_factory=dict)
    single: frozenset[str] = frozenset()
    present: frozenset[str] = frozenset()
    variables: Mapping[str, Values] = field(default_factory=dict)


class Keys:
    """Finds values of condition keys. `unsure` says why a value was passed over: the law does not decide it."""

    def __init__(self, judge: Judge, bounds: Bounds, effort: Effort | None = None) -> None:
        self._judge, self._bounds, self._effort = judge, bounds, effort or Effort()
        self._memo: dict[tuple[str, frozenset[Test], frozenset[Test]], Values | None] = {}
        self.unsure = ""

    def find(self, key: str, true: frozenset[Test], false: frozenset[Test]) -> Values | None:
        """A state of the key in which all of `true` hold and none of `false` does; None where there is none.

        Exact for tests of one kind; raises where that cannot be said.

        Raises:
            TooHard: the search was given up, or a key is compared both as text and as something else.
        """
        asked = (key, true, false)
        if asked not in self._memo:
            self._memo[asked] = self._find(key, true, false)
        return self._memo[asked]

    def together(
        self, true: Mapping[str, frozenset[Test]], false: Mapping[str, frozenset[Test]]
    ) -> dict[str, Values] | None:
        """A state of every key; None where one of them has none. A user's name ends its ARN, so the two are chosen
        together.

        Raises:
            TooHard: as `find`; or no ARN was found that ends in the name.
        """
        out: dict[str, Values] = {}
        nothing: frozenset[Test] = frozenset()
        for key in sorted({*true, *false}):
            state = self.find(key, true.get(key, nothing), false.get(key, nothing))
            if state is None:
                return None
            out[key] = state
        asked = {_ARN, _NAME}.intersection((*true, *false, *self._bounds.variables))
        if asked and _ARN in self._bounds.shapes and _NAME in self._bounds.present:
            arn = self._arn_and_name(true, false)
            if arn is None:
                return None
            out[_ARN] = (arn,)
            out[_NAME] = (arn.rsplit("/", 1)[1],)
        return out

    def _arn_and_name(self, true: Mapping[str, frozenset[Test]], false: Mapping[str, frozenset[Test]]) -> str | None:
        """A user's ARN of which every test of the ARN and every test of the name says what it is to say."""
        nothing: frozenset[Test] = frozenset()
        shapes, excluded = self._bounds.shapes[_ARN]
        wanted: list[Sequence[Wanted]] = [[Wanted(shape) for shape in shapes]]
        unwanted = [Wanted(glob) for glob in excluded]
        for key in (_ARN, _NAME):
            present = _Present(
                key, true.get(key, nothing), false.get(key, nothing), self._bounds, self._judge, self._effort
            )
            some, none = present.languages([*present.plain, *present.every, *present.some])
            if key == _NAME:
                some = [[end for name in group for end in _endings(shapes, name)] for group in some]
                none = [end for name in none for end in _endings(shapes, name)]
            wanted += some
            unwanted += none
        variable = self._bounds.variables.get(_NAME)
        if variable:
            wanted.append(_endings(shapes, Wanted(Glob((variable[0],)))))
        # A name of at least one character, whatever else.
        wanted.append(_endings(shapes, Wanted(Glob((Wild.ONE, Wild.ANY)))))
        return find(wanted, unwanted, self._effort) if all(wanted) else None

    def _find(self, key: str, true: frozenset[Test], false: frozenset[Test]) -> Values | None:
        if true & false:
            return None
        for state in self._states(key, true, false):
            if self._fits(key, state, true, false):
                return state
        return None

    def _fits(self, key: str, state: Values, true: Iterable[Test], false: Iterable[Test]) -> bool:
        probe = Probe({**self._bounds.variables, key: state})
        try:
            return all(self._holds(t, probe) for t in true) and not any(self._holds(t, probe) for t in false)
        except Undecided as error:
            self.unsure = error.message
            return False

    def _holds(self, test: Test, probe: Probe) -> bool:
        try:
            return holds(test, probe, self._judge)
        except Void:
            return False

    def _states(self, key: str, true: frozenset[Test], false: frozenset[Test]) -> Iterator[Values]:
        settled = self._bounds.states.get(key)
        if settled is not None:
            yield from settled
            return
        if key not in self._bounds.present:
            yield MISSING
        present = _Present(key, true, false, self._bounds, self._judge, self._effort)
        found = present.state()
        if found is not None:
            yield found
        # An empty text is a value of its own (O20), and counts as missing under a set operator.
        yield _EMPTY


def _endings(shapes: Iterable[Glob], name: Wanted) -> list[Wanted]:
    """ARNs of users whose name is one of a pattern's: the name is what follows the last slash."""
    inside = {Wild.ANY: Wild.NAME, Wild.ONE: Wild.NAME_ONE}
    tokens = [inside.get(t, t) if isinstance(t, Wild) else t for t in name.glob.tokens]
    return [
        Wanted(Glob((*shape.tokens[:-1], *path, *tokens)), name.fold)
        for shape in shapes
        for path in ((), (Wild.ONE, Wild.ANY, "/"))
    ]


_ARN, _NAME = "aws:principalarn", "aws:username"

#: A test, and what one value of the request is to make of it.
Constraint = tuple[Test, bool]


class _Present:
    """The search for a state in which the key has values."""

    def __init__(
        self, key: str, true: frozenset[Test], false: frozenset[Test], bounds: Bounds, judge: Judge, effort: Effort
    ) -> None:
        self._key, self._bounds, self._judge, self._effort = key, bounds, judge, effort
        self.plain: list[Constraint] = []
        self.every: list[Constraint] = []
        self.some: list[Constraint] = []
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

    def state(self) -> Values | None:
        """Values that satisfy everything, or None."""
        if self.plain or not self.some or self._key in self._bounds.single:
            one = self._value([*self.plain, *self.every, *self.some])
            return None if one is None else (one,)
        found = [self._value([*self.every, constraint]) for constraint in self.some]
        if any(value is None for value in found):
            return None
        values = tuple(dict.fromkeys(value for value in found if value is not None))
        # Values that are all empty count as none (rule C19), so that something has to stand beside them.
        other = None if any(values) else self._value(self.every)
        return (*values, other) if other else values

    def _value(self, constraints: Sequence[Constraint]) -> str | None:
        """One value of which every test says what it is to say."""
        types = {test.operator.type for test, _ in constraints}
        if types <= set(_TEXT):
            return self._text(constraints)
        for value in self._points(constraints):
            if all(self._says(test, value) == wanted for test, wanted in constraints):
                return value
        if types & set(_TEXT) or len(types) > 1 or self._key in self._bounds.shapes:
            raise TooHard(f"{self._key} is compared both as {' and as '.join(sorted(t.value for t in types))}")
        return None

    def _says(self, test: Test, value: str) -> bool | None:
        try:
            return value_holds(test, value, Probe(self._bounds.variables), self._judge)
        except Void:
            return False
        except Undecided:
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
        fold = test.operator.ignore_case or (
            test.key.startswith("aws:requesttag/") and self._judge.takes("O23", "insensitive")
        )
        out = []
        for pattern in test.values:
            glob = pattern.resolve(single_value(self._bounds.variables))
            if glob is None:
                continue
            if test.operator.type is Type.ARN:
                glob = arn_shape(glob)
            if fold and not pattern.text.isascii():
                raise TooHard(f"{test.operator.name} {test.key} folds characters beyond ASCII")
            out.append(Wanted(glob, fold))
        return out

    # everything else

    def _points(self, constraints: Sequence[Constraint]) -> Iterator[str]:
        by_type: dict[Type, list[Pattern]] = {}
        for test, _ in constraints:
            by_type.setdefault(test.operator.type, []).extend(test.values)
        for type_, patterns in by_type.items():
            if type_ in _POINTS:
                yield from _POINTS[type_]([pattern.text for pattern in patterns])
        yield from (p.text for type_ in _TEXT for p in by_type.get(type_, ()))


def arn_shape(glob: Glob) -> Glob:
    """What an ARN operator's value matches, as one pattern: wildcards stay in the field in which they are written, but
    for the last field, which may hold colons (rule C34).

    Raises:
        TooHard: not an ARN of six fields.
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


def _between(values: Iterable[Decimal]) -> Iterator[Decimal]:
    """Every value, one between each two neighbours, one below all and one above."""
    ordered = sorted(set(values))
    if not ordered:
        return
    yield ordered[0] - 1
    for here, following in zip(ordered, [*ordered[1:], ordered[-1] + 2], strict=True):
        yield here
        middle = (here + following) / 2
        yield middle.to_integral_value() if here < middle.to_integral_value() < following else middle


def _numbers(texts: Sequence[str]) -> Iterator[str]:
    values = [value for text in texts if (value := number(text)) is not None]
    yield from (f"{value:f}" for value in _between(values or [Decimal(0)]))


def _dates(texts: Sequence[str]) -> Iterator[str]:
    values = [value for text in texts if (value := date(text)) is not None]
    for value in _between(values or [Decimal(1_700_000_000)]):
        try:
            moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(value * 1_000_000))
        except OverflowError:
            yield f"{value:f}"
            continue
        yield moment.isoformat().replace("+00:00", "Z")


def _addresses(texts: Sequence[str]) -> Iterator[str]:
    # Under the other reading of O16 an IPv6 address without a prefix length is a whole /32.
    networks = [n for text in texts for prefix in (128, 32) if (n := network(text, prefix)) is not None]
    for version, most in ((4, 2**32), (6, 2**128)):
        make: Callable[[int], object] = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
        points = {0}
        for net in networks:
            if net.version == version:
                first, last = int(net.network_address), int(net.broadcast_address)
                points |= {first, last + 1}
        yield from (str(make(point)) for point in sorted(points) if point < most)


def _booleans(_: Sequence[str]) -> Iterator[str]:
    yield from ("true", "false")


def _binaries(texts: Sequence[str]) -> Iterator[str]:
    yield from texts
    yield base64.b64encode("".join(texts).encode() + b"other").decode()


_POINTS: Mapping[Type, Callable[[Sequence[str]], Iterator[str]]] = {
    Type.NUMERIC: _numbers,
    Type.DATE: _dates,
    Type.IP: _addresses,
    Type.BOOL: _booleans,
    Type.BINARY: _binaries,
}
