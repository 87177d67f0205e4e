"""Which condition keys the statements of a side consult, and how."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from grantproof.iam.operators import Set, Type
from grantproof.iam.policy import Statement


class Consulted(NamedTuple):
    """Condition keys, lower-cased.

    Attributes:
        keys: all of them.
        variables: those that stand as policy variables.
        plain: those that some operator without a set prefix compares with something.
        sets: those that some operator with a set prefix tests.
    """

    keys: frozenset[str] = frozenset()
    variables: frozenset[str] = frozenset()
    plain: frozenset[str] = frozenset()
    sets: frozenset[str] = frozenset()


_NONE = Consulted()


def consulted(statements: Iterable[Statement]) -> Consulted:
    """What these statements consult."""
    keys, plain, sets = set[str](), set[str](), set[str]()
    with_variables = []
    for statement in statements:
        with_variables += [pattern for pattern in statement.resources or () if pattern.fixed is None]
        for test in statement.conditions:
            with_variables += [pattern for pattern in test.values if pattern.fixed is None]
            keys.add(test.key)
            if test.operator.prefix is not Set.NONE:
                sets.add(test.key)
            elif test.operator.type is not Type.NULL:
                plain.add(test.key)
    if not keys and not with_variables:
        return _NONE
    variables = frozenset(variable.key for pattern in with_variables for variable in pattern.variables)
    return Consulted(variables | keys, variables, frozenset(plain), frozenset(sets))


def counts_characters(statements: Iterable[Statement]) -> bool:
    """Does a `?` stand in any pattern?"""
    patterns = (p for s in statements for p in (*(s.resources or ()), *(p for t in s.conditions for p in t.values)))
    return any("?" in pattern.text for pattern in patterns)
