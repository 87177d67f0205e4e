"""Every operation of eleven services, called in a world: refused without permission, authorised for everybody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from grantproof.aws.calls import refusals
from grantproof.aws.calls.authoriser import Authoriser
from grantproof.aws.calls.samples import minimal_parameters
from grantproof.aws.held.policies import Policies
from grantproof.aws.held.snapshot import take
from grantproof.aws.mocked.wire import Refusal
from grantproof.aws.mocked.world import World
from grantproof.contract import DeclaredStatement
from grantproof.source import Place
from tests.aws.test_operations import SERVICES
from tests.suite import suite_of

OWNER = "111111111111"
ANYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
#: Operations that need no permission (rules T26, T28).
FREE = {("sts", "GetCallerIdentity"), ("sts", "GetSessionToken")}
#: Calls that carry no signature of an IAM caller: federation is judged by the role's trust policy alone (rule T8).
UNSIGNED = {("sts", "AssumeRoleWithSAML"), ("sts", "AssumeRoleWithWebIdentity")}


SESSIONS: dict[str, Any] = {}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World({"owner": OWNER}, "eu-west-1") as opened:
        root = opened.root("owner")
        SESSIONS["nobody"] = opened.user("owner", "nobody")
        SESSIONS["admin"] = opened.user("owner", "admin", policies={"all": ANYTHING})
        held = Policies([take(OWNER, lambda service: opened.client(root, service))])
        opened.authorise = Authoriser(opened, lambda: held)
        yield opened


def calls(world: World, user: str, service: str) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    client = world.client(SESSIONS[user], service)
    for method, operation in sorted(client.meta.method_to_api_mapping.items()):
        yield (
            operation,
            getattr(client, method),
            minimal_parameters(client.meta.service_model.operation_model(operation)),
        )


@pytest.mark.parametrize("service", SERVICES)
def test_without_permission_every_operation_is_refused_with_the_service_s_error(world: World, service: str) -> None:
    for operation, method, params in calls(world, "nobody", service):
        if (service, operation) in FREE | UNSIGNED:
            continue
        if service == "s3":
            params = {name: "bucket" if name == "Bucket" else value for name, value in params.items()}
        with pytest.raises(ClientError) as caught:
            method(**params)
        protocol = method.__self__.meta.service_model.metadata["protocol"]
        status, code = refusals.not_authorised(service, protocol)
        assert caught.value.response["Error"]["Code"] == code, operation
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
        assert " is not authorized to perform: " in caught.value.response["Error"]["Message"]


@pytest.mark.parametrize("service", SERVICES)
def test_an_administrator_is_allowed_every_operation(world: World, service: str) -> None:
    """What moto would do does not matter here: each call is answered before it is sent."""
    authoriser = world.authorise
    assert authoriser is not None
    passed = []

    def stop_after_authorisation(call: Any) -> Refusal:
        refused = authoriser(call)
        # Keys and roles let nobody in by identity policies alone (rule E10), and the samples are none.
        by_resource = refused is not None and (
            "no resource-based policy" in refused.message or "no role trust" in refused.message
        )
        assert refused is None or (by_resource and call.service in ("kms", "sts")), refused
        passed.append(call.operation.name)
        return Refusal(418, "Authorised", "")

    world.authorise = stop_after_authorisation
    try:
        for _, method, params in calls(world, "admin", service):
            if service == "s3":
                params = {name: "bucket" if name == "Bucket" else value for name, value in params.items()}
            with pytest.raises(ClientError, match="Authorised"):
                method(**params)
    finally:
        world.authorise = authoriser
    assert passed


def test_a_writing_call_is_authorised_but_not_carried_out(world: World) -> None:
    """Such calls left an invalid policy on a bucket, after which nothing could be decided, and an undeclared topic with
    a policy."""
    suite = suite_of("access")
    world.client(world.root("owner"), "s3").create_bucket(
        Bucket="sample", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    before = world.calls.made
    for user, refused in (("admin", False), ("nobody", True)):
        caller = world.client(SESSIONS[user], "s3")
        error = suite.let_through(caller, "s3", "PutBucketPolicy", Bucket="sample", Policy="sample")
        assert suite.is_refusal(error, "s3", "rest-xml") is refused
    assert world.calls.made == before + 2
    with pytest.raises(ClientError, match="NoSuchBucketPolicy"):
        world.client(world.root("owner"), "s3").get_bucket_policy(Bucket="sample")
    caller = world.client(SESSIONS["admin"], "s3")
    suite.let_through(
        caller, "s3", "PutBucketTagging", Bucket="sample", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]}
    )
    with pytest.raises(ClientError, match="NoSuchTagSet"):
        world.client(world.root("owner"), "s3").get_bucket_tagging(Bucket="sample")


def test_a_refusal_without_a_named_policy_counts_if_a_rule_gives_it(world: World) -> None:
    """Rule K9. Such a refusal, for keys of another account, was reported as access to similar resources."""
    suite = suite_of("access")
    caller = world.client(SESSIONS["admin"], "kms")
    foreign = "arn:aws:kms:eu-west-1:222222222222:key/11111111-2222-3333-4444-55555555555a"
    error = suite.refusal(caller.get_key_policy, KeyId=foreign)
    assert suite.is_refusal(error, "kms", "json")
    error.response["ResponseMetadata"]["RequestId"] = "somebody-else"
    assert not suite.is_refusal(error, "kms", "json"), "the mocked service's own refusal is none"


def test_an_operation_with_a_parameter_called_service_is_tried(world: World) -> None:
    suite = suite_of("access")
    caller = world.client(SESSIONS["nobody"], "ecs")
    error = suite.let_through(caller, "ecs", "DeleteService", service="sample")
    assert suite.is_refusal(error, "ecs", "json")


def test_for_a_very_wide_statement_a_sample_of_operations_is_called() -> None:
    suite = suite_of("access")
    everything = suite.operations_of(promised({"Action": "*"}))
    others = suite.operations_of(promised({"NotAction": ["iam:*"]}))
    assert {service for service, _ in everything} - {service for service, _ in others} == {"iam"}
    called = suite.sample_of(others)
    assert len(called) == 600
    assert len({service for service, _ in called}) > 40
    assert list(called) == list(suite.sample_of(others))
    few = suite.operations_of(promised({"Action": ["s3:*", "iam:Get*"]}))
    assert suite.sample_of(few) == few


def promised(element: dict[str, object]) -> DeclaredStatement:
    return DeclaredStatement({"Effect": "Allow", "Resource": "*", **element}, Place(Path("contract.yaml"), 1, 1))


def test_notaction_covers_every_service_that_it_does_not_exclude() -> None:
    suite = suite_of("permissions")
    power = promised({"NotAction": ["IAM:*", "organizations:Create*"]})
    assert not suite._speaks_of(power, "iam")
    assert suite._speaks_of(power, "organizations")
    assert suite._speaks_of(power, "honeycode"), "which policyuniverse knows, and AWS has retired"
    assert not suite._speaks_of(promised({"Action": "iam:Get*"}), "s3")
