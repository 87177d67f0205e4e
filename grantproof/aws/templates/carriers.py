"""The tables of resource types that carry a resource policy, and of types that attach one to another resource.

Deployment, synthesis, drafting and reading of policies all use these tables. A policy on a type that is not in them is
not verified.

The rules of each service, with AWS's pages, are in `docs/resource-policies.md`. Within one account, either an identity
policy or the resource policy has to allow; across accounts, both (rules E10, X2). The exceptions are in
`Carrier.decided_elsewhere`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from grantproof.source import Key

KeyPath = tuple[Key, ...]


@dataclass(frozen=True)
class Carrier:
    """A resource type that carries a resource policy.

    Attributes:
        arn: the ARN with `{partition}`, `{region}`, `{account}`, `{id}` (the physical ID) and names of properties.
        name_property: the property that sets the physical ID; empty where AWS generates it.
        policy_path: the path of its policy in the properties; empty where only another resource attaches one.
        ref: what `Ref` returns: "id" (the physical ID) or "arn".
        attributes: what `Fn::GetAtt` returns, in the form of `arn`.
        decided_elsewhere: a prefix of actions that these policies alone do not decide, and what else does. Such an
            action is never reported as allowed.
    """

    arn: str
    name_property: str = ""
    policy_path: KeyPath = ()
    ref: str = "id"
    attributes: Mapping[str, str] = field(default_factory=dict)
    decided_elsewhere: tuple[str, str] | None = None

    def id_of(self, ref: str) -> str:
        """The physical ID, from the value of `Ref`."""
        return ref.rpartition("/")[2].rpartition(":")[2] if self.ref == "arn" else ref


@dataclass(frozen=True)
class PolicyAttachment:
    """A resource type that attaches a policy to another resource.

    Attributes:
        carrier_type: the type of the other resource.
        target_property: the property that names one or more of them, by ARN, name or URL. Empty: all resources of the
            service in the account and region.
        policy_path: the path of the policy in the properties.
    """

    carrier_type: str
    target_property: str
    policy_path: KeyPath


@dataclass(frozen=True)
class Location:
    """Where a resource is created."""

    partition: str
    region: str
    account: str


def _arn(service: str, resource: str, attributes: str = "Arn", **more: Any) -> Carrier:
    """A carrier whose ARN names region and account; `attributes` are those that give the ARN."""
    arn = f"arn:{{partition}}:{service}:{{region}}:{{account}}:{resource}"
    others = more.pop("others", {})
    return Carrier(arn, attributes={**dict.fromkeys(attributes.split(), arn), **others}, **more)


_SEARCH = _arn(
    "es",
    "domain/{id}",
    "Arn DomainArn",
    name_property="DomainName",
    policy_path=("AccessPolicies",),
    others={"DomainEndpoint": "search-{id}-example.{region}.es.amazonaws.com", "Id": "{account}/{id}"},
)

#: The ARN of a stream ends in its creation time, which is fixed in the mocked world.
STREAM = "arn:{partition}:dynamodb:{region}:{account}:table/{id}/stream/2024-01-01T00:00:00.000"

#: By type. Account-level policies of a service have an ARN of the form `arn:...:logs:REGION:ACCOUNT:*`.
CARRIERS: Mapping[str, Carrier] = {
    "AWS::APS::Workspace": _arn("aps", "workspace/{id}", ref="arn", others={"WorkspaceId": "{id}"}),
    "AWS::ApiGateway::RestApi": Carrier(
        "arn:{partition}:apigateway:{region}::/restapis/{id}",
        policy_path=("Policy",),
        attributes={"RestApiId": "{id}"},
        decided_elsewhere=("execute-api:", "the API's methods say whom they ask for an identity"),
    ),
    "AWS::Backup::BackupVault": _arn(
        "backup",
        "backup-vault:{id}",
        "BackupVaultArn",
        name_property="BackupVaultName",
        policy_path=("AccessPolicy",),
        others={"BackupVaultName": "{id}"},
        decided_elsewhere=("backup:", "AWS Backup refuses calls across accounts whatever the vault's policy says"),
    ),
    "AWS::Backup::LogicallyAirGappedBackupVault": _arn(
        "backup",
        "backup-vault:{id}",
        "BackupVaultArn",
        name_property="BackupVaultName",
        policy_path=("AccessPolicy",),
        others={"BackupVaultName": "{id}"},
        decided_elsewhere=("backup:", "such a vault is shared by AWS RAM, too"),
    ),
    "AWS::CloudTrail::EventDataStore": _arn("cloudtrail", "eventdatastore/{id}", "EventDataStoreArn", ref="arn"),
    "AWS::CodeArtifact::Domain": _arn(
        "codeartifact",
        "domain/{id}",
        name_property="DomainName",
        ref="arn",
        policy_path=("PermissionsPolicyDocument",),
        others={"Name": "{id}", "Owner": "{account}"},
    ),
    "AWS::CodeArtifact::Repository": _arn(
        "codeartifact",
        "repository/{DomainName}/{id}",
        name_property="RepositoryName",
        ref="arn",
        policy_path=("PermissionsPolicyDocument",),
        others={"Name": "{id}", "DomainName": "{DomainName}", "DomainOwner": "{account}"},
    ),
    "AWS::DSQL::Cluster": _arn(
        "dsql", "cluster/{id}", "ResourceArn", policy_path=("PolicyDocument",), others={"Identifier": "{id}"}
    ),
    "AWS::DynamoDB::GlobalTable": _arn(
        "dynamodb", "table/{id}", name_property="TableName", others={"StreamArn": STREAM, "TableId": "{id}"}
    ),
    "AWS::DynamoDB::Table": _arn(
        "dynamodb",
        "table/{id}",
        name_property="TableName",
        policy_path=("ResourcePolicy", "PolicyDocument"),
        others={"StreamArn": STREAM},
    ),
    "AWS::EFS::FileSystem": _arn(
        "elasticfilesystem",
        "file-system/{id}",
        policy_path=("FileSystemPolicy",),
        others={"FileSystemId": "{id}"},
        decided_elsewhere=("elasticfilesystem:client", "who mounts a file system without IAM is anonymous"),
    ),
    "AWS::Elasticsearch::Domain": _SEARCH,
    "AWS::EventSchemas::Registry": _arn(
        "schemas",
        "registry/{id}",
        "RegistryArn",
        name_property="RegistryName",
        ref="arn",
        others={"RegistryName": "{id}"},
    ),
    "AWS::Events::EventBus": _arn(
        "events", "event-bus/{id}", name_property="Name", policy_path=("Policy",), others={"Name": "{id}"}
    ),
    # Its policy is independent of the primary key's.
    "AWS::KMS::ReplicaKey": _arn("kms", "key/{id}", policy_path=("KeyPolicy",), others={"KeyId": "{id}"}),
    "AWS::Kinesis::Stream": _arn("kinesis", "stream/{id}", name_property="Name"),
    "AWS::Lambda::Alias": _arn("lambda", "function:{function}:{id}", "AliasArn", name_property="Name", ref="arn"),
    "AWS::Lambda::Function": _arn("lambda", "function:{id}", name_property="FunctionName"),
    # Every version counts as version 1.
    "AWS::Lambda::Version": _arn("lambda", "function:{function}:1", "FunctionArn", ref="arn", others={"Version": "1"}),
    "AWS::Logs::DeliveryDestination": _arn(
        "logs",
        "delivery-destination:{id}",
        name_property="Name",
        policy_path=("DeliveryDestinationPolicy", "DeliveryDestinationPolicy"),
        others={"Name": "{id}"},
    ),
    "AWS::Logs::Destination": _arn(
        "logs", "destination:{id}", name_property="DestinationName", policy_path=("DestinationPolicy",)
    ),
    "AWS::Oam::Sink": _arn("oam", "sink/{id}", ref="arn", policy_path=("Policy",)),
    "AWS::OpenSearchService::Domain": _SEARCH,
    "AWS::PaymentCryptography::Key": _arn(
        "payment-cryptography", "key/{id}", "KeyIdentifier", ref="arn", policy_path=("Policy",)
    ),
    "AWS::S3::AccessPoint": _arn(
        "s3",
        "accesspoint/{id}",
        name_property="Name",
        policy_path=("Policy",),
        others={"Name": "{id}", "Alias": "{id}-s3alias"},
        decided_elsewhere=("s3:", "the policy of the bucket behind an access point has to allow, too"),
    ),
    "AWS::S3Express::DirectoryBucket": _arn("s3express", "bucket/{id}", name_property="BucketName"),
    "AWS::S3ObjectLambda::AccessPoint": _arn(
        "s3-object-lambda",
        "accesspoint/{id}",
        name_property="Name",
        decided_elsewhere=(
            "s3-object-lambda:",
            "the access point, the bucket and the function behind it have to allow, too",
        ),
    ),
    "AWS::S3Tables::TableBucket": _arn(
        "s3tables", "bucket/{id}", "TableBucketARN", name_property="TableBucketName", ref="arn"
    ),
    "AWS::SageMaker::ModelPackageGroup": _arn(
        "sagemaker",
        "model-package-group/{id}",
        "ModelPackageGroupArn",
        name_property="ModelPackageGroupName",
        ref="arn",
        policy_path=("ModelPackageGroupPolicy",),
    ),
}

#: By type.
ATTACHMENTS: Mapping[str, PolicyAttachment] = {
    "AWS::APS::ResourcePolicy": PolicyAttachment("AWS::APS::Workspace", "WorkspaceArn", ("PolicyDocument",)),
    "AWS::Bedrock::ResourcePolicy": PolicyAttachment("AWS::Bedrock::Guardrail", "ResourceArn", ("PolicyDocument",)),
    "AWS::BedrockAgentCore::ResourcePolicy": PolicyAttachment(
        "AWS::BedrockAgentCore::Runtime", "ResourceArn", ("Policy",)
    ),
    "AWS::CloudTrail::ResourcePolicy": PolicyAttachment(
        "AWS::CloudTrail::EventDataStore", "ResourceArn", ("ResourcePolicy",)
    ),
    "AWS::ECR::RegistryPolicy": PolicyAttachment("AWS::ECR::Registry", "", ("PolicyText",)),
    "AWS::EventSchemas::RegistryPolicy": PolicyAttachment("AWS::EventSchemas::Registry", "RegistryName", ("Policy",)),
    "AWS::Events::EventBusPolicy": PolicyAttachment("AWS::Events::EventBus", "EventBusName", ()),
    "AWS::Kinesis::ResourcePolicy": PolicyAttachment("AWS::Kinesis::Stream", "ResourceArn", ("ResourcePolicy",)),
    "AWS::Lambda::Permission": PolicyAttachment("AWS::Lambda::Function", "FunctionName", ()),
    "AWS::Lambda::ResourcePolicy": PolicyAttachment("AWS::Lambda::Function", "ResourceArn", ("PolicyDocument",)),
    "AWS::Lex::ResourcePolicy": PolicyAttachment("AWS::Lex::Bot", "ResourceArn", ("Policy",)),
    "AWS::Logs::ResourcePolicy": PolicyAttachment("AWS::Logs::LogGroup", "", ("PolicyDocument",)),
    "AWS::MSK::ClusterPolicy": PolicyAttachment("AWS::MSK::Cluster", "ClusterArn", ("Policy",)),
    "AWS::S3Express::BucketPolicy": PolicyAttachment("AWS::S3Express::DirectoryBucket", "Bucket", ("PolicyDocument",)),
    "AWS::S3ObjectLambda::AccessPointPolicy": PolicyAttachment(
        "AWS::S3ObjectLambda::AccessPoint", "ObjectLambdaAccessPoint", ("PolicyDocument",)
    ),
    "AWS::S3Outposts::BucketPolicy": PolicyAttachment("AWS::S3Outposts::Bucket", "Bucket", ("PolicyDocument",)),
    "AWS::S3Tables::TableBucketPolicy": PolicyAttachment(
        "AWS::S3Tables::TableBucket", "TableBucketARN", ("ResourcePolicy",)
    ),
    "AWS::S3Tables::TablePolicy": PolicyAttachment("AWS::S3Tables::Table", "TableARN", ("ResourcePolicy",)),
    "AWS::SMSVOICE::ResourcePolicy": PolicyAttachment("AWS::SMSVOICE::PhoneNumber", "ResourceArn", ("PolicyDocument",)),
    "AWS::SSM::ResourcePolicy": PolicyAttachment("AWS::SSM::Parameter", "ResourceArn", ("Policy",)),
    "AWS::XRay::ResourcePolicy": PolicyAttachment("AWS::XRay::Group", "", ("PolicyDocument",)),
}


#: Types with a key policy, without which nobody has access (rule K2).
KEYS = frozenset({"AWS::KMS::Key", "AWS::KMS::ReplicaKey"})


class NoPolicy(ValueError):
    """The policy that properties attach, or its target, cannot be determined. The message says why."""


def filled(template: str, properties: Any, id_: str, where: Location) -> str:
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


def what_else_decides(type_: str, action: str) -> str:
    """What decides about an action on a resource of this type besides policies; empty where nothing does."""
    carrier = CARRIERS.get(type_)
    if carrier is None or carrier.decided_elsewhere is None:
        return ""
    prefix, decider = carrier.decided_elsewhere
    return decider if action.lower().startswith(prefix) else ""


def registry_policy_arn(arn: str) -> str:
    """The ARN of the account-level policy that applies to a resource besides its own policy: for a repository, that of
    its ECR registry. Empty where there is none.
    https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry-permissions.html"""
    head, _, resource = arn.rpartition(":repository/")
    return f"{head}:*" if resource and head.split(":")[2:3] == ["ecr"] else ""


def carrier_arn(arn: str) -> str:
    """The ARN of the resource that carries the policy for a resource: itself, or one that contains it."""
    fields = arn.split(":", 5)
    if len(fields) < 6:
        return arn
    head, service, resource = ":".join(fields[:5]), fields[2], fields[5]
    parts = resource.split("/")
    match service, parts[0]:
        case "s3", first if not fields[3]:
            return f"{head}:{first}"  # rule R17
        case "s3" | "s3-object-lambda", "accesspoint":
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
        case "sagemaker", "model-package":
            return f"{head}:model-package-group/{'/'.join(parts[1:2])}"
        case "logs", kind if kind.startswith("log-group"):
            return f"{head}:*"
    return arn
