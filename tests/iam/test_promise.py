"""Deployed policies compared with the contract: each breach names the statement that causes it."""

from __future__ import annotations

from typing import Any

import pytest

from grantproof.iam import Outcome, Policy, PolicyType, evaluate, parse_policy
from grantproof.iam.comparison.promise import PromiseCheck, check_promise, taken_away
from grantproof.iam.layers import Layers

PARAMETER = "arn:aws:ssm:eu-west-1:111111111111:parameter/X"
ROLE = "arn:aws:iam::111111111111:role/reader"


def policy(label: str, *statements: dict[str, Any], type_: PolicyType = PolicyType.IDENTITY) -> Policy:
    return parse_policy({"Version": "2012-10-17", "Statement": list(statements)}, type_, label)


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def told(found: PromiseCheck) -> list[tuple[bool, str, str, int]]:
    assert found.doubt == ""
    return [(b.wider, b.clause, b.cited.policy, b.cited.statement) for b in found.breaches]


PROMISED = policy("contract", allow("ssm:DescribeParameters"), allow("ssm:GetParameter", PARAMETER))


def test_equivalent_policies_have_no_breaches() -> None:
    split = policy("a", allow("ssm:GetParameter", PARAMETER)), policy("b", allow(["ssm:describeparameters"]))
    assert check_promise([PROMISED], split) == PromiseCheck()


def test_a_deny_removes_only_what_the_other_policies_allow() -> None:
    read, write = (policy("real", allow(f"ssm:{name}Parameter")) for name in ("Get", "Put"))
    deny_read, deny_write = (
        policy("contract", {**allow(f"ssm:{name}Parameter"), "Effect": "Deny"}) for name in ("Get", "Put")
    )
    lost = [
        [str(d.clause) for d in taken_away((p,), d).lost_access] for p in (read, write) for d in (deny_read, deny_write)
    ]
    assert lost == [["ssm:GetParameter on *"], [], [], ["ssm:PutParameter on *"]]


def test_a_wider_breach_names_the_deployed_statement() -> None:
    real = policy("real", allow("ssm:DescribeParameters"), allow("ssm:GetParameter", f"{PARAMETER}*"))
    clause = f"ssm:GetParameter on {PARAMETER}*, except on {PARAMETER}"
    assert told(check_promise([PROMISED], [real])) == [(True, clause, "real", 1)]


def test_a_breach_has_the_full_text_besides_the_abbreviated_one() -> None:
    """Otherwise a waiver for one breach would accept another with the same abbreviation."""
    read = ["s3:GetObject", "s3:GetObjectAcl", "s3:GetObjectTagging", "s3:GetObjectVersion"]
    clauses = []
    for last in ("s3:ListBucket", "s3:PutObject"):
        (breach,) = check_promise([PROMISED], (PROMISED, policy("real", allow([*read, last])))).breaches
        clauses.append((breach.clause, last in breach.in_full))
    short = "s3:GetObject and s3:GetObjectAcl and s3:GetObjectTagging and 2 more on *"
    assert clauses == [(short, True), (short, True)]


def test_a_narrower_breach_names_the_promise_that_is_not_kept() -> None:
    real = policy("real", allow("ssm:DescribeParameters"))
    assert told(check_promise([PROMISED], [real])) == [(False, f"ssm:GetParameter on {PARAMETER}", "contract", 1)]


def test_a_deployed_deny_that_takes_a_promise_away_is_named() -> None:
    real = policy(
        "real",
        allow("ssm:DescribeParameters"),
        allow("ssm:GetParameter", PARAMETER),
        {**allow("ssm:Get*"), "Effect": "Deny"},
    )
    ((wider, _, label, statement),) = told(check_promise([PROMISED], [real]))
    assert (wider, label, statement) == (False, "real", 2)


