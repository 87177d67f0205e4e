"""Principals that a role's trust policy permits and the grant does not create: users of a trusted account, principals
named by ARN, AWS services, and federated identities.

Their requests meet the conditions of the contract's trust policy, such as the claims of a token or the account for
which a service acts. `grantproof.iam.satisfy` finds the values.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from grantproof.aws.calls.authorisation import ask
from grantproof.aws.mocked.identity import Identity
from grantproof.contract import DeclaredPrincipal
from grantproof.iam import IamError, Layers, Policy, PolicyType, Request, Statement, evaluate
from grantproof.iam import parse_principal as principal_of
from grantproof.iam.satisfy import added, failing, satisfying

if TYPE_CHECKING:
    import boto3

    from grantproof.aws.staged.stage import Stage

_ENTRIES = ("sts:AssumeRoleWithWebIdentity", "sts:AssumeRoleWithSAML", "sts:AssumeRole")


class NoPermittedCaller(IamError):
    """No caller was found that meets the conditions of a trust policy, or it cannot be created in the mocked world."""


def permitted_sessions(stage: Stage, role: DeclaredPrincipal) -> Iterator[boto3.Session]:
    """A session for each account, ARN, service and identity provider that the declared trust policy permits.

    Raises:
        NoPermittedCaller: no request was found that meets a statement's conditions, or there is no such principal.
    """
    found = [*_of_accounts(stage, role), *(_session(stage, asked) for asked in _permitted_requests(stage, role))]
    if not found:
        raise NoPermittedCaller(f"{role.place}: the declared trust lets nobody in who could be made to come")
    yield from found


def _of_accounts(stage: Stage, role: DeclaredPrincipal) -> Iterator[boto3.Session]:
    """Users of the contract's accounts that the trust policy names (of the last one where it names everybody), and
    principals that it names by ARN."""
    arn = stage.holder(role).arn
    for statement in _statements(stage, role):
        element = statement.principals
        if element is None or not statement.allow or not any(a.matches("sts:assumerole") for a in statement.actions):
            continue  # companions of entering, such as sts:TagSession, let nobody in by themselves
        own = list(stage.contract.accounts.values())
        for account in [*(own[-1:] if element.everyone else ()), *sorted(element.accounts & set(own))]:
            user = stage.world.identity(stage.outsider(account, f"may-enter-{role.alias}", arn))
            yield stage.world.guest(_meeting_conditions(stage, user, statement, arn))
        for named in sorted(element.arns):
            yield stage.world.guest(_meeting_conditions(stage, _named(stage, named, arn), statement, arn))


def invalid_sessions(stage: Stage, role: DeclaredPrincipal) -> Iterator[tuple[str, boto3.Session]]:
    """(description, session) of services and federated identities that fail one condition of the contract's trust
    policy, and that no other statement permits."""
    promised = Layers(resource=_policy(stage, role))
    for asked in _permitted_requests(stage, role):
        for statement in _statements(stage, role):
            for test in statement.conditions:
                for other in list(failing([test], asked))[:2]:
                    if not evaluate(other, promised).allowed:
                        has = ", ".join(other.values.get(test.key, ())) or "nothing"
                        yield f"{asked.principal} with {has} as {test.key}", _session(stage, other)


def _permitted_requests(stage: Stage, role: DeclaredPrincipal) -> Iterator[Request]:
    """The requests of services and federated identities that the declared trust policy permits."""
    arn = stage.holder(role).arn
    for declared, statement in zip(role.trust, _statements(stage, role), strict=True):
        element = statement.principals
        entry = next((e for e in _ENTRIES if any(a.matches(e.lower()) for a in statement.actions)), None)
        if element is None or entry is None or not statement.allow:
            continue  # companions of entering, such as sts:TagSession, let nobody in by themselves
        for kind, names in (("Service", element.services), ("Federated", element.providers)):
            for name in sorted(names):
                asked = Request(principal_of({kind: name}), entry, arn, arn.split(":")[4], {})
                met = satisfying(statement.conditions, asked)
                if met is None:
                    raise NoPermittedCaller(
                        f"{declared.place}: nobody was found who meets the conditions of this statement"
                    )
                yield met


def _policy(stage: Stage, role: DeclaredPrincipal) -> Policy:
    return stage.promised(role.trust, PolicyType.TRUST)


def _statements(stage: Stage, role: DeclaredPrincipal) -> tuple[Statement, ...]:
    return _policy(stage, role).statements


def _session(stage: Stage, asked: Request) -> Any:
    kind, name = asked.principal.kind.value, asked.principal.name or ""
    account = asked.resource_account or ""
    if kind == "service":
        return stage.world.guest(Identity(name, account, "service", "", "", session=asked.context))
    return stage.world.guest(Identity(name, account, "federated", "", "", session=asked.context, entry=asked.action))


def _meeting_conditions(stage: Stage, identity: Identity, statement: Statement, arn: str) -> Identity:
    """The same caller with context values that meet a statement's conditions: external id, organization, MFA ..."""
    asked = stage.authoriser.request(
        identity, ask("sts:AssumeRole", arn, stage.authoriser.where(identity, "")), stage.contract.region
    )
    met = satisfying(statement.conditions, asked)
    if met is None:
        raise NoPermittedCaller(f"nobody was found who meets the conditions of Statement[{statement.index}] of {arn}")
    return replace(identity, session={**identity.session, **added(asked, met)})


def _named(stage: Stage, arn: str, may_assume: str) -> Identity:
    """The user, or a session of the role, with this ARN; created where it does not exist, with only the
    permission to assume `may_assume`."""
    account, (kind, _, path) = arn.split(":")[4], arn.split(":", 5)[5].partition("/")
    there = stage.policies.held.get(arn)
    if there is None and kind in ("user", "role"):
        iam = stage.world.client(stage.world.root(account), "iam")
        allow = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": may_assume}
        document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        before, _, name = f"/{path}".rpartition("/")
        if kind == "user":
            iam.create_user(UserName=name, Path=f"{before}/")
            iam.put_user_policy(UserName=name, PolicyName="assume", PolicyDocument=document)
        else:
            own = {"Effect": "Allow", "Principal": {"AWS": account}, "Action": "sts:AssumeRole"}
            trust = json.dumps({"Version": "2012-10-17", "Statement": [own]})
            iam.create_role(RoleName=name, Path=f"{before}/", AssumeRolePolicyDocument=trust)
            iam.put_role_policy(RoleName=name, PolicyName="assume", PolicyDocument=document)
        there = stage.policies.held.get(arn)
    if there is None:
        raise NoPermittedCaller(f"{arn} is a principal that the mocked world cannot make")
    identity = Identity(arn, account, "user", "", there.unique_id)
    if kind == "role":
        session = f"arn:{stage.contract.partition}:sts::{account}:assumed-role/{arn.rsplit('/', 1)[1]}/grantproof"
        user_id = f"{there.unique_id}:grantproof"
        identity = replace(identity, arn=session, kind="role session", issuer=arn, user_id=user_id)
    return identity
