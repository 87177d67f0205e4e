"""Is every statement of one set of policies inside a statement of another? Sound, but not complete.

A piece is what one action pattern, one resource pattern and one principal of an Allow statement give under its
conditions. A piece that is inside a single statement of the other side allows nothing that the other side does not,
over all requests, also with actions that do not exist yet. A piece that only several statements together allow is
reported as not covered although it is, which is the safe error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from grantproof.iam import actions
from grantproof.iam.condition import Test
from grantproof.iam.glob import Glob, Wild, without_backtracking
from grantproof.iam.pattern import Pattern
from grantproof.iam.policy import Policy, Statement
from grantproof.iam.principal import PrincipalElement

#: In place of the text that a star of the inner pattern matches. No policy can contain it (rule G12).
_ANYTHING = "\U0010fffe"
#: Likewise for a question mark.
_ONE = "\U0010ffff"


@lru_cache(maxsize=16_384)
def _accepts(outer: Glob) -> re.Pattern[str]:
    # A single character does not stand for all texts that a star matches.
    return re.compile(without_backtracking(outer.tokens, one=f"[^{_ANYTHING}]"), re.DOTALL)


def contains(outer: Glob, inner: Glob) -> bool:
    """Does `outer` match every string that `inner` matches?

    Sound. Exact if `outer` has no `?`: a character that is in no pattern can only have been matched by a star, so any
    other character would match too.
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
        """What it matches, without its position in the policies."""
        return self.action, self.resource, self.principal, self.conditions

    def inside(self, other: Piece) -> bool:
        """Does the other piece match everything that this one matches?"""
        return (
            contains(other.action, self.action)
            and _resource_inside(self.resource, other.resource)
            and _principal_inside(self.principal, other.principal)
            and other.conditions <= self.conditions
        )


class NotPlain(Exception):
    """A statement with a Not element, which has no pieces."""


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
    """The pieces that `inner` allows and that are inside no Allow of `outer`, and the pieces that `outer` denies and
    that are inside no Deny of `inner`. Empty: `inner` allows nothing that `outer` does not.

    Raises:
        NotPlain: a statement has a Not element.
    """
    left, right = list(pieces(inner)), list(pieces(outer))
    wide = _outside([p for p in left if p.allow], [p for p in right if p.allow])
    undenied = _outside([p for p in right if not p.allow], [p for p in left if not p.allow])
    return wide + undenied


def _outside(some: Iterable[Piece], others: Sequence[Piece]) -> list[Piece]:
    """The pieces that are inside none of the others. Most are equal to one of them, which is checked first."""
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
