"""Which calls cannot change anything, even if they are wrongly allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from grantproof.iam import actions

#: Returns botocore's model of a service.
Models = Callable[[str], Any]

#: Services whose operations are mapped to permissions, and whose reading operations change nothing.
_SERVICES = frozenset("cloudformation dynamodb ec2 ecr iam kms lambda s3 secretsmanager sns sqs ssm".split())
_BEGINS = ("Get", "List", "Describe", "Head", "BatchGet")
#: Operations with the name of a read that create something, such as a token or a report.
_MAKES = frozenset({"ecr:GetAuthorizationToken", "ssm:GetAccessToken", "ssm:GetDeployablePatchSnapshotForInstance"})
_LEVELS = frozenset({"List", "Read"})


def only_reads(service: str, operation: str) -> bool:
    """Does an operation change nothing, according to its name and the access level of its action?"""
    action = next((a for a, calls in _S3.items() if operation in calls), operation) if service == "s3" else operation
    name = f"{service}:{action}"
    if service not in _SERVICES or not operation.startswith(_BEGINS) or name in _MAKES or not actions.exists(name):
        return False
    return set(actions.details(name).levels) <= _LEVELS


def harmless(service: str, operation: str, params: Mapping[str, Any]) -> bool:
    """Can a call change nothing, even if it is allowed? Checked immediately before each call."""
    if (service, operation) == ("sts", "AssumeRole"):
        return True
    return only_reads(service, operation) or (service == "ec2" and params.get("DryRun") is True)


#: Operations of S3 by action, where the names differ and the call needs no other action.
_S3: Mapping[str, tuple[str, ...]] = {
    "ListBucket": ("ListObjectsV2",),
    "ListAllMyBuckets": ("ListBuckets",),
    "GetObject": ("HeadObject", "GetObject"),
}


def reads(pattern: str, models: Models) -> Iterator[tuple[str, str]]:
    """The reading operations, as (service, operation), that an action pattern covers. Of several with the same action,
    the first."""
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
    """Those of these operations that need no parameters; first those whose names are plural, which seldom need any."""
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
