"""Questions about a deployed grant: may this principal do that, and why; and who can do it at all."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from grantproof.aws.asking import Authorisation
from grantproof.aws.identity import Identity
from grantproof.aws.identity import Kind as IdentityKind
from grantproof.aws.policies import Held
from grantproof.aws.stage import Stage
from grantproof.contract import DeclaredPrincipal, UnknownFact, resolve
from grantproof.iam import (
    BadRequest,
    Cited,
    Decision,
    LawError,
    Layers,
    Near,
    Outcome,
    Policy,
    PolicyType,
    Request,
    Statement,
    actions,
    evaluate,
    parse_policy,
    parse_principal,
)
from grantproof.iam.explain import RULES
from grantproof.iam.layers import is_role_entry
from grantproof.iam.layerwise import Layer, layerwise
from grantproof.iam.principal import Kind, Principal
from grantproof.iam.remedy import Change, Remedy, remedy
from grantproof.iam.request import account_of
from grantproof.iam.satisfy import added, example, failing, in_words, satisfying


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
    except BadRequest as error:
        known = ", ".join(aliases)
        raise BadQuestion(
            f"there is no principal {who!r}: {error}. Known: {known}, root@{next(iter(stage.contract.accounts))}, "
            "service:NAME, federated:PROVIDER, or an ARN"
        ) from None
    held = stage.policies.held.get(principal.identity_arn or "")
    if held is not None:
        return _of(held)
    if principal.kind in (Kind.USER, Kind.ROLE_SESSION) and principal.account in stage.contract.accounts.values():
        raise BadQuestion(f"{who} is not deployed. Known: {', '.join(aliases)}, or the ARN of what the stacks create")
    return Caller(principal, who, ())


def _declared(stage: Stage, declared: DeclaredPrincipal) -> Caller:
    held = stage.held(declared)
    if held is not None and held.kind in ("role", "user"):
        return replace(_of(held), name=declared.alias)
    try:
        policies = stage.identity_policies(declared)
    except LookupError as error:
        raise BadQuestion(f"{declared.alias}: {error.args[0]}") from None
    account = stage.resolved(declared.reference).split(":")[4] if held is None else held.arn.split(":")[4]
    who = f"arn:{stage.contract.partition}:iam::{account}:user/some-holder-of-{declared.alias}"
    return Caller(parse_principal(who), f"whoever has {declared.alias}", policies, user_id="AIDAEXAMPLE")


def _of(held: Held) -> Caller:
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
    resource = _resolved(stage, resource)
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
    found = stage.law.request(identity, asked, stage.contract.region)
    return replace(found, principal=who.principal)


def _resolved(stage: Stage, resource: str) -> str:
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
        LawError: it cannot be decided.
    """
    layers = layers_of(stage, who, asked)
    decision = evaluate(asked, layers)
    return Answer(asked, decision, layerwise(asked, layers), None if decision.allowed else remedy(asked, layers))


def lines(stage: Stage, who: Caller, answer: Answer) -> Iterator[str]:
    """An answer as text, every statement with its place."""
    asked, decision = answer.request, answer.decision
    word = {Outcome.ALLOWED: "ALLOWED", Outcome.EXPLICIT_DENY: "DENIED", Outcome.IMPLICIT_DENY: "DENIED"}
    yield f"{word[decision.outcome]}  {who.name}: {asked.action} on {asked.resource}"
    if decision.rule:
        yield f"  by rule {decision.rule}: {RULES.get(decision.rule, '')}"
    for layer in answer.layers:
        if layer.statements or layer.type is PolicyType.IDENTITY:
            yield from _layer(stage, layer, limits=layer.type is decision.blocked_by)
    if decision.blocked_by is not None and decision.blocked_by not in [layer.type for layer in answer.layers]:
        yield f"  {decision.blocked_by.value}: there is none, and the request needs one that allows it"
    if decision.depends_on:
        yield f"  depends on points that AWS leaves open: {', '.join(decision.depends_on)}; so it is not settled"
    if answer.remedy is not None:
        yield from _remedy(stage, who, answer)


def _layer(stage: Stage, layer: Layer, *, limits: bool) -> Iterator[str]:
    name = layer.type.value + (f", level {layer.level}" if layer.level else "")
    for cited in layer.denies:
        yield f"  {name}: denied by {shown(stage, cited)}"
    for cited in layer.allows:
        yield f"  {name}: allowed by {shown(stage, cited)}"
    for cited, why in layer.unclear:
        yield f"  {name}: unclear at {shown(stage, cited)}: {why}"
    if not layer.allows:
        near = f"; nearest is {_near(stage, layer.nearest)}" if layer.nearest else ""
        yield f"  {name}: {'nothing allows it, which settles it' if limits else 'nothing allows it'}{near}"


def shown(stage: Stage, cited: Cited) -> str:
    """A statement by its place; by the label of its policy where no template has it."""
    named = f"Sid {cited.sid}" if cited.sid else f"Statement[{cited.statement}]"
    place = stage.origins.place(cited.policy, cited.statement)
    inside = stage.origins.described(cited.policy, cited.statement)
    return f"{place} {named} ({inside})" if place else f"{cited.policy} {named}"


