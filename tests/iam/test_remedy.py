"""Changes that would allow a request, each verified by deciding again; and requests that meet conditions."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from grantproof.iam import (
    IamError,
    Layers,
    MalformedPolicy,
    PolicyType,
    Request,
    Statement,
    evaluate,
    parse_layers,
    parse_policy,
    parse_principal,
    parse_request,
)
from grantproof.iam.assumption import DEFAULTS, Judge
from grantproof.iam.decisions import decide
from grantproof.iam.layerwise import layerwise
from grantproof.iam.match import conditions_hold
from grantproof.iam.remedy import Change, remedy
from grantproof.iam.satisfy import satisfying
from tests.conformance import every_case

ALICE = "arn:aws:iam::111111111111:user/alice"
ROLE = "arn:aws:iam::222222222222:role/reader"
PARAMETER = "arn:aws:ssm:eu-west-1:111111111111:parameter/a"


def policy(type_: PolicyType, *statements: dict[str, Any]) -> Any:
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **s} for s in statements]}
    return parse_policy(document, type_, type_.name)


def request(action: str = "ssm:GetParameter", resource: str = PARAMETER, **context: str) -> Request:
    return Request(
        parse_principal(ALICE), action, resource, resource.split(":")[4], {k: (v,) for k, v in context.items()}
    )


READ = {"Action": "ssm:GetParameter", "Resource": PARAMETER}


def test_an_allowed_request_needs_no_change() -> None:
    found = remedy(request(), Layers(identity=(policy(PolicyType.IDENTITY, READ),)))
    assert (found.changes, found.never) == ((), "")


def test_a_missing_allow_is_one_statement_for_exactly_this() -> None:
    (change,) = remedy(request(), Layers()).changes
    assert (change.kind, change.layer) == ("statement", PolicyType.IDENTITY)
    assert change.statement == {"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": PARAMETER}


def test_a_condition_that_the_request_can_meet_comes_before_any_policy() -> None:
    condition = {"Condition": {"StringEquals": {"aws:PrincipalTag/team": "red"}}}
    (change,) = remedy(request(), Layers(identity=(policy(PolicyType.IDENTITY, {**READ, **condition}),))).changes
    assert (change.kind, change.context) == ("request", {"aws:principaltag/team": ("red",)})


def test_a_deny_is_named_and_then_the_missing_allow() -> None:
    deny = {"Sid": "No", "Effect": "Deny", "Action": "ssm:*", "Resource": "*"}
    changes = remedy(request(), Layers(identity=(policy(PolicyType.IDENTITY, deny),))).changes
    assert [change.kind for change in changes] == ["deny", "statement"]
    assert changes[0].cited is not None
    assert changes[0].cited.sid == "No"


def test_both_sides_of_another_accounts_role_are_named() -> None:
    trust = policy(PolicyType.TRUST, {"Principal": {"AWS": "333333333333"}, "Action": "sts:AssumeRole"})
    changes = remedy(request("sts:AssumeRole", ROLE), Layers(resource=trust)).changes
    assert [change.layer for change in changes] == [PolicyType.TRUST, PolicyType.IDENTITY]
    assert changes[0].statement == {"Effect": "Allow", "Principal": {"AWS": ALICE}, "Action": "sts:AssumeRole"}


def test_a_boundary_has_to_allow_as_well() -> None:
    layers = Layers(
        identity=(policy(PolicyType.IDENTITY, READ),),
        boundary=(policy(PolicyType.BOUNDARY, {"Action": "s3:*", "Resource": "*"}),),
    )
    (change,) = remedy(request(), layers).changes
    assert change.layer is PolicyType.BOUNDARY


def test_no_remedy_is_given_if_a_rule_of_aws_forbids_the_request() -> None:
    root = Request(parse_principal("arn:aws:iam::111111111111:root"), "sts:AssumeRole", ROLE, "222222222222", {})
    found = remedy(root, Layers())
    assert found.changes == ()
    assert "the root user cannot assume roles (T9)" in found.never


def test_remedies_of_the_refusals_that_aws_documents_work() -> None:
    """Each change is made to the documents of the case by hand, and the case decided again through `evaluate`'s own
    door."""
    worked = 0
    for case in every_case():
        asked = deepcopy(case.asked)
        try:
            if asked.pop("assumptions", None) or decide(asked)["decision"] == "allowed":
                continue
            layers = parse_layers(asked.get("policies", {}), asked["request"]["action"], asked["request"]["resource"])
            found = remedy(parse_request(asked["request"]), layers)
        except IamError:
            continue
        if found.never or any(change.kind == "deny" for change in found.changes):
            continue
        for change in found.changes:
            _make(asked, change)
        try:
            assert decide(asked)["decision"] == "allowed", (case.name, found)
        except MalformedPolicy:
            continue  # a policy that is full to its limit takes no further statement
        worked += 1
    assert worked > 300


_OWN_RESOURCE = ("TRUST", "RESOURCE", "KEY")


def _make(asked: dict[str, Any], change: Change) -> None:
    if change.kind == "request":
        changed = {key.lower() for key in change.context}
        context = {k: v for k, v in asked["request"].get("context", {}).items() if k.lower() not in changed}
        asked["request"]["context"] = {**context, **{k: list(v) for k, v in change.context.items() if v}}
        return
    policies = asked.setdefault("policies", {})
    document = {"Version": "2012-10-17", "Statement": [change.statement]}
    if change.layer.name not in _OWN_RESOURCE:
        policies.setdefault(change.layer.name.lower(), []).append(document)
    elif not policies.get("resource"):
        policies["resource"] = document
    else:
        own = policies["resource"]["Statement"]
        policies["resource"]["Statement"] = [*(own if isinstance(own, list) else [own]), change.statement]


@pytest.mark.parametrize(
    "block",
    [
        {"StringEquals": {"sts:ExternalId": "secret"}},
        {"StringLike": {"repo:sub": "repo:acme/*:ref:refs/heads/ma?n"}},
        {"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}, "Null": {"aws:PrincipalOrgID": "false"}},
        {"Bool": {"aws:MultiFactorAuthPresent": "true"}, "NumericLessThan": {"aws:MultiFactorAuthAge": "900"}},
        {"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "192.168.0.0/16"]}},
        {"NotIpAddress": {"aws:SourceIp": "203.0.113.0/24"}},
        {"DateGreaterThan": {"aws:EpochTime": "1767225600"}, "DateLessThan": {"aws:EpochTime": "7258118400"}},
        {"ArnLike": {"aws:SourceArn": "arn:aws:s3:::uploads-*"}, "StringEquals": {"aws:SourceAccount": "111111111111"}},
        {"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}, "Null": {"aws:TagKeys": "false"}},
        {"ForAnyValue:StringLike": {"gitlab.com:sub": ["project_path:acme/*", "x"]}},
        {"StringEquals": {"aws:PrincipalTag/user": "${aws:username}"}},
        {"Null": {"aws:TokenIssueTime": "true"}},
        {"NumericGreaterThanEquals": {"s3:max-keys": "10"}, "NumericLessThanEquals": {"s3:max-keys": "11"}},
    ],
    ids=json.dumps,
)
def test_a_request_that_meets_the_conditions_is_found(block: Any) -> None:
    statement: Statement = policy(PolicyType.IDENTITY, {**READ, "Condition": block}).statements[0]
    met = satisfying(statement.conditions, request(**{"aws:SourceIp": "203.0.113.10"}))
    assert met is not None
    assert conditions_hold(statement, met, Judge(DEFAULTS))


def test_no_request_is_found_for_contradicting_conditions() -> None:
    block = {"StringEquals": {"aws:PrincipalOrgID": "o-1"}, "Null": {"aws:PrincipalOrgID": "true"}}
    statement = policy(PolicyType.IDENTITY, {**READ, "Condition": block}).statements[0]
    assert satisfying(statement.conditions, request()) is None


def test_each_layer_reports_its_own_result() -> None:
    layers = Layers(
        identity=(policy(PolicyType.IDENTITY, READ),),
        boundary=(policy(PolicyType.BOUNDARY, {**READ, "Sid": "Near", "Condition": {"Bool": {"aws:Mfa": "true"}}}),),
    )
    identity, boundary = layerwise(request(), layers)
    assert [cited.policy for cited in identity.allows] == ["IDENTITY"]
    assert identity.nearest is None
    assert boundary.allows == ()
    assert boundary.nearest is not None
    assert (boundary.nearest.sid, boundary.nearest.why.value) == ("Near", "condition")
    assert not evaluate(request(), layers).allowed


def test_a_remedy_never_changes_keys_that_follow_from_caller_or_resource() -> None:
    """To change `aws:PrincipalArn` is to change the caller, and to change `aws:ResourceAccount` the resource."""
    for key, value in (
        ("aws:PrincipalArn", "arn:aws:iam::111111111111:role/other"),
        ("aws:ResourceAccount", "999999999999"),
        ("aws:username", "other"),
    ):
        some = {**READ, "Condition": {"StringEquals": {key: value}}}
        (change,) = remedy(request(), Layers(identity=(policy(PolicyType.IDENTITY, some),))).changes
        assert change.kind == "statement"
    some = {**READ, "Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}}
    (change,) = remedy(request(), Layers(identity=(policy(PolicyType.IDENTITY, some),))).changes
    assert change.kind == "request"
