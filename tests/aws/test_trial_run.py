"""Calls that are tried against real accounts: none can change anything, and an ambiguous answer decides nothing.

Most tests use calls that are authorised here, and denied with the services' own errors; tests/aws/test_live.py uses
HTTP.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from grantproof.aws.calls.harmless import harmless, only_reads
from grantproof.aws.real import trial_run, trials_inside
from grantproof.aws.real.export import join
from grantproof.aws.real.live import SnapshotFailed, Source
from grantproof.aws.real.recorded import Recorded
from grantproof.aws.real.trial import Plan, Trial
from grantproof.aws.real.trial_run import Answer
from grantproof.aws.staged.stage import Stage
from grantproof.contract import load
from grantproof.iam import actions
from tests.aws.exporting import account

TEMPLATES = Path(__file__).parent.parent.parent / "templates"
CONTRACT = load(TEMPLATES / "cross-account-ssm")


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    stage = Stage(CONTRACT)
    stage.open()
    stage.member(CONTRACT.principal("readers"))
    stage.outsider(CONTRACT.accounts["owner"], "assumes-all", "*")
    yield stage
    stage.close()


@pytest.fixture(scope="module")
def world(stage: Stage) -> Recorded:
    return Recorded(CONTRACT, {a: join(Path(a), list(account(stage, a).values())) for a in CONTRACT.accounts})


@pytest.fixture
def sources(stage: Stage) -> list[Source]:
    """A member of the partner's group, and a user of the owner account who may assume any role."""
    partner = stage.member(CONTRACT.principal("readers"))
    owner = stage.outsider(CONTRACT.accounts["owner"], "assumes-all", "*")
    return [
        Source(session, f"profile {alias}", alias, CONTRACT.accounts[alias], CONTRACT.region)
        for alias, session in (("partner", partner), ("owner", owner))
    ]


def plan(world: Recorded, sources: list[Source]) -> Plan:
    return trial_run.plans({"g": world}, sources)["g"]


def test_every_call_gives_what_the_contract_says_and_nothing_else_is_called(
    stage: Stage, world: Recorded, sources: list[Source]
) -> None:
    before = Counter(stage.world.tried)
    found = plan(world, sources)
    answers = list(trial_run.tried(found, sources, session_of=lambda credentials, _: stage.world.session(credentials)))
    assert [a.finding for a in answers] == [None] * len(answers)
    names = {a.trial.name for a in answers}
    assert {
        "partner enters reader",
        "owner does not enter reader",
        "reader may ssm:DescribeParameters",
        "reader may ssm:GetParameter on parameter/dva-02-002-Parameter",
        "reader may not ssm:GetParameter on parameter/dva-02-002-Parameter2",
    } <= names
    assert sum(a.trial.params.get("DryRun") is True for a in answers) == 2
    made = {action for _, action, _, _ in stage.world.tried - before}
    levels = {level for action in made for level in actions.details(action).levels if action != "sts:AssumeRole"}
    assert levels - {"List", "Read"} <= {"Write"}
    writes = {a for a in made if "Write" in actions.details(a).levels} - {"sts:AssumeRole"}
    assert all(action.startswith("ec2:") for action in writes)


def test_the_plan_lists_every_call_and_what_will_not_be_called(world: Recorded, sources: list[Source]) -> None:
    first, *lines = trial_run.announcement({"g": plan(world, sources)})
    assert first.startswith(f"{sum(': not tried' not in line for line in lines)} calls are tried. None can change")
    assert "  g: profile of partner: sts:AssumeRole on arn:aws:iam::111111111111:role/" in lines[0]
    assert any("is denied at" in line and "can be tried without danger" in line for line in lines)


def test_a_role_that_no_profile_can_assume_is_not_verified(world: Recorded, sources: list[Source]) -> None:
    found = plan(world, [source for source in sources if source.alias == "owner"])
    answers = [Answer(trial, "unsettled", why) for trial, why in found.unanswered]
    assert [a.trial.name for a in answers] == ["reader is entered with one of the profiles"]
    assert answers[0].finding is not None


def test_a_caller_without_own_permission_is_not_taken_as_denied_by_the_role(
    stage: Stage, world: Recorded, sources: list[Source]
) -> None:
    """The trust policy is to be tried, and it would let this user in."""
    stranger = replace(sources[0], session=stage.outsider(CONTRACT.accounts["partner"], "bystander"))
    later = Recorded(CONTRACT, {a: join(Path(a), list(account(stage, a).values())) for a in CONTRACT.accounts})
    found = plan(later, [stranger])
    assert found.trials == ()
    assert "has no permission of its own to do so" in found.unanswered[0][1]


#: One for all, since it reads the models of services once.
SESSION = boto3.Session("k", "s", region_name="eu-west-1")


