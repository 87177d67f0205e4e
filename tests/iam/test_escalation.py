"""Widening one's own access: the known ways, the general question, and actions that are neither."""

from __future__ import annotations

from typing import Any

import pytest

from grantproof.iam import Layers, PolicyType, Request, actions, evaluate, parse_policy
from grantproof.iam.comparison.escalation import Bounds, Danger, dangers
from grantproof.iam.comparison.escalation_ways import WAYS, Way

ROLE = "arn:aws:iam::111111111111:role/worker"
ATTACHED = "arn:aws:iam::111111111111:policy/attached"
BOUNDS = Bounds(role=ROLE, policies=(ATTACHED,))


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {**allow(action, resource, **more), "Effect": "Deny"}


def layers(*statements: dict[str, Any], boundary: list[dict[str, Any]] | None = None) -> Layers:
    def policy(found: Any, type_: PolicyType) -> Any:
        return (parse_policy({"Version": "2012-10-17", "Statement": list(found)}, type_, "policy"),)

    bound = policy(boundary, PolicyType.BOUNDARY) if boundary else None
    return Layers(identity=policy(statements, PolicyType.IDENTITY), boundary=bound)


def found(*statements: dict[str, Any], **more: Any) -> tuple[Danger, ...]:
    promised = more.pop("promised", ())
    return dangers(layers(*statements, **more), BOUNDS, promised=promised)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_every_known_way_is_found_and_needs_all_of_its_actions(way: Way) -> None:
    whole = [d for d in found(allow(list(way.needs))) if d.what == way.name]
    assert len(whole) == 1
    assert whole[0].witness is not None
    assert {cited.policy for cited in whole[0].because} == {"policy"}
    if way.needs != ("sts:AssumeRole",):  # which needs a trust policy as well
        assert evaluate(whole[0].witness, layers(allow(list(way.needs)))).allowed
    for missing in way.needs:
        rest = [action for action in way.needs if action != missing]
        if rest:
            assert not [d for d in found(allow(rest)) if d.what == way.name]


def test_all_known_ways_have_existing_actions_and_a_source() -> None:
    assert len(WAYS) >= 60
    assert len({way.name for way in WAYS}) == len(WAYS)
    assert all(way.source for way in WAYS)
    # CodeStar has ended, and its actions are no longer listed; a pattern may still name them.
    unknown = {action for way in WAYS for action in way.needs if not actions.exists(action)}
    assert {action.split(":")[0] for action in unknown} <= {"codestar"}


@pytest.mark.parametrize(
    "statements",
    [
        [allow("ssm:GetParameter")],
        [allow("iam:PassRole")],
        [allow(["iam:GetRole", "iam:List*"])],
        [allow("iam:*"), deny("iam:*")],
        [allow("*"), deny("*")],
        [allow("iam:PutRolePolicy"), deny("iam:Put*")],
        [deny("iam:PutRolePolicy")],
    ],
    ids=str,
)
def test_actions_that_cannot_widen_access_are_no_finding(statements: list[dict[str, Any]]) -> None:
    assert found(*statements) == ()


@pytest.mark.parametrize(
    "statement",
    [
        allow("iam:PutRolePolicy", ROLE),
        allow("iam:Put*", "arn:aws:iam::*:role/*"),
        allow("IAM:putrolepolicy"),
        allow("*"),
        allow("iam:?utRolePolicy", Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}}),
        allow("iam:PutRolePolicy", "arn:aws:iam::111111111111:role/${aws:PrincipalTag/role}"),
        {"Effect": "Allow", "NotAction": "ssm:*", "Resource": "*"},
        {"Effect": "Allow", "Action": "iam:PutRolePolicy", "NotResource": "arn:aws:iam::111111111111:role/other"},
    ],
    ids=str,
)
def test_changing_the_callers_own_role_is_found_in_any_spelling(statement: dict[str, Any]) -> None:
    own = [
        d
        for d in found(statement)
        if d.what == "changes the role by which it is bound" and d.actions == ("iam:PutRolePolicy",)
    ]
    assert len(own) == 1
    request = own[0].witness
    assert isinstance(request, Request)
    assert request.resource == ROLE
    assert evaluate(request, layers(statement)).allowed
    assert own[0].because[0].policy == "policy"


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        (allow("iam:DeleteRolePermissionsBoundary", ROLE), "changes the role by which it is bound"),
        (allow("iam:DetachRolePolicy", ROLE), "changes the role by which it is bound"),
        (allow("iam:TagRole", ROLE), "changes the role by which it is bound"),
        (allow("iam:DeletePolicyVersion", ATTACHED), "changes a managed policy by which it is bound"),
        (allow("organizations:DetachPolicy"), "changes policies above its account by which it is bound"),
        (allow("ec2:ModifyVpcEndpoint"), "changes policies above its account by which it is bound"),
        (allow("kms:CreateGrant"), "manages the permissions of what it uses"),
        (allow("s3:PutBucketPolicy", "arn:aws:s3:::mine"), "manages the permissions of what it uses"),
        (allow("ssm:PutResourcePolicy"), "manages the permissions of what it uses"),
    ],
    ids=str,
)
def test_changing_what_limits_the_caller_is_found(statement: dict[str, Any], what: str) -> None:
    assert what in {danger.what for danger in found(statement)}


