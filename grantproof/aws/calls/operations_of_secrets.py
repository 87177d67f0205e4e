"""The permissions that calls of Secrets Manager need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grantproof.aws.calls.authorisation import Authorisation, CallerScope, Params, Special, ask, tags, through

_SECRET_OPERATIONS = """
    CancelRotateSecret DeleteResourcePolicy DeleteSecret DescribeSecret GetResourcePolicy ListSecretVersionIds
    PutResourcePolicy PutSecretValue RemoveRegionsFromReplication ReplicateSecretToRegions RestoreSecret RotateSecret
    StopReplicationToReplica TagResource UntagResource UpdateSecret UpdateSecretVersionStage
""".split()


def _secret_arn(params: Params, where: CallerScope) -> str | None:
    """A secret's ARN ends in random characters, so a name has to be looked up."""
    name = str(params["SecretId"])
    return name if name.startswith("arn:") and name[-7:-6] == "-" else where.find("secret", name)


def _get_secret(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
    arn = _secret_arn(params, where)
    names = {"VersionId": "secretsmanager:VersionId", "VersionStage": "secretsmanager:VersionStage"}
    context = {key: (str(params[name]),) for name, key in names.items() if params.get(name)}
    if arn:
        context["secretsmanager:SecretId"] = (arn,)
    out = [ask("secretsmanager:GetSecretValue", arn, where, context)]
    key = where.find("secret-key", str(params["SecretId"]))
    if key:
        encryption: dict[str, tuple[str, ...]] = {"kms:EncryptionContext:SecretARN": (arn or "",)}
        out.append(ask("kms:Decrypt", key, where, {**through("secretsmanager", where), **encryption}))
    return tuple(out)


def _on_secret(action: str) -> Special:
    def permissions(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
        arn = _secret_arn(params, where)
        context: dict[str, tuple[str, ...]] = dict(tags(params))
        if arn:
            context["secretsmanager:SecretId"] = (arn,)
        return (ask(f"secretsmanager:{action}", arn, where, context),)

    return permissions


SPECIAL: Mapping[tuple[str, str], Special] = {
    ("secretsmanager", "GetSecretValue"): _get_secret,
    **{("secretsmanager", name): _on_secret(name) for name in _SECRET_OPERATIONS},
}


def candidates(fields: Sequence[str], resource: str, *, is_own: bool) -> list[dict[str, Any]]:
    """The parameters that can name a resource, for `operation_parameters`. `is_own`: the resource is in the
    caller's account and region."""
    return [{"SecretId": resource}]
