"""One side of a comparison: its statements, numbered, and which of them an action or a resource matches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice

from grantproof.iam.assumption import Judge
from grantproof.iam.comparison.callers import ANYBODY
from grantproof.iam.comparison.language import FRESH, TooHard, generic_point, intersection
from grantproof.iam.comparison.plan import Plan, plan
from grantproof.iam.document import PolicyType, Statement
from grantproof.iam.glob import Glob, glob
from grantproof.iam.layers import Entry, Layers
from grantproof.iam.match import of_whole_service, wild_service
from grantproof.iam.pattern import Pattern, single_value, within_fields
from grantproof.iam.request import Values

EVERY_ACTION = glob("*:*")
#: A resource is `*` (for actions without resource types) or an ARN.
EVERY_RESOURCE = (Glob(("*",)), glob("arn:*:*:*:*:*"))
#: Beyond so many pieces in one dimension a comparison is given up.
MOST_PIECES = 50_000

#: So many requests are tried before a search.
_MOST_SAMPLES = 4
#: So many answers an index remembers before it forgets them all.
MOST_REMEMBERED = 16_384

Bucket = Callable[[str], str | None]


def service_of(text: str) -> str | None:
    """The service prefix of an action, or of a pattern's literal beginning, where that tells."""
    service, colon, _ = text.partition(":")
    return service if colon else None


def arn_service_of(text: str) -> str | None:
    """The same for an ARN."""
    fields = text.split(":", 3)
    return fields[2] if len(fields) == 4 else None


class Patterns:
    """Patterns of actions or resources, sorted by service, so that those which cannot meet another pattern are not
    looked at."""

    def __init__(self, globs: Iterable[Glob], bucket: Bucket) -> None:
        self.globs = tuple(dict.fromkeys(globs))
        self.bucket = bucket

    def __bool__(self) -> bool:
        return bool(self.globs)

    @cached_property
    def everything(self) -> bool:
        """Does one of them match whatever there is?"""
        return any(one.everything or one == EVERY_ACTION for one in self.globs)

    @cached_property
    def _sorted(self) -> tuple[dict[str, list[Glob]], list[Glob]]:
        by_bucket: dict[str, list[Glob]] = {}
        anywhere: list[Glob] = []
        for one in self.globs:
            name = self.bucket(one.prefix)
            (anywhere if name is None else by_bucket.setdefault(name, [])).append(one)
        return by_bucket, anywhere

    @cached_property
    def services(self) -> frozenset[str] | None:
        """The services of which they match something; None where that may be any."""
        by_bucket, anywhere = self._sorted
        return None if anywhere else frozenset(by_bucket)

    def near(self, other: Glob) -> Iterable[Glob]:
        """Those that may match something of another pattern."""
        name = self.bucket(other.prefix)
        if name is None:
            return self.globs
        by_bucket, anywhere = self._sorted
        return (*by_bucket.get(name, ()), *anywhere)


def meet(left: Patterns, right: Patterns) -> Patterns:
    """Patterns that match what one of `left` and one of `right` match both.

    Raises:
        TooHard: too many.
    """
    if right.everything or left.globs == right.globs:
        return left
    if left.globs == (EVERY_ACTION,):
        return right
    if left.services is not None and right.services is not None and left.services.isdisjoint(right.services):
        return Patterns((), left.bucket)
    out: dict[Glob, None] = {}
    for one in left.globs:
        for other in right.near(one):
            out.update(dict.fromkeys(intersection(one, other)))
        if len(out) > MOST_PIECES:
            raise TooHard("the patterns of several statements meet in too many ways")
    return Patterns(out, left.bucket)


