"""Differences in words: each clause describes only requests that differ, and together they describe all of them."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from grantproof.iam import IamError, Layers, Request
from grantproof.iam.assumption import DEFAULTS, Judge
from grantproof.iam.comparison import all_callers
from grantproof.iam.comparison.clause import Clause
from grantproof.iam.comparison.compare import Verdict, compare
from grantproof.iam.comparison.comparisons import layers_of
from grantproof.iam.condition import holds
from grantproof.iam.evaluate import decided
from grantproof.iam.glob import Glob
from tests.iam import brute

BUCKET, OBJECTS = "arn:aws:s3:::b", "arn:aws:s3:::b/*"
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {**allow(action, resource, **more), "Effect": "Deny"}


def when(operator: str, key: str, *values: str) -> dict[str, Any]:
    return {"Condition": {operator: {key: list(values)}}}


@pytest.mark.parametrize(
    ("several", "as_one"),
    [
        (["any user of account 1"], "any user of account 1"),
        (["the root user of account 1", "any user of account 1"], "any user and the root user of account 1"),
        (
            ["any service", "anybody, also without credentials", "any user of any other account"],
            "anybody, also without credentials, and by any user of any other account, and by any service",
        ),
        (["sessions of arn:aws:iam::1:role/a", "any service"], "any service, and by sessions of arn:aws:iam::1:role/a"),
        (["any user of account 1", ""], ""),
    ],
)
def test_kinds_of_callers_of_one_account_are_described_together(several: list[str], as_one: str) -> None:
    assert all_callers.in_words(several) == as_one


IN = when("StringEquals", "aws:RequestedRegion", "eu-west-1")
OUTSIDE = when("StringNotEquals", "aws:RequestedRegion", "eu-west-1")
SECURE, INSECURE = (when("Bool", "aws:SecureTransport", value) for value in ("true", "false"))
TAGGED = {"Condition": {"StringEquals": {"aws:RequestedRegion": ["eu-west-1"], "aws:PrincipalTag/t": ["x"]}}}


@pytest.mark.parametrize(
    ("old", "new", "gained"),
    [
        ([], [{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], ["* on *, except iam:*"]),
        ([], [{"Effect": "Allow", "Action": "s3:*", "NotResource": BUCKET}], [f"s3:* on *, except on {BUCKET}"]),
        (
            [EVERYTHING, {"Effect": "Deny", "NotAction": ["s3:*", "ec2:*"], "Resource": "*"}],
            [EVERYTHING],
            ["* on *, except s3:* and ec2:*"],
        ),
        (
            [EVERYTHING, {"Effect": "Deny", "Action": "s3:*", "NotResource": [BUCKET, OBJECTS]}],
            [EVERYTHING],
            [f"s3:* on *, except on {BUCKET} and on {OBJECTS}"],
        ),
        ([allow("s3:GetObject", OBJECTS)], [allow("s3:*")], [f"s3:* on *, except s3:GetObject on {OBJECTS}"]),
        (
            [allow("s3:GetObject", "arn:aws:s3:::b/*secret*")],
            [allow("s3:GetObject", "arn:aws:s3:::b/x/*")],
            ["s3:GetObject on arn:aws:s3:::b/x/*, except on arn:aws:s3:::b/*secret*"],
        ),
        (
            [allow("s3:GetObject", "arn:aws:s3:::b/x", **SECURE)],
            [allow("s3:GetObject", OBJECTS)],
            [f"s3:GetObject on {OBJECTS}, except on arn:aws:s3:::b/x if Bool aws:securetransport [true]"],
        ),
        (
            [],
            [allow("s3:*"), deny("s3:*", OBJECTS), deny("s3:Put*", BUCKET)],
            [f"s3:* on *, except on {OBJECTS} and s3:Put* on {BUCKET}"],
        ),
        # A Deny on the whole takes along what stands in an Allow of its own.
        ([allow("s3:*"), allow("s3:GetObject", BUCKET), deny("s3:*")], [allow("s3:*")], ["s3:* on *"]),
        (
            [allow("s3:*", **SECURE), allow("s3:*", **INSECURE)],
            [allow("s3:*")],
            ["s3:* on * unless Bool aws:securetransport [true] or Bool aws:securetransport [false]"],
        ),
        (
            [allow("s3:*", "arn:aws:s3:::b/${*}")],
            [allow("s3:*", OBJECTS)],
            [f"s3:* on {OBJECTS}, except on arn:aws:s3:::b/${{*}}"],
        ),
        # "unless not": what is not outside is inside.
        ([EVERYTHING, deny("s3:*")], [EVERYTHING, deny("s3:*", **OUTSIDE)], None),
        ([allow("s3:*", **TAGGED)], [allow("s3:*", **IN)], None),
        (
            [allow("s3:*", "arn:aws:s3:::b/${aws:username}/*")],
            [allow("s3:*", OBJECTS)],
            [
                f"s3:* on {OBJECTS} if Null aws:username [true]",
                f"s3:* on {OBJECTS}, except on arn:aws:s3:::b/${{aws:username}}/*",
            ],
        ),
    ],
)
def test_a_clause_says_what_differs_and_leaves_out_what_does_not(old: Any, new: Any, gained: list[str] | None) -> None:
    if gained is None:
        region = "if StringEquals aws:requestedregion [eu-west-1]"
        tag = " unless StringEquals aws:principaltag/t [x]" if new[0] is not EVERYTHING else ""
        gained = [f"s3:* on * {region}{tag}"]
    sides = [layers_of({"identity": [{"Version": "2012-10-17", "Statement": side}]}) for side in (old, new)]
    found = compare(*sides, every_reading=False)
    assert [str(difference.clause) for difference in found.new_access] == gained


ROLE = "arn:aws:iam::111111111111:role/R"
SESSION = "arn:aws:sts::111111111111:assumed-role/R/s"


@pytest.mark.parametrize(
    ("old", "new", "gained"),
    [
        (ROLE, "111111111111", {"any user of account 111111111111", f"any role session of account 111111111111 but "
                                f"sessions of {ROLE}"}),
        (SESSION, ROLE, {f"sessions of {ROLE} but {SESSION}"}),
        ("111111111111", "*", {"any service", "any federated identity", "anybody, also without credentials",
                               "any user of any other account", "any role session of any other account"}),
    ],
)  # fmt: skip
def test_a_clause_names_the_new_callers_only(old: str, new: str, gained: set[str]) -> None:
    def trusting(who: str) -> Layers:
        statement = {"Effect": "Allow", "Principal": {"AWS": who}, "Action": "sts:AssumeRole"}
        everything = {"Version": "2012-10-17", "Statement": [EVERYTHING]}
        return layers_of({"identity": [everything], "resource": {"Version": "2012-10-17", "Statement": [statement]}})

    found = compare(trusting(old), trusting(new), every_reading=False)
    assert {str(difference.clause) for difference in found.new_access} == {
        f"sts:AssumeRole on * by {w}" for w in gained
    }


@pytest.mark.parametrize(
    ("old", "new", "gained"),
    [
        (when("StringEquals", "k", "a"), when("StringEquals", "k", "a", "b"), "StringEquals k [b]"),
        (
            when("StringEqualsIfExists", "k", "a"),
            when("StringEqualsIfExists", "k", "a", "b"),
            "StringEqualsIfExists k [b]",
        ),
        (
            when("StringLike", "k", "a*"),
            when("StringLike", "k", "a*", "*b"),
            "StringLike k [*b] unless StringLike k [a*]",
        ),
        (
            when("ForAllValues:StringEquals", "k", "a"),
            when("ForAllValues:StringEquals", "k", "a", "b"),
            "ForAllValues:StringEquals k [a, b] unless ForAllValues:StringEquals k [a]",
        ),
    ],
)
def test_a_clause_does_not_repeat_values_that_were_there(old: Any, new: Any, gained: str) -> None:
    sides = [layers_of({"identity": [{"Statement": [allow("s3:*", **side)]}]}) for side in (old, new)]
    assert [str(d.clause) for d in compare(*sides).new_access] == [f"s3:* on * if {gained}"]


def matches(patterns: tuple[Glob, ...], text: str) -> bool:
    return any(pattern.matches(text) for pattern in patterns)


def holds_all(tests: Any, request: Request) -> bool:
    return all(holds(test, request, Judge(DEFAULTS)) for test in tests)


def in_clause(clause: Clause, request: Request) -> bool:
    """Is the request one of those that the clause speaks of?"""
    if not (matches(clause.actions, request.key) and matches(clause.resources, request.resource or "")):
        return False
    for conditions, unless in ((clause.conditions, clause.unless), clause.shortly):
        if not holds_all(conditions, request) or any(holds_all(tests, request) for tests in unless):
            return False
    return not any(
        (not part.actions or matches(part.actions, request.key))
        and (not part.resources or matches(part.resources, request.resource or ""))
        and holds_all(part.conditions, request)
        for part in clause.excepted
    )


def allowed(request: Request, layers: Layers) -> bool:
    return decided(request, layers, Judge(DEFAULTS)).allowed


@pytest.mark.parametrize("seed", range(12))
def test_the_clauses_hold_what_differs_and_nothing_else(seed: int) -> None:
    random = Random(seed)  # noqa: S311 - random policies, not secrets
    old = brute.layers(random, limits=True)
    new = brute.changed(random, old, variables=False) if seed % 2 else brute.layers(random, limits=True)
    sides = [layers_of(side) for side in (old, new)]
    found = compare(*sides, every_reading=False)
    if found.verdict is Verdict.UNDETERMINED:
        assert found.reason
        return
    for _ in range(400):
        action, resource = random.choice(brute.ACTIONS), random.choice(brute.RESOURCES)
        context = {key: values for key, values in random.choice(brute.CONTEXTS).items() if values}
        request = Request(brute.CALLER, action, resource, brute.CALLER.account, context)
        try:
            before, after = (allowed(request, side) for side in sides)
            gained = [d.clause for d in found.new_access if in_clause(d.clause, request)]
            lost = [d.clause for d in found.lost_access if in_clause(d.clause, request)]
        except IamError:
            continue
        assert (bool(gained), bool(lost)) == (after and not before, before and not after), (request, gained, lost)
