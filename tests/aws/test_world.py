"""Sessions, accounts, time, and calls that are authorised."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from grantproof.aws.calls.authoriser import Authoriser, NotJudged
from grantproof.aws.held.policies import Policies
from grantproof.aws.held.snapshot import take
from grantproof.aws.mocked.deploy import DeploymentFailed
from grantproof.aws.mocked.wire import Refusal
from grantproof.aws.mocked.world import World
from grantproof.aws.staged.stage import Stage
from grantproof.contract import load

OWNER, PARTNER = "111111111111", "222222222222"
ANYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def trust(*principals: str, **more: Any) -> str:
    statement = {"Effect": "Allow", "Principal": {"AWS": list(principals)}, "Action": "sts:AssumeRole", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def world() -> Iterator[World]:
    """Two accounts whose calls are authorised; the owner's has a role that the partner account may assume."""
    with World({"owner": OWNER, "partner": PARTNER}, "eu-west-1") as opened:
        opened.authorise = Authoriser(opened, lambda: policies(opened))
        iam = opened.client(opened.root("owner"), "iam")
        iam.create_role(RoleName="reader", Path="/teams/", AssumeRolePolicyDocument=trust(PARTNER))
        yield opened


def policies(world: World) -> Policies:
    roots = {number: world.root(number) for number in world.accounts.values()}
    return Policies(take(n, lambda service, root=root: world.client(root, service)) for n, root in roots.items())


ROLE = f"arn:aws:iam::{OWNER}:role/teams/reader"


def code(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return str(caught.value.response["Error"]["Code"])


def test_each_session_acts_in_its_own_account(world: World) -> None:
    for account, number in world.accounts.items():
        user = world.user(account, "admin", policies={"all": ANYTHING})
        world.client(user, "ssm").put_parameter(Name=f"of-{account}", Value="v", Type="String")
        names = [p["Name"] for p in world.client(world.root(number), "ssm").describe_parameters()["Parameters"]]
        assert names == [f"of-{account}"]


def test_an_assumed_role_acts_in_the_account_of_the_role(world: World) -> None:
    alice = world.user("partner", "alice", policies={"all": ANYTHING})
    session = world.assume(alice, ROLE, "alice")
    seen = world.client(session, "sts").get_caller_identity()
    assert seen["Arn"] == f"arn:aws:sts::{OWNER}:assumed-role/reader/alice"
    assert seen["Account"] == OWNER
    assert world.identity(session).issuer == ROLE


def test_moto_alone_would_allow_a_stranger_s_call(world: World) -> None:
    """The reason why calls are authorised by this package."""
    stranger = world.user("333333333333", "mallory", policies={"all": ANYTHING})
    with pytest.raises(ClientError, match="no role trust policy allows") as caught:
        world.assume(stranger, ROLE)
    assert code(caught) == "AccessDenied"
    world.authorise = None
    world.assume(stranger, ROLE)


def test_a_refused_call_is_never_carried_out(world: World) -> None:
    bystander = world.user("owner", "bystander")
    with pytest.raises(ClientError) as caught:
        world.client(bystander, "ssm").put_parameter(Name="x", Value="v", Type="String")
    assert code(caught) == "AccessDeniedException"
    assert world.client(world.root("owner"), "ssm").describe_parameters()["Parameters"] == []


def test_refusals_are_the_modelled_exceptions_of_the_service(world: World) -> None:
    bystander = world.user("owner", "bystander")
    iam = world.client(bystander, "iam")
    with pytest.raises(ClientError, match=r"no identity-based policy allows the iam:ListUsers action") as caught:
        iam.list_users()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    ec2 = world.client(bystander, "ec2")
    with pytest.raises(ClientError) as caught:
        ec2.describe_instances()
    assert code(caught) == "UnauthorizedOperation"


def test_the_error_names_an_explicit_deny(world: World) -> None:
    deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "ssm:*", "Resource": "*"}]}
    user = world.user("owner", "alice", policies={"all": ANYTHING, "deny": deny})
    with pytest.raises(ClientError, match="with an explicit deny in an identity-based policy"):
        world.client(user, "ssm").describe_parameters()


def test_a_changed_policy_applies_from_the_next_call(world: World) -> None:
    user = world.user("owner", "alice")
    ssm = world.client(user, "ssm")
    with pytest.raises(ClientError):
        ssm.describe_parameters()
    iam = world.client(world.root("owner"), "iam")
    iam.put_user_policy(UserName="alice", PolicyName="all", PolicyDocument=json.dumps(ANYTHING))
    ssm.describe_parameters()


def test_session_policies_narrow_the_session(world: World) -> None:
    iam = world.client(world.root("owner"), "iam")
    iam.put_role_policy(RoleName="reader", PolicyName="all", PolicyDocument=json.dumps(ANYTHING))
    alice = world.user("partner", "alice", policies={"all": ANYTHING})
    only_ec2 = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}]}
    session = world.assume(alice, ROLE, Policy=json.dumps(only_ec2))
    with pytest.raises(ClientError, match="because no session policy allows the ssm:DescribeParameters action"):
        world.client(session, "ssm").describe_parameters()


