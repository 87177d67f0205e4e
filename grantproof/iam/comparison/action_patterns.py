"""Is every action of one set of patterns an action of another set?

This decides without a search whether everything that one side may allow is allowed by the other on every resource. Most
policies that `ReadOnlyAccess` contains are recognised in this way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from grantproof.iam.comparison.language import generic_point
from grantproof.iam.comparison.services import EVERY_ACTION
from grantproof.iam.glob import Glob, Wild
from grantproof.iam.layers import service_of
from grantproof.iam.policy import Statement

#: Generic points of actions, by service.
Points = Mapping[str, tuple[str, ...]]


def points_of(allows: Iterable[Statement]) -> Points | None:
    """The generic points of the actions of these statements; None if an action can be of any service."""
    found: dict[str, dict[str, None]] = {}
    for statement in allows:
        if statement.not_action:
            return None
        for one in statement.actions:
            service = service_of(one.prefix)
            if service is None:
                return None
            found.setdefault(service, {})[generic_point(one)] = None
    return {service: tuple(points) for service, points in found.items()}


class ActionPatterns:
    """Action patterns, indexed by how they can cover others."""

    def __init__(self, globs: Iterable[Glob]) -> None:
        self._literals: set[str] = set()
        self._everything = False
        beginnings: dict[str | None, list[str]] = {}
        self._others: dict[str | None, list[Glob]] = {}
        for one in globs:
            service = service_of(one.prefix)
            if one.literal is not None:
                self._literals.add(one.literal)
            elif one.everything or one == EVERY_ACTION:
                self._everything = True
            elif one.tokens == (one.prefix, Wild.ANY):
                beginnings.setdefault(service, []).append(one.prefix)
            elif not one.counts:
                # A pattern that counts characters can match a generic point, but not every string of its pattern.
                self._others.setdefault(service, []).append(one)
        anywhere = beginnings.pop(None, [])
        self._anywhere = tuple(anywhere)
        self._beginnings = {service: (*found, *anywhere) for service, found in beginnings.items()}

    def covers(self, points: Points) -> bool:
        """Is every string of the patterns with these generic points matched by one of these? Sound, not complete."""
        return self._everything or all(self._covers(service, found) for service, found in points.items())

    def _covers(self, service: str, points: tuple[str, ...]) -> bool:
        literals, beginnings = self._literals, self._beginnings.get(service, self._anywhere)
        return all(
            point.startswith(beginnings) or point in literals or self._by_others(service, point) for point in points
        )

    def _by_others(self, service: str, point: str) -> bool:
        return any(one.matches(point) for at in (service, None) for one in self._others.get(at, ()))
