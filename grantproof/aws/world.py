"""The mocked accounts in which a grant is deployed: who can call, and every call on its way.

moto carries calls out and judges none of them. Each session that a world hands out asks the world's authoriser before a
call is sent, through botocore's event system; what the authoriser refuses is answered with the service's own error.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from copy import copy
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import boto3
import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.hooks import HierarchicalEmitter
from botocore.model import OperationModel
from moto import mock_aws
from moto.moto_api._internal import mock_random

from grantproof.aws.cloudformation import Built, like_cloudformation
from grantproof.aws.iam_resources import remove_role
from grantproof.aws.identity import Identity
from grantproof.aws.isolation import isolated, models
from grantproof.aws.validation import judged_by_the_law


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
    """How a service answers a call that it does not carry out."""

    status: int
    code: str
    message: str


@dataclass(frozen=True)
class Calls:
    """How many calls were made, and how many of them the authoriser refused."""

    made: int = 0
    refused: int = 0


Authoriser = Callable[[Call], Refusal | None]

#: What every session says of itself, and what policies see of it.
USER_AGENT = "Boto3"
#: moto checks no signatures, so a principal without an access key of its own needs no secret.
NO_SECRET = "-"
_SEED = 1
_READS = ("Get", "List", "Describe", "Head", "BatchGet", "Lookup", "Search", "Simulate", "AssumeRole", "Decode")


class World:
    """Mocked accounts, entered as a context manager. One at a time in a process, because moto's state is the process's.

    Args:
        accounts: alias to 12 digits.
        region: where sessions are unless they say otherwise.
        partition: of all accounts.
        managed_policies: load the AWS managed policies too (0.3 s an account); needed only where one is attached.
    """

    def __init__(
        self, accounts: Mapping[str, str], region: str, partition: str = "aws", *, managed_policies: bool = False
    ) -> None:
        self.accounts = dict(accounts)
        self.region = region
        self.partition = partition
        self.calls = Calls()
        self.tried: Counter[tuple[str, str, str, bool]] = Counter()
        """The requests behind the judged calls: principal, action, resource, whether it was allowed."""
        self.changes = 0
        """Goes up with every call that may have changed what the accounts hold."""
        self.changes_in: Counter[str] = Counter()
        """The same, by account number."""
        self.changed: set[str] = set()
        """The services of these calls, by botocore's names."""
        self.built = Built()
        """What CloudFormation made of the templates."""
        self.partial = False
        """Deploy what can be, and note what cannot, instead of stopping."""
        self.organizations: dict[str, str] = {}
        """The organization that an account is in, by number; an account that is not here is in none."""
        self.bound: dict[str, dict[str, str]] = {}
        """The unique ids to which the ARNs in a trust policy were bound when it was saved, by the role's ARN (rule
        P21)."""
        self.authorise: Authoriser | None = None
        self._managed_policies = managed_policies
        self._identities: dict[str, Identity] = {}
        self._roots: dict[str, boto3.Session] = {}
        self._clients: dict[tuple[int, str, str], Any] = {}
        self._offset = timedelta()
        self._guests = 0
        self._helpers = 0
        self._exit = ExitStack()

    def __enter__(self) -> World:
        with ExitStack() as stack:
            stack.enter_context(isolated())
            config: Any = {"iam": {"load_aws_managed_policies": self._managed_policies}}
            stack.enter_context(mock_aws(config=config))
            # Names that CloudFormation makes up are the same in every deployment, so that two runs can be compared.
            mock_random.seed(_SEED)
            stack.enter_context(judged_by_the_law())
            self.built = stack.enter_context(
                like_cloudformation(lambda account, *more: self.client(self.root(account), *more))
            )
            self._exit = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._clients.clear()
        self._exit.close()

    # time

    def now(self) -> datetime:
        """The world's time, UTC."""
        return datetime.now(UTC) + self._offset

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._offset += timedelta(seconds=seconds)

    # sessions

    def number(self, account: str) -> str:
        """The 12 digits of an account given by alias or number."""
        return self.accounts.get(account, account)

    def root(self, account: str) -> boto3.Session:
        """The root user of an account: deploys, creates users, looks at everything. Not asked by the authoriser,
        because its calls are the world's own and not part of what is verified; `root_user` gives one that is."""
        number = self.number(account)
        if number not in self._roots:
            key = f"AKIAWORLD{number}"
            identity = Identity(f"arn:{self.partition}:iam::{number}:root", number, "root", key, number)
            self._roots[number] = self._session(identity, judged=False)
        return self._roots[number]

    def root_user(self, account: str) -> boto3.Session:
        """The root user of an account, as a caller whose calls are judged like everybody's."""
        number = self.number(account)
        key = f"AKIAROOT{number}"
        return self._session(Identity(f"arn:{self.partition}:iam::{number}:root", number, "root", key, number))

    def user(
        self,
        account: str,
        name: str,
        *,
        groups: tuple[str, ...] = (),
        policies: Mapping[str, Any] | None = None,
        path: str = "/",
    ) -> boto3.Session:
        """A new IAM user with a real access key, member of `groups`, with inline `policies` (name to document)."""
        iam = self.client(self.root(account), "iam")
        created = iam.create_user(UserName=name, Path=path)["User"]
        for group in groups:
            iam.add_user_to_group(GroupName=group.rsplit("/", 1)[-1], UserName=name)
        for policy, document in (policies or {}).items():
            iam.put_user_policy(UserName=name, PolicyName=policy, PolicyDocument=json.dumps(document))
        return self.session_of_user(created["Arn"], created["UserId"])

    def guest(self, identity: Identity) -> boto3.Session:
        """A session of somebody for whom there is no access key: an AWS service, an identity that a provider vouches
        for, a principal that is there without having signed in."""
        self._guests += 1
        return self._session(replace(identity, access_key=f"AKIAGUEST{self._guests:07}"))

    def role(self, account: str, path_and_name: str, policies: tuple[str, ...] = ()) -> boto3.Session:
        """A session of a new role that trusts its own account, with managed policies attached."""
        number = self.number(account)
        iam = self.client(self.root(account), "iam")
        path, _, name = f"/{path_and_name}".rpartition("/")
        statement = {"Effect": "Allow", "Principal": {"AWS": number}, "Action": "sts:AssumeRole"}
        trust = {"Version": "2012-10-17", "Statement": [statement]}
        role = iam.create_role(RoleName=name, Path=f"{path}/", AssumeRolePolicyDocument=json.dumps(trust))["Role"]
        for arn in policies:
            iam.attach_role_policy(RoleName=name, PolicyArn=arn)
        allow = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role["Arn"]}
        document = {"Version": "2012-10-17", "Statement": [allow]}
        self._helpers += 1
        helper = self.user(account, f"takes-{name}-{self._helpers}"[:64], policies={"assume": document})
        return self.assume(helper, role["Arn"])

    def role_again(self, account: str, path_and_name: str) -> boto3.Session:
        """A session of a role that was deleted and made again under its name, with the same managed policies."""
        iam = self.client(self.root(self.number(account)), "iam")
        name = path_and_name.rsplit("/", 1)[-1]
        attached = tuple(p["PolicyArn"] for p in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"])
        remove_role(iam, name)
        return self.role(account, path_and_name, attached)

    def signed_in(self, session: boto3.Session, *, mfa: bool) -> boto3.Session:
        """Temporary credentials of a user, with or without MFA (rules T26, C57)."""
        identity = self.identity(session)
        device = f"arn:{self.partition}:iam::{identity.account}:mfa/{identity.arn.rsplit('/', 1)[1]}"
        code = {"SerialNumber": device, "TokenCode": "123456"} if mfa else {}
        return self.session(self.client(session, "sts").get_session_token(**code)["Credentials"])

    def session_of_user(self, arn: str, user_id: str = "") -> boto3.Session:
        """A session with a new access key of a user that exists."""
        account, name = arn.split(":")[4], arn.rsplit("/", 1)[1]
        iam = self.client(self.root(account), "iam")
        key = iam.create_access_key(UserName=name)["AccessKey"]
        user_id = user_id or iam.get_user(UserName=name)["User"]["UserId"]
        identity = Identity(arn, account, "user", key["AccessKeyId"], user_id)
        return self._session(identity, key["SecretAccessKey"])

    def assume(self, session: boto3.Session, role_arn: str, name: str = "grantproof", **options: Any) -> boto3.Session:
        """Assume a role by a real call of `session`, and give a session with the credentials that it returned.

        Raises:
            botocore.exceptions.ClientError: refused.
        """
        answer = self.client(session, "sts").assume_role(RoleArn=role_arn, RoleSessionName=name, **options)
        return self.session(answer["Credentials"])

    def session(self, credentials: Mapping[str, Any]) -> boto3.Session:
        """A session with credentials that STS of this world returned.

        Raises:
            KeyError: no such access key in this world.
        """
        identity = self._identities[credentials["AccessKeyId"]]
        return self._session(identity, credentials["SecretAccessKey"], credentials["SessionToken"])

    def identity(self, session: boto3.Session) -> Identity:
        """Who a session of this world is."""
        return self._identities[session.get_credentials().access_key]

    def client(self, session: boto3.Session, service: str, region: str = "") -> Any:
        """A client of a session, made once."""
        key = (id(session), service, region or self.region)
        if key not in self._clients:
            self._clients[key] = session.client(service, region_name=region or self.region)
        return self._clients[key]

    def _session(
        self, identity: Identity, secret: str = NO_SECRET, token: str | None = None, *, judged: bool = True
    ) -> boto3.Session:
        self._identities[identity.access_key] = identity
        core = botocore.session.Session(event_hooks=copy(_handlers()), include_builtin_handlers=False)
        core.register_component("data_loader", models())
        core.set_default_client_config(Config(user_agent=USER_AGENT))
        session = boto3.Session(
            aws_access_key_id=identity.access_key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            region_name=self.region,
            botocore_session=core,
        )
        _Wire(self, identity, judged).connect(session)
        # The session must outlive its clients: they are cached by its id.
        self._exit.callback(lambda: session)
        return session

    def unique_id(self, arn: str) -> str:
        """The unique id of a user or role of this world; empty where there is none now."""
        account, (kind, _, name) = arn.split(":")[4], arn.split(":", 5)[5].partition("/")
        iam = self.client(self.root(account), "iam")
        try:
            if kind == "user":
                return str(iam.get_user(UserName=name.rsplit("/", 1)[-1])["User"]["UserId"])
            return str(iam.get_role(RoleName=name.rsplit("/", 1)[-1])["Role"]["RoleId"])
        except iam.exceptions.NoSuchEntityException:
            return ""

    def register(self, identity: Identity) -> None:
        """Make credentials known that STS has just issued."""
        self._identities[identity.access_key] = identity


@cache
def _handlers() -> HierarchicalEmitter:
    """What botocore itself does at each event, and moto with it: a new session takes a copy, since registering these
    handlers anew is most of what a session costs."""
    emitter = HierarchicalEmitter()
    botocore.session.Session(event_hooks=emitter)
    return emitter


class _Wire:
    """What happens to each call of one session."""

    def __init__(self, world: World, identity: Identity, judged: bool) -> None:
        self._world, self._identity, self._judged = world, identity, judged

    def connect(self, session: boto3.Session) -> None:
        events = session.events
        events.register_last("before-parameter-build", self._keep_parameters)
        events.register("before-call", self._before)
        events.register("before-sign", self._route)
        events.register("after-call", self._after)

    def _keep_parameters(self, params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
        context[__name__] = params

    def _route(self, request: Any, **_: Any) -> None:
        # moto's documented header for several accounts.
        request.headers["x-moto-account-id"] = self._identity.account

    def _before(self, model: OperationModel, context: dict[str, Any], **_: Any) -> tuple[AWSResponse, Any] | None:
        if not self._judged:
            return None
        world = self._world
        service = model.service_model.service_name
        refusal = None
        if world.authorise is not None:
            call = Call(self._identity, service, model, context.get(__name__, {}), context["client_region"])
            refusal = world.authorise(call)
        world.calls = Calls(world.calls.made + 1, world.calls.refused + (refusal is not None))
        return None if refusal is None else _answer(refusal)

    def _after(self, model: OperationModel, parsed: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        if "Error" in parsed:
            return
        if not model.name.startswith(_READS):
            self._world.changes += 1
            self._world.changes_in[self._identity.account] += 1
            self._world.changed.add(model.service_model.service_name)
        if model.name == "AssumeRole" and model.service_model.service_name == "sts":
            self._issued(context.get(__name__, {}), parsed)
        elif model.name == "GetSessionToken":
            self._signed_in(context.get(__name__, {}), parsed)
        elif model.name in ("CreateRole", "UpdateAssumeRolePolicy") and model.service_model.service_name == "iam":
            self._bind(context.get(__name__, {}))
        elif model.name == "GetCallerIdentity" and self._judged:
            # moto knows neither the root user nor a role's path.
            who = self._identity
            parsed.update(Arn=who.arn, Account=who.account, UserId=who.user_id)

    def _signed_in(self, params: Mapping[str, Any], parsed: dict[str, Any]) -> None:
        """The user's own rights, with MFA information (rule T26)."""
        issued = self._world.now().replace(microsecond=0)
        expires = issued + timedelta(seconds=params.get("DurationSeconds", 43200))
        key = parsed["Credentials"]["AccessKeyId"]
        mfa = "SerialNumber" in params and "TokenCode" in params
        self._world.register(replace(self._identity, access_key=key, issued=issued, expires=expires, mfa=mfa))
        parsed["Credentials"]["Expiration"] = expires

    def _bind(self, params: Mapping[str, Any]) -> None:
        """IAM keeps the unique ids of the users and roles that a trust policy names (rule P21)."""
        world = self._world
        account = self._identity.account
        iam = world.client(world.root(account), "iam")
        role = iam.get_role(RoleName=params["RoleName"])["Role"]
        document = params.get("AssumeRolePolicyDocument") or params["PolicyDocument"]
        ids = {arn: world.unique_id(arn) for arn in set(_ARN.findall(document))}
        world.bound[role["Arn"]] = {arn: found for arn, found in ids.items() if found}

    def _issued(self, params: Mapping[str, Any], parsed: dict[str, Any]) -> None:
        world, role_arn, name = self._world, params["RoleArn"], params["RoleSessionName"]
        account, role_name = role_arn.split(":")[4], role_arn.rsplit("/", 1)[1]
        role = world.client(world.root(account), "iam").get_role(RoleName=role_name)["Role"]
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
            session=_session_keys(self._identity, role.get("Tags") or [], params),
            chained=self._identity.kind == "role session",
        )
        world.register(identity)
        parsed["Credentials"]["Expiration"] = identity.expires
        parsed["AssumedRoleUser"] = {"AssumedRoleId": identity.user_id, "Arn": arn}


_ARN = re.compile(r"arn:[a-z-]+:iam::\d{12}:(?:user|role)/[^\"\s]+")


def _session_policies(world: World, account: str, params: Mapping[str, Any]) -> list[str]:
    documents = [params["Policy"]] if params.get("Policy") else []
    iam = world.client(world.root(account), "iam")
    for entry in params.get("PolicyArns") or ():
        policy = iam.get_policy(PolicyArn=entry["arn"])["Policy"]
        version = iam.get_policy_version(PolicyArn=entry["arn"], VersionId=policy["DefaultVersionId"])
        documents.append(json.dumps(version["PolicyVersion"]["Document"]))
    return documents


def _session_keys(caller: Identity, role_tags: list[Any], params: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
    """Tags and source identity of a new session (rules C49, C73, T15, T17, T19)."""
    tags = {tag["Key"].lower(): tag for tag in role_tags}
    tags |= {tag["Key"].lower(): tag for tag in params.get("Tags") or ()}
    out = {f"aws:PrincipalTag/{tag['Key']}": (tag["Value"],) for tag in tags.values()}
    source = params.get("SourceIdentity") or next(iter(caller.session.get("aws:SourceIdentity", ())), None)
    if source:
        out["aws:SourceIdentity"] = (source,)
    return out


def _answer(refusal: Refusal) -> tuple[AWSResponse, dict[str, Any]]:
    headers: Any = {"x-amzn-requestid": "refused-by-the-law"}
    response = AWSResponse("", refusal.status, headers, None)
    metadata = {"HTTPStatusCode": refusal.status, "HTTPHeaders": headers, "RequestId": headers["x-amzn-requestid"]}
    return response, {
        "Error": {"Code": refusal.code, "Message": refusal.message},
        "ResponseMetadata": {**metadata, "RetryAttempts": 0},
    }
