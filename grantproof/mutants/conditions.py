"""Edits of the Condition of a statement."""

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
    """One entry of a Condition: another operator, another key, other values or more of them. `only`, `of`: where its
    operator, its key are so called."""
    *above, operator, key = path
    if not (fnmatchcase(str(operator), argument.get("only", "*")) and fnmatchcase(str(key), argument.get("of", "*"))):
        return None
    block = at(template, tuple(above))
    old = block[operator][key]
    name = getattr(key, argument["key-case"])() if "key-case" in argument else str(argument.get("key", key))
    new, values = _operator(str(operator), argument), _values(old, argument)
    if new is None or values is NOTHING or (new, name, values) == (operator, key, old):
        return None
    del block[operator][key]
    if not block[operator]:
        del block[operator]
    block.setdefault(new, {})[name] = values
    return Touched((tuple(above),))


def _operator(old: str, argument: Mapping[str, Any]) -> str | None:
    """None where there is none such."""
    new = str(argument.get("operator", "{operator}")).replace("{operator}", old)
    if new == "!":
        return _NEGATED.get(old)
    return None if new.count("IfExists") > 1 or new.count(":") > 1 else new


def _values(values: Any, argument: Mapping[str, Any]) -> Any:
    """NOTHING where one of them cannot be changed so."""
    values = argument.get("values", values)
    if "append" in argument:
        longer = [edit_text(value, "append", argument["append"]) for value in _listed(values)]
        if NOTHING in longer:
            return NOTHING
        values = longer if isinstance(values, list) else longer[0]
    if "more" in argument:
        values = [*_listed(values), argument["more"]]
    if argument.get("flip"):
        values = {"true": "false", "false": "true"}.get(str(values).lower(), values)
    return values


def _listed(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]


def _no_condition(template: Any, path: Path, argument: Any, around: Surroundings) -> Touched | None:
    """One entry of a Condition goes, and the Condition with its last."""
    *above, operator, key = path
    block = at(template, tuple(above))
    del block[operator][key]
    if not block[operator]:
        del block[operator]
    if not block:
        del at(template, tuple(above[:-1]))[above[-1]]
    return Touched((tuple(above[:-1]),))


def _conditions_apart(template: Any, path: Path, argument: Any, around: Surroundings) -> Touched | None:
    """A statement for each entry of a statement's Condition, which then need not hold together."""
    statement = at(template, path)
    block = statement["Condition"]
    entries = [(operator, key) for operator, keys in block.items() if isinstance(keys, dict) for key in keys]
    if len(entries) < 2:
        return None
    # Sids must differ within a policy.
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
    """A statement that is a branch of a condition in a list: as many conditions, since a branch is one statement."""
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
