"""Does every statement of one set of policies stand inside a statement of another? Sound, not complete.

A piece is what one action pattern, one resource pattern and one principal of an Allow statement give under its
conditions. A piece that stands inside a single statement of the other side allows nothing that the other side does
not, for all requests, also those with actions that do not exist yet. A piece that is allowed only by several
statements together is reported as not covered although it is: the error is on the side of caution.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from grantproof.iam import actions
from grantproof.iam.condition import Test
from grantproof.iam.document import Policy, Statement
from grantproof.iam.glob import Glob, Wild, without_backtracking
from grantproof.iam.pattern import Pattern
from grantproof.iam.principal import PrincipalElement

#: Stands for whatever a star of the inner pattern takes. No policy can hold it (rule G12).
_ANYTHING = "\U0010fffe"
#: The same for a question mark.
_ONE = "\U0010ffff"


@lru_cache(maxsize=16_384)
def _accepts(outer: Glob) -> re.Pattern[str]:
    # One character is not whatever a star may take.
    return re.compile(without_backtracking(outer.tokens, one=f"[^{_ANYTHING}]"), re.DOTALL)


def contains(outer: Glob, inner: Glob) -> bool:
    """Does `outer` match every string that `inner` matches?

    Sound. Exact where `outer` has no `?`: a character that stands in no pattern can only have been taken by a star, so
    that anything may stand in its place.
    """
    point = "".join(
        _ANYTHING if token is Wild.ANY else _ONE if token is Wild.ONE else str(token) for token in inner.tokens
    )
    return _accepts(outer).fullmatch(point) is not None


@dataclass(frozen=True, slots=True)
class Piece:
    """One action pattern, one resource pattern and one principal of a statement, with all of its conditions."""

    policy: str
    statement: int
    sid: str | None
    allow: bool
    action: Glob
    resource: Pattern | None
    principal: PrincipalElement | None
    conditions: frozenset[Test]

    def __str__(self) -> str:
        text = actions.spelt(str(self.action))
        if self.resource is not None:
            text += f" on {self.resource.text}"
        if self.conditions:
            text += " if " + " and ".join(sorted(map(str, self.conditions)))
        return text

    @property
    def matched(self) -> tuple[Any, ...]:
        """What it matches, wherever it is written."""
        return self.action, self.resource, self.principal, self.conditions

    def inside(self, other: Piece) -> bool:
        """Does everything that this piece matches match the other?"""
        return (
            contains(other.action, self.action)
            and _resource_inside(self.resource, other.resource)
            and _principal_inside(self.principal, other.principal)
            and other.conditions <= self.conditions
        )


class NotPlain(Exception):
    """A statement in Not form, which has no pieces."""


def pieces(policies: Iterable[Policy]) -> Iterator[Piece]:
    """The pieces of every statement, Allow and Deny.

    Raises:
        NotPlain: a statement has NotAction, NotResource or NotPrincipal.
    """
    for policy in policies:
        for statement in policy.statements:
            if statement.not_action or statement.not_resource or statement.not_principal:
                raise NotPlain(f"{policy.label} Statement[{statement.index}] is in Not form")
            for action in statement.actions:
                for resource in statement.resources if statement.resources is not None else (None,):
                    for principal in _principals(statement):
                        yield Piece(
                            policy.label,
                            statement.index,
                            statement.sid,
                            statement.allow,
                            action,
                            resource,
                            principal,
                            frozenset(statement.conditions),
                        )


def uncovered(inner: Iterable[Policy], outer: Iterable[Policy]) -> list[Piece]:
    """The pieces of what `inner` allows that stand inside no Allow of `outer`, and the pieces of what `outer` denies
    that stand inside no Deny of `inner`. Empty: `inner` allows nothing that `outer` does not.

    Raises:
        NotPlain: a statement in Not form.
    """
    left, right = list(pieces(inner)), list(pieces(outer))
    wide = _outside([p for p in left if p.allow], [p for p in right if p.allow])
    undenied = _outside([p for p in right if not p.allow], [p for p in left if not p.allow])
    return wide + undenied


def _outside(some: Iterable[Piece], others: Sequence[Piece]) -> list[Piece]:
    """The pieces that stand inside none of the others. Most are there as they are, which is seen at once."""
    same = {piece.matched for piece in others}
    return [p for p in some if p.matched not in same and not any(p.inside(o) for o in others)]


def _principals(statement: Statement) -> Iterator[PrincipalElement | None]:
    element = statement.principals
    if element is None:
        yield None
        return
    if element.everyone:
        yield PrincipalElement(everyone=True)
    for name in ("accounts", "arns", "unique_ids", "services", "providers", "canonical"):
        for value in sorted(getattr(element, name)):
            one: dict[str, Any] = {name: frozenset({value})}
            yield PrincipalElement(**one)


def _principal_inside(inner: PrincipalElement | None, outer: PrincipalElement | None) -> bool:
    # Naming everybody, an account or an ARN differ in more than who is meant (rules E11 to E18): only the same is
    # inside.
    return inner == outer


def _resource_inside(inner: Pattern | None, outer: Pattern | None) -> bool:
    if inner is None or outer is None:
        return inner is None and outer is None
    if outer.fixed is not None and outer.fixed.everything:
        return True
    if inner.fixed is None or outer.fixed is None:
        return inner.parts == outer.parts
    return contains(outer.fixed, inner.fixed)
