"""Which resources carry a policy, and which hang one on another: a table, as data, for all who ask.

Deploying, working out, finding places, drafting and reading all take it from here. A type that is not in it, and that
carries a policy all the same, is not verified.

What is known of each service's rules stands in `docs/resource-policies.md`, with AWS's pages. In one account either the
identity's policies or the resource's have to allow, across accounts both (rules E10, X2), except where `beyond` says
that more than these policies decides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from grantproof.aws.templates.placed import like
from grantproof.source import Key, at

KeyPath = tuple[Key, ...]


@dataclass(frozen=True)
class Carrier:
    """Resources of one type, on which a policy can be.

    Attributes:
        arn: with `{partition}`, `{region}`, `{account}`, `{id}` (the physical id) and the names of properties.
        named: the property that gives the physical id; empty where AWS makes it up.
        own: where the properties hold its policy; empty where only another resource hangs one on it.
        ref: what `Ref` gives: the physical id, or the ARN.
        attributes: what `Fn::GetAtt` gives, written as `arn` is.
        beyond: actions, by how they begin, over which more than these policies decides, and what that is: nobody is
            told that they are allowed.
    """

    arn: str
    named: str = ""
    own: KeyPath = ()
    ref: str = "id"
    attributes: Mapping[str, str] = field(default_factory=dict)
    beyond: tuple[str, str] | None = None

    def id_of(self, ref: str) -> str:
        """The physical id, of what `Ref` gives."""
        return ref.rpartition("/")[2].rpartition(":")[2] if self.ref == "arn" else ref


@dataclass(frozen=True)
class Hung:
    """Resources of one type, which put a policy on another.

    Attributes:
        on: the type of the other.
        target: the property that names it or several of them: by ARN, name or URL. Empty: everything that the service
            has in the account and region.
        document: where the properties hold the policy.
    """

    on: str
    target: str
    document: KeyPath


@dataclass(frozen=True)
class Where:
    """Where a resource is made."""

    partition: str
    region: str
    account: str


@dataclass(frozen=True)
class Hanging:
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


def _arn(service: str, resource: str, attributes: str = "Arn", **more: Any) -> Carrier:
    """A carrier whose ARN names region and account; `attributes` are those that give the ARN."""
    arn = f"arn:{{partition}}:{service}:{{region}}:{{account}}:{resource}"
    others = more.pop("others", {})
    return Carrier(arn, attributes={**dict.fromkeys(attributes.split(), arn), **others}, **more)


_SEARCH = _arn(
    "es",
    "domain/{id}",
    "Arn DomainArn",
    named="DomainName",
    own=("AccessPolicies",),
    others={"DomainEndpoint": "search-{id}-example.{region}.es.amazonaws.com", "Id": "{account}/{id}"},
)

#: What a stream is called by the time at which it is made; in the mocked world always by this one.
_STREAM = "arn:{partition}:dynamodb:{region}:{account}:table/{id}/stream/2024-01-01T00:00:00.000"

#: By type. The account's own policy of a service stands for what has no ARN: `arn:...:logs:REGION:ACCOUNT:*`.
CARRIERS: Mapping[str, Carrier] = {
    "AWS::ApiGateway::RestApi": Carrier(
        "arn:{partition}:apigateway:{region}::/restapis/{id}",
        own=("Policy",),
        attributes={"RestApiId": "{id}"},
        beyond=("execute-api:", "the API's methods say whom they ask for an identity"),
    ),
    "AWS::Backup::BackupVault": _arn(
        "backup",
        "backup-vault:{id}",
        "BackupVaultArn",
        named="BackupVaultName",
        own=("AccessPolicy",),
        others={"BackupVaultName": "{id}"},
        beyond=("backup:", "AWS Backup refuses calls across accounts whatever the vault's policy says"),
    ),
    "AWS::CodeArtifact::Domain": _arn(
        "codeartifact",
        "domain/{id}",
        named="DomainName",
        ref="arn",
        own=("PermissionsPolicyDocument",),
        others={"Name": "{id}", "Owner": "{account}"},
    ),
    "AWS::CodeArtifact::Repository": _arn(
        "codeartifact",
        "repository/{DomainName}/{id}",
        named="RepositoryName",
        ref="arn",
        own=("PermissionsPolicyDocument",),
        others={"Name": "{id}", "DomainName": "{DomainName}", "DomainOwner": "{account}"},
    ),
    "AWS::DynamoDB::GlobalTable": _arn(
        "dynamodb", "table/{id}", named="TableName", others={"StreamArn": _STREAM, "TableId": "{id}"}
    ),
    "AWS::DynamoDB::Table": _arn(
        "dynamodb",
        "table/{id}",
        named="TableName",
        own=("ResourcePolicy", "PolicyDocument"),
        others={"StreamArn": _STREAM},
    ),
    "AWS::EFS::FileSystem": _arn(
        "elasticfilesystem",
        "file-system/{id}",
        own=("FileSystemPolicy",),
        others={"FileSystemId": "{id}"},
        beyond=("elasticfilesystem:client", "who mounts a file system without IAM is anonymous"),
    ),
    "AWS::Elasticsearch::Domain": _SEARCH,
    "AWS::Events::EventBus": _arn("events", "event-bus/{id}", named="Name", own=("Policy",), others={"Name": "{id}"}),
    "AWS::Kinesis::Stream": _arn("kinesis", "stream/{id}", named="Name"),
    "AWS::Lambda::Alias": _arn("lambda", "function:{function}:{id}", "AliasArn", named="Name", ref="arn"),
    "AWS::Lambda::Function": _arn("lambda", "function:{id}", named="FunctionName"),
    # Every version is the first one here.
    "AWS::Lambda::Version": _arn("lambda", "function:{function}:1", "FunctionArn", ref="arn", others={"Version": "1"}),
    "AWS::Logs::Destination": _arn("logs", "destination:{id}", named="DestinationName", own=("DestinationPolicy",)),
    "AWS::OpenSearchService::Domain": _SEARCH,
    "AWS::S3::AccessPoint": _arn(
        "s3",
        "accesspoint/{id}",
        named="Name",
        own=("Policy",),
        others={"Name": "{id}", "Alias": "{id}-s3alias"},
        beyond=("s3:", "the policy of the bucket behind an access point has to allow, too"),
    ),
}

#: By type.
HUNG: Mapping[str, Hung] = {
    "AWS::CloudTrail::ResourcePolicy": Hung("AWS::CloudTrail::EventDataStore", "ResourceArn", ("ResourcePolicy",)),
    "AWS::Events::EventBusPolicy": Hung("AWS::Events::EventBus", "EventBusName", ()),
    "AWS::Kinesis::ResourcePolicy": Hung("AWS::Kinesis::Stream", "ResourceArn", ("ResourcePolicy",)),
    "AWS::Lambda::Permission": Hung("AWS::Lambda::Function", "FunctionName", ()),
    "AWS::Lambda::ResourcePolicy": Hung("AWS::Lambda::Function", "ResourceArn", ("PolicyDocument",)),
    "AWS::Logs::ResourcePolicy": Hung("AWS::Logs::LogGroup", "", ("PolicyDocument",)),
    "AWS::MSK::ClusterPolicy": Hung("AWS::MSK::Cluster", "ClusterArn", ("Policy",)),
    "AWS::S3Tables::TableBucketPolicy": Hung("AWS::S3Tables::TableBucket", "TableBucketARN", ("ResourcePolicy",)),
    "AWS::S3Tables::TablePolicy": Hung("AWS::S3Tables::Table", "TableARN", ("ResourcePolicy",)),
    "AWS::SSM::ResourcePolicy": Hung("AWS::SSM::Parameter", "ResourceArn", ("Policy",)),
}


class NoPolicy(ValueError):
    """Properties of which it cannot be said what policy they hang on what."""


def hanging(type_: str, properties: Any, ref: str, where: Where) -> Iterator[Hanging]:
    """The policies that a resource puts on itself or on others. `ref` is what `Ref` gives.

    Raises:
        NoPolicy: they cannot be told.
    """
    properties = properties if isinstance(properties, Mapping) else {}
    carrier, hung = CARRIERS.get(type_), HUNG.get(type_)
    if carrier is not None:
        for path, arn in _own(type_, carrier, properties, carrier.id_of(ref), where):
            written = _document(at(properties, path), type_)
            yield Hanging(arn, type_, _OWN.get(type_, _as_it_is)(written, carrier.id_of(ref), where), path)
    if hung is not None:
        for arn in _targets(hung, properties, where):
            written = at(properties, hung.document) if hung.document else _BY_PROPERTIES[type_](properties, arn)
            yield Hanging(arn, hung.on, _document(written, type_), hung.document)


def filled(template: str, properties: Any, id_: str, where: Where) -> str:
    """An ARN or attribute of the table, filled in."""
    try:
        return template.format_map(
            {
                **properties,
                "id": id_,
                "partition": where.partition,
                "region": where.region,
                "account": where.account,
                "function": str(properties.get("FunctionName", "")).rpartition(":function:")[2],
            }
        )
    except KeyError as error:
        raise NoPolicy(f"it has no property {error.args[0]}") from None


def merged(found: Iterable[Hanging]) -> dict[str, list[Hanging]]:
    """Those that hang on the same, by its ARN. Their statements are one policy, in an order that does not depend on
    which of them was made first."""
    out: dict[str, list[Hanging]] = {}
    for one in found:
        out.setdefault(one.arn, []).append(one)
    for several in out.values():
        several.sort(key=lambda one: json.dumps(one.document, sort_keys=True, default=str))
    return out


def snapshot_entries(found: Iterable[Hanging], account: str) -> Iterator[dict[str, Any]]:
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


def more_than_policies(type_: str, action: str) -> str:
    """What decides over an action on a carrier besides policies; empty where nothing does."""
    carrier = CARRIERS.get(type_)
    begins, what = carrier.beyond if carrier is not None and carrier.beyond is not None else ("", "")
    return what if action.lower().startswith(begins) else ""


def carrying(arn: str) -> str:
    """The ARN of what carries the policy for a resource: itself, or what it is a part of."""
    fields = arn.split(":", 5)
    if len(fields) < 6:
        return arn
    head, service, resource = ":".join(fields[:5]), fields[2], fields[5]
    parts = resource.split("/")
    match service, parts[0]:
        case "s3", first if not fields[3]:
            return f"{head}:{first}"  # rule R17
        case "s3", "accesspoint":
            return f"{head}:{'/'.join(parts[:2])}"
        case "dynamodb", "table" if parts[2:3] == ["index"]:
            return f"{head}:{'/'.join(parts[:2])}"
        case "events", "rule":
            return f"{head}:event-bus/{parts[1] if len(parts) > 2 else 'default'}"
        case "es", "domain":
            return f"{head}:{'/'.join(parts[:2])}"
        case "codeartifact", "package":
            return f"{head}:repository/{'/'.join(parts[1:3])}"
        case "execute-api", api:
            return f"arn:{fields[1]}:apigateway:{fields[3]}::/restapis/{api}"
        case "logs", kind if kind.startswith("log-group"):
            return f"{head}:*"
    return arn


# --- services ---------------------------------------------------------------------------------------------------------


def _document(written: Any, type_: str) -> Mapping[str, Any]:
    """A policy as it is written: an object, or text."""
    if isinstance(written, str):
        try:
            written = json.loads(written)
        except ValueError as error:
            raise NoPolicy(f"the policy of this {type_} is no JSON: {error}") from None
    if not isinstance(written, Mapping) or "Statement" not in written:
        raise NoPolicy(f"the policy of this {type_} has no Statement")
    statements = written["Statement"]
    if isinstance(statements, str):
        return _document({**written, "Statement": json.loads(statements)}, type_)
    listed = statements if isinstance(statements, list) else [statements]
    document: Mapping[str, Any] = like(written, {**written, "Statement": listed})
    return document


def _targets(hung: Hung, properties: Mapping[str, Any], where: Where) -> Iterator[str]:
    if not hung.target:
        service = hung.on.split("::")[1].lower()
        yield f"arn:{where.partition}:{service}:{where.region}:{where.account}:*"
        return
    given = properties.get(hung.target)
    if given is None and hung.on == "AWS::Events::EventBus":
        given = "default"
    for name in given if isinstance(given, list) else [given]:
        if not isinstance(name, str) or not name:
            raise NoPolicy(f"its {hung.target} names nothing")
        carrier = CARRIERS.get(hung.on)
        if not name.startswith("arn:") and (carrier is None or hung.target.lower().endswith("arn")):
            raise NoPolicy(f"its {hung.target} is no ARN: {name}")
        whole = carrier is None or name.startswith("arn:")
        # A function may also be named by part of its ARN.
        part = name.rpartition(":function:")[2] if hung.on == "AWS::Lambda::Function" else name
        yield name if whole or carrier is None else filled(carrier.arn, properties, part, where)


def _of_bus(properties: Mapping[str, Any], bus: str) -> Any:
    """The policy of an AWS::Events::EventBusPolicy: a statement, or what PutPermission makes of its other properties.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-events-eventbuspolicy.html"""
    sid = properties.get("StatementId")
    if "Statement" in properties:
        statement = properties["Statement"]
        statement = json.loads(statement) if isinstance(statement, str) else statement
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
        "Action": properties["Action"],
        "Resource": bus,
    }
    if asked := properties.get("Condition"):
        made["Condition"] = {asked["Type"]: {asked["Key"]: asked["Value"]}}
    return {"Version": "2012-10-17", "Statement": [made]}


def _of_function(properties: Mapping[str, Any], function: str) -> Any:
    """The policy that AddPermission makes of an AWS::Lambda::Permission.
    https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html"""
    named = str(properties["Principal"])
    kind = "AWS" if named.startswith("arn:") or named.isdigit() else "Service"
    if kind == "Service" and named != "*" and not _SERVICE.fullmatch(named):
        raise NoPolicy(f"its Principal is neither account, role, user nor service: {named!r}")
    made: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": "*" if named == "*" else {kind: named},
        "Action": properties["Action"],
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
    type_: str, carrier: Carrier, properties: Mapping[str, Any], id_: str, where: Where
) -> Iterator[tuple[KeyPath, str]]:
    """Where a resource writes policies of its own, and the ARN of what each is on."""
    paths = [carrier.own] if carrier.own and at(properties, carrier.own) else []
    if type_ == "AWS::ApiGateway::RestApi":
        paths += _in_definition(properties)
        if len(paths) > 1:
            raise NoPolicy("it has a Policy, and another in its Body")
    yield from ((path, filled(carrier.arn, properties, id_, where)) for path in paths)
    stream = ("StreamSpecification", "ResourcePolicy", "PolicyDocument")
    if type_ == "AWS::DynamoDB::Table" and at(properties, stream):
        yield stream, filled(_STREAM, properties, id_, where)
    if type_ == "AWS::DynamoDB::GlobalTable":
        for number, replica in enumerate(properties.get("Replicas") or ()):
            there = replace(where, region=str(at(replica, ("Region",))))
            for inside, arn in (
                (("ResourcePolicy",), carrier.arn),
                (("ReplicaStreamSpecification", "ResourcePolicy"), _STREAM),
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


def _as_it_is(document: Mapping[str, Any], id_: str, where: Where) -> Mapping[str, Any]:
    return document


def _of_api(document: Mapping[str, Any], id_: str, where: Where) -> Mapping[str, Any]:
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


_OWN: Mapping[str, Callable[[Mapping[str, Any], str, Where], Mapping[str, Any]]] = {"AWS::ApiGateway::RestApi": _of_api}
