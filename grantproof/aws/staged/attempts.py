"""Attempts to assume a role: with all that its trust policy requires, and with one requirement missing or wrong.

Requirements are read from the contract's conditions. A condition that the mocked world cannot meet raises
`UnsupportedCondition`, and the role is then not verified.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from grantproof.contract import DeclaredPrincipal
from grantproof.iam import PolicyType
from grantproof.iam.condition import Test
from grantproof.source import Place

if TYPE_CHECKING:
    import boto3

    from grantproof.aws.staged.stage import Stage


class UnsupportedCondition(Exception):
    """A condition of a declared trust policy that the mocked world cannot meet."""


class EntryDenied(Exception):
    """A principal of the contract cannot be used, because a permitted caller is denied. `place` is the principal's."""

    def __init__(self, said: str, place: Place) -> None:
        super().__init__(said)
        self.place = place


@dataclass(frozen=True)
class Attempt:
    """An attempt to assume a role.

    Attributes:
        who: the caller and what it sends, for findings.
        session: the caller's session.
        params: of AssumeRole, besides RoleArn and RoleSessionName.
        organizations: organization ids by account number, during the call.
        later: seconds by which the clock is advanced first.
    """

    who: str
    session: boto3.Session
    params: Mapping[str, Any] = field(default_factory=dict)
    organizations: Mapping[str, str] = field(default_factory=dict)
    later: int = 0


def required_conditions(stage: Stage, role: DeclaredPrincipal) -> Mapping[str, Test]:
    """The conditions under which the contract lets callers assume a role, by lower-cased key.

    Raises:
        UnsupportedCondition: its statements have different conditions, or two conditions on one key, or a condition
            that the mocked world cannot meet.
    """
    found: list[frozenset[Test]] = []
    for declared in role.trust:
        (statement,) = stage.promised([declared], PolicyType.TRUST).statements
        if statement.allow and any(action.matches("sts:assumerole") for action in statement.actions):
            found.append(frozenset(statement.conditions))
    if len(set(found)) != 1:
        raise UnsupportedCondition(f"{role.place}: the statements that let callers in have different conditions")
    tests = {test.key: test for test in found[0]}
    if len(tests) != len(found[0]):
        raise UnsupportedCondition(f"{role.place}: one condition key is asked for in two ways")
    for test in tests.values():
        if (test.operator.name, test.key) not in _KNOWN and not (
            test.operator.name == "StringEquals" and test.key.startswith(_TAG)
        ):
            raise UnsupportedCondition(f"{role.place}: nobody here knows how to come with {test}")
    return tests


_KNOWN = frozenset(
    {
        ("StringEquals", "sts:externalid"),
        ("StringEquals", "aws:principalorgid"),
        ("ArnEquals", "aws:principalarn"),
        ("ArnLike", "aws:principalarn"),
        ("Bool", "aws:multifactorauthpresent"),
        ("NumericLessThan", "aws:multifactorauthage"),
        ("NumericLessThanEquals", "aws:multifactorauthage"),
        ("Null", "sts:sourceidentity"),
        ("ForAllValues:StringEquals", "aws:tagkeys"),
    }
)
#: The prefix of condition keys for session tags; AWS ignores their case.
_TAG = "aws:requesttag/"


def _texts(tests: Mapping[str, Test], key: str) -> list[str]:
    return [pattern.text for pattern in tests[key].values] if key in tests else []


def _tags(tests: Mapping[str, Test]) -> dict[str, str]:
    """The required session tags, by key, in the case of aws:TagKeys where that lists them."""
    spelt = {key.lower(): key for key in _texts(tests, "aws:tagkeys")}
    found = {key.removeprefix(_TAG): _texts(tests, key)[0] for key in tests if key.startswith(_TAG)}
    return {spelt.get(key, key): value for key, value in found.items()}


def valid_attempts(stage: Stage, role: DeclaredPrincipal) -> list[Attempt]:
    """An attempt of each caller that the contract permits, with all that is required. Never empty.

    Raises:
        UnsupportedCondition: as `required_conditions`; or no caller can meet all conditions.
    """
    tests = required_conditions(stage, role)
    out = [
        _complete_attempt(stage, tests, session)
        for session in _eligible_sessions(stage, role, tests)
        if _fits(stage, tests, session)
    ]
    if not out:
        raise UnsupportedCondition(f"{role.place}: nobody under entered_by can come with all that is asked for")
    return out


def _is_user(stage: Stage, session: boto3.Session) -> bool:
    return stage.world.identity(session).kind == "user"


