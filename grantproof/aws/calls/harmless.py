"""Which calls can change nothing, even where they are wrongly allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from grantproof.iam import actions

#: Gives botocore's model of a service.
Models = Callable[[str], Any]

#: Services of which it is known what each operation asks, and whose reads read.
_SERVICES = frozenset("cloudformation dynamodb ec2 ecr iam kms lambda s3 secretsmanager sns sqs ssm".split())
_BEGINS = ("Get", "List", "Describe", "Head", "BatchGet")
#: Called a read, and yet something is made: a token, a report.
_MAKES = frozenset({"ecr:GetAuthorizationToken", "ssm:GetAccessToken", "ssm:GetDeployablePatchSnapshotForInstance"})
_LEVELS = frozenset({"List", "Read"})


def only_reads(service: str, operation: str) -> bool:
    """Does an operation change nothing, by its name and by the access level of its action?"""
    action = next((a for a, calls in _S3.items() if operation in calls), operation) if service == "s3" else operation
    name = f"{service}:{action}"
    if service not in _SERVICES or not operation.startswith(_BEGINS) or name in _MAKES or not actions.exists(name):
        return False
    return set(actions.details(name).levels) <= _LEVELS


def harmless(service: str, operation: str, params: Mapping[str, Any]) -> bool:
    """Can a call change nothing, whatever it is allowed? The last word before each call."""
    if (service, operation) == ("sts", "AssumeRole"):
        return True
    return only_reads(service, operation) or (service == "ec2" and params.get("DryRun") is True)


#: S3's actions that are called otherwise, as far as each call needs nothing but the action.
_S3: Mapping[str, tuple[str, ...]] = {
    "ListBucket": ("ListObjectsV2",),
    "ListAllMyBuckets": ("ListBuckets",),
    "GetObject": ("HeadObject", "GetObject"),
}


def reads(pattern: str, models: Models) -> Iterator[tuple[str, str]]:
    """(service, operation) of the reads that an action pattern names. Of several that need the same, the first."""
    for action in actions.matching(pattern):
        service, name = action.split(":")
        if service not in _SERVICES:
            continue
        known = models(service).operation_names
        called = _S3.get(name, (name,)) if service == "s3" else (name,)
        found = next((c for c in called if c in known and only_reads(service, c)), None)
        if found is not None:
            yield service, found


def without_parameters(named: Sequence[str], models: Models) -> Iterator[tuple[str, str]]:
    """Those that need no parameter; first the ones about several things, which seldom need one of several."""
    for action in sorted(named, key=lambda name: (not name.endswith("s"), name)):
        service, _, operation = action.partition(":")
        if service not in _SERVICES or operation not in models(service).operation_names:
            continue
        shape = models(service).operation_model(operation).input_shape
        if shape is not None and shape.required_members:
            continue
        dry = service == "ec2" and shape is not None and "DryRun" in shape.members
        if dry or (service != "ec2" and only_reads(service, operation)):
            yield service, operation
