"""Plans the calls to try in a session of a declared principal: reads, and a few calls that the contract denies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from grantproof.aws.calls.harmless import Models, reads, without_parameters
from grantproof.aws.calls.operation_parameters import parameters_for
from grantproof.aws.calls.operations import CallerScope, UnmappedOperation, authorisations
from grantproof.aws.calls.samples import minimal_parameters
from grantproof.aws.real.recorded import Recorded
from grantproof.aws.real.trial import Draft, Trial
from grantproof.contract import DeclaredPrincipal, DeclaredStatement
from grantproof.iam import (
    IamError,
    Layers,
    Policy,
    PolicyType,
    Principal,
    Request,
    evaluate,
    parse_policy,
    parse_principal,
)
from grantproof.iam.layers import resource_type
from grantproof.source import shown

#: The most calls that are tried for one statement under `denies`.
_DENIALS = 2


@dataclass(frozen=True)
class Session:
    """A session of a declared principal.

    Attributes:
        profile: the alias of the account whose profile is used.
        role: the alias of the assumed role; empty where the profile itself makes the calls.
        arn: of the session or user.
    """

    world: Recorded
    principal: DeclaredPrincipal
    profile: str
    role: str
    arn: str
    models: Models

    @property
    def who(self) -> Principal:
        """The principal of its requests."""
        held = self.world.held(self.principal)
        issuer = held.arn if held is not None and held.kind == "role" else None
        return parse_principal(self.arn, issuer)

    @property
    def where(self) -> CallerScope:
        """Partition, account and region of its calls."""
        return CallerScope(self.world.contract.partition, self.arn.split(":")[4], self.world.contract.region)

    def promised(self, service: str, operation: str, params: Mapping[str, Any], *, strictly: bool) -> bool | None:
        """Does the contract allow a call? None where that cannot be decided.

        With `strictly` off, conditions count as met and Deny statements as absent: a call that is still not allowed is
        denied whatever its context. Conditions on s3:prefix are kept, since the call's parameters determine it.
        """
        try:
            asked = authorisations(service, operation, params, self.where)
            requests = [
                Request(self.who, a.action, a.resource, a.resource_account or self._owner(a.resource),
                        {**common_context(self.world), **a.context})
                for a in asked
            ]  # fmt: skip
            return bool(requests) and all(evaluate(r, self._layers(r, strictly=strictly)).allowed for r in requests)
        except (IamError, UnmappedOperation, KeyError):
            return None

    def _owner(self, resource: str | None) -> str | None:
        """The account that owns a resource whose ARN has none, such as a bucket; else the caller's account."""
        found = self.world.policies.owner(resource) if resource else None
        return found or self.where.account

    def _layers(self, request: Request, *, strictly: bool) -> Layers:
        own = self._policy(self.world.allowed(self.principal), PolicyType.IDENTITY, strictly=strictly)
        for resource in self.world.contract.resources:
            arn = self.world.resolved(resource.reference)
            if request.resource is not None and (request.resource == arn or request.resource.startswith(f"{arn}/")):
                type_ = resource_type(request.action, request.resource)
                return Layers(identity=(own,), resource=self._policy(resource.policy, type_, strictly=strictly))
        return Layers(identity=(own,))

    def _policy(self, declared: Sequence[DeclaredStatement], type_: PolicyType, *, strictly: bool) -> Policy:
        statements = [self.world.resolved(s.document) for s in declared]
        if not strictly:
            allows = [s for s in statements if s.get("Effect") != "Deny"]
            statements = [_of_parameters(s) for s in allows]
        return parse_policy({"Version": "2012-10-17", "Statement": statements}, type_, "contract")

    def trial(
        self, call: tuple[str, str], params: Mapping[str, Any], resource: str, place: str, *, allowed: bool
    ) -> Trial:
        """The trial of one call; `allowed` as the contract says."""
        service, operation = call
        last = "" if resource == "*" else f" on {resource.split(':', 5)[-1]}"
        name = f"{self.principal.alias} {'may' if allowed else 'may not'} {service}:{operation}{last}"
        return Trial(
            self.world.contract.grant, name, self.profile, self.role, service, operation, params, resource, allowed,
            place,
        )  # fmt: skip


def try_statements(session: Session, draft: Draft) -> None:
    """Plan the calls of a session, for each statement under `allows` and `denies`."""
    for statement in session.principal.allows:
        if statement.document.get("Effect") != "Deny":
            _allowed(session, statement, draft)
    for statement in session.principal.denies:
        _denied(session, statement, draft)


