"""Which open points (O-rules, see `assumption`) can matter to a statement, and to a test of a condition.

Naming too many costs time, never correctness. The points that concern callers are consulted by `plan`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import combinations

from grantproof.iam.assumption import OPEN_POINTS, Assumptions
from grantproof.iam.comparison.variables import filled
from grantproof.iam.condition import Test
from grantproof.iam.match import of_whole_service
from grantproof.iam.operators import Set, Type
from grantproof.iam.pattern import Pattern, completed, within_fields
from grantproof.iam.policy import Statement

#: The points on which the outcome of a test can depend.
OF_TESTS = ("O3", "O4", "O16", "O20", "O23", "O41")
#: The points on which the resources that a statement matches can depend.
OF_RESOURCES = ("O5", "O6", "O9", "O28", "O39", "O42")
#: The points on which plans can depend.
OF_CALLERS = frozenset(OPEN_POINTS) - {*OF_TESTS, *OF_RESOURCES}


def of_statement(statement: Statement) -> frozenset[str]:
    """The points that can decide which resources a statement matches, or whether it matches any."""
    return _of_resources(statement.resources or ()).union(*map(_of_values, statement.conditions))


@lru_cache(maxsize=4096)
def of_test(test: Test) -> frozenset[str]:
    """The points on which the outcome of a test can depend."""
    operator, found = test.operator, set[str]()
    if operator.prefix is Set.ANY and operator.negated:
        found.add("O3")
    if operator.type is Type.BOOL and any(pattern.variables for pattern in test.values):
        found.add("O4")
    if operator.type is Type.IP and any(":" in p.text and "/" not in p.text for p in test.values):
        found.add("O16")
    if operator.type is Type.ARN and any(p.fixed is not None and completed(p.fixed) != p.fixed for p in test.values):
        found.add("O41")
    if operator.prefix is Set.NONE and _tells_empty_from_missing(test):
        found.add("O20")
    if test.key.startswith("aws:requesttag/") and operator.type is Type.STRING and not operator.ignore_case:
        found.add("O23")
    return frozenset(found)


def _tells_empty_from_missing(test: Test) -> bool:
    operator = test.operator
    if operator.type is Type.NULL:
        return True
    if operator.type not in (Type.STRING, Type.ARN):
        # An empty text is no number, date, boolean or address, so the result is undecided (O24).
        return False
    takes_empty = any(filled(pattern, {}).matches("") for pattern in test.values)
    return takes_empty if operator.negated else takes_empty != operator.if_exists


@lru_cache(maxsize=4096)
def _of_resources(patterns: tuple[Pattern, ...]) -> frozenset[str]:
    found = set[str]()
    for pattern in patterns:
        if _crosses_fields(pattern):
            found.add("O5")
        if _may_lack_value(pattern):
            found.add("O9")
        if of_whole_service(pattern):
            found.add("O28")
        if _wild_in_service(pattern):
            found.add("O39")
        if pattern.early:
            found.add("O42")
    return frozenset(found)


def _of_values(test: Test) -> frozenset[str]:
    return frozenset({"O9"} if any(map(_may_lack_value, test.values)) else ())


def _crosses_fields(pattern: Pattern) -> bool:
    found = filled(pattern, {})
    return found.literal is None and not found.everything and within_fields(found) != found


def _may_lack_value(pattern: Pattern) -> bool:
    return any(variable.default is None for variable in pattern.variables)


def _wild_in_service(pattern: Pattern) -> bool:
    fields = pattern.outline.split(":", 3)
    return len(fields) == 4 and bool(set("*?") & set(fields[2]))


def readings(base: Assumptions, points: Iterable[str]) -> Iterator[Assumptions]:
    """Every combination of readings of these points; first those that differ from `base` in the fewest."""
    names = sorted(points)
    for size in range(len(names) + 1):
        for some in combinations(names, size):
            yield from _other(base, some)


def _other(base: Assumptions, names: tuple[str, ...]) -> Iterator[Assumptions]:
    """Every combination in which each of these points has another reading than in `base`."""
    if not names:
        yield base
        return
    for found in _other(base, names[1:]):
        yield from found.alternatives(names[0])
