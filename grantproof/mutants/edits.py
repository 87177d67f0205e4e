"""Edits of a single value of a template. Each returns a new value, or NOTHING where it does not apply.

A value may be plain text, `Fn::Sub` or another intrinsic function. Edits work on the text of an equivalent `Fn::Sub`
(`text_of`), so that a wildcard can be appended to a `!Ref` as well as to a literal name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

_PIECES = re.compile(r"(\$\{[^}]*\})")
#: `service:Verb` of an action: the first word of its name.
_VERB = re.compile(r"^([A-Za-z0-9-]+:[A-Z][a-z0-9]+)[A-Za-z0-9]+$")


class Nothing(Enum):
    """The result of an edit that does not apply. None would be a valid value of a template."""

    NOTHING = "nothing"


NOTHING = Nothing.NOTHING


def text_of(value: Any) -> str | None:
    """A value as the text of `Fn::Sub`; None where it cannot be written so."""
    if isinstance(value, str):
        return value.replace("${", "${!")
    if not isinstance(value, Mapping):
        return None
    match value:
        case {"Ref": "AWS::NoValue"}:
            return None  # there is no value
        case {"Ref": str(name)}:
            return f"${{{name}}}"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"${{{name}.{attribute}}}"
        case {"Fn::Sub": str(text)} | {"Fn::Sub": [str(text), _]}:
            return text
    return None


def with_text(value: Any, text: str) -> Any:
    """The value with another text; variables of its own are kept."""
    if isinstance(value, Mapping) and isinstance(value.get("Fn::Sub"), list):
        return {"Fn::Sub": [text, value["Fn::Sub"][1]]}
    return {"Fn::Sub": text} if "${" in text.replace("${!", "") else text.replace("${!", "${")


def changed(value: Any, change: Callable[[str], str | None]) -> Any:
    """The value with its text changed, or NOTHING."""
    text = text_of(value)
    new = None if text is None else change(text)
    return NOTHING if new is None or new == text else with_text(value, new)


def literally(change: Callable[[str], str]) -> Callable[[str], str]:
    """A change of the literal text only; variables stay as they are."""
    return lambda text: "".join(p if p.startswith("${") else change(p) for p in _PIECES.split(text))


def fields(text: str) -> list[str]:
    """The fields of an ARN that may contain variables, such as `arn:aws:ssm:${AWS::Region}:...`."""
    out = [""]
    for piece in _PIECES.split(text):
        if piece.startswith("${"):
            out[-1] += piece
        else:
            first, *more = piece.split(":")
            out[-1] += first
            out += more
    return [*out[:5], ":".join(out[5:])] if len(out) > 5 else out


def with_field(value: Any, number: int, put: str) -> Any:
    """An ARN with one field (from 0) replaced; also where the whole ARN is the value of a function."""
    text = text_of(value)
    if text is None:
        return NOTHING
    found = fields(text)
    if len(found) == 6:
        if found[number] in ("", put):
            return NOTHING
        return with_text(value, ":".join([*found[:number], put, *found[number + 1 :]]))
    if isinstance(value, Mapping) and len(_PIECES.findall(text)) == 1 and text.startswith("${") and text.endswith("}"):
        split = {"Fn::Split": [":", value]}
        parts = [put if n == number else {"Fn::Select": [n, split]} for n in range(6)]
        return {"Fn::Join": [":", [{"Fn::Sub": p} if isinstance(p, str) and "${" in p else p for p in parts]]}
    return NOTHING


def _after(separator: str, put: str) -> Callable[[str], str | None]:
    def change(text: str) -> str | None:
        head, found, _ = text.rpartition(separator) if separator != "/" else text.partition(separator)
        return head + found + put if found and len(fields(text)) > 5 else None

    return change


def _last(put: str) -> Callable[[str], str | None]:
    return lambda text: None if text.endswith(("}", "*", "?")) or len(text) < 2 else text[:-1] + put


def _verb(text: str) -> str | None:
    found = _VERB.match(text)
    return found[1] + "*" if found else None


def _service(put: str) -> Callable[[str], str | None]:
    return lambda text: f"{text.partition(':')[0]}:{put}" if ":" in text and text.partition(":")[2] != put else None


def _mistype(text: str) -> str | None:
    return text[:-2] + text[-1] if len(text) > 4 and not text.endswith(("}", "*")) else None


def _variable(name: str, put: str) -> Callable[[str], str | None]:
    return lambda text: text.replace(f"${{{name}}}", put) if f"${{{name}}}" in text else None


#: The edits of text by their name in the catalogue; each takes its argument and returns the edit.
TEXT: Mapping[str, Callable[[Any], Callable[[str], str | None]]] = {
    "append": lambda put: lambda text: None if text == "*" else text + put,
    "after-path": lambda put: _after("/", put),
    "last-character": _last,
    "case": lambda how: literally(lambda piece: getattr(piece, how)()),
    "verb": lambda _: _verb,
    "service": _service,
    "mistype": lambda _: _mistype,
    "variable": lambda of: _variable(of["name"], of["put"]),
}


def edit_text(value: Any, name: str, argument: Any) -> Any:
    """The value after one edit of its text, or NOTHING."""
    if name == "field":
        return with_field(value, argument["number"], argument["put"])
    return changed(value, TEXT[name](argument))
