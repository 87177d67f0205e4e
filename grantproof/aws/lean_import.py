"""Imports moto without the modules and files that it loads at its import and that few grants need. They are loaded when
they are first used. This saves a quarter of the time of a command that only deploys."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Any
from unittest.mock import patch

from boto3.session import Session

_OPENAPI = "openapi_spec_validator"


@contextmanager
def lean() -> Generator[None, None, None]:
    """A context in which moto must be imported for the first time."""
    from moto.utilities.utils import load_resource

    stand_ins = {} if _OPENAPI in sys.modules else _openapi()
    sys.modules.update(stand_ins)
    try:
        with (
            patch.object(Session, "get_available_regions", _available_regions),
            patch("moto.utilities.utils.load_resource", partial(_without_offerings, load_resource)),
        ):
            yield
    finally:
        for name in stand_ins:
            del sys.modules[name]
    tables = vars(sys.modules["moto.ec2.models.instance_types"])["INSTANCE_TYPE_OFFERINGS"]
    for location_type, regions in tables.items():
        tables[location_type] = _Offerings(location_type, regions)


def _available_regions(
    session: Any, service_name: str, partition_name: str = "aws", allow_non_regional: bool = False
) -> list[str]:
    """In place of boto3's method, which reads the model of the service to find the prefix of its endpoints. At its
    import moto asks only for the regions of EC2, whose prefix is its name. EC2's model is the largest of all."""
    resolver = session._session._get_internal_component("endpoint_resolver")
    found: list[str] = resolver.get_available_endpoints(service_name, partition_name, allow_non_regional)
    return found


_OFFERINGS = "ec2/resources/instance_type_offerings"


def _without_offerings(load_resource: Callable[[str], Any], resource: str) -> Any:
    """In place of moto's function. Returns empty lists for the instance types of regions and zones, which are in ninety
    files; `_Offerings` reads these later."""
    return [] if resource.startswith(_OFFERINGS) else load_resource(resource)


class _Offerings(dict[str, list[dict[str, str]]]):
    """Instance types by region; those of a region are read when they are first asked for."""

    def __init__(self, location_type: str, regions: Mapping[str, list[dict[str, str]]]) -> None:
        super().__init__(regions)
        self._location_type = location_type

    def __getitem__(self, region: str) -> list[dict[str, str]]:
        from moto.utilities.utils import load_resource

        offered = super().__getitem__(region)
        if not offered:
            found = load_resource(f"{_OFFERINGS}/{self._location_type}/{region}.json")
            offered += ({**one, "LocationType": self._location_type} for one in found)
        return offered

    def get(self, region: str, default: Any = None) -> Any:
        """As of a dict, which would not call `__getitem__`."""
        try:
            return self[region]
        except KeyError:
            return default


def _openapi() -> dict[str, ModuleType]:
    """Modules in place of openapi-spec-validator, by name. moto needs it only to import an API from an OpenAPI
    document; the first such import loads the real package."""
    package, validation, exceptions = (
        ModuleType(name) for name in (_OPENAPI, f"{_OPENAPI}.validation", f"{_OPENAPI}.validation.exceptions")
    )
    vars(package)["validate"] = _validate
    vars(exceptions)["OpenAPIValidationError"] = Exception
    return {module.__name__: module for module in (package, validation, exceptions)}


def _validate(document: Mapping[str, Any]) -> None:
    """Put the real functions into moto's module, and validate a document with them."""
    from openapi_spec_validator import validate
    from openapi_spec_validator.validation.exceptions import OpenAPIValidationError

    vars(sys.modules["moto.apigateway.models"]).update(validate=validate, OpenAPIValidationError=OpenAPIValidationError)
    validate(document)