def _near(stage: Stage, near: Near) -> str:
    cited = Cited(near.policy, near.statement, near.sid, "Allow", PolicyType.IDENTITY)
    detail = f": {near.detail}" if near.detail else ""
    return f"{shown(stage, cited)}, whose {near.why.value} does not match{detail}"


def _remedy(stage: Stage, who: Caller, answer: Answer) -> Iterator[str]:
    found = answer.remedy
    if found is None or found.never:
        yield f"  no change of policies allows it: {found.never if found else ''}"
        return
    together = " together" if len(found.changes) > 1 else ""
    yield f"  smallest change that would allow it, tried by deciding again{together}:"
    for change in found.changes:
        yield f"    {_change(stage, who, answer, change)}"


def _change(stage: Stage, who: Caller, answer: Answer, change: Change) -> str:
    at = f" of {shown(stage, change.cited)}" if change.cited else ""
    if change.kind == "request":
        keys = ", ".join(f"{key}={', '.join(values)}" for key, values in (change.context or {}).items())
        return (
            f"the request carries {keys or 'fewer keys'}, as the condition{at} asks" if keys else f"the condition{at}"
        )
    if change.kind == "deny":
        return f"the Deny{at} spares it"
    where = _where(stage, who, answer, change)
    return f"a statement in the {change.layer.value}{where}: {json.dumps(change.statement)}"


def _where(stage: Stage, who: Caller, answer: Answer, change: Change) -> str:
    resource = answer.request.resource or ""
    labels = {
        PolicyType.IDENTITY: [policy.label for policy in who.identity],
        PolicyType.BOUNDARY: [policy.label for policy in who.boundary or ()],
        PolicyType.TRUST: [f"{resource}#trust"],
    }.get(change.layer, [resource])
    places = [place for label in labels if (place := stage.origins.place(label))]
    return f" at {places[0]}" if places else ""


def on_resources(stage: Stage, who: Caller, action: str) -> tuple[Answer, ...]:
    """The answers for an example of every resource that an Allow of the caller's names for the action, and of those
    whose own policies do; one for a resource that nothing names where there is none.

    Raises:
        BadQuestion, LawError: as `request` and `explain`.
    """
    if not actions.exists(action) or not actions.details(action).resource_types:
        return (explain(stage, who, request(stage, who, action, "*")),)
    contract = stage.contract
    number = who.principal.account or next(iter(contract.accounts.values()))
    template = min((kind.arn for kind in actions.details(action).resource_types), key=lambda arn: arn.count("${"))
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


# --- who can ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Can:
    """Somebody who can. `who` may be symbolic ("whoever in account 222222222222 ..."); `conditions` are the keys that
    the request has to carry, empty where none; `by` are the deciding statements or the rule."""

    who: str
    symbolic: bool
    conditions: Mapping[str, tuple[str, ...]]
    by: str


def who_can(stage: Stage, action: str, resource: str) -> tuple[tuple[Can, ...], tuple[str, ...]]:
    """Everybody who can do an action on a resource in a deployed grant, and for whom that could not be decided.

    The principals that the stacks create are asked one by one, with the conditions met that can be met. Whoever else a
    resource's own policy names (an account, everybody, a service, an identity provider) is listed as such: an account
    stands for those of its principals whose own policies allow it.

    Raises:
        BadQuestion: as `request`.
    """
    found: list[Can] = []
    unclear: list[str] = []
    seen: set[str] = set()
    for who in _callers(stage, action, resource):
        asked = request(stage, who, action, resource)
        if who.name in seen:
            continue
        seen.add(who.name)
        try:
            if can := _can(stage, who, asked, layers_of(stage, who, asked)):
                found.append(can)
        except LawError as error:
            unclear.append(f"{who.name}: {error}")
    return tuple(found), tuple(unclear)


def _callers(stage: Stage, action: str, resource: str) -> Iterator[Caller]:
    made = [held for held in stage.policies.held.values() if stage.origins.resource(held.arn)]
    for held in made:
        if held.kind != "group":
            yield replace(_of(held), name=f"{held.kind} {held.arn}")
        else:
            who = f"arn:{stage.contract.partition}:iam::{held.arn.split(':')[4]}:user/some-member"
            yield Caller(parse_principal(who), f"members of group {held.arn}", held.identity, user_id="AIDAEXAMPLE")
    for arn, policy in stage.policies.managed.items():
        if stage.origins.resource(arn):
            who = f"arn:{stage.contract.partition}:iam::{arn.split(':')[4]}:user/some-holder"
            yield Caller(parse_principal(who), f"whoever has the policy {arn}", (policy,), user_id="AIDAEXAMPLE")
    owner = account_of(_resolved(stage, resource)) or stage.policies.owner(_resolved(stage, resource))
    if owner is not None and not is_role_entry(action):
        root = f"arn:{stage.contract.partition}:iam::{owner}:root"
        yield Caller(parse_principal(root), f"the root user of account {owner}", ())
        somebody = f"arn:{stage.contract.partition}:iam::{owner}:user/somebody"
        own = f"whoever in account {owner} whose own policies allow it"
        yield Caller(parse_principal(somebody), own, _everything(), user_id="AIDAEXAMPLE")
    carried = stage.policies.resource_policy(action, _resolved(stage, resource))
    if carried is not None:
        yield from _named(stage, carried, {held.arn for held in made})


