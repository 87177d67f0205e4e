"""boto3 sessions of a mocked world: every call is authorised before it is sent.

moto carries out every call without checking permissions. So each session asks the world's authoriser before a call is
sent, through botocore's event system. If the authoriser refuses, the caller gets the error that the service would give.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.hooks import HierarchicalEmitter
from botocore.model import OperationModel
from botocore.utils import parse_timestamp

from grantproof.aws.isolation import models
from grantproof.aws.mocked.identity import Identity

if TYPE_CHECKING:
    from grantproof.aws.mocked.world import World


@dataclass(frozen=True)
class Call:
    """A call that is about to be made. `params` are the API parameters, whatever the wire protocol."""

    identity: Identity
    service: str
    operation: OperationModel
    params: Mapping[str, Any]
    region: str


@dataclass(frozen=True)
class Refusal:
    """The error with which a service answers a call that it refuses."""

    status: int
    code: str
    message: str


@dataclass(frozen=True)
class Calls:
    """How many calls were made, and how many of them the authoriser refused."""

    made: int = 0
    refused: int = 0


#: Decides a call: the error to answer with, or None to carry the call out.
Authoriser = Callable[[Call], Refusal | None]

#: The user agent of every session, which policies see as `aws:UserAgent`.
USER_AGENT = "Boto3"
#: The request id of a refusal by the authoriser; refusals by moto have others.
AUTHORISER_REQUEST_ID = "refused-by-grantproof"
#: moto checks no signatures, so a principal without an access key of its own needs no secret.
NO_SECRET = "-"
#: The first words of operations that change nothing.
_READS = ("Get", "List", "Describe", "Head", "BatchGet", "Lookup", "Search", "Simulate", "AssumeRole", "Decode")


@cache
def _handlers() -> HierarchicalEmitter:
    """The event handlers that botocore registers for a new session, those of moto included. Each session gets a copy:
    to register them again takes most of the time that it takes to make a session."""
    emitter = HierarchicalEmitter()
    botocore.session.Session(event_hooks=emitter)
    return emitter


def _moment(text: Any) -> datetime:
    """Parse a timestamp in an answer. ISO 8601 is tried first, since botocore's own parser is slow: it tries many
    formats."""
    if isinstance(text, str) and text[10:11] == "T":
        with suppress(ValueError):
            return datetime.fromisoformat(text)
    return parse_timestamp(text)  # type: ignore[no-any-return]  # botocore has no types


class Wire:
    """One boto3 session in a world, and what happens to each of its calls.

    Attributes:
        identity: the principal that makes the calls.
        session: the boto3 session, with the credentials of that identity.
        world: the world whose authoriser decides each call, and which records the changes. Set by the world.
    """

    world: World

    def __init__(
        self, identity: Identity, region: str, secret: str = NO_SECRET, token: str | None = None, *, judged: bool = True
    ) -> None:
        self.identity, self._judged = identity, judged
        self._clients: dict[tuple[str, str], Any] = {}
        core = botocore.session.Session(event_hooks=copy(_handlers()), include_builtin_handlers=False)
        core.register_component("data_loader", models())
        core.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_moment)
        core.set_default_client_config(Config(user_agent=USER_AGENT, proxies={}))
        self.session = boto3.Session(
            aws_access_key_id=identity.access_key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            region_name=region,
            botocore_session=core,
        )
        events = self.session.events
        events.register_last("before-parameter-build", self._keep_parameters)
        events.register("before-call", self._before)
        events.register("before-sign", self._route)
        events.register("after-call", self._after)

    def client(self, service: str, region: str) -> Any:
        """A client of the session. Cached."""
        if (service, region) not in self._clients:
            self._clients[service, region] = self.session.client(service, region_name=region)
        return self._clients[service, region]

    def _keep_parameters(self, params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
        """Keep the API parameters for the later events of the call, which only see the HTTP request."""
        context[__name__] = params

    def _route(self, request: Any, **_: Any) -> None:
        # moto's documented header for the account in which a call is carried out.
        request.headers["x-moto-account-id"] = self.identity.account

    def _before(self, model: OperationModel, context: dict[str, Any], **_: Any) -> tuple[AWSResponse, Any] | None:
        """Ask the authoriser. Returns the answer to a refused call, which botocore then does not send; else None."""
        if not self._judged:
            return None
        world = self.world
        service = model.service_model.service_name
        refusal = None
        if world.authorise is not None:
            call = Call(self.identity, service, model, context.get(__name__, {}), context["client_region"])
            refusal = world.authorise(call)
        world.calls = Calls(world.calls.made + 1, world.calls.refused + (refusal is not None))
        return None if refusal is None else _answer(refusal)

    def _after(self, model: OperationModel, parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        """Record what a call changed, and correct the answers that moto gets wrong."""
        if "Error" in parsed:
            return
        if not model.name.startswith(_READS):
            self.world.changes += 1
            self.world.changes_in[self.identity.account] += 1
            self.world.changed.add(model.service_model.service_name)
        if model.name == "AssumeRole" and model.service_model.service_name == "sts":
            self._issued(context.get(__name__, {}), parsed)
        elif model.name == "GetSessionToken":
            self._signed_in(context.get(__name__, {}), parsed)
        elif model.name in ("CreateRole", "UpdateAssumeRolePolicy") and model.service_model.service_name == "iam":
            self._bind(context.get(__name__, {}), parsed)
        elif model.name == "GetCallerIdentity" and self._judged:
            # moto knows neither the root user nor a role's path.
            who = self.identity
            parsed.update(Arn=who.arn, Account=who.account, UserId=who.user_id)

    def _signed_in(self, params: Mapping[str, Any], parsed: dict[str, Any]) -> None:
        """Register credentials of GetSessionToken: the user's own access, with MFA information (rule T26)."""
        issued = self.world.now().replace(microsecond=0)
        expires = issued + timedelta(seconds=params.get("DurationSeconds", 43200))
        key = parsed["Credentials"]["AccessKeyId"]
        mfa = "SerialNumber" in params and "TokenCode" in params
        self.world.register(replace(self.identity, access_key=key, issued=issued, expires=expires, mfa=mfa))
        parsed["Credentials"]["Expiration"] = expires

    def _bind(self, params: Mapping[str, Any], parsed: Mapping[str, Any]) -> None:
        """Record the unique ids of the users and roles that a saved trust policy names, as IAM does (rule P21)."""
        world = self.world
        iam = world.client(world.root(self.identity.account), "iam")
        role = parsed["Role"] if "Role" in parsed else iam.get_role(RoleName=params["RoleName"])["Role"]
        document = params.get("AssumeRolePolicyDocument") or params["PolicyDocument"]
        ids = {arn: world.unique_id(arn) for arn in set(_ARN.findall(document))}
        world.bound[role["Arn"]] = {arn: found for arn, found in ids.items() if found}

    def _issued(self, params: Mapping[str, Any], parsed: dict[str, Any]) -> None:
        """Register the session that AssumeRole has issued, and correct the ARN and the expiration in its answer."""
        world, role_arn, name = self.world, params["RoleArn"], params["RoleSessionName"]
        account, role_name = role_arn.split(":")[4], role_arn.rsplit("/", 1)[1]
        role = world.held_role(account, role_name)
        issued = world.now().replace(microsecond=0)
        arn = f"arn:{world.partition}:sts::{account}:assumed-role/{role_name}/{name}"
        identity = Identity(
            arn=arn,
            account=account,
            kind="role session",
            access_key=parsed["Credentials"]["AccessKeyId"],
            user_id=f"{role['RoleId']}:{name}",
            issuer=role["Arn"],
            issued=issued,
            expires=issued + timedelta(seconds=params.get("DurationSeconds", 3600)),
            session_policies=tuple(_session_policies(world, account, params)),
            session=_session_keys(self.identity, role.get("Tags") or [], params),
            chained=self.identity.kind == "role session",
        )
        world.register(identity)
        parsed["Credentials"]["Expiration"] = identity.expires
        parsed["AssumedRoleUser"] = {"AssumedRoleId": identity.user_id, "Arn": arn}


