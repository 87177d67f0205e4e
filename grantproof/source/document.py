"""A document as plain data, with the place of every value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grantproof.source.cache import shown

Key = str | int


@dataclass(frozen=True, order=True, slots=True)
class Place:
    """A place in a file. Line and column count from 1."""

    file: Path
    line: int
    column: int

    def __str__(self) -> str:
        return f"{shown(self.file)}:{self.line}:{self.column}"


def at(value: Any, path: tuple[Key, ...]) -> Any:
    """The value at a path, or None."""
    for key in path:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return None
    return value


class SourceError(Exception):
    """A document that cannot be read: where, what is wrong, what to do."""

    def __init__(self, place: Place | Path, message: str) -> None:
        super().__init__(place, message)
        self.place, self.message = place, message

    def __str__(self) -> str:
        where = shown(self.place) if isinstance(self.place, Path) else str(self.place)
        return f"{where}: {self.message}"


@dataclass(frozen=True, eq=False)
class Document:
    """A document as plain data; CloudFormation's short tags (`!Ref x`) are written out (`{"Ref": "x"}`)."""

    path: Path
    value: Any
    _places: Mapping[tuple[Key, ...], tuple[int, int]] = field(repr=False)
    unclear: Mapping[tuple[Key, ...], str] = field(default_factory=dict, repr=False)
    """Numbers that are not written as decimals are (`0144`, `1:30`, `1e3`): what each says depends on who reads it."""

    def place(self, *path: Key) -> Place:
        """The place of the value at a path of keys and indexes; of an entry of an object, the place of its key. For a
        path that does not exist, the place of its nearest existing part."""
        while path and path not in self._places:
            path = path[:-1]
        return Place(self.path, *self._places.get(path, (1, 1)))

    def lines(self, *path: Key) -> range:
        """The lines in which the value at a path, or what is below it, begins."""
        found = [line for p, (line, _) in self._places.items() if p[: len(path)] == path]
        return range(min(found), max(found) + 1) if found else range(0)

    def at(self, line: int, column: int) -> tuple[Key, ...] | None:
        """The path of what begins at a place: of an entry of an object or of a list. None where nothing begins."""
        found = [path for path, place in self._places.items() if place == (line, column)]
        return min(found, key=len) if found else None
