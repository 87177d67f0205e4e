"""One side of a comparison, read once for many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

from grantproof.iam.assumption import Assumptions, Judge
from grantproof.iam.comparison.callers import Named, named_in
from grantproof.iam.comparison.relaxed import Effect, relaxed
from grantproof.iam.comparison.side import EVERY_ACTION, Side
from grantproof.iam.condition import Set, Test, Type
from grantproof.iam.document import Statement
from grantproof.iam.layers import Layers
from grantproof.iam.request import Values


class Prepared:
    """One side, read once for many comparisons. `replayed`: the layers by which a request is decided, where those that
    are searched are written otherwise."""

    def __init__(self, layers: Layers, replayed: Layers | None = None) -> None:
        self.layers, self.replayed = layers, replayed or layers
        self._sides: dict[tuple[object, ...], Side] = {}
        self._relaxed: dict[tuple[object, ...], Prepared] = {}

    @cached_property
    def keys(self) -> frozenset[str]:
        """The condition keys that the statements consult."""
        return self.layers.condition_keys

    @cached_property
    def variables(self) -> frozenset[str]:
        """The keys that stand as policy variables."""
        found = set[str]()
        for statement in self.statements():
            for pattern in (*(statement.resources or ()), *(p for t in statement.conditions for p in t.values)):
                if pattern.fixed is None:
                    found.update(v.key for v in pattern.variables)
        return frozenset(found)

    @cached_property
    def plain(self) -> frozenset[str]:
        """The keys that some operator without a set prefix compares with something."""
        return frozenset(
            t.key for t in self._tests() if t.operator.prefix is Set.NONE and t.operator.type is not Type.NULL
        )

    @cached_property
    def sets(self) -> frozenset[str]:
        """The keys that some operator with a set prefix tests."""
        return frozenset(t.key for t in self._tests() if t.operator.prefix is not Set.NONE)

    def _tests(self) -> Iterator[Test]:
        return (test for statement in self.statements() for test in statement.conditions)

    @cached_property
    def named(self) -> Named:
        """The accounts, ARNs and so on that the statements name."""
        return named_in(self.layers)

    @cached_property
    def speaks_of_anybody(self) -> bool:
        """Is there no layer that says who?"""
        layers = self.layers
        naming = (layers.resource, layers.rcp, layers.endpoint)
        return not layers.grants and all(layer is None for layer in naming)

    @cached_property
    def allows_everything(self) -> bool:
        """Is it plain that every request is allowed, whoever asks? Only of a side that speaks of anybody."""
        layers = self.layers
        groups = [layers.identity, *(layers.scp or ())]
        groups += [limit for limit in (layers.boundary, layers.session) if limit is not None]
        if layers.scp == () or not all(any(_whole(s) for p in group for s in p.statements) for group in groups):
            return False
        return all(s.allow for group in groups for policy in group for s in policy.statements)

    def within(self, other: Prepared) -> bool:
        """Is it plain from how the two are written that this side allows nothing that the other does not? In every
        layer each Allow stands in the other side's too, and each Deny of the other side's in this one's."""
        (mine, allows, denies), (theirs, other_allows, other_denies) = self._written, other._written
        return mine == theirs and allows <= other_allows and other_denies <= denies

    def denies_what(self, other: Prepared) -> bool:
        """Does each Deny of the other side stand in the same layer of this one?"""
        return other._written[2] <= self._written[2]

    @cached_property
    def _written(self) -> tuple[object, frozenset[object], frozenset[object]]:
        """Which layers there are, what makes up the statements that allow, and those that deny."""
        layers = self.layers
        present = tuple((type_, level) for type_, level, _ in layers.sets)
        type_ = None if layers.resource is None else layers.resource.type
        parts = [
            frozenset((t, n, _essence(s)) for t, n, p in layers.sets for _, s in p.entries if s.allow is allow)
            for allow in (True, False)
        ]
        return (present, type_, layers.scp is None, layers.rcp is None, layers.grants), parts[0], parts[1]

    def relaxed(self, firing: Effect, assumptions: Assumptions) -> Prepared:
        """The same without policy variables, as `relaxed` says."""
        if not self.variables:
            return self
        at = (firing, assumptions.key)
        if at not in self._relaxed:
            self._relaxed[at] = Prepared(relaxed(self.layers, firing, assumptions))
        return self._relaxed[at]

    def statements(self) -> Iterator[Statement]:
        """Those of all layers."""
        for _, _, policies in self.layers.sets:
            yield from (statement for _, statement in policies.entries)

    def side(self, assumptions: Assumptions, variables: Mapping[str, Values]) -> Side:
        """The statements under one reading, with these values of policy variables."""
        own = {key: values for key, values in variables.items() if key in self.variables} if self.variables else {}
        at = (assumptions.key, *sorted(own.items()))
        if at not in self._sides:
            self._sides[at] = Side(self.layers, Judge(assumptions), own)
        return self._sides[at]

    def testing(self, key: str) -> set[tuple[object, ...]]:
        """What makes up the statements that test a key."""
        return {
            (type_, level, s.allow, _essence(s))
            for type_, level, policies in self.layers.sets
            for _, s in policies.entries
            if any(test.key == key for test in s.conditions)
        }


def _whole(statement: Statement) -> bool:
    """Does a statement allow every action on every resource under all conditions?"""
    s = statement
    if not s.allow or s.conditions or s.not_action or s.not_resource:
        return False
    every_resource = any(p.fixed is not None and p.fixed.everything for p in s.resources or ())
    return every_resource and any(one.everything or one == EVERY_ACTION for one in s.actions)


def _essence(statement: Statement) -> tuple[object, ...]:
    """Everything about a statement but its effect and its name; lists in whatever order."""
    s = statement
    resources = None if s.resources is None else frozenset(s.resources)
    who = (s.principals, s.not_principal)
    return frozenset(s.actions), s.not_action, resources, s.not_resource, *who, frozenset(s.conditions)
