"""The external destinations of a resource: buckets, queues, topics, buses, vaults, functions and log destinations of
other accounts that its properties name.

Data sent there can be read by the other account, and no policy of this account is asked. At the paths in the table, any
value that is not an ARN of the own account is external. Every other property of every type is examined as well
(`property_destinations`).
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from grantproof.aws.templates.carriers import ATTACHMENTS
from grantproof.aws.templates.property_destinations import PropertyPath, property_destinations
from grantproof.aws.templates.text_destinations import AWS_OWNED_SERVICES, OwnAccount, is_own

_TRIGGERS = """
    CreateAuthChallenge CustomEmailSender.LambdaArn CustomMessage CustomSMSSender.LambdaArn DefineAuthChallenge
    InboundFederation.LambdaArn PostAuthentication PostConfirmation PreAuthentication PreSignUp PreTokenGeneration
    PreTokenGenerationConfig.LambdaArn UserMigration VerifyAuthChallengeResponse
""".split()

#: By type, the paths of destinations in its properties; `*` is each entry of a list.
_PATHS: Mapping[str, tuple[str, ...]] = {
    "AWS::Backup::BackupPlan": ("BackupPlan.BackupPlanRule.*.CopyActions.*.DestinationBackupVaultArn",),
    "AWS::CodeCommit::Repository": ("Triggers.*.DestinationArn",),
    "AWS::Cognito::UserPool": (
        "EmailConfiguration.SourceArn",  # the owner of the sending identity receives the bounces
        *(f"LambdaConfig.{trigger}" for trigger in _TRIGGERS),
    ),
    "AWS::Config::ConfigRule": ("Source.SourceIdentifier",),
    "AWS::DynamoDB::GlobalTable": ("GlobalTableSourceArn",),
    "AWS::EFS::FileSystem": ("ReplicationConfiguration.Destinations.*.FileSystemId",),
    "AWS::Events::ApiDestination": ("InvocationEndpoint",),
    "AWS::Events::EventBus": ("DeadLetterConfig.Arn",),
    "AWS::Events::Rule": ("Targets.*.Arn", "Targets.*.DeadLetterConfig.Arn"),
    "AWS::IoT::TopicRule": ("TopicRulePayload.Actions.*.Http.Url", "TopicRulePayload.ErrorAction.Http.Url"),
    "AWS::KinesisFirehose::DeliveryStream": ("HttpEndpointDestinationConfiguration.EndpointConfiguration.Url",),
    "AWS::Lambda::EventInvokeConfig": (
        "DestinationConfig.OnFailure.Destination",
        "DestinationConfig.OnSuccess.Destination",
    ),
    "AWS::Lambda::EventSourceMapping": ("DestinationConfig.OnFailure.Destination",),
    "AWS::Lambda::Function": ("DeadLetterConfig.TargetArn",),
    "AWS::Logs::Delivery": ("DeliveryDestinationArn",),
    "AWS::Logs::DeliveryDestination": ("DestinationResourceArn",),
    "AWS::Logs::Destination": ("TargetArn",),
    "AWS::Logs::SubscriptionFilter": ("DestinationArn",),
    "AWS::Pipes::Pipe": (
        "Enrichment",
        "SourceParameters.DynamoDBStreamParameters.DeadLetterConfig.Arn",
        "SourceParameters.KinesisStreamParameters.DeadLetterConfig.Arn",
        "Target",
    ),
    "AWS::S3::Bucket": (
        "AnalyticsConfigurations.*.StorageClassAnalysis.DataExport.Destination.BucketArn",
        "InventoryConfigurations.*.Destination.BucketArn",
        "NotificationConfiguration.LambdaConfigurations.*.Function",
        "NotificationConfiguration.QueueConfigurations.*.Queue",
        "NotificationConfiguration.TopicConfigurations.*.Topic",
        "ReplicationConfiguration.Rules.*.Destination.Bucket",
    ),
    "AWS::S3Express::DirectoryBucket": ("InventoryConfigurations.*.Destination.BucketArn",),
    "AWS::S3ObjectLambda::AccessPoint": (
        "ObjectLambdaConfiguration.TransformationConfigurations.*.ContentTransformation.AwsLambda.FunctionArn",
    ),
    "AWS::S3Tables::TableBucket": ("ReplicationConfiguration.Rules.*.Destinations.*.DestinationTableBucketARN",),
    "AWS::SNS::Subscription": ("Endpoint",),
    "AWS::SNS::Topic": ("Subscription.*.Endpoint",),
    "AWS::SecretsManager::RotationSchedule": ("RotationLambdaARN",),
    "AWS::Scheduler::Schedule": ("Target.Arn", "Target.DeadLetterConfig.Arn"),
}
#: By type, the top-level properties that hold destinations.
DESTINATION_PROPERTIES: Mapping[str, frozenset[str]] = {
    type_: frozenset(path.partition(".")[0] for path in paths) for type_, paths in _PATHS.items()
}


def external_destinations(
    type_: str, properties: Any, own: OwnAccount, addresses: Collection[PropertyPath] = ()
) -> tuple[Any, ...]:
    """The external destinations of a resource, each once: ARNs, addresses, unresolved functions and
    `UnresolvedDestination`. Empty where there is none.

    Args:
        addresses: paths at which URLs are known to be those of the account's own resources.
    """
    out: list[Any] = []
    for path in _PATHS.get(type_, ()):
        for target in _at(properties, path.split(".")):
            if tuple(path.split(".")) not in addresses and not _is_own(target, own) and target not in out:
                out.append(target)
    if not type_.startswith("AWS::IAM::") and type_ not in ATTACHMENTS and type_ not in _STORED_TEXT:
        out += [place for place in property_destinations(type_, properties, own, addresses) if place not in out]
    return tuple(place for place in out if not (type_.startswith(_GATEWAYS) and _CALLER.fullmatch(str(place))))


#: As the credentials of an API's integration: whoever calls the API, so that the caller's own permissions count.
#: https://docs.aws.amazon.com/apigateway/latest/api/API_Integration.html (credentials)
_CALLER = re.compile(r"arn:[\w-]+:iam::\*:user/\*")
_GATEWAYS = ("AWS::ApiGateway::", "AWS::ApiGatewayV2::")


def _is_own(target: Any, own: OwnAccount) -> bool:
    if not isinstance(target, str) or not target.startswith("arn:"):
        # An address, the name of a Lambda function, or an unresolved CloudFormation function.
        return isinstance(target, str) and _ALWAYS_OWN.fullmatch(target) is not None
    return is_own(target, own, AWS_OWNED_SERVICES)


#: Types that store text: what it names is not a destination.
_STORED_TEXT = frozenset({"AWS::SSM::Parameter", "AWS::SecretsManager::Secret"})
#: The ID of a file system, which is always one of the same account, or the name of a rule managed by AWS Config.
_ALWAYS_OWN = re.compile(r"fs-[0-9a-f]+|[A-Z][A-Z0-9_]+")


def _at(value: Any, path: list[str]) -> Iterator[Any]:
    """The values at a path, `*` in it for each entry of a list. If something on the way has an undocumented shape, that
    is yielded instead."""
    if not path:
        yield value
        return
    key, *rest = path
    if key == "*" and isinstance(value, list):
        for item in value:
            yield from _at(item, rest)
    elif key != "*" and isinstance(value, Mapping) and not any(str(name).startswith("Fn::") for name in value):
        if value.get(key) is not None:
            yield from _at(value[key], rest)
    elif value is not None:
        yield value
