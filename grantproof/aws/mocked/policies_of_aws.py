"""Suggests an AWS managed policy for the ARN of one that moto does not know."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from functools import cache


@cache
def _paths() -> Mapping[str, str]:
    """The paths of AWS managed policies, by name."""
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    return {name: policy["Path"] for name, policy in json.loads(aws_managed_policies_data).items()}


def nearest(arn: str) -> str:
    """The ARN of the AWS managed policy with the most similar name; empty where the given one exists, or none is
    similar."""
    start, _, rest = arn.partition(":policy/")
    path, _, name = f"/{rest}".rpartition("/")
    if _paths().get(name) == f"{path}/":
        return ""
    close = difflib.get_close_matches(name, _paths(), n=1, cutoff=0.8)
    return f"{start}:policy{_paths()[close[0]]}{close[0]}" if close else ""
