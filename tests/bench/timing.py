"""Timing: the best of several rounds, taken in turns so that a busy moment of the machine meets both sides."""

from __future__ import annotations

import time
from collections.abc import Callable


def best_of(rounds: int, *sides: Callable[[], object]) -> list[float]:
    """The shortest time of each side, in seconds."""
    best = [float("inf")] * len(sides)
    for _ in range(rounds):
        for number, side in enumerate(sides):
            started = time.perf_counter()
            side()
            best[number] = min(best[number], time.perf_counter() - started)
    return best
