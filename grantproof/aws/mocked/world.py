"""The mocked accounts in which a grant is deployed, and sessions of the principals that call in them. What happens at
each call is in `wire`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from moto import mock_aws
from moto.moto_api._internal import mock_random

from grantproof.aws.isolation import isolated
from grantproof.aws.mocked.built import Built
from grantproof.aws.mocked.cloudformation import like_cloudformation
from grantproof.aws.mocked.iam_resources import remove_role
from grantproof.aws.mocked.identity import Identity
from grantproof.aws.mocked.memoised import memoised
from grantproof.aws.mocked.validation import judged_by_the_evaluator
from grantproof.aws.mocked.wire import NO_SECRET, Authoriser, Calls, Wire, root_wire

_SEED = 1


def prepare() -> None:
    """Make botocore and moto load now what they would load at the first calls in a process.

    Processes that are forked afterwards need not load it again, which saves each of them half a second. The calls only
    read, from services that every deployment uses, in an account that no grant has.
    """
    with World({"nobody": "000000000000"}, "us-east-1") as world:
        root = world.root("nobody")
        iam = world.client(root, "iam")
        iam.get_account_authorization_details()
        with suppress(iam.exceptions.NoSuchEntityException):  # an error makes botocore load more modules
            iam.get_role(RoleName="nobody")
        world.client(root, "sts").get_caller_identity()
        world.client(root, "cloudformation").describe_stacks()
        world.client(root, "s3").list_buckets()


class World:
    """Mocked accounts; a context manager. A process can have one at a time, because moto's state is global.

    Args:
        accounts: alias to account ID.
        region: the default region of sessions.
        partition: the partition of all accounts.
        managed_policies: load the AWS managed policies too, which takes 0.3 s an account; needed only if one is used.
    """

    def __init__(
        self, accounts: Mapping[str, str], region: str, partition: str = "aws", *, managed_policies: bool = False
    ) -> None:
        self.accounts = dict(accounts)
        self.region = region
        self.partition = partition
        self.calls = Calls()
        self.tried: Counter[tuple[str, str, str, bool]] = Counter()
        """The requests that were authorised: principal, action, resource, whether it was allowed."""
        self.changes = 0
        """The number of calls that can have changed something in the accounts."""
        self.changes_in: Counter[str] = Counter()
        """The same, by account number."""
        self.changed: set[str] = set()
        """The services of these calls, by their names in botocore."""
        self.built = Built()
        """The results of deployments."""
        self.partial = False
        """If True, a resource that cannot be created is recorded and the others are deployed; if False, the deployment
        fails."""
        self.organizations: dict[str, str] = {}
        """By account ID, the organization that the account is in; accounts not listed are in none."""
        self.bound: dict[str, dict[str, str]] = {}
        """By role ARN: the unique IDs for the ARNs in its trust policy, determined when the policy was saved (rule
        P21)."""
        self.authorise: Authoriser | None = None
        self._managed_policies = managed_policies
        self._identities: dict[str, Identity] = {}
        self._roots: dict[str, boto3.Session] = {}
        self._wires: dict[int, Wire] = {}
        self._offset = timedelta()
        self._roles: tuple[int, dict[tuple[str, str], Mapping[str, Any]]] = (-1, {})
        self._guests = 0
        self._helpers = 0
        self._exit = ExitStack()

    def __enter__(self) -> World:
        with ExitStack() as stack:
            stack.enter_context(isolated())
            config: Any = {"iam": {"load_aws_managed_policies": self._managed_policies}}
            stack.enter_context(mock_aws(config=config))
            # So that generated names are the same in every deployment, and two runs can be compared.
            mock_random.seed(_SEED)
            stack.enter_context(memoised())
            stack.enter_context(judged_by_the_evaluator())
            self.built = stack.enter_context(
                like_cloudformation(lambda account, *more: self.client(self.root(account), *more))
            )
            self._exit = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._wires.clear()
        self._exit.close()

    # time

    def now(self) -> datetime:
        """The present time in the world, in UTC."""
        return datetime.now(UTC) + self._offset

    def advance(self, seconds: float) -> None:
        """Move the time of the world forward."""
        self._offset += timedelta(seconds=seconds)

    # sessions

    def number(self, account: str) -> str:
        """The account ID of an account that is given by alias or ID."""
        return self.accounts.get(account, account)

    def root(self, account: str) -> boto3.Session:
        """A session of an account's root user, which deploys, creates users and reads everything. Its calls serve the
        world itself and are not authorised; those of `root_user` are."""
        number = self.number(account)
        if number not in self._roots:
            self._roots[number] = self._known(root_wire(number, self.partition, self.region))
        return self._roots[number]

    def root_user(self, account: str) -> boto3.Session:
        """A session of an account's root user whose calls are authorised like those of any caller."""
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
        """A session of a new IAM user with an access key.

        Args:
            groups: the groups that it joins, by name or path and name.
            policies: its inline policies, name to document.
        """
        iam = self.client(self.root(account), "iam")
        created = iam.create_user(UserName=name, Path=path)["User"]
        for group in groups:
            iam.add_user_to_group(GroupName=group.rsplit("/", 1)[-1], UserName=name)
        for policy, document in (policies or {}).items():
            iam.put_user_policy(UserName=name, PolicyName=policy, PolicyDocument=json.dumps(document))
        return self.session_of_user(created["Arn"], created["UserId"])

    def guest(self, identity: Identity) -> boto3.Session:
        """A session of a principal that has no access key in AWS, such as a service or a federated identity."""
        self._guests += 1
        return self._session(replace(identity, access_key=f"AKIAGUEST{self._guests:07}"))

    def role(self, account: str, path_and_name: str, policies: tuple[str, ...] = ()) -> boto3.Session:
        """A session of a new role that trusts its own account. `policies`: the ARNs of its managed policies."""
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
        """Delete a role and create one with the same name and managed policies; returns a session of the new one."""
        iam = self.client(self.root(self.number(account)), "iam")
        name = path_and_name.rsplit("/", 1)[-1]
        attached = tuple(p["PolicyArn"] for p in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"])
        remove_role(iam, name)
        return self.role(account, path_and_name, attached)

    def signed_in(self, session: boto3.Session, *, mfa: bool) -> boto3.Session:
        """A session with temporary credentials of a user, with or without MFA (rules T26, C57)."""
        identity = self.identity(session)
        device = f"arn:{self.partition}:iam::{identity.account}:mfa/{identity.arn.rsplit('/', 1)[1]}"
        code = {"SerialNumber": device, "TokenCode": "123456"} if mfa else {}
        return self.session(self.client(session, "sts").get_session_token(**code)["Credentials"])

    def session_of_user(self, arn: str, user_id: str = "") -> boto3.Session:
        """A session with a new access key of an existing user."""
        account, name = arn.split(":")[4], arn.rsplit("/", 1)[1]
        iam = self.client(self.root(account), "iam")
        key = iam.create_access_key(UserName=name)["AccessKey"]
        user_id = user_id or iam.get_user(UserName=name)["User"]["UserId"]
        identity = Identity(arn, account, "user", key["AccessKeyId"], user_id)
        return self._session(identity, key["SecretAccessKey"])

    def assume(self, session: boto3.Session, role_arn: str, name: str = "grantproof", **options: Any) -> boto3.Session:
        """Call AssumeRole from `session`; returns a session with the credentials of the answer.

        Raises:
            botocore.exceptions.ClientError: the call is refused.
        """
        answer = self.client(session, "sts").assume_role(RoleArn=role_arn, RoleSessionName=name, **options)
        return self.session(answer["Credentials"])

    def session(self, credentials: Mapping[str, Any]) -> boto3.Session:
        """A session with credentials that STS returned in this world.

        Raises:
            KeyError: this world does not have the access key.
        """
        identity = self._identities[credentials["AccessKeyId"]]
        return self._session(identity, credentials["SecretAccessKey"], credentials["SessionToken"])

    def identity(self, session: boto3.Session) -> Identity:
        """The identity of a session of this world."""
        return self._identities[session.get_credentials().access_key]

    def client(self, session: boto3.Session, service: str, region: str = "") -> Any:
        """A client of a session. Cached."""
        return self._wires[id(session)].client(service, region or self.region)

    def _session(self, identity: Identity, secret: str = NO_SECRET, token: str | None = None) -> boto3.Session:
        return self._known(Wire(identity, self.region, secret, token))

    def _known(self, wire: Wire) -> boto3.Session:
        wire.world = self
        self._identities[wire.identity.access_key] = wire.identity
        # Wires are found by the id() of their session, so the sessions must not be garbage-collected.
        self._wires[id(wire.session)] = wire
        return wire.session

    def unique_id(self, arn: str) -> str:
        """The unique ID of a user or role; empty where it does not exist."""
        account, (kind, _, name) = arn.split(":")[4], arn.split(":", 5)[5].partition("/")
        iam = self.client(self.root(account), "iam")
        try:
            if kind == "user":
                return str(iam.get_user(UserName=name.rsplit("/", 1)[-1])["User"]["UserId"])
            return str(iam.get_role(RoleName=name.rsplit("/", 1)[-1])["Role"]["RoleId"])
        except iam.exceptions.NoSuchEntityException:
            return ""

    def held_role(self, account: str, name: str) -> Mapping[str, Any]:
        """What GetRole returns for a role. Cached until a call changes something: roles are assumed far more often than
        they change."""
        if self._roles[0] != self.changes:
            self._roles = self.changes, {}
        known = self._roles[1]
        if (account, name) not in known:
            known[account, name] = self.client(self.root(account), "iam").get_role(RoleName=name)["Role"]
        return known[account, name]

    def register(self, identity: Identity) -> None:
        """Record the identity of credentials that STS has just issued."""
        self._identities[identity.access_key] = identity
