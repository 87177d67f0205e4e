"""Do two sets of policies allow the same requests? What does one allow that the other does not?

Exact over all strings: actions that AWS adds later, every resource, every condition key, present or absent. Each
difference has an example request that the evaluator has decided on both sides. If something could not be decided, the
result is never "equal" but "undetermined", with the reason.

Not compared are: service-linked roles as callers (AWS defines their policies, rule T31); if only the callers' own
policies are compared and no condition tests the caller, the root user, who needs no identity policy, and federated
users, who are allowed nothing without a session policy (E23); and requests with several values of a key that an
operator without set prefix tests, since AWS does not document what this means (O24).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import islice

from grantproof.iam.assumption import DEFAULTS, Assumptions, Judge, smallest, under_every_reading
from grantproof.iam.comparison.callers import limits_differ
from grantproof.iam.comparison.clause import Clause
from grantproof.iam.comparison.clause_building import clause_of
from grantproof.iam.comparison.effort import Effort, TooHard
from grantproof.iam.comparison.escape import Escape
from grantproof.iam.comparison.kms_grants import in_key_policies
from grantproof.iam.comparison.other_readings import escaping_readings
from grantproof.iam.comparison.prepared import Prepared
from grantproof.iam.comparison.question import Question
from grantproof.iam.comparison.witness import candidates, delegated
from grantproof.iam.decision import Cited
from grantproof.iam.errors import IamError, Undecided
from grantproof.iam.evaluate import decided
from grantproof.iam.layers import Layers, service_of
from grantproof.iam.request import Request, Values

_MOST_DIFFERENCES = 1_000
#: The limits of `_vanishing`: differences that are replayed, readings that they are replayed under, further searches.
_MOST_ASKED_AGAIN, _MOST_READINGS, _MOST_SEARCHES = 8, 256, 16


class Verdict(Enum):
    """What the new side allows, compared with the old one."""

    EQUAL = "equal"
    NARROWER = "narrower"
    WIDER = "wider"
    DIFFERENT = "different"
    UNDETERMINED = "undetermined"


@dataclass(frozen=True)
class Difference:
    """A statement-shaped piece of access that one side gives and the other does not.

    Attributes:
        clause: the piece; its `str()` names actions, resources, callers and conditions.
        witness: one request of the piece, which the evaluator allows on one side and not on the other.
        because: the statements that let the witness through on the side that allows it.
        owner_lets_in: the witness is allowed only if the owner of the resource lets the caller's account in, which is
            assumed where no resource policy is compared.
    """

    clause: Clause
    witness: Request
    because: tuple[Cited, ...]
    owner_lets_in: bool = False


@dataclass(frozen=True)
class Comparison:
    """The result. `reason`: why it is undetermined; `depends_on`: the open points (O-rules) on which the verdict
    depends, because it would differ under another reading."""

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
    correlated: bool = True,
) -> Comparison:
    """Compare what `new` allows with what `old` allows, in both directions.

    Without a resource policy on either side, only the caller's policies are compared (identity policies and what limits
    them): for requests to other accounts, their owners are assumed to let the caller's account in.

    Args:
        owner: the account that owns the resource of the resource policies; None for any.
        assumptions: the readings of open points in force.
        every_reading: find out on which open points the verdict depends.
        known: compare only the actions that exist in the release of the action list, not all that may ever exist.
        correlated: compare only requests whose condition keys fit together as AWS describes them (`correlated`).
    """
    old, new = _both(old, new)
    if old.within(new) and new.within(old):
        return Comparison(Verdict.EQUAL)
    question = Question(old, new, Effort(), owner=owner, assumptions=assumptions, known=known, correlated=correlated)
    answer = _compared(question)
    if answer.verdict is Verdict.UNDETERMINED or not every_reading:
        return answer
    combinations: set[frozenset[str]] = set()
    for found, outer, inner in ((answer.new_access, old, new), (answer.lost_access, new, old)):
        combinations |= (
            _vanishing(question, outer, inner, found) if found else escaping_readings(question, outer, inner)
        )
    return replace(answer, depends_on=smallest(combinations))


def contained(inner: Layers | Prepared, outer: Layers | Prepared, *, assumptions: Assumptions = DEFAULTS) -> bool:
    """Is everything that `inner` allows allowed by `outer`, under one reading of the open points?

    Raises:
        Undecided: that could not be decided.
    """
    inner, outer = _both(inner, outer)
    plain = _plainly_contained(inner, outer, assumptions)
    if plain is not None:
        return plain
    question = Question(outer, inner, Effort(), assumptions=assumptions)
    for _ in question.escapes(outer, inner, first=True):
        return False
    if question.several_values:
        raise TooHard(question.several_values)
    return True


def quick_verdict(old: Layers | Prepared, new: Layers | Prepared, *, owner: str | None = None) -> Verdict:
    """The verdict of `compare` under the default readings only; it stops at the first difference of each direction."""
    old, new = _both(old, new)
    return _quickly(Question(old, new, Effort(), owner=owner))


def _plainly_contained(inner: Prepared, outer: Prepared, assumptions: Assumptions) -> bool | None:
    """The answer, if it can be found without a search, else None. True: `outer` allows on every resource whatever
    `inner` may allow. False: `outer` refuses one of a few requests that `inner` allows, which decides most pairs. Only
    for sides that name no caller."""
    if not (inner.names_no_caller and outer.names_no_caller) or limits_differ(inner.layers, outer.layers):
        return None
    if inner.acts_only_in(outer.unrestricted_services):
        return True
    samples = iter(inner.samples(assumptions))
    # The first sample settles most pairs; indexing a side pays only if a search would come next.
    first = next(samples, None)
    if (
        first
        and service_of(first.action) not in outer.unrestricted_services
        and outer.surely_refuses(first, assumptions)
    ):
        return False
    read = inner.was_read and outer.was_read
    if read and inner.acts_only_where_unrestricted(outer):
        return True
    if any(outer.surely_refuses(one, assumptions) for one in samples if not outer.is_unrestricted(one.action)):
        return False
    return True if not read and inner.acts_only_where_unrestricted(outer) else None


def _both(one: Layers | Prepared, other: Layers | Prepared) -> tuple[Prepared, Prepared]:
    """Both sides prepared, with KMS grants written as Allows of the key policy."""
    sides = [side if isinstance(side, Prepared) else Prepared(side) for side in (one, other)]
    if any(side.layers.grants for side in sides):
        written = in_key_policies(*(side.layers for side in sides))
        sides = [Prepared(now, replayed=side.layers) for now, side in zip(written, sides, strict=True)]
    return sides[0], sides[1]


# --- both ways ------------------------------------------------------------------------------------------------------


def _compared(question: Question) -> Comparison:
    """Both directions, with every difference."""
    gained, doubt_of_gained = _differences(question, question.old, question.new)
    lost, doubt_of_lost = _differences(question, question.new, question.old)
    verdict = _verdict(gained=_whether(gained, doubt_of_gained), lost=_whether(lost, doubt_of_lost))
    reason = "; ".join(dict.fromkeys(text for text in (doubt_of_gained, doubt_of_lost) if text))
    return Comparison(verdict, gained, lost, reason if verdict is Verdict.UNDETERMINED else "")


def _quickly(question: Question) -> Verdict:
    """Both directions, stopping at the first difference of each."""
    old, new = question.old, question.new
    return _verdict(gained=_escapes_any(question, old, new), lost=_escapes_any(question, new, old))


def _escapes_any(question: Question, outer: Prepared, inner: Prepared) -> bool | None:
    doubt = bool(question.several_values)
    try:
        for escape, variables in question.escapes(outer, inner, first=True):
            if _shown(outer, inner, escape, variables, question.assumptions):
                return True
            doubt = True
    except Undecided:
        return None
    return None if doubt else False


def _differences(question: Question, outer: Prepared, inner: Prepared) -> tuple[tuple[Difference, ...], str]:
    """What `inner` allows and `outer` does not, and the reason why there may be more; empty if there is none."""
    found: list[Difference] = []
    doubt = ""
    try:
        for escape, variables in question.escapes(outer, inner):
            shown = _shown(outer, inner, escape, variables, question.assumptions)
            if shown is None:
                doubt = "a difference was found that no request could be made to show"
                continue
            found.append(shown)
            if len(found) >= _MOST_DIFFERENCES:
                break
    except Undecided as error:
        doubt = str(error)
    return _largest(found), doubt or question.several_values


def _vanishing(
    question: Question, outer: Prepared, inner: Prepared, found: Iterable[Difference]
) -> set[frozenset[str]]:
    """The combinations of open points with another reading of which nothing escapes any more, or possibly nothing.

    The differences found are replayed under every reading, which needs no search. Only if none of them shows is there a
    search under that reading; its results are then replayed too. Most differences show under every reading.
    """
    base = question.assumptions
    asked, vanished = [*islice(found, _MOST_ASKED_AGAIN)], set[frozenset[str]]()
    for _ in range(_MOST_SEARCHES):
        doubtful = next(_not_showing(asked, outer, inner, base, vanished), None)
        if doubtful is None:
            return vanished
        other = question.under(doubtful)
        difference = _first(other, outer, inner)
        if difference is None:
            vanished.add(doubtful.unlike(base))
        else:
            asked.append(difference)
    return vanished | {reading.unlike(base) for reading in _not_showing(asked, outer, inner, base, vanished)}


def _not_showing(
    asked: Sequence[Difference], outer: Prepared, inner: Prepared, base: Assumptions, vanished: set[frozenset[str]]
) -> Iterator[Assumptions]:
    """The readings under which none of these differences shows, except those that are already known."""
    ways = under_every_reading(lambda judge: any(_shows(one, outer, inner, judge) for one in asked), base)
    for number, (reading, shows) in enumerate(ways):
        changed = reading.unlike(base)
        if (not shows or number >= _MOST_READINGS) and not any(points <= changed for points in vanished):
            yield reading
        if number >= _MOST_READINGS:
            return


def _shows(difference: Difference, outer: Prepared, inner: Prepared, judge: Judge) -> bool:
    """Does the witness show a difference under the judge's readings too?"""
    request, sides = difference.witness, [inner.replayed, outer.replayed]
    if difference.owner_lets_in:
        sides = [delegated(layers, request) for layers in sides]
    try:
        return decided(request, sides[0], judge).allowed and not decided(request, sides[1], judge).allowed
    except IamError:
        return False


