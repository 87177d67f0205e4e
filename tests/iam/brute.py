"""Small worlds in which every request can be tried: random policies, and what they allow by enumeration.

Nothing here knows how the comparison searches. Strings are over three letters of which policies write two, so that the
third is what no policy names; sets of (resource, context) are integers.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache, reduce
from itertools import product
from operator import or_
from random import Random
from typing import Any

from grantproof.iam import Layers, parse_layers
from grantproof.iam.assumption import DEFAULTS, Judge
from grantproof.iam.comparison.values import Probe
from grantproof.iam.condition import Test as Entry
from grantproof.iam.condition import holds
from grantproof.iam.errors import Undecided
from grantproof.iam.glob import Glob, glob
from grantproof.iam.match import resource_matches
from grantproof.iam.policy import Policy, PolicyType, Statement
from grantproof.iam.principal import parse as parse_principal
from grantproof.iam.request import Request, Values

ARN = "arn:aws:s3:::"
CALLER = parse_principal("arn:aws:iam::111111111111:user/u")
STATES: dict[str, list[Values]] = {
    "j": [(), ("",), ("a",), ("b",), ("ab",), ("c",)],
    "k": [(), ("",), ("a",), ("b",), ("ab",), ("c",), ("a", "b"), ("a", "c"), ("c", "cc"), ("", "b")],
    "n": [(), ("0",), ("1",), ("1.5",), ("2",), ("3",)],
    "v": [(), ("a",), ("b",), ("c",), ("ab",)],
}
_NAMES = ["a", "b", "ab", "a*", "*", "*b", "b*", "*a*", "?", "a?"]
_VALUES = ["", "a", "b", "ab", "a*", "*", "?", "${v}", "${v, 'b'}"]
_WITH_VARIABLE = ["${v}", "a${v}", "${v}*"]


def _told_apart(texts: list[str], patterns: list[str]) -> list[str]:
    """One of those texts that no pattern of the world tells apart; the others would only be asked in vain."""
    seen: dict[tuple[bool, ...], str] = {}
    for text in texts:
        seen.setdefault(tuple(glob(pattern).matches(text) for pattern in patterns), text)
    return list(seen.values())


TEXTS = ["".join(letters) for length in range(4) for letters in product("abc", repeat=length)]
_FILLED = [name.replace("${v}", value) for name in _WITH_VARIABLE for value in ("a", "b", "c", "ab")]
ACTIONS = [f"s3:{text}" for text in _told_apart(TEXTS[1:], _NAMES)] + ["sqs:a"]
RESOURCES = ["*", *(f"{ARN}{text}" for text in _told_apart(TEXTS, _NAMES + _FILLED)), "arn:aws:sqs:::a"]
CONTEXTS = [dict(zip(STATES, states, strict=True)) for states in product(*STATES.values())]


def some(random: Random, values: list[str], most: int = 2) -> list[str]:
    return random.sample(values, random.randint(1, most))


def condition(random: Random, variables: bool) -> dict[str, Any]:
    kind = random.choice(["text", "text", "number", "null", "v"])
    if kind == "number":
        relation = random.choice(["Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan"])
        return {f"Numeric{relation}{random.choice(['', 'IfExists'])}": {"n": some(random, ["1", "2"])}}
    if kind == "null":
        return {"Null": {random.choice("jkn"): random.choice(["true", "false"])}}
    name = random.choice(["Equals", "NotEquals", "Like", "NotLike", "EqualsIgnoreCase"])
    optional = random.choice(["", "", "IfExists"])
    if kind == "v" and variables:
        return {f"String{name}{optional}": {"v": some(random, _VALUES[:-2])}}
    # What several values of one key mean to a plain operator is not documented (O24), so each has a key of its own.
    prefix, key = random.choice([("ForAllValues:", "k"), ("ForAnyValue:", "k"), ("", "j"), ("", "j")])
    values = _VALUES if variables else _VALUES[:-2]
    return {f"{prefix}String{name}{optional}": {key: some(random, values)}}


def statement(random: Random, variables: bool) -> dict[str, Any]:
    out: dict[str, Any] = {"Effect": random.choice(["Allow", "Allow", "Deny"])}
    actions = [f"s3:{name}" for name in some(random, _NAMES)] if random.random() < 0.7 else ["*"]
    out[random.choice(["Action", "Action", "NotAction"])] = actions
    names = [*_NAMES, *_WITH_VARIABLE] if variables else _NAMES
    resources = [f"{ARN}{name}" for name in some(random, names)] if random.random() < 0.7 else ["*"]
    out[random.choice(["Resource", "Resource", "NotResource"])] = resources
    if random.random() < 0.5:
        out["Condition"] = {}
        for _ in range(random.randint(1, 2)):
            for operator, keys in condition(random, variables).items():
                out["Condition"].setdefault(operator, {}).update(keys)
    return out


def document(random: Random, variables: bool) -> dict[str, Any]:
    statements = [statement(random, variables) for _ in range(random.randint(1, 3))]
    return {"Version": "2012-10-17", "Statement": statements}


def layers(random: Random, *, variables: bool = False, limits: bool = False) -> dict[str, Any]:
    """Policies in the form of `grantproof evaluate`."""
    out: dict[str, Any] = {"identity": [document(random, variables) for _ in range(random.randint(1, 2))]}
    if limits and random.random() < 0.5:
        out["boundary"] = [document(random, variables)]
    if limits and random.random() < 0.3:
        out["session"] = [document(random, variables)]
    if limits and random.random() < 0.3:
        out["scp"] = [[document(random, variables)] for _ in range(random.randint(1, 2))]
    return out


def changed(random: Random, old: dict[str, Any], variables: bool) -> dict[str, Any]:
    """The same policies with one statement more, less or other, so that many pairs are contained in each other."""
    new = {name: [*policies] for name, policies in old.items()}
    first = new["identity"][0]
    statements = [*first["Statement"]]
    at = random.randrange(len(statements))
    match random.choice(["more", "less", "other", "same", "shuffled"]):
        case "more":
            statements.insert(at, statement(random, variables))
        case "less" if len(statements) > 1:
            statements.pop(at)
        case "other":
            statements[at] = statement(random, variables)
        case "shuffled":
            random.shuffle(statements)
    new["identity"][0] = {**first, "Statement": statements}
    return new


def plain_keys(*sides: Layers) -> frozenset[str]:
    """The keys that some operator without a set prefix tests: several values of these are not decided (O24)."""
    return frozenset(
        test.key
        for side in sides
        for _, _, policies in side.sets
        for _, item in policies.entries
        for test in item.conditions
        if not test.operator.prefix.value and test.operator.name != "Null"
    )


@cache
def _where(key: str, state: Values) -> int:
    """The contexts (bits) in which a key is in a state."""
    return sum(1 << n for n, context in enumerate(CONTEXTS) if context[key] == state)


# For one action, whatever may be sent is a bit: every context on the first resource, then every one on the next.
_EACH = sum(1 << n * len(CONTEXTS) for n in range(len(RESOURCES)))
EVERY_CONTEXT = (1 << len(CONTEXTS)) - 1
EVERYTHING = EVERY_CONTEXT * _EACH
JUDGE = Judge(DEFAULTS)


@cache
def _holding(test: Entry) -> int:
    """Where one entry of a Condition block holds; what the evaluator does not decide is left out."""
    out = 0
    for state, value in product(STATES[test.key], STATES["v"]):
        if test.key != "v" or state == value:
            probe = Probe({test.key: state, "v": value})
            with suppress(Undecided):
                out |= holds(test, probe, JUDGE) * (_where(test.key, state) & _where("v", value))
    return out * _EACH


_AT: dict[tuple[Any, ...], int] = {}


def _at(policy: Policy, item: Statement) -> int:
    """Where a statement's resources, which may hold a variable, cover the resource."""
    key = (item.resources, item.not_resource)
    if key not in _AT:
        covered = (_covered(policy, item, resource) << n * len(CONTEXTS) for n, resource in enumerate(RESOURCES))
        _AT[key] = sum(covered)
    return _AT[key]


