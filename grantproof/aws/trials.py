"""Which calls may be tried against real accounts, and what the contract says of each. Nothing is called here.

No call of a plan can change anything, even where it is wrongly allowed: entering a role (which leaves nothing behind
but credentials that end by themselves), reads, and EC2's own `DryRun`. What a contract says of writes is proved over
the snapshots and not tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from grantproof.aws.operations import UnmappedOperation, Where, authorisations, parameters_for
from grantproof.aws.policies import Held
from grantproof.aws.recorded import Recorded
from grantproof.aws.samples import minimal_parameters
from grantproof.contract import DeclaredPrincipal, DeclaredStatement
from grantproof.iam import (
    LawError,
    Layers,
    Policy,
    PolicyType,
    Principal,
    Request,
    actions,
    evaluate,
    parse_policy,
    parse_principal,
)
from grantproof.iam.layers import resource_type
from grantproof.iam.satisfy import added, satisfying
from grantproof.source import shown

#: Gives botocore's model of a service.
Models = Callable[[str], Any]


@dataclass(frozen=True)
class Trial:
    """One call.

    Attributes:
        name: what it is, in a few words; unlike every other of the grant.
        profile: the alias of the account with whose profile it begins.
        role: the alias of the role in whose session the call is made; empty where the profile itself makes it.
        enters: the alias of the role that the call enters, where others follow in its session.
        allowed: what the contract says of it.
        needs: what AWS has to find in the caller's credentials and a profile may lack: without it, a denial of what the
            contract allows settles nothing.
        place: where the contract says so.
    """

    grant: str
    name: str
    profile: str
    role: str
    service: str
    operation: str
    params: Mapping[str, Any]
    resource: str
    allowed: bool
    place: str
    enters: str = ""
    needs: str = ""

    def __str__(self) -> str:
        who = f"{self.role} (through profile of {self.profile})" if self.role else f"profile of {self.profile}"
        on = f" on {self.resource}" if self.resource != "*" else ""
        return f"{who}: {self.service}:{self.operation}{on}, to be {'allowed' if self.allowed else 'denied'}"


@dataclass(frozen=True)
class Plan:
    """The calls in their order; in words what is not tried, with why; and what had to be tried and cannot be."""

    trials: tuple[Trial, ...] = ()
    left_out: tuple[str, ...] = ()
    unanswered: tuple[tuple[Trial, str], ...] = ()


@dataclass
class _Draft:
    trials: list[Trial] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    unanswered: list[tuple[Trial, str]] = field(default_factory=list)

    def add(self, trial: Trial) -> None:
        taken = {known.name for known in self.trials}
        number, name = 2, trial.name
        while name in taken:
            name, number = f"{trial.name} ({number})", number + 1
        self.trials.append(replace(trial, name=name))


# --- what may be called -----------------------------------------------------------------------------------------------

#: Services of which it is known what each operation asks, and whose reads read.
_SERVICES = frozenset("cloudformation dynamodb ec2 ecr iam kms lambda s3 secretsmanager sns sqs ssm".split())
_BEGINS = ("Get", "List", "Describe", "Head", "BatchGet")
#: Called a read, and yet something is made: a token, a report.
_MAKES = frozenset({"ecr:GetAuthorizationToken", "ssm:GetAccessToken", "ssm:GetDeployablePatchSnapshotForInstance"})
_LEVELS = frozenset({"List", "Read"})


def only_reads(service: str, operation: str) -> bool:
    """Does an operation change nothing, by its name and by the access level of its action?"""
    action = next((a for a, calls in _S3.items() if operation in calls), operation) if service == "s3" else operation
    name = f"{service}:{action}"
    if service not in _SERVICES or not operation.startswith(_BEGINS) or name in _MAKES or not actions.exists(name):
        return False
    return set(actions.details(name).levels) <= _LEVELS


def harmless(service: str, operation: str, params: Mapping[str, Any]) -> bool:
    """Can a call change nothing, whatever it is allowed? The last word before each call."""
    if (service, operation) == ("sts", "AssumeRole"):
        return True
    return only_reads(service, operation) or (service == "ec2" and params.get("DryRun") is True)


#: S3's actions that are called otherwise, as far as each call needs nothing but the action.
_S3: Mapping[str, tuple[str, ...]] = {
    "ListBucket": ("ListObjectsV2",),
    "ListAllMyBuckets": ("ListBuckets",),
    "GetObject": ("HeadObject", "GetObject"),
}


def _reads(pattern: str, models: Models) -> Iterator[tuple[str, str]]:
    """(service, operation) of the reads that an action pattern names. Of several that need the same, the first."""
    for action in actions.matching(pattern):
        service, name = action.split(":")
        if service not in _SERVICES:
            continue
        known = models(service).operation_names
        called = _S3.get(name, (name,)) if service == "s3" else (name,)
        found = next((c for c in called if c in known and only_reads(service, c)), None)
        if found is not None:
            yield service, found


# --- the plan ---------------------------------------------------------------------------------------------------------


def planned(world: Recorded, callers: Mapping[str, str], models: Models) -> Plan:
    """The calls that try a contract.

    Args:
        callers: the ARN of the identity behind each profile, by the alias of its account.
        models: gives botocore's model of a service.
    """
    draft = _Draft()
    for role in (p for p in world.contract.principals if p.kind == "role"):
        _enter(world, role, callers, models, draft)
    for alias, arn in callers.items():
        held = _held(world, arn)
        for principal in world.contract.principals:
            if held is not None and principal.kind != "policy" and _acts_as(world, held, principal):
                _try_statements(_Session(world, principal, alias, "", arn, models), draft)
    if not draft.trials and not draft.unanswered:
        why = "; ".join(draft.left_out) or "the contract has nothing that can be tried without danger"
        draft.unanswered.append((_question(world, "calls can be tried", "*", str(world.contract.path)), why))
    return Plan(tuple(draft.trials), tuple(draft.left_out), tuple(draft.unanswered))


def _question(world: Recorded, name: str, resource: str, place: str) -> Trial:
    """What had to be tried, and who would do it is not known."""
    return Trial(world.contract.grant, name, "", "", "sts", "AssumeRole", {}, resource, True, place)


def _held(world: Recorded, arn: str) -> Held | None:
    """What the identity behind a profile holds. The ARN of a session has the role's name without its path."""
    principal = parse_principal(arn)
    if principal.arn and ":assumed-role/" in arn:
        account, name = principal.account, arn.split("/")[1]
        return next(
            (h for a, h in world.policies.held.items() if h.kind == "role" and a.split(":")[4] == account
             and a.rsplit("/", 1)[1] == name), None
        )  # fmt: skip
    return world.policies.held.get(arn)


