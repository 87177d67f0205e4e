"""Which policies resources put on themselves and on others, read from their properties after the table `carriers`.

Most write a policy down. Some are a permission, of which their service makes a statement; some write it as text, or in
the definition of something else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from grantproof.aws.templates.carriers import (
    ATTACHMENTS,
    CARRIERS,
    STREAM,
    Carrier,
    KeyPath,
    Location,
    NoPolicy,
    PolicyAttachment,
    filled,
)
from grantproof.aws.templates.placed import like
from grantproof.source import at


@dataclass(frozen=True)
class ResourcePolicy:
    """A policy that a resource puts on itself or on another.

    Attributes:
        arn, type: what carries the policy.
        document: with its statements in a list.
        path: where the policy stands in the properties.
    """

    arn: str
    type: str
    document: Mapping[str, Any]
    path: KeyPath


def resource_policies(type_: str, properties: Any, ref: str, where: Location) -> Iterator[ResourcePolicy]:
    """The policies that a resource puts on itself or on others. `ref` is what `Ref` gives.

    Raises:
        NoPolicy: they cannot be told.
    """
    properties = properties if isinstance(properties, Mapping) else {}
    carrier, attachment = CARRIERS.get(type_), ATTACHMENTS.get(type_)
    if carrier is not None:
        for path, arn in _own(type_, carrier, properties, carrier.id_of(ref), where):
            written = _document(at(properties, path), type_)
            yield ResourcePolicy(arn, type_, _OWN.get(type_, _as_it_is)(written, carrier.id_of(ref), where), path)
    if attachment is not None:
        for arn in _targets(attachment, properties, where):
            written = (
                at(properties, attachment.policy_path)
                if attachment.policy_path
                else _BY_PROPERTIES[type_](properties, arn)
            )
            yield ResourcePolicy(arn, attachment.carrier_type, _document(written, type_), attachment.policy_path)


def merged(found: Iterable[ResourcePolicy]) -> dict[str, list[ResourcePolicy]]:
    """Those attached to the same resource, by its ARN. Their statements are one policy, in an order that does not
    depend on which of them was made first."""
    out: dict[str, list[ResourcePolicy]] = {}
    for one in found:
        out.setdefault(one.arn, []).append(one)
    for several in out.values():
        several.sort(key=lambda one: json.dumps(one.document, sort_keys=True, default=str))
    return out


def snapshot_entries(found: Iterable[ResourcePolicy], account: str) -> Iterator[dict[str, Any]]:
    """The policies of one account in the shape of a snapshot's."""
    for arn, several in sorted(merged(found).items()):
        document = dict(several[0].document)
        if len(several) > 1:
            document = {"Version": "2012-10-17", "Statement": [s for one in several for s in _as_of_2012(one.document)]}
        yield {"Arn": arn, "Type": several[0].type, "Account": account, "Policy": document}


def _as_of_2012(document: Mapping[str, Any]) -> list[Any]:
    """The statements of a policy that becomes part of a newer one: in the old language a variable is ordinary text."""
    statements: list[Any] = document["Statement"]
    if document.get("Version") == "2012-10-17":
        return statements
    as_text: list[Any] = json.loads(json.dumps(statements, default=str).replace("${", "${$}{"))
    return as_text


def _document(written: Any, type_: str) -> Mapping[str, Any]:
    """A policy as it is written: an object, or text."""
    written = _of_text(written)
    if not isinstance(written, Mapping) or "Statement" not in written:
        raise NoPolicy(f"the policy of this {type_} has no Statement")
    statements = _of_text(written["Statement"])
    listed = statements if isinstance(statements, list) else [statements]
    document: Mapping[str, Any] = like(written, {**written, "Statement": listed})
    return document


def _of_text(written: Any) -> Any:
    """What text says as JSON; all else as it is."""
    try:
        return json.loads(written) if isinstance(written, str) else written
    except ValueError as error:
        raise NoPolicy(f"its policy is no JSON: {error}") from None


def _targets(attachment: PolicyAttachment, properties: Mapping[str, Any], where: Location) -> Iterator[str]:
    if not attachment.target_property:
        service = attachment.carrier_type.split("::")[1].lower()
        yield f"arn:{where.partition}:{service}:{where.region}:{where.account}:*"
        return
    given = properties.get(attachment.target_property)
    if given is None and attachment.carrier_type == "AWS::Events::EventBus":
        given = "default"
    for name in given if isinstance(given, list) else [given]:
        if not isinstance(name, str) or not name:
            raise NoPolicy(f"its {attachment.target_property} names nothing")
        carrier = CARRIERS.get(attachment.carrier_type)
        if not name.startswith("arn:") and (carrier is None or attachment.target_property.lower().endswith("arn")):
            raise NoPolicy(f"its {attachment.target_property} is no ARN: {name}")
        whole = carrier is None or name.startswith("arn:")
        # A function may also be named by part of its ARN.
        part = name.rpartition(":function:")[2] if attachment.carrier_type == "AWS::Lambda::Function" else name
        yield name if whole or carrier is None else filled(carrier.arn, properties, part, where)


def _needed(properties: Any, name: str) -> Any:
    if not isinstance(properties, Mapping) or name not in properties:
        raise NoPolicy(f"it has no property {name}")
    return properties[name]


