"""Parses YAML and JSON into documents."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from grantproof.source.document import Document, Key, Place, SourceError

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def document_of_dumped(value: Any, path: Path) -> Document:
    """The document that `parse` returns for `json.dumps(value, indent=1)`: each entry is on a line of its own, and each
    level is indented by one column more."""
    places: dict[tuple[Key, ...], tuple[int, int]] = {}

    def count(item: Any, at: tuple[Key, ...], line: int) -> int:
        """Note the positions below a value that begins on a line; return the line on which it ends."""
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


def parse(text: str, path: Path) -> Document:
    """Parse the text of a YAML or JSON file. `path` is its name in errors.

    Raises:
        SourceError: as `read`.
    """
    if hidden := _NOT_AS_SHOWN.search(text):
        before = text[: hidden.start()]
        shown_at = Place(path, before.count("\n") + 1, hidden.start() - before.rfind("\n"))
        raise SourceError(shown_at, f"the character U+{ord(hidden[0]):04X} is not shown as it is read; remove it.")
    try:
        _refuse_depth(text, path)
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(path, mark.line + 1, mark.column + 1) if mark else path
        if mark and "\t" in [*text.split("\n"), ""][mark.line][: mark.column + 1]:
            raise SourceError(place, "a tab stands where YAML takes spaces only; indent with spaces.") from None
        raise _not_read(text, path, place, error.problem or str(error.context)) from None
    except yaml.YAMLError as error:
        raise SourceError(path, f"is not valid YAML or JSON: {error}.") from None
    if node is None:
        raise SourceError(path, "is empty.")
    reader = _Reader(path)
    value = reader.construct(node, ())
    return Document(path, value, reader.places, reader.unclear)


def _not_read(text: str, path: Path, place: Place | Path, problem: str) -> SourceError:
    """The error for a text that YAML cannot parse. If the file is JSON, it is that of a JSON parser, which is clearer
    to its author."""
    if path.suffix == ".json":
        try:
            json.loads(text)
        except json.JSONDecodeError as error:
            line = text.split("\n")[error.lineno - 1][error.colno - 1 :]
            place = Place(path, error.lineno, error.colno)
            if line.startswith(("//", "/*", "#")):
                return SourceError(place, "is a comment; JSON has none. Take it out, or write YAML.")
            return SourceError(place, f"is not valid JSON: {error.msg[0].lower()}{error.msg[1:]}.")
    hint = ". Put text that holds `: ` in quotes" if problem.startswith("mapping values are not allowed") else ""
    return SourceError(place, f"is not valid YAML or JSON: {problem}{hint}.")


#: The tags for the types of JSON, for dates and for merge keys. Others build Python objects or bytes.
_TAGS = frozenset("str int float bool null timestamp map seq merge value".split())
#: CloudFormation reads an account ID that begins with 0 and is not in quotation marks as a float.
_LEADING_ZERO = re.compile(r"0\d+")
#: Characters that end a line, and so a comment, in YAML 1.1 but not in 1.2; and those that change the order in which
#: text is displayed (Unicode Technical Report 36).
_NOT_AS_SHOWN = re.compile("[\u0085\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_DEEPEST = 100
#: The greatest number of values, with those that aliases repeat. A template of a megabyte has fewer than 200,000.
_MOST = 300_000


def _refuse_depth(text: str, path: Path) -> None:
    """Refuse deep nesting: libyaml's composer is recursive C code, and would crash the process."""
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
        self.unclear: dict[tuple[Key, ...], str] = {}
        self._values = 0

    def construct(self, node: Any, path: tuple[Key, ...]) -> Any:
        self._values += 1
        # An alias can refer to a value that contains it, or to many aliases that each refer to many others.
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
        value = self._scalar(node)
        number = type(value) in (int, float) and str(value) != node.value
        if number or (not node.style and _LEADING_ZERO.fullmatch(node.value)):
            self.unclear[path] = node.value
        return value

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
            # In YAML the argument of Fn::GetAtt can be one text, as that of !GetAtt.
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
            # The attribute is all after the first dot: Stack.Outputs.Name is the attribute Outputs.Name of Stack.
            return {key: node.value.split(".", 1)}
        return {key: node.value}

    def _scalar(self, node: Any) -> Any:
        # A date stays text: 2012-10-17 is the name of a policy version.
        if node.tag == "tag:yaml.org,2002:timestamp":
            return node.value
        try:
            return self._scalars.construct_object(node)
        except (yaml.YAMLError, ValueError):
            raise SourceError(Place(self._path, *_mark(node)), f"{node.value!r} cannot be read.") from None


def _entries(node: Any, seen: set[int] | None = None) -> list[tuple[Any, Any, bool]]:
    """The entries of a mapping itself, then those that it inherits by merge keys (`<<`), marked as such. A mapping that
    is merged twice, or into itself, adds nothing."""
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
