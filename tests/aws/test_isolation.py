"""Nothing of the user's environment enters the mocked world, and no call leaves it."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import boto3
import pytest

from grantproof.aws.isolation import LeftTheWorld, isolated
from grantproof.aws.mocked.world import World

FOREIGN = {
    "AWS_PROFILE": "production",
    "AWS_ACCESS_KEY_ID": "AKIAREALREALREALREAL",
    "AWS_SECRET_ACCESS_KEY": "real",
    "AWS_SESSION_TOKEN": "real",
    "AWS_ENDPOINT_URL": "https://attacker.example",
    "AWS_ENDPOINT_URL_STS": "https://attacker.example",
    "AWS_REGION": "us-gov-west-1",
    "AWS_DEFAULT_REGION": "cn-north-1",
    "AWS_CA_BUNDLE": "/nowhere",
    "MOTO_ACCOUNT_ID": "123456789012",
    "https_proxy": "http://proxy.example:3128",
}


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in FOREIGN.items():
        monkeypatch.setenv(name, value)
    config = tmp_path / "config"
    config.write_text("[profile production]\nendpoint_url = https://attacker.example\nregion = us-east-2\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))


@pytest.mark.usefixtures("foreign")
def test_the_user_s_settings_are_hidden_inside_and_restored_outside() -> None:
    before = dict(os.environ)
    with isolated():
        for name in FOREIGN:
            assert name not in os.environ
        assert boto3.Session().profile_name == "default"
    assert dict(os.environ) == before


@pytest.mark.usefixtures("foreign")
def test_settings_are_restored_after_an_error() -> None:
    before = dict(os.environ)
    with pytest.raises(RuntimeError, match="inside"), isolated():
        raise RuntimeError("inside")
    assert dict(os.environ) == before


@pytest.mark.usefixtures("foreign")
def test_a_world_is_the_same_whatever_the_user_has_set() -> None:
    with World({"owner": "111111111111"}, "eu-west-1") as world:
        alice = world.user("owner", "alice")
        seen = world.client(alice, "sts").get_caller_identity()
        assert seen["Arn"] == "arn:aws:iam::111111111111:user/alice"


def test_a_call_that_moto_does_not_answer_is_never_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: Any) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket, "create_connection", connect)
    with World({"owner": "111111111111"}, "eu-west-1") as world:
        session = world.root("owner")
        elsewhere = session.client("ssm", endpoint_url="https://attacker.example")
        with pytest.raises(LeftTheWorld, match=r"attacker\.example"):
            elsewhere.describe_parameters()
