"""AWS's managed policies, as shipped with moto: the real policies to measure comparisons on."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from moto.iam.aws_managed_policies import aws_managed_policies_data

from grantproof.iam import Layers, Policy, PolicyType, parse_policy
from grantproof.iam.comparison.prepared import Prepared


@cache
def documents() -> dict[str, Any]:
    """Name to document, sorted by name."""
    data = json.loads(aws_managed_policies_data)
    return {name: data[name]["Document"] for name in sorted(data)}


@cache
def policy(name: str) -> Policy:
    """One policy, parsed."""
    return parse_policy(documents()[name], PolicyType.IDENTITY, name)


def afresh(name: str) -> Prepared:
    """One policy as the only identity policy of somebody, of whom nothing is worked out yet."""
    return Prepared(Layers(identity=(policy(name),)))


prepared = cache(afresh)
