"""A value of a contract with its position, and the checks that report an error there, with the next step."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from grantproof.contract.errors import ContractError
from grantproof.source import Document, Key, Place, shown

_ALIAS = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Node:
    """A value of a contract, and the path of keys and indexes that leads to it.

    Methods that return a Python value check it first and raise `ContractError` at its position. `what` in their
    arguments is what the error calls the value.
    """

    document: Document
    value: Any
    path: tuple[Key, ...] = ()

    def __contains__(self, key: str) -> bool:
        return key in self.value

    def __getitem__(self, key: Key) -> Node:
        return Node(self.document, self.value[key], (*self.path, key))

    def get(self, key: str, default: Any) -> Node:
        """The value under a key of an object, or `default` if it has no such key."""
        return Node(self.document, self.value.get(key, default), (*self.path, key))

    @property
    def place(self) -> Place:
        """The position of the value in the file."""
        return self.document.place(*self.path)

    @property
    def folder(self) -> Path:
        """The folder of the grant."""
        return self.document.path.parent

    def refuse(self, message: str, *inside: Key) -> NoReturn:
        """Report an error at the value, or at a path inside it.

        Raises:
            ContractError: always.
        """
        raise ContractError(self.document.place(*self.path, *inside), message.rstrip())

    def object(self, what: str, known: Sequence[str] | None = None, required: Sequence[str] = ()) -> Node:
        """This node, checked to be an object with all required keys and none but the known ones (None: any)."""
        if not isinstance(self.value, Mapping):
            self.refuse(f"{what} is an object, not {named(self.value)}.")
        for key in self.value:
            if known is not None and key not in known:
                self.refuse(f"{what} has no key {key!r}. {did_you_mean(key, known)}", key)
        return self.having(required, what)

    def having(self, keys: Sequence[str], what: str) -> Node:
        """This node, an object checked to have these keys."""
        for key in keys:
            if key not in self.value:
                self.refuse(f"{what} has no {key!r}. Add it.")
        return self

    def text(self, what: str) -> str:
        """The value, checked to be a text that is not empty."""
        if not isinstance(self.value, str) or not self.value:
            self.refuse(f"{what} is text, not {named(self.value)}. Put it in quotes.")
        return self.value

    def text_at(self, key: str, default: str = "") -> str:
        """The text under a key of an object, or `default` if it has no such key."""
        return self[key].text(key) if key in self else default

    def items(self, what: str) -> list[Node]:
        """The entries of the value, checked to be a list that is not empty."""
        if not isinstance(self.value, list) or not self.value:
            self.refuse(f"{what} is a list with at least one entry, not {named(self.value)}.")
        return [self[number] for number in range(len(self.value))]

    def items_at(self, key: str) -> list[Node]:
        """The entries of the list under a key of an object; none if it has no such key."""
        return self[key].items(key) if key in self else []

    def aliases(self, what: str) -> dict[str, Node]:
        """The entries by alias, of the value, checked to be an object that is not empty."""
        self.object(what)
        if not self.value:
            self.refuse(f"{what} is empty. Declare at least one entry.")
        for alias in self.value:
            if not _ALIAS.fullmatch(alias):
                self.refuse(f"{alias!r} is not an alias: letters, digits, - and _, a letter first.", alias)
        return {alias: self[alias] for alias in self.value}

    def aliases_at(self, key: str) -> dict[str, Node]:
        """The entries by alias of the object under a key; none if it is missing or empty."""
        return self[key].aliases(key) if self.value.get(key) else {}

    def one_of(self, known: Iterable[str], missing: str) -> str:
        """The value, checked to be one of the known names. `missing` begins the error, as in "no stack is called"."""
        names = list(known)
        if self.value not in names:
            self.refuse(f"{missing} {self.value!r}. {did_you_mean(str(self.value), names)}")
        return str(self.value)

    def file(self) -> Path:
        """The path of the file that the value names, checked to exist in the grant's folder."""
        name = self.text("a file name")
        if "\0" in name:
            self.refuse(f"{name!r} is no file name.")
        found = self.folder / name
        if self.folder.resolve() not in found.resolve().parents:
            self.refuse(f"{name!r} lies outside the grant's folder. Move it into {shown(self.folder)}.")
        if found.is_dir():
            self.refuse(f"{shown(found)} is a folder; name a file.")
        if not found.is_file():
            there = [p.name for p in self.folder.iterdir() if p.name != "contract.yaml"]
            self.refuse(f"there is no file {shown(found)}. {did_you_mean(name, there)}")
        return found


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint for an error: the most similar known name, else all of them if they are few, else nothing."""
    options = sorted(known)
    close = difflib.get_close_matches(name, options, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Known: {', '.join(options)}." if options and len(options) <= 12 else ""


def named(value: Any) -> str:
    """What kind of value it is, in words, for an error."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "a boolean"
        case str():
            return f"the text {value!r}" if value else "empty text"
        case list():
            return "a list" if value else "an empty list"
        case dict():
            return "an object"
    return f"the number {value}"
