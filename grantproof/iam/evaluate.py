"""Evaluates a request: whether it is allowed, and by which statements (rules E1 to E44).

The central rule is `_decide`, which follows the procedure after rule E44 step by step. The functions before it collect
the statements that apply.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

from grantproof.iam import rcp
from grantproof.iam.assumption import DEFAULTS, Assumptions, Judge, smallest, under_every_reading
from grantproof.iam.decision import Cited, Decision, Found, Match, Outcome
from grantproof.iam.errors import BadRequest, Undecided
from grantproof.iam.granting import granted, granted_by, lacks_session_policy
from grantproof.iam.layers import Layers, is_role_entry
from grantproof.iam.match import applies
from grantproof.iam.policy import Policy, PolicyType, Statement
from grantproof.iam.principal import Kind, Via
from grantproof.iam.request import Request
from grantproof.iam.role_paths import with_other_paths
from grantproof.iam.without_policies import bypasses_resource_policy, needs_no_permission, rule_that_refuses


def evaluate(request: Request, layers: Layers, assumptions: Assumptions = DEFAULTS) -> Decision:
    """Decide one request. Exact for the rules in `docs/iam-rules.md`; `assumptions` has the readings of open points.

    Raises:
        Undecided: the decision depends on something unknown or undocumented; names document and statement.
        BadRequest: the decision depends on the account of the resource, which is not known.
    """
    judge = Judge(assumptions)
    decision = decided(request, layers, judge)
    if not judge.consulted:
        return decision
    dependencies = _dependencies(request, layers, assumptions, decision)
    return replace(decision, depends_on=dependencies) if dependencies else decision


_MOST_COMBINATIONS = 256


def _dependencies(request: Request, layers: Layers, assumptions: Assumptions, decision: Decision) -> tuple[str, ...]:
    """The open points that matter: those that change the outcome, alone or together. If there are too many combinations
    to try, all points that were asked for."""
    asked: set[str] = set()

    def differs(judge: Judge) -> bool:
        try:
            return decided(request, layers, judge).outcome is not decision.outcome
        except (Undecided, BadRequest):
            return True
        finally:
            asked.update(judge.consulted)

    ways = list(islice(under_every_reading(differs, assumptions), _MOST_COMBINATIONS + 1))
    if len(ways) > _MOST_COMBINATIONS:
        return smallest(frozenset({name}) for name in asked)
    return smallest(reading.unlike(assumptions) for reading, other in ways if other)


#: An account other than the caller's. Not zeros, which mocks of AWS use for an account of their own.
_FOREIGN = ("000000000000", "999999999999")


def decided(request: Request, layers: Layers, judge: Judge) -> Decision:
    """The decision under the readings of the judge. If the owner of the resource, or the path of the caller's role, is
    not known, the decision must be the same for a resource of the own and of another account, and for every path that
    policies mention.

    Raises:
        Undecided, BadRequest: as `evaluate`.
    """
    decision = _of_any_owner(request, layers, judge)
    for other in with_other_paths(request, layers):
        if _of_any_owner(other, layers, judge).outcome is not decision.outcome:
            role = other.values["aws:principalarn"][0]
            raise Undecided(f"it depends on whether the caller's role is {role}: give its ARN as session_issuer (C45)")
    return decision


def _of_any_owner(request: Request, layers: Layers, judge: Judge) -> Decision:
    account = request.principal.account
    if request.resource_account is not None or account is None:
        return _evaluate(request, layers, judge)
    if layers.condition_keys.isdisjoint(("aws:resourceaccount", "s3:resourceaccount")):
        own = _evaluate(replace(request, resource_account=account), layers, judge)
        other = _FOREIGN[account == _FOREIGN[0]]
        foreign = _evaluate(replace(request, resource_account=other), layers, judge)
        if own.outcome is foreign.outcome:
            return foreign
    raise BadRequest(
        f"{request.resource} does not say whose it is, and the decision depends on it: give resource_account",
        element="resource_account",
    )


def _evaluate(request: Request, layers: Layers, judge: Judge) -> Decision:
    barred = rule_that_refuses(request)
    if not barred and (rule := needs_no_permission(request)):
        return Decision(Outcome.ALLOWED, rule=rule)
    found, doubts = _scan(request, layers, judge)
    decision = _decide(request, layers, found, barred, judge)
    if not doubts or decision.outcome is Outcome.EXPLICIT_DENY:
        return decision
    # An undecided statement matters only if the outcome depends on it.
    for match, doubt in doubts:
        if match.cited.effect == "Deny":
            raise doubt
    for match, _ in doubts:
        found.add(match)
    if _decide(request, layers, found, barred, judge).outcome is not decision.outcome:
        raise doubts[0][1]
    return decision


Doubts = list[tuple[Match, Undecided]]


def _scan(request: Request, layers: Layers, judge: Judge) -> tuple[Found, Doubts]:
    """The statements of every layer that apply, and those for which this cannot be decided."""
    found = Found()
    doubts: Doubts = []
    has_boundary = layers.boundary is not None
    for type_, level, policies in layers.sets:
        candidates = policies.candidates(request.key, request.resource)
        if not candidates or not _binds(type_, request, judge):
            continue
        for policy, statement in candidates:
            try:
                via = applies(policy, statement, request, judge, has_boundary=has_boundary)
            except Undecided as error:
                doubt = Undecided(error.message, policy.label, statement.index, error.element)
                doubts.append((_match(type_, level, policy, statement, _EVERY_WAY), doubt))
                continue
            if via:
                found.add(_match(type_, level, policy, statement, via))
    for grant in layers.grants:
        if via := granted_by(grant, request):
            found.add(Match(Cited(grant.label, 0, None, "Allow", PolicyType.KEY), via, PolicyType.RESOURCE))
    return found, doubts


_EVERY_WAY = Via.EVERYONE | Via.ACCOUNT | Via.ROLE | Via.FEDERATING_USER | Via.ITSELF


def _match(type_: PolicyType, level: int, policy: Policy, statement: Statement, via: Via) -> Match:
    cited = Cited(policy.label, statement.index, statement.sid, statement.effect, policy.type)
    narrowed = any(test.key == "aws:principalarn" for test in statement.conditions)
    return Match(cited, via, type_, level, narrowed)


def _binds(type_: PolicyType, request: Request, judge: Judge) -> bool:
    """Does this type of policy apply to the request at all (rules E40, E44, S3, S16, S18; O25)?"""
    caller = request.principal
    if type_ is PolicyType.RESOURCE:
        return not bypasses_resource_policy(request)
    if type_ is PolicyType.SCP:
        return caller.account is not None and caller.kind is not Kind.CANONICAL and not caller.service_linked
    if type_ is PolicyType.RCP:
        if caller.service_linked or request.key == "kms:retiregrant" or _enters_service_linked_role(request):
            return False
        if request.key.partition(":")[0] not in rcp.services():
            return False
        return caller.kind is not Kind.SERVICE or judge.takes("O25", "bound")
    return True


def _enters_service_linked_role(request: Request) -> bool:
    return is_role_entry(request.action) and ":role/aws-service-role/" in (request.resource or "")


def _decide(request: Request, layers: Layers, found: Found, barred: str, judge: Judge) -> Decision:
    """The procedure after rule E44. `barred`: the rule by which the request cannot succeed; empty if none."""
    if found.denies:
        return Decision(Outcome.EXPLICIT_DENY, tuple(match.cited for match in found.denies))
    if barred:
        return Decision(Outcome.IMPLICIT_DENY, rule=barred)

    needed: list[Match] = []
    for type_, levels in layers.organization:
        if _binds(type_, request, judge):
            if not levels:
                return Decision(Outcome.IMPLICIT_DENY, blocked_by=type_)
            for level in range(len(levels)):
                if not (allows := found.allows_of(type_, level)):
                    return Decision(Outcome.IMPLICIT_DENY, blocked_by=type_)
                needed += allows
    if layers.endpoint is not None:
        if not (allows := found.allows_of(PolicyType.ENDPOINT)):
            return Decision(Outcome.IMPLICIT_DENY, blocked_by=PolicyType.ENDPOINT)
        needed += allows

    grants = granted(request, layers, found, judge)
    if isinstance(grants, PolicyType):
        return Decision(Outcome.IMPLICIT_DENY, blocked_by=grants)
    needed += grants.matches
    bounded = layers.boundary is not None or layers.session is not None
    if grants.limited and (bounded or request.principal.kind is Kind.FEDERATED_USER):
        for type_, present in ((PolicyType.BOUNDARY, layers.boundary), (PolicyType.SESSION, layers.session)):
            if present is not None:
                if not (allows := found.allows_of(type_)):
                    return Decision(Outcome.IMPLICIT_DENY, blocked_by=type_)
                needed += allows
        if lacks_session_policy(request, layers, judge):
            return Decision(Outcome.IMPLICIT_DENY, blocked_by=PolicyType.SESSION)
    return Decision(Outcome.ALLOWED, tuple(match.cited for match in needed), rule=grants.rule)
