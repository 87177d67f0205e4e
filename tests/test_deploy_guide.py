"""templates/README.md: every `aws` command is made in the mocked world, and the guide leads where it says.

The AWS CLI's own parser is not used; a command becomes the API call that the CLI would make: `--stack-name` is
StackName, `Key=a,Value=b` is shorthand for an object, `file://` is read. An option that the operation does not have
fails.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import jmespath
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from grantproof.aws.calls.authoriser import Authoriser
from grantproof.aws.held.policies import Policies
from grantproof.aws.held.snapshot import take
from grantproof.aws.mocked.world import World

ROOT = Path(__file__).parent.parent
OWNER, PARTNER = "111111111111", "222222222222"
#: The services whose resources carry policies in the guide.
_CARRYING = ("s3", "kms", "secretsmanager")
GLOBAL = {"region", "profile", "query", "output"}


def commands() -> list[str]:
    text = (ROOT / "templates" / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    return [line.removeprefix("$ ") for block in found for line in block.splitlines()]


class Shell:
    """As much of a shell, and of the AWS CLI, as the guide uses."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.variables: dict[str, str] = {}
        self.profiles: dict[str, Any] = {"owner": world.root("owner"), "partner": world.root("partner")}
        self.settings: dict[str, dict[str, str]] = {}

    def run(self, line: str) -> Any:
        if match := re.fullmatch(r"(\w+)=\$\((.*)\)", line):
            self.variables[match[1]] = str(self.run(match[2]))
            return None
        words = [self._filled(word) for word in shlex.split(line)]
        if all(re.fullmatch(r"[A-Z_]+=.*", word) for word in words):
            self.variables |= dict(word.split("=", 1) for word in words)
            return None
        if words[0] == "date":
            assert words[1] == "-u", line
            # A second later, as whoever types it would have it: sessions are dated to the second.
            self.world.advance(1)
            return self.world.now().strftime(words[2].removeprefix("+"))
        assert words[0] == "aws", line
        return self._aws(words[1:])

    def _filled(self, word: str) -> str:
        return re.sub(r"\$(\w+)", lambda match: self.variables[match[1]], word)

    def _aws(self, words: list[str]) -> Any:
        if words[:2] == ["configure", "set"]:
            _, profile, key = words[2].split(".")
            assert key in ("role_arn", "source_profile", "region", "external_id")
            self.settings.setdefault(profile, {})[key] = words[3]
            return None
        positional = []
        while words and not words[0].startswith("--"):
            positional.append(words.pop(0))
        options = self._options(words)
        service, operation, *rest = positional
        name = "s3" if service == "s3api" else service
        client = self.world.client(self._session(options), name, options.get("region", ["eu-west-1"])[0])
        if service == "s3":
            return self._s3(client, operation, rest)
        if operation == "wait":
            client.get_waiter(rest[0].replace("-", "_")).wait(**self._params(client, "DescribeStacks", options))
            return None
        api = next(name for name in client.meta.service_model.operation_names if xform_name(name, "-") == operation)
        answer = getattr(client, xform_name(api))(**self._params(client, api, options))
        return jmespath.search(options["query"][0], answer)[0] if "query" in options else answer

    @staticmethod
    def _options(words: list[str]) -> dict[str, list[str]]:
        options: dict[str, list[str]] = {}
        for word in words:
            if word.startswith("--"):
                options[word[2:]] = []
            else:
                options[list(options)[-1]].append(word)
        return options

    def _session(self, options: dict[str, list[str]]) -> boto3.Session:
        profile = options["profile"][0]
        if profile in self.settings:
            chosen = self.settings[profile]
            more = {"ExternalId": chosen["external_id"]} if "external_id" in chosen else {}
            return self.world.assume(self.profiles[chosen["source_profile"]], chosen["role_arn"], **more)
        found: boto3.Session = self.profiles[profile]
        return found

    @staticmethod
    def _params(client: Any, api: str, options: dict[str, list[str]]) -> dict[str, Any]:
        shape = client.meta.service_model.operation_model(api).input_shape
        members = {xform_name(name, "-"): name for name in shape.members}
        out: dict[str, Any] = {}
        for option, values in options.items():
            if option in GLOBAL:
                continue
            name = members[option]
            is_list = shape.members[name].type_name == "list"
            read = [_value(value) for value in values]
            out[name] = read if is_list else read[0] if read else True
        return out

    def _s3(self, s3: Any, operation: str, rest: list[str]) -> None:
        bucket, _, key = rest[-1].removeprefix("s3://").partition("/")
        if operation == "mb":
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        else:
            assert operation == "cp"
            s3.put_object(Bucket=bucket, Key=key, Body=(ROOT / rest[0]).read_bytes())


