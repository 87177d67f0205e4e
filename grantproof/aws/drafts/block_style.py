"""Renders values as YAML in block style."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any


def entry(lead: str, key: str, value: Any) -> Iterator[str]:
    """The lines of one entry of an object in block style; a list of several texts has a line for each."""
    pad = " " * len(lead)
    if isinstance(value, Mapping) and value:
        yield f"{lead}{key}:"
        for inner, item in value.items():
            yield from entry(f"{pad}  ", _scalar_key(inner), item)
    elif isinstance(value, list) and len(value) > 1 and all(isinstance(item, str) for item in value):
        yield f"{lead}{key}:"
        yield from (f"{pad}  - {scalar(item)}" for item in value)
    elif isinstance(value, (list, Mapping)):
        yield f"{lead}{key}: {json.dumps(value)}"
    else:
        yield f"{lead}{key}: {scalar(value)}"


def scalar(value: Any) -> str:
    """A YAML scalar, quoted where necessary."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z$][A-Za-z0-9_./:${}-]*", value) and not value.endswith(":"):
        return (
            value
            if value.lower() not in ("true", "false", "null", "yes", "no", "on", "off", "y", "n")
            else f'"{value}"'
        )
    return json.dumps(value)


def _scalar_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z][A-Za-z0-9_./:-]*", key) else json.dumps(key)
