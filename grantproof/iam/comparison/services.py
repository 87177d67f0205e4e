"""Sets of services: those in which statements may match, and those in which they match every request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from grantproof.iam.glob import Glob, Wild, glob
from grantproof.iam.layers import service_of
from grantproof.iam.policy import Statement

EVERY_ACTION = glob("*:*")


@dataclass(frozen=True, slots=True)
class Services:
    """The services of these names (lower-cased prefixes of actions); with `but`, all others."""

    names: frozenset[str] = frozenset()
    but: bool = False

    def __bool__(self) -> bool:
        return self.but or bool(self.names)

    def __invert__(self) -> Services:
        return Services(self.names, not self.but)

    def __or__(self, other: Services) -> Services:
        if self.but and other.but:
            return Services(self.names & other.names, but=True)
        if self.but or other.but:
            most, some = (self, other) if self.but else (other, self)
            return Services(most.names - some.names, but=True)
        return Services(self.names | other.names)

    def __and__(self, other: Services) -> Services:
        return ~(~self | ~other)

    def __sub__(self, other: Services) -> Services:
        return self & ~other

    def __contains__(self, name: object) -> bool:
        return (name in self.names) != self.but

    def __le__(self, other: Services) -> bool:
        if self.but:
            return other.but and other.names <= self.names
        return self.names.isdisjoint(other.names) if other.but else self.names <= other.names


NONE, ALL = Services(), Services(but=True)


def acting(statements: Iterable[Statement]) -> Services:
    """The services in which a statement can match an action: possibly too many, never too few."""
    return _union(~_whole(s.actions) if s.not_action else _touched(s.actions) for s in statements)


def acting_unrestricted(statements: Iterable[Statement]) -> Services:
    """The services in which one of the statements matches every request: possibly too few, never too many."""
    unconditional = (s for s in statements if not s.conditions and on_everything(s))
    return _union(~_touched(s.actions) if s.not_action else _whole(s.actions) for s in unconditional)


def _union(found: Iterable[Services]) -> Services:
    out = NONE
    for one in found:
        if one:
            out = out | one if out else one
    return out


def on_everything(statement: Statement) -> bool:
    """Does a statement match every resource?"""
    if statement.not_resource:
        return False
    return any(pattern.fixed is not None and pattern.fixed.everything for pattern in statement.resources or ())


def _touched(actions: Iterable[Glob]) -> Services:
    names = {service_of(action.prefix) for action in actions}
    return ALL if None in names else Services(frozenset(name for name in names if name is not None))


def _whole(actions: Iterable[Glob]) -> Services:
    """The services in which one of the patterns matches every action."""
    wild = [action for action in actions if action.literal is None]
    if any(action.everything or action == EVERY_ACTION for action in wild):
        return ALL
    whole = [a.prefix[:-1] for a in wild if a.prefix.endswith(":") and a.tokens == (a.prefix, Wild.ANY)]
    return Services(frozenset(whole)) if whole else NONE
