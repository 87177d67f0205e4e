"""Evaluates Condition blocks (rules C1 to C44).

An operator consists of three parts: the comparison of one value with one value, whether it is negated, and how it
treats a missing key and several values. Each part is implemented once here, and every operator is a combination of
them.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from grantproof.iam.assumption import Judge
from grantproof.iam.errors import MalformedPolicy, Undecided, in_json
from grantproof.iam.glob import Glob, folded
from grantproof.iam.operators import NAMES, Operator, Set, Type, operator
from grantproof.iam.pattern import Pattern, PatternError, completed, read, single_value, split_fields
from grantproof.iam.request import Values
from grantproof.iam.typed import date, decoded, network, number


@dataclass(frozen=True, slots=True)
class Test:
    """One entry of a Condition block: an operator, a key (in lower case) and the values in the policy. `spelt` is the
    key as the policy writes it, for messages; it makes no difference."""

    operator: Operator
    key: str
    values: tuple[Pattern, ...]
    spelt: str = field(default="", compare=False)

    def __str__(self) -> str:
        values = ", ".join(value.text for value in self.values)
        return f"{self.operator.name} {self.key} [{values}]"

    @property
    def as_written(self) -> str:
        """The entry with its key as the policy spells it."""
        return str(replace(self, key=self.spelt or self.key))


def parse_block(block: Any, *, variables: bool) -> tuple[Test, ...]:
    """Parse a `Condition` element (rule G11). `variables`: does the version of the policy support policy variables
    (rule V2)?

    Raises:
        MalformedPolicy: wrong shape, unknown operator, repeated key, or an unreadable variable.
    """
    if not isinstance(block, Mapping):
        raise MalformedPolicy("a Condition is an object of operators")
    tests = []
    for name, entries in block.items():
        try:
            op = operator(name)
        except KeyError:
            near = difflib.get_close_matches(str(name), NAMES, 1)
            hint = f"; the nearest is {near[0]}" if near else ""
            raise MalformedPolicy(f"{name!r} is not a condition operator{hint}") from None
        if not isinstance(entries, Mapping):
            raise MalformedPolicy(f"{name} holds an object of condition keys")
        seen: set[str] = set()
        for key, values in entries.items():
            if key.lower() in seen:
                raise MalformedPolicy(f"{name} names the key {key} twice, in different case (rule C7)")
            seen.add(key.lower())
            tests.append(_test(op, key, values, variables=variables))
    return tuple(tests)


def _test(op: Operator, key: str, values: Any, *, variables: bool) -> Test:
    if not key:
        raise MalformedPolicy(f"{op.name} has an empty condition key")
    items = values if isinstance(values, list | tuple) else [values]
    # Numeric, date, binary, IP and Null values contain no variables (rule V4); for Bool it is open (O4).
    takes_variables = variables and op.type in (Type.STRING, Type.ARN, Type.BOOL)
    patterns = []
    for item in items:
        try:
            patterns.append(read(_text(item), variables=takes_variables, wildcards=op.wildcards))
        except PatternError as error:
            raise MalformedPolicy(str(error)) from None
    if op.type is Type.NULL and any(p.text.lower() not in ("true", "false") for p in patterns):
        raise MalformedPolicy(f"Null takes true or false for {key}")
    return Test(op, key.lower(), tuple(patterns), key)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise MalformedPolicy(f"a condition value is text, a number or a boolean, not {in_json(value)}")


class Context(Protocol):
    """What a test is evaluated on: the values of condition keys by lower-cased name, and keys given twice."""

    @property
    def values(self) -> Mapping[str, Values]: ...

    @property
    def collisions(self) -> frozenset[str]: ...


def holds(test: Test, request: Context, judge: Judge) -> bool:
    """Is one entry of a Condition block true for the request?

    Raises:
        Undecided: several values without a set prefix, values of another type than the operator's, or colliding keys.
    """
    op = test.operator
    if test.key in request.collisions:
        raise Undecided(f"the request carries {test.key} twice in different case (O29)")
    values = _present(test, request.values.get(test.key), judge)
    if op.type is Type.NULL:
        return _null(test, values)
    if values is None:
        return _missing(op, judge)
    match op.prefix:
        case Set.ALL:
            return all(value_holds(test, value, request, judge) for value in values)
        case Set.ANY:
            return any(value_holds(test, value, request, judge) for value in values)
    if len(values) != 1:
        raise Undecided(f"{op.name} has no set prefix and the request carries {len(values)} values of {test.key} (O24)")
    return value_holds(test, values[0], request, judge)


def _present(test: Test, values: Values | None, judge: Judge) -> Values | None:
    """The values of the key in the request; None if the key counts as missing (rules C8, C19, C21; O20)."""
    if not values:
        return None
    if any(values):
        return values
    if test.operator.prefix is not Set.NONE:
        return None
    return None if judge.takes("O20", "null") else values


def _null(test: Test, values: Values | None) -> bool:
    if test.operator.prefix is not Set.NONE:
        return test.operator.prefix is Set.ALL  # rule C15
    missing = values is None
    return any(missing == (wanted.text.lower() == "true") for wanted in test.values)


def _missing(op: Operator, judge: Judge) -> bool:
    """The result for a key that is not in the request (rules C9 to C11, C19, C21; O3)."""
    if op.if_exists or op.prefix is Set.ALL:
        return True
    if op.prefix is Set.ANY:
        return op.negated and judge.takes("O3", "true")
    return op.negated


def value_holds(test: Test, value: str, request: Context, judge: Judge) -> bool:
    """Is one value of the request in the policy's list: OR, or NOR for a negated operator (rules C2, C3, C22, C23)?"""
    op = test.operator
    if not test.values and (op.negated or (op.prefix is Set.NONE and not op.if_exists)):
        raise Undecided(f"{op.name} {test.key} has an empty list of values (O20)")
    compare = _COMPARE[op.type]
    matched = any(compare(test, value, wanted, request, judge) for wanted in test.values)
    return matched != op.negated


