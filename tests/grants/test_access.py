"""Access, tried with real boto3 calls under the law."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import boto3
from botocore.exceptions import ClientError

from grantproof.aws import guests, inquiry, refusals
from grantproof.aws.law import NotJudged
from grantproof.aws.operations import authorisations, parameters_for
from grantproof.aws.policies import SnapshotIncomplete
from grantproof.aws.samples import minimal_parameters
from grantproof.aws.stage import STRANGER, Stage
from grantproof.contract import Contract, DeclaredPrincipal, DeclaredStatement
from grantproof.iam import LawError, Layers, PolicyType, actions, evaluate, parse_policy
from grantproof.iam.layers import is_role_entry
from grantproof.iam.satisfy import example, satisfying


def refusal(call: Any, **params: Any) -> ClientError | None:
    """The service's error, or None when the call was carried out. Any other exception is the test's failure."""
    try:
        call(**params)
    except ClientError as error:
        return error
    return None


def let_through(call: Any, **params: Any) -> ClientError | None:
    """As `refusal`, for calls that the law is to let through to services that may not be able to carry them out: what
    the mocked service's own code runs into says nothing of access."""
    try:
        return refusal(call, **params)
    except (NotJudged, SnapshotIncomplete, LawError):
        raise
    except Exception:  # noqa: BLE001 - moto meets what it cannot do with whatever its own code runs into
        return None


def is_refusal(error: ClientError | None, service: str, protocol: str) -> bool:
    """Did the law refuse, with the service's own error and AWS's words for why?"""
    if error is None:
        return False
    status, code = refusals.not_authorised(service, protocol)
    answer = error.response
    said = answer["Error"]["Message"]
    why = " because no " in said or " with an explicit deny in " in said
    right = answer["Error"]["Code"] == code and answer["ResponseMetadata"]["HTTPStatusCode"] == status
    return right and why and " is not authorized to perform: " in said


def client(world: Stage, session: boto3.Session, service: str, region: str = "") -> Any:
    return world.world.client(session, service, region)


# --- entering ---------------------------------------------------------------------------------------------------------


def test_the_declared_principals_enter(grant: Contract, role: DeclaredPrincipal, world: Stage, verdict: Any) -> None:
    arn = world.resolved(role.reference)
    for session in world.entrants(role):
        error = refusal(client(world, session, "sts").assume_role, RoleArn=arn, RoleSessionName="entrant")
        if error is not None:
            verdict.broken(f"the declared principals enter {role.alias}", str(error), place=str(role.place))


def test_nobody_else_enters(grant: Contract, role: DeclaredPrincipal, world: Stage, verdict: Any) -> None:
    """A user of a third account who may assume anything, a user of each account of the grant without permission, and
    the root users, who can assume no role (rule T9)."""
    arn = world.resolved(role.reference)
    people = {"a user of a third account": world.outsider(STRANGER, "stranger", arn)}
    for alias, number in grant.accounts.items():
        people[f"a user of {alias} without permission"] = world.outsider(number, "bystander")
        people[f"the root user of {alias}"] = world.world.root_user(number)
    for who, session in people.items():
        sts = client(world, session, "sts")
        error = refusal(sts.assume_role, RoleArn=arn, RoleSessionName="intruder")
        barred = error is not None and error.response["Error"]["Code"] == "AccessDenied"
        if not (barred if "root" in who else is_refusal(error, "sts", "query")):
            verdict.broken(
                f"nobody else enters {role.alias}",
                f"{who} {'assumed ' + role.alias if error is None else 'got ' + str(error)}",
                place=str(role.place),
                witness={"principal": world.world.identity(session).arn, "action": "sts:AssumeRole", "resource": arn},
            )


def test_a_guest_who_lacks_what_is_asked_is_refused(
    grant: Contract, role: DeclaredPrincipal, world: Stage, verdict: Any
) -> None:
    """Services and federated identities (CI systems, SAML, OIDC) with each thing that the contract asks of them wrong
    or missing: the claims of another repository, the account of another customer."""
    arn = world.resolved(role.reference)
    for who, session in guests.spoilt(world, role):
        error = refusal(client(world, session, "sts").assume_role, RoleArn=arn, RoleSessionName="guest")
        if not is_refusal(error, "sts", "query"):
            verdict.broken(
                f"only guests as declared enter {role.alias}",
                f"{who} {'assumed ' + role.alias if error is None else 'got ' + str(error)}",
                place=str(role.place),
            )


