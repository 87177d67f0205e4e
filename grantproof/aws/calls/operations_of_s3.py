"""The permissions that calls of S3 need. Most actions of S3 have other names than its operations.

Source: Amazon S3 User Guide, "Required permissions for Amazon S3 API operations".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from grantproof.aws.calls.authorisation import Authorisation, CallerScope, Params, Special, ask


def _bucket_arn(params: Params, where: CallerScope) -> str:
    bucket = str(params["Bucket"])
    return bucket if bucket.startswith("arn:") else f"arn:{where.partition}:s3:::{bucket}"


def _keys(params: Params) -> dict[str, tuple[str, ...]]:
    """The condition keys from the parameters of listing calls and of calls with a version."""
    names = {"Prefix": "s3:prefix", "Delimiter": "s3:delimiter", "MaxKeys": "s3:max-keys", "VersionId": "s3:VersionId"}
    return {key: (str(params[name]),) for name, key in names.items() if params.get(name) is not None}


def _on_bucket(action: str) -> Special:
    def permissions(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
        return (ask(f"s3:{action}", _bucket_arn(params, where), where, _keys(params)),)

    return permissions


def _on_object(action: str, versioned: str = "") -> Special:
    """`versioned`: the action if the call names a version."""

    def permissions(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
        name = versioned if versioned and params.get("VersionId") else action
        arn = f"{_bucket_arn(params, where)}/{params['Key']}"
        return (ask(f"s3:{name}", arn, where, _keys(params)),)

    return permissions


def _copy(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
    """Read the source, write the destination."""
    source = params["CopySource"]
    if isinstance(source, dict):
        source = f"{source['Bucket']}/{source['Key']}" + (
            f"?versionId={source['VersionId']}" if "VersionId" in source else ""
        )
    path, _, version = str(source).lstrip("/").partition("?versionId=")
    read = "s3:GetObjectVersion" if version else "s3:GetObject"
    arn = f"arn:{where.partition}:s3:::{path}" if "/" in path else None
    return (ask(read, arn, where), *_on_object("PutObject")(params, where))


def _delete_objects(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
    bucket = _bucket_arn(params, where)
    return tuple(
        ask(
            "s3:DeleteObjectVersion" if entry.get("VersionId") else "s3:DeleteObject", f"{bucket}/{entry['Key']}", where
        )
        for entry in params["Delete"]["Objects"]
    )


def _everywhere(action: str) -> Special:
    def permissions(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
        return (Authorisation(action, "*", where.account),)

    return permissions


def _unknown_resource(action: str) -> Special:
    def permissions(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
        return (ask(action, None, where),)

    return permissions


#: Operations on a bucket, by the action that they need, where that has another name.
_BUCKET = """
    HeadBucket:ListBucket ListObjects:ListBucket ListObjectsV2:ListBucket ListObjectVersions:ListBucketVersions
    ListMultipartUploads:ListBucketMultipartUploads
    GetBucketAccelerateConfiguration:GetAccelerateConfiguration
    PutBucketAccelerateConfiguration:PutAccelerateConfiguration
    GetBucketAnalyticsConfiguration:GetAnalyticsConfiguration
    ListBucketAnalyticsConfigurations:GetAnalyticsConfiguration
    DeleteBucketAnalyticsConfiguration:PutAnalyticsConfiguration
    PutBucketAnalyticsConfiguration:PutAnalyticsConfiguration
    DeleteBucketCors:PutBucketCORS
    GetBucketEncryption:GetEncryptionConfiguration PutBucketEncryption:PutEncryptionConfiguration
    DeleteBucketEncryption:PutEncryptionConfiguration
    GetBucketIntelligentTieringConfiguration:GetIntelligentTieringConfiguration
    ListBucketIntelligentTieringConfigurations:GetIntelligentTieringConfiguration
    PutBucketIntelligentTieringConfiguration:PutIntelligentTieringConfiguration
    DeleteBucketIntelligentTieringConfiguration:PutIntelligentTieringConfiguration
    GetBucketInventoryConfiguration:GetInventoryConfiguration
    ListBucketInventoryConfigurations:GetInventoryConfiguration
    PutBucketInventoryConfiguration:PutInventoryConfiguration
    DeleteBucketInventoryConfiguration:PutInventoryConfiguration
    GetBucketLifecycle:GetLifecycleConfiguration GetBucketLifecycleConfiguration:GetLifecycleConfiguration
    PutBucketLifecycle:PutLifecycleConfiguration PutBucketLifecycleConfiguration:PutLifecycleConfiguration
    DeleteBucketLifecycle:PutLifecycleConfiguration
    GetBucketMetricsConfiguration:GetMetricsConfiguration ListBucketMetricsConfigurations:GetMetricsConfiguration
    PutBucketMetricsConfiguration:PutMetricsConfiguration DeleteBucketMetricsConfiguration:PutMetricsConfiguration
    GetBucketNotificationConfiguration:GetBucketNotification
    PutBucketNotificationConfiguration:PutBucketNotification
    DeleteBucketOwnershipControls:PutBucketOwnershipControls
    GetPublicAccessBlock:GetBucketPublicAccessBlock PutPublicAccessBlock:PutBucketPublicAccessBlock
    DeletePublicAccessBlock:PutBucketPublicAccessBlock
    GetBucketReplication:GetReplicationConfiguration PutBucketReplication:PutReplicationConfiguration
    DeleteBucketReplication:PutReplicationConfiguration
    DeleteBucketTagging:PutBucketTagging
    GetObjectLockConfiguration:GetBucketObjectLockConfiguration
    PutObjectLockConfiguration:PutBucketObjectLockConfiguration
    CreateBucketMetadataConfiguration:CreateBucketMetadataTableConfiguration
    GetBucketMetadataConfiguration:GetBucketMetadataTableConfiguration
    DeleteBucketMetadataConfiguration:DeleteBucketMetadataTableConfiguration
