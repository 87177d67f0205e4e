"""Authorises boto3 calls with the policies of their world, and refuses them with AWS's errors."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import Any

from botocore.exceptions import ClientError

from grantproof.aws.calls import operations, refusals
from grantproof.aws.calls.authorisation import Find
from grantproof.aws.calls.operations import Authorisation, CallerScope, authorisations
from grantproof.aws.held.policies import Policies
from grantproof.aws.mocked.identity import Identity
from grantproof.aws.mocked.wire import USER_AGENT, Call, Refusal
from grantproof.aws.mocked.world import World
from grantproof.iam import IamError, Request, evaluate, parse_principal, refusal_message
from grantproof.iam.assumption import in_doubt

#: An address that is reserved for documentation.
_SOURCE_ADDRESS = "203.0.113.10"
_CHAINED_MOST = timedelta(hours=1)


class NotJudged(Exception):
    """The authoriser cannot decide whether a call is allowed. It is never an answer to the call: the test that made it
    fails."""


def lookup(world: World, account: str, region: str) -> Find:
    """A lookup of names in an account of the world, which calls the mocked services."""

    def find(kind: str, name: str) -> str | None:
        try:
            return _LOOKUPS[kind](lambda service: world.client(world.root(account), service, region), name)
        except ClientError:
            return None  # nothing of that name: the request is then decided without it

    return find


Client = Callable[[str], Any]


def _parameter_key(client: Client, name: str) -> str | None:
    found = client("ssm").describe_parameters(ParameterFilters=[{"Key": "Name", "Values": [name]}])["Parameters"]
    secure = [p for p in found if p["Type"] == "SecureString"]
    return _key(client, secure[0].get("KeyId") or "alias/aws/ssm") if secure else None


def _secure_below(client: Client, path: str) -> str | None:
    found = client("ssm").get_parameters_by_path(Path=path, Recursive=True)["Parameters"]
    return path if any(p["Type"] == "SecureString" for p in found) else None


def _key(client: Client, name: str) -> str | None:
    return str(client("kms").describe_key(KeyId=name)["KeyMetadata"]["Arn"])


def _secret_key(client: Client, name: str) -> str | None:
    key = client("secretsmanager").describe_secret(SecretId=name).get("KmsKeyId")
    return _key(client, key) if key else None


_LOOKUPS: Mapping[str, Callable[[Client, str], str | None]] = {
    "role": lambda client, name: client("iam").get_role(RoleName=name)["Role"]["Arn"],
    "user": lambda client, name: client("iam").get_user(UserName=name)["User"]["Arn"],
    "group": lambda client, name: client("iam").get_group(GroupName=name)["Group"]["Arn"],
    "instance-profile": lambda client, name: client("iam").get_instance_profile(InstanceProfileName=name)[
        "InstanceProfile"
    ]["Arn"],
    # These are named by ARN, or do not exist yet.
    "policy": lambda client, name: None,
    "server-certificate": lambda client, name: None,
    "mfa": lambda client, name: None,
    "oidc-provider": lambda client, name: None,
    "saml-provider": lambda client, name: None,
    "key": _key,
    "secret": lambda client, name: client("secretsmanager").describe_secret(SecretId=name)["ARN"],
    "secret-key": _secret_key,
    "parameter-key": _parameter_key,
    "secure-below": _secure_below,
}


class _Answers:
    """A cache of answers of the mocked services, valid until a call changes something."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._changes = -1
        self._known: dict[Hashable, Any] = {}

    def answer_to(self, question: Hashable, ask: Callable[[], Any]) -> Any:
        """The answer to a question, which is asked at most once."""
        if self._changes != self._world.changes:
            self._changes, self._known = self._world.changes, {}
        if question not in self._known:
            self._known[question] = ask()
        return self._known[question]


@lru_cache(maxsize=64)
def _time_keys(epoch: int) -> Mapping[str, tuple[str, ...]]:
    """The condition keys for the time of a request. Cached, since hundreds of requests are made in one second."""
    return {
        "aws:CurrentTime": (datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),),
        "aws:EpochTime": (str(epoch),),
    }


