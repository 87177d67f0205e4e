"""The intersection of identity policies and a permissions boundary, as Allow statements for a contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grantproof.iam import Layers, Policy, PolicyType, parse_policy
from grantproof.iam.comparison.clause import Clause, spelt
from grantproof.iam.comparison.compare import Verdict, compare

_MOST = 40
"""More statements than a person reads."""


def within_boundary(identity: Sequence[Policy], boundary: Sequence[Policy]) -> list[dict[str, Any]] | None:
    """Allow statements for exactly what a principal with these policies may do under this boundary; None where a few
    statements without exceptions cannot express it."""
    cut = Layers(identity=tuple(identity), boundary=tuple(boundary))
    found = compare(Layers(), cut, every_reading=False)
    clauses = [difference.clause for difference in found.new_access]
    statements = [_statement(clause) for clause in clauses]
    if found.verdict is Verdict.UNDETERMINED or len(clauses) > _MOST or None in statements:
        return None
    written = [statement for statement in statements if statement is not None]
    policy = parse_policy({"Version": "2012-10-17", "Statement": written}, PolicyType.IDENTITY, "left")
    same = compare(Layers(identity=(policy,)), cut).verdict is Verdict.EQUAL
    return written if same else None


def _statement(clause: Clause) -> dict[str, Any] | None:
    if clause.callers or clause.unless or clause.excepted or clause.variables:
        return None
    out: dict[str, Any] = {
        "Effect": "Allow",
        "Action": [spelt(action) for action in clause.actions],
        "Resource": [str(resource) for resource in clause.resources],
    }
    block: dict[str, dict[str, list[str]]] = {}
    for test in sorted(clause.conditions, key=str):
        of_operator = block.setdefault(test.operator.name, {})
        if test.key in of_operator:
            return None  # two tests of one key with one operator, which a Condition block cannot express
        of_operator[test.key] = [value.text for value in test.values]
    return {**out, "Condition": block} if block else out
