"""Makes the trial calls of a plan against real accounts, one after the other, and records their outcomes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from grantproof.aws.calls import refusals
from grantproof.aws.calls.harmless import Models, harmless
from grantproof.aws.real import live
from grantproof.aws.real.live import PATIENT, SnapshotFailed, Source
from grantproof.aws.real.recorded import Recorded
from grantproof.aws.real.trial import Plan, Trial
from grantproof.aws.real.trials import planned

Outcome = Literal["allowed", "denied", "unsettled"]
#: Creates a session from the credentials of AssumeRole and a region.
Entered = Callable[[Mapping[str, str], str], boto3.Session]


@dataclass(frozen=True)
class Answer:
    """The outcome of a call. `said` is the service's error message; the data that a call returns is never kept."""

    trial: Trial
    outcome: Outcome
    said: str = ""

    @property
    def finding(self) -> tuple[Literal["broken", "unverified"], str] | None:
        """(`broken`, the difference) or (`unverified`, the reason); None where the outcome agrees with the contract."""
        wanted = "allowed" if self.trial.allowed else "denied"
        if self.outcome == wanted:
            return None
        call = f"{self.trial.service}:{self.trial.operation} on {self.trial.resource}"
        if self.outcome == "unsettled":
            return "unverified", f"{call} was neither allowed nor denied: {self.said}"
        if self.outcome == "denied" and self.trial.needs:
            return "unverified", f"{call} was denied; the profile may lack {self.trial.needs}: {self.said}"
        if self.outcome == "denied":
            return "broken", f"{call} was denied: {self.said}"
        return "broken", f"{call} was allowed"


def plans(worlds: Mapping[str, Recorded], sources: Sequence[Source], config: Config = PATIENT) -> dict[str, Plan]:
    """The plan for each grant, by name. The only call made is GetCallerIdentity, for the identities of the profiles.

    Raises:
        SnapshotFailed: a profile cannot be used, or is of another account.
    """
    callers = {source.alias: live.identity(source, config) for source in sources}
    models = _models(sources, config)
    return {
        name: planned(world, {a: c for a, c in callers.items() if a in world.contract.accounts}, models)
        for name, world in worlds.items()
    }


def _models(sources: Sequence[Source], config: Config) -> Models:
    """A function from a service to botocore's model of it; it creates one client per service."""
    found: dict[str, Any] = {}

    def model(service: str) -> Any:
        if service not in found:
            source = sources[0]
            client = source.session.client(service, region_name=source.region, config=config)
            found[service] = client.meta.service_model
        return found[service]

    return model


def tried(
    plan: Plan, sources: Sequence[Source], config: Config = PATIENT, session_of: Entered | None = None
) -> Iterator[Answer]:
    """Make the calls of a plan; the outcome of each. `session_of` creates a session from the credentials of AssumeRole.

    Raises:
        SnapshotFailed: credentials have expired, so that later outcomes would decide nothing.
    """
    by_alias = {source.alias: source for source in sources}
    sessions: dict[str, boto3.Session] = {}
    for trial in plan.trials:
        source = by_alias[trial.profile]
        session = sessions.get(trial.role) if trial.role else source.session
        if session is None:
            yield Answer(trial, "unsettled", f"{trial.role} could not be entered")
            continue
        answer, returned = _call(trial, session, source, config)
        if trial.enters and returned:
            sessions[trial.enters] = (session_of or _session)(returned["Credentials"], source.region)
        yield answer
    yield from (Answer(question, "unsettled", why) for question, why in plan.unanswered)


def _call(trial: Trial, session: boto3.Session, source: Source, config: Config) -> tuple[Answer, Any]:
    if not harmless(trial.service, trial.operation, trial.params):
        raise AssertionError(f"{trial.service}:{trial.operation} may change something and is never called")
    client = session.client(trial.service, region_name=source.region, config=config)
    method = next(name for name, called in client.meta.method_to_api_mapping.items() if called == trial.operation)
    try:
        returned = getattr(client, method)(**trial.params)
    except ClientError as error:
        return _refused(trial, error, client, source), None
    except (BotoCoreError, HTTPClientError) as error:
        return Answer(trial, "unsettled", str(error)), None
    return Answer(trial, "allowed"), returned


def _refused(trial: Trial, error: ClientError, client: Any, source: Source) -> Answer:
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    said = f"{code} {message}".strip()
    if code in live.EXPIRED:
        raise SnapshotFailed(
            f"{source.alias}: {trial.service}:{trial.operation} with {source.name}: the credentials have expired or "
            f"are not known ({code}). Log in again; nothing is verified."
        ) from error
    if code == "DryRunOperation":
        return Answer(trial, "allowed")
    protocol = str(client.meta.service_model.metadata["protocol"])
    denied = code in _denials(trial.service, protocol) and error.response["ResponseMetadata"]["HTTPStatusCode"] in (
        400,
        403,
    )
    return Answer(trial, "denied" if denied else "unsettled", said)


def _denials(service: str, protocol: str) -> frozenset[str]:
    """The error codes with which a service denies access, with and without the suffix `Exception`, in which protocols
    differ. The response to a HEAD request has no body, so that botocore gives its status as the code."""
    own = refusals.not_authorised(service, protocol)[1].removesuffix("Exception")
    return frozenset({own, f"{own}Exception", *({"403"} if service == "s3" else ())})


def _session(credentials: Mapping[str, str], region: str) -> boto3.Session:
    return boto3.Session(
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
        region_name=region,
    )


# --- announced and recorded -------------------------------------------------------------------------------------------


def announcement(found: Mapping[str, Plan]) -> Iterator[str]:
    """Lines for the terminal, before any call: what will be called, and what is not tried and why."""
    count = sum(len(plan.trials) for plan in found.values())
    calls = "1 call is tried" if count == 1 else f"{count} calls are tried"
    yield f"{calls}. None can change anything: roles are entered, the rest reads or is a dry run."
    for grant, plan in found.items():
        yield from (f"  {grant}: {trial}" for trial in plan.trials)
        yield from (f"  {grant}: not tried: {why}" for why in plan.left_out)
        yield from (f"  {grant}: cannot be tried: {question.name}: {why}" for question, why in plan.unanswered)


def write(found: Mapping[str, tuple[Plan, Sequence[Answer]]], path: Path) -> None:
    """Write the outcomes of the calls, for the suite `calls`."""
    grants = {
        grant: {
            "answers": [{**asdict(a.trial), "outcome": a.outcome, "said": a.said} for a in answers],
            "left_out": list(plan.left_out),
        }
        for grant, (plan, answers) in found.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"version": 1, "grants": grants}, indent=1, default=str) + "\n", encoding="utf-8")


def read(path: Path) -> dict[str, list[Answer]]:
    """The inverse of `write`, by grant."""
    content = json.loads(path.read_text(encoding="utf-8"))["grants"]
    return {grant: [_answer(entry) for entry in found["answers"]] for grant, found in content.items()}


def _answer(entry: Mapping[str, Any]) -> Answer:
    data = dict(entry)
    outcome, said = data.pop("outcome"), data.pop("said")
    return Answer(Trial(**data), outcome, said)


def run_and_record(
    worlds: Mapping[str, Recorded], sources: Sequence[Source], path: Path, say: Callable[[Iterable[str]], None]
) -> None:
    """Announce the calls, make them, and write their outcomes to `path`; the file appears complete or not at all.

    Raises:
        SnapshotFailed: as `plans` and `tried`.
    """
    path.unlink(missing_ok=True)
    found = plans(worlds, sources)
    say(announcement(found))
    write({grant: (plan, list(tried(plan, sources))) for grant, plan in found.items()}, path)