class Index:
    """Which of the numbered statements an action or resource matches, as a bit mask. Cost does not grow with the
    patterns that cannot match: literals are looked up, the rest is sorted by service."""

    def __init__(self, elements: Iterable[tuple[Iterable[Glob], bool]], bucket: Bucket) -> None:
        self._bucket = bucket
        self._literal: dict[str, int] = {}
        self._by_bucket: dict[str, list[tuple[Glob, int]]] = {}
        self._anywhere: list[tuple[Glob, int]] = []
        self._negated = self._always = 0
        self._excepted: dict[str | None, int] = {}
        self._counting: list[tuple[Glob, int]] = []
        for number, (globs, negated) in enumerate(elements):
            bit = 1 << number
            self._negated |= bit if negated else 0
            for one in globs:
                self._add(one, bit)
        self.counts = bool(self._counting)
        """Does any pattern count characters?"""
        self._memo: dict[str, int] = {}
        self._throughout: dict[str, int] = {}

    def _add(self, one: Glob, bit: int) -> None:
        if one.literal is not None:
            self._literal[one.literal] = self._literal.get(one.literal, 0) | bit
            if bit & self._negated:
                name = self._bucket(one.literal)
                self._excepted[name] = self._excepted.get(name, 0) | bit
        elif one.everything:
            self._always |= bit
        else:
            name = self._bucket(one.prefix)
            (self._anywhere if name is None else self._by_bucket.setdefault(name, [])).append((one, bit))
            if one.counts:
                self._counting.append((one, bit))

    def counting(self, statements: int) -> Iterator[Glob]:
        """The patterns of these statements that count characters."""
        return (one for one, bit in self._counting if bit & statements)

    def near(self, other: Glob, statements: int) -> Iterator[Glob]:
        """The patterns of these statements that may match something of another pattern."""
        name = self._bucket(other.prefix)
        wild = chain(*self._by_bucket.values()) if name is None else self._by_bucket.get(name, ())
        yield from (one for one, bit in chain(wild, self._anywhere) if bit & statements)
        for text, bits in self._literal.items():
            if bits & statements and (name is None or self._bucket(text) == name):
                yield Glob((text,))

    def throughout(self, service: str) -> int:
        """The statements whose element every text of a service satisfies, as far as that is plain."""
        found = self._throughout.get(service)
        if found is None:
            there = union(bit for _, bit in chain(self._by_bucket.get(service, ()), self._anywhere))
            excepting = there & self._negated | self._excepted.get(service, 0)
            excepting |= union(bit for _, bit in self._counting)
            found = self._throughout[service] = self.mask(f"{service}:{FRESH}") & ~excepting
        return found

    def mask(self, text: str) -> int:
        """The statements whose element the text satisfies."""
        name = self._bucket(text)
        if not self._anywhere and name not in self._by_bucket:
            return (self._literal.get(text, 0) | self._always) ^ self._negated
        found = self._memo.get(text)
        if found is None:
            if len(self._memo) >= MOST_REMEMBERED:
                self._memo.clear()
            found = self._memo[text] = self._mask(text, name)
        return found

    def _mask(self, text: str, name: str | None) -> int:
        found = self._literal.get(text, 0) | self._always
        near = () if name is None else self._by_bucket.get(name, ())
        for one, bit in chain(near, self._anywhere):
            if not found & bit and one.matches(text):
                found |= bit
        return found ^ self._negated


@dataclass(frozen=True, eq=False)
class Dimension:
    """Actions or resources, of which each is searched in the same way.

    Attributes:
        bucket: the service of a text.
        every: the patterns of all of them.
        anything: what every one of them matches besides.
    """

    name: str
    bucket: Bucket
    every: Patterns
    anything: Glob

    @cached_property
    def nothing(self) -> Index:
        """What nobody asks."""
        return Index((), self.bucket)

    def negated(self, statement: Statement) -> bool:
        """Is the statement's element in Not form?"""
        return statement.not_action if self is ACTIONS else statement.not_resource


ACTIONS = Dimension("actions", service_of, Patterns((EVERY_ACTION,), service_of), glob("?*:?*"))
RESOURCES = Dimension("resources", arn_service_of, Patterns(EVERY_RESOURCE, arn_service_of), glob("*"))


