"""The permissions that calls of API Gateway need: its actions are HTTP methods, its resources the paths of the API.

https://docs.aws.amazon.com/apigateway/latest/developerguide/security_iam_service-with-iam.html
"""

from __future__ import annotations

from typing import Any

from grantproof.aws.calls.authorisation import Authorisation, CallerScope, Params, ask, tags
from grantproof.aws.isolation import models

SERVICES = frozenset({"apigateway", "apigatewayv2"})


def authorisation(service: str, operation: str, params: Params, where: CallerScope) -> Authorisation:
    """The permission for a call, such as `apigateway:GET` on `arn:aws:apigateway:REGION::/restapis/ID`."""
    model = models().load_service_model(service, "service-2")
    http = model["operations"][operation]["http"]
    path = http["requestUri"].partition("?")[0].removeprefix("/v2")
    for name, member in _members(model, operation).items():
        if member.get("location") == "uri":
            given, written = str(params.get(name, "")), member["locationName"]
            path = path.replace(f"{{{written}}}", given).replace(f"{{{written}+}}", given)
    arn = f"arn:{where.partition}:apigateway:{where.region}::{path}"
    return ask(f"apigateway:{http['method']}", arn, where, tags(params))


def _members(model: Any, operation: str) -> Any:
    shape = model["operations"][operation].get("input", {}).get("shape")
    return model["shapes"][shape]["members"] if shape else {}
