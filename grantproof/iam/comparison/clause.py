"""A difference in words: which actions on which resources, for whom, under which conditions, and what is left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from grantproof.iam import actions
from grantproof.iam.comparison.escape import Escape
from grantproof.iam.comparison.language import FRESH, covers, without_covered
from grantproof.iam.comparison.patterns import ACTIONS, RESOURCES
from grantproof.iam.comparison.services import EVERY_ACTION
from grantproof.iam.comparison.side import Side
from grantproof.iam.condition import Test
from grantproof.iam.document import Statement
from grantproof.iam.glob import Glob, glob
from grantproof.iam.principal import Kind, Principal

_FEW = 3


@dataclass(frozen=True, slots=True)
class Clause:
    """A piece of access, shaped like a statement.

    Attributes:
        callers: who, where the policies tell callers apart; empty where everybody is meant.
        actions, resources: patterns.
        conditions: tests that hold for all of it.
        unless: for each statement with conditions that had to stay out of play, its tests.
        excepted: parts of it that do not differ, as text.
        variables: the private values that stand for policy variables, with their names.
    """

    callers: str
    actions: tuple[Glob, ...]
    resources: tuple[Glob, ...]
    conditions: frozenset[Test]
    unless: tuple[frozenset[Test], ...]
    excepted: tuple[str, ...]
    variables: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        text = " and ".join(_shortened([spelt(a) for a in self.actions]))
        text += " on " + " and ".join(_shortened([str(r) for r in self.resources]))
        if self.callers:
            text += f" by {self.callers}"
        if self.conditions:
            text += " if " + _all(self.conditions)
        for tests in self.unless:
            text += f" unless {_all(tests)}"
        if self.excepted:
            text += ", except " + " and ".join(self.excepted)
        for value, name in self.variables:
            text = text.replace(value, f"${{{name}}}")
        return text

    def inside(self, other: Clause) -> bool:
        """Does the other clause cover this one?"""
        return (
            self.callers == other.callers
            and all(any(covers(b, a) for b in other.actions) for a in self.actions)
            and all(any(covers(b, a) for b in other.resources) for a in self.resources)
            and other.conditions <= self.conditions
            and set(other.unless) <= set(self.unless)
        )


def spelt(pattern: Glob) -> str:
    """An action pattern as AWS spells it."""
    return "*" if pattern == EVERY_ACTION else actions.spelt(str(pattern))


def clause_of(escape: Escape, mine: Side, theirs: Side) -> Clause:
    """The clause of what the search found. Where a variable's value is nothing in particular, the variable stands."""
    conditions: set[Test] = set()
    for number in escape.positive:
        conditions |= set(mine.statements[number].conditions)
    if escape.denied_by is not None:
        conditions |= set(theirs.statements[escape.denied_by].conditions)
    found_actions = without_covered(piece.glob for piece in escape.actions)
    found_resources = without_covered(piece.glob for piece in escape.resources)
    every = escape.caller.region.things
    if set(every) <= set(found_resources):
        found_resources = (*(r for r in found_resources if r not in every), glob("*"))
    return Clause(
        callers=_callers(escape),
        actions=found_actions,
        resources=found_resources,
        conditions=frozenset(conditions),
        unless=tuple(dict.fromkeys(frozenset(s.conditions) for s in escape.unless)),
        excepted=_shortened(list(dict.fromkeys(_excepted(escape, found_actions, found_resources, mine, theirs)))),
        variables=tuple(
            (text, key) for key, values in sorted(mine.variables.items()) for text in values if _free(text)
        ),
    )


def _free(value: str) -> bool:
    """Is a variable's value nothing in particular, or that in part? Private characters cannot be printed."""
    return not value.isprintable()


def _excepted(
    escape: Escape, acts: tuple[Glob, ...], things: tuple[Glob, ...], mine: Side, theirs: Side
) -> Iterator[str]:
    """What lies inside the clause and is the same on both sides: the patterns of statements that would have stopped
    the request, had its action or resource been one of theirs."""
    action, resource = escape.actions[0], escape.resources[0]
    for side, action_mask, resource_mask, allow in (
        (theirs, action.theirs, resource.theirs, True),
        (mine, action.mine, resource.mine, False),
    ):
        for number, statement in enumerate(side.statements):
            if statement.allow != allow or statement.not_action or statement.not_resource:
                continue
            on_action, on_resource = action_mask >> number & 1, resource_mask >> number & 1
            if on_action and not on_resource:
                yield from (f"on {g}" for g in _inner(side.patterns(RESOURCES, number).globs, things))
            elif on_resource and not on_action:
                yield from map(spelt, _inner(side.patterns(ACTIONS, number).globs, acts))


def _inner(patterns: Iterable[Glob], whole: Iterable[Glob]) -> Iterator[Glob]:
    """The patterns that lie inside one of `whole` and are not all of it."""
    return (g for g in patterns if any(covers(w, g) and w != g for w in whole))


def _callers(escape: Escape) -> str:
    caller = escape.caller
    if caller.open and not caller.states(escape.context):
        return ""
    return described(caller.principal)


def described(principal: Principal) -> str:
    """A kind of caller, or one caller, in words."""
    unnamed = FRESH in str(principal)
    account = f" of account {principal.account}" if principal.account else ""
    match principal.kind:
        case Kind.ANONYMOUS:
            return "anybody, also without credentials"
        case Kind.ROOT:
            return f"the root user{account}"
        case Kind.ROLE_SESSION:
            return (
                f"any role session{account}" if FRESH in (principal.issuer or "") else f"sessions of {principal.issuer}"
            )
        case Kind.SERVICE | Kind.FEDERATED | Kind.CANONICAL:
            return f"any {principal.kind.value}" if unnamed else str(principal.name)
    return f"any {principal.kind.value}{account}" if unnamed else str(principal)


def _all(tests: Iterable[Test]) -> str:
    return " and ".join(sorted(map(str, tests)))


def _shortened(texts: list[str]) -> tuple[str, ...]:
    """The first few, and how many more there are."""
    if len(texts) <= _FEW + 1:
        return tuple(texts)
    return (*islice(texts, _FEW), f"{len(texts) - _FEW} more")


__all__ = ["Clause", "Statement", "clause_of", "described", "spelt"]
