"""One side of a comparison, read once for many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

from grantproof.iam.assumption import Assumptions, Judge
from grantproof.iam.callers import Named, named_in
from grantproof.iam.condition import Set, Type
from grantproof.iam.document import Statement
from grantproof.iam.layers import Layers
from grantproof.iam.request import Values
from grantproof.iam.side import Side
from grantproof.iam.variables import Effect, relaxed


class Prepared:
    """One side, read once for many comparisons."""

    def __init__(self, layers: Layers) -> None:
        self.layers = layers
        self.keys = layers.condition_keys
        plain, sets, variables = set[str](), set[str](), set[str]()
        for statement in self.statements():
            for pattern in statement.resources or ():
                variables.update(v.key for v in pattern.variables)
            for test in statement.conditions:
                variables.update(v.key for pattern in test.values for v in pattern.variables)
                if test.operator.prefix is not Set.NONE:
                    sets.add(test.key)
                elif test.operator.type is not Type.NULL:
                    plain.add(test.key)
        self.plain, self.sets, self.variables = frozenset(plain), frozenset(sets), frozenset(variables)
        self._sides: dict[tuple[object, ...], Side] = {}
        self._relaxed: dict[Effect, Prepared] = {}

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

    def within(self, other: Prepared) -> bool:
        """Is it plain from how the two are written that this side allows nothing that the other does not? In every
        layer each Allow stands in the other side's too, and each Deny of the other side's in this one's."""
        (mine, allows, denies), (theirs, other_allows, other_denies) = self._written, other._written
        return mine == theirs and allows <= other_allows and other_denies <= denies

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

    def relaxed(self, firing: Effect) -> Prepared:
        """The same without policy variables, as `variables.relaxed` says."""
        if not self.variables:
            return self
        if firing not in self._relaxed:
            self._relaxed[firing] = Prepared(relaxed(self.layers, firing))
        return self._relaxed[firing]

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


def _essence(statement: Statement) -> tuple[object, ...]:
    """Everything about a statement but its effect and its name; lists in whatever order."""
    s = statement
    resources = None if s.resources is None else frozenset(s.resources)
    who = (s.principals, s.not_principal)
    return frozenset(s.actions), s.not_action, resources, s.not_resource, *who, frozenset(s.conditions)
