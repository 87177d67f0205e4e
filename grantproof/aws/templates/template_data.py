"""Template data whose objects know their source positions.

To moto and other code a `Placed` is a plain dictionary. Transforms, conditions and intrinsic functions copy and move
objects; each keeps its source position, so that a deployed statement can be reported with file and line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from grantproof.source import Document, Key, Place


class Placed(dict[str, Any]):
    """An object of a template. `place`: its source position; `keys_at`: the positions of its entries."""

    __slots__ = ("keys_at", "place")

    def __init__(self, entries: Mapping[str, Any], place: Place | None, keys_at: Mapping[str, Place]) -> None:
        super().__init__(entries)
        self.place, self.keys_at = place, keys_at

    def __reduce__(self) -> tuple[Any, ...]:
        return (Placed, (dict(self), self.place, self.keys_at))

    def __deepcopy__(self, memo: dict[int, Any]) -> Placed:
        from copy import deepcopy

        return Placed({key: deepcopy(value, memo) for key, value in self.items()}, self.place, self.keys_at)

    def with_entries(self, entries: Mapping[str, Any], keys_at: Mapping[str, Place] | None = None) -> Placed:
        """Other entries, at the same place."""
        return Placed(entries, self.place, self.keys_at if keys_at is None else keys_at)


class _Entries(Mapping[str, Place]):
    """The source positions of the entries of an object, looked up on demand, since most are never needed."""

    __slots__ = ("_document", "_object", "_path")

    def __init__(self, document: Document, path: tuple[Key, ...], object_: Mapping[str, Any]) -> None:
        self._document, self._path, self._object = document, path, object_

    def __getitem__(self, key: str) -> Place:
        if key not in self._object:
            raise KeyError(key)
        return self._document.place(*self._path, key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._object)

    def __len__(self) -> int:
        return len(self._object)

    def __reduce__(self) -> tuple[Any, ...]:
        return (dict, (dict(self),))  # without the whole document


def with_places(document: Document) -> Any:
    """The value of a document, its objects `Placed`."""

    def build(value: Any, path: tuple[Key, ...]) -> Any:
        if isinstance(value, str):
            return value
        if isinstance(value, Mapping):
            entries = {key: item if isinstance(item, str) else build(item, (*path, key)) for key, item in value.items()}
            return Placed(entries, place(*path), _Entries(document, path, value))
        if isinstance(value, list):
            return [build(item, (*path, number)) for number, item in enumerate(value)]
        return value

    place = document.place

    return build(document.value, ())


@lru_cache(maxsize=256)
def with_places_cached(document: Document) -> Any:
    """As `with_places`, but cached. The result must not be changed."""
    return with_places(document)


def like(original: Any, entries: Mapping[str, Any]) -> Any:
    """An object with other entries and the same position, if it had one."""
    return original.with_entries(entries) if isinstance(original, Placed) else dict(entries)


def place_of(value: Any, path: tuple[Key, ...] = ()) -> Place | None:
    """The position of the value at a path, or of the nearest enclosing value that has one."""
    found: Place | None = value.place if isinstance(value, Placed) else None
    for key in path:
        if isinstance(value, Mapping):
            if isinstance(value, Placed) and key in value.keys_at:
                found = value.keys_at[str(key)]
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
            found = value.place if isinstance(value, Placed) and value.place else found
        else:
            break
    return found


def policy_paths(value: Any, *, text: bool = True) -> Iterator[tuple[Key, ...]]:
    """The paths of the policy documents in a value: objects with a Statement; with `text`, also such objects as JSON
    text."""
    if isinstance(value, Mapping):
        if "Statement" in value:
            yield ()
            return
        for key, item in value.items():
            yield from ((key, *path) for path in policy_paths(item, text=text))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from ((number, *path) for path in policy_paths(item, text=text))
    elif text and isinstance(value, str) and value.lstrip().startswith("{") and _holds_statement(value):
        yield ()


def _holds_statement(text: str) -> bool:
    # In text within text, quotation marks have backslashes.
    return '"Statement"' in spelt_out(text).replace("\\", "")


def spelt_out(text: str) -> str:
    """JSON text with its Unicode escapes replaced: `\\u0053tatement` is `Statement` to a parser."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text) if "\\u" in text else text


_ESCAPE = re.compile(r"\\+u([0-9a-fA-F]{4})")


def policies_as_text(value: Any) -> Any:
    """A value in which numbers and booleans in policy documents are text, as CloudFormation passes them to a service:
    an account ID without quotes, `true` in a condition."""
    if isinstance(value, list):
        return [policies_as_text(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    change = _as_text if _is_policy(value) else policies_as_text
    return like(value, {key: change(item) for key, item in value.items()})


def _is_policy(value: Mapping[str, Any]) -> bool:
    """Is an object a policy document? Firewall rules have a Statement too, but one without Effect."""
    found = value.get("Statement")
    return any(isinstance(s, Mapping) and "Effect" in s for s in (found if isinstance(found, list) else [found]))


def _as_text(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_text(item) for item in value]
    if isinstance(value, Mapping):
        return like(value, {key: _as_text(item) for key, item in value.items()})
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value
