"""Parses JSON as IAM does: repeated keys are refused."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from grantproof.iam.errors import MalformedPolicy

#: The byte order mark that editors of Windows write at the beginning of a file.
_BYTE_ORDER_MARK = "\ufeff"


def parse_json(text: str, label: str = "policy") -> Any:
    """Parse JSON whose objects have no repeated keys (rule G7).

    Raises:
        MalformedPolicy: not JSON, or a repeated key.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key, value in pairs:
            if key in out:
                raise MalformedPolicy(f"the key {key!r} stands twice in one object (G7)", label)
            out[key] = value
        return out

    def constant(name: str) -> NoReturn:
        raise MalformedPolicy(f"not JSON: {name} is no number", label)

    try:
        return json.loads(text.removeprefix(_BYTE_ORDER_MARK), object_pairs_hook=unique, parse_constant=constant)
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if "\n" in text else ""
        raise MalformedPolicy(f"not JSON: {error.msg} at {line}character {error.colno}", label) from None
    except RecursionError:
        raise MalformedPolicy("nested too deeply", label) from None
    except ValueError:
        # Python's limit on the digits of a number (4,300).
        raise MalformedPolicy("a number has too many digits: put it in quotes", label) from None