"""
#: Operations on an object: the action, and the action if a version is named.
_OBJECT = """
    GetObject:GetObject:GetObjectVersion HeadObject:GetObject:GetObjectVersion SelectObjectContent:GetObject:
    GetObjectAttributes:GetObjectAttributes:GetObjectVersionAttributes GetObjectTorrent:GetObjectTorrent:
    GetObjectAcl:GetObjectAcl:GetObjectVersionAcl PutObjectAcl:PutObjectAcl:PutObjectVersionAcl
    GetObjectTagging:GetObjectTagging:GetObjectVersionTagging PutObjectTagging:PutObjectTagging:PutObjectVersionTagging
    DeleteObjectTagging:DeleteObjectTagging:DeleteObjectVersionTagging
    DeleteObject:DeleteObject:DeleteObjectVersion PutObject:PutObject:
    CreateMultipartUpload:PutObject: UploadPart:PutObject: CompleteMultipartUpload:PutObject:
    AbortMultipartUpload:AbortMultipartUpload: ListParts:ListMultipartUploadParts:
    GetObjectLegalHold:GetObjectLegalHold: PutObjectLegalHold:PutObjectLegalHold:
    GetObjectRetention:GetObjectRetention: PutObjectRetention:PutObjectRetention: RestoreObject:RestoreObject:
"""

SPECIAL: dict[tuple[str, str], Special] = {
    **{("s3", op): _on_bucket(action) for op, action in (pair.split(":") for pair in _BUCKET.split())},
    **{("s3", op): _on_object(plain, versioned) for op, plain, versioned in (e.split(":") for e in _OBJECT.split())},
    ("s3", "CopyObject"): _copy,
    ("s3", "UploadPartCopy"): _copy,
    ("s3", "DeleteObjects"): _delete_objects,
    ("s3", "ListBuckets"): _everywhere("s3:ListAllMyBuckets"),
    ("s3", "ListDirectoryBuckets"): _everywhere("s3express:ListAllMyDirectoryBuckets"),
    ("s3", "CreateSession"): _unknown_resource("s3express:CreateSession"),
    # For directory buckets only, whose ARNs contain a zone that the call does not name.
    ("s3", "RenameObject"): _unknown_resource("s3express:CreateSession"),
    ("s3", "WriteGetObjectResponse"): _unknown_resource("s3-object-lambda:WriteGetObjectResponse"),
}


FILLERS: Mapping[tuple[str, str], Callable[[Params, CallerScope], Sequence[str]]] = {
    ("s3", "BucketName"): lambda params, where: [str(params["Bucket"])] if params.get("Bucket") else [],
    ("s3", "ObjectName"): lambda params, where: [str(params["Key"])] if params.get("Key") else [],
}


def candidates(service: str, fields: list[str]) -> list[dict[str, Any]]:
    """The parameters that name a bucket or an object."""
    bucket, slash, key = fields[5].partition("/")
    if service != "s3":
        return []
    return [{"Bucket": bucket, "Key": key}] if slash else [{"Bucket": bucket}]
