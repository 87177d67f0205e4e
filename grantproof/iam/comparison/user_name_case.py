"""The names of IAM users in resources, for which case possibly does not matter (O6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from grantproof.iam.comparison.caller import PRINCIPAL_KEYS
from grantproof.iam.comparison.effort import TooHard
from grantproof.iam.comparison.language import overlap
from grantproof.iam.comparison.prepared import Prepared
from grantproof.iam.comparison.relaxed import each_statement
from grantproof.iam.comparison.variables import filled
from grantproof.iam.glob import Glob, Token, Wild
from grantproof.iam.pattern import Pattern, Variable
from grantproof.iam.policy import Statement

USERS = Glob(("arn:", Wild.FIELD, ":iam::", Wild.FIELD, ":user/", Wild.ANY))


def case_may_matter(statements: Iterable[Statement]) -> bool:
    """Can it matter for these statements whether the case of user names counts?

    It cannot if no letter is in both cases in the patterns that can match a user: if some patterns match a string
    together, and others do not, then so for a string whose letters have the case of the patterns, for which case makes
    no difference.
    """
    texts = (_text(part) for pattern in _of_users(statements) for part in pattern.parts)
    letters = {letter for text in texts for letter in text if letter.isalpha()}
    return any(letter.swapcase() in letters for letter in letters)


def _text(part: Token | Variable) -> str:
    return part.default or "" if isinstance(part, Variable) else part if isinstance(part, str) else ""


def without_case(one: Prepared, other: Prepared) -> tuple[Prepared, Prepared]:
    """The sides with the resources of their statements in lower case: of a user in lower case, what they allow is what
    the real ones do of each user of that name whose case does not count.

    Raises:
        TooHard: a policy variable stands in the name of a user, and something is known of its value.
    """
    statements = [*one.statements(), *other.statements()]
    variables = {variable.key for pattern in _of_users(statements) for variable in pattern.variables}
    tested = {test.key for statement in statements for test in statement.conditions}
    named = any(statement.principals is not None for statement in statements)
    if variables & tested or (variables & PRINCIPAL_KEYS and (named or tested & PRINCIPAL_KEYS)):
        raise TooHard("case may not count in the names of users, and a policy variable stands for one (O6)")
    return Prepared(each_statement(one.layers, _lowered)), Prepared(each_statement(other.layers, _lowered))


def _of_users(statements: Iterable[Statement]) -> Iterator[Pattern]:
    for statement in statements:
        for pattern in statement.resources or ():
            found = filled(pattern, {})
            if not found.everything and overlap(found, USERS):
                yield pattern


def _lowered(statement: Statement) -> Statement:
    resources = statement.resources
    return replace(statement, resources=None if resources is None else tuple(map(_lower, resources)))


def _lower(pattern: Pattern) -> Pattern:
    parts = tuple(map(_lower_part, pattern.parts))
    fixed = None if pattern.fixed is None else Glob(part for part in parts if not isinstance(part, Variable))
    return replace(pattern, text=pattern.text.lower(), parts=parts, fixed=fixed)


def _lower_part(part: Token | Variable) -> Token | Variable:
    if isinstance(part, Variable):
        return part if part.default is None else replace(part, default=part.default.lower())
    return part.lower() if isinstance(part, str) else part
