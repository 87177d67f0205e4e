"""What moto imports at once and needs for one kind of resource only."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

_VALIDATOR = "openapi_spec_validator"
_ERRORS = f"{_VALIDATOR}.validation.exceptions"


@contextmanager
def openapi() -> Generator[None, None, None]:
    """Let moto import its API Gateway without the validator of OpenAPI documents, which is a twelfth of what importing
    moto takes. The first document that is validated imports it; so does whatever else a newer moto takes from it."""
    names = (_VALIDATOR, f"{_VALIDATOR}.validation", _ERRORS)
    if any(name in sys.modules for name in names):
        yield
        return
    sys.modules.update({name: _Later(name) for name in names})
    try:
        yield
    finally:
        for name in names:
            if isinstance(sys.modules.get(name), _Later):
                del sys.modules[name]


class NotValidated(Exception):
    """Stands for the validator's error until there can be one."""


def validate(document: Any) -> None:
    """moto's `validate`, until it is called."""
    models: Any = import_module("moto.apigateway.models")
    models.validate = import_module(_VALIDATOR).validate
    models.OpenAPIValidationError = import_module(_ERRORS).OpenAPIValidationError
    models.validate(document)


class _Later(ModuleType):
    """A module whose names are known, or else the real one's."""

    def __getattr__(self, name: str) -> Any:
        known = {(_VALIDATOR, "validate"): validate, (_ERRORS, "OpenAPIValidationError"): NotValidated}
        if name.startswith("__"):
            raise AttributeError(name)
        if (self.__name__, name) in known:
            return known[self.__name__, name]
        for stand_in in [other for other, module in sys.modules.items() if isinstance(module, _Later)]:
            del sys.modules[stand_in]
        return getattr(import_module(self.__name__), name)
