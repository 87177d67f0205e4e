"""Regions, their partitions, and the pseudo parameters of a stack in one of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from grantproof.aws.isolation import models


def pseudo_parameters(account: str = "123456789012", region: str = "us-east-1", stack: str = "stack") -> dict[str, Any]:
    """The pseudo parameters of a stack, except its id and notifications: no access should depend on these.

    Raises:
        KeyError: botocore knows no such region.
    """
    partition, suffix = partition_of(region)
    return {
        "AWS::AccountId": account,
        "AWS::Region": region,
        "AWS::Partition": partition,
        "AWS::URLSuffix": suffix,
        "AWS::StackName": stack,
    }


@cache
def _partitions() -> Mapping[str, tuple[str, str]]:
    return {
        region: (entry["partition"], entry["dnsSuffix"])
        for entry in models().load_data("endpoints")["partitions"]
        for region in entry["regions"]
    }


def partition_of(region: str) -> tuple[str, str]:
    """The partition of a region, and the suffix of its hosts.

    Raises:
        KeyError: botocore knows no such region.
    """
    return _partitions()[region]


def regions() -> Mapping[str, str]:
    """Every region that botocore knows, and its partition; the regions of a partition in botocore's order."""
    return {region: partition for region, (partition, _) in _partitions().items()}