def _everything() -> tuple[Policy, ...]:
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    return (parse_policy({"Version": "2012-10-17", "Statement": [statement]}, PolicyType.IDENTITY, "own"),)


def _named(stage: Stage, policy: Policy, made: set[str]) -> Iterator[Caller]:
    """Those whom a resource's own policy names and the stacks do not create. Who has policies of its own that are not
    known here is taken to be allowed everything by them: the answer says so."""
    partition, everything = stage.contract.partition, _everything()
    for statement in policy.statements:
        element = statement.principals
        if element is None or not statement.allow:
            continue
        if element.everyone:
            yield Caller(parse_principal("*"), "everybody, without signing in too", ())
            foreign = parse_principal(f"arn:{partition}:iam::000000000000:user/anybody")
            own = "whoever, in any account, whose own policies allow it"
            yield Caller(foreign, own, everything, user_id="AIDAEXAMPLE")
        for account in sorted(element.accounts):
            somebody = parse_principal(f"arn:{partition}:iam::{account}:user/somebody")
            own = f"whoever in account {account} whose own policies allow it"
            yield Caller(somebody, own, everything, user_id="AIDAEXAMPLE")
        for arn in sorted(element.arns - made):
            own = f"{arn}, which the stacks do not create, where its own policies allow it"
            yield Caller(parse_principal(arn), own, everything, user_id="AIDAEXAMPLE")
        for name in sorted(element.services):
            yield Caller(parse_principal({"Service": name}), f"the service {name}", ())
        for name in sorted(element.providers):
            yield Caller(parse_principal({"Federated": name}), f"identities of {name}", ())


def _can(stage: Stage, who: Caller, asked: Request, layers: Layers) -> Can | None:
    for met in _ways(asked, layers):
        decision = evaluate(met, layers)
        for _ in range(_MOST_DENIES):
            spared = _spared(met, layers, decision)
            if spared is None:
                break
            met, decision = spared, evaluate(spared, layers)
        if decision.depends_on:
            points = ", ".join(decision.depends_on)
            raise BadRequest(f"it depends on points that AWS leaves open: {points}")
        if decision.allowed:
            places = [shown(stage, cited) for cited in decision.because if cited.policy != "own"]
            by = ", ".join(dict.fromkeys(places)) or f"rule {decision.rule}: {RULES.get(decision.rule, '')}"
            symbolic = not who.name.startswith(("role ", "user ", "the root"))
            return Can(who.name, symbolic, added(asked, met), by)
    if unmet := _unmet(stage, asked, layers):
        raise BadRequest(f"no request was found that meets the conditions of {', '.join(unmet)}, and there may be one")
    return None


_MOST_DENIES = 8


def _spared(met: Request, layers: Layers, decision: Decision) -> Request | None:
    """The request with another condition key, which the first Deny that applies spares."""
    if decision.outcome is not Outcome.EXPLICIT_DENY:
        return None
    cited = decision.because[0]
    for _, _, policies in layers.sets:
        for policy, statement in policies.entries:
            if policy.label == cited.policy and statement.index == cited.statement and not statement.allow:
                for other in failing(statement.conditions, met):
                    found = evaluate(other, layers)
                    if found.allowed or (found.outcome is Outcome.EXPLICIT_DENY and found.because[0] != cited):
                        return other
    return None


def _conditional(asked: Request, layers: Layers) -> Iterator[tuple[Policy, Statement]]:
    for _, _, policies in layers.sets:
        for policy, statement in policies.candidates(asked.key, asked.resource):
            if statement.allow and statement.conditions:
                yield policy, statement


def _unmet(stage: Stage, asked: Request, layers: Layers) -> list[str]:
    return [
        shown(stage, Cited(policy.label, statement.index, statement.sid, "Allow", policy.type))
        for policy, statement in _conditional(asked, layers)
        if satisfying(statement.conditions, asked) is None
    ]


def _ways(asked: Request, layers: Layers) -> Iterator[Request]:
    """The request as it is; then with the conditions of one Allow statement met; then of one after the other, where
    several layers ask for something."""
    yield asked
    both = asked
    for _, statement in _conditional(asked, layers):
        met = satisfying(statement.conditions, asked)
        if met is not None and met != asked:
            yield met
        met = satisfying(statement.conditions, both)
        if met is not None and met != both:
            both = met
            yield both


def can_lines(found: Sequence[Can]) -> Iterator[str]:
    """Those who can, as text."""
    for can in found:
        keys = in_words(can.conditions)
        yield f"  {can.who}" + (f", if the request carries {keys}" if keys else "")
        yield f"    by {can.by}"
