"""The external destinations in definition documents: state machines, OpenAPI bodies, automations, single SDK calls.

Such a document holds free text beside destinations, and some destinations are computed only when it runs.
https://states-language.net and https://docs.aws.amazon.com/step-functions/latest/dg/integrate-services.html and
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grantproof.aws.templates.external_principals import is_function
from grantproof.aws.templates.text_destinations import BUCKET, OwnAccount, destinations_in
from grantproof.iam import actions


@dataclass(frozen=True)
class UnresolvedDestination:
    """A destination that is computed at run time, or written in a file that is not read. `where` says which."""

    where: str

    def __str__(self) -> str:
        return self.where


#: Keys of payloads and comments: whatever they name is not a destination.
_PAYLOAD = frozenset(
    """
    $schema Body Choices Comment Detail ExpressionAttributeValues Input Item Message MessageBody Payload Result comment
    description
    """.split()
)
#: Keys whose value is a destination: if it is computed at run time, the destination is unknown.
_DESTINATION = re.compile(
    r"(QueueUrl|TopicArn|TargetArn|Bucket|(Api)?Endpoint|StateMachineArn|EventBusName|RoleArn|FunctionName|PhoneNumber"
    r"|Resource|StreamA(RN|rn)|uri|authorizerUri)"
)
#: Objects whose keys are names that the author chose.
_NAME_KEYED = frozenset({"States", "paths", "x-amazon-apigateway-integrations"})
_EXTENSION, _NOT_SENT = "x-amazon-apigateway-", re.compile(r"x-amazon-apigateway-(policy|cors|tag-value|documentation)")
_CALL = re.compile(r"arn:[\w-]+:(?:states|scheduler):::(?:aws-sdk:)?([\w-]+):(\w+)(?:\.\S*)?")
_NUMBER = re.compile(r"\d{12}")
#: Keys of a reading call under which it says where to write its result.
_RESULT = re.compile(r"\w*([oO]utput|[dD]estination|[rR]esult|[eE]xport|[dD]eliver)\w*")


def parsed(text: str) -> Any:
    """The value of a text that is a JSON object or list; None for any other text."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None


def is_policy(value: Mapping[Any, Any]) -> bool:
    """Is an object a policy document? Those are compared with the contract."""
    statements = value.get("Statement")
    listed = statements if isinstance(statements, list) else [statements]
    return any(isinstance(one, Mapping) and "Effect" in one for one in listed)


def is_linked(value: Mapping[Any, Any], key: Any) -> bool:
    """Is this the URI of an integration through a VPC link? Its host is then only sent as the Host header.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-private-integration.html"""
    kinds, ids = ("ConnectionType", "connectionType"), ("ConnectionId", "connectionId")
    linked = any(value.get(kind) == "VPC_LINK" for kind in kinds) and any(value.get(id_) for id_ in ids)
    return linked and key in ("Uri", "uri", "IntegrationUri") and str(value[key]).startswith("http")


def call_destinations(document: Any, called: str, own: OwnAccount) -> Iterator[Any]:
    """The external destinations in the parameters of one call. `called`: the call's ARN, such as
    `arn:aws:scheduler:::aws-sdk:sqs:sendMessage`."""
    yield from _destinations(document, "", own, reads=_is_read(called))


def document_destinations(document: Any, own: OwnAccount, *, of_api: bool = False) -> Iterator[Any]:
    """The external destinations in a document. `of_api`: the document is an OpenAPI body, of which only the
    `x-amazon-apigateway-` extensions name destinations."""
    for part in _extensions(document) if of_api else (document,):
        yield from _destinations(part, "", own)


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


