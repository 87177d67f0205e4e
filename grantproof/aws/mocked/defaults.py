"""Names and defaults that CloudFormation fills in before it creates a resource, and moto does not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def with_defaults(
    type_: str, properties: Mapping[str, Any], name: str, before: str | None = None
) -> tuple[Mapping[str, Any], str]:
    """The properties with which a resource is created, and its name.

    Args:
        name: what its template calls it, or else what was made up for it.
        before: the physical id of one that is being updated: it keeps a name that was made up.

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
