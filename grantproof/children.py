"""Runs tasks in forked child processes. A child starts with a copy of the state of this process, and what it changes
stays in the child."""

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

#: How many seconds a child may take to produce a line. After that it is killed.
_LIMIT = 120


def forked(tasks: Sequence[T], work: Callable[[T], Iterator[bytes]], workers: int) -> Iterator[tuple[T, list[bytes]]]:
    """Run each task in a child of its own.

    Args:
        tasks: what to work on, one child for each.
        work: what a child does with its task. It yields lines, which must not contain newlines.
        workers: the number of children that run at the same time, at most.

    Yields:
        each task with the lines of its child, in the order in which the children end. Of a child that died or took
        too long, only the lines that it had completed.
    """
    output: list[list[bytes]] = [[] for _ in tasks]
    for number, line in forked_lines(range(len(tasks)), lambda number: work(tasks[number]), workers, limit=_LIMIT):
        if line is None:
            yield tasks[number], output[number]
            output[number] = []
        else:
            output[number].append(line)


def forked_lines(
    tasks: Sequence[T], work: Callable[[T], Iterator[bytes]], workers: int, *, limit: int = 0
) -> Iterator[tuple[T, bytes | None]]:
    """As `forked`, but yields each line as soon as it is complete, with its task, and None when a child has ended.

    Args:
        limit: how many seconds a child may take to produce a line; 0 for any time.
    """
    waiting = list(reversed(tasks))
    with Children[T](limit) as children:
        while waiting or children:
            while waiting and len(children) < workers:
                children.begin(waiting.pop(), work)
            yield from children.lines()


class Children(Generic[T]):
    """The children that are running, each with a task. A context manager, which kills them at its exit.

    Args:
        limit: how many seconds a child may take to produce a line before it is killed; 0 for any time.
    """

    def __init__(self, limit: int = 0) -> None:
        self._limit = limit
        self._selector = selectors.DefaultSelector()
        self._incomplete: dict[int, bytes] = {}
        """By process ID: the start of a line of which the end has not arrived."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill the children that are still running."""
        for key in tuple(self._selector.get_map().values()):
            pid, _task = key.data
            os.kill(pid, signal.SIGKILL)
            self._remove(pid, key.fd)
        gc.unfreeze()

    def __len__(self) -> int:
        """The number of children that are still running."""
        return len(self._incomplete)

    def begin(self, task: T, work: Callable[[T], Iterator[bytes]]) -> None:
        """Fork a child that runs `work` on the task. `work` yields lines, which must not contain newlines."""
        gc.freeze()  # a garbage collection in the child would write to, and so copy, the memory that it shares
        pid, pipe = _child(task, work, self._limit)
        self._selector.register(pipe, selectors.EVENT_READ, (pid, task))
        self._incomplete[pid] = b""

    def lines(self) -> Iterator[tuple[T, bytes | None]]:
        """Wait until a child produces output or ends. Yields each complete line with the task of its child, and for a
        child that has ended None in place of a line."""
        for key, _ in self._selector.select():
            pid, task = key.data
            data = os.read(key.fd, 1 << 20)
            *lines, self._incomplete[pid] = (self._incomplete[pid] + data).split(b"\n")
            yield from ((task, line) for line in lines)
            if not data:
                self._remove(pid, key.fd)
                yield task, None

    def _remove(self, pid: int, pipe: int) -> None:
        self._selector.unregister(pipe)
        os.close(pipe)
        os.waitpid(pid, 0)
        del self._incomplete[pid]


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
        warnings.simplefilter("ignore")  # moto warns of a resource that it does not know; a verdict says that instead
        signal.alarm(limit)
        for line in work(task):
            data = line + b"\n"
            while data:
                data = data[os.write(into, data) :]
            signal.alarm(limit)
    finally:
        os._exit(0)
