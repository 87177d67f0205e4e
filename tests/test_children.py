"""Forked children: their messages are received whole, and one that never ends is killed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from grantproof.children import forked, forked_lines


def _work(task: str) -> Iterator[bytes]:
    yield b"begun"
    if task == "hangs":
        time.sleep(60)
    if task == "dies":
        os._exit(1)
    yield b"x" * 1_000_000
    yield b"done"


def test_a_child_that_hangs_or_dies_is_cut_off_and_the_others_are_heard_whole() -> None:
    tasks = ["works", "hangs", "dies", "works too"]
    ended: dict[str, list[bytes]] = {task: [] for task in tasks}
    silent = []
    for number, line in forked_lines(range(4), lambda number: _work(tasks[number]), 2, limit=1):
        if line is None:
            silent.append(tasks[number])
        else:
            ended[tasks[number]].append(line)
    assert sorted(silent) == sorted(tasks)
    assert ended["hangs"] == ended["dies"] == [b"begun"]
    assert ended["works"] == ended["works too"] == [b"begun", b"x" * 1_000_000, b"done"]


def test_what_a_child_changes_stays_in_the_child() -> None:
    seen: list[int] = []

    def work(task: int) -> Iterator[bytes]:
        seen.append(task)
        yield str(len(seen)).encode()

    assert sorted(forked([1, 2, 3], work, 2)) == [(1, [b"1"]), (2, [b"1"]), (3, [b"1"])]
    assert seen == []
