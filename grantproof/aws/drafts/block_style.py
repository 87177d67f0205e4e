"""Values as YAML in block style, the way people write contracts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any


def entry(lead: str, key: str, value: Any) -> Iterator[str]:
    """One entry of an object, in block style; lists of text on a line of their own each where there are several."""
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
    """A scalar in YAML, quoted where it has to be."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z$][A-Za-z0-9_./:${}-]*", value) and not value.endswith(":"):
        return (
            value
            if value.lower() not in ("true", "false", "null", "yes", "no", "on", "off", "y", "n")
            else f'"{value}"'
        )
    return json.dumps(value)


def _scalar_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z][A-Za-z0-9_./:-]*", key) else json.dumps(key)
