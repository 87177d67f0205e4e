"""Facts about two sides that need no search: sample requests that are allowed, and services that are wholly allowed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grantproof.iam import evaluate
from grantproof.iam.assumption import DEFAULTS, Judge
from grantproof.iam.comparison.caller import ANYBODY
from grantproof.iam.comparison.compare import contained
from grantproof.iam.comparison.comparisons import layers_of
from grantproof.iam.comparison.plan import plan, plan_for_anybody
from grantproof.iam.comparison.prepared import Prepared
from grantproof.iam.comparison.services import ALL, NONE, Services
from grantproof.iam.policy import PolicyType
from grantproof.iam.request import Request
from tests.iam import brute
from tests.iam.test_compare import allow, allow_but, deny, deny_but, identity, when

NAMES = ("a", "b", "c", "other")


def held(services: Services) -> frozenset[str]:
    return frozenset(name for name in NAMES if name in services)


@st.composite
def sets(draw: Any) -> Services:
    return Services(draw(st.frozensets(st.sampled_from(NAMES[:-1]))), but=draw(st.booleans()))


@given(sets(), sets())
def test_sets_of_services_obey_the_laws_of_sets(one: Services, other: Services) -> None:
    assert held(one | other) == held(one) | held(other)
    assert held(one & other) == held(one) & held(other)
    assert held(one - other) == held(one) - held(other)
    assert held(~one) == frozenset(NAMES) - held(one)
    assert (one <= other) == (held(one) <= held(other))


@pytest.mark.parametrize(
    ("side", "services"),
    [
        (identity(allow("*")), ALL),
        (identity(allow("*:*")), ALL),
        (identity(allow("s3:*"), allow(["sqs:*", "sns:*"])), Services(frozenset({"s3", "sqs", "sns"}))),
        (identity(allow_but("s3:*", "sqs:SendMessage")), Services(frozenset({"s3", "sqs"}), but=True)),
        (identity(allow("*"), deny("s3:Get*")), Services(frozenset({"s3"}), but=True)),
        # Not where that hangs on a condition, a resource, a part of a service or of its name,
        (identity(allow("s3:*", **when("StringEquals", "k", "a"))), NONE),
        (identity(allow("s3:*", "arn:aws:s3:::*")), NONE),
        (identity({"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::a"}), NONE),
        (identity(allow(["s3:*Object*", "s*:*", "s3:?*"])), NONE),
        # where a Deny may catch something,
        (identity(allow("*"), deny("s*:*")), NONE),
        (identity(allow("*"), deny_but("s3:Get*")), NONE),
        (identity(allow("*"), deny_but("s3:*")), Services(frozenset({"s3"}))),
        # or another layer allows less.
        (identity(allow("*"), boundary=[{"Statement": [allow("s3:*")]}]), Services(frozenset({"s3"}))),
        (identity(allow("*"), scp=[[{"Statement": [allow("s3:*")]}], [{"Statement": []}]]), NONE),
        (identity(allow("*"), scp=[]), NONE),
    ],
    ids=range(15),  # the same in every process, which a set's text is not
)
def test_services_in_which_everything_is_allowed_are_known(side: Any, services: Services) -> None:
    assert Prepared(side).unrestricted_services == services


@pytest.mark.parametrize("kind", [{}, {"limits": True}, {"variables": True}], ids=str)
def test_every_sample_is_a_request_that_is_allowed(kind: dict[str, bool]) -> None:
    conditional = 0
    for seed in range(200):
        layers = brute.parsed(brute.pair(seed, **kind)[0])
        side = Prepared(layers)
        side.read()
        for action, resource, context in side.samples(DEFAULTS):
            assert evaluate(Request(ANYBODY.principal, action, resource, ANYBODY.owner, context), layers).allowed
            conditional += bool(context)
    assert conditional > 100


def test_the_plan_is_that_of_the_evaluation_if_no_layer_names_callers() -> None:
    for seed in range(60):
        layers = brute.parsed(brute.pair(seed, limits=True)[0])
        side = Prepared(layers).side(DEFAULTS, {})
        short = plan_for_anybody(side.entries, layers)
        whole = plan(side.entries, layers, ANYBODY, PolicyType.RESOURCE, Judge(DEFAULTS))
        assert [sorted(option) for option in short.options] == [sorted(option) for option in whole.options]
        assert (short.denies, short.reached) == (whole.denies, whole.reached)
    nothing = layers_of({"identity": [{"Statement": [allow("*")]}], "scp": []})
    assert plan_for_anybody(Prepared(nothing).side(DEFAULTS, {}).entries, nothing).options == ()


def test_a_user_id_that_nobody_has_makes_no_difference() -> None:
    """A sample must be a request that can exist: the id of a user has no colon (C54)."""
    nobody = identity(allow("s3:*", **when("StringEquals", "aws:userid", "a:b:c")))
    assert contained(nobody, identity(allow("sqs:*", **when("StringEquals", "aws:PrincipalAccount", "222222222222"))))