def test_the_session_is_what_aws_makes_of_it(
    grant: Contract, role: DeclaredPrincipal, world: Stage, verdict: Any
) -> None:
    """GetCallerIdentity needs no permission and names the session; it ends when its credentials do."""
    arn = world.resolved(role.reference)
    sts = client(world, world.entrants(role)[0], "sts")
    answer = sts.assume_role(RoleArn=arn, RoleSessionName="who-am-i", DurationSeconds=900)
    session = world.world.session(answer["Credentials"])
    account, name = arn.split(":")[4], arn.rsplit("/", 1)[1]
    seen = client(world, session, "sts").get_caller_identity()
    assert seen["Arn"] == f"arn:{grant.partition}:sts::{account}:assumed-role/{name}/who-am-i"
    assert seen["Account"] == account
    assert seen["UserId"].startswith("AROA")
    assert seen["UserId"].endswith(":who-am-i")
    assert answer["AssumedRoleUser"] == {"AssumedRoleId": seen["UserId"], "Arn": seen["Arn"]}
    left = answer["Credentials"]["Expiration"] - world.world.now()
    assert timedelta(seconds=890) < left <= timedelta(seconds=900)


def test_expired_credentials_are_refused(grant: Contract, role: DeclaredPrincipal, world: Stage, verdict: Any) -> None:
    session = world.world.assume(world.entrants(role)[0], world.resolved(role.reference), "late", DurationSeconds=900)
    world.world.advance(901)
    try:
        error = refusal(client(world, session, "ssm").describe_parameters)
    finally:
        world.world.advance(-901)
    assert error is not None, "a call with expired credentials was carried out"
    assert error.response["Error"]["Code"] == "ExpiredTokenException"


# --- what is allowed --------------------------------------------------------------------------------------------------


def test_what_is_allowed_succeeds(
    grant: Contract, allowed: tuple[DeclaredPrincipal, DeclaredStatement], world: Stage, verdict: Any
) -> None:
    """Every operation of a declared statement, on its resource. A call that the law lets through and the service cannot
    carry out (nothing of that name is there, or the mocked service lacks the operation) counts as allowed. What cannot
    be tried by a call is put to the law: actions that are no operations, conditions that no call of ours meets."""
    principal, statement = allowed
    if principal.kind == "policy":
        assert world.resolved(principal.reference) in world.policies.managed
        return
    if statement.document.get("Effect") == "Deny":
        return
    session = world.member(principal)
    promised = contract_layers(world, principal)
    for resource in resources(world.resolved(statement.document)):
        tried = 0
        for service, operation in operations_of(session, statement):
            params = aimed(world, session, service, operation, resource)
            if params is None or not expected(world, session, service, operation, params, promised, grant.region):
                continue
            tried += 1
            method = client(world, session, service)
            error = let_through(getattr(method, method_name(method, operation)), **params)
            if is_refusal(error, service, protocol(method)):
                verdict.broken(
                    f"{principal.alias} may {service}:{operation} on {resource}", str(error), place=str(statement.place)
                )
        if not tried:
            _put_to_the_law(world, principal, statement, resource, verdict)


def _put_to_the_law(
    world: Stage, principal: DeclaredPrincipal, statement: DeclaredStatement, resource: str, verdict: Any
) -> None:
    """Each known action of the statement on an example of the resource, with the statement's conditions met."""
    document = {"Version": "2012-10-17", "Statement": [world.resolved(statement.document)]}
    (parsed,) = parse_policy(document, PolicyType.IDENTITY, "contract").statements
    who = inquiry.caller(world, principal.alias)
    judged = 0
    if all(is_role_entry(str(glob)) for glob in parsed.actions):
        return  # entering is tried from the role's side, where it has to be allowed as well
    for pattern in parsed.resources or ():
        for action in (name for glob in parsed.actions for name in actions.matching(str(glob))):
            asked = inquiry.request(world, who, action, pattern.text if "*" not in pattern.text else "*")
            asked = replace(asked, resource=example(pattern, asked))
            met = satisfying(parsed.conditions, asked)
            if met is None:
                continue
            judged += 1
            if not evaluate(met, inquiry.layers_of(world, who, met)).allowed:
                verdict.broken(
                    f"{principal.alias} may {action} on {resource}", "the law refuses it", place=str(statement.place)
                )
    if not judged:
        verdict.unverified(
            f"{principal.alias} may use {resource}",
            f"no operation of {statement.document.get('Action')} can be tried on {resource}",
            place=str(statement.place),
        )


def test_the_neighbours_of_what_is_allowed_are_refused(
    grant: Contract, allowed: tuple[DeclaredPrincipal, DeclaredStatement], world: Stage, verdict: Any
) -> None:
    """A sibling, a longer and a shorter name, another case, another region, another account."""
    principal, statement = allowed
    if principal.kind == "policy" or statement.document.get("Effect") == "Deny":
        return
    session = world.member(principal)
    promised = contract_layers(world, principal)
    for resource in resources(world.resolved(statement.document)):
        for neighbour in neighbours(resource, grant):
            region = neighbour.split(":")[3] or grant.region
            for service, operation in operations_of(session, statement):
                params = aimed(world, session, service, operation, neighbour, region)
                if params is None or expected(world, session, service, operation, params, promised, region):
                    continue
                caller = client(world, session, service, region)
                error = refusal(getattr(caller, method_name(caller, operation)), **params)
                if not is_refusal(error, service, protocol(caller)):
                    how = passed(world, session, service, operation, params, region)
                    verdict.broken(
                        f"{principal.alias} may use {resource} and no neighbour of it",
                        f"{service}:{operation} on {neighbour} {how}",
                        place=str(statement.place),
                    )


