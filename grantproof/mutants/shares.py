"""Mutants judged in forked children, each of which takes a share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from grantproof.children import forked
from grantproof.mutants.catalogue import Mutant
from grantproof.mutants.score import Result


def shared(these: Sequence[Mutant], judge: Callable[[Mutant], Result | None], workers: int) -> Iterator[Result]:
    """Judge in children, each of which takes a share. None of a mutant that cannot be judged so, and of those that its
    child no longer came to."""
    by_id = {mutant.id: mutant for mutant in these}

    def work(share: Sequence[Mutant]) -> Iterator[bytes]:
        for mutant in share:
            found = None
            # Whoever asks has something else to say of what cannot be judged here.
            with suppress(Exception):
                found = judge(mutant)
            if found is not None:
                yield json.dumps([mutant.id, found.said()]).encode()

    for _, lines in forked([these[number::workers] for number in range(workers)], work, workers):
        for name, said in map(json.loads, lines):
            yield Result.from_said(by_id[name], json.dumps(said).encode())
