"""Answers JSON Lines: reads one case at a time and writes its answer, in constant memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from grantproof.iam.errors import BadRequest, IamError, Undecided
from grantproof.iam.strict_json import parse_json

#: Answers one case, without its id; raises IamError if the case is malformed or cannot be decided.
Ask = Callable[[Any], dict[str, Any]]


def answers(lines: Iterable[str], ask: Ask) -> Iterator[dict[str, Any]]:
    """An answer for each line that is not blank, with the id of its case: the result, or an `error` that says what is
    wrong with the line."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield answer(line, ask, number)


def answer(line: str, ask: Ask, number: int = 1) -> dict[str, Any]:
    """The answer to one line. An error has the number of the line too, since a line that cannot be parsed has no id."""
    case: Any = None
    try:
        case = parse_json(line.strip(), f"line {number}")
        return {"id": _identifier(case), **ask(case)}
    except IamError as error:
        found = error.as_dict()
    except Exception as error:  # noqa: BLE001 - a fault of ours over one case must not take the other answers along
        found = Undecided(f"this case could not be judged, by a fault of grantproof: {error!r}").as_dict()
    return {"id": _identifier(case), "error": {**found, "line": number}}


def checked(case: Any, fields: frozenset[str]) -> Mapping[str, Any]:
    """The case, checked to be an object with only these fields.

    Raises:
        BadRequest: it is not.
    """
    if not isinstance(case, Mapping):
        raise BadRequest("a case is a JSON object")
    if unknown := sorted(set(case) - fields):
        raise BadRequest(f"unknown field {unknown[0]!r}; known: {', '.join(sorted(fields))}", element=unknown[0])
    return case


def _identifier(case: Any) -> Any:
    return case.get("id") if isinstance(case, Mapping) else None


def dumps(value: Mapping[str, Any]) -> str:
    """A value as one line of JSON."""
    text = json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
    # Half a surrogate pair can be escaped in JSON, but not be encoded in UTF-8; it stays escaped.
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
