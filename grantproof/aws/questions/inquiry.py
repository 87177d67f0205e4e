"""Questions about a deployed grant: may this principal do that, and why; and who can do it at all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from grantproof.aws.calls.authorisation import Authorisation
from grantproof.aws.held.policies import Held
from grantproof.aws.mocked.identity import Identity
from grantproof.aws.mocked.identity import Kind as IdentityKind
from grantproof.aws.staged.stage import Stage
from grantproof.contract import DeclaredPrincipal, UnknownFact, resolve
from grantproof.iam import BadRequest, Decision, Layers, Policy, Request, actions, evaluate, parse_principal
from grantproof.iam.layers import is_role_entry
from grantproof.iam.layerwise import Layer, layerwise
from grantproof.iam.principal import Kind, Principal
from grantproof.iam.remedy import Remedy, remedy
from grantproof.iam.request import account_of
from grantproof.iam.satisfy import example


class BadQuestion(Exception):
    """A question that cannot be asked: what is wrong with it, and what to ask instead."""


@dataclass(frozen=True)
class Answer:
    """Whether a request is allowed, and what each layer says of it. `remedy` is None where it is allowed."""

    request: Request
    decision: Decision
    layers: tuple[Layer, ...]
    remedy: Remedy | None


# --- who asks ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Caller:
    """Who makes a request: the principal, the policies of its own that bear on it, and how it is spoken of."""

    principal: Principal
    name: str
    identity: tuple[Policy, ...]
    boundary: tuple[Policy, ...] | None = None
    user_id: str = ""


def caller(stage: Stage, who: str) -> Caller:
    """A principal by its alias in the contract, its ARN, `root@ACCOUNT`, `service:NAME`, `federated:PROVIDER` or `*`.

    A role is asked for as some session of it, a group as a member that holds nothing else.

    Raises:
        BadQuestion: there is no such principal.
    """
    aliases = {principal.alias: principal for principal in stage.contract.principals}
    if who in aliases:
        return _declared(stage, aliases[who])
    kind, _, rest = who.partition(":")
    if kind in ("service", "federated") and rest:
        return Caller(parse_principal({kind.capitalize(): rest}), who, ())
    if who.startswith("root@"):
        account = stage.contract.accounts.get(who[5:], who[5:])
        who = f"arn:{stage.contract.partition}:iam::{account}:root"
    try:
        principal = parse_principal(who)
    except BadRequest:
        known = ", ".join([*aliases, f"root@{next(iter(stage.contract.accounts))}"])
        raise BadQuestion(
            f"there is no principal {who!r}. Known: {known}, service:NAME, federated:PROVIDER, or an ARN"
        ) from None
    held = stage.policies.held.get(principal.identity_arn or "")
    if held is not None:
        return caller_of(held)
    if principal.kind in (Kind.USER, Kind.ROLE_SESSION) and principal.account in stage.contract.accounts.values():
        raise BadQuestion(f"{who} is not deployed. Known: {', '.join(aliases)}, or the ARN of what the stacks create")
    return Caller(principal, who, ())


def _declared(stage: Stage, declared: DeclaredPrincipal) -> Caller:
    held = stage.held(declared)
    if held is not None and held.kind in ("role", "user"):
        return replace(caller_of(held), name=declared.alias)
    try:
        policies = stage.identity_policies(declared)
    except LookupError as error:
        raise BadQuestion(f"{declared.alias}: {error.args[0]}") from None
    account = stage.resolved(declared.reference).split(":")[4] if held is None else held.arn.split(":")[4]
    who = f"arn:{stage.contract.partition}:iam::{account}:user/some-holder-of-{declared.alias}"
    return Caller(parse_principal(who), f"whoever has {declared.alias}", policies, user_id="AIDAEXAMPLE")


def caller_of(held: Held) -> Caller:
    """A role, as one of its sessions, or a user."""
    user_id = f"{held.unique_id}:session" if held.kind == "role" else held.unique_id
    return Caller(parse_principal(held.arn), held.arn, held.identity, held.boundary, user_id)


# --- one request ------------------------------------------------------------------------------------------------------


def request(
    stage: Stage, who: Caller, action: str, resource: str, context: Mapping[str, tuple[str, ...]] | None = None
) -> Request:
    """The request that AWS would judge, with the keys that it supplies itself.

    Raises:
        BadQuestion: no such action, or the resource is no ARN.
    """
    if not actions.exists(action):
        near = actions.nearest(action)
        raise BadQuestion(f"there is no action {action!r}" + (f". Did you mean {near}?" if near else ""))
    resource = resolved(stage, resource)
    if resource != "*" and not resource.startswith("arn:"):
        raise BadQuestion(f"{resource!r} is no ARN; write the whole of it, arn:PARTITION:SERVICE:REGION:ACCOUNT:NAME")
    kind, account = who.principal.kind, who.principal.account or ""
    kinds: Mapping[Kind, IdentityKind] = {Kind.ROOT: "root", Kind.ROLE_SESSION: "role session"}
    identity = Identity(
        arn=who.principal.arn or (_session_arn(who.principal) if kind is Kind.ROLE_SESSION else _somebody(stage)),
        account=account,
        kind=kinds.get(kind, "user"),
        access_key="",
        user_id=who.user_id or account,
        issuer=who.principal.issuer or "",
    )
    owner = account_of(resource) or (account if resource == "*" else None)
    asked = Authorisation(actions.spelt(action), resource, owner, context or {})
    found = stage.authoriser.request(identity, asked, stage.contract.region)
    return replace(found, principal=who.principal)


def resolved(stage: Stage, resource: str) -> str:
    """A resource with references of contracts filled.

    Raises:
        BadQuestion: it refers to what is not deployed.
    """
    try:
        return str(resolve(resource, stage.deployment.facts))
    except UnknownFact as error:
        raise BadQuestion(str(error)) from None


def _session_arn(principal: Principal) -> str:
    role = (principal.issuer or "").rsplit("/", 1)[-1]
    return f"arn:{principal.partition}:sts::{principal.account}:assumed-role/{role}/session"


def _somebody(stage: Stage) -> str:
    account = next(iter(stage.contract.accounts.values()))
    return f"arn:{stage.contract.partition}:iam::{account}:user/nobody"


def layers_of(stage: Stage, who: Caller, asked: Request) -> Layers:
    """The policies that bear on a request of this caller."""
    return replace(stage.policies.layers(asked), identity=who.identity, boundary=who.boundary)


def explain(stage: Stage, who: Caller, asked: Request) -> Answer:
    """Decide a request, layer by layer.

    Raises:
        IamError: it cannot be decided.
    """
    layers = layers_of(stage, who, asked)
    decision = evaluate(asked, layers)
    return Answer(asked, decision, layerwise(asked, layers), None if decision.allowed else remedy(asked, layers))


def on_resources(stage: Stage, who: Caller, action: str) -> tuple[Answer, ...]:
    """The answers for an example of every resource that an Allow of the caller's names for the action, and of those
    whose own policies do; one for a resource that nothing names where there is none.

    Raises:
        BadQuestion, IamError: as `request` and `explain`.
    """
    if not actions.exists(action) or not actions.details(action).resource_types:
        return (explain(stage, who, request(stage, who, action, "*")),)
    contract = stage.contract
    number = who.principal.account or next(iter(contract.accounts.values()))
    kinds = actions.details(action).resource_types
    template = min((form.arn for kind in kinds for form in kind.forms()), key=lambda arn: arn.count("${"))
    filled = {"Partition": contract.partition, "Region": contract.region, "Account": number}
    whole = re.sub(r"\$\{(\w+)\}", lambda match: filled.get(match[1], "example"), template)
    unnamed = request(stage, who, action, whole)
    patterns = [
        pattern
        for policy in who.identity
        for statement in policy.statements
        if statement.allow and any(glob.matches(action.lower()) for glob in statement.actions)
        for pattern in statement.resources or ()
    ]
    named = [example(pattern, unnamed) for pattern in patterns]
    named += [arn for arn in stage.policies.resource_policies if _is_for(arn, template)]
    named += [arn for arn, held in stage.policies.held.items() if held.kind == "role" and is_role_entry(action)]
    return tuple(
        explain(stage, who, request(stage, who, action, resource)) for resource in dict.fromkeys(named or [whole])
    )


def _is_for(arn: str, template: str) -> bool:
    expression = "".join(
        ".*" if part.startswith("${") else re.escape(part) for part in re.split(r"(\$\{\w+\})", template)
    )
    return re.fullmatch(expression, arn) is not None
