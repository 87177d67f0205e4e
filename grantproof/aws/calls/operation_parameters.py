"""Parameters with which a call needs permission on a given resource: the inverse of `operations.authorisations`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from grantproof.aws.calls import (
    operations_of_dynamodb,
    operations_of_identity,
    operations_of_kms,
    operations_of_lambda,
    operations_of_messaging,
    operations_of_s3,
    operations_of_secrets,
    operations_of_ssm,
)
from grantproof.aws.calls.arn_templates import bare_name, expression_of, lower_first, names_for
from grantproof.aws.calls.authorisation import CallerScope, Params
from grantproof.aws.calls.operations import UnmappedOperation, authorisations
from grantproof.aws.calls.services import prefix_of
from grantproof.iam import actions
from grantproof.iam.actions import ResourceType

#: Functions that return the parameters that can name a resource, by service.
_CANDIDATES = {
    "dynamodb": operations_of_dynamodb.candidates,
    "kms": operations_of_kms.candidates,
    "lambda": operations_of_lambda.candidates,
    "secretsmanager": operations_of_secrets.candidates,
    "sns": operations_of_messaging.topic_candidates,
    "sqs": operations_of_messaging.queue_candidates,
    "ssm": operations_of_ssm.candidates,
}


def parameters_for(
    service: str, operation: str, resource: str, where: CallerScope, minimal: Params, known: Sequence[str] = ()
) -> dict[str, Any] | None:
    """Parameters with which an operation needs permission on exactly this resource; None if there are none.

    The parameters that name resources are filled in from the ARN, and kept only if `authorisations` maps them back to
    it. `minimal`: the other required parameters of the operation; `known`: the names of all its parameters, empty if
    unknown.
    """
    if resource == "*":
        return dict(minimal)
    for given in _candidates(service, operation, resource, where, known):
        if known and not set(given) <= set(known):
            continue
        params = {**minimal, **given}
        try:
            asked = authorisations(service, operation, params, where)
        except (UnmappedOperation, KeyError):
            continue
        # In addition to the key with which the resource is encrypted.
        own = [a for a in asked if service == "kms" or not a.action.startswith("kms:")]
        if own and all(a.resource == resource for a in own):
            return params
    return None


def _candidates(
    service: str, operation: str, resource: str, where: CallerScope, known: Sequence[str]
) -> list[dict[str, Any]]:
    """Parameters that may name the resource, by the rules of single services first. The caller checks that they do."""
    fields = resource.split(":", 5)
    if len(fields) != 6:
        return []
    is_own = fields[3:5] == [where.region, where.account]
    out = _CANDIDATES[service](fields, resource, is_own=is_own) if service in _CANDIDATES else []
    out += operations_of_identity.candidates(service, resource)
    out += operations_of_s3.candidates(service, fields)
    action = f"{prefix_of(service)}:{operation}"
    known_kinds = actions.details(action).resource_types if actions.exists(action) else ()
    for kind in (form for known_kind in known_kinds for form in known_kind.forms()):
        expression, variables = expression_of(kind.arn)
        if match := expression.fullmatch(resource):
            for variable in variables:
                out += [{name: match[variable]} for name in (variable, lower_first(variable))]
                out += [{f"{name}s": [match[variable]]} for name in (variable, lower_first(variable))]
            values = {variable: match[variable] for variable in variables}
            out += _by_similar_names(kind, dict.fromkeys(variables, resource), known)
            out += _by_similar_names(kind, values, known)
    return out


def _by_similar_names(kind: ResourceType, values: Mapping[str, str], known: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Each way to set all variables by parameters with similar names. An ARN is used only for a parameter whose name
    says that it is one."""
    names = [
        [
            name
            for name in known
            if bare_name(name) in names_for(kind, variable) and value.startswith("arn:") == name.lower().endswith("arn")
        ]
        for variable, value in values.items()
    ]
    for chosen in product(*names):
        yield dict(zip(chosen, values.values(), strict=True))
