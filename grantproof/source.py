"""YAML and JSON documents with the place of every value.

Findings name file, line and column, so a document is read as plain data and as places, in one pass.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

Key = str | int
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, order=True, slots=True)
class Place:
    """Where something stands. Line and column count from 1."""

    file: Path
    line: int
    column: int

    def __str__(self) -> str:
        return f"{shown(self.file)}:{self.line}:{self.column}"


def shown(path: Path) -> str:
    """A path as a person would write it: relative to the working directory where it lies below it."""
    still = _standing.get()
    if still is None:
        return _shown(path, Path.cwd())
    if path not in still.shown:
        still.shown[path] = _shown(path, still.here)
    return still.shown[path]


def _shown(path: Path, here: Path) -> str:
    try:
        return str(path.resolve().relative_to(here))
    except ValueError:
        return str(path)


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

    def place(self, *path: Key) -> Place:
        """Where the value at a path of keys and indexes stands; for an entry of an object that is its key. A path that
        does not exist gives the place of its nearest existing part."""
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


@dataclass(frozen=True)
class _Instead:
    """What is read in place of files, and what has been read since, each by its path.

    Attributes:
        written: the texts are as `json.dumps` writes them with an indent of one.
    """

    texts: Mapping[Path, str]
    written: bool
    read: dict[Path, Document] = field(default_factory=dict)


_instead: ContextVar[_Instead | None] = ContextVar("instead", default=None)


@dataclass(frozen=True)
class _Standing:
    """Files that stand still, and their paths resolved and shown from the working directory, each by its path as it is
    given."""

    read: dict[Path, Document] = field(default_factory=dict)
    resolved: dict[Path, Path] = field(default_factory=dict)
    shown: dict[Path, str] = field(default_factory=dict)
    here: Path = field(default_factory=Path.cwd)


_standing: ContextVar[_Standing | None] = ContextVar("standing", default=None)


@contextmanager
def standing() -> Generator[None, None, None]:
    """Take files, and the working directory, to stand still for as long as this is entered, and read each once: also
    under every `instead`, but for what that puts in the place of a file."""
    token = _standing.set(_Standing())
    try:
        yield
    finally:
        _standing.reset(token)


@contextmanager
def instead(texts: Mapping[Path, str], *, written: bool = False) -> Generator[None, None, None]:
    """Read these texts in place of what stands in the files, for as long as this is entered: a template that differs
    from the one on the disk is verified without a copy of its whole grant. Other files are taken to stand still until
    then, and are read once.

    Args:
        written: the texts are what `json.dumps(value, indent=1)` gave. Where their values stand is then counted
            (`as_written`), which takes a twentieth of the time that a parser of YAML needs to see it.
    """
    token = _instead.set(_Instead({path.resolve(): text for path, text in texts.items()}, written))
    try:
        yield
    finally:
        _instead.reset(token)


def text_of(path: Path) -> str:
    """The text of a file, or what is read in its place.

    Raises:
        OSError: it cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    found = _text_instead(path)
    return path.read_text(encoding="utf-8-sig") if found is None else found


def _text_instead(path: Path) -> str | None:
    entered = _instead.get()
    return entered.texts.get(_resolved(path)) if entered and entered.texts else None


def _resolved(path: Path) -> Path:
    still = _standing.get()
    if still is None:
        return path.resolve()
    if path not in still.resolved:
        still.resolved[path] = path.resolve()
    return still.resolved[path]


def read(path: Path) -> Document:
    """Read a YAML or JSON file.

    Raises:
        SourceError: it is missing, not UTF-8, not YAML, empty, or an object in it repeats a key.
    """
    entered = _instead.get()
    if entered is not None and (known := entered.read.get(path)) is not None:
        return known
    text = _text_instead(path)
    if text is None:
        document = _of_file(path)
    else:
        document = _as_written(text, path) if entered is not None and entered.written else _parsed(text, path)
    if entered is not None:
        entered.read[path] = document
    return document


def _of_file(path: Path) -> Document:
    still = _standing.get()
    if still is None:
        return _parsed(_text_to_parse(path), path)
    if path not in still.read:
        still.read[path] = _parsed(_text_to_parse(path), path)
    return still.read[path]