def _of_bus(properties: Mapping[str, Any], bus: str) -> Any:
    """The policy of an AWS::Events::EventBusPolicy: a statement, or what PutPermission makes of its other properties.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-events-eventbuspolicy.html"""
    sid = properties.get("StatementId")
    if "Statement" in properties:
        statement = _of_text(properties["Statement"])
        if not isinstance(statement, Mapping):
            raise NoPolicy("its Statement is no object")
        return {"Version": "2012-10-17", "Statement": [like(statement, {"Sid": sid, **statement})]}
    principal = str(properties.get("Principal", ""))
    if principal != "*" and not principal.isdigit():
        raise NoPolicy(f"its Principal is neither an account nor *: {principal!r}")
    account = f"arn:{bus.split(':')[1]}:iam::{principal}:root"
    made: dict[str, Any] = {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": "*" if principal == "*" else {"AWS": account},
        "Action": _needed(properties, "Action"),
        "Resource": bus,
    }
    if asked := properties.get("Condition"):
        operator, key, value = (_needed(asked, name) for name in ("Type", "Key", "Value"))
        made["Condition"] = {operator: {key: value}}
    return {"Version": "2012-10-17", "Statement": [made]}


def _of_function(properties: Mapping[str, Any], function: str) -> Any:
    """The policy that AddPermission makes of an AWS::Lambda::Permission.
    https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html"""
    named = str(_needed(properties, "Principal"))
    kind = "AWS" if named.startswith("arn:") or named.isdigit() else "Service"
    if kind == "Service" and named != "*" and not _SERVICE.fullmatch(named):
        raise NoPolicy(f"its Principal is neither account, role, user nor service: {named!r}")
    made: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": "*" if named == "*" else {kind: named},
        "Action": _needed(properties, "Action"),
        "Resource": function,
    }
    condition: dict[str, dict[str, str]] = {}
    for name, operator, key in _PERMISSION_CONDITIONS:
        if properties.get(name) not in (None, "", False, "false"):
            value = str(properties[name])
            condition.setdefault(operator, {})[key] = value.lower() if operator == "Bool" else value
    if condition:
        made["Condition"] = condition
    return {"Version": "2012-10-17", "Statement": [made]}


_SERVICE = re.compile(r"[a-z0-9.-]+\.amazonaws\.com(\.cn)?")
_PERMISSION_CONDITIONS = (
    ("SourceArn", "ArnLike", "AWS:SourceArn"),
    ("SourceAccount", "StringEquals", "AWS:SourceAccount"),
    ("PrincipalOrgID", "StringEquals", "aws:PrincipalOrgID"),
    ("EventSourceToken", "StringEquals", "lambda:EventSourceToken"),
    ("FunctionUrlAuthType", "StringEquals", "lambda:FunctionUrlAuthType"),
    ("InvokedViaFunctionUrl", "Bool", "lambda:InvokedViaFunctionUrl"),
)
_BY_PROPERTIES: Mapping[str, Callable[[Mapping[str, Any], str], Any]] = {
    "AWS::Events::EventBusPolicy": _of_bus,
    "AWS::Lambda::Permission": _of_function,
}


def _own(
    type_: str, carrier: Carrier, properties: Mapping[str, Any], id_: str, where: Location
) -> Iterator[tuple[KeyPath, str]]:
    """Where a resource writes policies of its own, and the ARN of what each is on."""
    paths = [carrier.policy_path] if carrier.policy_path and at(properties, carrier.policy_path) else []
    if type_ == "AWS::ApiGateway::RestApi":
        paths += _in_definition(properties)
        if len(paths) > 1:
            raise NoPolicy("it has a Policy, and another in its Body")
    yield from ((path, filled(carrier.arn, properties, id_, where)) for path in paths)
    stream = ("StreamSpecification", "ResourcePolicy", "PolicyDocument")
    if type_ == "AWS::DynamoDB::Table" and at(properties, stream):
        yield stream, filled(STREAM, properties, id_, where)
    if type_ == "AWS::DynamoDB::GlobalTable":
        for number, replica in enumerate(properties.get("Replicas") or ()):
            there = replace(where, region=str(at(replica, ("Region",))))
            for inside, arn in (
                (("ResourcePolicy",), carrier.arn),
                (("ReplicaStreamSpecification", "ResourcePolicy"), STREAM),
            ):
                path = ("Replicas", number, *inside, "PolicyDocument")
                if at(properties, path):
                    yield path, filled(arn, properties, id_, there)


def _in_definition(properties: Mapping[str, Any]) -> list[KeyPath]:
    """The policy in an API's definition.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/openapi-extensions-policy.html"""
    if "BodyS3Location" in properties:
        raise NoPolicy("its definition is in S3 (BodyS3Location), and may hold a policy")
    if isinstance(properties.get("Body"), str):
        raise NoPolicy("its Body is text, and may hold a policy")
    inside = ("Body", "x-amazon-apigateway-policy")
    return [inside] if at(properties, inside) else []


def _as_it_is(document: Mapping[str, Any], id_: str, where: Location) -> Mapping[str, Any]:
    return document


def _of_api(document: Mapping[str, Any], id_: str, where: Location) -> Mapping[str, Any]:
    """API Gateway takes `execute-api:/stage/method/path` for the API that has the policy.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-resource-policies-examples.html"""
    start = f"arn:{where.partition}:execute-api:{where.region}:{where.account}:{id_}"

    def whole(value: Any) -> Any:
        if isinstance(value, list):
            return [whole(item) for item in value]
        short = isinstance(value, str) and value.startswith("execute-api:/")
        return start + value.removeprefix("execute-api:") if short else value

    statements = [
        like(s, {k: whole(v) if k in ("Resource", "NotResource") else v for k, v in s.items()})
        for s in document["Statement"]
    ]
    made: Mapping[str, Any] = like(document, {**document, "Statement": statements})
    return made


_OWN: Mapping[str, Callable[[Mapping[str, Any], str, Location], Mapping[str, Any]]] = {
    "AWS::ApiGateway::RestApi": _of_api
}
