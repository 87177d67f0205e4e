"""Methods of APIs that can be called without IAM authorization."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
    CORS preflight is ignored.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions-authtype.html"""
    if not isinstance(body, Mapping):
        return ""
    schemes = {
        **(body.get("securityDefinitions") or {}),
        **((body.get("components") or {}).get("securitySchemes") or {}),
    }
    by_iam = {name for name, scheme in schemes.items() if scheme.get("x-amazon-apigateway-authtype") == _IAM_SCHEME}
    for path, operations in (body.get("paths") or {}).items():
        for verb, operation in operations.items() if isinstance(operations, Mapping) else ():
            if verb.lower() not in _VERBS or not isinstance(operation, Mapping):
                continue
            if is_preflight(verb, at(operation, ("x-amazon-apigateway-integration", "type"))):
                continue
            asked = operation.get("security", body.get("security")) or ()
            auth = str((operation.get("x-amazon-apigateway-auth") or {}).get("type", "")).upper()
            if auth != "AWS_IAM" and not (asked and all(set(one) & by_iam for one in asked)):
                return f"{verb.upper()} {path}"
    return ""
