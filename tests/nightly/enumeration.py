"""The comparison against enumeration of small worlds: 200,000 random pairs of policies, 4,000 that name principals,
4,000 with two policy variables, 4,000 in which case counts or does not, and 4,000 with policies in all layers."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from grantproof.iam import IamError, Layers
from grantproof.iam.comparison.compare import Verdict, compare, quick_verdict
from tests.iam import brute, layered, lettercase, named, test_assignments

KINDS = {"plain": {}, "limits": {"limits": True}, "variables": {"variables": True}}
CHUNK = 250
#: Of so many pairs one is compared whole.
WHOLE = 5


def missed(verdict: Verdict, truth: tuple[bool, bool]) -> bool:
    """Did enumeration find what the comparison says is not there?"""
    more, less = truth
    return (more and verdict not in (Verdict.WIDER, Verdict.DIFFERENT)) or (
        less and verdict not in (Verdict.NARROWER, Verdict.DIFFERENT)
    )


def answer(old: Layers, new: Layers, owner: str | None, truth: tuple[bool, bool], *, whole: bool) -> str:
    """One word about one pair. `whole`: gather everything that differs; else stop at the first difference each way,
    which is another way through the search."""
    if whole:
        verdict = compare(old, new, owner=owner, every_reading=False).verdict
    else:
        verdict = quick_verdict(old, new, owner=owner)
    if verdict is Verdict.UNDETERMINED:
        return "undetermined"
    return "missed" if missed(verdict, truth) else verdict.value


def small(kind: str, first: int) -> Counter[str]:
    """A chunk of random pairs of identity policies and their limits."""
    found: Counter[str] = Counter()
    for seed in range(first, first + CHUNK):
        old, new = map(brute.parsed, brute.pair(seed, **KINDS[kind]))
        word = answer(old, new, None, brute.differs(old, new), whole=seed % WHOLE == 0)
        found[word] += 1
        if word == "missed":
            print(f"missed: {kind} {seed}", file=sys.stderr)
    return found


def principals(first: int) -> Counter[str]:
    """A chunk of random pairs of resource policies."""
    found: Counter[str] = Counter()
    for seed in range(first, first + CHUNK):
        try:
            old, new = named.pair(seed)
        except IamError:
            continue
        word = answer(old, new, named.OWNER, named.differs(old, new), whole=seed % WHOLE == 0)
        found[word] += 1
        if word == "missed":
            print(f"missed: principals {seed}", file=sys.stderr)
    return found


def _asked(missed: Callable[[int], bool | None], title: str, first: int) -> Counter[str]:
    found: Counter[str] = Counter()
    for seed in range(first, first + CHUNK):
        answer = missed(seed)
        found["undetermined" if answer is None else "missed" if answer else "found"] += 1
        if answer:
            print(f"missed: {title} {seed}", file=sys.stderr)
    return found


def several_variables(first: int) -> Counter[str]:
    """A chunk of random pairs with two policy variables."""
    return _asked(test_assignments.missed, "two variables", first)


def letter_case(first: int) -> Counter[str]:
    """A chunk of random pairs with a policy variable that is compared with and without regard to case."""
    return _asked(lettercase.missed, "letter case", first)


def all_layers(first: int) -> Counter[str]:
    """A chunk of random pairs with policies in all layers."""
    return _asked(layered.missed, "layers", first)


#: The kinds of pairs, and what looks at a chunk of them.
CHUNKS: dict[str, Callable[[int], Counter[str]]] = {
    **{kind: partial(small, kind) for kind in KINDS},
    "principals": principals,
    "two variables": several_variables,
    "letter case": letter_case,
    "all layers": all_layers,
}


def main(arguments: list[str] | None = None) -> int:
    """Run all chunks over the machine's cores; the exit status is 1 when anything was missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=200_000, help=f"pairs of the kinds {', '.join(KINDS)}")
    parser.add_argument("--named", type=int, default=4_000, help="pairs of each other kind")
    parser.add_argument("--start", type=int, default=1_000_000, help="first seed; `make test` uses small ones")
    parser.add_argument("--only", choices=CHUNKS, action="append", help="one kind")
    options = parser.parse_args(arguments)
    total: Counter[str] = Counter()
    with ProcessPoolExecutor() as pool:
        for kind in options.only or CHUNKS:
            pairs = options.pairs // len(KINDS) if kind in KINDS else options.named
            found = sum(pool.map(CHUNKS[kind], range(options.start, options.start + pairs, CHUNK)), Counter())
            print(f"enumeration {kind:13} {found.total():6,} pairs {dict(found)}", flush=True)
            total += found
    return 1 if total["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
