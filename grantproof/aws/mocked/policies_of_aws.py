"""The managed policies that AWS makes, as far as moto knows them: what may be meant by one that is not there."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from functools import cache


@cache
def _paths() -> Mapping[str, str]:
    """The path of each, by name."""
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    return {name: policy["Path"] for name, policy in json.loads(aws_managed_policies_data).items()}


def nearest(arn: str) -> str:
    """The ARN of the policy whose name is nearest, on its own path; empty where there is this one, or none like it."""
    start, _, rest = arn.partition(":policy/")
    path, _, name = f"/{rest}".rpartition("/")
    if _paths().get(name) == f"{path}/":
        return ""
    close = difflib.get_close_matches(name, _paths(), n=1, cutoff=0.8)
    return f"{start}:policy{_paths()[close[0]]}{close[0]}" if close else ""