def _covered(policy: Policy, item: Statement, resource: str) -> int:
    """The contexts in which a statement's resources cover one resource."""
    if all(pattern.fixed is not None for pattern in item.resources or ()):
        return EVERY_CONTEXT * resource_matches(policy, item, _request(resource), JUDGE)
    return sum(
        _where("v", value) * resource_matches(policy, item, _request(resource, value), JUDGE) for value in STATES["v"]
    )


@cache
def _request(resource: str, value: Values = ()) -> Request:
    return Request(CALLER, "s3:a", resource, "111111111111", {"v": value})


@cache
def _acting(patterns: tuple[Glob, ...], negated: bool) -> tuple[int, ...]:
    """The numbers of the actions that a statement is about."""
    return tuple(n for n, a in enumerate(ACTIONS) if any(pattern.matches(a) for pattern in patterns) != negated)


def allowed(side: Layers) -> list[int]:
    """For every action where it is allowed."""
    levels: dict[tuple[PolicyType, int], list[int]] = {}
    denied = [0] * len(ACTIONS)
    for type_, level, policies in side.sets:
        granted = levels.setdefault((type_, level), [0] * len(ACTIONS))
        for policy, item in policies.entries:
            firing = _at(policy, item)
            for test in item.conditions:
                firing &= _holding(test)
            cells = granted if item.allow else denied
            for action in _acting(item.actions, item.not_action):
                cells[action] |= firing
    out = [EVERYTHING & ~one for one in denied]
    for granted in levels.values():
        out = [one & other for one, other in zip(out, granted, strict=True)]
    return out


@cache
def _decided(keys: frozenset[str]) -> int:
    """Where none of these keys has several values."""
    several = (_where(key, state) for key in keys for state in STATES[key] if len(state) > 1)
    return (EVERY_CONTEXT & ~reduce(or_, several, 0)) * _EACH


def differs(old: Layers, new: Layers) -> tuple[bool, bool]:
    """Does `new` allow something that `old` does not, and the other way round?"""
    decided = _decided(plain_keys(old, new) | {"v"})
    before, after = allowed(old), allowed(new)
    return (
        any(a & ~b & decided for b, a in zip(before, after, strict=True)),
        any(b & ~a & decided for b, a in zip(before, after, strict=True)),
    )


def pair(seed: int, *, variables: bool = False, limits: bool = False) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two sides to compare, the same for the same seed."""
    random = Random(seed)  # noqa: S311 - random policies, not secrets
    old = layers(random, variables=variables, limits=limits)
    if random.random() < 0.6:
        return old, changed(random, old, variables)
    return old, layers(random, variables=variables, limits=limits)


def parsed(side: dict[str, Any]) -> Layers:
    return parse_layers(side)