def _allowed(session: Session, statement: DeclaredStatement, draft: Draft) -> None:
    """Plan the reads that a statement allows on the resources that it names, and the same on the nearest name that it
    does not match, which have to be denied."""
    document, place, before = session.world.resolved(statement.document), str(statement.place), len(draft.trials)
    prefixes = _prefixes(document)
    for call in dict.fromkeys(c for p in _listed(document.get("Action")) for c in reads(p, session.models)):
        given = {"Prefix": prefixes[0].replace("*", "")} if prefixes and call[1] == "ListObjectsV2" else {}
        for resource in _listed(document.get("Resource")):
            params = _aimed(session, call, resource, given) if _is_one(resource) else None
            if params is not None and session.promised(*call, params, strictly=True):
                draft.add(session.trial(call, params, resource, place, allowed=True))
            beside = _beside(resource)
            params = _aimed(session, call, beside, given) if beside else None
            if beside and params is not None and session.promised(*call, params, strictly=False) is False:
                draft.add(session.trial(call, params, beside, place, allowed=False))
            for prefix in _prefixes_beside(prefixes) if given and _is_one(resource) else ():
                params = _aimed(session, call, resource, {"Prefix": prefix})
                if params is not None and session.promised(*call, params, strictly=False) is False:
                    trial = session.trial(call, params, resource, place, allowed=False)
                    draft.add(replace(trial, name=f"{trial.name} under {prefix}"))
    named = _listed(document.get("Action") or document.get("NotAction"))
    if len(draft.trials) == before and not all(name.lower().startswith("sts:") for name in named):
        draft.left_out.append(
            f"{session.principal.alias}: no read on a resource with a name is allowed at {_line(statement)} "
            f"({', '.join(named[:3])})"
        )


def _denied(session: Session, statement: DeclaredStatement, draft: Draft) -> None:
    """Plan a few calls that a statement under `denies` covers and that need no parameter: reads, and EC2 dry runs."""
    document, place = session.world.resolved(statement.document), str(statement.place)
    if document.get("Resource", "*") != "*":
        return
    tried = 0
    for call in without_parameters(statement.known_actions(), session.models):
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


def _aimed(
    session: Session, call: tuple[str, str], resource: str, given: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """Parameters with which a call addresses one resource; None where there are none, or where a required parameter
    does not follow from the resource: an invented value would make the outcome meaningless."""
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
    """Is a pattern a single resource, or `*`? For other patterns it is not known which resources exist."""
    return pattern == "*" or not set(pattern) & set("*?$")


def _beside(pattern: str) -> str | None:
    """The nearest name that a pattern does not match; None where there is none, or where a denial decides nothing: S3
    denies access to missing objects to callers who may not list, and a bucket of another name belongs to others."""
    fields = pattern.split(":", 5)
    if len(fields) != 6 or fields[2] == "s3" or set(fields[5]) & set("*?$"):
        return None
    return f"{pattern}2"


def _of_parameters(statement: Mapping[str, Any]) -> dict[str, Any]:
    """A statement with only its conditions on s3:prefix, which the parameters of a call decide."""
    rest = {key: value for key, value in statement.items() if key != "Condition"}
    kept = {
        operator: {key: value for key, value in keys.items() if key.lower() == "s3:prefix"}
        for operator, keys in statement.get("Condition", {}).items()
    }
    met = {operator: keys for operator, keys in kept.items() if keys}
    return {**rest, "Condition": met} if met else rest


def _prefixes_beside(prefixes: Sequence[str]) -> list[str]:
    """Prefixes near the one that a condition names: in swapped case, and without its last character. The bucket exists,
    so that a denial is meaningful."""
    bare = prefixes[0].replace("*", "")
    return [beside for beside in (bare.swapcase(), bare[:-1]) if beside and beside != bare]


def _prefixes(document: Mapping[str, Any]) -> list[str]:
    conditions = document.get("Condition", {})
    return [p for op in ("StringLike", "StringEquals") for p in _listed(conditions.get(op, {}).get("s3:prefix"))][:1]


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def common_context(world: Recorded) -> Mapping[str, tuple[str, ...]]:
    """The global condition keys that every call has, with their values."""
    return {
        "aws:SecureTransport": ("true",),
        "aws:RequestedRegion": (world.contract.region,),
        "aws:ViaAWSService": ("false",),
    }
