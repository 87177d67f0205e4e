"""The permissions that calls of Parameter Store need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grantproof.aws.calls.authorisation import Authorisation, CallerScope, Filler, Params, Special, ask, tags, through


def parameter_in_arn(name: str) -> str:
    """A parameter's name in the form of ARNs (rule M1): without the leading slash, and without a version or label after
    a colon. An ARN is returned as an ARN, shortened in the same way."""
    if name.startswith("arn:"):
        return ":".join(name.split(":")[:6])
    return name.split(":")[0].removeprefix("/")


def _parameter_arn(name: str, where: CallerScope) -> str:
    found = parameter_in_arn(name)
    return found if found.startswith("arn:") else where.arn("ssm", f"parameter/{found}")


def _parameter(action: str, *, reads: bool = False, **keys: str) -> Special:
    """An operation on parameters given by name. `keys`: condition keys that are `true` if the parameter is given (rules
    M6, M7; O32). `reads`: WithDecryption of a SecureString also needs its key (rules M10, M13, M17)."""

    def permissions(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
        names = [params["Path"]] if action == "GetParametersByPath" else params.get("Names") or [params["Name"]]
        context = dict(tags(params)) | {key: ("true",) for name, key in keys.items() if params.get(name)}
        out = [ask(f"ssm:{action}", _parameter_arn(name, where), where, context) for name in names]
        if reads and params.get("WithDecryption"):
            for name in names:
                out += _decryption(name, action, where)
        return tuple(out)

    return permissions


def _decryption(name: str, action: str, where: CallerScope) -> list[Authorisation]:
    arn = _parameter_arn(name, where)
    context = {**through("ssm", where), "kms:EncryptionContext:PARAMETER_ARN": (arn,)}
    context["kms:EncryptionContextKeys"] = ("PARAMETER_ARN",)
    if action == "GetParametersByPath":
        # The call does not say which parameters are below the path.
        return [ask("kms:Decrypt", None, where, through("ssm", where))] if where.find("secure-below", name) else []
    key = where.find("parameter-key", name)
    return [ask("kms:Decrypt", key, where, context)] if key else []


def _ssm_tagged(action: str) -> Special:
    def permissions(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
        is_parameter = params.get("ResourceType") == "Parameter"
        arn = _parameter_arn(params["ResourceId"], where) if is_parameter else None
        return (ask(f"ssm:{action}", arn, where, tags(params)),)

    return permissions


SPECIAL: Mapping[tuple[str, str], Special] = {
    ("ssm", "GetParameter"): _parameter("GetParameter", reads=True),
    ("ssm", "GetParameters"): _parameter("GetParameters", reads=True),
    ("ssm", "GetParameterHistory"): _parameter("GetParameterHistory", reads=True),
    # Rules M5, O32: the permission is for the requested path.
    ("ssm", "GetParametersByPath"): _parameter("GetParametersByPath", reads=True, Recursive="ssm:Recursive"),
    ("ssm", "PutParameter"): _parameter("PutParameter", Overwrite="ssm:Overwrite", Policies="ssm:Policies"),
    **{
        ("ssm", name): _parameter(name)
        for name in ("DeleteParameter", "DeleteParameters", "LabelParameterVersion", "UnlabelParameterVersion")
    },
    **{
        ("ssm", name): _ssm_tagged(name)
        for name in ("AddTagsToResource", "RemoveTagsFromResource", "ListTagsForResource")
    },
}
FILLERS: Mapping[tuple[str, str], Filler] = {
    ("ssm", "DocumentName"): lambda params, where: [v for n in ("DocumentName", "Name") if (v := params.get(n))][:1],
}


def candidates(fields: Sequence[str], resource: str, *, is_own: bool) -> list[dict[str, Any]]:
    """The parameters that can name a resource, for `operation_parameters`. `is_own`: the resource is in the
    caller's account and region."""
    name = fields[5]
    if not name.startswith("parameter/"):
        return []
    short = name.removeprefix("parameter/")
    # A name with several levels begins with a slash.
    texts = [f"/{short}" if "/" in short else short, resource] if is_own else [resource]
    return [
        given
        for text in texts
        for given in (
            {"Name": text},
            {"Names": [text]},
            {"Path": text},
            {"ResourceType": "Parameter", "ResourceId": text},
        )
    ]
