"""Edits of the Condition of a statement.

A path to an entry of a Condition ends in its operator and its key. An edit that removes the last entry of an operator
removes the operator too, and the Condition with its last operator.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from grantproof.mutants.edits import NOTHING, edit_text
from grantproof.mutants.sites import Path, at
from grantproof.mutants.touched import Edit, Surroundings, Touched, replaced

_NEGATED = {"StringEquals": "StringNotEquals", "StringLike": "StringNotLike", "ArnLike": "ArnNotLike",
            "ArnEquals": "ArnNotEquals", "NumericEquals": "NumericNotEquals", "DateEquals": "DateNotEquals",
            "IpAddress": "NotIpAddress", "StringEqualsIgnoreCase": "StringNotEqualsIgnoreCase",
            "NumericLessThan": "NumericGreaterThanEquals", "NumericLessThanEquals": "NumericGreaterThan",
            "DateLessThan": "DateGreaterThanEquals", "DateGreaterThan": "DateLessThanEquals"}  # fmt: skip


def _condition(template: Any, path: Path, argument: Mapping[str, Any], around: Surroundings) -> Touched | None:
    """Change the operator, the key or the values of one entry.

    The argument can have `only` and `of`, patterns that the operator and the key must match; `operator`, the new
    operator, in which `{operator}` stands for the old one and a single `!` for its negation; `key` or `key-case`, for
    the key; and what `_values` uses.
    """
    *above, operator, key = path
    if not (fnmatchcase(str(operator), argument.get("only", "*")) and fnmatchcase(str(key), argument.get("of", "*"))):
        return None
    block = at(template, tuple(above))
    values = block[operator][key]
    new_key = getattr(key, argument["key-case"])() if "key-case" in argument else str(argument.get("key", key))
    new_operator, new_values = _operator(str(operator), argument), _values(values, argument)
    if new_operator is None or new_values is NOTHING:
        return None
    if (new_operator, new_key, new_values) == (operator, key, values):
        return None
    del block[operator][key]
    if not block[operator]:
        del block[operator]
    block.setdefault(new_operator, {})[new_key] = new_values
    return Touched((tuple(above),))


def _operator(old: str, argument: Mapping[str, Any]) -> str | None:
    """The new operator; None where the old one has no negation, or the new one is no operator."""
    new = str(argument.get("operator", "{operator}")).replace("{operator}", old)
    if new == "!":
        return _NEGATED.get(old)
    return None if new.count("IfExists") > 1 or new.count(":") > 1 else new


def _values(values: Any, argument: Mapping[str, Any]) -> Any:
    """The new values of an entry, or NOTHING where one of them cannot be changed in this way.

    The argument can have `values`, which replace the old ones; `append`, a text to append to each; `more`, one value in
    addition; and `flip`, which exchanges true and false.
    """
    values = argument.get("values", values)
    if "append" in argument:
        longer = [edit_text(value, "append", argument["append"]) for value in _as_list(values)]
        if NOTHING in longer:
            return NOTHING
        values = longer if isinstance(values, list) else longer[0]
    if "more" in argument:
        values = [*_as_list(values), argument["more"]]
    if argument.get("flip"):
        values = {"true": "false", "false": "true"}.get(str(values).lower(), values)
    return values


def _as_list(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]


def _no_condition(template: Any, path: Path, argument: Any, around: Surroundings) -> Touched | None:
    """Remove one entry."""
    *above, operator, key = path
    block = at(template, tuple(above))
    del block[operator][key]
    if not block[operator]:
        del block[operator]
    if not block:
        del at(template, tuple(above[:-1]))[above[-1]]
    return Touched((tuple(above[:-1]),))


def _conditions_apart(template: Any, path: Path, argument: Any, around: Surroundings) -> Touched | None:
    """Replace a statement by one for each entry of its Condition, so that a request needs to meet only one of them."""
    statement = at(template, path)
    block = statement["Condition"]
    entries = [(operator, key) for operator, keys in block.items() if isinstance(keys, dict) for key in keys]
    if len(entries) < 2:
        return None
    # Without the Sid, which must be unique within a policy.
    rest = {name: value for name, value in statement.items() if name not in ("Sid", "Condition")}
    apart = [{**copy.deepcopy(rest), "Condition": {operator: {key: block[operator][key]}}} for operator, key in entries]
    *above, last = path
    if above[-1:] == ["Fn::If"]:
        return _branches_apart(template, tuple(above), last, apart)
    if isinstance(last, int):
        at(template, tuple(above))[last : last + 1] = apart
        return Touched(tuple((*above, last + number) for number in range(len(apart))))
    return replaced(template, path, apart) if last == "Statement" else None


def _branches_apart(template: Any, path: Path, branch: Any, apart: list[Any]) -> Touched | None:
    """As `_conditions_apart`, for a statement that is a branch of an Fn::If in a list. A branch holds one statement, so
    each new statement gets an Fn::If of its own. Only the first of these keeps the other branch."""
    *above, number, _ = path
    if not isinstance(number, int) or above[-1:] == ["Fn::If"]:
        return None
    name, *others = at(template, path)
    conditions = []
    for statement in apart:
        branches = [name, *others]
        branches[branch] = statement
        conditions.append({"Fn::If": branches})
        others = [{"Ref": "AWS::NoValue"} for _ in others]
    at(template, tuple(above))[number : number + 1] = conditions
    return Touched(tuple((*above, number + n, "Fn::If", branch) for n in range(len(apart))))


EDITS: Mapping[str, Edit] = {
    "condition": _condition,
    "no-condition": _no_condition,
    "conditions-apart": _conditions_apart,
}
