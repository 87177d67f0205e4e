"""A few requests that a side allows. If the other side refuses one of them, it does not contain this side, and no
search is needed; this decides most pairs of policies.

Each request is allowed whatever its condition keys, or with values of them that a search has found. The other side has
to refuse it by its action and resource alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from grantproof.iam.comparison.caller import ANYBODY
from grantproof.iam.comparison.conditions import Conditions
from grantproof.iam.comparison.effort import Effort
from grantproof.iam.comparison.escape import Search
from grantproof.iam.comparison.language import generic_point
from grantproof.iam.comparison.patterns import ACTIONS, RESOURCES, Patterns, meet
from grantproof.iam.comparison.side import Side
from grantproof.iam.comparison.values import Keys
from grantproof.iam.errors import Undecided
from grantproof.iam.glob import Glob
from grantproof.iam.request import Values

#: The greatest numbers of requests without conditions, and of requests that need a search.
_MOST_PLAIN, _MOST_SEARCHED = 48, 16


class Sample(NamedTuple):
    """A request of `ANYBODY`. `context`: values of condition keys with which it is allowed; others do not matter."""

    action: str
    resource: str
    context: Mapping[str, Values]


def unconditional(side: Side) -> Iterator[Sample]:
    """Requests that match Allows without conditions, of a side that names no caller: the first action of each
    statement, then the last action of each of its services, which is often of another kind. Lazy."""
    yield from islice(_unconditional(side), _MOST_PLAIN)


def conditional(side: Side, nothing: Side, keys: Keys) -> Iterator[Sample]:
    """Requests that match Allows with conditions, one for each Allow.

    Args:
        nothing: a side that allows nothing.
        keys: finds values of condition keys, of one caller and with one value at most.
    """
    for number in islice(_conditional(side), _MOST_SEARCHED):
        yield from islice(_searched(side, nothing, keys, number), 1)


def _unconditional(side: Side) -> Iterator[Sample]:
    allows = [n for n, s in enumerate(side.statements) if s.allow and not s.conditions]
    for number in allows:
        yield from _with(side, number, side.globs(ACTIONS, number))
    for number in allows:
        if not side.statements[number].not_action:
            for globs in side.patterns(ACTIONS, number).by_service:
                yield from _with(side, number, globs[-1:])


def _with(side: Side, number: int, some: Iterable[Glob]) -> Iterator[Sample]:
    """A request that matches one statement, with the first of some actions; nothing if it is not allowed."""
    actions, resources = (
        dimension.every
        if dimension.negated(side.statements[number])
        # Without computing everything that the statement matches.
        else meet(dimension.every, Patterns(islice(globs, 1), dimension.bucket))
        for dimension, globs in ((ACTIONS, some), (RESOURCES, side.globs(RESOURCES, number)))
    )
    for one, thing in zip(actions.globs[:1], resources.globs[:1], strict=False):
        found = Sample(generic_point(one), generic_point(thing), side.variables)
        if _surely_allows(side, found, number):
            yield found


def _conditional(side: Side) -> Iterator[int]:
    """The Allows with conditions; first those that match a service that no earlier one matches."""
    allows = [n for n, s in enumerate(side.statements) if s.allow and s.conditions]
    known: set[str] = set()
    later = []
    for number in allows:
        services = side.patterns(ACTIONS, number).services or frozenset()
        if services <= known:
            later.append(number)
        else:
            known |= services
            yield number
    yield from later


def _surely_allows(side: Side, sample: Sample, number: int) -> bool:
    """Is a request that matches an Allow without conditions allowed whatever its caller and its condition keys?"""
    plan = side.plan_for_anybody
    if ANYBODY.domain.excludes(sample.action):
        return False
    in_not_form = (side.in_not_form(ACTIONS) | side.in_not_form(RESOURCES)) >> number & 1
    if not plan.denies and not in_not_form and any(all(g >> number & 1 for g in option) for option in plan.options):
        return True
    matching = side.index(ACTIONS).mask(sample.action) & side.index(RESOURCES).mask(sample.resource)
    firing = matching & ~side.conditional
    return not matching & plan.denies and any(all(firing & group for group in option) for option in plan.options)


def _searched(side: Side, nothing: Side, keys: Keys, number: int) -> Iterator[Sample]:
    """Requests that match one Allow with conditions."""
    plan = side.plan_for_anybody
    options = (tuple(1 << number if group >> number & 1 else group for group in option) for option in plan.options)
    plans = replace(plan, options=tuple(options)), nothing.plan_for_anybody
    try:
        effort = Effort()
        for escape in Search(side, nothing, plans, ANYBODY, Conditions(keys, effort), effort, first=True).escapes():
            yield Sample(escape.actions[0].text, escape.resources[0].text, {**side.variables, **escape.context})
    except Undecided:
        return
