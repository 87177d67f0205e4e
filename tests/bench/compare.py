"""Exact comparisons of AWS's managed policies: time for each, and how many stay undetermined.

A check is one direction: is everything that one policy allows allowed by the other? It is measured in two ways:

- read: whatever belongs to one side alone is worked out before (`Prepared.read`, which has a line of its own), and what
  earlier checks worked out of two sides together is forgotten before each;
- first use: nothing is worked out before but the parsing, and each side is read as far as the check takes it.

Times are of the processor. Of each check the shortest of a few counts, since the machine does other things as well, and
the collector's walk over 1,582 policies is no part of a check.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from random import Random

from grantproof.iam.comparison import automaton, language
from grantproof.iam.comparison.compare import Verdict, compare, contained
from grantproof.iam.comparison.prepared import Prepared
from grantproof.iam.errors import Undecided
from tests.bench.managed import afresh, documents, policy, prepared
from tests.iam import hard

RANDOM_PAIRS = 2_000
#: Of so many rounds each check's shortest counts.
ROUNDS = 3
WIDE = ("ReadOnlyAccess", "PowerUserAccess", "AdministratorAccess")

Pairs = Sequence[tuple[str, str]]


def check(inner: Prepared, outer: Prepared) -> str:
    """`contained`, `not` or `undetermined`."""
    try:
        return "contained" if contained(inner, outer) else "not"
    except Undecided:
        return "undetermined"


def read_before(name: str) -> Prepared:
    """A policy that was read, and has met no other."""
    side = prepared(name)
    side.forget()
    return side


def measured(pairs: Pairs, side: Callable[[str], Prepared]) -> tuple[Counter[str], list[float]]:
    """The answers, and the milliseconds of each, sorted. `side`: a policy by its name, before every check."""
    best = [float("inf")] * len(pairs)
    for _ in range(ROUNDS):
        answers: Counter[str] = Counter()
        gc.collect()
        gc.freeze()
        for number, (inner, outer) in enumerate(pairs):
            language.forget()
            automaton.forget()
            sides = side(inner), side(outer)
            started = time.process_time()
            answers[check(*sides)] += 1
            best[number] = min(best[number], (time.process_time() - started) * 1000)
    return answers, sorted(best)


def report(title: str, pairs: Pairs, side: Callable[[str], Prepared]) -> None:
    """One line: answers and times."""
    answers, times = measured(pairs, side)
    print(
        f"compare {title:46} {answers['contained']:6,} contained {answers['not']:6,} not "
        f"{answers['undetermined']:3} undetermined   ms median {statistics.median(times):.3f} "
        f"p99 {times[int(len(times) * 0.99)]:.2f} max {times[-1]:.1f}",
        flush=True,
    )


def read_all(names: Sequence[str]) -> None:
    """Read every policy, and print one line."""
    for name in names:
        policy(name)
    started = time.process_time()
    for name in names:
        prepared(name).read()
    seconds = time.process_time() - started
    print(f"compare reading {len(names):,} policies takes {seconds:.2f} s, {seconds / len(names) * 1000:.2f} ms each")


def row(outer: str, names: tuple[str, ...]) -> Counter[str]:
    """One policy against all others."""
    return Counter(check(prepared(inner), prepared(outer)) for inner in names)


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
    random = Random(1)  # noqa: S311 - pairs to measure, not secrets
    pairs = {
        f"{RANDOM_PAIRS:,} random ordered pairs": [
            (random.choice(names), random.choice(names)) for _ in range(RANDOM_PAIRS)
        ]
    }
    pairs |= {f"all against {wide}": [(name, wide) for name in names] for wide in WIDE}
    read_all(names)
    for title, some in pairs.items():
        report(title, some, read_before)
    for title, some in pairs.items():
        report(f"{title}, first use", some, afresh)
    adversarial()
    if options.matrix:
        matrix()


if __name__ == "__main__":
    sys.exit(main())
