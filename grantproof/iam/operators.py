"""The condition operators: what each compares, and what its prefix and suffix change (rules C1 to C23)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache


class Type(Enum):
    """What an operator compares."""

    STRING = "string"
    ARN = "ARN"
    NUMERIC = "number"
    DATE = "date"
    BOOL = "boolean"
    BINARY = "binary"
    IP = "IP address"
    NULL = "presence"

    # Faster than Enum's hash, which is computed from the name in Python; members are singletons.
    __hash__ = object.__hash__


class Set(Enum):
    """The set prefix of an operator."""

    NONE = ""
    ALL = "ForAllValues:"
    ANY = "ForAnyValue:"

    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class Operator:
    """A condition operator, parsed. `relation` is `=`, `<`, `<=`, `>` or `>=`."""

    name: str
    type: Type
    negated: bool = False
    relation: str = "="
    wildcards: bool = False
    ignore_case: bool = False
    prefix: Set = Set.NONE
    if_exists: bool = False

    def __hash__(self) -> int:
        # The name determines the other fields, and the hash of a text is cached.
        return hash(self.name)


_ORDER = {"LessThan": "<", "LessThanEquals": "<=", "GreaterThan": ">", "GreaterThanEquals": ">="}
_BASE: dict[str, Operator] = {
    op.name.lower(): op
    for op in (
        Operator("StringEquals", Type.STRING),
        Operator("StringNotEquals", Type.STRING, negated=True),
        Operator("StringEqualsIgnoreCase", Type.STRING, ignore_case=True),
        Operator("StringNotEqualsIgnoreCase", Type.STRING, negated=True, ignore_case=True),
        Operator("StringLike", Type.STRING, wildcards=True),
        Operator("StringNotLike", Type.STRING, negated=True, wildcards=True),
        Operator("ArnEquals", Type.ARN, wildcards=True),
        Operator("ArnLike", Type.ARN, wildcards=True),
        Operator("ArnNotEquals", Type.ARN, negated=True, wildcards=True),
        Operator("ArnNotLike", Type.ARN, negated=True, wildcards=True),
        Operator("Bool", Type.BOOL),
        Operator("BinaryEquals", Type.BINARY),
        Operator("IpAddress", Type.IP),
        Operator("NotIpAddress", Type.IP, negated=True),
        Operator("Null", Type.NULL),
        *(
            Operator(f"{family}{suffix}", type_, negated=negated, relation=relation)
            for family, type_ in (("Numeric", Type.NUMERIC), ("Date", Type.DATE))
            for suffix, negated, relation in (
                ("Equals", False, "="),
                ("NotEquals", True, "="),
                *((suffix, False, relation) for suffix, relation in _ORDER.items()),
            )
        ),
    )
}

#: By name, without set prefix and `IfExists`.
NAMES = tuple(op.name for op in _BASE.values())


@lru_cache(maxsize=1024)
def operator(name: str) -> Operator:
    """Parse the name of an operator, with its set prefix and `IfExists`.

    Raises:
        KeyError: there is no such operator; `NullIfExists` is none (rule G18).
    """
    rest, prefix = name, Set.NONE
    for candidate in (Set.ALL, Set.ANY):
        if name.startswith(candidate.value):
            rest, prefix = name[len(candidate.value) :], candidate
    if_exists = rest.endswith("IfExists")
    base = _BASE[rest.removesuffix("IfExists").lower()]
    if rest.removesuffix("IfExists") != base.name or (if_exists and base.type is Type.NULL):
        raise KeyError(name)
    return Operator(name, base.type, base.negated, base.relation, base.wildcards, base.ignore_case, prefix, if_exists)
