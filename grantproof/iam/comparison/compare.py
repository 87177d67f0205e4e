"""Do two sets of policies allow the same, over all requests? And what does one allow that the other does not?

Exact over every string: actions that AWS adds later, every resource, every condition key present or absent. Each
difference comes with a request that shows it, and that request has been decided by the evaluator on both sides before
anybody sees it. What could not be decided is never called equal: it is undetermined, with the reason.

Left out: service-linked roles as callers (their policies are AWS's, rule T31); several values of a key that some plain
operator tests, of which AWS does not say what they mean (O24).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property

from grantproof.iam.assumption import DEFAULTS, OPEN_POINTS, Assumptions, Judge
from grantproof.iam.comparison.callers import ANYBODY, PRINCIPAL_KEYS, Caller, callers
from grantproof.iam.comparison.clause import Clause, clause_of
from grantproof.iam.comparison.escape import Escape, Search
from grantproof.iam.comparison.granted import in_key_policies
from grantproof.iam.comparison.language import Effort, TooHard
from grantproof.iam.comparison.plan import Plan, plan
from grantproof.iam.comparison.prepared import Prepared
from grantproof.iam.comparison.readings import other_readings
from grantproof.iam.comparison.relaxed import Effect
from grantproof.iam.comparison.side import Side
from grantproof.iam.comparison.values import Bounds, Keys
from grantproof.iam.comparison.variables import (
    generic_values,
    longest,
    relevant,
    settled_by_generic,
    special_values,
)
from grantproof.iam.comparison.witness import candidates, delegated
from grantproof.iam.document import PolicyType, Statement
from grantproof.iam.errors import LawError, Undecided
from grantproof.iam.evaluate import Cited, evaluate
from grantproof.iam.glob import Glob, Wild
from grantproof.iam.layers import Layers
from grantproof.iam.principal import Kind
from grantproof.iam.request import Request, Values

_A_USERS = frozenset({"aws:principalarn", "aws:username"})
#: What `aws:userid` looks like (C54): a unique id, or that of a role with the name of the session.
_USER_IDS: Mapping[Kind, Mapping[str, tuple[tuple[Glob, ...], tuple[Glob, ...]]]] = {
    Kind.USER: {"aws:userid": ((Glob((Wild.FIELD_ONE, Wild.FIELD)),), ())},
    Kind.ROLE_SESSION: {"aws:userid": ((Glob((Wild.FIELD_ONE, Wild.FIELD, ":", Wild.FIELD_ONE, Wild.FIELD)),), ())},
}
_MOST_DIFFERENCES = 1_000


class Verdict(Enum):
    """What the new side allows, measured by the old one."""

    EQUAL = "equal"
    NARROWER = "narrower"
    WIDER = "wider"
    DIFFERENT = "different"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True)
class Difference:
    """A statement-shaped piece of access that one side gives and the other does not.

    Attributes:
        clause: the piece; `str()` of it is a sentence's part: actions, resources, callers, conditions.
        witness: a request of it, decided by the evaluator: allowed on one side, not on the other.
        because: the statements that let the witness through on the side that allows it.
        owner_lets_in: the witness is allowed only where the owner of the resource lets the caller's account in, which
            is taken for granted when no resource policy is compared.
    """

    clause: Clause
    witness: Request
    because: tuple[Cited, ...]
    owner_lets_in: bool = False


@dataclass(frozen=True)
class Comparison:
    """The answer. `reason` says why it is undetermined; `depends_on` names the open points (O-rules) on which the
    verdict depends: with another reading of them it would be another."""

    verdict: Verdict
    new_access: tuple[Difference, ...] = ()
    lost_access: tuple[Difference, ...] = ()
    reason: str = ""
    depends_on: tuple[str, ...] = ()

    @property
    def allows_nothing_new(self) -> bool:
        """Is it proved that the new side allows nothing that the old one does not, under every reading?"""
        return self.verdict in (Verdict.EQUAL, Verdict.NARROWER) and not self.depends_on


def compare(
    old: Layers | Prepared,
    new: Layers | Prepared,
    *,
    owner: str | None = None,
    assumptions: Assumptions = DEFAULTS,
    every_reading: bool = True,
    known: bool = False,
    tied: bool = True,
) -> Comparison:
    """Compare what `new` allows with what `old` allows, both ways.

    Without a resource policy on either side, the caller's side alone is compared (identity policies with everything
    that limits them): requests to other accounts count as if their owners let the caller's account in.

    Args:
        owner: the account of the resource on which the resource policies stand; any, where it is None.
        assumptions: the readings of open points in force.
        every_reading: find out on which open points the verdict depends.
        known: only actions that exist, in the release of the action list, and not those that may ever exist.
        tied: only requests whose condition keys go together as AWS describes them (`tied`), and not those in which each
            has any value.
    """
    old, new = _both(old, new)
    if old.within(new) and new.within(old):
        return Comparison(Verdict.EQUAL)
    answer = _Reading(old, new, owner, assumptions, known, Effort(), tied).comparison()
    if answer.verdict is Verdict.UNDETERMINED or not every_reading:
        return answer
    depends: set[str] = set()
    for other in other_readings(old.layers, new.layers, assumptions):
        changed = {name for name in OPEN_POINTS if other.reading(name) != assumptions.reading(name)}
        if changed & depends:
            continue
        verdict = _Reading(old, new, owner, other, known, Effort(), tied).verdict()
        if verdict is not answer.verdict:
            depends |= changed
        if verdict is Verdict.UNDETERMINED:
            # What takes too long under one reading does under all, and nothing is verified any more.
            break
    return replace(answer, depends_on=tuple(sorted(depends, key=lambda name: int(name[1:]))))


def contained(inner: Layers | Prepared, outer: Layers | Prepared, *, assumptions: Assumptions = DEFAULTS) -> bool:
    """Is everything that `inner` allows allowed by `outer`, under one reading of the open points?

    Raises:
        Undecided: that cannot be said.
    """
    inner, outer = _both(inner, outer)
    plain = _plainly_contained(inner, outer, assumptions)
    if plain is not None:
        return plain
    reading = _Reading(outer, inner, None, assumptions, False, Effort())
    for _ in reading.escapes(outer, inner, first=True):
        return False
    if reading.several_values:
        raise TooHard(reading.several_values)
    return True


def quick_verdict(old: Layers | Prepared, new: Layers | Prepared, *, owner: str | None = None) -> Verdict:
    """The verdict of `compare` under the default readings alone, without looking further than the first difference."""
    old, new = _both(old, new)
    return _Reading(old, new, owner, DEFAULTS, False, Effort()).verdict()


def _plainly_contained(inner: Prepared, outer: Prepared, assumptions: Assumptions) -> bool | None:
    """Whether that can be seen without a search, where no layer says who: from an `outer` that allows everything, or
    from a few requests that `inner` surely allows and `outer` surely refuses. Most unlike pairs end here."""
    if not (inner.speaks_of_anybody and outer.speaks_of_anybody):
        return None
    if outer.allows_everything:
        return True
    # Of policy variables, whatever they stand for: the least that one side allows, and the most of the other.
    mine = inner.relaxed(Effect.DENY, assumptions).side(assumptions, {})
    theirs = outer.relaxed(Effect.ALLOW, assumptions).side(assumptions, {})
    return False if any(theirs.surely_refuses(action, resource) for action, resource in mine.samples()) else None


def _both(one: Layers | Prepared, other: Layers | Prepared) -> tuple[Prepared, Prepared]:
    """Both sides prepared, with KMS grants as the Allows that they are."""
    sides = [side if isinstance(side, Prepared) else Prepared(side) for side in (one, other)]
    if any(side.layers.grants for side in sides):
        written = in_key_policies(*(side.layers for side in sides))
        sides = [Prepared(now, replayed=side.layers) for now, side in zip(written, sides, strict=True)]
    return sides[0], sides[1]


class _Reading:
    """The comparison under one reading of every open point."""

    def __init__(
        self,
        old: Prepared,
        new: Prepared,
        owner: str | None,
        assumptions: Assumptions,
        known: bool,
        effort: Effort,
        tied: bool = True,
    ) -> None:
        self._old, self._new, self._owner, self._tied = old, new, owner, tied
        self._assumptions, self._known, self._effort = assumptions, known, effort
        self._keys = old.keys | new.keys
        self._variables = old.variables | new.variables
        #: The keys that some plain operator tests, or that stand as variables: they carry one value at most.
        self._single = old.plain | new.plain | self._variables

    # verdicts

    def comparison(self) -> Comparison:
        """Both ways, with everything that differs."""
        more, doubt_of_more = self._differences(self._old, self._new)
        less, doubt_of_less = self._differences(self._new, self._old)
        verdict = _verdict(_whether(more, doubt_of_more), _whether(less, doubt_of_less))
        reason = "; ".join(dict.fromkeys(text for text in (doubt_of_more, doubt_of_less) if text))
        return Comparison(verdict, more, less, reason if verdict is Verdict.UNDETERMINED else "")

    def verdict(self) -> Verdict:
        """The same without looking further than the first difference."""
        return _verdict(self._escapes_any(self._old, self._new), self._escapes_any(self._new, self._old))

    def _escapes_any(self, outer: Prepared, inner: Prepared) -> bool | None:
        try:
            for escape, variables in self.escapes(outer, inner, first=True):
                if self._shown(outer, inner, escape, variables):
                    return True
        except Undecided:
            return None
        return None if self.several_values else False

    def _differences(self, outer: Prepared, inner: Prepared) -> tuple[tuple[Difference, ...], str]:
        """What `inner` allows and `outer` does not, and why that may not be all."""
        found: list[Difference] = []
        doubt = ""
        try:
            for escape, variables in self.escapes(outer, inner):
                shown = self._shown(outer, inner, escape, variables)
                if shown is None:
                    doubt = "a difference was found that no request could be made to show"
                    continue
                found.append(shown)
                if len(found) >= _MOST_DIFFERENCES:
                    break
        except Undecided as error:
            doubt = str(error)
        return _largest(found), doubt or self.several_values

    def _shown(
        self, outer: Prepared, inner: Prepared, escape: Escape, variables: Mapping[str, Values]
    ) -> Difference | None:
        """The difference with a request that shows it, replayed on both sides."""
        mine, theirs = (side.side(self._assumptions, variables) for side in (inner, outer))
        for request in candidates(escape, variables):
            for owner_lets_in in (False, True) if escape.caller.open else (False,):
                here = delegated(inner.replayed, request) if owner_lets_in else inner.replayed
                there = delegated(outer.replayed, request) if owner_lets_in else outer.replayed
                try:
                    decision = evaluate(request, here, self._assumptions)
                    if decision.allowed and not evaluate(request, there, self._assumptions).allowed:
                        return Difference(clause_of(escape, mine, theirs), request, decision.because, owner_lets_in)
                except LawError:
                    continue
        return None

    # the search

    def escapes(
        self, outer: Prepared, inner: Prepared, *, first: bool = False
    ) -> Iterator[tuple[Escape, Mapping[str, Values]]]:
        """What `inner` allows and `outer` does not, with the values of policy variables at which it does. `first`: one
        is enough, so that others need not be looked for before it comes.

        Raises:
            Undecided: it cannot be said that this is all.
        """
        if self._variables and inner.within(outer):
            return
        if self._nothing_whoever_asks(outer, inner):
            return
        found = False
        for caller in self._callers():
            generic = generic_values(self._variables, caller, self._length)
            for escape in self._by(caller, self._bounds(caller, generic), outer, inner, first):
                found = True
                yield escape, generic
        if found or not self._variables or self._whatever_the_values(outer, inner):
            return
        # No difference where the variables' values are nothing in particular: try those that other patterns single out.
        statements = relevant(inner.layers, outer.layers)
        for caller in self._callers():
            free = self._variables - caller.states(self._variables).keys()
            plainly = self._taken_plainly and inner.denies_what(outer)
            if plainly and settled_by_generic(inner.layers, outer.layers, free):
                continue
            for variables in special_values(self._variables, caller, statements, fields=self._held_in_fields):
                bounds = self._bounds(caller, variables)
                yield from ((escape, variables) for escape in self._by(caller, bounds, outer, inner, first))

    def _nothing_whoever_asks(self, outer: Prepared, inner: Prepared) -> bool:
        """Is it plain that nothing escapes, even if keys that follow from the caller had any value and policy variables
        stood for whatever helps? One search then answers for all callers."""
        told_apart = bool(self._keys & PRINCIPAL_KEYS) or bool(self._variables)
        if not (told_apart and inner.speaks_of_anybody and outer.speaks_of_anybody):
            return False
        wide = inner.relaxed(Effect.ALLOW, self._assumptions)
        narrow = outer.relaxed(Effect.DENY, self._assumptions)
        try:
            found = self._by(ANYBODY, Bounds(single=self._single, tied=self._tied), narrow, wide, first=True)
            return next(found, None) is None
        except Undecided:
            return False

    def _whatever_the_values(self, outer: Prepared, inner: Prepared) -> bool:
        """Is it plain that nothing escapes, whatever the variables stand for?"""
        wide = inner.relaxed(Effect.ALLOW, self._assumptions)
        narrow = outer.relaxed(Effect.DENY, self._assumptions)
        try:
            reading = _Reading(narrow, wide, self._owner, self._assumptions, self._known, self._effort, self._tied)
            found = reading.escapes(narrow, wide, first=True)
            return next(found, None) is None
        except Undecided:
            return False

    def _callers(self) -> Iterator[Caller]:
        old, new = self._old, self._new
        return callers(old.layers, new.layers, lambda: old.named | new.named, self._keys, self._owner)

    def _by(self, caller: Caller, bounds: Bounds, outer: Prepared, inner: Prepared, first: bool) -> Iterator[Escape]:
        mine, theirs = (side.side(self._assumptions, bounds.variables) for side in (inner, outer))
        plans = self._plan(mine, caller), self._plan(theirs, caller)
        keys = Keys(Judge(self._assumptions), bounds, self._effort)
        return Search(mine, theirs, plans, caller, keys, self._effort, known=self._known, first=first).escapes()

    def _bounds(self, caller: Caller, variables: Mapping[str, Values]) -> Bounds:
        states = {**caller.states(self._keys), **{key: (value,) for key, value in variables.items()}}
        shapes = {"aws:principalarn": (caller.names, caller.not_names)} if caller.names else {}
        if self._tied and "aws:userid" in self._keys and self._keys & PRINCIPAL_KEYS:
            shapes |= _USER_IDS.get(caller.principal.kind, {})
        named = caller.principal.kind is Kind.USER and bool(caller.names)
        return Bounds(states, shapes, self._single, _A_USERS if named else frozenset(), variables, self._tied)

    def _plan(self, side: Side, caller: Caller) -> Plan:
        if not caller.open or side.tells_callers_apart:
            return plan(side.entries, side.layers, caller, self._resource_type, Judge(self._assumptions))
        # Where no statement says who, whoever asks is let in by the same statements.
        return side.plan_for_anybody

    @cached_property
    def _resource_type(self) -> PolicyType:
        found = (side.layers.resource.type for side in (self._old, self._new) if side.layers.resource is not None)
        return next(found, PolicyType.RESOURCE)

    @property
    def _held_in_fields(self) -> bool:
        """Do wildcards of resources stop at colons, so that none stands for all that a variable may hold (O5)?"""
        return bool(self._variables) and self._assumptions.reading("O5") == "segments"

    @property
    def _taken_plainly(self) -> bool:
        """Do patterns take whatever stands in the place of a variable, and say nothing where nothing does?"""
        return self._assumptions.reading("O5") == "string" and self._assumptions.reading("O9") == "null"

    @cached_property
    def _length(self) -> int:
        """How long a variable's value is that is nothing in particular."""
        return longest(self._statements()) if self._variables else 1

    @cached_property
    def several_values(self) -> str:
        """Why requests with several values of a key may matter that were not looked at: operators with a set prefix and
        plain ones test the same key, and not in the same statements on both sides (O24)."""
        for key in sorted((self._old.sets | self._new.sets) & self._single):
            if self._old.testing(key) != self._new.testing(key):
                return f"what several values of {key} mean to an operator without a set prefix is not documented (O24)"
        return ""

    def _statements(self) -> Iterator[Statement]:
        yield from self._old.statements()
        yield from self._new.statements()


def _whether(found: tuple[Difference, ...], doubt: str) -> bool | None:
    """Is there a difference? None where nothing was found and that may not be all."""
    return True if found else None if doubt else False


def _verdict(more: bool | None, less: bool | None) -> Verdict:
    if more is None or less is None:
        return Verdict.UNDETERMINED
    if more:
        return Verdict.DIFFERENT if less else Verdict.WIDER
    return Verdict.NARROWER if less else Verdict.EQUAL


def _largest(found: Iterable[Difference]) -> tuple[Difference, ...]:
    """Those that lie inside no other, shortest first."""
    kept: list[Difference] = []
    for one in found:
        if any(one.clause.inside(other.clause) for other in kept):
            continue
        kept = [other for other in kept if not other.clause.inside(one.clause)]
        kept.append(one)
    return tuple(sorted(kept, key=lambda d: (len(str(d.clause)), str(d.clause))))
