"""Compares two states of the same accounts: the access that each entity and resource policy gains or loses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from grantproof.aws.held.policies import Held, Policies
from grantproof.iam import EVERYTHING, Layers, Policy
from grantproof.iam.comparison.compare import Comparison, compare


@dataclass(frozen=True)
class Changed:
    """An entity or resource whose policies differ: its ARN, which policies (in words), and their comparison."""

    arn: str
    what: str
    comparison: Comparison


def changed(old: Policies, new: Policies) -> Iterator[Changed]:
    """All differences, sorted by ARN. What only one side has is compared with no policies.

    The policies of a user include those of its groups, so a change of a group also shows at its members.
    """
    for arn in sorted({*old.held, *new.held}):
        before, after = old.held.get(arn), new.held.get(arn)
        yield from _if_changed(arn, "may", _identity(before), _identity(after), None)
        trust_before, trust_after = (held.trust if held else None for held in (before, after))
        yield from _resource(arn, "is entered by", trust_before, trust_after, arn.split(":")[4])
    for arn in sorted({*old.managed, *new.managed}):
        was, now = (Layers(identity=(side.managed[arn],) if arn in side.managed else ()) for side in (old, new))
        yield from _if_changed(arn, "may", was, now, None)
    for arn in sorted({*old.resource_policies, *new.resource_policies}):
        had, has = (side.resource_policies.get(arn) for side in (old, new))
        yield from _resource(arn, "lets in", had, has, old.owner(arn) or new.owner(arn))


def _identity(held: Held | None) -> Layers:
    return Layers(identity=held.identity, boundary=held.boundary) if held else Layers()


def _resource(arn: str, what: str, old: Policy | None, new: Policy | None, owner: str | None) -> Iterator[Changed]:
    some = new or old
    if some is None:
        return
    nothing = replace(some, statements=())
    # Whom a policy names in its own account it lets in by itself; others need policies of their own (E11 to E18).
    for identity in ((EVERYTHING,), ()):
        before, after = (Layers(identity=identity, resource=policy or nothing) for policy in (old, new))
        yield from _if_changed(arn, what, before, after, owner)


def _if_changed(arn: str, what: str, old: Layers, new: Layers, owner: str | None) -> Iterator[Changed]:
    if old == new:
        return
    found = compare(old, new, owner=owner)
    if found.new_access or found.lost_access or found.reason or found.depends_on:
        yield Changed(arn, what, found)