def _text_to_parse(path: Path) -> str:
    try:
        return text_of(path)
    except OSError as error:
        raise SourceError(path, f"cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise SourceError(path, "is not UTF-8 text; save it as UTF-8.") from None


@lru_cache(maxsize=16)
def _as_written(text: str, path: Path) -> Document:
    return as_written(json.loads(text), path)


def as_written(value: Any, path: Path) -> Document:
    """What `parse` gives for `json.dumps(value, indent=1)`: an entry a line, a column in for each level."""
    places: dict[tuple[Key, ...], tuple[int, int]] = {}

    def count(item: Any, at: tuple[Key, ...], line: int) -> int:
        """Note what is below a value that begins on a line; the line on which it ends."""
        entries: Iterable[tuple[Key, Any]] = ()
        if isinstance(item, dict):
            entries = item.items()
        elif isinstance(item, list):
            entries = enumerate(item)
        column, first = len(at) + 2, line
        for key, entry in entries:
            below = (*at, key)
            places[below] = line + 1, column
            line = count(entry, below, line + 1)
        return line + 1 if line > first else line

    places[()] = 1, 1
    count(value, (), 1)
    return Document(path, value, places)


@lru_cache(maxsize=256)
def _parsed(text: str, path: Path) -> Document:
    # The same few files are asked for again and again. Nobody changes a document's value.
    return parse(text, path)


def parse(text: str, path: Path) -> Document:
    """Read the text of a YAML or JSON file; `path` is only named.

    Raises:
        SourceError: as `read`.
    """
    try:
        _refuse_depth(text, path)
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(path, mark.line + 1, mark.column + 1) if mark else path
        if mark and "\t" in [*text.split("\n"), ""][mark.line][: mark.column + 1]:
            raise SourceError(place, "a tab stands where YAML takes spaces only; indent with spaces.") from None
        raise SourceError(place, f"is not valid YAML or JSON: {error.problem or error.context}.") from None
    except yaml.YAMLError as error:
        raise SourceError(path, f"is not valid YAML or JSON: {error}.") from None
    if node is None:
        raise SourceError(path, "is empty.")
    reader = _Reader(path)
    value = reader.construct(node, ())
    return Document(path, value, reader.places)


#: What JSON has as well, and dates. The others build Python objects, or bytes.
_TAGS = frozenset("str int float bool null timestamp map seq merge value".split())
_DEEPEST = 100
#: So many values, with those that aliases repeat. A template of a megabyte has fewer than 200,000.
_MOST = 300_000


def _refuse_depth(text: str, path: Path) -> None:
    """libyaml's composer recurses in C and takes the process down with it on deeply nested input."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                raise SourceError(Place(path, *_mark(event)), "is nested too deeply.")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class _Reader:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._scalars = yaml.constructor.SafeConstructor()
        self.places: dict[tuple[Key, ...], tuple[int, int]] = {}
        self._values = 0

    def construct(self, node: Any, path: tuple[Key, ...]) -> Any:
        self._values += 1
        # An alias may stand within what it names, or for aliases that stand for aliases ...
        if len(path) > _DEEPEST or self._values > _MOST:
            raise SourceError(
                Place(self._path, *_mark(node)), "is nested too deeply, or repeated too often by aliases."
            )
        self.places.setdefault(path, _mark(node))
        if node.tag.startswith("!"):
            return self._short_form(node, path)
        if node.tag.removeprefix("tag:yaml.org,2002:") not in _TAGS:
            raise SourceError(Place(self._path, *_mark(node)), f"the tag {node.tag!r} has no place here; remove it.")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.construct(item, (*path, n)) for n, item in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: Any, path: tuple[Key, ...]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key_node, value_node, inherited in _entries(node):
            key = str(key_node.value)
            if key in out:
                if inherited:
                    continue
                place = Place(self._path, *_mark(key_node))
                raise SourceError(place, f"the key {key!r} stands twice in one object; remove one.")
            self.places[(*path, key)] = _mark(key_node)
            value = self.construct(value_node, (*path, key))
            # YAML templates may write the long form's two parts as one, as the short form does.
            out[key] = value.split(".", 1) if key == "Fn::GetAtt" and isinstance(value, str) else value
        return out

    def _short_form(self, node: Any, path: tuple[Key, ...]) -> dict[str, Any]:
        name = node.tag[1:]
        key = name if name in ("Ref", "Condition") else f"Fn::{name}"
        inner = (*path, key)
        self.places[inner] = _mark(node)
        if isinstance(node, yaml.MappingNode):
            return {key: self._mapping(node, inner)}
        if isinstance(node, yaml.SequenceNode):
            return {key: [self.construct(item, (*inner, n)) for n, item in enumerate(node.value)]}
        if name == "GetAtt":
            # Everything after the first dot is the attribute: Stack.Outputs.Name is Outputs.Name of Stack.
            return {key: node.value.split(".", 1)}
        return {key: node.value}

    def _scalar(self, node: Any) -> Any:
        # A date stays as it is written: 2012-10-17 is the name of a policy version.
        if node.tag == "tag:yaml.org,2002:timestamp":
            return node.value
        try:
            return self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError):
            raise SourceError(Place(self._path, *_mark(node)), f"{node.value!r} cannot be read.") from None


def _entries(node: Any, seen: set[int] | None = None) -> list[tuple[Any, Any, bool]]:
    """A mapping's own entries, then those that it inherits through merge keys (`<<`), marked as such. What it inherits
    a second time, be it from itself, adds nothing."""
    merge, seen = "tag:yaml.org,2002:merge", seen if seen is not None else {id(node)}
    out = [(key, value, False) for key, value in node.value if key.tag != merge]
    for key, value in node.value:
        if key.tag != merge:
            continue
        for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
            if id(source) not in seen:
                seen.add(id(source))
                out += [(k, v, True) for k, v, _ in _entries(source, seen)]
    return out


def _mark(node: Any) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1
