"""Who can do something at all in a deployed grant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from grantproof.aws.questions.answer_text import shown
from grantproof.aws.questions.inquiry import Caller, caller_of, layers_of, request, resolved
from grantproof.aws.staged.stage import Stage
from grantproof.iam import (
    BadRequest,
    Cited,
    Decision,
    IamError,
    Layers,
    Outcome,
    Policy,
    PolicyType,
    Request,
    Statement,
    evaluate,
    parse_policy,
    parse_principal,
)
from grantproof.iam.assumption import in_doubt
from grantproof.iam.explain import RULES
from grantproof.iam.layers import is_role_entry
from grantproof.iam.principal import Kind
from grantproof.iam.request import account_of
from grantproof.iam.satisfy import added, failing, in_words, satisfying


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
        except IamError as error:
            unclear.append(f"{who.name}: {error}")
    return tuple(found), tuple(unclear)


def _callers(stage: Stage, action: str, resource: str) -> Iterator[Caller]:
    made = [held for held in stage.policies.held.values() if stage.origins.resource(held.arn)]
    for held in made:
        if held.kind != "group":
            yield replace(caller_of(held), name=f"{held.kind} {held.arn}")
        else:
            who = f"arn:{stage.contract.partition}:iam::{held.arn.split(':')[4]}:user/some-member"
            yield Caller(parse_principal(who), f"members of group {held.arn}", held.identity, user_id="AIDAEXAMPLE")
    for arn, policy in stage.policies.managed.items():
        if stage.origins.resource(arn):
            who = f"arn:{stage.contract.partition}:iam::{arn.split(':')[4]}:user/some-holder"
            yield Caller(parse_principal(who), f"whoever has the policy {arn}", (policy,), user_id="AIDAEXAMPLE")
    owner = account_of(resolved(stage, resource)) or stage.policies.owner(resolved(stage, resource))
    if owner is not None and not is_role_entry(action):
        root = f"arn:{stage.contract.partition}:iam::{owner}:root"
        yield Caller(parse_principal(root), f"the root user of account {owner}", ())
        somebody = f"arn:{stage.contract.partition}:iam::{owner}:user/somebody"
        own = f"whoever in account {owner} whose own policies allow it"
        yield Caller(parse_principal(somebody), own, _everything(), user_id="AIDAEXAMPLE")
    carried = stage.policies.resource_policy(action, resolved(stage, resource))
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
            spared = _spared(asked, met, layers, decision)
            if spared is None:
                break
            met, decision = spared, evaluate(spared, layers)
        if decision.depends_on:
            raise BadRequest(in_doubt(decision.depends_on))
        if decision.allowed:
            places = [shown(stage, cited) for cited in decision.because if cited.policy != "own"]
            rule = (
                f"rule {decision.rule}: {RULES.get(decision.rule, '')}" if decision.rule else "its own policies alone"
            )
            by = ", ".join(dict.fromkeys(places)) or rule
            symbolic = not who.name.startswith(("role ", "user ", "the root"))
            return Can(who.name, symbolic, added(asked, met), by)
    if unmet := _unmet(stage, asked, layers):
        raise BadRequest(f"no request was found that meets the conditions of {', '.join(unmet)}, and there may be one")
    return None


def _can_carry(asked: Request, met: Request) -> bool:
    """Can the caller's request carry the keys that were added to it? AWS sets some only of who has signed in."""
    absent = _ABSENT.get(asked.principal.kind, ())
    return not any(values and key.lower().startswith(absent) for key, values in added(asked, met).items())


#: By kind of caller, the beginnings of keys that its requests never carry (rules C45, C47, C49, C53).
_ABSENT: Mapping[Kind, tuple[str, ...]] = {
    Kind.ANONYMOUS: (
        "aws:principalarn",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "aws:principaltag/",
        "aws:username",
    ),
    Kind.SERVICE: ("aws:principalorgid", "aws:principalorgpaths"),
}
_MOST_DENIES = 8


def _spared(asked: Request, met: Request, layers: Layers, decision: Decision) -> Request | None:
    """The request with another condition key that its caller can carry, which the first Deny that applies spares."""
    if decision.outcome is not Outcome.EXPLICIT_DENY:
        return None
    cited = decision.because[0]
    for _, _, policies in layers.sets:
        for policy, statement in policies.entries:
            if policy.label == cited.policy and statement.index == cited.statement and not statement.allow:
                for other in failing(statement.conditions, met):
                    if not _can_carry(asked, other):
                        continue
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
        if met is not None and met != asked and _can_carry(asked, met):
            yield met
        met = satisfying(statement.conditions, both)
        if met is not None and met != both and _can_carry(asked, met):
            both = met
            yield both


def can_lines(found: Sequence[Can]) -> Iterator[str]:
    """Those who can, as text."""
    for can in found:
        keys = in_words(can.conditions)
        yield f"  {can.who}" + (f", if the request carries {keys}" if keys else "")
        yield f"    by {can.by}"
