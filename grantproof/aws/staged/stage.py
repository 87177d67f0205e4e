"""A grant on its stage: deployed in its world, with every call authorised and callers to make them."""

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
from grantproof.aws.held.carried import carried, joined
from grantproof.aws.held.deployed import Deployed
from grantproof.aws.held.policies import Policies
from grantproof.aws.held.snapshot import RESOURCE_POLICIES, AccountSnapshot, take
from grantproof.aws.mocked.deploy import Deployment, DeploymentFailed, advance, begin, put_uploads, set_up
from grantproof.aws.mocked.world import World
from grantproof.aws.staged import attempts, outside_principals
from grantproof.aws.templates import serverless
from grantproof.contract import Contract, DeclaredPrincipal
from grantproof.iam import evaluate
from grantproof.source import read


def _stranger(texts: str) -> str:
    """The number of an account that texts do not mention."""
    return next(number for n in range(999999999999, 0, -1) if (number := f"{n:012d}") not in texts)


class Stage(Deployed):
    """One contract, deployed. Opened and closed once; `world` is the world in which it is. A `partial` one opens also
    where resources cannot be created; whoever opens it has to look at `deployment.stacks[n].missing`.
    """

    def __init__(self, contract: Contract, *, partial: bool = False, managed_policies: bool = False) -> None:
        self.contract = contract
        texts = [str(read(template).value) for template in contract.templates]
        texts += [str(stack.parameters) for stack in contract.stacks]
        #: The number of an account that the grant does not mention.
        self.stranger = _stranger(str([*texts, contract]))
        accounts = {**contract.accounts, "a stranger": self.stranger}
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
        """Deploy.

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
        """Enter the world and upload what templates fetch; no stack yet. For whoever deploys step by step.

        Raises:
            DeploymentFailed: there can be no such bucket; the world is closed again.
        """
        self.world.__enter__()
        try:
            self.deployment: Deployment = begin(self.world, self.contract)
        except BaseException:
            self.world.__exit__()
            raise

    def advance(self) -> bool:
        """Deploy the next stack; False where there was none left.

        Raises:
            DeploymentFailed: it could not be created.
        """
        if len(self.deployment.stacks) == len(self.contract.stacks):
            return False
        self.deployment = advance(self.world, self.contract, self.deployment)
        if len(self.deployment.stacks) == len(self.contract.stacks) and self.contract.setup:
            self._set_up()
        return True

    def _set_up(self) -> None:
        """Make what is there besides. What the stacks made has to stay as it is: a policy that a call puts in the place
        of theirs would be verified in its place, and nobody has it who deploys the templates."""
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
        """Put the files that templates fetch into their buckets again, as they now read."""
        for upload in self.contract.uploads:
            put_uploads(self.world, self.contract, upload)

    def start_authorising(self) -> None:
        """Everything is deployed: from now on every call is authorised."""
        self.world.authorise = self.authoriser
        self._deployed_at = self._state

    @property
    def _state(self) -> tuple[int, int, int]:
        return self.world.changes, self.world.calls.made, len(self._sessions)

    @property
    def untouched(self) -> bool:
        """Is everything as it was when the grant had been deployed: no call that changed something, none that was
        judged, nobody who came?"""
        return self._deployed_at == self._state

    def mark_untouched(self) -> None:
        """Whoever did something here has seen that it changed nothing: it counts as untouched again."""
        self._deployed_at = self._state

    def close(self) -> None:
        """Leave the world."""
        self._sessions.clear()
        self._attempts.clear()
        self.world.__exit__()

    @property
    def calls(self) -> tuple[int, int]:
        """Calls made so far, and how many of them were denied."""
        return self.world.calls.made, self.world.calls.refused

    @property
    def tried(self) -> Counter[tuple[str, str, str, bool]]:
        """The requests behind these calls: principal, action, resource, whether it was allowed."""
        return self.world.tried

    # what is deployed

    @property
    def _deployed_services(self) -> frozenset[str]:
        types = {resource.type for stack in self.deployment.stacks for resource in stack.resources}
        return frozenset(type_.split("::")[1].lower() for type_ in types if type_.count("::") == 2)

    @property
    def _services(self) -> tuple[str, ...]:
        """The services besides IAM in which something has been made, as far as their resources can carry policies."""
        used = self._deployed_services | self.world.changed
        return tuple(service for service in RESOURCE_POLICIES if service in used)

    def snapshots(self) -> Mapping[str, AccountSnapshot]:
        """What IAM holds now, by account number; taken again after every call that may have changed something there."""
        services = self._services
        for number in self.world.accounts.values():
            changes = self.world.changes_in[number]
            if self._snapshots.get(number, ())[:2] != (changes, services):
                client = partial(self.world.client, self.world.root(number))
                # In an account where no call has changed anything there is nothing.
                taken = take(number, client, services) if changes else AccountSnapshot(number)
                self._snapshots[number] = (changes, services, self._with_carried(number, taken))
        return {number: self._as_shown(taken) for number, (_, _, taken) in self._snapshots.items()}

    def _with_carried(self, number: str, taken: AccountSnapshot) -> AccountSnapshot:
        """The snapshot, with the policies that the mocked services do not hold."""
        gone = self.world.built.deleted
        stacks = (s for s in self.deployment.stacks if (s.account, s.name) not in gone)
        found = tuple(carried(stacks, number, self.contract))
        return replace(taken, resource_policies=joined(found, taken.resource_policies)) if found else taken

    def _as_shown(self, snapshot: AccountSnapshot) -> AccountSnapshot:
        """Trust policies that name somebody who was deleted, or made again, show and mean the old unique id (rule
        P22). moto compares ARNs."""
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
        """The statements that let a call of a session through, by place."""
        identity = self.world.identity(session)
        named: list[str] = []
        for authorisation in asked:
            request = self.authoriser.request(identity, authorisation, region)
            decision = evaluate(request, self.policies.layers(request, identity.session_policies))
            for cited in decision.because:
                sid = f" (Sid {cited.sid})" if cited.sid else ""
                named.append(f"{self.origins.place(cited.policy, cited.statement) or cited.policy}{sid}")
        return ", ".join(dict.fromkeys(named)) or "no statement"

    # people

    def member(self, principal: DeclaredPrincipal) -> boto3.Session:
        """Somebody who acts as a declared principal: a user of the group, the user, or whoever may enter the role.

        Raises:
            PrincipalNotDeployed: it is not deployed.
            EntryDenied, UnsupportedCondition: nobody can act as it.
        """
        if principal.alias not in self._sessions:
            # Getting there is not what a test tries, and how often it is done depends on how tests are shared out.
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
        """Those whom the contract lets into a role, with all that it asks of them: whoever is under `entered_by`, or
        else somebody for everybody whom the declared trust names, with nothing but the permission to assume this role.

        Raises:
            UnsupportedCondition: it is not known here how to come with something that is asked for.
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
        """A user of each account that the declared trust names, who may assume the role."""
        arn = self.holder(role).arn
        accounts = sorted(
            {a for a in self.contract.accounts.values() for s in role.trust if a in str(self.resolved(s.document))}
        )
        return [self.outsider(account, f"may-enter-{role.alias}", arn) for account in accounts]

    def new_session(self, kind: str, account: str, name: str, arn: str) -> boto3.Session:
        """A user (`path/name`) who is a member of a group, or the session of a role that has a managed policy."""
        if (kind, account, name, arn) not in self._sessions:
            path, _, last = f"/{name}".rpartition("/")
            if kind == "user":
                made = self.world.user(account, last, groups=(arn,), path=f"{path}/")
            else:
                made = self.world.role(account, name, (arn,))
            self._sessions[kind, account, name, arn] = made
        return self._sessions[kind, account, name, arn]

    def outsider(self, account: str, name: str, may_assume: str = "") -> boto3.Session:
        """A user that no template knows; with an identity policy that allows assuming `may_assume`, if given."""
        if (account, name) not in self._sessions:
            allow = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": may_assume}
            policies = {"assume": {"Version": "2012-10-17", "Statement": [allow]}} if may_assume else {}
            self._sessions[account, name] = self.world.user(account, name, policies=policies)
        return self._sessions[account, name]


def _in_principals(document: Any, arn: str, unique_id: str) -> str:
    """A trust policy with an ARN replaced where it is a principal, and nowhere else (rule P24)."""
    statements = document["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        for element in ("Principal", "NotPrincipal"):
            named = statement.get(element)
            if isinstance(named, dict) and "AWS" in named:
                values = named["AWS"] if isinstance(named["AWS"], list) else [named["AWS"]]
                named["AWS"] = [unique_id if value == arn else value for value in values]
    return json.dumps(document)


def _entities(snapshot: AccountSnapshot) -> Iterator[tuple[tuple[str, str], Any]]:
    """What an account holds, by kind and ARN."""
    kinds = {"users": snapshot.users, "roles": snapshot.roles, "groups": snapshot.groups, "policies": snapshot.policies}
    for kind, entries in {**kinds, "resource policies": snapshot.resource_policies}.items():
        for entry in entries:
            yield (kind, str(entry["Arn"])), entry
