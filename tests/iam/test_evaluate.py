"""The evaluator decides as AWS's rules say. Cases from AWS's own pages are in fixtures/conformance."""

from __future__ import annotations

from typing import Any

import pytest

from grantproof.iam import Decision, Undecided, evaluate, explanation, parse_layers, parse_request
from grantproof.iam.errors import BadRequest

OWNER, PARTNER, STRANGER = "111111111111", "222222222222", "333333333333"
ROLE = f"arn:aws:iam::{OWNER}:role/reader"
SESSION = f"arn:aws:sts::{OWNER}:assumed-role/reader/alice"
ALICE = f"arn:aws:iam::{PARTNER}:user/alice"
PARAMETER = f"arn:aws:ssm:eu-west-1:{OWNER}:parameter/db"
BUCKET = "arn:aws:s3:::reports"

ALLOW_ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def decide(
    principal: Any, action: str, target: str, context: Any = None, /, *, owner: str | None = OWNER, **layers: Any
) -> Any:
    data = {"principal": principal, "action": action, "resource": target, "context": context or {}}
    if owner is not None:
        data["resource_account"] = owner
    return evaluate(parse_request(data), parse_layers(layers, action, target))


def outcome(*args: Any, **kwargs: Any) -> str:
    return str(decide(*args, **kwargs).outcome.value)


def trust(principal: Any, **more: Any) -> dict[str, Any]:
    return document({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **more})


def test_nothing_is_allowed_without_an_allow() -> None:
    assert outcome(SESSION, "ssm:GetParameter", PARAMETER) == "implicitDeny"


def test_explicit_deny_beats_every_allow() -> None:
    deny = document({"Effect": "Deny", "Action": "ssm:*", "Resource": "*"})
    decision = decide(SESSION, "ssm:GetParameter", PARAMETER, identity=[document(ALLOW_ALL), deny])
    assert decision.outcome.value == "explicitDeny"
    assert [(c.policy, c.statement) for c in decision.because] == [("identity[1]", 0)]


@pytest.mark.parametrize("layer", ["boundary", "session", "endpoint"])
def test_a_limiting_policy_takes_away_what_it_does_not_allow(layer: str) -> None:
    narrow: dict[str, Any] = {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}
    if layer == "endpoint":
        narrow["Principal"] = "*"
    decision = decide(
        SESSION, "ssm:GetParameter", PARAMETER, identity=[document(ALLOW_ALL)], **{layer: [document(narrow)]}
    )
    assert decision.outcome.value == "implicitDeny"
    assert decision.blocked_by is not None


def test_every_level_of_scps_has_to_allow() -> None:
    full, ec2 = document(ALLOW_ALL), document({"Effect": "Allow", "Action": "ec2:*", "Resource": "*"})
    identity = [document(ALLOW_ALL)]
    assert outcome(SESSION, "ssm:GetParameter", PARAMETER, identity=identity, scp=[[full], [ec2, full]]) == "allowed"
    assert outcome(SESSION, "ssm:GetParameter", PARAMETER, identity=identity, scp=[[full], [ec2]]) == "implicitDeny"
    assert outcome(SESSION, "ssm:GetParameter", PARAMETER, identity=identity, scp=[[full], []]) == "implicitDeny"
    assert outcome(SESSION, "ssm:GetParameter", PARAMETER, identity=identity, scp=[]) == "implicitDeny"


