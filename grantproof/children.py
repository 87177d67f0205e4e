"""Runs work in forked child processes: each starts with the state of this process, and cannot change that of others."""

from __future__ import annotations

import gc
import os
import selectors
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, Self, TypeVar

T = TypeVar("T")

#: The greatest time in seconds that a child may take for a line. After that it is killed.
_LIMIT = 120


def forked(tasks: Sequence[T], work: Callable[[T], Iterator[bytes]], workers: int) -> Iterator[tuple[T, list[bytes]]]:
    """The lines that children return for their tasks, in the order in which the children end.

    Args:
        tasks: one child for each; at most `workers` run at a time.
        work: what a child does. It yields lines, without newlines in them.

    Yields:
        each task with the complete lines that its child returned. A child that dies or times out returns no more.
    """
    said: list[list[bytes]] = [[] for _ in tasks]
    for number, line in heard(range(len(tasks)), lambda number: work(tasks[number]), workers, limit=_LIMIT):
        if line is None:
            yield tasks[number], said[number]
            said[number] = []
        else:
            said[number].append(line)


def heard(
    tasks: Sequence[T], work: Callable[[T], Iterator[bytes]], workers: int, *, limit: int = 0
) -> Iterator[tuple[T, bytes | None]]:
    """As `forked`, but each complete line as it arrives, and None when a child has ended. `limit`: the greatest time
    between two lines in seconds; without it a child can take any time."""
    waiting = list(reversed(tasks))
    with Children[T](limit) as children:
        while waiting or children:
            while waiting and len(children) < workers:
                children.begin(waiting.pop(), work)
            yield from children.said()


class Children(Generic[T]):
    """Running children, each with a task. A context manager, which ends them at its exit."""

    def __init__(self, limit: int = 0) -> None:
        self._limit = limit
        self._selector = selectors.DefaultSelector()
        self._begun: dict[int, bytes] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the children that are still running."""
        for key in tuple(self._selector.get_map().values()):
            pid, _task = key.data
            os.kill(pid, signal.SIGKILL)
            self._ended(pid, key.fd)
        gc.unfreeze()

    def __len__(self) -> int:
        """The number of children that are still running."""
        return len(self._begun)

    def begin(self, task: T, work: Callable[[T], Iterator[bytes]]) -> None:
        """Fork a child for a task. Its work yields lines, without newlines in them."""
        gc.freeze()
        pid, pipe = _child(task, work, self._limit)
        self._selector.register(pipe, selectors.EVENT_READ, (pid, task))
        self._begun[pid] = b""

    def said(self) -> Iterator[tuple[T, bytes | None]]:
        """Wait for output: yields each complete line, and None for a child that has ended."""
        for key, _ in self._selector.select():
            pid, task = key.data
            data = os.read(key.fd, 1 << 20)
            *lines, self._begun[pid] = (self._begun[pid] + data).split(b"\n")
            yield from ((task, line) for line in lines)
            if not data:
                self._ended(pid, key.fd)
                yield task, None

    def _ended(self, pid: int, pipe: int) -> None:
        self._selector.unregister(pipe)
        os.close(pipe)
        os.waitpid(pid, 0)
        del self._begun[pid]


def _child(task: T, work: Callable[[T], Iterator[bytes]], limit: int) -> tuple[int, int]:
    """Fork a child; returns its process ID and the file descriptor of its output."""
    out, into = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        os.close(into)
        return pid, out
    try:
        os.close(out)
        warnings.simplefilter("ignore")  # moto's about a resource that it does not know, which becomes a verdict
        signal.alarm(limit)
        for line in work(task):
            data = line + b"\n"
            while data:
                data = data[os.write(into, data) :]
            signal.alarm(limit)
    finally:
        os._exit(0)