def test_external_id_and_session_tags_are_checked(world: World) -> None:
    iam = world.client(world.root("owner"), "iam")
    condition = {"StringEquals": {"sts:ExternalId": "s3cret"}}
    iam.update_assume_role_policy(RoleName="reader", PolicyDocument=trust(PARTNER, Condition=condition))
    alice = world.user("partner", "alice", policies={"all": ANYTHING})
    world.assume(alice, ROLE, ExternalId="s3cret")
    for options in ({}, {"ExternalId": "other"}, {"ExternalId": "s3cret", "Tags": [{"Key": "a", "Value": "b"}]}):
        with pytest.raises(ClientError):
            world.assume(alice, ROLE, **options)


def test_the_root_user_cannot_assume_a_role(world: World) -> None:
    with pytest.raises(ClientError) as caught:
        world.assume(world.root_user("partner"), ROLE)
    assert code(caught) == "AccessDenied"


def test_sessions_end_when_they_expire(world: World) -> None:
    alice = world.user("partner", "alice", policies={"all": ANYTHING})
    session = world.assume(alice, ROLE, DurationSeconds=900)
    sts = world.client(session, "sts")
    world.advance(840)
    sts.get_caller_identity()
    world.advance(61)
    with pytest.raises(ClientError) as caught:
        sts.get_caller_identity()
    assert code(caught) == "ExpiredToken"


def test_session_durations_have_the_limits_of_sts(world: World) -> None:
    iam = world.client(world.root("owner"), "iam")
    iam.put_role_policy(RoleName="reader", PolicyName="all", PolicyDocument=json.dumps(ANYTHING))
    iam.create_role(RoleName="second", MaxSessionDuration=43200, AssumeRolePolicyDocument=trust(ROLE))
    alice = world.user("partner", "alice", policies={"all": ANYTHING})
    with pytest.raises(ClientError, match="exceeds the MaxSessionDuration set for this role"):
        world.assume(alice, ROLE, DurationSeconds=7200)
    session = world.assume(alice, ROLE)
    second = f"arn:aws:iam::{OWNER}:role/second"
    with pytest.raises(ClientError, match="role chaining"):
        world.assume(session, second, DurationSeconds=7200)
    chained = world.identity(world.assume(session, second))
    assert chained.expires is not None
    assert chained.issued is not None
    assert chained.expires - chained.issued == timedelta(hours=1)


def test_an_operation_that_cannot_be_mapped_is_neither_allowed_nor_refused(world: World) -> None:
    alice = world.user("owner", "alice", policies={"all": ANYTHING})
    with pytest.raises(NotJudged, match="is not in the action list"):
        world.client(alice, "iot-data").publish(topic="t")


def test_an_error_in_the_authoriser_is_not_swallowed(world: World) -> None:
    def broken(_: Any) -> Refusal | None:
        raise ZeroDivisionError

    alice = world.user("owner", "alice")
    world.authorise = broken
    with pytest.raises(ZeroDivisionError):
        world.client(alice, "ssm").describe_parameters()


def test_calls_are_counted(world: World) -> None:
    alice = world.user("owner", "alice")
    with pytest.raises(ClientError):
        world.client(alice, "ssm").describe_parameters()
    world.client(alice, "sts").get_caller_identity()
    assert (world.calls.made, world.calls.refused) == (2, 1)


def test_credentials_of_another_world_are_unknown(world: World) -> None:
    with pytest.raises(KeyError):
        world.session({"AccessKeyId": "ASIAELSEWHERE", "SecretAccessKey": "s", "SessionToken": "t"})


# --- what callers carry -----------------------------------------------------------------------------------------------


def assume(world: World, session: Any, arn: str) -> None:
    world.client(session, "sts").assume_role(RoleArn=arn, RoleSessionName="caller")


def trusting(world: World, principal: str, **condition: Any) -> str:
    """A role of the owner that trusts a principal, under a condition."""
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    statement |= {"Condition": condition} if condition else {}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam = world.client(world.root("owner"), "iam")
    return str(iam.create_role(RoleName="door", AssumeRolePolicyDocument=document)["Role"]["Arn"])


MAY_ASSUME = {
    "assume": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}]}
}


def test_mfa_is_present_false_or_absent_as_the_credentials_say(world: World) -> None:
    """Rules C57 and C60."""
    arn = trusting(world, PARTNER, Bool={"aws:MultiFactorAuthPresent": "true"})
    keys = world.user("partner", "alice", policies=MAY_ASSUME)
    assume(world, world.signed_in(keys, mfa=True), arn)
    for without in (keys, world.signed_in(keys, mfa=False)):
        with pytest.raises(ClientError, match="no role trust policy allows"):
            assume(world, without, arn)


