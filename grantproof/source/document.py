"""A document as plain data, with the position of every value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grantproof.source.cache import shown

Key = str | int


@dataclass(frozen=True, order=True, slots=True)
class Place:
    """A position in a file. Line and column count from 1."""

    file: Path
    line: int
    column: int

    def __str__(self) -> str:
        return f"{shown(self.file)}:{self.line}:{self.column}"


def at(value: Any, path: tuple[Key, ...]) -> Any:
    """The value at a path of keys and indexes; None where there is none."""
    for key in path:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return None
    return value


class SourceError(Exception):
    """A file that cannot be read. The message names the file and position, and says what is wrong and what to do."""

    def __init__(self, place: Place | Path, message: str) -> None:
        super().__init__(place, message)
        self.place, self.message = place, message

    def __str__(self) -> str:
        where = shown(self.place) if isinstance(self.place, Path) else str(self.place)
        return f"{where}: {self.message}"


@dataclass(frozen=True, eq=False)
class Document:
    """A document as plain data. Short forms of CloudFormation functions (`!Ref x`) are written in full (`{"Ref":
    "x"}`)."""

    path: Path
    value: Any
    _places: Mapping[tuple[Key, ...], tuple[int, int]] = field(repr=False)
    unclear: Mapping[tuple[Key, ...], str] = field(default_factory=dict, repr=False)
    """By path, the numbers that are not written as plain decimals (`0144`, `1:30`, `1e3`). YAML parsers read them
    differently."""

    def place(self, *path: Key) -> Place:
        """The position of the value at a path of keys and indexes; for an entry of an object, the position of its key.
        For a path that does not exist, the position of its longest existing part."""
        while path and path not in self._places:
            path = path[:-1]
        return Place(self.path, *self._places.get(path, (1, 1)))

    def lines(self, *path: Key) -> range:
        """The lines of the value at a path: from its first line to the line in which its last part begins."""
        found = [line for p, (line, _) in self._places.items() if p[: len(path)] == path]
        return range(min(found), max(found) + 1) if found else range(0)

    def at(self, line: int, column: int) -> tuple[Key, ...] | None:
        """The path of the value or entry that begins at a position; None where none begins."""
        found = [path for path, place in self._places.items() if place == (line, column)]
        return min(found, key=len) if found else None