def _first(question: Question, outer: Prepared, inner: Prepared) -> Difference | None:
    """One difference that a request shows, if there is one."""
    try:
        for escape, variables in question.escapes(outer, inner, first=True):
            if shown := _shown(outer, inner, escape, variables, question.assumptions):
                return shown
    except Undecided:
        pass
    return None


def _shown(
    outer: Prepared, inner: Prepared, escape: Escape, variables: Mapping[str, Values], assumptions: Assumptions
) -> Difference | None:
    """The difference with a request that shows it, decided on both sides; None if no request does."""
    mine, theirs = (side.side(assumptions, variables) for side in (inner, outer))
    for request in candidates(escape, variables):
        for owner_lets_in in (False, True) if escape.caller.open else (False,):
            here = delegated(inner.replayed, request) if owner_lets_in else inner.replayed
            there = delegated(outer.replayed, request) if owner_lets_in else outer.replayed
            try:
                decision = decided(request, here, Judge(assumptions))
                if decision.allowed and not decided(request, there, Judge(assumptions)).allowed:
                    return Difference(clause_of(escape, mine, theirs), request, decision.because, owner_lets_in)
            except IamError:
                continue
    return None


def _whether(found: tuple[Difference, ...], doubt: str) -> bool | None:
    """Is there a difference? None: nothing was found, but the search was incomplete."""
    return True if found else None if doubt else False


def _verdict(*, gained: bool | None, lost: bool | None) -> Verdict:
    if gained is None or lost is None:
        return Verdict.UNDETERMINED
    if gained:
        return Verdict.DIFFERENT if lost else Verdict.WIDER
    return Verdict.NARROWER if lost else Verdict.EQUAL


def _largest(found: Iterable[Difference]) -> tuple[Difference, ...]:
    """The differences that are inside no other, the shortest first."""
    kept: list[Difference] = []
    for one in found:
        if any(one.clause.inside(other.clause) for other in kept):
            continue
        kept = [other for other in kept if not other.clause.inside(one.clause)]
        kept.append(one)
    return tuple(sorted(kept, key=lambda d: (len(str(d.clause)), str(d.clause))))
