"""Finds requests that meet conditions: values for condition keys with which a Condition block is true. Sound, but not
complete.

Each request that is found has been tried with the evaluator. If none is found, there can still be one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice, product

from grantproof.iam.assumption import DEFAULTS, Judge
from grantproof.iam.condition import Test, holds
from grantproof.iam.errors import Undecided
from grantproof.iam.glob import Wild
from grantproof.iam.operators import Set, Type
from grantproof.iam.pattern import Pattern, single_value
from grantproof.iam.request import Request, Values
from grantproof.iam.typed import network, number

_MOST_TRIED = 4096


def satisfying(tests: Iterable[Test], request: Request) -> Request | None:
    """The request with condition keys added or removed so that every test is true; None if none was found. Keys that
    the request already has are kept if possible."""
    by_key: dict[str, list[Test]] = {}
    for test in tests:
        by_key.setdefault(test.key, []).append(test)
    found = request
    for key, own in by_key.items():
        met = next((r for r in _trials(key, own, found) if _all_hold(own, r)), None)
        if met is None:
            return None
        found = met
    # A variable can have used the value of a key that was changed afterwards.
    return found if all(_all_hold(own, found) for own in by_key.values()) else None


def failing(tests: Iterable[Test], request: Request) -> Iterator[Request]:
    """Requests that differ in one key, for which not all tests are true."""
    tests = tuple(tests)
    for test in tests:
        for found in _trials(test.key, [test], request):
            if found != request and not _all_hold(tests, found):
                yield found


def _trials(key: str, tests: list[Test], request: Request) -> Iterator[Request]:
    yield request
    values = list(dict.fromkeys(value for test in tests for value in _candidates(test, request)))
    several = any(test.operator.prefix is not Set.NONE for test in tests)
    for count in (1, 2, 3) if several else (1,):
        for given in islice(product(values, repeat=count), _MOST_TRIED):
            yield _with(request, key, given)
    yield _with(request, key, None)


def _with(request: Request, key: str, values: Values | None) -> Request:
    context: dict[str, Values] = {name: v for name, v in request.context.items() if name.lower() != key}
    if values is not None:
        context[key] = values
    return replace(request, context=context)


def _all_hold(tests: Iterable[Test], request: Request) -> bool:
    try:
        return all(holds(test, request, Judge(DEFAULTS)) for test in tests)
    except Undecided:
        return False


def _candidates(test: Test, request: Request) -> Iterator[str]:
    for pattern in test.values:
        yield from _values(test, pattern, request)
    yield {
        Type.BOOL: "true",
        Type.NUMERIC: "0",
        Type.DATE: "2030-01-01T00:00:00Z",
        Type.IP: "203.0.113.10",
        Type.ARN: "arn:aws:iam::000000000000:role/another",
    }.get(test.operator.type, "another")


def _values(test: Test, pattern: Pattern, request: Request) -> Iterator[str]:
    match test.operator.type:
        case Type.NUMERIC:
            if (limit := number(pattern.text)) is not None:
                yield from (str(limit), str(limit - 1), str(limit + 1))
        case Type.DATE:
            yield from (pattern.text, "1990-01-01T00:00:00Z", "2100-01-01T00:00:00Z")
        case Type.IP:
            if (block := network(pattern.text)) is not None:
                yield str(block[0])
        case Type.BOOL:
            yield from ("true", "false")
        case Type.NULL:
            yield "present"
        case _:
            yield _example(pattern, request)


def _example(pattern: Pattern, request: Request) -> str:
    """A text that a pattern matches, with arbitrary text in place of wildcards."""
    glob = pattern.fixed or pattern.resolve(single_value(request.values))
    if glob is None:
        return pattern.text
    return "".join(token if isinstance(token, str) else "any" if token is Wild.ANY else "x" for token in glob.tokens)


def example(pattern: Pattern | None, request: Request) -> str:
    """A resource that a pattern matches; if there is no pattern, or one for everything, the request's own."""
    if pattern is None or (pattern.fixed is not None and pattern.fixed.everything):
        return request.resource or "*"
    return _example(pattern, request)


def added(before: Request, after: Request) -> Mapping[str, Values]:
    """The condition keys that only one request has, or has with other values; without values for a key that it no
    longer has."""
    known = {key.lower(): values for key, values in before.context.items()}
    kept = {key.lower() for key in after.context}
    out = {key: values for key, values in after.context.items() if known.get(key.lower()) != values}
    return {**out, **{key: () for key in before.context if key.lower() not in kept}}


def in_words(context: Mapping[str, Values]) -> str:
    """The condition keys of a request in words: `key=value, no other-key`."""
    return ", ".join(f"{key}={', '.join(values)}" if values else f"no {key}" for key, values in context.items())
