"""JSON Lines: a case in, its answer out, one at a time and in constant memory, whatever is asked of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from grantproof.iam.document import parse_json
from grantproof.iam.errors import BadRequest, IamError, Undecided

#: Answers one case, without its id; raises IamError where the case is malformed or cannot be judged.
Ask = Callable[[Any], dict[str, Any]]


def answers(lines: Iterable[str], ask: Ask) -> Iterator[dict[str, Any]]:
    """One answer for each line that is not blank, with its case's id: what was asked, or an `error` that says what is
    wrong with the line."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield answer(line, ask, number)


def answer(line: str, ask: Ask, number: int = 1) -> dict[str, Any]:
    """The answer to one line. Its error carries the line's number too: a line that cannot be read has no id."""
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
    """The case, if it is an object with no other fields than these.

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
    """One line of JSON."""
    text = json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
    # Half a surrogate pair, which JSON can escape and UTF-8 cannot hold, stays escaped.
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
