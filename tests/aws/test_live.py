"""Snapshots of live accounts over HTTP: complete despite pages and throttling, and otherwise refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from botocore.config import Config

from grantproof.aws.real import live, trial_run
from grantproof.aws.real.export import join
from grantproof.aws.real.recorded import Recorded, recorded
from grantproof.aws.staged.stage import Stage
from grantproof.cli import main
from grantproof.contract import load
from tests.aws.moto_over_http import Answer, Faults, ec2_error, json_error, served, slow, xml_error
from tests.commands import grantproof

GRANT = Path(__file__).parent.parent.parent / "templates" / "cross-account-ssm"
TWICE = Config(retries={"mode": "standard", "total_max_attempts": 2})
#: For answers that come too late. On a busy machine others do as well.
IMPATIENT = TWICE.merge(Config(read_timeout=0.3))
SERVICES = ("kms", "s3")


Keys = dict[str, dict[str, str]]


@pytest.fixture(scope="module")
def keys() -> Keys:
    """The deployed grant, and access keys by which moto's server identifies callers: in each account of a user who
    reads, and of a member of the partner's group. The mocked world is then left, but moto's state stays, so that calls
    go over the network."""
    contract = load(GRANT)
    stage = Stage(contract)
    stage.open()
    auditors = {alias: stage.outsider(n, f"auditor-of-{alias}") for alias, n in contract.accounts.items()}
    auditors["tester"] = stage.member(contract.principal("readers"))
    found = {alias: session.get_credentials() for alias, session in auditors.items()}
    with patch("moto.core.models.BackendDict.reset"):
        stage.close()
    return {
        alias: {"aws_access_key_id": key.access_key, "aws_secret_access_key": key.secret_key}
        for alias, key in found.items()
    }


@pytest.fixture(scope="module")
def server(keys: Keys) -> Iterator[tuple[str, Faults]]:
    with served() as found:
        yield found


@pytest.fixture(scope="module")
def profiles(keys: Keys, server: tuple[str, Faults], tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Profiles `owner`, `partner` and `tester` in the user's configuration, for the server."""
    with pytest.MonkeyPatch.context() as patched:
        _configured(keys, server[0], tmp_path_factory.mktemp("profiles"), patched)
        yield
    source.cache_clear()


@pytest.fixture
def faults(
    profiles: None, server: tuple[str, Faults], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Any]]:
    """The faults to inject."""
    front = server[1]
    monkeypatch.chdir(tmp_path)
    front.faults.clear()
    front.seen.clear()
    yield front.faults
    front.faults.clear()


def _configured(keys: Keys, address: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"[{alias}]\n" + "\n".join(f"{k} = {v}" for k, v in key.items()) for alias, key in keys.items()]
    (folder / "credentials").write_text("\n".join(lines), encoding="utf-8")
    (folder / "config").write_text("", encoding="utf-8")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "config"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)


def taken(alias: str = "owner", profile: str = "", config: Config = TWICE) -> list[dict[str, Any]]:
    return live.take(source(alias, profile or alias), live.stacks_in([load(GRANT)], alias), SERVICES, config)


@cache
def source(alias: str, profile: str) -> live.Source:
    """One session for all tests, since it parses the service models once."""
    (found,) = live.sources([load(GRANT)], {alias: profile})
    return found


def test_snapshots_of_both_accounts_are_complete(faults: Any, server: tuple[str, Faults]) -> None:
    contract = load(GRANT)
    exports = {alias: join(Path(alias), taken(alias)) for alias in contract.accounts}
    found = recorded([contract], exports)["cross-account-ssm"]
    assert found.held(contract.principal("reader")) is not None
    assert found.held(contract.principal("readers")) is not None
    assert exports["owner"].services == SERVICES
    assert server[1].seen["GetAccountAuthorizationDetails"] == 4  # two pages of each account


def test_throttled_calls_are_retried(faults: Any, server: tuple[str, Faults]) -> None:
    once: Answer = xml_error("400 Bad Request", "Throttling", "Rate exceeded")
    faults["GetAccountAuthorizationDetails"] = lambda before: once if before == 0 else None
    assert taken()
    assert server[1].seen["GetAccountAuthorizationDetails"] == 3


