"""Policies in all layers at once, checked by enumeration; and callers that only some of the layers distinguish."""

from __future__ import annotations

from typing import Any

import pytest

from grantproof.iam.comparison.compare import Verdict, compare
from grantproof.iam.comparison.comparisons import layers_of
from tests.iam import layered
from tests.iam.test_compare import allow, deny, identity, verdict, when

FULL = {"Statement": [allow("*")]}
FEDERATED = (
    when("ArnLike", "aws:PrincipalArn", "arn:aws:sts::*:federated-user/*"),
    when("StringEquals", "aws:PrincipalType", "FederatedUser"),
)


@pytest.mark.parametrize("chunk", range(2))
def test_no_difference_between_layered_policies_is_missed(chunk: int) -> None:
    for seed in range(chunk * 6, chunk * 6 + 6):
        assert layered.missed(seed) is False, seed


@pytest.mark.parametrize("condition", FEDERATED)
def test_a_federated_user_session_has_its_users_policies_limited_by_its_session_policy(condition: Any) -> None:
    old, new = (
        identity(*some, session=[FULL]) for some in ([allow("sqs:*")], [allow("sqs:*"), allow("s3:*", **condition)])
    )
    found = compare(old, new)
    assert (found.verdict, found.depends_on) == (Verdict.WIDER, ())
    # Without one it is not documented whether it has anything (O22).
    found = compare(identity(allow("sqs:*")), identity(allow("sqs:*"), allow("s3:*", **condition)))
    assert (found.verdict, found.depends_on) == (Verdict.EQUAL, ("O22",))


def test_a_deny_of_the_organization_that_only_binds_root_users_is_missed() -> None:
    away = deny("ec2:*", **when("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:root"))
    old, new = (identity(allow("*"), scp=[[{"Statement": [allow("*"), *some]}]]) for some in ([away], []))
    assert (verdict(old, new), verdict(new, old), verdict(old, old)) == ("wider", "narrower", "equal")


# --- partitions (P33, X10) --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wide", ["arn:*:iam::*:role/x", "arn:aws*:iam::*:role/x", "arn:aws-us-*:iam::*:role/x"])
def test_a_caller_of_another_partition_is_another_caller(wide: str) -> None:
    old, new = (allow("s3:*", **when("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:role/x", *w)) for w in ([], [wide]))
    assert verdict(identity(old), identity(new)) == "wider"
    # Every real partition is one that begins with `aws`.
    every = allow("s3:*", **when("ArnLike", "aws:PrincipalArn", "arn:*:iam::*:role/x"))
    starting = allow("s3:*", **when("ArnLike", "aws:PrincipalArn", "arn:aws*:iam::*:role/x"))
    assert verdict(identity(every), identity(starting)) == "equal"


def test_a_caller_excluded_in_one_partition_is_allowed_from_others() -> None:
    others = when("ArnNotLike", "aws:PrincipalArn", "arn:aws:iam::*:user/*", "arn:aws:iam::*:role/*")
    assert verdict(identity(allow("sqs:*")), identity(allow("sqs:*"), allow("s3:*", **others))) == "wider"


def _bucket(principal: Any, *resource: str) -> Any:
    shared = {"Effect": "Allow", "Principal": principal, "Action": "s3:*", "Resource": list(resource)}
    return layers_of({"identity": [FULL], "resource": {"Statement": [shared]}})


@pytest.mark.parametrize("principal", [{"AWS": "222222222222"}, {"AWS": "arn:aws:iam::222222222222:root"}])
def test_a_difference_that_exists_in_another_partition_only_is_shown_there(principal: Any) -> None:
    old, new = (_bucket(principal, "arn:aws:s3:::b", *more) for more in ([], ["arn:aws-?n:s3:::b"]))
    found = compare(old, new, owner="111111111111")
    assert (found.verdict, found.reason) == (Verdict.WIDER, "")
    witness = found.new_access[0].witness
    assert witness.principal.partition == (witness.resource or "").split(":")[1] == "aws-cn"


def test_no_access_crosses_partitions() -> None:
    """Rule X10; so there is no difference to report."""
    there = {"StringEquals": {"aws:ResourceAccount": "999999999999", "aws:PrincipalAccount": "111111111111"}}
    arn = {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}}
    more = allow("s3:*", "arn:aws-cn:s3:::b", Condition=there | arn)
    assert verdict(identity(allow("sqs:*")), identity(allow("sqs:*"), more)) == "equal"


def test_nobody_manages_keys_of_another_account() -> None:
    """Rule K9; also if only the caller's policies are compared."""
    there = {"StringEquals": {"aws:ResourceAccount": "999999999999", "aws:PrincipalAccount": "111111111111"}}
    for action, expected in (("kms:PutKeyPolicy", "equal"), ("kms:Decrypt", "wider")):
        assert verdict(identity(allow("sqs:*")), identity(allow("sqs:*"), allow(action, Condition=there))) == expected