def test_not_forms_are_compared_like_everything_else() -> None:
    real = policy("real", {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"})
    (breach,) = check_promise([PROMISED], [real]).breaches
    assert breach.wider
    assert evaluate(breach.witness, Layers(identity=(real,))).allowed


def test_a_boundary_limits_what_is_deployed() -> None:
    real = policy("real", allow("*"))
    boundary = policy(
        "limit", allow("ssm:DescribeParameters"), allow("ssm:GetParameter", PARAMETER), type_=PolicyType.BOUNDARY
    )
    assert check_promise([PROMISED], [real], boundary=[boundary]) == PromiseCheck()
    (breach,) = check_promise(
        [PROMISED], [real], boundary=[policy("limit", allow("ssm:*"), type_=PolicyType.BOUNDARY)]
    ).breaches
    assert (breach.wider, breach.cited.policy) == (True, "real")


def enter(principal: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **more}


def test_a_trust_policy_without_the_promised_condition_lets_somebody_new_in() -> None:
    external = {"StringEquals": {"sts:ExternalId": "agreed"}}
    promised = policy("contract", enter({"AWS": "222222222222"}, Condition=external), type_=PolicyType.TRUST)
    real = policy(f"{ROLE}#trust", enter({"AWS": "222222222222"}), type_=PolicyType.TRUST)
    found = check_promise([promised], [real], owner="111111111111")
    assert {b.cited.policy for b in found.breaches} == {f"{ROLE}#trust"}
    assert {b.wider for b in found.breaches} == {True}
    assert all("sts:externalid" not in b.witness.values for b in found.breaches)


PUBLISH, TOPIC = "sns:Publish", "arn:aws:sns:eu-west-1:111111111111:t"


def test_a_statement_that_lets_several_kinds_of_callers_in_is_one_breach_that_names_them_all() -> None:
    """Each statement is a breach of its own; the witness for public access has no credentials."""
    promised = policy("contract", allow(PUBLISH, TOPIC, Principal={"AWS": "111111111111"}), type_=PolicyType.RESOURCE)
    partner = allow("sns:Subscribe", TOPIC, Principal={"AWS": "222222222222"})
    public = allow(PUBLISH, TOPIC, Principal="*")
    real = policy(TOPIC, partner, public, type_=PolicyType.RESOURCE)
    found = {b.cited.statement: b for b in check_promise([promised], [real], owner="111111111111").breaches}
    of_account = "any user, any role session and the root user of account 222222222222"
    assert found[0].clause == f"sns:Subscribe on {TOPIC} by {of_account}"
    assert found[1].clause.startswith(f"{PUBLISH} on {TOPIC} by anybody, also without credentials, and by ")
    assert "any user, any role session and the root user of any other account" in found[1].clause
    assert str(found[1].witness.principal) == "anonymous"
    assert len(found) == len(check_promise([promised], [real], owner="111111111111").breaches) == 2


def test_callers_who_are_let_in_under_other_conditions_are_a_breach_of_their_own() -> None:
    promised = policy("contract", allow(PUBLISH, TOPIC, Principal={"AWS": "111111111111"}), type_=PolicyType.RESOURCE)
    user = {"StringLike": {"aws:PrincipalArn": "arn:aws:iam::222222222222:user/*"}}
    both = [
        allow(PUBLISH, TOPIC, Principal={"AWS": "222222222222"}, Condition=user),
        allow("sns:Subscribe", TOPIC, Principal={"AWS": "222222222222"}),
    ]
    real = policy(TOPIC, *both, type_=PolicyType.RESOURCE)
    clauses = {b.cited.statement: b.clause for b in check_promise([promised], [real], owner="111111111111").breaches}
    assert " by any user of account 222222222222" in clauses[0]
    assert "role session" not in clauses[0]
    assert "role session" in clauses[1]


def test_a_breach_that_depends_on_a_reading_is_a_doubt() -> None:
    promised = policy("contract", allow("ssm:GetParameter", "arn:aws:ssm:*:111111111111:parameter/a*b"))
    real = policy(
        "real",
        allow(
            "ssm:GetParameter", ["arn:aws:ssm:*:111111111111:parameter/a*b", "arn:aws:ssm:*:111111111111:parameter/a:b"]
        ),
    )
    assert "O5" in check_promise([promised], [real]).doubt


def test_naming_a_user_of_the_own_account_lets_it_in_by_itself_which_naming_the_account_does_not() -> None:
    account = "arn:aws:iam::111111111111:root"
    promised = policy("contract", enter({"AWS": account}), type_=PolicyType.TRUST)
    real = policy(
        f"{ROLE}#trust", enter({"AWS": [account, "arn:aws:iam::111111111111:user/bob"]}), type_=PolicyType.TRUST
    )
    (breach,) = check_promise([promised], [real], owner="111111111111").breaches
    assert (breach.wider, str(breach.witness.principal)) == (True, "arn:aws:iam::111111111111:user/bob")


def test_the_witness_for_a_roles_permissions_is_a_session_of_that_role() -> None:
    real = policy("real", allow("ssm:DescribeParameters"), allow("ssm:GetParameter", f"{PARAMETER}*"))
    (breach,) = check_promise([PROMISED], [real], bearer=ROLE).breaches
    session = "arn:aws:sts::111111111111:assumed-role/reader/example"
    assert (breach.witness.principal.arn, breach.witness.principal.issuer) == (session, ROLE)
    assert evaluate(breach.witness, Layers(identity=(real,))).allowed
    assert not evaluate(breach.witness, Layers(identity=(PROMISED,))).allowed


def test_a_witness_stays_a_user_if_the_role_s_session_shows_nothing() -> None:
    """Requests that only users are allowed cannot be made by a role's session."""
    users = {"StringEquals": {"aws:PrincipalType": "User"}}
    real = policy("real", allow("ssm:DescribeParameters"), allow("ssm:*", PARAMETER, Condition=users))
    (breach, *_) = check_promise([PROMISED], [real], bearer=ROLE).breaches
    assert breach.wider
    assert evaluate(breach.witness, Layers(identity=(real,))).allowed


@pytest.mark.parametrize("bearer", [None, "arn:aws-cn:iam::111111111111:role/reader"])
def test_a_witness_is_of_the_partition_that_is_asked_for(bearer: str | None) -> None:
    role = "arn:aws-cn:iam::222222222222:role/other"
    real = policy("real", allow("sts:AssumeRole"))
    (breach,) = check_promise(
        [policy("contract", allow("sts:AssumeRole", role))], [real], bearer=bearer, partition="aws-cn"
    ).breaches
    named = (breach.witness.principal.identity_arn, breach.witness.resource)
    assert all((arn or "").startswith("arn:aws-cn:") for arn in named), named


def test_a_witness_of_a_trust_policy_is_of_the_partition_too() -> None:
    account = "arn:aws-us-gov:iam::222222222222:root"
    mfa = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    promised = policy("contract", enter({"AWS": account}, Condition=mfa), type_=PolicyType.TRUST)
    real = policy(f"{ROLE}#trust", enter({"AWS": account}), type_=PolicyType.TRUST)
    breaches = check_promise([promised], [real], owner="111111111111", partition="aws-us-gov").breaches
    assert breaches
    for breach in breaches:
        assert (breach.witness.principal.identity_arn or "").startswith("arn:aws-us-gov:iam::222222222222:")


def test_a_promised_deny_that_is_not_deployed_is_named() -> None:
    """Only this Deny prevented what the callers' own policies allow in the resource's account."""
    deny = {**allow("s3:*", Principal="*", Condition={"Bool": {"aws:SecureTransport": "false"}}), "Effect": "Deny"}
    deny["Resource"] = "arn:aws:s3:::shared/*"
    read = allow("s3:GetObject", "arn:aws:s3:::shared/*", Principal={"AWS": "arn:aws:iam::222222222222:root"})
    promised = policy("contract", read, deny, type_=PolicyType.RESOURCE)
    real = policy("real", read, type_=PolicyType.RESOURCE)
    found = check_promise([promised], [real], owner="111111111111")
    assert found.doubt == ""
    assert all(breach.wider for breach in found.breaches)
    assert ("contract", 1) in {(breach.cited.policy, breach.cited.statement) for breach in found.breaches}


DENIED = {**allow(["ssm:GetParameter", "ssm:GetParameters"]), "Effect": "Deny"}


@pytest.mark.parametrize(
    ("deployed", "left"),
    [
        ([DENIED], []),
        ([{**DENIED, "Action": "ssm:Get*"}], []),
        ([{**allow("ssm:GetParameter"), "Effect": "Deny"}], ["ssm:GetParameters on *"]),
        ([], ["ssm:GetParameter and ssm:GetParameters on *"]),
        ([{**DENIED, "NotResource": "*"}], ["ssm:GetParameter and ssm:GetParameters on *"]),
    ],
    ids=str,
)
def test_a_promised_deny_has_to_be_there_also_where_nothing_beside_it_is_allowed(
    deployed: Any, left: list[str]
) -> None:
    """A resource's policy may name a session, and only an explicit Deny stops that session (rules E13 and E16)."""
    for statement in deployed:
        statement.pop("Resource", None) if "NotResource" in statement else None
    promised = policy("contract", allow("ssm:DescribeParameters"), DENIED)
    found = check_promise([promised], [policy("real", allow("ssm:DescribeParameters"), *deployed)])
    assert [(b.wider, b.denied, b.clause, b.cited.statement) for b in found.breaches] == [
        (True, True, clause, 1) for clause in left
    ]
    for breach in found.breaches:
        assert evaluate(breach.witness, Layers(identity=(promised,))).outcome is Outcome.EXPLICIT_DENY


def test_a_promised_deny_may_stand_in_the_boundary() -> None:
    promised = policy("contract", allow("ssm:DescribeParameters"), DENIED)
    boundary = policy("limit", allow("ssm:*"), DENIED, type_=PolicyType.BOUNDARY)
    assert (
        check_promise([promised], [policy("real", allow("ssm:DescribeParameters"))], boundary=[boundary])
        == PromiseCheck()
    )
