"""What moto imports and reads while it is imported, and few grants need, is left until it is needed. That is a fifth of
the time of a command that only deploys."""

from __future__ import annotations

import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any
from unittest.mock import patch

from boto3.session import Session

_OPENAPI = "openapi_spec_validator"


@contextmanager
def lean() -> Generator[None, None, None]:
    """Import moto while this is entered."""
    stand_ins = {} if _OPENAPI in sys.modules else _openapi()
    sys.modules.update(stand_ins)
    try:
        with patch.object(Session, "get_available_regions", _available_regions):
            yield
    finally:
        for name in stand_ins:
            del sys.modules[name]


def _available_regions(
    session: Any, service_name: str, partition_name: str = "aws", allow_non_regional: bool = False
) -> list[str]:
    """As boto3's, but without reading the service's model, which has the prefix of its endpoints. moto asks for the
    regions of EC2, whose prefix is its name and whose model is the largest of all."""
    resolver = session._session._get_internal_component("endpoint_resolver")
    found: list[str] = resolver.get_available_endpoints(service_name, partition_name, allow_non_regional)
    return found


def _openapi() -> dict[str, ModuleType]:
    """Stand-ins for openapi-spec-validator, which moto needs for APIs that are imported from an OpenAPI document. The
    first of these brings the real one."""
    package, validation, exceptions = (
        ModuleType(name) for name in (_OPENAPI, f"{_OPENAPI}.validation", f"{_OPENAPI}.validation.exceptions")
    )
    vars(package)["validate"] = _validate
    vars(exceptions)["OpenAPIValidationError"] = Exception
    return {module.__name__: module for module in (package, validation, exceptions)}


def _validate(document: Mapping[str, Any]) -> None:
    from openapi_spec_validator import validate
    from openapi_spec_validator.validation.exceptions import OpenAPIValidationError

    vars(sys.modules["moto.apigateway.models"]).update(validate=validate, OpenAPIValidationError=OpenAPIValidationError)
    validate(document)
