"""The names of services in IAM and in boto3."""

from __future__ import annotations

import pytest

from grantproof.aws.calls.authorisation import CallerScope
from grantproof.aws.calls.operations import authorisations
from grantproof.aws.calls.services import CLIENTS, clients_of, prefix_of
from grantproof.aws.isolation import models
from grantproof.iam import actions

CALLED_OTHERWISE = [(client, prefix) for prefix, clients in CLIENTS.items() for client in clients]


@pytest.mark.parametrize(("client", "prefix"), CALLED_OTHERWISE, ids=[client for client, _ in CALLED_OTHERWISE])
def test_a_client_is_found_by_the_service_prefix_of_actions(client: str, prefix: str) -> None:
    model = models().load_service_model(client, "service-2")
    metadata = model["metadata"]
    assert prefix == metadata.get("signingName", metadata["endpointPrefix"])
    known = [name for name in model["operations"] if actions.exists(f"{prefix}:{name}")]
    assert client == prefix or len(known) >= 0.9 * len(model["operations"])
    assert prefix_of(client) == prefix


def test_a_client_that_signs_for_another_service_is_not_used() -> None:
    assert clients_of("sso") == ("sso-admin",)
    assert clients_of("opensearch") == ()


def test_most_services_have_one_name() -> None:
    assert clients_of("ssm") == ("ssm",)
    assert prefix_of("ssm") == "ssm"


def test_a_console_only_service_has_no_client() -> None:
    assert clients_of("aws-portal") == ()


def test_a_call_is_authorised_with_the_service_prefix_of_actions() -> None:
    where = CallerScope("aws", "111111111111", "eu-west-1", lambda kind, name: None, None)
    arn = "arn:aws:states:eu-west-1:111111111111:stateMachine:orders"
    (asked,) = authorisations("stepfunctions", "DescribeStateMachine", {"stateMachineArn": arn}, where)
    assert (asked.action, asked.resource) == ("states:DescribeStateMachine", arn)