def test_a_partner_needs_the_trust_policy_and_an_identity_policy() -> None:
    may = [document({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": ROLE})]
    trusting = trust({"AWS": PARTNER})
    assert outcome(ALICE, "sts:AssumeRole", ROLE, identity=may, resource=trusting) == "allowed"
    assert outcome(ALICE, "sts:AssumeRole", ROLE, identity=[], resource=trusting) == "implicitDeny"
    assert outcome(ALICE, "sts:AssumeRole", ROLE, identity=may) == "implicitDeny"


def test_a_third_account_is_refused_whatever_its_own_policies_allow() -> None:
    stranger = f"arn:aws:iam::{STRANGER}:user/mallory"
    decision = decide(
        stranger, "sts:AssumeRole", ROLE, identity=[document(ALLOW_ALL)], resource=trust({"AWS": PARTNER})
    )
    assert decision.outcome.value == "implicitDeny"
    assert decision.blocked_by.value == "role trust policy"


def test_a_missing_external_id_does_not_match() -> None:
    trusting = trust({"AWS": PARTNER}, Condition={"StringEquals": {"sts:ExternalId": "s3cret"}})
    layers = {"identity": [document(ALLOW_ALL)], "resource": trusting}
    assert outcome(ALICE, "sts:AssumeRole", ROLE, {"sts:ExternalId": "s3cret"}, **layers) == "allowed"
    assert outcome(ALICE, "sts:AssumeRole", ROLE, {}, **layers) == "implicitDeny"


def test_a_user_whose_name_begins_with_a_trusted_name_is_somebody_else() -> None:
    layers = {"identity": [document(ALLOW_ALL)], "resource": trust({"AWS": ALICE})}
    assert outcome(ALICE, "sts:AssumeRole", ROLE, **layers) == "allowed"
    assert outcome(f"{ALICE}-admin", "sts:AssumeRole", ROLE, **layers) == "implicitDeny"


def test_the_root_user_of_the_owner_needs_no_policy_but_cannot_assume_a_role() -> None:
    root = f"arn:aws:iam::{OWNER}:root"
    assert outcome(root, "ssm:GetParameter", PARAMETER) == "allowed"
    assert decide(root, "sts:AssumeRole", ROLE, resource=trust({"AWS": OWNER})).rule == "T9"


def test_a_boundary_does_not_limit_what_a_resource_policy_grants_to_the_user_itself() -> None:
    user = f"arn:aws:iam::{OWNER}:user/alice"
    bucket = document({"Effect": "Allow", "Principal": {"AWS": user}, "Action": "s3:*", "Resource": BUCKET})
    boundary = [document({"Effect": "Allow", "Action": "ec2:*", "Resource": "*"})]
    assert outcome(user, "s3:ListBucket", BUCKET, resource=bucket, boundary=boundary) == "allowed"
    assert (
        outcome(
            SESSION,
            "s3:ListBucket",
            BUCKET,
            boundary=boundary,
            resource=document({"Effect": "Allow", "Principal": {"AWS": ROLE}, "Action": "s3:*", "Resource": BUCKET}),
        )
        == "implicitDeny"
    )


def test_a_decision_that_rests_on_an_open_point_says_so() -> None:
    pattern = document({"Effect": "Allow", "Action": "ssm:*", "Resource": "arn:aws:s*m:eu-west-1:*:parameter/db"})
    assert decide(SESSION, "ssm:GetParameter", PARAMETER, identity=[pattern]).depends_on == ("O39",)
    plain = document({"Effect": "Allow", "Action": "ssm:*", "Resource": "arn:aws:ssm:*:*:parameter/*"})
    assert decide(SESSION, "ssm:GetParameter", PARAMETER, identity=[plain]).depends_on == ()


def test_several_values_without_a_set_prefix_are_not_judged() -> None:
    policy = document({**ALLOW_ALL, "Condition": {"StringEquals": {"aws:TagKeys": "a"}}})
    with pytest.raises(Undecided, match=r"identity\[0\] Statement\[0\].*no set prefix"):
        decide(SESSION, "ssm:AddTagsToResource", PARAMETER, {"aws:TagKeys": ["a", "b"]}, identity=[policy])


def test_an_undecided_statement_does_not_matter_beside_an_explicit_deny() -> None:
    unclear = {**ALLOW_ALL, "Condition": {"StringEquals": {"aws:TagKeys": "a"}}}
    deny = {"Effect": "Deny", "Action": "*", "Resource": "*"}
    context = {"aws:TagKeys": ["a", "b"]}
    assert (
        outcome(SESSION, "ssm:GetParameter", PARAMETER, context, identity=[document(unclear, deny)]) == "explicitDeny"
    )


def test_an_unknown_owner_is_an_error_only_where_it_matters() -> None:
    assert outcome(SESSION, "s3:GetObject", f"{BUCKET}/x", owner=None) == "implicitDeny"
    with pytest.raises(BadRequest, match="give resource_account"):
        decide(SESSION, "s3:GetObject", f"{BUCKET}/x", owner=None, identity=[document(ALLOW_ALL)])


@pytest.mark.parametrize("account", [OWNER, "000000000000"])
def test_an_unknown_owner_is_an_error_whatever_the_callers_account(account: str) -> None:
    data = {"principal": f"arn:aws:iam::{account}:user/ann", "action": "s3:GetObject", "resource": "arn:aws:s3:::b/k"}
    with pytest.raises(BadRequest, match="give resource_account"):
        evaluate(parse_request(data), parse_layers({"identity": [{"Statement": ALLOW_ALL}]}))


def test_a_request_on_an_unknown_resource_is_decided_only_if_no_statement_depends_on_it() -> None:
    from dataclasses import replace

    request = parse_request({"principal": SESSION, "action": "ssm:GetParameter", "resource": PARAMETER})
    unknown = replace(request, resource=None)
    narrow = parse_layers({"identity": [document({"Effect": "Allow", "Action": "ssm:*", "Resource": PARAMETER})]})
    other = parse_layers({"identity": [document({"Effect": "Allow", "Action": "ec2:*", "Resource": PARAMETER})]})
    assert evaluate(unknown, other).outcome.value == "implicitDeny"
    assert evaluate(unknown, parse_layers({"identity": [document(ALLOW_ALL)]})).allowed
    with pytest.raises(Undecided, match="depends on the resource"):
        evaluate(unknown, narrow)


def test_cost_grows_with_the_statements_that_can_match() -> None:
    """A thousand statements on other parameters are not evaluated for a request on this one."""
    from grantproof.iam.document import parse
    from grantproof.iam.layers import PolicySet
    from grantproof.iam.policy import PolicyType

    many = [{"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": f"{PARAMETER}{n}"} for n in range(1000)]
    policies = PolicySet((parse(document(*many), PolicyType.IDENTITY, "identity[0]"),))
    assert len(list(policies.candidates("ssm:getparameter", f"{PARAMETER}7"))) == 1


@pytest.mark.parametrize("effect", ["Allow", "Deny"])
@pytest.mark.parametrize(
    ("caller", "issuer"),
    [
        (SESSION, f"arn:aws:iam::{OWNER}:role/team/reader"),
        (f"arn:aws:sts::{OWNER}:federated-user/alice", f"arn:aws:iam::{OWNER}:user/broker"),
    ],
)
def test_a_session_is_not_guessed_to_be_of_some_role_if_the_request_does_not_say(
    caller: str, issuer: str, effect: str
) -> None:
    bucket = document({"Effect": effect, "Principal": {"AWS": issuer}, "Action": "s3:*", "Resource": BUCKET})
    layers = {"identity": [document(ALLOW_ALL)] if effect == "Deny" else [], "session": [document(ALLOW_ALL)]}
    with pytest.raises(Undecided, match="session_issuer"):
        outcome(caller, "s3:ListBucket", BUCKET, resource=bucket, **layers)
    request = parse_request(
        {"principal": caller, "session_issuer": issuer, "action": "s3:ListBucket", "resource": BUCKET}
        | {"resource_account": OWNER}
    )
    decision = evaluate(request, parse_layers({"resource": bucket, **layers}, "s3:ListBucket", BUCKET))
    assert decision.outcome.value == ("allowed" if effect == "Allow" else "explicitDeny")


def test_the_case_of_a_users_name_is_an_open_point_however_many_statements_there_are() -> None:
    user = f"arn:aws:iam::{OWNER}:user"
    deny = {"Effect": "Deny", "Action": "iam:*", "Resource": f"{user}/bob"}
    others = [{"Effect": "Allow", "Action": "iam:*", "Resource": f"{user}/{n}"} for n in range(20)]
    identity = [document(ALLOW_ALL, deny, *others)]
    assert decide(SESSION, "iam:DeleteUser", f"{user}/Bob", identity=identity).depends_on == ("O6",)


# --- as the pages of services have it: the request, the policies, and what becomes of it by context -------------------

SERVICE = "s3.amazonaws.com"
TOPIC = f"arn:aws:sns:eu-west-1:{OWNER}:uploads"
TABLE = f"arn:aws:dynamodb:eu-west-1:{OWNER}:table/GameScores"
USER = f"arn:aws:iam::{OWNER}:user"
FROM_S3 = {"ArnLike": {"aws:SourceArn": "arn:aws:s3:*:*:photos"}, "StringEquals": {"aws:SourceAccount": OWNER}}
OWN_ITEMS = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": "${www.amazon.com:user_id}"}}
BOUNDED = {"StringNotEquals": {"iam:PermissionsBoundary": f"arn:aws:iam::{OWNER}:policy/limit"}}
SAME_TEAM = {"StringNotEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}}
TAGGING = {
    "StringEquals": {"aws:RequestTag/environment": ["preprod", "prod"]},
    "ForAllValues:StringEquals": {"aws:TagKeys": "environment"},
}
ORGANIZATION = {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": "o-1"}}
NO_SERVICE = {"BoolIfExists": {"aws:PrincipalIsAWSService": "false"}}
BUT_ADMINS = {"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/admin*"}}
OFFICE = {"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}, "Bool": {"aws:ViaAWSService": "false"}}
SIGNED_IN = {"ForAnyValue:StringLike": {"cognito-identity.amazonaws.com:amr": "authenticated"}}
COGNITO = {"Federated": "cognito-identity.amazonaws.com"}


def allowing(*actions: str, on: str = "*", **more: Any) -> dict[str, Any]:
    return document({"Effect": "Allow", "Action": list(actions), "Resource": on, **more})


def but(condition: Any, *actions: str, **more: Any) -> dict[str, Any]:
    deny = {"Effect": "Deny", "Action": list(actions), "Resource": "*", "Condition": condition}
    return document(ALLOW_ALL | more, deny | more)


@pytest.mark.parametrize(
    ("caller", "action", "target", "layers", "contexts"),
    [
        (
            {"Service": SERVICE}, "sns:Publish", TOPIC,
            {"resource": allowing("SNS:Publish", Principal={"Service": SERVICE}, Condition=FROM_S3)},
            {
                "allowed": {"aws:SourceArn": "arn:aws:s3:::photos", "aws:SourceAccount": OWNER},
                "implicitDeny": {"aws:SourceArn": "arn:aws:s3:::photos", "aws:SourceAccount": PARTNER},
            },
        ),
        (
            SESSION, "dynamodb:GetItem", TABLE, {"identity": [allowing("dynamodb:*", Condition=OWN_ITEMS)]},
            {
                "allowed": {"www.amazon.com:user_id": "u1", "dynamodb:LeadingKeys": ["u1"]},
                "implicitDeny": {"www.amazon.com:user_id": "u1", "dynamodb:LeadingKeys": ["u1", "u2"]},
            },
        ),
        (
            f"{USER}/ann", "iam:CreateRole", ROLE, {"identity": [but(BOUNDED, "iam:CreateRole")]},
            {
                "allowed": {"iam:PermissionsBoundary": f"arn:aws:iam::{OWNER}:policy/limit"},
                "explicitDeny": {"iam:PermissionsBoundary": f"arn:aws:iam::{OWNER}:policy/other"},
            },
        ),
        (f"{USER}/ann", "iam:CreateRole", ROLE, {"identity": [but(BOUNDED, "iam:CreateRole")]}, {"explicitDeny": {}}),
        (
            SESSION, "secretsmanager:PutSecretValue", f"arn:aws:secretsmanager:eu-west-1:{OWNER}:secret:db-abc",
            {"identity": [but(SAME_TEAM, "secretsmanager:*")]},
            {
                "allowed": {"aws:ResourceTag/team": "red", "aws:PrincipalTag/team": "red"},
                "explicitDeny": {"aws:ResourceTag/team": "red", "aws:PrincipalTag/team": "blue"},
            },
        ),
        (
            SESSION, "ec2:CreateTags", f"arn:aws:ec2:eu-west-1:{OWNER}:instance/i-1",
            {"identity": [allowing("ec2:CreateTags", Condition=TAGGING)]},
            {
                "allowed": {"aws:RequestTag/environment": "prod", "aws:TagKeys": ["environment"]},
                "implicitDeny": {"aws:RequestTag/environment": "prod", "aws:TagKeys": ["environment", "x"]},
            },
        ),
        (
            f"arn:aws:iam::{OWNER}:user/team/ann", "iam:ChangePassword", f"{USER}/team/ann",
            {"identity": [allowing("iam:ChangePassword", on="arn:aws:iam::*:user/${aws:username}")]},
            {"implicitDeny": {}},
        ),
        (
            {"Service": SERVICE}, "s3:PutObject", f"{BUCKET}/log",
            {"resource": but(ORGANIZATION | NO_SERVICE, "s3:*", Principal="*")}, {"allowed": {}},
        ),
        (
            {"Service": SERVICE}, "s3:PutObject", f"{BUCKET}/log",
            {"resource": but(ORGANIZATION, "s3:*", Principal="*")}, {"explicitDeny": {}},
        ),
        (
            f"arn:aws:sts::{OWNER}:assumed-role/administrator/x", "ec2:StopInstances", "*",
            {"identity": [document(ALLOW_ALL)], "scp": [[but(BUT_ADMINS, "*")]]}, {"allowed": {}},
        ),
        (
            f"{USER}/admin", "ec2:StopInstances", "*",
            {"identity": [document(ALLOW_ALL)], "scp": [[but(BUT_ADMINS, "*")]]}, {"explicitDeny": {}},
        ),
        (
            f"{USER}/ann", "ec2:RunInstances", "*", {"identity": [but(OFFICE, "*")]},
            {
                "allowed": {"aws:SourceIp": "8.8.8.8", "aws:ViaAWSService": "true"},
                "explicitDeny": {"aws:SourceIp": "8.8.8.8", "aws:ViaAWSService": "false"},
            },
        ),
        (
            COGNITO, "sts:AssumeRoleWithWebIdentity", ROLE,
            {"resource": document({"Effect": "Allow", "Principal": COGNITO, "Action": "sts:AssumeRoleWithWebIdentity",
                                   "Condition": SIGNED_IN})},
            {
                "allowed": {"cognito-identity.amazonaws.com:amr": ["graph.facebook.com", "authenticated"]},
                "implicitDeny": {"cognito-identity.amazonaws.com:amr": ["unauthenticated"]},
            },
        ),
    ],
)  # fmt: skip
def test_documented_service_rules_are_followed(
    caller: Any, action: str, target: str, layers: Any, contexts: Any
) -> None:
    for expected, context in contexts.items():
        assert outcome(caller, action, target, context, **layers) == expected


# --- the path of a role -----------------------------------------------------------------------------------------------

_OF_PATH = f"arn:aws:iam::{OWNER}:role/aws-reserved/sso.amazonaws.com"


def _by_session(effect: str, operator: str, pattern: str, **more: Any) -> Decision:
    """What a session of the role `app` may do, of whose path nothing is said, where statements test its ARN."""
    condition = {operator: {"aws:PrincipalArn": pattern}}
    some = {"Effect": effect, "Principal": "*", "Action": "s3:*", "Resource": "*", "Condition": condition}
    identity = [] if effect == "Allow" else [{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}]
    asked = {"principal": f"arn:aws:sts::{OWNER}:assumed-role/app/run", "action": "s3:ListBucket", "resource": BUCKET}
    asked["resource_account"] = OWNER
    return evaluate(
        parse_request({**asked, **more}), parse_layers({"identity": identity, "resource": {"Statement": [some]}})
    )


@pytest.mark.parametrize("effect", ["Allow", "Deny"])
@pytest.mark.parametrize(
    ("operator", "pattern"),
    [
        ("ArnLike", f"{_OF_PATH}/*"),
        ("ArnNotLike", f"{_OF_PATH}/*"),
        ("ArnEquals", f"{_OF_PATH}/app"),
        ("StringLike", "*/sso.amazonaws.com/*"),
        ("StringEqualsIgnoreCase", f"arn:aws:iam::{OWNER}:role/X/APP"),
        ("ArnLike", "arn:aws:iam::*:role/?/a*"),
    ],
)
def test_whether_a_role_is_in_the_path_that_a_condition_names_is_not_guessed(
    effect: str, operator: str, pattern: str
) -> None:
    """C45: the ARN of a session lacks the path of its role, which `aws:PrincipalArn` contains."""
    with pytest.raises(Undecided, match="session_issuer"):
        _by_session(effect, operator, pattern)
    issuer = f"arn:aws:iam::{OWNER}:role/else/where/app"
    known = _by_session(effect, operator, pattern, session_issuer=issuer)
    assert known == _by_session(effect, operator, pattern, context={"aws:PrincipalArn": issuer})
    assert known.allowed == ((effect == "Allow") == ("Not" in operator))


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        (f"arn:aws:iam::{OWNER}:role/*", True),
        (f"arn:aws:iam::{OWNER}:role/app", True),
        (f"arn:aws:iam::{OWNER}:role/admin*", False),
        (f"{_OF_PATH}/other", False),
        ("arn:aws:iam::222222222222:role/x/*", False),
    ],
)
def test_a_path_that_no_condition_can_mean_does_not_matter(pattern: str, allowed: bool) -> None:
    assert _by_session("Allow", "ArnLike", pattern).allowed is allowed


def test_a_role_that_may_be_service_linked_is_not_assumed_to_be_an_ordinary_one() -> None:
    """T31: SCPs do not apply to service-linked roles, and the prefix of the name does not prove that it is one."""
    asked = {"principal": f"arn:aws:sts::{OWNER}:assumed-role/AWSServiceRoleForX/s", "action": "s3:ListBucket"}
    asked |= {"resource": BUCKET, "resource_account": OWNER}
    everything = [{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}]
    layers = parse_layers({"identity": everything, "scp": [[]]})
    with pytest.raises(Undecided, match="session_issuer"):
        evaluate(parse_request(asked), layers)
    own, linked = (f"arn:aws:iam::{OWNER}:role/{path}AWSServiceRoleForX" for path in ("p/", "aws-service-role/x/"))
    assert not evaluate(parse_request({**asked, "session_issuer": own}), layers).allowed
    assert evaluate(parse_request({**asked, "session_issuer": linked}), layers).allowed


# --- why --------------------------------------------------------------------------------------------------------------


def test_a_condition_that_is_false_is_named_beside_one_that_cannot_be_judged() -> None:
    unclear = {"NumericEquals": {"s3:max-keys": "ten"}, "StringEquals": {"aws:SourceVpc": "vpc-1"}}
    some = document({**ALLOW_ALL, "Condition": unclear})
    context = {"s3:max-keys": "10", "aws:SourceVpc": "vpc-2"}
    asked = {"principal": SESSION, "action": "s3:ListBucket", "resource": BUCKET, "resource_account": OWNER}
    request, layers = parse_request({**asked, "context": context}), parse_layers({"identity": [some]})
    said = explanation(request, layers, evaluate(request, layers))
    assert said.endswith("whose condition does not match: StringEquals aws:SourceVpc [vpc-1]; the request has vpc-2.")
