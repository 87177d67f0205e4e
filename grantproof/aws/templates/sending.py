"""Where resources send what they hold or are given, without anybody's permission that is read: the buckets, queues,
topics, buses, vaults, functions and log destinations that their properties name.

Whoever has the other account reads it there. Beside the table, where what is not an ARN of the account's own is
somewhere else, every property of every type is looked at (`outward`).
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from grantproof.aws.templates.carriers import ATTACHMENTS
from grantproof.aws.templates.outward import Steps, sent_by_any
from grantproof.aws.templates.strangers import OF_AWS, Own, is_own

_TRIGGERS = """
    CreateAuthChallenge CustomEmailSender.LambdaArn CustomMessage CustomSMSSender.LambdaArn DefineAuthChallenge
    InboundFederation.LambdaArn PostAuthentication PostConfirmation PreAuthentication PreSignUp PreTokenGeneration
    PreTokenGenerationConfig.LambdaArn UserMigration VerifyAuthChallengeResponse
""".split()

#: The paths of the destinations in the properties, by type; `*` is each entry of a list.
_TO: Mapping[str, tuple[str, ...]] = {
    "AWS::Backup::BackupPlan": ("BackupPlan.BackupPlanRule.*.CopyActions.*.DestinationBackupVaultArn",),
    "AWS::CodeCommit::Repository": ("Triggers.*.DestinationArn",),
    "AWS::Cognito::UserPool": (
        "EmailConfiguration.SourceArn",  # whose identity sends the mails is told of those that come back
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
#: By type, the properties that hold them.
SENDING: Mapping[str, frozenset[str]] = {
    type_: frozenset(path.partition(".")[0] for path in paths) for type_, paths in _TO.items()
}


def sent_away(type_: str, properties: Any, own: Own, addresses: Collection[Steps] = ()) -> tuple[Any, ...]:
    """Where a resource sends to that is not known to be of its account, as its properties have it: an ARN, an address,
    or what is not resolved. Each once; empty where it sends nothing away.

    Args:
        addresses: where in the properties addresses stand that are of the account's own resources.
    """
    out: list[Any] = []
    for path in _TO.get(type_, ()):
        for target in _at(properties, path.split(".")):
            if tuple(path.split(".")) not in addresses and not _is_own(target, own) and target not in out:
                out.append(target)
    if not type_.startswith("AWS::IAM::") and type_ not in ATTACHMENTS and type_ not in _NOTHING:
        out += [place for place in sent_by_any(type_, properties, own, addresses) if place not in out]
    return tuple(out)


def _is_own(target: Any, own: Own) -> bool:
    if not isinstance(target, str) or not target.startswith("arn:"):
        # Else an address, a function by its name alone, or what is not resolved.
        return isinstance(target, str) and _BY_ITSELF.fullmatch(target) is not None
    return is_own(target, own, OF_AWS)


#: Text that is kept, whatever it names.
_NOTHING = frozenset({"AWS::SSM::Parameter", "AWS::SecretsManager::Secret"})
#: A file system by its id alone is one of the same account; a rule that Config has by itself is AWS's.
_BY_ITSELF = re.compile(r"fs-[0-9a-f]+|[A-Z][A-Z0-9_]+")


def _at(value: Any, path: list[str]) -> Iterator[Any]:
    """What stands at a path; what is of another shape than the documented one stands for itself."""
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
