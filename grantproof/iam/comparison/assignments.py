"""The values of policy variables that have to be tried in a comparison.

A request that escapes makes certain patterns match (`needed`): those of the statements that fire, and those of Not
forms and negated tests that must not fire. Where one text has to match several patterns, these are equations in the
variables (`equations`). Every request that makes the same patterns match is an instance of one of their most general
solutions. At the generic point of that solution the same patterns match, and no pattern that the request does not
match. So it is enough to try the generic points of all solutions, for every choice of patterns: if nothing escapes with
these values, nothing escapes with any.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, product
from typing import NamedTuple

from grantproof.iam.comparison.caller import Caller
from grantproof.iam.comparison.effort import TooHard
from grantproof.iam.comparison.needed import ignores_case, needed
from grantproof.iam.comparison.spelling import Sizes
from grantproof.iam.comparison.values import MISSING
from grantproof.iam.comparison.variable_solver import Solver
from grantproof.iam.comparison.variables import generic_values, longest, relevant
from grantproof.iam.glob import Wild, spellings
from grantproof.iam.layers import Layers
from grantproof.iam.operators import Type
from grantproof.iam.pattern import Pattern, Variable
from grantproof.iam.policy import Statement
from grantproof.iam.request import Values

_MOST_ASSIGNMENTS = 512
_EMPTY: Values = ("",)
_FIELDS = 5
_CASE_AND_SIZE = "policy variables are compared without regard to case, beside patterns that count characters"
_READABLE, _CYRILLIC = "qzxjkvwyghmnbdfpltrsc", range(0x430, 0x450)


class VariableReading(NamedTuple):
    """How the open points about variables are read.

    Attributes:
        fields: wildcards of resources stop at colons, which a value may hold (O5).
        void: a variable without value makes its statement void (O9).
        tags_ignore_case: values of `aws:RequestTag` count without regard to case (O23).
    """

    fields: bool = False
    void: bool = False
    tags_ignore_case: bool = False


def special_values(
    variables: frozenset[str], caller: Caller, inner: Layers, outer: Layers, reading: VariableReading
) -> Iterator[dict[str, Values]]:
    """The assignments with which `inner` may allow what `outer` does not, besides the one in which every variable has
    its generic value.

    Raises:
        TooHard: there are too many of them, or some may matter that are not found in this way.
    """
    statements = relevant(inner, outer)
    generic = generic_values(variables, caller, longest(statements))
    asked = _asked(statements)
    free = sorted(asked.variables | asked.tested & variables)
    free = [key for key in free if key in variables and key not in caller.states(variables)]
    groups = needed(inner, outer, statements, tags_ignore_case=reading.tags_ignore_case)
    size, cased = longest(statements), _cased(statements, tags_ignore_case=reading.tags_ignore_case)
    sizes = Sizes(
        size, _colons(statements, fields=reading.fields), asked.written, _fresh(asked.written) if cased else ""
    )
    doubt = _CASE_AND_SIZE if cased and size > 1 else ""
    seen = {tuple(generic.items())}
    for states in product(*(_without(key, asked, reading) for key in free)):
        absent = {key: state for key, state in zip(free, states, strict=True) if state is not None}
        known = {**generic, **absent}
        solver = Solver(groups, [key for key in free if key not in absent], known)
        for found in solver.solutions():
            for texts in sizes.texts(found):
                assignment = {**known, **{key: (text,) for key, text in zip(solver.keys, texts, strict=True)}}
                if (at := tuple(assignment.items())) in seen:
                    continue
                seen.add(at)
                yield assignment
                if len(seen) > _MOST_ASSIGNMENTS:
                    raise TooHard(f"the policy variables have more than {_MOST_ASSIGNMENTS} values that may matter")
        doubt = doubt or solver.doubt
    # Raised last: a difference that one of the values shows is a difference all the same.
    if doubt:
        raise TooHard(doubt)


class _Asked(NamedTuple):
    """What statements use: keys as variables and in tests, variables with a default, and the literal texts of
    patterns."""

    variables: frozenset[str]
    tested: frozenset[str]
    with_default: frozenset[str]
    written: frozenset[str]


def _asked(statements: Sequence[Statement]) -> _Asked:
    tests = [test for statement in statements for test in statement.conditions]
    patterns = dict.fromkeys(
        p for s in statements for p in (*(s.resources or ()), *(p for t in s.conditions for p in t.values))
    )
    variables = [variable for pattern in patterns for variable in pattern.variables]
    texts = [part for p in patterns for part in p.parts if isinstance(part, str)]
    texts += [variable.default or "" for variable in variables]
    return _Asked(
        frozenset(variable.key for variable in variables),
        frozenset(test.key for test in tests),
        frozenset(variable.key for variable in variables if variable.default is not None),
        frozenset(texts),
    )


def _without(key: str, asked: _Asked, reading: VariableReading) -> Iterator[Values | None]:
    """The states of a variable that have to be tried: with a value (None: to be solved for), and without. Having no
    value differs from having a generic one only through a default, a test of its key, or where it voids statements."""
    yield None
    if key in asked.tested or key in asked.with_default or reading.void:
        yield MISSING
    if key in asked.tested:
        yield _EMPTY


def _colons(statements: Iterable[Statement], *, fields: bool) -> int:
    """How many colons in a value can matter, where wildcards stop at colons: one more than the fields that the value
    may reach into."""
    most = 0
    by_key: dict[str, list[Pattern]] = {}
    in_fields: set[str] = set()
    for statement in statements:
        if fields:
            most = max(1, most, *(1 + p.text.count(":") - _FIELDS * (not p.early) for p in statement.resources or ()))
        for test in statement.conditions:
            by_key.setdefault(test.key, []).extend(test.values)
            if test.operator.type is Type.ARN and any(_early(p, Wild) for p in test.values):
                in_fields.add(test.key)
    variables = {variable.key for patterns in by_key.values() for p in patterns for variable in p.variables}
    variables |= {v.key for s in statements for p in s.resources or () for v in p.variables}
    if any(key in variables or any(_early(p, Variable) for p in by_key[key]) for key in in_fields):
        most = max(most, _FIELDS + 1)
    return most


def _cased(statements: Iterable[Statement], *, tags_ignore_case: bool) -> bool:
    """Is a variable compared without regard to case? Then two of its values may differ in their case alone."""
    tests = [
        test
        for statement in statements
        for test in statement.conditions
        if ignores_case(test, tags_ignore_case=tags_ignore_case)
    ]
    return any(pattern.variables for test in tests for pattern in test.values)


def _fresh(written: frozenset[str]) -> str:
    """A letter that no pattern spells out in either case, an easily read one if possible."""
    letters = frozenset("".join(written))
    return next(c for c in chain(_READABLE, map(chr, _CYRILLIC)) if not letters & spellings(c))


def _early(pattern: Pattern, kind: type[Wild] | type[Variable]) -> bool:
    """Does a wildcard, or a variable, stand before the last field of an ARN?"""
    colons = 0
    for part in pattern.parts:
        if isinstance(part, str):
            colons += part.count(":")
        elif isinstance(part, kind) and colons < _FIELDS:
            return True
    return False
