"""The resource policies that a resource's properties create, on the resource itself or on another one.

Which properties hold them is in the tables of `carriers`. Most hold a policy document. Some types instead hold a single
permission, from which the service builds a statement; some hold the policy as JSON text, or within an API definition.
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
from grantproof.aws.templates.template_data import like
from grantproof.source import at


@dataclass(frozen=True)
class ResourcePolicy:
    """A resource policy that a resource's properties create.

    Attributes:
        arn, type: those of the resource that the policy is attached to.
        document: the policy; its Statement is a list.
        path: where the policy is in the properties.
    """

    arn: str
    type: str
    document: Mapping[str, Any]
    path: KeyPath


def resource_policies(type_: str, properties: Any, ref: str, where: Location) -> Iterator[ResourcePolicy]:
    """The policies that a resource creates on itself or on others.

    Args:
        properties: with intrinsic functions resolved.
        ref: the value of `Ref` of the resource.

    Raises:
        NoPolicy: a policy, or the resource that it is attached to, cannot be determined.
    """
    properties = properties if isinstance(properties, Mapping) else {}
    carrier, attachment = CARRIERS.get(type_), ATTACHMENTS.get(type_)
    if carrier is not None:
        for path, arn in _own_policies(type_, carrier, properties, carrier.id_of(ref), where):
            document = _document(at(properties, path), type_)
            if type_ == "AWS::ApiGateway::RestApi":
                document = _with_whole_arns(document, carrier.id_of(ref), where)
            yield ResourcePolicy(arn, type_, document, path)
    if attachment is not None:
        path = attachment.policy_path
        for arn in _targets(attachment, properties, where):
            written = at(properties, path) if path else _PERMISSIONS[type_](properties, arn)
            yield ResourcePolicy(arn, attachment.carrier_type, _document(written, type_), path)


def by_arn(policies: Iterable[ResourcePolicy]) -> dict[str, list[ResourcePolicy]]:
    """The policies of each resource, by its ARN. Several policies of one resource take effect as one; they are sorted
    by their text, so that their order does not depend on the order in which they were created."""
    out: dict[str, list[ResourcePolicy]] = {}
    for policy in policies:
        out.setdefault(policy.arn, []).append(policy)
    for several in out.values():
        several.sort(key=lambda policy: json.dumps(policy.document, sort_keys=True, default=str))
    return out


def snapshot_entries(policies: Iterable[ResourcePolicy], account: str) -> Iterator[dict[str, Any]]:
    """The policies of one account as entries of `AccountSnapshot.resource_policies`, one for each resource."""
    for arn, several in sorted(by_arn(policies).items()):
        document = dict(several[0].document)
        if len(several) > 1:
            statements = [statement for policy in several for statement in _statements_of_2012(policy.document)]
            document = {"Version": "2012-10-17", "Statement": statements}
        yield {"Arn": arn, "Type": several[0].type, "Account": account, "Policy": document}


def _statements_of_2012(document: Mapping[str, Any]) -> list[Any]:
    """The statements of a policy, as they read in version 2012-10-17: `${` begins no variable in older versions, so
    there it is escaped."""
    statements: list[Any] = document["Statement"]
    if document.get("Version") == "2012-10-17":
        return statements
    as_text: list[Any] = json.loads(json.dumps(statements, default=str).replace("${", "${$}{"))
    return as_text


def _document(written: Any, type_: str) -> Mapping[str, Any]:
    """A policy that is written as an object or as JSON text, its Statement as a list."""
    written = _parsed(written)
    if not isinstance(written, Mapping) or "Statement" not in written:
        raise NoPolicy(f"the policy of this {type_} has no Statement")
    statements = _parsed(written["Statement"])
    listed = statements if isinstance(statements, list) else [statements]
    document: Mapping[str, Any] = like(written, {**written, "Statement": listed})
    return document


def _parsed(written: Any) -> Any:
    """The value of JSON text; any other value unchanged."""
    try:
        return json.loads(written) if isinstance(written, str) else written
    except ValueError as error:
        raise NoPolicy(f"its policy is no JSON: {error}") from None


def _targets(attachment: PolicyAttachment, properties: Mapping[str, Any], where: Location) -> Iterator[str]:
    """The ARNs of the resources to which a policy is attached."""
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
        if carrier is None or name.startswith("arn:"):
            yield name
        elif attachment.carrier_type == "AWS::Lambda::Function":  # its name can be part of an ARN
            yield filled(carrier.arn, properties, name.rpartition(":function:")[2], where)
        else:
            yield filled(carrier.arn, properties, name, where)


def _needed(properties: Any, name: str) -> Any:
    if not isinstance(properties, Mapping) or name not in properties:
        raise NoPolicy(f"it has no property {name}")
    return properties[name]


def _event_bus_policy(properties: Mapping[str, Any], bus: str) -> Any:
    """The policy that an AWS::Events::EventBusPolicy creates: of its Statement, or of its other properties, as
    PutPermission does. `bus` is the ARN of the event bus.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-events-eventbuspolicy.html"""
    sid = properties.get("StatementId")
    if "Statement" in properties:
        statement = _parsed(properties["Statement"])
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
    if condition := properties.get("Condition"):
        operator, key, value = (_needed(condition, name) for name in ("Type", "Key", "Value"))
        made["Condition"] = {operator: {key: value}}
    return {"Version": "2012-10-17", "Statement": [made]}


def _function_policy(properties: Mapping[str, Any], function: str) -> Any:
    """The policy that an AWS::Lambda::Permission creates, as AddPermission does. `function` is the function's ARN.
    https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html"""
    principal = str(_needed(properties, "Principal"))
    kind = "AWS" if principal.startswith("arn:") or principal.isdigit() else "Service"
    if kind == "Service" and principal != "*" and not _SERVICE.fullmatch(principal):
        raise NoPolicy(f"its Principal is neither account, role, user nor service: {principal!r}")
    made: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": "*" if principal == "*" else {kind: principal},
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


#: https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-property-function-alexaskill.html
_SERVICE = re.compile(r"[a-z0-9.-]+\.amazonaws\.com(\.cn)?|alexa-[a-z]+\.amazon\.com")
#: Properties of an AWS::Lambda::Permission that become conditions of the statement: property, operator, condition key.
_PERMISSION_CONDITIONS = (
    ("SourceArn", "ArnLike", "AWS:SourceArn"),
    ("SourceAccount", "StringEquals", "AWS:SourceAccount"),
    ("PrincipalOrgID", "StringEquals", "aws:PrincipalOrgID"),
    ("EventSourceToken", "StringEquals", "lambda:EventSourceToken"),
    ("FunctionUrlAuthType", "StringEquals", "lambda:FunctionUrlAuthType"),
    ("InvokedViaFunctionUrl", "Bool", "lambda:InvokedViaFunctionUrl"),
)
#: By type that holds no policy document: the policy as a function of its properties and of the target's ARN.
_PERMISSIONS: Mapping[str, Callable[[Mapping[str, Any], str], Any]] = {
    "AWS::Events::EventBusPolicy": _event_bus_policy,
    "AWS::Lambda::Permission": _function_policy,
}


def _own_policies(
    type_: str, carrier: Carrier, properties: Mapping[str, Any], id_: str, where: Location
) -> Iterator[tuple[KeyPath, str]]:
    """The paths in the properties of a resource at which its own policies are, each with the ARN that it applies to: a
    table also has the policy of its stream, a global table those of its replicas."""
    paths = [carrier.policy_path] if carrier.policy_path and at(properties, carrier.policy_path) else []
    if type_ == "AWS::ApiGateway::RestApi":
        paths += _path_in_definition(properties)
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


def _path_in_definition(properties: Mapping[str, Any]) -> list[KeyPath]:
    """The path of the policy in an API's OpenAPI definition; empty where there is none.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/openapi-extensions-policy.html"""
    if "BodyS3Location" in properties:
        raise NoPolicy("its definition is in S3 (BodyS3Location), and may hold a policy")
    if isinstance(properties.get("Body"), str):
        raise NoPolicy("its Body is text, and may hold a policy")
    inside = ("Body", "x-amazon-apigateway-policy")
    return [inside] if at(properties, inside) else []


def _with_whole_arns(document: Mapping[str, Any], id_: str, where: Location) -> Mapping[str, Any]:
    """The policy of an API with whole ARNs: a resource `execute-api:/stage/method/path` is one of the API itself.
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
