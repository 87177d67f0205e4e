"""A difference in words: which actions on which resources, for whom, under which conditions, and with which
exceptions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from grantproof.iam import actions
from grantproof.iam.comparison.caller import Caller
from grantproof.iam.comparison.callers import at_arn
from grantproof.iam.comparison.escape import Escape
from grantproof.iam.comparison.language import FRESH, covers, overlap, without_covered
from grantproof.iam.comparison.patterns import ACTIONS, RESOURCES, Patterns, bits
from grantproof.iam.comparison.services import EVERY_ACTION
from grantproof.iam.comparison.side import Side
from grantproof.iam.condition import Test
from grantproof.iam.glob import Glob, glob
from grantproof.iam.operators import Set, Type, operator
from grantproof.iam.pattern import Pattern, read
from grantproof.iam.policy import Statement
from grantproof.iam.principal import Kind
from grantproof.iam.request import Values

_FEW = 3


@dataclass(frozen=True, slots=True)
class Excepted:
    """A part of a clause that does not differ. An empty dimension means everything in the clause."""

    actions: tuple[Glob, ...] = ()
    resources: tuple[Glob, ...] = ()
    conditions: frozenset[Test] = frozenset()

    def __str__(self) -> str:
        return self.in_words(_FEW)

    def in_words(self, most: int | None = None) -> str:
        """The part in words. `most`: the greatest number of entries shown of each list; None: all."""
        text = " and ".join(_shortened([spelt(a) for a in self.actions], most))
        if self.resources:
            text += (" on " if text else "on ") + " and ".join(_shortened([_written(r) for r in self.resources], most))
        return f"{text} if {_all(self.conditions)}" if self.conditions else text

    def inside(self, other: Excepted) -> bool:
        """Does the other part cover this one?"""
        return (
            _all_inside(self.actions, other.actions)
            and _all_inside(self.resources, other.resources)
            and other.conditions <= self.conditions
        )

    def meets(self, clause: Clause) -> bool:
        """Can the clause contain something of this part?"""
        return all(
            not mine or any(overlap(one, other) for one in mine for other in theirs)
            for mine, theirs in ((self.actions, clause.actions), (self.resources, clause.resources))
        )


def _all_inside(inner: tuple[Glob, ...], outer: tuple[Glob, ...]) -> bool:
    return not outer or (bool(inner) and all(any(covers(b, a) for b in outer) for a in inner))


@dataclass(frozen=True, slots=True)
class Clause:
    """A piece of access, in the form of a statement.

    Attributes:
        callers: for whom, if the policies distinguish callers; empty for everybody.
        but: those of them that are a kind of their own.
        actions, resources: patterns.
        conditions: tests that are true for all of it.
        unless: for each statement with conditions that must not fire, its tests.
        excepted: parts of it that do not differ, or possibly do not.
        variables: the private values that stand for policy variables, with their names.
    """

    callers: str
    actions: tuple[Glob, ...]
    resources: tuple[Glob, ...]
    conditions: frozenset[Test]
    unless: tuple[frozenset[Test], ...]
    excepted: tuple[Excepted, ...]
    variables: tuple[tuple[str, str], ...] = ()
    but: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.in_words(_FEW)

    def in_words(self, most: int | None = None) -> str:
        """The clause in words. `most`: the greatest number of entries shown of each list; None: all."""
        text = " and ".join(_shortened([spelt(a) for a in self.actions], most))
        text += " on " + " and ".join(_shortened([_written(r) for r in self.resources], most))
        if self.callers:
            text += f" by {self.callers}"
        if self.but:
            text += f" but {' and '.join(_shortened(self.but, most))}"
        conditions, unless = self.shortly
        if conditions:
            text += " if " + _all(conditions)
        left = [_all(tests) for tests in unless]
        if left:
            text += " unless " + " or ".join(f"({t})" if len(left) > 1 and " and " in t else t for t in left)
        if self.excepted:
            text += ", except " + " and ".join(_shortened([part.in_words(most) for part in self.excepted], most))
        for value, name in self.variables:
            text = text.replace(value, f"${{{name}}}")
        return text

    @property
    def shortly(self) -> tuple[frozenset[Test], Sequence[frozenset[Test]]]:
        """`conditions` and `unless` in a shorter form with the same meaning."""
        # A condition of the whole clause is omitted in `unless`, if other tests remain there.
        unless = [tests - self.conditions or tests for tests in self.unless]
        turned = {test for tests in unless for test in (_turned(tests),) if test is not None}
        return _shortly(self.conditions | turned, [tests for tests in unless if _turned(tests) is None])

    def inside(self, other: Clause) -> bool:
        """Does the other clause cover this one?"""
        return (
            (self.callers, self.but) == (other.callers, other.but)
            and all(any(covers(b, a) for b in other.actions) for a in self.actions)
            and all(any(covers(b, a) for b in other.resources) for a in self.resources)
            and other.conditions <= self.conditions
            and set(other.unless) <= set(self.unless)
            and all(any(p.inside(q) for q in self.excepted) or not p.meets(self) for p in other.excepted)
        )


def spelt(pattern: Glob) -> str:
    """An action pattern in the spelling of AWS."""
    return "*" if pattern == EVERY_ACTION else actions.spelt(str(pattern))


def _written(pattern: Glob) -> str:
    """A resource pattern as policies write it: a literal star is `${*}` (rule V10)."""
    if pattern.literal == "*":
        return "*"
    return "".join(
        token.replace("*", "${*}").replace("?", "${?}") if isinstance(token, str) else str(Glob((token,)))
        for token in pattern.tokens
    )


def clause_of(escape: Escape, mine: Side, theirs: Side) -> Clause:
    """The clause for an escape that the search found. Variables whose value is generic are shown as variables."""
    conditions: set[Test] = set()
    for number in escape.positive:
        conditions |= set(mine.statements[number].conditions)
    if escape.denied_by is not None:
        conditions |= set(theirs.statements[escape.denied_by].conditions)
    variables = {**theirs.variables, **mine.variables}
    callers, but = _callers(escape, mine, theirs)
    conditions |= set(_where(variables, escape, callers))
    found_actions = without_covered(piece.glob for piece in escape.actions)
    found_resources = without_covered(piece.glob for piece in escape.resources)
    every = escape.caller.domain.resources
    if set(every) <= set(found_resources):
        found_resources = (*(r for r in found_resources if r not in every), glob("*"))
    return Clause(
        callers=callers,
        actions=found_actions,
        resources=found_resources,
        conditions=frozenset(conditions),
        unless=tuple(dict.fromkeys(frozenset(s.conditions) for s in escape.unless)),
        excepted=_excepted(escape, found_actions, found_resources, mine, theirs),
        variables=tuple((text, key) for key, values in sorted(variables.items()) for text in values if _free(text)),
        but=but,
    )


def _where(variables: Mapping[str, Values], escape: Escape, callers: str) -> Iterator[Test]:
    """The conditions of the clause for variables without a value, or with a particular one."""
    said = escape.caller.states(variables) if callers else {}
    for key, values in variables.items():
        if key in said or any(map(_free, values)):
            continue
        name, wanted = ("StringEquals", values) if values else ("Null", ("true",))
        yield Test(operator(name), key, tuple(read(text, variables=False, wildcards=False) for text in wanted))


def _free(value: str) -> bool:
    """Is the value of a variable generic, or a part of it? Private characters cannot be printed."""
    return not value.isprintable()


def _excepted(
    escape: Escape, acts: tuple[Glob, ...], resources: tuple[Glob, ...], mine: Side, theirs: Side
) -> tuple[Excepted, ...]:
    """The parts of the clause that are the same on both sides, except those that are inside another of these."""
    found = [
        *_outside_of(mine, escape.positive, acts, resources),
        *_outside_of(theirs, () if escape.denied_by is None else (escape.denied_by,), acts, resources),
        *_stopped(escape, acts, resources, mine, theirs),
    ]
    once = list(dict.fromkeys(found))
    if len(once) > _MANY:
        return tuple(once)
    kept: list[Excepted] = []
    for one in once:
        if not any(one.inside(other) for other in kept):
            kept = [*(other for other in kept if not other.inside(one)), one]
    return tuple(kept)


#: With more exceptions than this, those inside another one are not removed.
_MANY = 100


def _outside_of(
    side: Side, firing: Iterable[int], acts: tuple[Glob, ...], resources: tuple[Glob, ...]
) -> Iterator[Excepted]:
    """What the Not elements of statements that fire exclude."""
    for number in firing:
        statement = side.statements[number]
        if statement.not_action:
            yield from (Excepted((g,)) for g in _met(side.patterns(ACTIONS, number), acts))
        if statement.not_resource:
            yield from (Excepted(resources=(g,)) for g in _met(side.patterns(RESOURCES, number), resources))


def _stopped(
    escape: Escape, acts: tuple[Glob, ...], resources: tuple[Glob, ...], mine: Side, theirs: Side
) -> Iterator[Excepted]:
    """The patterns of statements that would have blocked the request with another action or resource."""
    action, resource = escape.actions[0], escape.resources[0]
    for side, blocking, at_action, at_resource in (
        (theirs, escape.blocking_theirs, action.theirs, resource.theirs),
        (mine, escape.blocking_mine, action.mine, resource.mine),
    ):
        for number in bits(blocking & ~(at_action & at_resource)):
            statement = side.statements[number]
            on_action, on_resource = at_action >> number & 1, at_resource >> number & 1
            # A Not element that does not match here matches nowhere in the clause.
            if (statement.not_action and not on_action) or (statement.not_resource and not on_resource):
                continue
            here = () if on_action else tuple(_met(side.patterns(ACTIONS, number), acts))
            there = () if on_resource else tuple(_met(side.patterns(RESOURCES, number), resources))
            if not on_action and not on_resource:
                if here and there:
                    yield Excepted(here, there, frozenset(statement.conditions))
            else:
                yield from (Excepted((g,), (), frozenset(statement.conditions)) for g in here)
                yield from (Excepted((), (g,), frozenset(statement.conditions)) for g in there)


def _met(patterns: Patterns, whole: Iterable[Glob]) -> Iterator[Glob]:
    """The patterns that have a string in common with one of `whole`."""
    yield from dict.fromkeys(g for w in whole for g in patterns.near(w) if overlap(w, g))


def _callers(escape: Escape, mine: Side, theirs: Side) -> tuple[str, tuple[str, ...]]:
    caller = escape.caller
    if caller.open and not caller.states(escape.context):
        return "", ()
    return described(caller), tuple(_told_apart(caller, mine, theirs))


def described(caller: Caller) -> str:
    """A kind of caller in words."""
    principal = caller.principal
    unnamed = FRESH in str(principal)
    account = f" of account {principal.account}" if principal.account else ""
    if caller.of_any_other:
        account = " of any other account"
    match principal.kind:
        case Kind.ANONYMOUS:
            return "anybody, also without credentials"
        case Kind.ROOT:
            return f"the root user{account}"
        case Kind.ROLE_SESSION if unnamed and FRESH not in (principal.issuer or ""):
            return f"sessions of {principal.issuer}"
        case Kind.FEDERATED_USER if unnamed and FRESH not in (principal.issuer or ""):
            return f"federated user sessions of {principal.issuer}"
        case Kind.SERVICE | Kind.FEDERATED | Kind.CANONICAL:
            return f"any {principal.kind.value}" if unnamed else str(principal.name)
    return f"any {principal.kind.value}{account}" if unnamed else str(principal)


def _told_apart(caller: Caller, mine: Side, theirs: Side) -> Iterator[str]:
    """Of a kind of caller, those that a Principal element names and reaches in another way, which are a kind of their
    own."""
    elements = [s.principals for s in (*mine.statements, *theirs.statements) if s.principals is not None]
    kind = caller.principal
    if kind.arn is None or FRESH not in kind.arn:
        return
    reached = [element.reaches(kind, None) for element in elements]
    for arn in sorted(frozenset[str]().union(*(element.arns for element in elements))):
        for named in at_arn(arn):
            one = named.principal
            alike = (one.kind, one.account, one.partition) == (kind.kind, kind.account, kind.partition)
            inside = FRESH in (kind.issuer or FRESH) or (one.issuer == kind.issuer and FRESH not in str(one))
            if alike and inside and [element.reaches(one, None) for element in elements] != reached:
                yield described(named)


def _all(tests: Iterable[Test]) -> str:
    return " and ".join(sorted(map(str, tests)))


def _shortly(
    conditions: frozenset[Test], unless: Sequence[frozenset[Test]]
) -> tuple[frozenset[Test], list[frozenset[Test]]]:
    """The same conditions, without values in a list that others exclude: "if k is a or b, unless it is a" becomes "if k
    is b"."""
    shorter, left = set(conditions), list(unless)
    for test in sorted(conditions, key=str):
        op = test.operator
        if op.negated or op.prefix is Set.ALL or op.type is Type.NULL:
            continue
        for other in (*shorter, *(one for tests in unless if len(tests) == 1 for one in tests)):
            refuses = other in shorter
            if other.key != test.key or _plain_name(other) != _plain_name(test) or other.operator.negated != refuses:
                continue
            kept = tuple(value for value in test.values if value not in other.values)
            if not kept:
                continue
            now = replace(test, values=kept)
            shorter = shorter - {test} | {now}
            # Texts that are no patterns exclude each other.
            if op.name.startswith("StringEquals") and not op.ignore_case and _are_texts((*kept, *other.values)):
                shorter.discard(other)
                left = [tests for tests in left if tests != {other}]
            test = now
    return frozenset(shorter), left


def _plain_name(test: Test) -> str:
    """The name of an operator without negation and IfExists."""
    return test.operator.name.removesuffix("IfExists").replace("Not", "", 1)


def _are_texts(values: Iterable[Pattern]) -> bool:
    return all(value.fixed is not None and value.fixed.literal is not None for value in values)


def _turned(tests: frozenset[Test]) -> Test | None:
    """For a single negated test that must be false, the plain test that is then true: "unless NotX" becomes "if X"."""
    if len(tests) != 1:
        return None
    (test,) = tests
    op = test.operator
    if not op.negated or op.prefix is Set.ANY:
        return None
    # Not all of the values are none of these: some value is one of them.
    name = op.name.removeprefix(Set.ALL.value).removesuffix("IfExists").replace("Not", "", 1)
    return replace(test, operator=operator(f"{Set.ANY.value if op.prefix is Set.ALL else ''}{name}"))


def _shortened(texts: Sequence[str], most: int | None) -> tuple[str, ...]:
    """The first few texts, and the number of the others; all of them if `most` is None."""
    if most is None or len(texts) <= most + 1:
        return tuple(texts)
    return (*islice(texts, most), f"{len(texts) - most} more")


__all__ = ["Clause", "Statement", "clause_of", "described", "spelt"]
