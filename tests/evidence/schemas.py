"""The official schemas, as validators."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import regex
from jsonschema import ValidationError, validators

SCHEMAS = Path(__file__).parent.parent.parent / "fixtures" / "schemas"


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Any:
    r"""OSCAL's patterns use \p{L}, which Python's own `re` does not know."""
    if validator.is_type(instance, "string") and not regex.search(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


@cache
def validator(name: str) -> Any:
    schema = json.loads((SCHEMAS / name).read_text(encoding="utf-8"))
    kind = validators.extend(validators.validator_for(schema), {"pattern": _pattern})
    return kind(schema, format_checker=kind.FORMAT_CHECKER)


def errors(name: str, document: str) -> list[str]:
    """What is wrong with a document, each with its place."""
    found = validator(name).iter_errors(json.loads(document))
    return [f"{error.json_path}: {error.message[:200]}" for error in found]
