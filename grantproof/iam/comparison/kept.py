"""What is worked out one by one, when it is first asked for, and kept for the next time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Kept(Generic[_T]):
    """An iterator that can be gone through again."""

    def __init__(self, found: Iterator[_T]) -> None:
        self._found, self._kept = found, list[_T]()

    def __iter__(self) -> Iterator[_T]:
        yield from self._kept
        for one in self._found:
            self._kept.append(one)
            yield one
