"""Minimal valid parameters for any operation that botocore knows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, Shape, StringShape, StructureShape

from grantproof.aws.calls.authorisation import CallerScope
from grantproof.aws.calls.services import prefix_of
from grantproof.iam import actions
from grantproof.iam.actions import ResourceType

_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def minimal_parameters(operation: OperationModel, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The required parameters of an operation, as small as botocore's validation accepts. They are always the same.

    `given` takes precedence, and can contain optional parameters.
    """
    shape = operation.input_shape
    filled = _structure(shape, ()) if shape is not None else {}
    return {**filled, **(given or {})}


def resources_named(service: str, operation: OperationModel, where: CallerScope) -> dict[str, Any]:
    """Parameters that name a resource that does not exist, for operations whose permissions cannot be determined
    otherwise: the evaluator needs a resource, but botocore accepts any text, or none."""
    members = operation.input_shape.members if operation.input_shape is not None else {}
    names = {
        "CopySource": "sample/sample",
        "QueueUrl": f"https://sqs.{where.region}.amazonaws.com/{where.account}/sample",
        "SecretId": where.arn("secretsmanager", "secret:sample-AbCdEf"),
        **(dict.fromkeys(("TopicArn", "SourceArn"), where.arn(service, "sample")) if service in ("sns", "sqs") else {}),
        **({"KeyId": "sample", "SourceKeyId": "sample"} if service == "kms" else {}),
        **({"UserName": "sample"} if service == "iam" and where.user is None else {}),
        **({"logGroupName": "sample"} if "logGroupIdentifier" in members else {}),
    }
    named = {name: value for name, value in names.items() if name in members}
    return {**_arns(service, operation, where), **named}


def _arns(service: str, operation: OperationModel, where: CallerScope) -> dict[str, Any]:
    """The ARN of a resource that does not exist, for each parameter whose name is that of a kind of resource of the
    action, or contains "resource"; and for each required parameter that is an ARN, since botocore validates ARNs of
    some services."""
    shape = operation.input_shape
    members = shape.members if shape is not None else {}
    required = shape.required_members if shape is not None else ()
    texts = [name for name, member in members.items() if member.type_name == "string"]
    out: dict[str, Any] = {
        name: where.arn(prefix_of(service), f"{name[:-3].lower()}/sample")
        for name in texts
        if name in required and name.lower().endswith("arn")
    }
    action = f"{prefix_of(service)}:{operation.name}"
    kinds = actions.details(action).resource_types if actions.exists(action) else ()
    for kind in reversed(kinds):
        called = {re.sub("[^a-z0-9]", "", kind.name.lower()) + "arn", "resourcearn"}
        out |= {name: _sample(kind, where) for name in texts if name.lower() in called}
    return out


def _sample(kind: ResourceType, where: CallerScope) -> str:
    places = {"Partition": where.partition, "Region": where.region, "Account": where.account}
    places["StreamType"] = "stream"  # the only text that botocore requires, for Kinesis
    return re.sub(r"\$\{(\w+)\}", lambda variable: places.get(variable[1], "sample"), kind.forms()[0].arn)


def _structure(shape: Shape, above: tuple[str, ...]) -> dict[str, Any]:
    assert isinstance(shape, StructureShape)
    required = list(shape.required_members)
    choice = getattr(shape, "is_tagged_union", False) or (above and _only_structures(shape))
    if choice and not required and shape.members:
        # A union has exactly one member, and so has a structure whose members are all optional structures.
        required = [next(iter(shape.members))]
    return {name: _value(name, shape.members[name], (*above, shape.name)) for name in required}


def _only_structures(shape: StructureShape) -> bool:
    return all(member.type_name == "structure" for member in shape.members.values())


def _value(name: str, shape: Shape, above: tuple[str, ...]) -> Any:
    if shape.name in above:  # a recursive type: end it with an empty value
        return [] if isinstance(shape, ListShape) else {}
    match shape.type_name:
        case "structure":
            return _structure(shape, above)
        case "list":
            assert isinstance(shape, ListShape)
            least = max(1, int(shape.metadata.get("min", 1)))
            return [_value(name, shape.member, (*above, shape.name)) for _ in range(least)]
        case "map":
            assert isinstance(shape, MapShape)
            key = _value(name, shape.key, (*above, shape.name))
            return {key: _value(name, shape.value, (*above, shape.name))}
        case "string" | "character":
            return _text(name, shape)
        case "boolean":
            return False
        case "integer" | "long":
            return max(1, int(shape.metadata.get("min", 1)))
        case "float" | "double" | "bigdecimal":
            return float(shape.metadata.get("min", 1))
        case "timestamp":
            return _MOMENT
        case "blob":
            return b"x" * max(1, int(shape.metadata.get("min", 1)))
    raise AssertionError(f"botocore has a new type of shape: {shape.type_name}")


def _text(name: str, shape: Shape) -> str:
    if isinstance(shape, StringShape) and shape.enum:
        return str(shape.enum[0])
    least = int(shape.metadata.get("min", 1))
    text = "sample"
    if name.lower().endswith("arn"):
        text = "arn:aws:sample:::sample"
    return text if len(text) >= least else text + "x" * (least - len(text))
