"""Condition keys whose values depend on each other, checked by enumerating every request of small worlds that AWS's
documentation permits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from itertools import product
from random import Random
from typing import Any

import pytest

from grantproof.iam import Layers, parse_layers
from grantproof.iam.assumption import DEFAULTS, Judge
from grantproof.iam.comparison.compare import compare, quick_verdict
from grantproof.iam.comparison.values import Probe
from grantproof.iam.condition import Test as Entry
from grantproof.iam.condition import holds
from grantproof.iam.errors import Undecided
from grantproof.iam.request import Values

Context = dict[str, Values]
#: Of a test, its operators, its key and its values, of which it takes one or two.
Choice = tuple[str, str, list[str]]


def context(**given: tuple[str, ...] | str | None) -> Context:
    """The condition keys `aws:...` of a request; those that are None are not in it."""
    return {f"aws:{k}": (v,) if isinstance(v, str) else v for k, v in given.items() if v is not None}


def from_anywhere() -> Iterator[Context]:
    """A call from the internet, through an endpoint, or by a service for the caller (W19, W42, W43)."""
    addresses, names = (None, "10.0.0.1", "10.0.0.200", "192.0.2.1"), (None, "a", "b", "c")
    for address, direct in product(addresses, (None, "false")):
        yield context(sourceip=address, viaawsservice=direct)
    for vpc, endpoint, account, direct in product(names, names, names, (None, "false")):
        yield context(sourcevpc=vpc, sourcevpce=endpoint, vpceaccount=account, viaawsservice=direct)
    chains = [None, *(chain for length in range(1, 5) for chain in product("abc", repeat=length))]
    for address, account, chain in product(addresses, (None, "a", "b", "c"), chains):
        ends: dict[str, Any] = {"calledviafirst": chain[0], "calledvialast": chain[-1]} if chain else {}
        yield context(sourceip=address, vpceaccount=account, viaawsservice="true", calledvia=chain, **ends)


def with_or_without_mfa() -> Iterator[Context]:
    """How old an MFA login is, where there was one."""
    for present in (None, "false"):
        yield context(multifactorauthpresent=present)
    for age in (None, "10", "60", "61", "3600", "9000"):
        yield context(multifactorauthpresent="true", multifactorauthage=age)


def at_any_time() -> Iterator[Context]:
    """The seconds around 1970-01-01T00:33:41Z and 1970-01-02, as a date and as seconds."""
    yield {}
    for seconds in (0, 2020, 2021, 2022, 50_000, 86_399, 86_400, 86_401):
        day, rest = divmod(seconds, 86_400)
        clock = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
        # Four digits would be a year.
        yield context(currenttime=f"1970-01-0{day + 1}T{clock}Z", epochtime=f"{seconds}.0")


TEXT = ["StringEquals", "StringNotEquals", "StringEqualsIfExists", "StringNotEqualsIfExists"]
OF_SETS = [f"{prefix}{name}" for prefix in ("ForAllValues:", "ForAnyValue:") for name in TEXT[:2]]
YES_NO = ["true", "false"]


def choices(names: list[str], key: str, values: list[str]) -> list[Choice]:
    return [(name, f"aws:{key}", values) for name in names]


RELATIONS = ["Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "LessThanIfExists"]
WORLDS: dict[str, tuple[list[Context], list[list[Choice]]]] = {
    "network": (
        list(from_anywhere()),
        [
            choices(["IpAddress", "NotIpAddress", "IpAddressIfExists"], "SourceIp", ["10.0.0.0/24", "10.0.0.0/25"]),
            choices(TEXT, "SourceVpc", ["a", "b"]),
            choices(TEXT, "SourceVpce", ["a", "b"]),
            choices(TEXT, "VpceAccount", ["a", "b"]),
            choices(["Bool", "BoolIfExists"], "ViaAWSService", YES_NO),
            choices(OF_SETS, "CalledVia", ["a", "b"]),
            choices(TEXT, "CalledViaFirst", ["a", "b"]),
            choices(TEXT, "CalledViaLast", ["a", "b"]),
            [("Null", f"aws:{key}", YES_NO) for key in ("SourceIp", "SourceVpc", "CalledVia", "CalledViaLast")],
        ],
    ),
    "mfa": (
        list(with_or_without_mfa()),
        [
            choices(["Bool", "BoolIfExists"], "MultiFactorAuthPresent", YES_NO),
            choices([f"Numeric{name}" for name in RELATIONS], "MultiFactorAuthAge", ["60", "3600"]),
            [("Null", f"aws:MultiFactorAuth{key}", YES_NO) for key in ("Present", "Age")],
        ],
    ),
    "time": (
        list(at_any_time()),
        [
            choices([f"Date{name}" for name in RELATIONS], "CurrentTime", ["1970-01-01T00:33:41Z", "1970-01-02"]),
            choices([f"Date{name}" for name in RELATIONS], "EpochTime", ["1970-01-01T00:33:41Z", "86400"]),
            choices([f"Numeric{name}" for name in RELATIONS], "EpochTime", ["2021", "86400"]),
            [("Null", f"aws:{key}Time", YES_NO) for key in ("Current", "Epoch")],
        ],
    ),
}  # fmt: skip


def side(random: Random, kinds: list[list[Choice]]) -> list[dict[str, Any]]:
    statements = []
    for _ in range(random.randint(1, 3)):
        block: dict[str, Any] = {}
        for kind in random.sample(kinds, random.randint(1, 3)):
            operator, key, values = random.choice(kind)
            block.setdefault(operator, {})[key] = random.sample(values, random.choice([1, 1, 2]))
        effect = random.choice(["Allow", "Allow", "Deny"])
        statements.append({"Effect": effect, "Action": "s3:*", "Resource": "*", "Condition": block})
    return statements


def identity(statements: list[dict[str, Any]]) -> Layers:
    return parse_layers({"identity": [{"Version": "2012-10-17", "Statement": statements}]})


@cache
def holding(world: str, test: Entry) -> tuple[int, int]:
    """The contexts (bits) in which a test holds, and those in which it may: an empty text is no number (O24)."""
    sure = maybe = 0
    for n, found in enumerate(WORLDS[world][0]):
        answer = in_state(test, found.get(test.key, ()))
        sure, maybe = sure | (answer is True) << n, maybe | (answer is not False) << n
    return sure, maybe


@cache
def in_state(test: Entry, state: Values) -> bool | None:
    """Does a test without variables hold where its key has these values? None where it is not decided."""
    assert all(pattern.fixed is not None for pattern in test.values)
    try:
        return holds(test, Probe({test.key: state}), Judge(DEFAULTS))
    except Undecided:
        return None


def allowed(world: str, statements: list[dict[str, Any]]) -> tuple[int, int]:
    """The contexts in which something is allowed, and those in which it may be."""
    everything = (1 << len(WORLDS[world][0])) - 1
    masks = {True: [0, 0], False: [0, 0]}
    for statement in identity(statements).identity[0].statements:
        sure = maybe = everything
        for found in (holding(world, test) for test in statement.conditions):
            sure, maybe = sure & found[0], maybe & found[1]
        masks[statement.allow][0] |= sure
        masks[statement.allow][1] |= maybe
    return masks[True][0] & ~masks[False][1], masks[True][1] & ~masks[False][0]


@pytest.mark.parametrize("world", WORLDS)
def test_the_verdict_equals_that_of_enumerating_every_request(world: str) -> None:
    """No difference is missed, and every difference is shown by a request."""
    seen = set()
    for seed in range(300):
        random = Random(seed)  # noqa: S311 - random policies, not secrets
        old = side(random, WORLDS[world][1])
        new = [*old[1:], *side(random, WORLDS[world][1])] if random.random() < 0.5 else side(random, WORLDS[world][1])
        before, after = allowed(world, old), allowed(world, new)
        more, less = bool(after[0] & ~before[1]), bool(before[0] & ~after[1])
        expected = "different" if more and less else "wider" if more else "narrower" if less else "equal"
        found = quick_verdict(identity(old), identity(new))
        assert found.value == expected, (seed, json.dumps([old, new]))
        seen.add(expected)
    assert seen == {"equal", "wider", "narrower", "different"}


def given(**conditions: Any) -> Layers:
    return identity([{"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": conditions}])


YOUNG = {"aws:MultiFactorAuthAge": "3600"}
SINCE = {"aws:CurrentTime": "2026-01-01T00:00:00Z"}
OFFICE, NETWORK = {"aws:SourceIp": "192.0.2.0/24"}, {"aws:SourceVpc": "vpc-1"}
USER = {"aws:PrincipalType": "User"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            given(NumericLessThan=YOUNG),
            given(NumericLessThan=YOUNG, Bool={"aws:MultiFactorAuthPresent": "true"}),
        ),
        (
            given(DateGreaterThan=SINCE),
            given(DateGreaterThan={"aws:EpochTime": "1767225600"}, Null={"aws:CurrentTime": "false"}),
        ),
        (given(IpAddress=OFFICE), given(IpAddress=OFFICE, Null={"aws:SourceVpce": "true"})),
        (given(StringEquals=NETWORK), given(StringEquals=NETWORK, BoolIfExists={"aws:ViaAWSService": "false"})),
        (
            given(StringEquals={"aws:CalledViaFirst": "athena.amazonaws.com"}),
            given(
                StringEquals={"aws:CalledViaFirst": "athena.amazonaws.com"},
                **{"ForAnyValue:StringEquals": {"aws:CalledVia": "athena.amazonaws.com"}},
            ),
        ),
        (
            given(StringEquals=USER, StringLike={"aws:userid": "AIDA*"}),
            given(StringEquals=USER, StringLike={"aws:userid": ["AIDA*", "AROA*:*"]}),
        ),
    ],
    ids=["mfa", "time", "address and endpoint", "endpoint and service", "chain", "user id"],
)
def test_a_condition_implied_by_another_key_changes_nothing(old: Layers, new: Layers) -> None:
    assert compare(old, new).verdict.value == "equal"
    assert compare(old, new, correlated=False).verdict.value != "equal"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        # Somebody who used MFA may come without its age, as far as the documentation says.
        (given(Null={"aws:MultiFactorAuthAge": "false"}), given(Bool={"aws:MultiFactorAuthPresent": "true"})),
        (given(IpAddress=OFFICE), given(IpAddressIfExists=OFFICE)),
        # O14: a service that calls on may bring the address along, or not.
        (given(IpAddress=OFFICE, Bool={"aws:ViaAWSService": "false"}), given(IpAddress=OFFICE)),
        # Not every service says in the chain that it calls on.
        (given(Null={"aws:CalledVia": "false"}), given(Bool={"aws:ViaAWSService": "true"})),
        (given(StringLike={"aws:userid": "AROA1:a"}), given(StringLike={"aws:userid": "AROA1:*"})),
        # A variable stands for a text, whatever its key is.
        (
            given(StringEquals={"k": "${aws:ViaAWSService}", **NETWORK}, Bool={"aws:ViaAWSService": "false"}),
            given(StringEquals={"k": "${aws:ViaAWSService}", **NETWORK}),
        ),
    ],
    ids=["mfa", "address", "carried on", "no chain", "user id", "variable"],
)
def test_combinations_that_the_documentation_does_not_exclude_are_compared(old: Layers, new: Layers) -> None:
    assert compare(old, new).verdict.value == "wider"
