"""Generates values that a parameter accepts, from its constraints."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import islice, product
from re import _parser as _regex  # type: ignore[attr-defined]  # the only reader of expressions as data
from typing import Any

from grantproof.aws.templates.constraints import form_of, text, violation
from grantproof.aws.templates.possible_characters import in_class
from grantproof.iam.comparison.replayable import Replayable

#: In an unusual order, so that a generated value differs from the values that a template compares with.
_ALPHABETS = ("qx7jz4kw9v2y8mhb5n3g6t1d0pfcaeilorsu", "zk3vq8wj5xh1by6n4mg9t2fd7c0pusroliea")
_MORE = "QXJZKWVYMHBNGTDPFCAEILORSU-_./:=+,@ "
_LENGTHS = (5, 9, 3, 12, 16, 10, 1, 24, 32, 0)


def samples(name: str, parameter: Mapping[str, Any], most: int = 2) -> tuple[str, ...]:
    """Up to `most` different values that a parameter's constraints accept; fewer, or none, where no more are found.
    Never the empty text."""
    different = dict.fromkeys(_candidates(parameter))
    return tuple(islice((v for v in different if v and not violation(name, parameter, v)), most))


#: A number beyond what policies compare with, and the longest session of a role in seconds.
#: https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html
_BEYOND, _LONGEST_SESSION = 1_000_000_000, 43200


def is_number(parameter: Mapping[str, Any]) -> bool:
    """Does a parameter take numbers only?"""
    return "Number" in str(parameter.get("Type", "String"))


def extremes(name: str, parameter: Mapping[str, Any]) -> tuple[str, ...]:
    """Accepted values at both ends of a number's range, since a greater or a smaller one may give more access; none for
    other types."""
    if not is_number(parameter):
        return ()
    ends = (_LONGEST_SESSION, 0, parameter.get("MinValue", -_BEYOND), parameter.get("MaxValue", _BEYOND))
    return tuple(value for value in dict.fromkeys(map(text, ends)) if not violation(name, parameter, value))


def _candidates(parameter: Mapping[str, Any]) -> Iterator[str]:
    type_ = str(parameter.get("Type", "String"))
    if is_number(parameter):
        lowest = int(float(parameter.get("MinValue", 7)))
        yield from (str(lowest + step) for step in (1, 2, 3, 0, -1))
        return
    yield from _matching(form_of(type_) or str(parameter.get("AllowedPattern", "[a-z0-9]+")))


@lru_cache
def _matching(pattern: str) -> Replayable[str]:
    """Texts that an expression may match. Several templates have the same, and each is asked for more than once."""
    return Replayable(_generated(pattern))


def _generated(pattern: str) -> Iterator[str]:
    try:
        parsed = _regex.parse(pattern)
    except (re.error, RecursionError):
        return
    fitting = [_Fitting(alphabet + _MORE) for alphabet in _ALPHABETS]
    # Each path through the alternatives, with both alphabets, so that two samples differ in every character.
    for length, way in product(_LENGTHS, range(4)):
        for characters in fitting:
            yield _Walk(characters, length, way).text(parsed)


class _Fitting:
    """The characters of an alphabet that match each class of a parsed expression, cached by the class's identity."""

    def __init__(self, alphabet: str) -> None:
        self._alphabet = alphabet
        self._known: dict[int, list[str]] = {}

    def characters(self, node: Any, accepted: Callable[[str], bool]) -> list[str]:
        if id(node) not in self._known:
            self._known[id(node)] = [c for c in self._alphabet if accepted(c)]
        return self._known[id(node)]


class _Walk:
    """One path through a parsed expression. Unknown operators generate nothing, and the value is then not accepted."""

    def __init__(self, fitting: _Fitting, length: int, way: int) -> None:
        self._fitting, self._length, self._way = fitting, length, way
        self._taken = 0

    def text(self, pattern: Any) -> str:
        return "".join(self._one(str(op), argument) for op, argument in pattern)

    def _one(self, op: str, argument: Any) -> str:
        match op:
            case "LITERAL":
                return chr(argument)
            case "NOT_LITERAL":
                return self._character(argument, lambda c: c != chr(argument))
            case "ANY":
                return self._character(None, lambda _: True)
            case "IN":
                return self._character(argument, lambda c: in_class(argument, c))
            case "SUBPATTERN":
                return self.text(argument[-1])
            case "BRANCH":
                branches = argument[1]
                return self.text(branches[self._way % len(branches)])
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                least, most, inner = argument
                return "".join(self.text(inner) for _ in range(max(least, min(int(most), self._length))))
            case "ATOMIC_GROUP":
                return self.text(argument)
        return ""

    def _character(self, node: Any, accepted: Callable[[str], bool]) -> str:
        fitting = self._fitting.characters(node, accepted)
        self._taken += 1
        return fitting[self._taken % len(fitting)] if fitting else ""