def _acts_as(world: Recorded, held: Held, principal: DeclaredPrincipal) -> bool:
    """Is this identity a declared user or role, or a member of a declared group?"""
    declared = world.held(principal)
    return declared is not None and declared.arn in (held.arn, *held.groups)


def _enter(world: Recorded, role: DeclaredPrincipal, callers: Mapping[str, str], models: Models, draft: _Draft) -> None:
    """Entering a role with every profile: those that may, those that may not, and with a wrong external id."""
    held = world.held(role)
    if held is None:
        draft.unanswered.append(
            (_question(world, f"{role.alias} is entered", "*", str(role.place)), "it is not deployed")
        )
        return
    entered, before = False, len(draft.left_out)
    for alias, arn in callers.items():
        found = _entry(world, role, held.arn, alias, arn)
        if isinstance(found, str):
            draft.left_out.append(found)
            continue
        # Entered once: what can be done inside does not depend on who came.
        enters = role.alias if found[0].allowed and not entered else ""
        for number, trial in enumerate(found):
            draft.add(replace(trial, enters=enters if number == 0 else ""))
        if enters:
            entered = True
            session = f"arn:{world.contract.partition}:sts::{held.arn.split(':')[4]}:assumed-role/"
            session += f"{held.arn.rsplit('/', 1)[1]}/{SESSION}"
            _try_statements(_Session(world, role, alias, role.alias, session, models), draft)
    if entered:
        return
    if not any(_names_accounts(world, statement) for statement in role.trust):
        draft.left_out.append(f"{role.alias} is for services and identity providers, whom no profile can be")
        return
    why = "; ".join(draft.left_out[before:]) or "none of the profiles may enter it"
    question = _question(world, f"{role.alias} is entered with one of the profiles", held.arn, str(role.place))
    draft.unanswered.append((question, f"{why}. Name a profile of one who may: --try-calls ALIAS=PROFILE"))


