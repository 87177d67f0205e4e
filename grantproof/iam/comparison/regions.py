"""The parts of all actions and resources in which one set of rules holds for a kind of caller."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import product

from grantproof.iam import rcp
from grantproof.iam.barred import KMS_ACROSS_ACCOUNTS, OWNERS_WAY_IN
from grantproof.iam.comparison.caller import Caller, Region, never_in_question
from grantproof.iam.comparison.language import intersection
from grantproof.iam.document import PolicyType
from grantproof.iam.glob import Glob, glob
from grantproof.iam.layers import ROLE_ENTRY, Layers
from grantproof.iam.principal import Kind

SOURCE_IDENTITY = glob("sts:setsourceidentity")


def in_question(type_: PolicyType | None) -> tuple[Region, Region]:
    """The actions on which a resource policy of this type decides, and all others, where it has no say."""
    entering = tuple(glob(name) for name in sorted(ROLE_ENTRY))
    keys = glob("kms:*")
    match type_:
        case PolicyType.TRUST:
            return Region(entering), Region(outside=entering)
        case PolicyType.KEY:
            return Region((keys,)), Region(outside=(keys,))
        case PolicyType.RESOURCE:
            return Region(outside=(*entering, keys)), Region((*entering, keys))
    return Region(()), Region()


def by_region(caller: Caller, region: Region, old: Layers, new: Layers) -> Iterator[Caller]:
    """The same callers, once for each part of the region in which the rules differ."""
    principal = caller.principal
    cross = principal.account is not None and principal.account != caller.owner
    regions = [replace(region, outside=(*region.outside, *never_in_question(principal)))]
    if cross and principal.partition is not None:
        # Rule X10: nobody gets at another account's resources in another partition.
        things = (Glob(("*",)), glob(f"arn:{principal.partition}:*:*:*:*"))
        regions = [replace(whole, things=things) for whole in regions]
    if cross:
        # Rule K9: of KMS, only these operations work from another account.
        across = tuple(glob(name) for name in sorted(KMS_ACROSS_ACCOUNTS))
        regions = [
            part
            for whole in regions
            for part in (
                replace(whole, outside=(*whole.outside, glob("kms:*"))),
                replace(whole, inside=_meet_all(whole.inside, across)),
            )
        ]
    if old.rcp is not None or new.rcp is not None:
        regions = [part for whole in regions for part in _by_rcp(whole)]
    if not cross and principal.kind is Kind.ROLE_SESSION and not caller.open:
        # Rule T18 asks more of a chained session that sets a source identity.
        regions = [
            part
            for whole in regions
            for part in (
                replace(whole, outside=(*whole.outside, SOURCE_IDENTITY)),
                replace(whole, inside=_meet_all(whole.inside, (SOURCE_IDENTITY,))),
            )
        ]
    if not cross and principal.kind is Kind.ROOT and not caller.open:
        # Rule E44: a bucket's policy cannot keep its owner's root user from changing it.
        way_in = tuple(glob(name) for name in sorted(OWNERS_WAY_IN))
        regions = [
            part
            for whole in regions
            for part in (
                replace(whole, outside=(*whole.outside, *way_in)),
                replace(whole, inside=_meet_all(whole.inside, way_in), resource_policy=False),
            )
        ]
    yield from (replace(caller, region=part) for part in regions if part.inside)


def _by_rcp(region: Region) -> Iterator[Region]:
    """Where RCPs bind and where not (rules S16, S18)."""
    services = tuple(glob(f"{service}:*") for service in sorted(rcp.services()))
    retire = glob("kms:retiregrant")
    yield replace(region, inside=_meet_all(region.inside, services), outside=(*region.outside, retire))
    yield replace(region, outside=(*region.outside, *services), rcp=False)
    yield replace(region, inside=_meet_all(region.inside, (retire,)), rcp=False)


@lru_cache(maxsize=1024)
def _meet_all(left: tuple[Glob, ...], right: tuple[Glob, ...]) -> tuple[Glob, ...]:
    return tuple(dict.fromkeys(part for one, other in product(left, right) for part in intersection(one, other)))
