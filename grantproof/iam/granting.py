"""Determines what grants a request: identity policies and the resource policy, within one account and across accounts.

The policies of the organization only limit this. So do the permissions boundary and session policies, except for grants
that are independent of them (`stands_alone`).
"""

from __future__ import annotations

from dataclasses import dataclass

from grantproof.iam.assumption import Judge
from grantproof.iam.decision import Found, Match
from grantproof.iam.layers import ROLE_ENTRY, Grant, Layers
from grantproof.iam.policy import PolicyType
from grantproof.iam.principal import Kind, Via
from grantproof.iam.request import Request
from grantproof.iam.without_policies import bypasses_resource_policy


@dataclass(frozen=True, slots=True)
class Granted:
    """What grants the request, and whether the boundary and session policy then limit it."""

    matches: tuple[Match, ...]
    limited: bool
    rule: str = ""


def granted(request: Request, layers: Layers, found: Found, judge: Judge) -> Granted | PolicyType:
    """The grant from identity policies and the resource policy, or the policy type that lacks an Allow."""
    resource = found.allows_of(PolicyType.RESOURCE)
    identity = found.allows_of(PolicyType.IDENTITY)
    caller = request.principal
    resource_type = layers.resource.type if layers.resource else _implied_type(request)
    if caller.account is None or caller.kind is Kind.CANONICAL:
        # Services, federated identities and anonymous callers have no policies of their own (rules T8, E42).
        return Granted(resource, limited=False) if resource else resource_type
    if request.cross_account:
        return _across_accounts(request, layers, resource, identity, judge) or (
            PolicyType.IDENTITY if resource else resource_type
        )
    if resource_type in (PolicyType.TRUST, PolicyType.KEY):
        return _by_resource_policy(request, layers, resource, identity, judge) or (
            PolicyType.IDENTITY if resource else resource_type
        )
    if caller.kind is Kind.ROOT:
        way_in = layers.resource is not None and bypasses_resource_policy(request)
        return Granted((), limited=False, rule="E44" if way_in else "E1")
    if not resource:
        return Granted(identity, limited=True) if identity else PolicyType.IDENTITY
    direct = tuple(m for m in resource if stands_alone(m, layers, judge))
    if direct:
        unlimited = layers.boundary is None and layers.session is None
        return Granted((*direct, *identity) if unlimited else direct, limited=False)
    named = tuple(m for m in resource if m.via & ~Via.ACCOUNT)
    if named or identity:
        return Granted((*named, *identity), limited=True)
    return PolicyType.IDENTITY


def _across_accounts(
    request: Request, layers: Layers, resource: tuple[Match, ...], identity: tuple[Match, ...], judge: Judge
) -> Granted | None:
    """Across accounts both sides have to allow (rules X2 to X6, K7). The root user of a trusted account has all
    permissions that the account was given (rule X6)."""
    if not resource:
        return None
    if request.principal.kind is Kind.ROOT:
        return Granted(resource, limited=False)
    if not identity:
        return None
    limits = layers.boundary is not None or layers.session is not None or request.principal.kind is Kind.FEDERATED_USER
    direct = limits and any(m.via & Via.ITSELF for m in resource)
    return Granted((*resource, *identity), limited=not direct or judge.takes("O18", "limited"))


def _by_resource_policy(
    request: Request, layers: Layers, resource: tuple[Match, ...], identity: tuple[Match, ...], judge: Judge
) -> Granted | None:
    """Role trust policies and key policies have to allow by themselves, either the caller, or its account, which passes
    the permission on by identity policies (rules E10, T2, T3, K2 to K6). To set a source identity in a chained session,
    its own policies also have to allow (rule T18)."""
    if request.key == "sts:setsourceidentity" and request.principal.kind is Kind.ROLE_SESSION:
        return Granted((*resource, *identity), limited=True) if resource and identity else None
    direct = tuple(m for m in resource if stands_alone(m, layers, judge))
    if direct:
        return Granted(direct, limited=False)
    named = tuple(m for m in resource if m.via & ~Via.ACCOUNT)
    delegated = tuple(m for m in resource if m.via & Via.ACCOUNT)
    if delegated and request.principal.kind is Kind.ROOT:
        return Granted(delegated, limited=False)
    if named:
        return Granted(named, limited=True)
    if delegated and identity:
        return Granted((*delegated, *identity), limited=True)
    return None


def stands_alone(match: Match, layers: Layers, judge: Judge) -> bool:
    """Is this grant by a resource policy of the caller's own account independent of the boundary and session policy
    (rules E11 to E17)?"""
    if match.via & Via.ITSELF:
        return True
    if layers.boundary is None and layers.session is None:
        return bool(match.via & (Via.EVERYONE | Via.ROLE))
    if match.via & Via.EVERYONE:
        return match.narrowed_by_arn or judge.takes("O37", "unlimited")
    if match.via & Via.ROLE:
        if match.cited.type is PolicyType.TRUST:
            return judge.takes("O19", "unlimited")
        return judge.takes("O17", "unlimited")
    return False


def lacks_session_policy(request: Request, layers: Layers, judge: Judge) -> bool:
    """Is this a federated user session without a session policy, which then has none of its user's permissions (rules
    E23, T25; O22)?"""
    federated = request.principal.kind is Kind.FEDERATED_USER
    return federated and layers.session is None and judge.takes("O22", "denied")


def _implied_type(request: Request) -> PolicyType:
    """The type of resource policy that has to exist: every role has a trust policy, and every key a key policy."""
    if request.key in ROLE_ENTRY:
        return PolicyType.TRUST
    if request.key.startswith("kms:") and ":key/" in (request.resource or ""):
        return PolicyType.KEY
    return PolicyType.RESOURCE


def granted_by(grant: Grant, request: Request) -> Via:
    """How a KMS grant reaches the caller (rules K15 to K17)."""
    if request.key not in grant.operations:
        return Via.NONE
    prefix = "kms:encryptioncontext:"
    context = {k[len(prefix) :]: v for k, v in request.values.items() if k.startswith(prefix)}
    for wanted, exact in ((grant.context_subset, False), (grant.context_equals, True)):
        if wanted is None:
            continue
        pairs = {name.lower(): (value,) for name, value in wanted.items()}
        if any(context.get(name) != value for name, value in pairs.items()) or (exact and set(context) != set(pairs)):
            return Via.NONE
    return grant.grantee.reaches(request.principal, request.values.get("aws:userid", (None,))[0])
