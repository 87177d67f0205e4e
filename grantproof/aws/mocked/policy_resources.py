"""Resources of services other than IAM that carry a policy, or attach one to a resource.

moto 5.2.5 does not know `AWS::S3::BucketPolicy`, `AWS::SQS::QueuePolicy`, `AWS::SNS::TopicPolicy` and the types of
Secrets Manager, drops the policy of `AWS::ECR::Repository`, and requires a key policy where CloudFormation does not.
This module creates them by calls of the mocked services, property by property, as `iam_resources` does.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from grantproof.aws.mocked.created import Client, CreatedResource, Properties, UnsupportedResource, creator


def _text(document: Any) -> str:
    text = document if isinstance(document, str) else json.dumps(document)
    try:
        is_object = isinstance(json.loads(text), dict)
    except ValueError:
        return text  # which the service refuses
    if not is_object:
        raise UnsupportedResource("it: its policy is no object")  # moto accepts it, and fails later
    return text


def _bucket_policy(s3: Client, p: Properties, generated: str) -> CreatedResource:
    bucket = p["Bucket"]
    s3.put_bucket_policy(Bucket=bucket, Policy=_text(p["PolicyDocument"]))

    def remove() -> None:
        try:
            s3.delete_bucket_policy(Bucket=bucket)
        except s3.exceptions.NoSuchBucket:
            return  # the bucket is already deleted

    return CreatedResource(s3, generated, {}, remove)


def _queue_policy(sqs: Client, p: Properties, generated: str) -> CreatedResource:
    for url in p["Queues"]:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": _text(p["PolicyDocument"])})

    def remove() -> None:
        for url in p["Queues"]:
            try:
                sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
            except sqs.exceptions.QueueDoesNotExist:
                continue  # the queue is already deleted

    return CreatedResource(sqs, generated, {}, remove)


def _topic_policy(sns: Client, p: Properties, generated: str) -> CreatedResource:
    before = {arn: sns.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"] for arn in p["Topics"]}
    for arn in before:
        sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=_text(p["PolicyDocument"]))

    def remove() -> None:
        for arn, policy in before.items():
            try:
                sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=policy)
            except sns.exceptions.NotFoundException:
                continue  # the topic is already deleted

    return CreatedResource(sns, generated, {}, remove)


def _inline_queue_policy(sqs: Client, p: Properties, generated: str) -> CreatedResource:
    return _queue_policy(sqs, {**p, "Queues": [p["Queue"]]}, generated)


def _inline_topic_policy(sns: Client, p: Properties, generated: str) -> CreatedResource:
    return _topic_policy(sns, {**p, "Topics": [p["TopicArn"]]}, generated)


def _secret(secrets: Client, p: Properties, generated: str) -> CreatedResource:
    more = {name: p[name] for name in ("Description", "KmsKeyId", "Tags") if p.get(name)}
    # The value does not change who may read it.
    secret = secrets.create_secret(Name=p.get("Name") or generated, SecretString=p.get("SecretString") or "{}", **more)
    arn = secret["ARN"]
    return CreatedResource(
        secrets, arn, {"Id": arn}, lambda: secrets.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
    )


def _secret_policy(secrets: Client, p: Properties, generated: str) -> CreatedResource:
    secret = p["SecretId"]
    secrets.put_resource_policy(SecretId=secret, ResourcePolicy=_text(p["ResourcePolicy"]))

    def remove() -> None:
        try:
            secrets.delete_resource_policy(SecretId=secret)
        except secrets.exceptions.ResourceNotFoundException:
            return  # the secret is already deleted

    return CreatedResource(secrets, secret, {}, remove)


def _key(kms: Client, p: Properties, generated: str) -> CreatedResource:
    more = {name: p[name] for name in ("Description", "KeyUsage", "KeySpec", "Origin") if p.get(name)}
    if p.get("KeyPolicy"):
        more["Policy"] = _text(p["KeyPolicy"])
    tags = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in p.get("Tags") or ()]
    multi_region = str(p.get("MultiRegion", "false")).lower() == "true"
    key = kms.create_key(**more, Tags=tags, MultiRegion=multi_region)["KeyMetadata"]
    if str(p.get("EnableKeyRotation", "false")).lower() == "true":
        kms.enable_key_rotation(KeyId=key["KeyId"])

    def remove() -> None:
        # A key that waits for its deletion cannot be used, whatever its policy says.
        kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=int(p.get("PendingWindowInDays", 30)))

    return CreatedResource(kms, key["KeyId"], {"Arn": key["Arn"], "KeyId": key["KeyId"]}, remove)


def _repository(ecr: Client, p: Properties, generated: str) -> CreatedResource:
    name = p.get("RepositoryName") or generated.lower()
    repository = ecr.create_repository(repositoryName=name)["repository"]
    if p.get("RepositoryPolicyText"):
        ecr.set_repository_policy(repositoryName=name, policyText=_text(p["RepositoryPolicyText"]))
    return CreatedResource(
        ecr,
        name,
        {"Arn": repository["repositoryArn"], "RepositoryUri": repository["repositoryUri"]},
        lambda: ecr.delete_repository(repositoryName=name, force=True),
    )


_CREATORS: Mapping[str, tuple[str, str, Callable[[Client, Properties, str], CreatedResource]]] = {
    "AWS::S3::BucketPolicy": ("s3", "Bucket PolicyDocument", _bucket_policy),
    "AWS::SQS::QueuePolicy": ("sqs", "Queues PolicyDocument", _queue_policy),
    "AWS::SNS::TopicPolicy": ("sns", "Topics PolicyDocument", _topic_policy),
    "AWS::SQS::QueueInlinePolicy": ("sqs", "Queue PolicyDocument", _inline_queue_policy),
    "AWS::SNS::TopicInlinePolicy": ("sns", "TopicArn PolicyDocument", _inline_topic_policy),
    "AWS::SecretsManager::Secret": (
        "secretsmanager",
        "Name Description KmsKeyId SecretString GenerateSecretString Tags",
        _secret,
    ),
    "AWS::SecretsManager::ResourcePolicy": (
        "secretsmanager",
        "SecretId ResourcePolicy BlockPublicPolicy",
        _secret_policy,
    ),
    "AWS::KMS::Key": (
        "kms",
        "KeyPolicy Description KeyUsage KeySpec Origin MultiRegion Enabled EnableKeyRotation RotationPeriodInDays "
        "PendingWindowInDays BypassPolicyLockoutSafetyCheck Tags",
        _key,
    ),
    "AWS::ECR::Repository": (
        "ecr",
        "RepositoryName RepositoryPolicyText EmptyOnDelete EncryptionConfiguration ImageScanningConfiguration "
        "ImageTagMutability LifecyclePolicy Tags",
        _repository,
    ),
}


def resource_class(resource_type: str, client_of: Callable[[str, str, str], Client]) -> Any:
    """As `iam_resources.resource_class`."""
    if resource_type not in _CREATORS:
        return None
    service, known, create = _CREATORS[resource_type]
    return creator(resource_type, known, create, lambda account, region: client_of(account, service, region))