@pytest.mark.parametrize(
    ("operation", "fault", "said"),
    [
        (
            "GetAccountAuthorizationDetails",
            lambda before: xml_error("403 Forbidden", "AccessDenied", "User is not authorized."),
            "owner: iam:GetAccountAuthorizationDetails with profile owner was denied: User is not authorized. "
            "The permission iam:GetAccountAuthorizationDetails is missing; templates/snapshot-reader has all",
        ),
        (
            "GetAccountAuthorizationDetails",
            lambda before: xml_error("403 Forbidden", "AccessDenied") if before else None,
            "The permission iam:GetAccountAuthorizationDetails is missing",
        ),
        (
            "ListKeys",
            lambda before: json_error("400 Bad Request", "AccessDeniedException", "no"),
            "The permission kms:ListKeys is missing",
        ),
        (
            "GET /",
            lambda before: xml_error("403 Forbidden", "AccessDenied", "Access Denied"),
            "The permission s3:ListAllMyBuckets is missing",
        ),
        (
            "ListRoles",
            lambda before: xml_error("403 Forbidden", "ExpiredToken", "The security token is expired"),
            "owner: iam:ListRoles with profile owner: the credentials have expired or are not known (ExpiredToken)",
        ),
        (
            "GetCallerIdentity",
            lambda before: xml_error("403 Forbidden", "InvalidClientTokenId", "invalid"),
            "sts:GetCallerIdentity with profile owner: the credentials have expired or are not known",
        ),
        (
            "ListStackResources",
            lambda before: xml_error("400 Bad Request", "Throttling", "Rate exceeded"),
            "owner: cloudformation:ListStackResources with profile owner was throttled (Throttling) after 2 tries",
        ),
        (
            "DescribeStacks",
            lambda before: xml_error("500 Internal Server Error", "InternalFailure", "oops"),
            "owner: cloudformation:DescribeStacks with profile owner failed: InternalFailure oops",
        ),
    ],
    ids=[
        "denied", "denied on the second page", "denied by another service", "denied by S3", "expired", "unknown key",
        "throttled for ever", "broken",
    ],
)  # fmt: skip
def test_a_partial_snapshot_is_refused_with_the_call_that_failed(
    faults: Any, operation: str, fault: Any, said: str
) -> None:
    faults[operation] = fault
    with pytest.raises(live.SnapshotFailed) as failed:
        taken()
    assert said in str(failed.value)


def test_a_timeout_refuses_the_snapshot(faults: Any) -> None:
    faults["GetCallerIdentity"] = slow(0.6)
    said = "owner: sts:GetCallerIdentity with profile owner got no answer: Read timeout"
    with pytest.raises(live.SnapshotFailed, match=said):
        taken(config=IMPATIENT)


def test_a_profile_of_another_account_is_refused_before_any_read(faults: Any, server: tuple[str, Faults]) -> None:
    with pytest.raises(live.SnapshotFailed, match="profile partner is of account 222222222222; the contract says"):
        taken("owner", "partner")
    assert server[1].seen == {"GetCallerIdentity": 1}