def _names_accounts(world: Recorded, statement: DeclaredStatement) -> bool:
    """Does a statement of a trust policy let principals of accounts in?"""
    document = {"Version": "2012-10-17", "Statement": [world.resolved(statement.document)]}
    (parsed,) = parse_policy(document, PolicyType.TRUST, "contract").statements
    element = parsed.principals
    return parsed.allow and (element is None or element.everyone or bool(element.accounts or element.arns))


#: What sessions are called, in whatever the accounts record.
SESSION = "grantproof"
_PASSED = {"sts:externalid": "ExternalId", "sts:sourceidentity": "SourceIdentity", "sts:rolesessionname": ""}
_ANYTHING = parse_policy(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]},
    PolicyType.IDENTITY,
    "the caller's own account",
)


def _entry(world: Recorded, role: DeclaredPrincipal, arn: str, alias: str, caller: str) -> list[Trial] | str:
    """Trials of entering a role as somebody; or why there are none."""
    who, held = parse_principal(caller, ""), _held(world, caller)
    principal = parse_principal(caller, held.arn) if held is not None and held.kind == "role" else who
    statements = [world.resolved(declared.document) for declared in role.trust]
    trust = parse_policy({"Version": "2012-10-17", "Statement": statements}, PolicyType.TRUST, "contract")
    asked = Request(principal, "sts:AssumeRole", arn, arn.split(":")[4], _of_every_call(world))
    said = f"entering {role.alias} with the profile of {alias} is not tried: "
    try:
        ways = _ways(asked, trust)
        let_in = [w for w in ways if evaluate(w, Layers(identity=(_ANYTHING,), resource=trust)).allowed]
        if held is None and let_in:
            return f"{said}{caller} is not in the snapshot"
        own = Layers(identity=held.identity, boundary=held.boundary, resource=trust) if held else Layers(resource=trust)
        may = next((w for w in let_in if evaluate(w, own).allowed), None)
    except LawError as error:
        return f"{said}{error}"
    if let_in and may is None:
        return f"{said}{caller} has no permission of its own to do so"
    met = may or asked
    brought = {key.lower(): values[0] for key, values in added(asked, met).items() if values}
    params = {"RoleArn": arn, "RoleSessionName": brought.get("sts:rolesessionname", SESSION), "DurationSeconds": 900}
    params |= {_PASSED[key]: value for key, value in brought.items() if _PASSED.get(key)}
    needs = ", ".join(f"{key}={value}" for key, value in brought.items() if key not in _PASSED)
    enters = f"{alias} {'enters' if may else 'does not enter'} {role.alias}"
    base = Trial(world.contract.grant, enters, alias, "", "sts", "AssumeRole", params, arn, may is not None,
                 str(role.place), needs=needs)  # fmt: skip
    return [base, *_spoilt(base, met, trust)]


def _ways(asked: Request, trust: Policy) -> list[Request]:
    """The request as it is, and with the conditions of each statement met."""
    found = [asked]
    for statement in trust.statements:
        if statement.allow and statement.conditions and (met := satisfying(statement.conditions, asked)) is not None:
            found.append(met)
    return found


def _spoilt(base: Trial, met: Request, trust: Policy) -> Iterator[Trial]:
    """The same entry without the external id that the contract asks for, and with another one."""
    if "ExternalId" not in base.params:
        return
    right = str(base.params["ExternalId"])
    for note, wrong in (("without its external id", None), ("with another external id", f"{right}0")):
        context = {key: values for key, values in met.context.items() if key.lower() != "sts:externalid"}
        context |= {"sts:ExternalId": (wrong,)} if wrong else {}
        if evaluate(replace(met, context=context), Layers(identity=(_ANYTHING,), resource=trust)).allowed:
            continue
        params = {key: value for key, value in base.params.items() if key != "ExternalId"}
        params |= {"ExternalId": wrong} if wrong else {}
        name = base.name.replace(" enters ", " does not enter ") + f" {note}"
        yield replace(base, name=name, params=params, allowed=False, needs="")


