"""What is memoised is still what moto and botocore call; with a newer version that does not, it would be useless."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any
from unittest.mock import patch

import boto3
import pytest
from boto3.session import Session
from botocore.exceptions import ClientError
from botocore.handlers import BUILTIN_HANDLERS
from botocore.utils import parse_timestamp

from grantproof.aws.mocked import memoised
from grantproof.aws.mocked.wire import Wire, _moment
from grantproof.aws.mocked.world import World


@pytest.fixture(scope="module")
def caller() -> boto3.Session:
    """A session that has made calls, one of them with an error."""
    with World({"owner": "111111111111"}, "eu-west-1", managed_policies=True) as world:
        session = world.root("owner")
        with pytest.raises(ClientError, match="NoSuchEntity"):
            world.client(session, "iam").get_role(RoleName="nobody")
    return session


@pytest.mark.parametrize("name", ["_method_names", "_loader", "_service_name", "_exceptions", "_made_policies_of_aws"])
def test_moto_and_botocore_still_call_what_is_memoised(caller: boto3.Session, name: str) -> None:
    found = getattr(memoised, name).cache_info()
    assert found.hits + found.misses


def test_an_rsa_key_for_a_symmetric_kms_key_is_made_when_it_is_used() -> None:
    memoised._unused_key.cache_clear()
    with World({"owner": "111111111111"}, "eu-west-1") as world:
        kms = world.client(world.root("owner"), "kms")
        key = kms.create_key()["KeyMetadata"]
        assert key["KeySpec"] == "SYMMETRIC_DEFAULT"
        assert not memoised._unused_key.cache_info().misses
        assert kms.get_public_key(KeyId=key["KeyId"])["PublicKey"]
        assert memoised._unused_key.cache_info().misses == 1


def test_clients_of_a_service_share_its_model_and_the_rules_for_its_endpoints() -> None:
    with World({"owner": "111111111111"}, "eu-west-1") as world:
        one, other = (world.client(world.user("owner", name), "sts") for name in ("one", "other"))
        assert one.meta.service_model is other.meta.service_model
        assert one.exceptions is other.exceptions
        assert type(one) is type(other)
        assert one._ruleset_resolver._provider is other._ruleset_resolver._provider
        assert one.meta.events is not other.meta.events
        assert isinstance(one.meta.events, memoised._Events)


def test_handlers_accept_the_arguments_that_botocore_finds() -> None:
    handlers = [spec[1] for spec in BUILTIN_HANDLERS]
    handlers += [Wire._before, Session.client, print_nothing, partial(print_nothing), (lambda **_: None)]
    found = {bool(memoised._accepts_kwargs(handler)) for handler in handlers}
    assert found == {True, False}
    for handler in handlers:
        assert memoised._accepts_kwargs(handler) == (inspect.getfullargspec(handler).varkw is not None)
    with patch.object(memoised, "_accepts_kwargs") as asked, World({"owner": "111111111111"}, "eu-west-1") as world:
        world.user("owner", "one")
    assert asked.called


def print_nothing(text: str) -> None:
    """A handler that does not."""


@pytest.mark.parametrize(
    "text",
    ["2026-11-26T14:05:02Z", "2026-11-26T14:05:02.123456Z", "2026-11-26T14:05:02+01:00", 1764165902, "1764165902"],
)
def test_a_timestamp_is_parsed_as_botocore_does(text: Any) -> None:
    assert _moment(text) == parse_timestamp(text)


def test_attachments_do_not_persist_in_the_next_world() -> None:
    arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    ids = []
    for attached in (True, False):
        with World({"owner": "111111111111"}, "eu-west-1", managed_policies=True) as world:
            world.role("owner", "reader", (arn,) if attached else ())
            policy = world.client(world.root("owner"), "iam").get_policy(PolicyArn=arn)["Policy"]
            assert policy["AttachmentCount"] == attached
            ids.append((policy["PolicyId"], world.unique_id("arn:aws:iam::111111111111:role/reader")))
    assert ids[0] == ids[1]