@cache
def root_wire(account: str, partition: str, region: str) -> Wire:
    """The root user of an account, whose calls are not authorised. Cached for all worlds of the process, of which there
    is one at a time: to make its clients takes longer than the calls of most worlds."""
    identity = Identity(f"arn:{partition}:iam::{account}:root", account, "root", f"AKIAWORLD{account}", account)
    return Wire(identity, region, judged=False)


_ARN = re.compile(r"arn:[a-z-]+:iam::\d{12}:(?:user|role)/[^\"\s]+")


def _session_policies(world: World, account: str, params: Mapping[str, Any]) -> list[str]:
    """The session policies that an AssumeRole call passes, as JSON texts."""
    documents = [params["Policy"]] if params.get("Policy") else []
    iam = world.client(world.root(account), "iam")
    for entry in params.get("PolicyArns") or ():
        policy = iam.get_policy(PolicyArn=entry["arn"])["Policy"]
        version = iam.get_policy_version(PolicyArn=entry["arn"], VersionId=policy["DefaultVersionId"])
        documents.append(json.dumps(version["PolicyVersion"]["Document"]))
    return documents


def _session_keys(caller: Identity, role_tags: list[Any], params: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
    """The condition keys of a new role session that come from its tags and its source identity (rules C49, C73, T15,
    T17, T19)."""
    tags = {tag["Key"].lower(): tag for tag in role_tags}
    tags |= {tag["Key"].lower(): tag for tag in params.get("Tags") or ()}
    out = {f"aws:PrincipalTag/{tag['Key']}": (tag["Value"],) for tag in tags.values()}
    source = params.get("SourceIdentity") or next(iter(caller.session.get("aws:SourceIdentity", ())), None)
    if source:
        out["aws:SourceIdentity"] = (source,)
    return out


def _answer(refusal: Refusal) -> tuple[AWSResponse, dict[str, Any]]:
    """A refusal as botocore returns the answer to a call: the HTTP response and the parsed data."""
    headers: Any = {"x-amzn-requestid": AUTHORISER_REQUEST_ID}
    response = AWSResponse("", refusal.status, headers, None)
    metadata = {"HTTPStatusCode": refusal.status, "HTTPHeaders": headers, "RequestId": headers["x-amzn-requestid"]}
    return response, {
        "Error": {"Code": refusal.code, "Message": refusal.message},
        "ResponseMetadata": {**metadata, "RetryAttempts": 0},
    }
