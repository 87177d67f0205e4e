"""The parts of all actions and resources in which the same rules apply to a kind of caller."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import product

from grantproof.iam import rcp
from grantproof.iam.comparison.caller import Caller, Domain, never_in_question
from grantproof.iam.comparison.language import intersection
from grantproof.iam.glob import Glob, glob
from grantproof.iam.layers import ROLE_ENTRY, Layers
from grantproof.iam.policy import PolicyType
from grantproof.iam.principal import Kind
from grantproof.iam.request import OF_SERVICES
from grantproof.iam.without_policies import KMS_ACROSS_ACCOUNTS, OWNERS_WAY_IN

SOURCE_IDENTITY = glob("sts:setsourceidentity")


def in_question(type_: PolicyType | None) -> tuple[Domain, Domain]:
    """The actions about which a resource policy of this type decides, and all others, for which it does not apply."""
    entering = tuple(glob(name) for name in sorted(ROLE_ENTRY))
    keys = glob("kms:*")
    match type_:
        case PolicyType.TRUST:
            return Domain(entering), Domain(outside=entering)
        case PolicyType.KEY:
            return Domain((keys,)), Domain(outside=(keys,))
        case PolicyType.RESOURCE:
            return Domain(outside=(*entering, keys)), Domain((*entering, keys))
    return Domain(()), Domain()


def by_domain(caller: Caller, domain: Domain, old: Layers, new: Layers, keys: frozenset[str]) -> Iterator[Caller]:
    """The same callers, once for each part of the domain in which the rules differ. `keys`: the condition keys that are
    used."""
    principal = caller.principal
    cross = principal.account is not None and principal.account != caller.owner
    domains = [replace(domain, outside=(*domain.outside, *never_in_question(principal)))]
    if cross and principal.partition is not None:
        # Rule X10: nobody has access to resources of another account in another partition.
        resources = (Glob(("*",)), glob(f"arn:{principal.partition}:*:*:*:*"))
        domains = [replace(whole, resources=resources) for whole in domains]
    if cross:
        # Rule K9: only these operations of KMS work from another account.
        across = tuple(glob(name) for name in sorted(KMS_ACROSS_ACCOUNTS))
        domains = [
            part
            for whole in domains
            for part in (
                replace(whole, outside=(*whole.outside, glob("kms:*"))),
                replace(whole, inside=_meet_all(whole.inside, across)),
            )
        ]
    if old.rcp is not None or new.rcp is not None:
        domains = [part for whole in domains for part in _by_rcp(whole)]
    if not cross and principal.kind is Kind.ROLE_SESSION and not caller.open:
        # Rule T18 requires more of a chained session that sets a source identity.
        domains = [
            part
            for whole in domains
            for part in (
                replace(whole, outside=(*whole.outside, SOURCE_IDENTITY)),
                replace(whole, inside=_meet_all(whole.inside, (SOURCE_IDENTITY,))),
            )
        ]
    if not cross and principal.kind is Kind.ROOT and not caller.open:
        # Rule E44: a bucket policy cannot deny its owner's root user to change it.
        way_in = tuple(glob(name) for name in sorted(OWNERS_WAY_IN))
        domains = [
            part
            for whole in domains
            for part in (
                replace(whole, outside=(*whole.outside, *way_in)),
                replace(whole, inside=_meet_all(whole.inside, way_in), resource_policy=False),
            )
        ]
    for service, (key, _) in OF_SERVICES.items():
        if key in keys:
            domains = [part for whole in domains for part in _by_service(whole, service)]
    yield from (replace(caller, domain=part) for part in domains if part.inside)


def _by_service(domain: Domain, service: str) -> Iterator[Domain]:
    """The services whose own keys identify the caller or the owner of the resource, and all others."""
    its = glob(f"{service}:*")
    yield replace(domain, inside=_meet_all(domain.inside, (its,)), service=service)
    yield replace(domain, outside=(*domain.outside, its))


def _by_rcp(domain: Domain) -> Iterator[Domain]:
    """The services to which RCPs apply, and all others (rules S16, S18)."""
    services = tuple(glob(f"{service}:*") for service in sorted(rcp.services()))
    retire = glob("kms:retiregrant")
    yield replace(domain, inside=_meet_all(domain.inside, services), outside=(*domain.outside, retire))
    yield replace(domain, outside=(*domain.outside, *services), rcp=False)
    yield replace(domain, inside=_meet_all(domain.inside, (retire,)), rcp=False)


@lru_cache(maxsize=1024)
def _meet_all(left: tuple[Glob, ...], right: tuple[Glob, ...]) -> tuple[Glob, ...]:
    return tuple(dict.fromkeys(part for one, other in product(left, right) for part in intersection(one, other)))