def _fits(stage: Stage, tests: Mapping[str, Test], session: boto3.Session) -> bool:
    """Can a caller meet the conditions? A role's session has no MFA (rule C60), and no user name for a source
    identity."""
    personal = {"aws:multifactorauthpresent", "sts:sourceidentity"} & set(tests)
    return not personal or _is_user(stage, session)


def _complete_attempt(stage: Stage, tests: Mapping[str, Test], session: boto3.Session) -> Attempt:
    identity = stage.world.identity(session)
    params: dict[str, Any] = {}
    organizations: dict[str, str] = {}
    if "sts:externalid" in tests:
        params["ExternalId"] = _texts(tests, "sts:externalid")[0]
    if "sts:sourceidentity" in tests:
        params["SourceIdentity"] = identity.arn.rsplit("/", 1)[1]
    if tags := _tags(tests):
        params["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
    if "aws:principalorgid" in tests:
        organizations[identity.account] = _texts(tests, "aws:principalorgid")[0]
    if "aws:multifactorauthpresent" in tests:
        session = stage.world.signed_in(session, mfa=True)
    return Attempt(identity.arn, session, params, organizations)


def _eligible_sessions(stage: Stage, role: DeclaredPrincipal, tests: Mapping[str, Test]) -> Iterator[boto3.Session]:
    """Sessions with the permission on the caller's side, under the names that `aws:PrincipalArn` requires."""
    named = _texts(tests, "aws:principalarn")
    if not role.entered_by:
        yield from stage.permitted_outsiders(role)
    for alias in role.entered_by:
        principal = stage.contract.principal(alias)
        if principal.kind in ("user", "role"):
            yield stage.member(principal)
            continue
        reference = stage.resolved(principal.reference)
        arn = reference if principal.kind == "policy" else stage.holder(principal).arn
        kind = "user" if principal.kind == "group" else "role"
        account = arn.split(":")[4]
        names = [name.split(f":{kind}/", 1)[1] for name in named if f":{account}:{kind}/" in name]
        for name in names or ([] if named else [f"{alias}-member"]):
            yield stage.new_session(kind, account, name, arn)


def invalid_attempts(stage: Stage, role: DeclaredPrincipal) -> Iterator[Attempt]:
    """For each required condition, attempts that meet all others: the value is missing, wrong, or nearly right."""
    tests = required_conditions(stage, role)
    for number, attempt in enumerate(stage.attempts(role)):
        # One caller is enough, except for names: for each required user or role, another of the same kind has to try.
        for key in tests if number == 0 else {"aws:principalarn"} & set(tests):
            invalidated = _tag if key.startswith(_TAG) else _FAULTS[key]
            yield from invalidated(stage, role, tests, attempt)


def _changed(attempt: Attempt, note: str, **changed: Any) -> Attempt:
    """A copy of an attempt with some fields changed, and a note on that in `who`."""
    return replace(attempt, who=f"{attempt.who} {note}", **changed)


def _without(attempt: Attempt, name: str) -> dict[str, Any]:
    return {key: value for key, value in attempt.params.items() if key != name}


def _with(attempt: Attempt, **instead: Any) -> dict[str, Any]:
    return {**attempt.params, **instead}


def _external_id(
    stage: Stage, role: DeclaredPrincipal, tests: Mapping[str, Test], attempt: Attempt
) -> Iterator[Attempt]:
    right = attempt.params["ExternalId"]
    yield _changed(attempt, "without an external id", params=_without(attempt, "ExternalId"))
    for note, wrong in (("another", "another-external-id-0"), ("a longer", f"{right}0"), ("a cut", right[:-1])):
        yield _changed(attempt, f"with {note} external id", params=_with(attempt, ExternalId=wrong))


def _organization(
    stage: Stage, role: DeclaredPrincipal, tests: Mapping[str, Test], attempt: Attempt
) -> Iterator[Attempt]:
    account = stage.world.identity(attempt.session).account
    yield _changed(attempt, "of no organization", organizations={})
    yield _changed(attempt, "of another organization", organizations={account: "o-zzzzzzzzzz"})


def _mfa(stage: Stage, role: DeclaredPrincipal, tests: Mapping[str, Test], attempt: Attempt) -> Iterator[Attempt]:
    keys = stage.world.session_of_user(stage.world.identity(attempt.session).arn)
    yield _changed(attempt, "with access keys, so without the MFA key", session=keys)
    yield _changed(attempt, "signed in without MFA", session=stage.world.signed_in(keys, mfa=False))


def _tag(stage: Stage, role: DeclaredPrincipal, tests: Mapping[str, Test], attempt: Attempt) -> Iterator[Attempt]:
    right = attempt.params["Tags"]
    yield _changed(attempt, "without tags", params=_without(attempt, "Tags"))
    for tag in right:
        other = [{**t, "Value": "another"} if t is tag else t for t in right]
        yield _changed(attempt, f"with another {tag['Key']}", params=_with(attempt, Tags=other))


def _tag_keys(stage: Stage, role: DeclaredPrincipal, tests: Mapping[str, Test], attempt: Attempt) -> Iterator[Attempt]:
    more = [*attempt.params.get("Tags", ()), {"Key": "Administrator", "Value": "true"}]
    yield _changed(attempt, "with one tag more", params=_with(attempt, Tags=more))


def _mfa_age(stage: Stage, role: DeclaredPrincipal, tests: Mapping[str, Test], attempt: Attempt) -> Iterator[Attempt]:
    most = int(_texts(tests, "aws:multifactorauthage")[0])
    yield _changed(attempt, f"with MFA {most + 1} seconds ago", later=most + 1)


def _principal_arn(
    stage: Stage, role: DeclaredPrincipal, tests: Mapping[str, Test], attempt: Attempt
) -> Iterator[Attempt]:
    identity = stage.world.identity(attempt.session)
    for other in _others(stage, role, user=identity.kind == "user"):
        session = stage.world.signed_in(other, mfa=True) if "aws:multifactorauthpresent" in tests else other
        arn = stage.world.identity(other).arn
        own = {"SourceIdentity": arn.rsplit("/", 1)[1]} if "SourceIdentity" in attempt.params else {}
        yield _changed(attempt, f"as {arn}, who is not named", params=_with(attempt, **own), session=session)


def _source_identity(
    stage: Stage, role: DeclaredPrincipal, tests: Mapping[str, Test], attempt: Attempt
) -> Iterator[Attempt]:
    yield _changed(attempt, "without a source identity", params=_without(attempt, "SourceIdentity"))
    other = _with(attempt, SourceIdentity="somebody-else")
    yield _changed(attempt, "with another's name as source identity", params=other)


def recreated_role_attempts(stage: Stage, role: DeclaredPrincipal) -> Iterator[Attempt]:
    """Attempts of a role that `aws:PrincipalArn` names, after it was deleted and created again: the ARN still matches
    (rule P24)."""
    tests = required_conditions(stage, role)
    for attempt in valid_attempts(stage, role) if "aws:principalarn" in tests else ():
        identity = stage.world.identity(attempt.session)
        if identity.kind == "role session":
            path = identity.issuer.split(":role/", 1)[1]
            session = stage.world.role_again(identity.account, path)
            yield Attempt(f"{attempt.who}, deleted and made again,", session, attempt.params, attempt.organizations)


def _others(stage: Stage, role: DeclaredPrincipal, *, user: bool) -> Iterator[boto3.Session]:
    """Other callers of the partner with the same permission: a user of the group, a role with the policy."""
    for alias in role.entered_by:
        principal = stage.contract.principal(alias)
        if principal.kind in ("group", "policy"):
            reference = stage.resolved(principal.reference)
            arn = reference if principal.kind == "policy" else stage.holder(principal).arn
            kind = "user" if principal.kind == "group" else "role"
            if (kind == "user") == user:
                yield stage.new_session(kind, arn.split(":")[4], f"other-{alias}-member", arn)


_FAULTS: Mapping[str, Callable[[Any, DeclaredPrincipal, Mapping[str, Test], Attempt], Iterator[Attempt]]] = {
    "sts:externalid": _external_id,
    "aws:principalorgid": _organization,
    "aws:multifactorauthpresent": _mfa,
    "aws:multifactorauthage": _mfa_age,
    "aws:principalarn": _principal_arn,
    "sts:sourceidentity": _source_identity,
    "aws:tagkeys": _tag_keys,
}


def enter(stage: Stage, role_arn: str, attempt: Attempt) -> Any:
    """Assume a role; the response of AssumeRole.

    Raises:
        botocore.exceptions.ClientError: the call was denied or failed.
    """
    world = stage.world
    before = dict(world.organizations)
    world.organizations.update(attempt.organizations)
    for account in stage.contract.accounts.values():
        if account not in attempt.organizations:
            world.organizations.pop(account, None)
    world.advance(attempt.later)
    try:
        sts = world.client(attempt.session, "sts")
        return sts.assume_role(RoleArn=role_arn, RoleSessionName="grantproof", **attempt.params)
    finally:
        world.advance(-attempt.later)
        world.organizations.clear()
        world.organizations.update(before)