def _of_every_call(world: Recorded) -> Mapping[str, tuple[str, ...]]:
    return {
        "aws:SecureTransport": ("true",),
        "aws:RequestedRegion": (world.contract.region,),
        "aws:ViaAWSService": ("false",),
    }


# --- inside -----------------------------------------------------------------------------------------------------------

#: Of the named denials of one statement, so many are tried.
_DENIALS = 2


@dataclass(frozen=True)
class _Session:
    """Somebody who acts as a declared principal."""

    world: Recorded
    principal: DeclaredPrincipal
    profile: str
    role: str
    arn: str
    models: Models

    @property
    def who(self) -> Principal:
        held = self.world.held(self.principal)
        issuer = held.arn if held is not None and held.kind == "role" else None
        return parse_principal(self.arn, issuer)

    @property
    def where(self) -> Where:
        return Where(self.world.contract.partition, self.arn.split(":")[4], self.world.contract.region)

    def promised(self, service: str, operation: str, params: Mapping[str, Any], *, strictly: bool) -> bool | None:
        """Does the contract allow a call? None where that cannot be said. Where `strictly` is off, its conditions count
        as met and its denials as absent: what is then not allowed is denied whatever the call carries."""
        try:
            asked = authorisations(service, operation, params, self.where)
            requests = [
                Request(self.who, a.action, a.resource, a.resource_account or self._owner(a.resource),
                        {**_of_every_call(self.world), **a.context})
                for a in asked
            ]  # fmt: skip
            return bool(requests) and all(evaluate(r, self._layers(r, strictly)).allowed for r in requests)
        except (LawError, UnmappedOperation, KeyError):
            return None

    def _owner(self, resource: str | None) -> str | None:
        """The owner of a bucket is not in its ARN."""
        found = self.world.policies.owner(resource) if resource else None
        return found or self.where.account

    def _layers(self, request: Request, strictly: bool) -> Layers:
        own = self._policy(self.principal.allows, PolicyType.IDENTITY, strictly)
        for resource in self.world.contract.resources:
            arn = self.world.resolved(resource.reference)
            if request.resource is not None and (request.resource == arn or request.resource.startswith(f"{arn}/")):
                type_ = resource_type(request.action, request.resource)
                return Layers(identity=(own,), resource=self._policy(resource.policy, type_, strictly))
        return Layers(identity=(own,))

    def _policy(self, declared: Sequence[DeclaredStatement], type_: PolicyType, strictly: bool) -> Policy:
        statements = [self.world.resolved(s.document) for s in declared]
        if not strictly:
            allows = [s for s in statements if s.get("Effect") != "Deny"]
            statements = [{k: v for k, v in s.items() if k != "Condition"} for s in allows]
        return parse_policy({"Version": "2012-10-17", "Statement": statements}, type_, "contract")

    def trial(
        self, call: tuple[str, str], params: Mapping[str, Any], resource: str, place: str, *, allowed: bool
    ) -> Trial:
        service, operation = call
        last = "" if resource == "*" else f" on {resource.split(':', 5)[-1]}"
        name = f"{self.principal.alias} {'may' if allowed else 'may not'} {service}:{operation}{last}"
        return Trial(
            self.world.contract.grant, name, self.profile, self.role, service, operation, params, resource, allowed,
            place,
        )  # fmt: skip


def _try_statements(session: _Session, draft: _Draft) -> None:
    for statement in session.principal.allows:
        if statement.document.get("Effect") != "Deny":
            _allowed(session, statement, draft)
    for statement in session.principal.denies:
        _denied(session, statement, draft)


