"""Reads files as documents, or other texts in place of some of them."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from grantproof.source.cache import cache, resolved
from grantproof.source.document import Document, SourceError
from grantproof.source.parsing import document_of_dumped, parse


@dataclass(frozen=True)
class _Overlay:
    """Texts that replace files, by resolved path, and the documents read since, by path.

    Attributes:
        dumped: the texts were written by `json.dumps(value, indent=1)`.
    """

    texts: Mapping[Path, str]
    dumped: bool
    documents: dict[Path, Document] = field(default_factory=dict)


_overlay: ContextVar[_Overlay | None] = ContextVar("overlay", default=None)


@contextmanager
def overlay(texts: Mapping[Path, str], *, dumped: bool = False) -> Generator[None, None, None]:
    """A context in which these texts replace files, so that a changed template can be verified without a copy of the
    grant. Each file is read only once.

    Args:
        dumped: the texts were written by `json.dumps(value, indent=1)`. The positions of values are then computed
            (`document_of_dumped`), in a twentieth of the time of a YAML parser.
    """
    token = _overlay.set(_Overlay({path.resolve(): text for path, text in texts.items()}, dumped))
    try:
        yield
    finally:
        _overlay.reset(token)


def text_of(path: Path) -> str:
    """The text of a file, or the one that replaces it.

    Raises:
        OSError: it cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    found = _text_in_overlay(path)
    return path.read_text(encoding="utf-8-sig") if found is None else found


def _text_in_overlay(path: Path) -> str | None:
    entered = _overlay.get()
    return entered.texts.get(resolved(path)) if entered and entered.texts else None


def read(path: Path) -> Document:
    """Read a YAML or JSON file.

    Raises:
        SourceError: it does not exist, is not UTF-8 or not valid, is empty, or has an object with the same key twice.
    """
    entered = _overlay.get()
    if entered is not None and (known := entered.documents.get(path)) is not None:
        return known
    text = _text_in_overlay(path)
    if text is None:
        document = _read_file(path)
    else:
        document = _dumped(text, path) if entered is not None and entered.dumped else _parsed(text, path)
    if entered is not None:
        entered.documents[path] = document
    return document


def _read_file(path: Path) -> Document:
    known = cache()
    if known is None:
        return _parsed(_text_to_parse(path), path)
    if path not in known.documents:
        known.documents[path] = _parsed(_text_to_parse(path), path)
    return known.documents[path]


def _text_to_parse(path: Path) -> str:
    try:
        return text_of(path)
    except OSError as error:
        raise SourceError(path, f"cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise SourceError(path, "is not UTF-8 text; save it as UTF-8.") from None


@lru_cache(maxsize=16)
def _dumped(text: str, path: Path) -> Document:
    return document_of_dumped(json.loads(text), path)


@lru_cache(maxsize=256)
def _parsed(text: str, path: Path) -> Document:
    # Cached, since the same few files are read again and again, and the value of a document is never changed.
    return parse(text, path)
