"""The permissions that calls of Lambda need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grantproof.aws.calls.authorisation import Authorisation, CallerScope, Filler, Params, Special, ask, tags
from grantproof.aws.calls.operations_of_identity import pass_role


def _function(params: Params, where: CallerScope) -> Sequence[str]:
    """A function by name, partial ARN (`account:function:name`) or ARN; with a qualifier it is another resource."""
    name = str(params.get("FunctionName") or "")
    if not name:
        return []
    if ":function:" in name and not name.startswith("arn:"):
        account, _, name = name.partition(":function:")
        name = f"arn:{where.partition}:lambda:{where.region}:{account}:function:{name}"
    return [f"{name}:{params['Qualifier']}" if params.get("Qualifier") else name]


def _invoke(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
    (name,) = _function(params, where)
    arn = name if name.startswith("arn:") else where.arn("lambda", f"function:{name}")
    return (ask("lambda:InvokeFunction", arn, where, {"lambda:FunctionArn": (arn,)}),)


def _runs_as(action: str) -> Special:
    """Creating or changing a function passes its role to Lambda."""

    def permissions(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
        (name,) = _function(params, where)
        arn = name if name.startswith("arn:") else where.arn("lambda", f"function:{name}")
        out = [ask(f"lambda:{action}", arn, where, tags(params))]
        if params.get("Role"):
            out.append(pass_role(params["Role"], "lambda.amazonaws.com", where))
        return tuple(out)

    return permissions


SPECIAL: Mapping[tuple[str, str], Special] = {
    ("lambda", "Invoke"): _invoke,
    ("lambda", "InvokeWithResponseStream"): _invoke,
    ("lambda", "InvokeAsync"): _invoke,
    ("lambda", "CreateFunction"): _runs_as("CreateFunction"),
    ("lambda", "UpdateFunctionConfiguration"): _runs_as("UpdateFunctionConfiguration"),
    ("lambda", "GetLayerVersionByArn"): lambda params, where: (ask("lambda:GetLayerVersion", params["Arn"], where),),
}
FILLERS: Mapping[tuple[str, str], Filler] = {
    ("lambda", "FunctionName"): _function,
}


def candidates(fields: Sequence[str], resource: str, *, is_own: bool) -> list[dict[str, Any]]:
    """The parameters that can name a resource, for `operation_parameters`. `is_own`: the resource is in the
    caller's account and region."""
    return [{"FunctionName": fields[5].removeprefix("function:") if is_own else resource}]