class Authoriser:
    """Authorises the calls of a world. `policies` returns the policies in force (rule E32)."""

    def __init__(self, world: World, policies: Callable[[], Policies]) -> None:
        self._world, self._policies = world, policies
        self._answers = _Answers(world)

    def __call__(self, call: Call) -> Refusal | None:
        """The refusal of a call, or None if it is allowed.

        Raises:
            NotJudged: it cannot be decided.
        """
        protocol = str(call.operation.service_model.metadata.get("protocol", ""))
        now = self._world.now()
        if call.identity.expires is not None and now >= call.identity.expires:
            return Refusal(*refusals.expired(call.service, protocol), refusals.EXPIRED_MESSAGE)
        if (call.operation.name, call.identity.kind) == ("GetFederationToken", "role session"):
            return Refusal(*refusals.not_authorised(call.service, protocol), refusals.NO_FEDERATION)
        where = self.where(call.identity, call.region)
        try:
            asked = authorisations(call.service, call.operation.name, call.params, where)
            if call.identity.entry:
                # Federated identities call AssumeRoleWithWebIdentity or -SAML. In the mocked world they call AssumeRole
                # instead, since there are no tokens that moto would accept.
                asked = tuple(replace(a, action=call.identity.entry) for a in asked if a.action == "sts:AssumeRole")
            for authorisation in asked:
                if message := self._refused(call, authorisation):
                    return Refusal(*refusals.not_authorised(call.service, protocol), message)
        except (IamError, operations.UnmappedOperation) as error:
            raise NotJudged(f"{call.service} {call.operation.name} by {call.identity.arn}: {error}") from error
        return self._barred_by_sts(call)

    def where(self, identity: Identity, region: str) -> CallerScope:
        """The scope in which a caller's names are looked up: its own account, in the region of the call."""
        find = lookup(self._world, identity.account, region)
        remembered = partial(self._remembered, find, identity.account, region)
        # "If a temporary access key is used, then UserName is required" (IAM API reference, ListAccessKeys).
        user = identity.arn if identity.kind == "user" and identity.expires is None else None
        return CallerScope(self._world.partition, identity.account, region, remembered, user)

    def _remembered(self, find: Find, account: str, region: str, kind: str, name: str) -> str | None:
        found: str | None = self._answers.answer_to((account, region, kind, name), lambda: find(kind, name))
        return found

    def _refused(self, call: Call, asked: Authorisation) -> str:
        request = self.request(call.identity, asked, call.region)
        layers = self._policies().layers(request, call.identity.session_policies)
        decision = evaluate(request, layers)
        if decision.depends_on:
            raise NotJudged(f"{asked.action} on {asked.resource}: {in_doubt(decision.depends_on)}")
        who = request.principal.identity_arn or str(request.principal)
        self._world.tried[who, asked.action, asked.resource or "", decision.allowed] += 1
        return "" if decision.allowed else refusal_message(request, decision)

    def request(self, identity: Identity, asked: Authorisation, region: str) -> Request:
        """The request that AWS would decide, with the condition keys that AWS would set (rules C45 to C75)."""
        now = self._world.now()
        account = asked.resource_account
        if account is None and asked.resource is not None:
            account = self._policies().owner(asked.resource) or self._unsaid_owner(asked.resource, identity)
        context = {
            **_time_keys(int(now.timestamp())),
            # Rule C71: IAM is in one region.
            "aws:RequestedRegion": ("us-east-1" if asked.action.startswith("iam:") else region,),
            "aws:SecureTransport": ("true",),
            "aws:SourceIp": (_SOURCE_ADDRESS,),
            "aws:UserAgent": (USER_AGENT,),
            "aws:ViaAWSService": ("false",),
            **identity.context(now),
            **self._organizations(identity.account, account),
            **asked.context,
        }
        principal = parse_principal(identity.principal, identity.issuer or None)
        return Request(principal, asked.action, asked.resource, account, context)

    def _organizations(self, caller: str, owner: str | None) -> Mapping[str, tuple[str, ...]]:
        """The condition keys for the organizations of the caller and of the resource; absent for an account in none
        (rules C47, C64)."""
        out: dict[str, tuple[str, ...]] = {}
        for prefix, account in (("aws:Principal", caller), ("aws:Resource", owner)):
            found = self._world.organizations.get(account or "")
            if found:
                out |= {f"{prefix}OrgID": (found,), f"{prefix}OrgPaths": (f"{found}/r-root/",)}
        return out

    def _unsaid_owner(self, resource: str, identity: Identity) -> str | None:
        """The account of a resource whose ARN does not contain it. For a bucket, the account that has it; a bucket that
        does not exist counts as the caller's own, since S3 then says to callers with permission that it does not exist.
        Other services look such names up in the caller's account, such as Route 53 its hosted zones."""
        if ":s3:::" not in resource:
            return identity.account if resource.startswith("arn:") else None
        name = resource.split(":", 5)[5].partition("/")[0]
        owners: Mapping[str, str] = self._answers.answer_to("owners of buckets", self._owners_of_buckets)
        return owners.get(name, identity.account)

    def _owners_of_buckets(self) -> Mapping[str, str]:
        """The account of every existing bucket, by name. Names of buckets are unique."""
        world = self._world
        return {
            bucket["Name"]: number
            for number in world.accounts.values()
            for bucket in world.client(world.root(number), "s3").list_buckets()["Buckets"]
        }

    def _barred_by_sts(self, call: Call) -> Refusal | None:
        """Session durations that STS refuses although the caller may assume the role (rules T10, T11)."""
        if (call.service, call.operation.name) != ("sts", "AssumeRole"):
            return None
        seconds = call.params.get("DurationSeconds")
        if seconds is None:
            return None
        role = self._policies().held.get(call.params["RoleArn"])
        if call.identity.kind == "role session" and timedelta(seconds=seconds) > _CHAINED_MOST:
            text = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
        elif role is not None and seconds > role.max_session:
            text = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
        else:
            return None
        return Refusal(400, "ValidationError", text)