def _value(text: str) -> Any:
    if text.startswith("file://"):
        return (ROOT / text.removeprefix("file://")).read_text(encoding="utf-8")
    if re.fullmatch(r"\w+=[^,]*(,\w+=[^,]*)+", text):
        pairs = dict(pair.split("=", 1) for pair in text.split(","))
        return {key: value == "true" if key == "UsePreviousValue" else value for key, value in pairs.items()}
    return text


@pytest.fixture
def shell() -> Iterator[Shell]:
    with World({"owner": OWNER, "partner": PARTNER}, "eu-west-1") as world:
        opened = Shell(world)
        opened.profiles["alice"] = world.user("partner", "alice")
        roots = {number: world.root(number) for number in world.accounts.values()}
        world.authorise = Authoriser(
            world,
            lambda: Policies(
                take(n, lambda service, r=r: world.client(r, service), _CARRYING) for n, r in roots.items()
            ),
        )
        yield opened


def test_the_guide_deploys_both_sides_reads_the_parameter_and_removes_all(shell: Shell) -> None:
    lines = commands()
    assert len(lines) >= 15
    seen = {}
    for line in lines:
        seen[line] = shell.run(line)
    read = [answer for line, answer in seen.items() if "get-parameter" in line]
    assert [answer["Parameter"]["Value"] for answer in read] == ["Hello from the other account"] * len(read)
    assert len(read) == 3  # a line that stands twice is seen once
    assert [answer["Name"] for line, answer in seen.items() if "get-secret-value" in line] == ["shared/password"]
    assert [len(answer["Contents"]) for line, answer in seen.items() if "list-objects" in line] == [1]
    for number in shell.world.accounts.values():
        client = shell.world.client(shell.world.root(number), "cloudformation")
        assert client.describe_stacks()["Stacks"] == []


def test_revoking_ends_old_sessions_and_no_new_ones(shell: Shell) -> None:
    before = None
    for line in commands():
        shell.run(line)
        if "get-parameter" in line and "--profile reader" in line:
            reader = shell.settings["reader"]
            before = shell.world.assume(shell.profiles["alice"], reader["role_arn"])
        if "RevokeOlderSessions" in line:
            break
    assert before is not None
    with pytest.raises(ClientError, match="with an explicit deny in an identity-based policy"):
        shell.world.client(before, "ssm").describe_parameters()
    again = shell.world.assume(shell.profiles["alice"], shell.settings["reader"]["role_arn"])
    assert shell.world.client(again, "ssm").describe_parameters()["Parameters"]


def test_after_rotation_the_old_external_id_is_refused(shell: Shell) -> None:
    old = ""
    for line in commands():
        shell.run(line)
        if "external_id" in line and not old:
            old = shell.settings["vendor"]["external_id"]
        if "update-stack" in line and "read-as-vendor" in line:
            break
    vendor = shell.settings["vendor"]
    with pytest.raises(ClientError, match="is not authorized to perform: sts:AssumeRole"):
        shell.world.assume(shell.profiles["alice"], vendor["role_arn"], ExternalId=old)
    new = shell.variables["EXTERNAL_ID"]
    assert new != old
    shell.world.assume(shell.profiles["alice"], vendor["role_arn"], ExternalId=new)


def test_before_the_user_joins_the_group_nothing_can_be_read(shell: Shell) -> None:
    for line in commands():
        if "add-user-to-group" in line:
            continue
        if "get-parameter" in line:
            with pytest.raises(ClientError, match="no identity-based policy allows the sts:AssumeRole action"):
                shell.run(line)
            return
        shell.run(line)
    raise AssertionError("the guide never reads the parameter")


def test_a_session_for_one_task_does_that_task_only(shell: Shell) -> None:
    """The session policy of the guide takes away what the role may do besides."""
    for line in commands():
        shell.run(line)
        if line.startswith("aws sts assume-role"):
            break
    policy = (ROOT / "templates" / "cross-account-audit" / "only-buckets.json").read_text(encoding="utf-8")
    role = shell.variables["AUDITOR_ROLE_ARN"]
    whole = shell.world.assume(shell.profiles["alice"], role)
    narrow = shell.world.assume(shell.profiles["alice"], role, Policy=policy)
    assert "Keys" in shell.world.client(whole, "kms").list_keys()
    assert "Buckets" in shell.world.client(narrow, "s3").list_buckets()
    with pytest.raises(ClientError, match="no session policy allows the kms:ListKeys action"):
        shell.world.client(narrow, "kms").list_keys()
