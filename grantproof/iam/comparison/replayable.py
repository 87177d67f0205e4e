"""Iterators that compute their items when they are first needed, and can be iterated again."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Generic, TypeVar

from grantproof.iam.errors import Undecided

_T = TypeVar("_T")


class Replayable(Generic[_T]):
    """An iterator that can be iterated again. An exception that it raised is raised again."""

    def __init__(self, found: Iterator[_T]) -> None:
        self._found, self._kept = found, list[_T]()
        self._raised: Undecided | None = None

    def __iter__(self) -> Iterator[_T]:
        at = 0
        while at < len(self._kept) or self._another():
            yield self._kept[at]
            at += 1

    def _another(self) -> bool:
        if self._raised is not None:
            raise self._raised
        try:
            self._kept += (found := list(islice(self._found, 1)))
        except Undecided as error:
            self._raised = error
            raise
        return bool(found)