def _destinations(value: Any, name: str, own: OwnAccount, *, reads: bool = False) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _destinations(item, name, own, reads=reads)
    elif isinstance(value, Mapping) and is_function(value):
        yield value
    elif isinstance(value, Mapping):
        if name not in _NAME_KEYED and is_policy(value):
            return
        reads = _is_read(str(value["Resource"])) if "Resource" in value else reads
        for key, item in value.items():
            inside = "" if name in _NAME_KEYED else str(key)
            if inside not in _PAYLOAD and not is_linked(value, key):
                read = (reads or inside == "ItemReader") and not _RESULT.fullmatch(inside)
                yield from _destinations(item, inside, own, reads=read)
    elif isinstance(value, str):
        yield from mapped_destinations(name, value, own)
        document = parsed(value)
        if document is not None:
            yield from _destinations(document, name, own, reads=reads)
        else:
            yield from _text_destinations(value, name, own, reads=reads)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield from _text_destinations(str(value), name, own, reads=reads)


def _text_destinations(text: str, name: str, own: OwnAccount, *, reads: bool) -> Iterator[Any]:
    found: list[Any] = list(destinations_in(text, own))
    plain = name.removesuffix(".$")
    runs = name.endswith(".$") or any(begins in text for begins in ("{%", "${", "{{"))
    told = _DESTINATION.fullmatch(plain) or BUCKET.fullmatch(plain)
    if runs and told and not found and not reads and f":{own.account}:" not in text:
        found = [UnresolvedDestination(f"whatever {name} ({text}) is when it runs")]
    elif not runs and BUCKET.fullmatch(plain) and ":" not in text:
        found = list(own.external_bucket(text))
    if _NUMBER.fullmatch(text) and text != own.account:
        found = [text]
    if not reads and _is_anybody(plain, text, runs=runs):
        found = [UnresolvedDestination(f"whomever {name} ({text}) lets in")]
    yield from (place for place in found if not (reads and ":s3:::" in str(place)))


#: Parameters of calls that let somebody in: `lambda:AddPermission`, `ec2:ModifySnapshotAttribute` and their like.
_LETS_IN = re.compile(
    r"Principals?|Grantee|AccountIds(ToAdd)?|ValuesToAdd|AWSAccountIds|User(Id|Group)s?|Group(Name)?s?"
)
_PRINCIPAL = re.compile(r"Principals?")
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl
_OPEN_ACL = re.compile(r"public-read(-write)?|authenticated-read|aws-exec-read", re.I)


def _is_anybody(name: str, text: str, *, runs: bool) -> bool:
    """Does a parameter of a call let in everybody, or whomever it names when it runs?"""
    if name in ("ACL", "Acl", "CannedAcl", "AccessControl"):
        return _OPEN_ACL.fullmatch(text) is not None
    if runs:
        return _PRINCIPAL.fullmatch(name) is not None
    return _LETS_IN.fullmatch(name) is not None and text.lower() in ("*", "all")


def mapped_destinations(name: str, text: str, own: OwnAccount) -> Iterator[UnresolvedDestination]:
    """The destinations that a request mapping of an integration takes from the caller.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/request-response-data-mappings.html"""
    given = [(name.rpartition(".")[2], text)] if name.startswith("integration.request.") else []
    given += [(found[1], found[2]) for found in _MAPPED.finditer(text)]
    for parameter, value in given:
        runs = _FROM_CALL.search(value)
        if runs and _DESTINATION.fullmatch(parameter) and own.account not in value:
            yield UnresolvedDestination(f"whatever {parameter} ({value.strip()}) is when it is called")


_MAPPED = re.compile(r"\b(\w+)[\"']?\s*[=:]\s*(?=([^&\n}]{1,200}))")
_FROM_CALL = re.compile(r"\$|#|\b(method|context|stageVariables)\.")


def _is_read(called: str) -> bool:
    """Does a call only list or read, according to the access levels in the action list?"""
    found = _CALL.fullmatch(called)
    if found is None:
        return False
    try:
        return set(actions.details(f"{found[1]}:{found[2]}").levels) <= {"List", "Read"}
    except KeyError:
        return False