def test_the_age_of_mfa_is_the_age_of_the_credentials(world: World) -> None:
    arn = trusting(world, PARTNER, NumericLessThan={"aws:MultiFactorAuthAge": "600"})
    session = world.signed_in(world.user("partner", "alice", policies=MAY_ASSUME), mfa=True)
    assume(world, session, arn)
    world.advance(601)
    with pytest.raises(ClientError, match="no role trust policy allows"):
        assume(world, session, arn)


def test_an_account_is_in_one_organization_or_in_none(world: World) -> None:
    """Rule C47."""
    arn = trusting(world, PARTNER, StringEquals={"aws:PrincipalOrgID": "o-a1b2c3d4e5"})
    alice = world.user("partner", "alice", policies=MAY_ASSUME)
    for organization in ("", "o-zzzzzzzzzz"):
        world.organizations = {PARTNER: organization} if organization else {}
        with pytest.raises(ClientError, match="no role trust policy allows"):
            assume(world, alice, arn)
    world.organizations = {PARTNER: "o-a1b2c3d4e5"}
    assume(world, alice, arn)


@pytest.mark.parametrize("by_name", [True, False], ids=["by aws:PrincipalArn", "as Principal"])
def test_a_recreated_role_is_not_the_principal_that_policies_named(by_name: bool) -> None:
    """Rules P21, P22 and P24. On a stage, whose snapshots show trust policies as IAM does."""
    contract = load(Path(__file__).parents[2] / "templates" / "cross-account-ssm")
    stage = Stage(contract)
    stage.open()
    try:
        world, role = stage.world, f"arn:aws:iam::{PARTNER}:role/ci/deployer"
        session = world.role(PARTNER, "ci/deployer", ())
        iam = world.client(world.root(PARTNER), "iam")
        iam.put_role_policy(RoleName="deployer", PolicyName="p", PolicyDocument=json.dumps(MAY_ASSUME["assume"]))
        arn = trusting(world, PARTNER, ArnEquals={"aws:PrincipalArn": role}) if by_name else trusting(world, role)
        assume(world, session, arn)
        again = world.role_again(PARTNER, "ci/deployer")
        iam.put_role_policy(RoleName="deployer", PolicyName="p", PolicyDocument=json.dumps(MAY_ASSUME["assume"]))
        if by_name:
            assume(world, again, arn)
            return
        with pytest.raises(ClientError, match="no role trust policy allows"):
            assume(world, again, arn)
        shown = next(r for r in stage.snapshots()[OWNER].roles if r["Arn"] == arn)["AssumeRolePolicyDocument"]
        assert shown["Statement"][0]["Principal"]["AWS"][0].startswith("AROA")
    finally:
        stage.close()


def test_a_role_session_gets_no_federation_token_whatever_its_permissions(world: World) -> None:
    """Rule T23."""
    iam = world.client(world.root("owner"), "iam")
    iam.put_role_policy(RoleName="reader", PolicyName="all", PolicyDocument=json.dumps(ANYTHING))
    session = world.assume(world.user("partner", "alice", policies={"all": ANYTHING}), ROLE)
    with pytest.raises(ClientError, match=r"AccessDenied.*Cannot call GetFederationToken with session credentials"):
        world.client(session, "sts").get_federation_token(Name="somebody")


def test_the_stranger_is_from_an_account_that_the_grant_does_not_mention(tmp_path: Path) -> None:
    """A partner with the stranger's account ID was reported as somebody who should not be let in."""
    good = Path(__file__).parent.parent.parent / "fixtures" / "broken" / "good"
    (tmp_path / "role.yaml").write_text((good / "role.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    text = (good / "contract.yaml").read_text(encoding="utf-8").replace("111111111111", "999999999999")
    (tmp_path / "contract.yaml").write_text(text, encoding="utf-8")
    assert Stage(load(good)).third_account == "999999999999"
    assert Stage(load(tmp_path)).third_account == "999999999998"


def test_an_invalid_bucket_gives_a_one_line_error_and_the_world_is_left(tmp_path: Path) -> None:
    """Otherwise the next grants would find its stacks."""
    good = Path(__file__).parent.parent.parent / "fixtures" / "broken" / "good"
    (tmp_path / "role.yaml").write_text((good / "role.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    text = (good / "contract.yaml").read_text(encoding="utf-8")
    uploads = "uploads:\n  files: {account: owner, bucket: up, files: [role.yaml]}\n"
    (tmp_path / "contract.yaml").write_text(f"{text}\n{uploads}", encoding="utf-8")
    with pytest.raises(
        DeploymentFailed, match=r"contract\.yaml: upload 'files': there can be no bucket 'up': .* Give it"
    ):
        Stage(load(tmp_path)).open()
    for _ in range(2):
        stage = Stage(load(good))
        stage.open()
        stage.close()
