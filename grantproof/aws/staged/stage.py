"""A grant on its stage: deployed in its mocked world, with every call authorised, and sessions to make calls."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import boto3
from botocore.exceptions import ClientError

from grantproof.aws.calls.authoriser import Authoriser
from grantproof.aws.calls.operations import Authorisation
from grantproof.aws.held.deployed import Deployed
from grantproof.aws.held.policies import Policies
from grantproof.aws.held.property_policies import merged_entries, property_policies
from grantproof.aws.held.snapshot import RESOURCE_POLICIES, AccountSnapshot, take
from grantproof.aws.mocked.deploy import DeploymentFailed, advance, begin, put_uploads, set_up
from grantproof.aws.mocked.deployment import Deployment
from grantproof.aws.mocked.world import World
from grantproof.aws.staged import attempts, outside_principals
from grantproof.aws.templates import serverless
from grantproof.contract import Contract, DeclaredPrincipal
from grantproof.iam import evaluate
from grantproof.source import read


def _unmentioned_account(texts: str) -> str:
    """An account number that does not occur in texts."""
    return next(number for n in range(999999999999, 0, -1) if (number := f"{n:012d}") not in texts)


class Stage(Deployed):
    """One contract, deployed into `world`; opened and closed once.

    A `partial` stage also opens where resources cannot be created: its caller has to check
    `deployment.stacks[n].missing`.
    """

    def __init__(self, contract: Contract, *, partial: bool = False, managed_policies: bool = False) -> None:
        self.contract = contract
        texts = [str(read(template).value) for template in contract.templates]
        texts += [str(stack.parameters) for stack in contract.stacks]
        #: The number of an account that the grant does not mention.
        self.third_account = _unmentioned_account(str([*texts, contract]))
        accounts = {**contract.accounts, "a stranger": self.third_account}
        managed = managed_policies or any("iam::aws:policy/" in text or serverless.TRANSFORM in text for text in texts)
        self.world = World(accounts, contract.region, contract.partition, managed_policies=managed)
        self.world.partial = partial
        self.authoriser = Authoriser(self.world, lambda: self.policies)
        self._seen = -1
        self._snapshots: dict[str, tuple[int, tuple[str, ...], AccountSnapshot]] = {}
        self._policies = Policies(())
        self._sessions: dict[Any, boto3.Session] = {}
        self._attempts: dict[Any, list[attempts.Attempt]] = {}

    def open(self) -> None:
        """Deploy all stacks and start authorising calls.

        Raises:
            DeploymentFailed: a stack could not be created; the world is closed again.
        """
        self.begin()
        try:
            while self.advance():
                pass
            self.start_authorising()
        except BaseException:
            self.world.__exit__()
            raise

    def begin(self) -> None:
        """Enter the world and upload the files that templates fetch; deploys no stack. For stepwise deployment.

        Raises:
            DeploymentFailed: a bucket for uploads cannot be created; the world is closed again.
        """
        self.world.__enter__()
        try:
            self.deployment: Deployment = begin(self.world, self.contract)
        except BaseException:
            self.world.__exit__()
            raise

    def advance(self) -> bool:
        """Deploy the next stack; False where none was left.

        Raises:
            DeploymentFailed: the stack could not be created.
        """
        if len(self.deployment.stacks) == len(self.contract.stacks):
            return False
        self.deployment = advance(self.world, self.contract, self.deployment)
        if len(self.deployment.stacks) == len(self.contract.stacks) and self.contract.setup:
            self._set_up()
        return True

    def _set_up(self) -> None:
        """Make the calls under `setup` of the contract. They must not change what the stacks created: the
        changed policy would be verified, but a deployment of the templates alone would not have it."""
        before = {(n, *one): held for n, snapshot in self.snapshots().items() for one, held in _entities(snapshot)}
        set_up(self.world, self.contract, self.deployment)
        after = {(n, *one): held for n, snapshot in self.snapshots().items() for one, held in _entities(snapshot)}
        for name, held in before.items():
            if after.get(name) != held:
                raise DeploymentFailed(
                    f"{self.contract.setup[0].place}: setup changes {name[-1]}, which the stacks make: it is for what "
                    "is there besides. Write the change into the template."
                )

    def upload_again(self) -> None:
        """Upload the files that templates fetch again, with their present content."""
        for upload in self.contract.uploads:
            put_uploads(self.world, self.contract, upload)

    def start_authorising(self) -> None:
        """Authorise every call from now on. To be called once everything is deployed."""
        self.world.authorise = self.authoriser
        self._deployed_at = self._state

    @property
    def _state(self) -> tuple[int, int, int]:
        return self.world.changes, self.world.calls.made, len(self._sessions)

    @property
    def untouched(self) -> bool:
        """Is the stage as it was after the deployment: no changing call, no authorised call, no new session?"""
        return self._deployed_at == self._state

    def mark_untouched(self) -> None:
        """Make `untouched` True again. For callers that have verified that their calls changed nothing."""
        self._deployed_at = self._state

    def close(self) -> None:
        """Leave the world."""
        self._sessions.clear()
        self._attempts.clear()
        self.world.__exit__()

    @property
    def calls(self) -> tuple[int, int]:
        """Number of calls made so far, and of those denied."""
        return self.world.calls.made, self.world.calls.refused

    @property
    def tried(self) -> Counter[tuple[str, str, str, bool]]:
        """The requests of these calls: (principal, action, resource, allowed), counted."""
        return self.world.tried

    # what is deployed

    @property
    def _deployed_services(self) -> frozenset[str]:
        types = {resource.type for stack in self.deployment.stacks for resource in stack.resources}
        return frozenset(type_.split("::")[1].lower() for type_ in types if type_.count("::") == 2)

    @property
    def _services(self) -> tuple[str, ...]:
        """The services besides IAM in which something was created and whose resources can have policies."""
        used = self._deployed_services | self.world.changed
        return tuple(service for service in RESOURCE_POLICIES if service in used)

    def snapshots(self) -> Mapping[str, AccountSnapshot]:
        """The present snapshots, by account number; taken again after every call that may have changed the account."""
        services = self._services
        for number in self.world.accounts.values():
            changes = self.world.changes_in[number]
            if self._snapshots.get(number, ())[:2] != (changes, services):
                client = partial(self.world.client, self.world.root(number))
                # An account in which no call has changed anything is empty.
                taken = take(number, client, services) if changes else AccountSnapshot(number)
                self._snapshots[number] = (changes, services, self._with_carried(number, taken))
        return {number: self._as_shown(taken) for number, (_, _, taken) in self._snapshots.items()}

    def _with_carried(self, number: str, taken: AccountSnapshot) -> AccountSnapshot:
        """The snapshot, with resource policies for which moto has no service."""
        gone = self.world.built.deleted
        stacks = (s for s in self.deployment.stacks if (s.account, s.name) not in gone)
        found = tuple(property_policies(stacks, number, self.contract))
        return replace(taken, resource_policies=merged_entries(found, taken.resource_policies)) if found else taken

    def _as_shown(self, snapshot: AccountSnapshot) -> AccountSnapshot:
        """The snapshot, with the old unique id in trust policies that name a principal which was deleted or created
        again (rule P22). moto keeps the ARN."""
        roles = []
        for role in snapshot.roles:
            text = json.dumps(role["AssumeRolePolicyDocument"])
            for arn, bound in self.world.bound.get(role["Arn"], {}).items():
                if self.world.unique_id(arn) != bound:
                    text = _in_principals(json.loads(text), arn, bound)
            roles.append({**role, "AssumeRolePolicyDocument": json.loads(text)})
        return replace(snapshot, roles=tuple(roles))

    @property
    def policies(self) -> Policies:
        """The policies now in force; read again after every call that may have changed something (rule E32)."""
        if self._seen != self.world.changes:
            self._policies = Policies(self.snapshots().values())
            self._seen = self.world.changes
        return self._policies

    def why(self, session: boto3.Session, asked: tuple[Authorisation, ...], region: str) -> str:
        """The places and Sids of the statements that decided a call of a session, joined by commas."""
        identity = self.world.identity(session)
        named: list[str] = []
        for authorisation in asked:
            request = self.authoriser.request(identity, authorisation, region)
            decision = evaluate(request, self.policies.layers(request, identity.session_policies))
            for cited in decision.because:
                sid = f" (Sid {cited.sid})" if cited.sid else ""
                named.append(f"{self.origins.place(cited.policy, cited.statement) or cited.policy}{sid}")
        return ", ".join(dict.fromkeys(named)) or "no statement"

    # sessions

    def member(self, principal: DeclaredPrincipal) -> boto3.Session:
        """A session of a declared principal: of a user in the group, of the user, or of the assumed role.

        Raises:
            PrincipalNotDeployed: it is not deployed.
            EntryDenied, UnsupportedCondition: no session of it can be obtained.
        """
        if principal.alias not in self._sessions:
            # These calls are not part of a test, and their number depends on how tests are shared among processes.
            before, tried = self.world.calls, Counter(self.world.tried)
            self._sessions[principal.alias] = self._member(principal)
            self.world.calls, self.world.tried = before, tried
        return self._sessions[principal.alias]

    def _member(self, principal: DeclaredPrincipal) -> boto3.Session:
        held = self.holder(principal)
        account = held.arn.split(":")[4]
        if held.kind == "group":
            return self.new_session("user", account, f"{principal.alias}-member", held.arn)
        if held.kind == "user":
            return self.world.session_of_user(held.arn)
        attempt = self.attempts(principal)[0]
        try:
            return self.world.session(attempts.enter(self, held.arn, attempt)["Credentials"])
        except ClientError as error:
            said = f"{attempt.who} does not get into {principal.alias}: {error}"
            raise attempts.EntryDenied(said, principal.place) from None

    def attempts(self, role: DeclaredPrincipal) -> list[attempts.Attempt]:
        """Attempts that the contract permits, with all that it requires: of the principals under `entered_by`, or else
        of one caller for each principal that the declared trust policy names, with only the permission to assume it.

        Raises:
            UnsupportedCondition: a condition cannot be met in the mocked world.
        """
        key = ("attempts", role.alias)
        if key not in self._attempts:
            self._attempts[key] = (
                attempts.valid_attempts(self, role)
                if role.entered_by
                else [
                    attempts.Attempt(self.world.identity(session).arn, session)
                    for session in outside_principals.permitted_sessions(self, role)
                ]
            )
        return self._attempts[key]

    def permitted_outsiders(self, role: DeclaredPrincipal) -> list[boto3.Session]:
        """A user in each account that the declared trust policy names, with permission to assume the role."""
        arn = self.holder(role).arn
        accounts = sorted(
            {a for a in self.contract.accounts.values() for s in role.trust if a in str(self.resolved(s.document))}
        )
        return [self.outsider(account, f"may-enter-{role.alias}", arn) for account in accounts]

    def new_session(self, kind: str, account: str, name: str, arn: str) -> boto3.Session:
        """A session of a new user in the group `arn`, or of a new role with the managed policy `arn`. `name` may have a
        path; the same arguments give the same session."""
        if (kind, account, name, arn) not in self._sessions:
            path, _, last = f"/{name}".rpartition("/")
            if kind == "user":
                made = self.world.user(account, last, groups=(arn,), path=f"{path}/")
            else:
                made = self.world.role(account, name, (arn,))
            self._sessions[kind, account, name, arn] = made
        return self._sessions[kind, account, name, arn]

    def outsider(self, account: str, name: str, may_assume: str = "") -> boto3.Session:
        """A user that no template names; its identity policy allows assuming the role `may_assume`, if given."""
        if (account, name) not in self._sessions:
            allow = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": may_assume}
            policies = {"assume": {"Version": "2012-10-17", "Statement": [allow]}} if may_assume else {}
            self._sessions[account, name] = self.world.user(account, name, policies=policies)
        return self._sessions[account, name]


def _in_principals(document: Any, arn: str, unique_id: str) -> str:
    """A trust policy with an ARN replaced by a unique id in Principal and NotPrincipal only (rule P24)."""
    statements = document["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        for element in ("Principal", "NotPrincipal"):
            named = statement.get(element)
            if isinstance(named, dict) and "AWS" in named:
                values = named["AWS"] if isinstance(named["AWS"], list) else [named["AWS"]]
                named["AWS"] = [unique_id if value == arn else value for value in values]
    return json.dumps(document)


def _entities(snapshot: AccountSnapshot) -> Iterator[tuple[tuple[str, str], Any]]:
    """The entities and policies of an account, by (kind, ARN)."""
    kinds = {"users": snapshot.users, "roles": snapshot.roles, "groups": snapshot.groups, "policies": snapshot.policies}
    for kind, entries in {**kinds, "resource policies": snapshot.resource_policies}.items():
        for entry in entries:
            yield (kind, str(entry["Arn"])), entry