def test_a_call_whose_answer_is_ambiguous_is_not_made() -> None:
    """S3 answers 403 for an object that does not exist, so an invented name cannot distinguish allowed from denied."""
    bucket, table = "arn:aws:s3:::reports", "arn:aws:dynamodb:eu-west-1:111111111111:table/orders"
    assert [trials_inside._beside(arn) for arn in (bucket, f"{bucket}/a", f"{bucket}/*", "*")] == [None] * 4
    assert trials_inside._beside(table) == f"{table}2"
    whole = (f"{bucket}/a", "*", f"{bucket}/*", f"{bucket}/${{aws:username}}")
    assert [trials_inside._is_one(arn) for arn in whole] == [True, True, False, False]


TRIAL = Trial("g", "x", "partner", "", "ssm", "DescribeParameters", {}, "*", True, "c:1")


def answered(monkeypatch: pytest.MonkeyPatch, error: Exception | None, trial: Trial = TRIAL) -> Answer:
    def call(self: Any, operation: str, params: Any) -> Any:
        if error is not None:
            raise error
        return {}

    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", call)
    source = Source(SESSION, "profile partner", "partner", "222222222222", "eu-west-1")
    (answer,) = trial_run.tried(Plan((trial,)), [source])
    return answer


def refusal(code: str, status: int = 400) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "O")  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "allowed"),
        (refusal("AccessDeniedException"), "denied"),
        (refusal("AccessDeniedException", 500), "unsettled"),
        (refusal("ThrottlingException"), "unsettled"),
        (refusal("ParameterNotFound"), "unsettled"),
        (refusal("UnauthorizedOperation", 403), "unsettled"),  # EC2's word, from another service
        (ReadTimeoutError(endpoint_url="https://x"), "unsettled"),
    ],
)
def test_only_the_services_own_error_is_a_denial(
    error: Exception | None, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed, denied = TRIAL, replace(TRIAL, allowed=False)
    assert answered(monkeypatch, error).outcome == outcome
    findings = [answered(monkeypatch, error, trial).finding for trial in (allowed, denied)]
    status = [found and found[0] for found in findings]
    assert status == {
        "allowed": [None, "broken"],
        "denied": ["broken", None],
        "unsettled": ["unverified", "unverified"],
    }[outcome]  # fmt: skip


def test_a_denial_that_can_have_another_cause_settles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    trial = replace(TRIAL, needs="aws:MultiFactorAuthPresent=true")
    found = answered(monkeypatch, refusal("AccessDeniedException"), trial).finding
    assert found is not None
    assert found[0] == "unverified"


def test_a_successful_dry_run_counts_as_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    trial = replace(TRIAL, service="ec2", operation="CreateVpc", params={"DryRun": True}, allowed=False)
    assert answered(monkeypatch, refusal("DryRunOperation", 412), trial).outcome == "allowed"
    assert answered(monkeypatch, refusal("UnauthorizedOperation", 403), trial).outcome == "denied"


def test_expired_credentials_end_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SnapshotFailed, match="the credentials have expired or are not known"):
        answered(monkeypatch, refusal("ExpiredTokenException"))


@pytest.mark.parametrize(
    ("service", "operation", "params"),
    [("ec2", "CreateVpc", {}), ("ec2", "CreateVpc", {"DryRun": False}), ("ssm", "PutParameter", {}), ("sts", "X", {})],
)
def test_a_call_that_could_change_something_is_never_made(
    service: str, operation: str, params: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = replace(TRIAL, service=service, operation=operation, params=params)
    with pytest.raises(AssertionError, match="may change something and is never called"):
        answered(monkeypatch, None, trial)


def test_no_operation_that_writes_counts_as_a_read() -> None:
    """The access level of its action decides, whatever its name."""
    for service in ("iam", "s3", "sqs", "ssm", "secretsmanager", "kms", "lambda", "ec2", "sns", "dynamodb"):
        for name in actions.in_service(service):
            if set(actions.details(name).levels) - {"List", "Read"}:
                assert not only_reads(service, name.partition(":")[2]), name
    assert not only_reads("sqs", "ReceiveMessage"), "which hides the message from others"
    assert not only_reads("sts", "GetSessionToken")
    assert harmless("s3", "HeadObject", {})


def test_written_answers_are_read_back_unchanged(world: Recorded, sources: list[Source], tmp_path: Path) -> None:
    found = plan(world, sources)
    answers = [Answer(trial, "denied", "why") for trial in found.trials]
    trial_run.write({"g": (found, answers)}, tmp_path / "calls.json")
    again = trial_run.read(tmp_path / "calls.json")["g"]
    assert [(a.trial.name, a.outcome, a.finding) for a in again] == [
        (a.trial.name, a.outcome, a.finding) for a in answers
    ]
    assert "Credentials" not in json.dumps((tmp_path / "calls.json").read_text(encoding="utf-8"))
