"""The permissions that calls of SQS and SNS need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grantproof.aws.calls.authorisation import Authorisation, CallerScope, Filler, Params, Special, ask


def _queue(params: Params, where: CallerScope) -> Sequence[str]:
    if params.get("QueueName"):
        return [str(params["QueueName"])]
    if params.get("SourceArn"):
        return [str(params["SourceArn"])]
    pieces = str(params.get("QueueUrl", "")).rstrip("/").rsplit("/", 2)
    return (
        [f"arn:{where.partition}:sqs:{where.region}:{pieces[1]}:{pieces[2]}"]
        if len(pieces) == 3 and pieces[1].isdigit()
        else []
    )


def _topic(params: Params, where: CallerScope) -> Sequence[str]:
    for name in ("TopicArn", "TargetArn", "ResourceArn"):
        value = str(params.get(name) or "")
        if ":sns:" in value:
            return [value]
    if params.get("SubscriptionArn"):
        return [":".join(str(params["SubscriptionArn"]).split(":")[:6])]
    return [str(params["Name"])] if params.get("Name") else []


def _batch(action: str, service: str, resource: Filler) -> Special:
    """A batch operation needs the permission of the single one."""

    def permissions(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
        found = resource(params, where)
        arn = found[0] if found and found[0].startswith("arn:") else None
        return (ask(f"{service}:{action}", arn, where),)

    return permissions


SPECIAL: Mapping[tuple[str, str], Special] = {
    ("sqs", "SendMessageBatch"): _batch("SendMessage", "sqs", _queue),
    ("sqs", "DeleteMessageBatch"): _batch("DeleteMessage", "sqs", _queue),
    ("sqs", "ChangeMessageVisibilityBatch"): _batch("ChangeMessageVisibility", "sqs", _queue),
    ("sns", "PublishBatch"): _batch("Publish", "sns", _topic),
}
FILLERS: Mapping[tuple[str, str], Filler] = {
    ("sqs", "QueueName"): _queue,
    ("sns", "TopicName"): _topic,
}


def queue_candidates(fields: Sequence[str], resource: str, *, is_own: bool) -> list[dict[str, Any]]:
    """The parameters that can name a queue, for `operation_parameters`. `is_own`: the resource is in the caller's
    account and region."""
    name = fields[5]
    return [{"QueueUrl": f"https://sqs.{fields[3]}.amazonaws.com/{fields[4]}/{name}"}, {"QueueName": name}]


def topic_candidates(fields: Sequence[str], resource: str, *, is_own: bool) -> list[dict[str, Any]]:
    """The parameters that can name a topic, for `operation_parameters`. `is_own`: the resource is in the caller's
    account and region."""
    return [{"TopicArn": resource}, {"ResourceArn": resource}, {"Name": fields[5]}]
