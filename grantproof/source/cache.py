"""A cache of parsed files and of paths, for a time in which no file changes."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grantproof.source.document import Document


@dataclass(frozen=True)
class FileCache:
    """Parsed documents, resolved paths and displayed paths, each by the path as it was given.

    Attributes:
        here: the working directory.
    """

    documents: dict[Path, Document] = field(default_factory=dict)
    resolved: dict[Path, Path] = field(default_factory=dict)
    shown: dict[Path, str] = field(default_factory=dict)
    here: Path = field(default_factory=Path.cwd)


_cache: ContextVar[FileCache | None] = ContextVar("file cache", default=None)


@contextmanager
def cached_files() -> Generator[None, None, None]:
    """A context in which each file is read only once: files and the working directory must not change. An `overlay`
    still replaces its files."""
    token = _cache.set(FileCache())
    try:
        yield
    finally:
        _cache.reset(token)


def cache() -> FileCache | None:
    """The cache in use, if there is one."""
    return _cache.get()


def resolved(path: Path) -> Path:
    """`path.resolve()`, cached."""
    known = _cache.get()
    if known is None:
        return path.resolve()
    if path not in known.resolved:
        known.resolved[path] = path.resolve()
    return known.resolved[path]


def shown(path: Path) -> str:
    """A path for people: relative to the working directory, if it is below it."""
    known = _cache.get()
    if known is None:
        return _shown(path, Path.cwd())
    if path not in known.shown:
        known.shown[path] = _shown(path, known.here)
    return known.shown[path]


def _shown(path: Path, here: Path) -> str:
    try:
        return str(path.resolve().relative_to(here))
    except ValueError:
        return str(path)
