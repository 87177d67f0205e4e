"""One side of a comparison: its statements, numbered, and which of them an action or a resource matches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property

from grantproof.iam.assumption import Judge
from grantproof.iam.comparison.caller import ANYBODY
from grantproof.iam.comparison.language import generic_point
from grantproof.iam.comparison.patterns import (
    ACTIONS,
    RESOURCES,
    Dimension,
    Index,
    Patterns,
    everything,
    meet,
    union,
)
from grantproof.iam.comparison.plan import Plan, names_no_caller, plan, plan_for_anybody
from grantproof.iam.comparison.services import on_everything
from grantproof.iam.glob import Glob, glob
from grantproof.iam.layers import Entry, Layers, arn_service_of, service_of
from grantproof.iam.match import lacks_value, never_matches, of_whole_service, wild_service
from grantproof.iam.pattern import Pattern, single_value, within_fields
from grantproof.iam.policy import PolicyType, Statement
from grantproof.iam.request import Values


class Signature:
    """Everything that decides when a statement applies, to be compared. Hashed once: some statements have a thousand
    patterns."""

    __slots__ = ("_hash", "_parts")

    def __init__(self, *parts: object) -> None:
        self._parts = parts
        self._hash = hash(parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Signature) and self._hash == other._hash and self._parts == other._parts

    def __hash__(self) -> int:
        return self._hash


class Side:
    """One side of a comparison: the statements of all its layers, numbered, under one reading of the open points.

    `variables`: the values of the policy variables in patterns. What is computed here is kept for all comparisons of
    the side.
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
        if judge.takes("O9", "void"):
            self.statements = tuple(_void(s) if lacks_value(s, variables, judge) else s for s in self.statements)
        self.tells_callers_apart = False
        self.conditional = self._not_action = self._not_resource = 0
        for number, one in enumerate(self.statements):
            bit = 1 << number
            self.tells_callers_apart |= one.principals is not None
            self.conditional |= bit if one.conditions else 0
            self._not_action |= bit if one.not_action else 0
            self._not_resource |= bit if one.not_resource else 0
        self._patterns: dict[tuple[Dimension, int], Patterns] = {}
        self._starts: dict[tuple[Dimension, int], Patterns] = {}

    def read(self) -> None:
        """Compute now what is otherwise computed on first use."""
        _ = self.plan_for_anybody, self.always_fire, self.by_signature, self.in_service
        for dimension in (ACTIONS, RESOURCES):
            self.index(dimension).read()
            _ = self.decided_by(dimension)
            for number in range(len(self.statements)):
                for one in self.starts(dimension, number).globs:
                    generic_point(one)
                    _ = one.matches

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

    def decided_by(self, dimension: Dimension) -> int:
        """The statements of which this dimension alone decides whether they fire: they have no conditions, and match
        everything in the other dimension."""
        return self._decided_by_action if dimension is ACTIONS else self._decided_by_resource

    @cached_property
    def _decided_by_action(self) -> int:
        return union(1 << n for n, s in self._unconditional if not s.not_resource and self._every_resource(s))

    @cached_property
    def _decided_by_resource(self) -> int:
        return union(1 << n for n, s in self._unconditional if not s.not_action and everything(s.actions))

    @property
    def _unconditional(self) -> Iterator[tuple[int, Statement]]:
        return ((n, s) for n, s in enumerate(self.statements) if not s.conditions)

    def _every_resource(self, statement: Statement) -> bool:
        return on_everything(statement) or everything(self._resource_globs(statement))

    def in_not_form(self, dimension: Dimension) -> int:
        """The statements whose element of this dimension is in Not form."""
        return self._not_action if dimension is ACTIONS else self._not_resource

    @cached_property
    def always_fire(self) -> int:
        """The statements that fire on every request."""
        return self._decided_by_action and self._decided_by_action & self._decided_by_resource

    @cached_property
    def signatures(self) -> tuple[Signature, ...]:
        """The signature of each statement."""
        return tuple(
            Signature(
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

    @cached_property
    def by_signature(self) -> Mapping[tuple[PolicyType, Signature], int]:
        """The statements of each signature, by the type of their policy."""
        found: dict[tuple[PolicyType, Signature], int] = {}
        for number, signature in enumerate(self.signatures):
            at = self.entries[number][0], signature
            found[at] = found.get(at, 0) | 1 << number
        return found

    def starts(self, dimension: Dimension, number: int) -> Patterns:
        """The actions or resources of one statement, before others narrow them."""
        at = (dimension, number)
        if at not in self._starts:
            negated = dimension.negated(self.statements[number])
            self._starts[at] = dimension.every if negated else meet(dimension.every, self.patterns(dimension, number))
        return self._starts[at]

    @cached_property
    def in_service(self) -> Mapping[str | None, int]:
        """The statements that may act in a service, by service; under None those that may in any."""
        found: dict[str | None, int] = {}
        for number in range(len(self.statements)):
            services = self.starts(ACTIONS, number).services
            for service in (None,) if services is None else services:
                found[service] = found.get(service, 0) | 1 << number
        return found

    def patterns(self, dimension: Dimension, number: int) -> Patterns:
        """The action or resource patterns of a statement; in Not form, those that it does not match."""
        at = (dimension, number)
        if at not in self._patterns:
            self._patterns[at] = Patterns(self.globs(dimension, number), dimension.bucket)
        return self._patterns[at]

    def globs(self, dimension: Dimension, number: int) -> Iterable[Glob]:
        """The same, in the order of the policy."""
        statement = self.statements[number]
        return statement.actions if dimension is ACTIONS else self._resource_globs(statement)

    # where nothing tells callers apart

    @cached_property
    def plan_for_anybody(self) -> Plan:
        """The plan of a side that names no caller.

        Raises:
            Undecided: as `plan`.
        """
        if names_no_caller(self.layers):
            return plan_for_anybody(self.entries, self.layers)
        return plan(self.entries, self.layers, ANYBODY, PolicyType.RESOURCE, self.judge)

    def surely_refuses(self, action: str, resource: str) -> bool:
        """Is a request refused for certain, whatever its caller and its condition keys? False says nothing."""
        plan_ = self.plan_for_anybody
        acting = self.index(ACTIONS).mask(action)
        if all(any(not acting & group for group in option) for option in plan_.options):
            return True
        matching = acting & self.index(RESOURCES).mask(resource)
        if matching & ~self.conditional & plan_.denies:
            return True
        return all(any(not matching & group for group in option) for option in plan_.options)

    # resources

    def _resource_globs(self, statement: Statement) -> Iterator[Glob]:
        if statement.resources is None:
            yield glob("*")
        for pattern in statement.resources or ():
            yield from self._resource_glob(pattern)

    def _resource_glob(self, pattern: Pattern) -> Iterator[Glob]:
        """What one Resource pattern matches under the readings in force; nothing if a variable has no value (V8)."""
        found = pattern.resolve(single_value(self.variables))
        if found is None or never_matches(pattern, self.judge):
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


def _void(statement: Statement) -> Statement:
    """The statement, made to match nothing."""
    return replace(statement, actions=(), not_action=False, resources=(), not_resource=False, conditions=())
