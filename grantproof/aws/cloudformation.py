"""Where moto's CloudFormation differs from AWS's, made the same or refused.

Needed by moto 5.0 to 5.2.5, the newest when this was written. `tests/aws/test_cloudformation.py` deploys without this
module as well, and fails as soon as moto does one of these by itself, so that it can go:

1. A nested stack's outputs, `!GetAtt Stack.Outputs.Name` and `${Stack.Outputs.Name}` in `Fn::Sub`: moto cuts the
   attribute at every dot, looks at the first piece only, and its stacks answer no attribute.
2. IAM resources: see `iam_resources`.
3. A resource type that moto does not know is not created, with a warning; here it stops the deployment.
4. The partition is `aws` and the URL suffix `amazonaws.com` in every region.
5. `AWS::NoValue` stays in lists as null.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from typing import Any
from unittest.mock import patch

from botocore.session import Session
from moto.cloudformation import parsing

from grantproof.aws.iam_resources import UnsupportedResource, resource_class

#: Types that create nothing by design.
_EMPTY = frozenset(
    {"AWS::CloudFormation::WaitCondition", "AWS::CloudFormation::WaitConditionHandle", "AWS::CDK::Metadata"}
)


@contextmanager
def like_cloudformation(iam_of: Callable[[str], Any]) -> Generator[None, None, None]:
    """Deploy as CloudFormation does, as far as the list above goes. `iam_of` gives the IAM client of an account."""

    def resource_class_from_type(resource_type: str) -> Any:
        found = resource_class(resource_type, iam_of) or original(resource_type)
        if found is None and resource_type not in _EMPTY:
            raise UnsupportedResource(resource_type)
        return found

    original = parsing.resource_class_from_type
    with (
        patch.object(parsing, "clean_json", _resolver(parsing.clean_json)),
        patch.object(parsing, "resource_class_from_type", resource_class_from_type),
        patch.object(parsing.ResourceMap, "__init__", _in_its_partition(parsing.ResourceMap.__init__)),
    ):
        yield


def _resolver(original: Callable[..., Any]) -> Callable[..., Any]:
    """moto's resolver of intrinsic functions calls itself through its module, so this sees every nested value."""

    def clean_json(value: Any, resources: Any) -> Any:
        if isinstance(value, dict) and "Fn::GetAtt" in value:
            found = value["Fn::GetAtt"]
            name, *rest = ".".join(found).split(".")
            if rest[:1] == ["Outputs"] and len(rest) == 2:
                return _output(resources, name, rest[1])
        if isinstance(value, list):
            return [item for item in original(value, resources) if item is not None]
        return original(value, resources)

    return clean_json


def _output(resources: Any, stack: str, output: str) -> str:
    for candidate in resources[stack].output_map.values():
        if candidate is not None and candidate.key == output:
            return str(candidate.value)
    raise UnsupportedResource(f"output {output} of the nested stack {stack}, which has no such output")


def _in_its_partition(original: Callable[..., None]) -> Callable[..., None]:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it takes the place of one
        original(self, *args, **kwargs)
        partition, suffix = _partition(self._region_name)
        self._parsed_resources |= {"AWS::Partition": partition, "AWS::URLSuffix": suffix}

    return __init__


@cache
def _partition(region: str) -> tuple[str, str]:
    """The partition of a region, and the suffix of its hosts."""
    session = Session()
    partition = session.get_partition_for_region(region)
    entries = session.get_data("endpoints")["partitions"]
    return partition, next(entry["dnsSuffix"] for entry in entries if entry["partition"] == partition)
