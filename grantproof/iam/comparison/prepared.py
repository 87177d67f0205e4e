"""One side of a comparison, read once for many."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, reduce
from itertools import islice
from operator import and_

from grantproof.iam.assumption import DEFAULTS, Assumptions, Judge
from grantproof.iam.comparison.caller import ANYBODY
from grantproof.iam.comparison.caller_bounds import bounds_of
from grantproof.iam.comparison.consulted import Consulted, consulted
from grantproof.iam.comparison.named import Named, named_in
from grantproof.iam.comparison.plan import names_no_caller
from grantproof.iam.comparison.readings import OF_RESOURCES
from grantproof.iam.comparison.relaxed import Effect, relaxed
from grantproof.iam.comparison.replayable import Replayable
from grantproof.iam.comparison.sampled import Sample, conditional, unconditional
from grantproof.iam.comparison.services import ALL, NONE, Services, acting, acting_throughout, on_everything, service_of
from grantproof.iam.comparison.side import Side
from grantproof.iam.comparison.throughout import Points, Throughout, points_of
from grantproof.iam.comparison.values import Keys
from grantproof.iam.comparison.variables import generic_values
from grantproof.iam.document import Statement
from grantproof.iam.errors import Undecided
from grantproof.iam.layers import Layers
from grantproof.iam.request import Values

#: So many requests are worth their cost before a comparison that is the side's first.
_FIRST_SAMPLES = 3


class Prepared:
    """One side, read once for many comparisons. `replayed`: the layers by which a request is decided, where those that
    are searched are written otherwise."""

    def __init__(self, layers: Layers, replayed: Layers | None = None) -> None:
        self.layers, self.replayed = layers, replayed or layers
        self.names_no_caller = names_no_caller(layers)
        """Is there no layer that says who?"""
        self._sides: dict[tuple[object, ...], Side] = {}
        self._relaxed: dict[tuple[object, ...], Prepared] = {}
        self._samples: dict[tuple[object, ...], Replayable[Sample]] = {}
        self._looked = False
        self._alone: frozenset[tuple[object, ...]] = frozenset()

    def read(self, assumptions: Assumptions = DEFAULTS) -> None:
        """Work out now whatever belongs to this side alone, and not when it is first asked for. That costs more than
        one comparison takes, and is of use before thousands."""
        if not self.names_no_caller:
            return
        _ = self.consulted, self.named, self.services, self.throughout, self._written
        _ = self._may_act, self._acts_throughout
        for one in (self, self.relaxed(Effect.ALLOW, assumptions), self.relaxed(Effect.DENY, assumptions)):
            one.side(assumptions, {}).read()
        deque(self.samples(assumptions), maxlen=0)
        self._alone = frozenset(self._sides)

    @property
    def was_read(self) -> bool:
        """Was it worked out before?"""
        return bool(self._alone)

    def forget(self) -> None:
        """Forget what was worked out since then for other sides, on which the values of policy variables depend."""
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
        """The services in which something may be allowed. Only of a side that speaks of anybody."""
        return acting(s for policy in self.layers.identity for s in policy.statements if s.allow)

    def acts_only_in(self, services: Services) -> bool:
        """Is it plain that nothing is allowed in other services? Only of a side that speaks of anybody."""
        return services == ALL or (bool(services) and self.services <= services)

    @cached_property
    def throughout(self) -> Services:
        """The services in which it is plain that every request is allowed, whoever asks. Only of a side that speaks of
        anybody."""
        layers = self.layers
        if layers.scp == ():
            return NONE
        groups = [layers.identity, *(layers.scp or ())]
        groups += [limit for limit in (layers.boundary, layers.session) if limit is not None]
        of_each = [[s for policy in group for s in policy.statements] for group in groups]
        found = reduce(and_, (acting_throughout(s for s in some if s.allow) for some in of_each))
        denied = acting(s for some in of_each for s in some if not s.allow)
        return found - denied if denied else found

    @cached_property
    def _may_act(self) -> Points | None:
        """The actions that may be allowed, by service. Only of a side that speaks of anybody."""
        return points_of(s for policy in self.layers.identity for s in policy.statements if s.allow)

    @cached_property
    def _acts_throughout(self) -> Throughout | None:
        """The actions of which it is plain that they are allowed on everything, whoever asks; None where a layer beside
        the identity policies, or a Deny, may have a say. Only of a side that speaks of anybody."""
        layers = self.layers
        if layers.boundary is not None or layers.session is not None or layers.scp is not None:
            return None
        statements = [s for policy in layers.identity for s in policy.statements]
        if not all(s.allow for s in statements):
            return None
        firm = (s for s in statements if not s.conditions and not s.not_action and on_everything(s))
        return Throughout(one for s in firm for one in s.actions)

    def acts_only_throughout(self, other: Prepared) -> bool:
        """Is it plain that nothing is allowed but what the other side allows on everything? Only of sides that speak of
        anybody."""
        mine, theirs = self._may_act, other._acts_throughout
        return mine is not None and theirs is not None and theirs.covers(mine)

    def allows_throughout(self, action: str) -> bool:
        """Is it plain that an action is allowed on everything, whoever asks? Only of a side that speaks of anybody."""
        service = service_of(action)
        if service in self.throughout:
            return True
        if not self.was_read or service is None or self._acts_throughout is None:
            return False
        return self._acts_throughout.covers({service: (action,)})

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
            frozenset((t, n, s.essence) for t, n, p in layers.sets for _, s in p.entries if s.allow is allow)
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
            # Readings that read its resources alike share one.
            alike = ("resources", *map(assumptions.reading, OF_RESOURCES), *at[1:])
            if alike not in self._sides:
                self._sides[alike] = Side(self.layers, Judge(assumptions), own)
            self._sides[at] = self._sides[alike]
        return self._sides[at]

    def samples(self, assumptions: Assumptions) -> Iterable[Sample]:
        """A few requests that are allowed, as `sampled` says; fewer, as long as the side has not been read for many
        comparisons: nearly all that is told apart by them is told by the first. Only of a side that speaks of
        anybody."""
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
        # One value is what a key may have whatever the other side asks of it.
        bounds = bounds_of(ANYBODY, keys, keys, values, identified=True, correlated=True)
        yield from conditional(side, NOTHING.side(assumptions, {}), Keys(Judge(assumptions), bounds))

    def surely_refuses(self, sample: Sample, assumptions: Assumptions) -> bool:
        """Is a request not allowed, whoever asks, whatever else it carries and whatever variables stand for? Only of a
        side that speaks of anybody."""
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
        """What makes up the statements that test a key."""
        return {
            (type_, level, s.allow, s.essence)
            for type_, level, policies in self.layers.sets
            for _, s in policies.entries
            if any(test.key == key for test in s.conditions)
        }


#: A side that allows nothing.
NOTHING = Prepared(Layers())


def _acts(statement: Statement, action: str) -> bool:
    """Is a statement about this action? Most patterns do not begin like it, and need no more."""
    near = (one for one in statement.actions if action.startswith(one.prefix))
    found = any(one.literal == action if one.literal is not None else one.matches(action) for one in near)
    return found != statement.not_action
