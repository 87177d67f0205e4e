"""Exact comparisons of AWS's managed policies: time for each, and how many stay undetermined.

A check is one direction: is everything that one policy allows allowed by the other?
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from random import Random

from grantproof.iam.comparison.compare import Verdict, compare, contained
from grantproof.iam.errors import Undecided
from tests.bench.managed import documents, prepared
from tests.iam import hard

RANDOM_PAIRS = 2_000
WIDE = ("ReadOnlyAccess", "PowerUserAccess", "AdministratorAccess")


def check(inner: str, outer: str) -> str:
    """`contained`, `not` or `undetermined`."""
    try:
        return "contained" if contained(prepared(inner), prepared(outer)) else "not"
    except Undecided:
        return "undetermined"


def measured(pairs: Iterable[tuple[str, str]]) -> tuple[Counter[str], list[float]]:
    """The answers, and the milliseconds of processor time of each."""
    answers: Counter[str] = Counter()
    times = []
    for inner, outer in pairs:
        started = time.process_time()
        answers[check(inner, outer)] += 1
        times.append((time.process_time() - started) * 1000)
    return answers, sorted(times)


def report(title: str, pairs: list[tuple[str, str]]) -> None:
    """One line: answers and times."""
    answers, times = measured(pairs)
    print(
        f"compare {title:34} {answers['contained']:6,} contained {answers['not']:6,} not "
        f"{answers['undetermined']:3} undetermined   ms median {statistics.median(times):.3f} "
        f"p99 {times[int(len(times) * 0.99)]:.2f} max {times[-1]:.1f}"
    )


def row(outer: str, names: tuple[str, ...]) -> Counter[str]:
    """One policy against all others."""
    return Counter(check(inner, outer) for inner in names)


def matrix() -> None:
    """Every ordered pair, shared over the machine's cores."""
    names = tuple(documents())
    started = time.perf_counter()
    with ProcessPoolExecutor() as pool:
        answers = sum(pool.map(row, names, repeat(names), chunksize=16), Counter())
    seconds = time.perf_counter() - started
    print(f"compare full matrix, {answers.total():,} pairs: {dict(answers)} in {seconds:.0f} s (aim 120)")


def adversarial() -> None:
    """Policies made to be hard: answered, or undetermined, within two seconds (aim)."""
    for title, (old, new) in hard.CASES.items():
        started = time.process_time()
        found = compare(old, new)
        seconds = time.process_time() - started
        verdict = found.verdict.value if found.verdict is not Verdict.UNDETERMINED else f"undetermined ({found.reason})"
        print(f"compare {title:34} {verdict} in {seconds:.2f} s (aim 2)")


def main(arguments: list[str] | None = None) -> None:
    """Print the lines; with --matrix the full matrix too."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--matrix", action="store_true", help="every ordered pair too: minutes")
    options = parser.parse_args(arguments)
    names = list(documents())
    for name in names:
        prepared(name)
    random = Random(1)  # noqa: S311 - pairs to measure, not secrets
    pairs = [(random.choice(names), random.choice(names)) for _ in range(RANDOM_PAIRS)]
    measured(pairs)  # what is compiled on first use is not part of a check
    gc.collect()
    gc.freeze()  # nor is the collector's walk over 1,582 policies
    report(f"{RANDOM_PAIRS:,} random ordered pairs", pairs)
    for wide in WIDE:
        report(f"all against {wide}", [(name, wide) for name in names])
    adversarial()
    if options.matrix:
        matrix()


if __name__ == "__main__":
    sys.exit(main())
