"""The permissions that calls of KMS need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grantproof.aws.calls.authorisation import Authorisation, CallerScope, Context, Params, Special, ask

_KEY_OPERATIONS = """
    CancelKeyDeletion CreateGrant Decrypt DeriveSharedSecret DescribeKey DisableKey DisableKeyRotation EnableKey
    EnableKeyRotation Encrypt GenerateDataKey GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext
    GenerateDataKeyWithoutPlaintext GenerateMac GetKeyPolicy GetKeyRotationStatus GetParametersForImport GetPublicKey
    ImportKeyMaterial DeleteImportedKeyMaterial ListGrants ListKeyPolicies ListKeyRotations ListResourceTags
    PutKeyPolicy RetireGrant RevokeGrant RotateKeyOnDemand ScheduleKeyDeletion Sign TagResource UntagResource
    UpdateKeyDescription Verify VerifyMac
""".split()


def _key_arn(name: str | None, where: CallerScope) -> str | None:
    """The ARN of the key for an ID, an alias or an ARN of either (rule K12); None for an unknown alias."""
    if not name:
        return None
    if ":key/" in name:
        return name
    if "alias/" in name:
        return where.find("key", name)
    return where.arn("kms", f"key/{name}")


def _encryption(params: Params, name: str = "EncryptionContext") -> Context:
    """The condition keys for an encryption context (rules K21, K23)."""
    pairs: Mapping[str, str] = params.get(name) or {}
    if not pairs:
        return {}
    out = {f"kms:EncryptionContext:{key}": (value,) for key, value in pairs.items()}
    return {**out, "kms:EncryptionContextKeys": tuple(pairs)}


def _on_key(action: str) -> Special:
    def permissions(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
        return (ask(f"kms:{action}", _key_arn(params.get("KeyId"), where), where, _encryption(params)),)

    return permissions


def _reencrypt(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
    """Two actions on two keys (rule A13)."""
    source, target = _key_arn(params.get("SourceKeyId"), where), _key_arn(params["DestinationKeyId"], where)
    return (
        ask("kms:ReEncryptFrom", source, where, _encryption(params, "SourceEncryptionContext")),
        ask("kms:ReEncryptTo", target, where, _encryption(params, "DestinationEncryptionContext")),
    )


def _alias(action: str) -> Special:
    """Alias operations need permission on the alias and on the key (rule K13)."""

    def permissions(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
        alias = where.arn("kms", str(params["AliasName"]))
        key = _key_arn(params.get("TargetKeyId") or params["AliasName"], where)
        return (ask(f"kms:{action}", alias, where), ask(f"kms:{action}", key, where))

    return permissions


SPECIAL: Mapping[tuple[str, str], Special] = {
    **{("kms", name): _on_key(name) for name in _KEY_OPERATIONS},
    ("kms", "ReEncrypt"): _reencrypt,
    **{("kms", name): _alias(name) for name in ("CreateAlias", "UpdateAlias", "DeleteAlias")},
}


def candidates(fields: Sequence[str], resource: str, *, is_own: bool) -> list[dict[str, Any]]:
    """The parameters that can name a resource, for `operation_parameters`. `is_own`: the resource is in the
    caller's account and region."""
    return [{"KeyId": resource}]