@pytest.mark.parametrize(
    ("resource", "action"),
    [
        ("arn:aws:s3:::mine", "s3:DeleteBucketPolicy"),
        ("arn:aws:s3:::mine/*", "s3:BypassGovernanceRetention"),
        ("arn:aws:s3:eu-west-1:111111111111:accesspoint/mine", "s3:DeleteAccessPointPolicy"),
    ],
)
def test_the_example_of_managing_permissions_is_an_action_that_works_on_the_resources(
    resource: str, action: str
) -> None:
    (danger,) = (d for d in found(allow("s3:*", resource)) if d.what == "manages the permissions of what it uses")
    assert danger.actions == (action,)
    assert isinstance(danger.witness, Request)
    assert evaluate(danger.witness, layers(allow("s3:*", resource))).allowed


def test_what_is_cited_is_a_statement_that_somebody_wrote() -> None:
    own = {"Condition": {"StringEquals": {"aws:ResourceAccount": "111111111111"}}}
    for danger in found(allow("s3:Put*", ["arn:aws:s3:::mine", "arn:aws:s3:::mine/*"], **own)):
        assert {cited.policy for cited in danger.because} == {"policy"}


def test_the_source_of_a_known_way_is_given_in_words() -> None:
    said = {danger.what: danger.source for danger in found(allow("*"))}
    assert said["starts an instance with another role"] == "a known way: Rhino Security Labs, method 3"
    assert said["changes a stack"] == "a known way: Bishop Fox, CloudFormation-UpdateStack"
    assert said["changes what a project builds"] == "a known way: pathfinding.cloud, codebuild"
    assert said["assigns a permission set"] == "a known way: Service Authorization Reference"
    assert said["changes the role by which it is bound"] == ""


def test_changing_policies_of_others_is_a_known_way_and_no_change_of_the_callers_limits() -> None:
    other = allow("iam:PutRolePolicy", "arn:aws:iam::111111111111:role/other")
    assert {danger.what for danger in found(other)} == {"writes a policy into a role"}
    assert found(allow("iam:DeletePolicyVersion", "arn:aws:iam::111111111111:policy/other")) == ()


def test_a_boundary_removes_dangers_and_a_condition_does_not() -> None:
    assert found(allow("*"), boundary=[allow("ssm:*Parameter")]) == ()
    assert found(allow("*"), boundary=[allow("iam:PutRolePolicy")]) != ()
    assert found(allow("*"), deny("*", Condition={"Bool": {"aws:SecureTransport": "false"}})) != ()


def test_actions_promised_by_name_are_omitted_except_changes_of_the_own_bounds() -> None:
    passing = allow(["iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"])
    named = ["iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"]
    assert found(passing, promised=named) == ()
    assert found(passing, promised=named[:2]) != ()
    assert found(allow("kms:CreateGrant"), promised=["kms:CreateGrant"]) == ()
    assert {d.what for d in found(allow("iam:PutRolePolicy", ROLE), promised=["iam:PutRolePolicy"])} == {
        "changes the role by which it is bound"
    }


def test_cached_dangers_apply_to_the_same_policies_boundary_and_bounds_only() -> None:
    def its_own(role: str, bound: str, **more: Any) -> bool:
        found = dangers(layers(allow("iam:PutRolePolicy", role), **more), Bounds(role=bound))
        return any(danger.what == "changes the role by which it is bound" for danger in found)

    assert its_own(ROLE, ROLE)
    assert not its_own(ROLE, f"{ROLE}-2")
    assert not its_own(f"{ROLE}-2", ROLE)
    assert not its_own(ROLE, ROLE, boundary=[allow("s3:GetObject")])


def test_two_statements_with_different_conditions_add_up() -> None:
    first = allow("iam:PassRole", Condition={"StringEquals": {"aws:RequestedRegion": "eu-west-1"}})
    second = allow("ec2:RunInstances", Condition={"StringEquals": {"aws:RequestedRegion": "us-east-1"}})
    assert "starts an instance with another role" in {danger.what for danger in found(first, second)}