def _allowed(session: _Session, statement: DeclaredStatement, draft: _Draft) -> None:
    """The reads that a statement allows, on what it names; and on the nearest name that it does not."""
    document, place, before = session.world.resolved(statement.document), str(statement.place), len(draft.trials)
    prefixes = _prefixes(document)
    for call in dict.fromkeys(c for p in _listed(document.get("Action")) for c in _reads(p, session.models)):
        given = {"Prefix": prefixes[0].replace("*", "")} if prefixes and call[1] == "ListObjectsV2" else {}
        for resource in _listed(document.get("Resource")):
            params = _aimed(session, call, resource, given) if _is_one(resource) else None
            if params is not None and session.promised(*call, params, strictly=True):
                draft.add(session.trial(call, params, resource, place, allowed=True))
            beside = _beside(resource)
            params = _aimed(session, call, beside, given) if beside else None
            if beside and params is not None and session.promised(*call, params, strictly=False) is False:
                draft.add(session.trial(call, params, beside, place, allowed=False))
    named = _listed(document.get("Action") or document.get("NotAction"))
    if len(draft.trials) == before and not all(name.lower().startswith("sts:") for name in named):
        draft.left_out.append(
            f"{session.principal.alias}: no read on a resource with a name is allowed at {_line(statement)} "
            f"({', '.join(named[:3])})"
        )


def _denied(session: _Session, statement: DeclaredStatement, draft: _Draft) -> None:
    """A few calls that a named denial covers and that need no parameter: reads, and dry runs of EC2."""
    document, place = session.world.resolved(statement.document), str(statement.place)
    if document.get("Resource", "*") != "*":
        return
    tried = 0
    for call in _without_parameters(statement.known_actions(), session.models):
        params = {"DryRun": True} if call[0] == "ec2" else {}
        if session.promised(*call, params, strictly=False) is False:
            draft.add(session.trial(call, params, "*", place, allowed=False))
            tried += 1
        if tried == _DENIALS:
            return
    if not tried:
        draft.left_out.append(
            f"{session.principal.alias}: nothing that is denied at {_line(statement)} can be tried without danger"
        )


def _without_parameters(named: Sequence[str], models: Models) -> Iterator[tuple[str, str]]:
    """Those that need no parameter; first the ones about several things, which seldom need one of several."""
    for action in sorted(named, key=lambda name: (not name.endswith("s"), name)):
        service, _, operation = action.partition(":")
        if service not in _SERVICES or operation not in models(service).operation_names:
            continue
        shape = models(service).operation_model(operation).input_shape
        if shape is not None and shape.required_members:
            continue
        dry = service == "ec2" and shape is not None and "DryRun" in shape.members
        if dry or (service != "ec2" and only_reads(service, operation)):
            yield service, operation


def _aimed(
    session: _Session, call: tuple[str, str], resource: str, given: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """Parameters that make a call about one resource; None where there are none, or where more is needed than the
    resource says: what a made-up value would come to is no answer."""
    shape = session.models(call[0]).operation_model(call[1])
    known = list(shape.input_shape.members) if shape.input_shape else []
    minimal = minimal_parameters(shape, {name: value for name, value in given.items() if name in known})
    params = parameters_for(*call, resource, session.where, minimal, known)
    if params is None:
        return None
    made_up = (name for name in minimal if name not in given and params.get(name) == minimal[name])
    return None if next(made_up, None) is not None else params


def _line(statement: DeclaredStatement) -> str:
    return f"{shown(statement.place.file)}:{statement.place.line}"


def _is_one(pattern: str) -> bool:
    """Does a pattern name one resource, or an action's lack of any? Of others it is not known what there is."""
    return pattern == "*" or not set(pattern) & set("*?$")


def _beside(pattern: str) -> str | None:
    """The nearest name that a pattern does not take; None where there is none, or its denial would say nothing: S3
    denies what is not there to whoever may not list, and a bucket beside is somebody else's."""
    fields = pattern.split(":", 5)
    if len(fields) != 6 or fields[2] == "s3" or set(fields[5]) & set("*?$"):
        return None
    return f"{pattern}2"


def _prefixes(document: Mapping[str, Any]) -> list[str]:
    conditions = document.get("Condition", {})
    return [p for op in ("StringLike", "StringEquals") for p in _listed(conditions.get(op, {}).get("s3:prefix"))][:1]


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())
