"""Methods of APIs that can be called without IAM authorization."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from grantproof.aws.templates.external_principals import is_function
from grantproof.source import at

_IAM_SCHEME = "awsSigv4"
_VERBS = frozenset({"get", "put", "post", "delete", "patch", "head", "options", "x-amazon-apigateway-any-method"})


def is_preflight(verb: Any, integration: Any) -> bool:
    """Does a method only answer CORS preflight requests of browsers? API Gateway answers them itself if the integration
    is `MOCK`; with any other integration, everybody can call OPTIONS.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-cors.html
    """
    return (str(verb).upper(), str(integration).upper()) == ("OPTIONS", "MOCK")


def operation_without_iam(body: Any) -> str:
    """The first operation of an OpenAPI definition without IAM authorization, as `GET /path`; empty where all have it.
    CORS preflight is ignored. What is not resolved counts as an operation without.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-authtype.html"""
    paths = at(body, ("paths",))
    if is_function(body) or is_function(paths):
        return "operations that are not known"
    given = (at(body, ("securityDefinitions",)), at(body, ("components", "securitySchemes")))
    by_iam = {
        name
        for schemes in given
        for name, scheme in _entries(schemes)
        if at(scheme, ("x-amazon-apigateway-authtype",)) == _IAM_SCHEME
    }
    for path, operations in _entries(paths):
        if is_function(operations):
            return f"operations of {path} that are not known"
        for verb, operation in _entries(operations):
            if str(verb).lower() not in _VERBS or not isinstance(operation, Mapping):
                continue
            if is_preflight(verb, at(operation, ("x-amazon-apigateway-integration", "type"))):
                continue
            auth = str(at(operation, ("x-amazon-apigateway-auth", "type"))).upper()
            if auth != "AWS_IAM" and not _all_ask(by_iam, operation.get("security", at(body, ("security",)))):
                return f"{str(verb).upper()} {path}"
    return ""


def _entries(value: Any) -> Iterable[tuple[Any, Any]]:
    return value.items() if isinstance(value, Mapping) else ()


def _all_ask(schemes: set[Any], security: Any) -> bool:
    """Does each alternative of a security requirement contain one of the schemes?"""
    alternatives = security if isinstance(security, list) else []
    return bool(alternatives) and all(schemes & {name for name, _ in _entries(one)} for one in alternatives)
