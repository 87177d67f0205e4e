"""One side of a comparison: its statements, numbered, and which of them an action or a resource matches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property

from grantproof.iam.assumption import Judge
from grantproof.iam.document import PolicyType, Statement
from grantproof.iam.glob import Glob, glob
from grantproof.iam.language import TooHard, intersection
from grantproof.iam.layers import Entry, Layers
from grantproof.iam.match import wild_service
from grantproof.iam.pattern import Pattern, single_value, within_fields
from grantproof.iam.plan import Plan
from grantproof.iam.request import Values

EVERY_ACTION = glob("*:*")
#: Neither the service nor the name of an action is empty.
NAMED = glob("?*:?*")
#: A resource is `*` (for actions without resource types) or an ARN.
EVERY_RESOURCE = (Glob(("*",)), glob("arn:*:*:*:*:*"))
#: Beyond so many pieces in one dimension a comparison is given up.
MOST_PIECES = 50_000

Bucket = Callable[[str], str | None]


def service_of(text: str) -> str | None:
    """The service prefix of an action, or of a pattern's literal beginning, where that tells."""
    service, colon, _ = text.partition(":")
    return service if colon else None


def arn_service_of(text: str) -> str | None:
    """The same for an ARN."""
    fields = text.split(":", 3)
    return fields[2] if len(fields) == 4 else None


class Index:
    """Which of the numbered statements an action or resource matches, as a bit mask. Cost does not grow with the
    patterns that cannot match: literals are looked up, the rest is sorted by service."""

    def __init__(self, elements: Sequence[tuple[tuple[Glob, ...], bool]], bucket: Bucket) -> None:
        self._bucket = bucket
        self._literal: dict[str, int] = {}
        self._by_bucket: dict[str, list[tuple[Glob, int]]] = {}
        self._anywhere: list[tuple[Glob, int]] = []
        self._negated = self._always = 0
        self._counting: list[tuple[Glob, int]] = []
        self._all: list[tuple[Glob, int]] = []
        for number, (globs, negated) in enumerate(elements):
            bit = 1 << number
            self._negated |= bit if negated else 0
            for one in globs:
                if one.everything:
                    self._always |= bit
                    continue
                self._all.append((one, bit))
                if one.counts:
                    self._counting.append((one, bit))
                if one.literal is not None:
                    self._literal[one.literal] = self._literal.get(one.literal, 0) | bit
                elif (name := bucket(one.prefix)) is not None:
                    self._by_bucket.setdefault(name, []).append((one, bit))
                else:
                    self._anywhere.append((one, bit))
        self.counts = bool(self._counting)
        """Does any pattern count characters?"""
        self._memo: dict[str, int] = {}

    def counting(self, statements: int) -> Iterator[Glob]:
        """The patterns of these statements that count characters."""
        return (one for one, bit in self._counting if bit & statements)

    def near(self, other: Glob, statements: int) -> Iterator[Glob]:
        """The patterns of these statements that may match something of another pattern."""
        name = self._bucket(other.prefix)
        for one, bit in self._all:
            if bit & statements and (name is None or self._bucket(one.prefix) in (None, name)):
                yield one

    def mask(self, text: str) -> int:
        """The statements whose element the text satisfies."""
        found = self._memo.get(text)
        if found is None:
            found = self._memo[text] = self._mask(text)
        return found

    def _mask(self, text: str) -> int:
        found = self._literal.get(text, 0) | self._always
        name = self._bucket(text)
        if name is not None:
            for one, bit in self._by_bucket.get(name, ()):
                if not found & bit and one.matches(text):
                    found |= bit
        for one, bit in self._anywhere:
            if not found & bit and one.matches(text):
                found |= bit
        return found ^ self._negated


class Side:
    """One side of a comparison: the statements of all its layers, numbered, under one reading of the open points.

    `variables` are the values of the keys that stand as policy variables in patterns.
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
        self._resources = tuple(self._resource_globs(statement) for statement in self.statements)
        self.conditional = sum(1 << n for n, s in enumerate(self.statements) if s.conditions)
        self.whole = sum(1 << n for n, s in enumerate(self.statements) if self._is_whole(n, s))
        """The statements that fire on every request."""
        self.plan_for_anybody: Plan | None = None
        """The plan where nothing tells callers apart, kept for the next comparison."""
        self._starts: dict[int, tuple[tuple[Glob, ...], tuple[Glob, ...]]] = {}

    @cached_property
    def actions(self) -> Index:
        """Which statements an action matches."""
        return Index([(s.actions, s.not_action) for s in self.statements], service_of)

    @cached_property
    def resources(self) -> Index:
        """Which statements a resource matches."""
        elements = [(globs, s.not_resource) for globs, s in zip(self._resources, self.statements, strict=True)]
        return Index(elements, arn_service_of)

    def _is_whole(self, number: int, statement: Statement) -> bool:
        plain = not (statement.not_action or statement.not_resource or statement.conditions)
        return (
            plain
            and any(one.everything for one in statement.actions)
            and any(one.everything for one in self._resources[number])
        )

    def starts(self, number: int) -> tuple[tuple[Glob, ...], tuple[Glob, ...]]:
        """The actions and the resources of one statement, where nothing else narrows them."""
        found = self._starts.get(number)
        if found is None:
            statement = self.statements[number]
            acts: tuple[Glob, ...] = (EVERY_ACTION,)
            acts = acts if statement.not_action else meet(acts, statement.actions, service_of)
            things: tuple[Glob, ...] = EVERY_RESOURCE
            things = things if statement.not_resource else meet(things, self._resources[number], arn_service_of)
            found = self._starts[number] = acts, things
        return found

    def action_globs(self, number: int) -> tuple[Glob, ...]:
        """The patterns of an action that statement `number` matches, or in Not form those that it does not."""
        return self.statements[number].actions

    def resource_globs(self, number: int) -> tuple[Glob, ...]:
        """The same for resources."""
        return self._resources[number]

    def _resource_globs(self, statement: Statement) -> tuple[Glob, ...]:
        if statement.resources is None:
            return (glob("*"),)
        out: list[Glob] = []
        for pattern in statement.resources:
            out += self._resource_glob(pattern)
        return tuple(out)

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
        if pattern.text.startswith("arn:") and pattern.text.endswith("*") and self.judge.takes("O28", "covered"):
            yield Glob(("*",))


def meet(left: tuple[Glob, ...], right: tuple[Glob, ...], bucket: Bucket) -> tuple[Glob, ...]:
    """Patterns that match what one of `left` and one of `right` match both.

    Raises:
        TooHard: too many.
    """
    if any(one.everything or one == EVERY_ACTION for one in right) and bucket is service_of:
        return left
    if any(one.everything for one in right):
        return left
    if any(one == EVERY_ACTION for one in left) and bucket is service_of:
        return tuple(dict.fromkeys(right))
    by_bucket: dict[str, list[Glob]] = {}
    anywhere: list[Glob] = []
    for one in right:
        name = bucket(one.prefix)
        (anywhere if name is None else by_bucket.setdefault(name, [])).append(one)
    out: dict[Glob, None] = {}
    for one in left:
        name = bucket(one.prefix)
        near = right if name is None else (*by_bucket.get(name, ()), *anywhere)
        for other in near:
            out.update(dict.fromkeys(intersection(one, other)))
        if len(out) > MOST_PIECES:
            raise TooHard("the patterns of several layers meet in too many ways")
    return tuple(out)
