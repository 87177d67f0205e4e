"""Work in forked children: each begins with all that this process has built, and what it does reaches no other."""

from __future__ import annotations

import gc
import os
import selectors
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

#: Longest that a child may take for one thing that it says, in seconds. One that takes longer is ended.
_LIMIT = 120


def forked(tasks: Sequence[T], work: Callable[[T], Iterator[bytes]], workers: int) -> Iterator[tuple[T, list[bytes]]]:
    """What the children said of their tasks, in the order in which they end.

    Args:
        tasks: one child each, as many at a time as there are `workers`.
        work: what a child does; it says lines, without newlines in them.

    Yields:
        a task and the whole lines that its child said. A child that died, or took too long, says no more.
    """
    said: list[list[bytes]] = [[] for _ in tasks]
    gc.collect()
    for number, line in heard(range(len(tasks)), lambda number: work(tasks[number]), workers, limit=_LIMIT):
        if line is None:
            yield tasks[number], said[number]
            said[number] = []
        else:
            said[number].append(line)


def heard(
    tasks: Sequence[T], work: Callable[[T], Iterator[bytes]], workers: int, *, limit: int = 0
) -> Iterator[tuple[T, bytes | None]]:
    """As `forked`, but each whole line as it comes, and None when a child has ended. Without a `limit` in seconds, a
    child takes the time that it needs."""
    waiting, selector = list(reversed(tasks)), selectors.DefaultSelector()
    begun: dict[int, bytes] = {}
    gc.freeze()
    try:
        while waiting or begun:
            while waiting and len(begun) < workers:
                task = waiting.pop()
                pid, pipe = _child(task, work, limit)
                selector.register(pipe, selectors.EVENT_READ, (pid, task))
                begun[pid] = b""
            for key, _ in selector.select():
                pid, task = key.data
                data = os.read(key.fd, 1 << 20)
                *lines, begun[pid] = (begun[pid] + data).split(b"\n")
                yield from ((task, line) for line in lines)
                if not data:
                    selector.unregister(key.fd)
                    os.close(key.fd)
                    os.waitpid(pid, 0)
                    del begun[pid]
                    yield task, None
    finally:
        for pid in begun:  # nobody listens any more
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        selector.close()
        gc.unfreeze()


def _child(task: T, work: Callable[[T], Iterator[bytes]], limit: int) -> tuple[int, int]:
    """Start a child; its number, and where what it says can be read."""
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
