"""KMS grants in a comparison: each is written as an Allow of the key policy (rules K15 to K17)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from grantproof.iam.condition import parse_block
from grantproof.iam.glob import glob
from grantproof.iam.layers import Grant, Layers
from grantproof.iam.pattern import read
from grantproof.iam.policy import PolicyType, Statement

CONTEXT = "kms:encryptioncontext:"


def in_key_policies(old: Layers, new: Layers) -> tuple[Layers, Layers]:
    """Both sides with their grants as statements of their key policies. They are unchanged if one has grants but no key
    policy, or if a grant requires an empty value, since it is open whether that counts (O20).

    An encryption context that has to equal the given one exactly is also a condition on every other key of the context:
    those that either side names, and one that stands for all others.
    """
    sides = (old, new)
    grants = [grant for side in sides for grant in side.grants]
    of_keys = all(s.resource is not None and s.resource.type is PolicyType.KEY for s in sides if s.grants)
    constraints = [c for grant in grants for c in (grant.context_subset, grant.context_equals)]
    pairs = [pair for constraint in constraints for pair in _pairs(constraint).items()]
    if not grants or not of_keys or any(not value for _, value in pairs):
        return sides
    asked = {key for side in sides for key in side.condition_keys if key.startswith(CONTEXT)}
    asked |= {key for key, _ in pairs}
    other = f"{CONTEXT}another"
    while other in asked:
        other += "-one"
    left, right = (_written(side, frozenset({*asked, other})) for side in sides)
    return left, right


def _pairs(constraint: Mapping[str, str] | None) -> dict[str, str]:
    """What the encryption context has to contain, by condition key."""
    return {f"{CONTEXT}{name}".lower(): value for name, value in (constraint or {}).items()}


def _written(side: Layers, keys: frozenset[str]) -> Layers:
    if side.resource is None:
        return side
    first = len(side.resource.statements)
    statements = (_statement(grant, first + n, keys) for n, grant in enumerate(side.grants))
    return replace(
        side, grants=(), resource=replace(side.resource, statements=(*side.resource.statements, *statements))
    )


def _statement(grant: Grant, index: int, keys: frozenset[str]) -> Statement:
    subset, equals = _pairs(grant.context_subset), _pairs(grant.context_equals)
    blocks: list[dict[str, Mapping[str, str]]] = [{"StringEquals": subset}, {"StringEquals": equals}]
    if grant.context_equals is not None:
        blocks.append({"Null": dict.fromkeys(sorted(keys - equals.keys()), "true")})
    return Statement(
        index=index,
        sid=grant.label,
        allow=True,
        actions=tuple(map(glob, sorted(grant.operations))),
        not_action=False,
        resources=(read("*", variables=False, wildcards=True),),
        not_resource=False,
        principals=grant.grantee,
        not_principal=False,
        conditions=tuple(dict.fromkeys(test for block in blocks for test in parse_block(block, variables=False))),
    )
