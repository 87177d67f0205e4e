"""Names and defaults that CloudFormation, but not moto, fills in before it creates a resource."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def with_defaults(
    type_: str, properties: Mapping[str, Any], name: str, before: str | None = None
) -> tuple[Mapping[str, Any], str]:
    """The properties of a resource with defaults filled in, and its name.

    Args:
        name: the name in the template, or else a generated one.
        before: for an update, the present physical ID; a generated name does not change. None: it is created.

    Source: the template reference of each type: names that CloudFormation generates, and defaults.
    """
    match type_:
        case "AWS::SSM::Parameter":
            name = properties.get("Name") or before or name
            tags = properties.get("Tags")
            pairs = [{"Key": key, "Value": value} for key, value in tags.items()] if isinstance(tags, Mapping) else tags
            return {**properties, "Name": name, **({"Tags": pairs} if tags else {})}, name
        case "AWS::SSM::Document":
            name = properties.get("Name") or before or name
            content = properties.get("Content")
            text = content if isinstance(content, str) else json.dumps(content)
            return {
                "DocumentFormat": "JSON",
                "DocumentType": "Command",
                **properties,
                "Name": name,
                "Content": text,
            }, name
        case "AWS::SQS::Queue" if _is_true(properties.get("FifoQueue")) and "QueueName" not in properties:
            return properties, f"{name}.fifo"
        case "AWS::SNS::Topic" if _is_true(properties.get("FifoTopic")) and "TopicName" not in properties:
            return properties, f"{name}.fifo"
    return properties, name


def _is_true(value: Any) -> bool:
    return str(value).lower() == "true"