def passed(world: Stage, session: boto3.Session, service: str, operation: str, params: Any, region: str) -> str:
    """For a finding: the statements that let a call through which should have been refused."""
    where = world.law.where(world.world.identity(session), region)
    return f"was let through by {world.why(session, authorisations(service, operation, params, where), region)}"


def neighbours(arn: str, grant: Contract) -> list[str]:
    """Resources that a sloppy pattern would take for this one."""
    fields = arn.split(":", 5)
    if len(fields) != 6 or "*" in arn:
        return []
    head, name = ":".join(fields[:5]), fields[5]
    out = [f"{head}:{n}" for n in (f"{name}2", f"{name}-old", name[:-1], name.swapcase(), f"{name}/below") if n != name]
    other_account = next((n for n in grant.accounts.values() if n != fields[4]), STRANGER)
    for position, value in ((3, "us-east-1" if fields[3] != "us-east-1" else "us-west-2"), (4, other_account)):
        if fields[position]:
            out.append(":".join([*fields[:position], value, *fields[position + 1 :]]))
    kind, slash, rest = name.partition("/")
    return [n for n in out if not slash or n.split(":", 5)[5].startswith(f"{kind}/")] if rest else out


# --- what is not ------------------------------------------------------------------------------------------------------


def test_every_other_operation_is_refused(
    grant: Contract, swept: tuple[DeclaredPrincipal, str], world: Stage, verdict: Any
) -> None:
    """Every operation that botocore knows of the services that the contract speaks of, with minimal valid parameters:
    the call does what the contract says, and where that is a refusal, it is the service's own."""
    principal, service = swept
    session = world.member(principal)
    caller = client(world, session, service)
    promised = contract_layers(world, principal)
    for operation in caller.meta.service_model.operation_names:
        params = minimal_parameters(caller.meta.service_model.operation_model(operation))
        if expected(world, session, service, operation, params, promised, grant.region):
            continue
        error = refusal(getattr(caller, method_name(caller, operation)), **params)
        if not is_refusal(error, service, protocol(caller)):
            verdict.broken(
                f"{principal.alias} may do nothing else with {service}",
                f"{service}:{operation} {passed(world, session, service, operation, params, grant.region)}",
                place=str(principal.place),
                witness={
                    "principal": world.world.identity(session).arn,
                    "action": f"{service}:{operation}",
                    "resource": "-",
                },
            )


# --- between contract and call ----------------------------------------------------------------------------------------


def contract_layers(world: Stage, principal: DeclaredPrincipal) -> Layers:
    """The contract's statements as the only policies there are."""
    statements = [world.resolved(s.document) for s in principal.allows]
    document = {"Version": "2012-10-17", "Statement": statements}
    return Layers(identity=(parse_policy(document, PolicyType.IDENTITY, "contract"),))


def expected(
    world: Stage, session: boto3.Session, service: str, operation: str, params: Any, promised: Layers, region: str
) -> bool:
    """Does the contract allow the call? On resources of other accounts it never does by itself."""
    identity = world.world.identity(session)
    where = world.law.where(identity, region)
    asked = authorisations(service, operation, params, where)
    requests = [world.law.request(identity, a, region) for a in asked]
    return all(evaluate(request, promised).allowed for request in requests)


def resources(document: Any) -> list[str]:
    found = document.get("Resource", [])
    return [found] if isinstance(found, str) else list(found)


def operations_of(session: boto3.Session, statement: DeclaredStatement) -> list[tuple[str, str]]:
    """(service, operation) for the known actions that a statement names."""
    found = statement.document.get("Action", [])
    out = []
    for pattern in [found] if isinstance(found, str) else found:
        for name in actions.matching(pattern):
            service, operation = name.split(":")
            if service in session.get_available_services():
                out.append((service, operation))
    return out


def aimed(
    world: Stage, session: boto3.Session, service: str, operation: str, resource: str, region: str = ""
) -> dict[str, Any] | None:
    """Parameters that make an operation act on a resource; None where there is no such operation or no such way."""
    model = client(world, session, service).meta.service_model
    if operation not in model.operation_names:
        return None
    shape = model.operation_model(operation)
    identity = world.world.identity(session)
    where = world.law.where(identity, region or world.contract.region)
    known = list(shape.input_shape.members) if shape.input_shape else []
    return parameters_for(service, operation, resource, where, minimal_parameters(shape), known)


def method_name(caller: Any, operation: str) -> str:
    return next(name for name, value in caller.meta.method_to_api_mapping.items() if value == operation)


def protocol(caller: Any) -> str:
    return str(caller.meta.service_model.metadata["protocol"])