def test_an_unreachable_server_gives_a_one_line_error(faults: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    source.cache_clear()
    with pytest.raises(live.SnapshotFailed, match="got no answer: Could not connect"):
        taken()
    source.cache_clear()


def test_snapshot_writes_what_verify_reads_and_nothing_when_a_call_fails(
    faults: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["snapshot", str(GRANT), "owner=owner", "partner=partner", "--services", "s3,kms"]) == 0
    assert "owner: account 111111111111 written to snapshots/owner.json" in capsys.readouterr().err
    documents = [json.loads(line) for line in Path("snapshots/owner.json").read_text(encoding="utf-8").splitlines()]
    assert {"Account": "111111111111"} in documents
    faults["ListRoles"] = lambda before: xml_error("403 Forbidden", "AccessDenied", "no")
    arguments = ["snapshot", str(GRANT), "owner=owner", "--out", "other", "--services", "s3"]
    assert main(arguments) == 2
    assert "The permission iam:ListRoles is missing" in capsys.readouterr().err
    assert not Path("other").exists()


def test_an_unwritable_path_gives_a_one_line_error(faults: Any, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["snapshot", str(GRANT), "owner=owner", "partner=partner", "--services", "kms", "--out", "/proc/none"]
    assert main(command) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("accounts", "said"),
    [
        (
            ["owner=nobody"],
            "owner: The config profile (nobody) could not be found. Known profiles: owner, partner, tester.",
        ),
        (["third=owner"], "no contract has an account 'third'. Accounts: owner, partner."),
        (["owner"], "owner: is not ALIAS=PROFILE"),
        (["owner=owner", "owner=partner"], "'owner' is given twice"),
    ],
)
def test_mistakes_are_one_line(faults: Any, accounts: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["snapshot", str(GRANT), *accounts]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.count("\n") == 1


def denying(code: str, status: str, kind: Any, *, after: int = 0, only: int = 1_000) -> Callable[[int], Answer | None]:
    """A fault that denies a call after it was allowed this many times, for a number of calls."""
    return lambda before: kind(status, code, "no") if after <= before < after + only else None


def as_aws_would(faults: dict[str, Any]) -> None:
    """moto denies nothing, so every denial that the grant promises is injected here."""
    faults["AssumeRole"] = denying("AccessDenied", "403 Forbidden", xml_error, only=1)  # the owner's, who comes first
    faults["GetParameter"] = denying("AccessDeniedException", "400 Bad Request", json_error, after=1)
    for operation in ("AcceptTransitGatewayMulticastDomainAssociations", "AllocateAddress"):
        faults[operation] = denying("UnauthorizedOperation", "403 Forbidden", ec2_error)


TRYING = ("--try-calls", "owner=owner", "partner=tester")


def test_verify_live_takes_the_snapshots_verifies_them_and_tries_the_calls(faults: Any, tmp_path: Path) -> None:
    as_aws_would(faults)
    done = grantproof("verify", str(GRANT), "--live", "owner=owner", "partner=partner", *TRYING, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "VERIFIED  cross-account-ssm" in done.stdout
    assert (
        "against owner (reports/snapshots/owner.json), partner (reports/snapshots/partner.json); resource policies "
        in done.stdout
    )
    assert "calls are tried. None can change anything" in done.stderr
    claims = Path("reports/claims.csv").read_text(encoding="utf-8")
    assert "a call gives what the contract says: partner enters reader" in claims


@pytest.fixture(scope="module")
def world(profiles: None) -> Recorded:
    """The snapshots of the accounts, taken once."""
    return Recorded(load(GRANT), {alias: join(Path(alias), taken(alias)) for alias in load(GRANT).accounts})


def answers(world: Recorded, config: Config = TWICE) -> dict[str, str]:
    """The result of each call, without dry runs, since EC2's client takes a second to create."""
    sources = [source("owner", "owner"), source("partner", "tester")]
    plan = trial_run.plans({"g": world}, sources, TWICE)["g"]
    plan = replace(plan, trials=tuple(trial for trial in plan.trials if trial.service != "ec2"))
    return {a.trial.name: a.outcome for a in trial_run.tried(plan, sources, config)}


@pytest.mark.parametrize(
    ("operation", "fault", "name", "outcome"),
    [
        ("DescribeParameters", lambda before: xml_error("400 Bad Request", "Throttling"), "reader may ssm:Describe",
         "unsettled"),
        ("DescribeParameters", denying("AccessDeniedException", "400 Bad Request", json_error), "reader may ssm:Desc",
         "denied"),
        ("GetParameter", lambda before: None, "reader may not ssm:GetParameter", "unsettled"),  # ParameterNotFound
        ("AssumeRole", lambda before: None, "owner does not enter reader", "allowed"),
        ("AssumeRole", denying("AccessDenied", "403 Forbidden", xml_error), "reader may ssm:Describe", "unsettled"),
    ],
    ids=["throttled for ever", "denied", "not found is no denial", "wrongly let in", "never entered"],
)  # fmt: skip
def test_outcomes_of_calls_are_distinguished(
    faults: Any, world: Recorded, operation: str, fault: Any, name: str, outcome: str
) -> None:
    as_aws_would(faults)
    faults[operation] = fault
    found = answers(world)
    assert [came for called, came in found.items() if called.startswith(name)] == [outcome]


def test_a_timeout_of_a_tried_call_settles_nothing(faults: Any, world: Recorded) -> None:
    as_aws_would(faults)
    faults["DescribeParameters"] = slow(0.6)
    found = answers(world, IMPATIENT)
    assert [came for called, came in found.items() if called.startswith("reader may ssm:Describe")] == ["unsettled"]


def test_credentials_that_expire_during_the_calls_verify_nothing(faults: Any, world: Recorded) -> None:
    as_aws_would(faults)
    faults["DescribeParameters"] = lambda before: json_error("400 Bad Request", "ExpiredTokenException", "old")
    with pytest.raises(
        live.SnapshotFailed, match="partner: ssm:DescribeParameters with profile tester: the credentials"
    ):
        answers(world)


def test_the_callers_are_determined_before_anything_is_read(
    faults: Any, server: tuple[str, Faults], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["verify", str(GRANT), "--live", "owner=owner", "partner=partner", "--try-calls"]
    for given, said in ((["third=owner"], "no contract has an account 'third'"), (["x"], "x: is not ALIAS=PROFILE")):
        assert main([*arguments, *given]) == 2
        printed = capsys.readouterr().err
        assert said in printed
        assert printed.count("\n") == 1
    assert not server[1].seen


def test_calls_are_not_tried_without_a_snapshot_taken_now(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(GRANT), "--try-calls"]) == 2
    assert capsys.readouterr().err == (
        "--try-calls goes with --live: what may be tried is worked out from what was read.\n"
    )
