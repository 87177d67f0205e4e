"""Where what is defined in a document of its own sends to: state machines, APIs, automations, and single calls.

In such a document the writer's words and the places stand side by side, and some places are told only when it runs.
https://states-language.net and https://docs.aws.amazon.com/step-functions/latest/dg/integrate-services.html and
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grantproof.aws.templates.naming import is_function
from grantproof.aws.templates.strangers import BUCKET, Own, places_in
from grantproof.iam import actions


@dataclass(frozen=True)
class Unread:
    """A place that nothing tells before something runs, or that is written where nobody here looks."""

    where: str

    def __str__(self) -> str:
        return self.where


#: What is handed on or said: no place, whatever it names.
_HANDED_ON = frozenset(
    """
    $schema Body Choices Comment Detail ExpressionAttributeValues Input Item Message MessageBody Payload Result comment
    description
    """.split()
)
#: What has to be told before it runs.
_TOLD = re.compile(
    r"(QueueUrl|TopicArn|TargetArn|Bucket|(Api)?Endpoint|StateMachineArn|EventBusName|RoleArn|FunctionName|PhoneNumber"
    r"|Resource|StreamA(RN|rn)|uri|authorizerUri)"
)
#: In these all keys are names that somebody gave.
_NAMED = frozenset({"States", "paths", "x-amazon-apigateway-integrations"})
_EXTENSION, _NOT_SENT = "x-amazon-apigateway-", re.compile(r"x-amazon-apigateway-(policy|cors|tag-value|documentation)")
_CALL = re.compile(r"arn:[\w-]+:(?:states|scheduler):::(?:aws-sdk:)?([\w-]+):(\w+)(?:\.\S*)?")
_NUMBER = re.compile(r"\d{12}")
#: Where what is read is put.
_RESULT = re.compile(r"\w*([oO]utput|[dD]estination|[rR]esult|[eE]xport|[dD]eliver)\w*")


def parsed(text: str) -> Any:
    """What a text says that is a JSON object or list; None for any other."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None


def is_policy(value: Mapping[Any, Any]) -> bool:
    """Is an object a policy document, which is held against the contract?"""
    statements = value.get("Statement")
    listed = statements if isinstance(statements, list) else [statements]
    return any(isinstance(one, Mapping) and "Effect" in one for one in listed)


def is_linked(value: Mapping[Any, Any], key: Any) -> bool:
    """Does an integration's address only tell how the host is called, as requests go to its VPC link?
    https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-private-integration.html"""
    kinds, ids = ("ConnectionType", "connectionType"), ("ConnectionId", "connectionId")
    linked = any(value.get(kind) == "VPC_LINK" for kind in kinds) and any(value.get(id_) for id_ in ids)
    return linked and key in ("Uri", "uri", "IntegrationUri") and str(value[key]).startswith("http")


def calls_of(document: Any, called: str, own: Own) -> Iterator[Any]:
    """Where a single call sends to, by its parameters. `called`: as `arn:aws:scheduler:::aws-sdk:sqs:sendMessage`."""
    yield from _done(document, "", own, reads=_is_read(called))


def sent_by(document: Any, own: Own, *, of_api: bool = False) -> Iterator[Any]:
    """The places that a document names, and that are not known to be of its account. `of_api`: of an API, all but its
    extensions are about who calls it, and how."""
    for part in _extensions(document) if of_api else (document,):
        yield from _done(part, "", own)


def _extensions(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not str(key).startswith(_EXTENSION):
                yield from _extensions(item)
            elif not _NOT_SENT.match(str(key)):
                yield item
    elif isinstance(value, list):
        for item in value:
            yield from _extensions(item)


def _done(value: Any, name: str, own: Own, *, reads: bool = False) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _done(item, name, own, reads=reads)
    elif isinstance(value, Mapping) and is_function(value):
        yield value
    elif isinstance(value, Mapping):
        if name not in _NAMED and is_policy(value):
            return
        reads = _is_read(str(value["Resource"])) if "Resource" in value else reads
        for key, item in value.items():
            inside = "" if name in _NAMED else str(key)
            if inside not in _HANDED_ON and not is_linked(value, key):
                read = (reads or inside == "ItemReader") and not _RESULT.fullmatch(inside)
                yield from _done(item, inside, own, reads=read)
    elif isinstance(value, str):
        yield from mapped(name, value, own)
        document = parsed(value)
        if document is not None:
            yield from _done(document, name, own, reads=reads)
        else:
            yield from _said(value, name, own, reads=reads)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield from _said(str(value), name, own, reads=reads)


def _said(text: str, name: str, own: Own, *, reads: bool) -> Iterator[Any]:
    found: list[Any] = list(places_in(text, own))
    plain = name.removesuffix(".$")
    runs = name.endswith(".$") or any(begins in text for begins in ("{%", "${", "{{"))
    told = _TOLD.fullmatch(plain) or BUCKET.fullmatch(plain)
    if runs and told and not found and not reads and f":{own.account}:" not in text:
        found = [Unread(f"whatever {name} ({text}) is when it runs")]
    elif not runs and BUCKET.fullmatch(plain) and ":" not in text:
        found = list(own.bucket_elsewhere(text))
    if _NUMBER.fullmatch(text) and text != own.account:
        found = [text]
    yield from (place for place in found if not (reads and ":s3:::" in str(place)))


def mapped(name: str, text: str, own: Own) -> Iterator[Unread]:
    """The places that an integration takes from whoever calls, by what its request is mapped to.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/request-response-data-mappings.html"""
    given = [(name.rpartition(".")[2], text)] if name.startswith("integration.request.") else []
    given += [(found[1], found[2]) for found in _MAPPED.finditer(text)]
    for parameter, value in given:
        runs = _FROM_CALL.search(value)
        if runs and _TOLD.fullmatch(parameter) and own.account not in value:
            yield Unread(f"whatever {parameter} ({value.strip()}) is when it is called")


_MAPPED = re.compile(r"\b(\w+)[\"']?\s*[=:]\s*(?=([^&\n}]{1,200}))")
_FROM_CALL = re.compile(r"\$|#|\b(method|context|stageVariables)\.")


def _is_read(called: str) -> bool:
    """Does a call only read, as far as the action list tells?"""
    found = _CALL.fullmatch(called)
    if found is None:
        return False
    try:
        return set(actions.details(f"{found[1]}:{found[2]}").levels) <= {"List", "Read"}
    except KeyError:
        return False
