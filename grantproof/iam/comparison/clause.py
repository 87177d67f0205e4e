"""A difference in words: which actions on which resources, for whom, under which conditions, and with which
exceptions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from grantproof.iam import actions
from grantproof.iam.comparison.language import covers, overlap
from grantproof.iam.comparison.services import EVERY_ACTION
from grantproof.iam.condition import Test
from grantproof.iam.glob import Glob
from grantproof.iam.operators import Set, Type, operator
from grantproof.iam.pattern import Pattern

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
