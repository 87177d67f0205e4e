"""One side of a comparison, read once for many."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, reduce
from itertools import islice
from operator import and_

from grantproof.iam.assumption import DEFAULTS, Assumptions, Judge
from grantproof.iam.comparison.action_patterns import ActionPatterns, Points, points_of
from grantproof.iam.comparison.caller import ANYBODY
from grantproof.iam.comparison.caller_bounds import bounds_of
from grantproof.iam.comparison.consulted import Consulted, consulted
from grantproof.iam.comparison.named import Named, named_in
from grantproof.iam.comparison.plan import names_no_caller
from grantproof.iam.comparison.readings import OF_RESOURCES
from grantproof.iam.comparison.relaxed import Effect, each_statement, relaxed, without_early
from grantproof.iam.comparison.replayable import Replayable
from grantproof.iam.comparison.sampled import Sample, conditional, unconditional
from grantproof.iam.comparison.services import (
    ALL,
    NONE,
    Services,
    acting,
    acting_unrestricted,
    on_everything,
)
from grantproof.iam.comparison.side import Side
from grantproof.iam.comparison.values import Keys
from grantproof.iam.comparison.variables import generic_values
from grantproof.iam.errors import Undecided
from grantproof.iam.layers import Layers, service_of
from grantproof.iam.policy import Statement
from grantproof.iam.request import Values

#: So many requests are worth their cost before a comparison that is the side's first.
_FIRST_SAMPLES = 3


class Prepared:
    """One side, read once for many comparisons.

    Args:
        layers: the policies that are searched.
        replayed: the policies by which witnesses are decided, where these differ (KMS grants are searched as
            statements).
    """

    def __init__(self, layers: Layers, replayed: Layers | None = None) -> None:
        self.layers, self.replayed = layers, replayed or layers
        self.names_no_caller = names_no_caller(layers)
        """Does no layer name callers, or depend on who they are?"""
        self._sides: dict[tuple[object, ...], Side] = {}
        self._relaxed: dict[tuple[object, ...], Prepared] = {}
        self._samples: dict[tuple[object, ...], Replayable[Sample]] = {}
        self._looked = False
        self._alone: frozenset[tuple[object, ...]] = frozenset()

    def read(self, assumptions: Assumptions = DEFAULTS) -> None:
        """Compute now what depends on this side alone. Costs more than one comparison takes: of use before
        thousands."""
        if not self.names_no_caller:
            return
        _ = self.consulted, self.named, self.services, self.unrestricted_services, self._written
        _ = self._may_act, self._unrestricted_actions
        for one in (self, self.relaxed(Effect.ALLOW, assumptions), self.relaxed(Effect.DENY, assumptions)):
            one.side(assumptions, {}).read()
        deque(self.samples(assumptions), maxlen=0)
        self._alone = frozenset(self._sides)

    @property
    def was_read(self) -> bool:
        """Was `read` called?"""
        return bool(self._alone)

    def forget(self) -> None:
        """Drop what was computed since `read` for other sides, on which the values of policy variables depend."""
        self._sides = {at: side for at, side in self._sides.items() if at in self._alone}

    @cached_property
    def consulted(self) -> Consulted:
        """Which condition keys the statements consult."""
        return consulted(self.statements())

    @property
    def variables(self) -> frozenset[str]:
        """The keys that stand as policy variables."""
        return self.consulted.variables

    @cached_property
    def named(self) -> Named:
        """The accounts, ARNs and so on that the statements name."""
        return named_in(self.layers)

    @cached_property
    def services(self) -> Services:
        """The services in which something may be allowed. Only for a side that names no caller."""
        return acting(s for policy in self.layers.identity for s in policy.statements if s.allow)

    def acts_only_in(self, services: Services) -> bool:
        """Is nothing allowed in other services? Sound, not complete. Only for a side that names no caller."""
        return services == ALL or (bool(services) and self.services <= services)

    @cached_property
    def unrestricted_services(self) -> Services:
        """Services in which every request is allowed, whatever the caller. There may be more than these. Only for a
        side that names no caller."""
        layers = self.layers
        if layers.scp == ():
            return NONE
        groups = [layers.identity, *(layers.scp or ())]
        groups += [limit for limit in (layers.boundary, layers.session) if limit is not None]
        of_each = [[s for policy in group for s in policy.statements] for group in groups]
        found = reduce(and_, (acting_unrestricted(s for s in some if s.allow) for some in of_each))
        denied = acting(s for some in of_each for s in some if not s.allow)
        return found - denied if denied else found

    @cached_property
    def _may_act(self) -> Points | None:
        """The actions that may be allowed, by service. Only for a side that names no caller."""
        return points_of(s for policy in self.layers.identity for s in policy.statements if s.allow)

    @cached_property
    def _unrestricted_actions(self) -> ActionPatterns | None:
        """Actions that are allowed on every resource, whatever the caller; None where another layer than the identity
        policies, or a Deny, may narrow them. Only for a side that names no caller."""
        layers = self.layers
        if layers.boundary is not None or layers.session is not None or layers.scp is not None:
            return None
        statements = [s for policy in layers.identity for s in policy.statements]
        if not all(s.allow for s in statements):
            return None
        unconditional_ones = (s for s in statements if not s.conditions and not s.not_action and on_everything(s))
        return ActionPatterns(one for s in unconditional_ones for one in s.actions)

    def acts_only_where_unrestricted(self, other: Prepared) -> bool:
        """Does the other side allow, on every resource, every action that this one may allow? Sound, not complete. Only
        for sides that name no caller."""
        mine, theirs = self._may_act, other._unrestricted_actions
        return mine is not None and theirs is not None and theirs.covers(mine)

    def is_unrestricted(self, action: str) -> bool:
        """Is an action allowed on every resource? Sound, not complete. Only for a side that names no caller."""
        service = service_of(action)
        if service in self.unrestricted_services:
            return True
        if not self.was_read or service is None or self._unrestricted_actions is None:
            return False
        return self._unrestricted_actions.covers({service: (action,)})

    def within(self, other: Prepared) -> bool:
        """Does this side allow nothing more, going by its text: in every layer, each Allow stands in the other side's
        too, and each Deny of the other side in this one's? Sound, not complete."""
        (mine, allows, denies), (theirs, other_allows, other_denies) = self._written, other._written
        return mine == theirs and allows <= other_allows and other_denies <= denies

    def denies_what(self, other: Prepared) -> bool:
        """Does each Deny of the other side stand in the same layer of this one?"""
        return other._written[2] <= self._written[2]

    @cached_property
    def _written(self) -> tuple[object, frozenset[object], frozenset[object]]:
        """Which layers there are, and the text of the Allows and of the Denies in them."""
        layers = self.layers
        present = tuple((type_, level) for type_, level, _ in layers.sets)
        type_ = None if layers.resource is None else layers.resource.type
        parts = [
            frozenset((t, n, s.essence) for t, n, p in layers.sets for _, s in p.entries if s.allow is allow)
            for allow in (True, False)
        ]
        return (present, type_, layers.scp is None, layers.rcp is None, layers.grants), parts[0], parts[1]

    def relaxed(self, firing: Effect, assumptions: Assumptions) -> Prepared:
        """The side without policy variables: see `relaxed`."""
        if not self.variables:
            return self
        at = (firing, assumptions.key)
        if at not in self._relaxed:
            self._relaxed[at] = Prepared(relaxed(self.layers, firing, assumptions))
        return self._relaxed[at]

    def as_read(self, assumptions: Assumptions) -> Layers:
        """The layers under one reading of O42: without the resources that it reads as matching nothing."""
        if assumptions.reading("O42") != "never":
            return self.layers
        return self._never_replaced

    @cached_property
    def _never_replaced(self) -> Layers:
        early = any(p.early for s in self.statements() for p in s.resources or ())
        return each_statement(self.layers, without_early) if early else self.layers

    def statements(self) -> Iterator[Statement]:
        """The statements of all layers."""
        for _, _, policies in self.layers.sets:
            yield from (statement for _, statement in policies.entries)

    def side(self, assumptions: Assumptions, variables: Mapping[str, Values]) -> Side:
        """The statements under one reading, with these values of policy variables."""
        own = {key: values for key, values in variables.items() if key in self.variables} if self.variables else {}
        at = (assumptions.key, *sorted(own.items()))
        if at not in self._sides:
            # Readings under which the resources read the same share one.
            alike = ("resources", *map(assumptions.reading, OF_RESOURCES), *at[1:])
            if alike not in self._sides:
                self._sides[alike] = Side(self.layers, Judge(assumptions), own)
            self._sides[at] = self._sides[alike]
        return self._sides[at]

    def samples(self, assumptions: Assumptions) -> Iterable[Sample]:
        """A few requests that are allowed (see `sampled`). Fewer before `read`: the first of them settles nearly all
        that they settle together. Only for a side that names no caller."""
        if assumptions.key not in self._samples:
            self._samples[assumptions.key] = Replayable(self._sampled(assumptions))
        return islice(self._samples[assumptions.key], None if self._alone else _FIRST_SAMPLES)

    def _sampled(self, assumptions: Assumptions) -> Iterator[Sample]:
        try:
            values = generic_values(self.variables, ANYBODY)
        except Undecided:
            return
        side = self.side(assumptions, values)
        yield from unconditional(side)
        if not side.conditional:
            return
        keys = self.consulted.keys
        # With one value at most, a key is valid whatever operators the other side tests it with.
        bounds = bounds_of(ANYBODY, keys, keys, values, identified=True, correlated=True)
        yield from conditional(side, NOTHING.side(assumptions, {}), Keys(Judge(assumptions), bounds))

    def surely_refuses(self, sample: Sample, assumptions: Assumptions) -> bool:
        """Is a request refused for certain, whatever its caller, its condition keys and the values of variables? Only
        for a side that names no caller."""
        if not self._looked:
            # An index is worth its cost for the second request at the earliest.
            self._looked = True
            if not any(
                _acts(s, sample.action) for policy in self.layers.identity for s in policy.statements if s.allow
            ):
                return True
        side = self.relaxed(Effect.ALLOW, assumptions).side(assumptions, {})
        return side.surely_refuses(sample.action, sample.resource)

    def testing(self, key: str) -> set[tuple[object, ...]]:
        """The text of the statements that test a key."""
        return {
            (type_, level, s.allow, s.essence)
            for type_, level, policies in self.layers.sets
            for _, s in policies.entries
            if any(test.key == key for test in s.conditions)
        }


#: A side that allows nothing.
NOTHING = Prepared(Layers())


def _acts(statement: Statement, action: str) -> bool:
    """Does a statement match this action? Most patterns are ruled out by how they begin."""
    near = (one for one in statement.actions if action.startswith(one.prefix))
    found = any(one.literal == action if one.literal is not None else one.matches(action) for one in near)
    return found != statement.not_action