Compare = Callable[[Test, str, Pattern, Context, Judge], bool]


def _string(test: Test, value: str, wanted: Pattern, request: Context, judge: Judge) -> bool:
    glob = wanted.resolve(single_value(request.values))
    if glob is None:
        return False
    if glob.matches(value):
        return True
    if not test.operator.ignore_case:
        tag = test.key.startswith("aws:requesttag/")
        if not tag or not _folded(glob).matches(folded(value)) or judge.takes("O23", "sensitive"):
            return False
    return _folded(glob).matches(folded(value))


def _folded(glob: Glob) -> Glob:
    return Glob(folded(token) if isinstance(token, str) else token for token in glob.tokens)


def _arn(test: Test, value: str, wanted: Pattern, request: Context, judge: Judge) -> bool:
    glob = wanted.resolve(single_value(request.values))
    if glob is None:
        return False
    fields = value.split(":", 5)
    patterns = split_fields(completed(glob), 6) or ()
    if len(fields) != 6 or not all(p.matches(f) for p, f in zip(patterns, fields, strict=True)):
        return False
    return split_fields(glob, 6) is not None or judge.takes("O41", "completed")


def _ordered(parse: Callable[[str], Any], name: str) -> Compare:
    def compare(test: Test, value: str, wanted: Pattern, request: Context, judge: Judge) -> bool:
        left, right = parse(value), parse(wanted.text)
        if left is None or right is None:
            return _of_another_type(test, value, wanted, name, in_request=left is None)
        return bool(RELATIONS[test.operator.relation](left, right))

    return compare


def _of_another_type(test: Test, value: str, wanted: Pattern, name: str, *, in_request: bool) -> bool:
    """The result for a value of another type than the operator's: it does not match (rule C43). What this means for a
    negated operator, or for a malformed value in the policy, is not documented (O24)."""
    if in_request and not test.operator.negated:
        return False
    bad = value if in_request else wanted.text
    raise Undecided(f"{test.operator.name} {test.key} against {bad!r}, which is no {name} (O24)")


RELATIONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda left, right: left == right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
}


_BOOLEANS = ("true", "false")


def _bool(test: Test, value: str, wanted: Pattern, request: Context, judge: Judge) -> bool:
    text = wanted.text
    if wanted.variables:
        if judge.takes("O4", "literal"):
            return False
        glob = wanted.resolve(single_value(request.values))
        if glob is None:
            return False
        text = str(glob)
    left, right = value.lower(), text.lower()
    if left not in _BOOLEANS or right not in _BOOLEANS:
        return _of_another_type(test, value, wanted, "boolean", in_request=left not in _BOOLEANS)
    return left == right


def _binary(test: Test, value: str, wanted: Pattern, request: Context, judge: Judge) -> bool:
    right = decoded(wanted.text)
    if right is None:
        return _of_another_type(test, value, wanted, "base64 text", in_request=False)
    return decoded(value) == right


def _ip(test: Test, value: str, wanted: Pattern, request: Context, judge: Judge) -> bool:
    address = network(value)
    prefix = 128
    if ":" in wanted.text and "/" not in wanted.text:
        prefix = 32 if judge.takes("O16", "32") else 128
    right = network(wanted.text, prefix)
    if address is None or right is None:
        return _of_another_type(test, value, wanted, "IP address or range", in_request=address is None)
    return address.version == right.version and address.subnet_of(right)  # type: ignore[arg-type]  # of the same version, as just asked


_COMPARE: dict[Type, Compare] = {
    Type.STRING: _string,
    Type.ARN: _arn,
    Type.NUMERIC: _ordered(number, "number"),
    Type.DATE: _ordered(date, "date"),
    Type.BOOL: _bool,
    Type.BINARY: _binary,
    Type.IP: _ip,
}
