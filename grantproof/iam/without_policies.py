"""What is decided whatever the policies say: actions that need no permission, and requests that cannot succeed."""

from __future__ import annotations

from grantproof.iam.principal import Kind
from grantproof.iam.request import Request

NEEDS_NO_PERMISSION = {"sts:getcalleridentity": "T28", "sts:getsessiontoken": "T26"}


def needs_no_permission(request: Request) -> str:
    """The rule by which the action needs no permission and cannot be denied; empty if there is none."""
    if request.principal.account is None:
        return ""
    return NEEDS_NO_PERMISSION.get(request.key, "")


def rule_that_refuses(request: Request) -> str:
    """The rule by which the request cannot succeed whatever the policies say; empty if there is none."""
    caller, key = request.principal, request.key
    if caller.kind is Kind.ROOT and key == "sts:assumerole":
        return "T9"
    if caller.kind is Kind.ROLE_SESSION and key in ("sts:getfederationtoken", "sts:getsessiontoken"):
        return "T23"
    if caller.kind is Kind.FEDERATED_USER and (
        key.startswith("iam:") or (key.startswith("sts:") and key != "sts:getcalleridentity")
    ):
        return "T24"
    if request.cross_account:
        if key.startswith("kms:") and key not in KMS_ACROSS_ACCOUNTS:
            return "K9"
        partition = (request.resource or "").split(":", 2)[1:2]
        if partition and caller.partition not in (None, partition[0]):
            return "X10"
    return ""


#: What the root user may always do with the policy of a bucket of its account, which prevents a lock-out (rule E44).
OWNERS_WAY_IN = frozenset(
    f"{service}:{name}"
    for service in ("s3", "s3express")
    for name in ("getbucketpolicy", "putbucketpolicy", "deletebucketpolicy")
)


def bypasses_resource_policy(request: Request) -> bool:
    """Does the resource's own policy not apply, not even its Denies (rule E44)?"""
    caller = request.principal
    return caller.kind is Kind.ROOT and caller.account == request.resource_account and request.key in OWNERS_WAY_IN


#: The operations of rule K9, with the cryptographic ones listed.
KMS_ACROSS_ACCOUNTS = frozenset(
    f"kms:{name}".lower()
    for name in """
    Decrypt DeriveSharedSecret Encrypt GenerateDataKey GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext
    GenerateDataKeyWithoutPlaintext GenerateMac GenerateRandom ReEncryptFrom ReEncryptTo Sign Verify VerifyMac
    CreateGrant DescribeKey GetKeyRotationStatus GetPublicKey ListGrants RetireGrant RevokeGrant
    """.split()
)