class Side:
    """One side of a comparison: the statements of all its layers, numbered, under one reading of the open points.

    `variables` are the values of the keys that stand as policy variables in patterns. What is worked out here is kept
    for all comparisons of the side.
    """

    def __init__(self, layers: Layers, judge: Judge, variables: Mapping[str, Values]) -> None:
        self.layers, self.judge = layers, judge
        self.variables = variables
        entries: list[tuple[PolicyType, int, Entry]] = []
        for type_, level, policies in layers.sets:
            for policy, statement in policies.entries:
                # A statement of a key policy without Resource does nothing (rule K10).
                if not (policy.type is PolicyType.KEY and statement.resources is None):
                    entries.append((type_, level, (policy, statement)))
        self.entries = tuple(entries)
        self.statements: tuple[Statement, ...] = tuple(statement for _, _, (_, statement) in entries)
        self.tells_callers_apart = any(s.principals is not None for s in self.statements)
        self.conditional = sum(1 << n for n, s in enumerate(self.statements) if s.conditions)
        self._not_action = sum(1 << n for n, s in enumerate(self.statements) if s.not_action)
        self._not_resource = sum(1 << n for n, s in enumerate(self.statements) if s.not_resource)
        self._patterns: dict[tuple[Dimension, int], Patterns] = {}
        self._starts: dict[tuple[Dimension, int], Patterns] = {}
        self._samples: list[tuple[str, str]] = []
        self._looked = False

    def index(self, dimension: Dimension) -> Index:
        """Which statements an action, or a resource, matches."""
        return self._actions if dimension is ACTIONS else self._resources

    @cached_property
    def _actions(self) -> Index:
        return Index(((s.actions, s.not_action) for s in self.statements), service_of)

    @cached_property
    def _resources(self) -> Index:
        numbered = enumerate(self.statements)
        return Index(((self.patterns(RESOURCES, n).globs, s.not_resource) for n, s in numbered), arn_service_of)

    def firm(self, dimension: Dimension) -> int:
        """The statements that fire on whatever else they match in this dimension: without conditions, and for all that
        there is in the other dimension."""
        return self._firm_by_action if dimension is ACTIONS else self._firm_by_resource

    @cached_property
    def _firm_by_action(self) -> int:
        return self._firm(RESOURCES)

    @cached_property
    def _firm_by_resource(self) -> int:
        return self._firm(ACTIONS)

    def _firm(self, other: Dimension) -> int:
        firm = (n for n, s in enumerate(self.statements) if not s.conditions and not other.negated(s))
        return sum(1 << n for n in firm if self.patterns(other, n).everything)

    def in_not_form(self, dimension: Dimension) -> int:
        """The statements whose element of this dimension is in Not form."""
        return self._not_action if dimension is ACTIONS else self._not_resource

    @cached_property
    def whole(self) -> int:
        """The statements that fire on every request."""
        numbers = bits(self._firm_by_action & self._firm_by_resource)
        return sum(1 << n for n in numbers)

    @cached_property
    def signatures(self) -> tuple[object, ...]:
        """For each statement what makes up when it applies, as it is written."""
        return tuple(
            (
                self.patterns(ACTIONS, n).globs,
                s.not_action,
                self.patterns(RESOURCES, n).globs,
                s.not_resource,
                s.principals,
                s.not_principal,
                frozenset(s.conditions),
            )
            for n, s in enumerate(self.statements)
        )

    def starts(self, dimension: Dimension, number: int) -> Patterns:
        """The actions or the resources of one statement, where nothing else narrows them."""
        at = (dimension, number)
        if at not in self._starts:
            negated = dimension.negated(self.statements[number])
            self._starts[at] = dimension.every if negated else meet(dimension.every, self.patterns(dimension, number))
        return self._starts[at]

    def patterns(self, dimension: Dimension, number: int) -> Patterns:
        """The patterns of an action or resource that statement `number` matches, or in Not form those that it does
        not."""
        at = (dimension, number)
        if at not in self._patterns:
            statement = self.statements[number]
            globs = statement.actions if dimension is ACTIONS else self._resource_globs(statement)
            self._patterns[at] = Patterns(globs, dimension.bucket)
        return self._patterns[at]

    # where nothing tells callers apart

    @cached_property
    def plan_for_anybody(self) -> Plan:
        """What has to happen for a caller to be allowed, where no statement says who.

        Raises:
            Undecided: as `plan`.
        """
        return plan(self.entries, self.layers, ANYBODY, PolicyType.RESOURCE, self.judge)

    def samples(self) -> Iterator[tuple[str, str]]:
        """A few requests that are allowed whatever else they carry, as action and resource; each is made when it is
        first asked for."""
        yield from self._samples
        for sample in self._more_samples:
            self._samples.append(sample)
            yield sample

    @cached_property
    def _more_samples(self) -> Iterator[tuple[str, str]]:
        allows = (n for n, s in enumerate(self.statements) if s.allow and not s.conditions)
        found = (
            (n, generic_point(action), generic_point(resource))
            for n in islice(allows, _MOST_SAMPLES)
            for action in self._some(ACTIONS, n)
            for resource in self._some(RESOURCES, n)
        )
        return ((action, resource) for n, action, resource in found if self._surely_allows(action, resource, n))

    def _some(self, dimension: Dimension, number: int) -> Iterable[Glob]:
        """One of the actions or resources of a statement, without working out the others."""
        statement = self.statements[number]
        if dimension.negated(statement):
            return dimension.every.globs[:1]
        first = next(iter(statement.actions if dimension is ACTIONS else self._resource_globs(statement)), None)
        return () if first is None else meet(dimension.every, Patterns((first,), dimension.bucket)).globs[:1]

    def _surely_allows(self, action: str, resource: str, number: int) -> bool:
        """Is a request, which comes of an Allow without conditions, allowed whoever asks and whatever else it
        carries?"""
        plan_ = self.plan_for_anybody
        alone = any(all(group >> number & 1 for group in option) for option in plan_.options)
        if alone and not plan_.denies and not self._in_not_form(number):
            return not ANYBODY.region.excludes(action)
        matching = self._matching(action, resource)
        firing = matching & ~self.conditional
        if matching & self.plan_for_anybody.denies or ANYBODY.region.excludes(action):
            return False
        return any(all(firing & group for group in option) for option in self.plan_for_anybody.options)

    def _in_not_form(self, number: int) -> bool:
        return bool((self._not_action | self._not_resource) >> number & 1)

    def surely_refuses(self, action: str, resource: str) -> bool:
        """Is a request not allowed, whoever asks and whatever else it carries?"""
        plan_ = self.plan_for_anybody
        acting = self._acting(action)
        if all(any(not acting & group for group in option) for option in plan_.options):
            return True
        matching = acting & self.index(RESOURCES).mask(resource)
        if matching & ~self.conditional & plan_.denies:
            return True
        return all(any(not matching & group for group in option) for option in plan_.options)

    def _acting(self, action: str) -> int:
        """The statements that an action matches. An index is worth its cost for the second action at the earliest."""
        if self._looked:
            return self.index(ACTIONS).mask(action)
        self._looked = True
        acting = (any(_is(one, action) for one in s.actions) != s.not_action for s in self.statements)
        return sum(1 << n for n, acts in enumerate(acting) if acts)

    def _matching(self, action: str, resource: str) -> int:
        return self.index(ACTIONS).mask(action) & self.index(RESOURCES).mask(resource)

    # resources

    def _resource_globs(self, statement: Statement) -> Iterator[Glob]:
        if statement.resources is None:
            yield glob("*")
        for pattern in statement.resources or ():
            yield from self._resource_glob(pattern)

    def _resource_glob(self, pattern: Pattern) -> Iterator[Glob]:
        """What one Resource pattern matches under the readings in force; nothing where a variable has no value (V8)."""
        found = pattern.resolve(single_value(self.variables))
        if found is None:
            return
        if found.literal is not None or found.everything:
            yield found
            return
        if wild_service(found) and self.judge.takes("O39", "never"):
            return
        if within_fields(found) != found and self.judge.takes("O5", "segments"):
            found = within_fields(found)
        yield found
        if of_whole_service(pattern) and self.judge.takes("O28", "covered"):
            yield Glob(("*",))


def _is(one: Glob, text: str) -> bool:
    """Does a pattern match? Most do not begin like the text, and need no more."""
    return text.startswith(one.prefix) and (one.literal == text if one.literal is not None else one.matches(text))


def union(masks: Iterable[int]) -> int:
    """All bits that are set in any of them."""
    out = 0
    for mask in masks:
        out |= mask
    return out


def bits(mask: int) -> Iterator[int]:
    """The numbers of the bits that are set."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low
