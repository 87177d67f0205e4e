"""Mutants judged in forked children, each of which takes the next one that nobody has taken: one takes a hundred times
as long as another."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from tempfile import TemporaryFile

from grantproof.children import forked
from grantproof.mutants.catalogue import Mutant
from grantproof.mutants.score import Result

_WIDTH = 4


def judge_in_parallel(
    these: Sequence[Mutant], judge: Callable[[Mutant], Result | None], workers: int
) -> Iterator[Result]:
    """Judge in children. None of a mutant that cannot be judged so, and of that at which a child came to its end."""
    by_id = {mutant.id: mutant for mutant in these}
    with TemporaryFile() as queue:
        queue.write(b"".join(number.to_bytes(_WIDTH, "big") for number in range(len(these))))
        queue.seek(0)

        def work(_: int) -> Iterator[bytes]:
            # Children have one file offset in common, so that each number is read by one of them.
            while number := os.read(queue.fileno(), _WIDTH):
                mutant, found = these[int.from_bytes(number, "big")], None
                # Whoever asks has something else to say of what cannot be judged here.
                with suppress(Exception):
                    found = judge(mutant)
                if found is not None:
                    yield json.dumps([mutant.id, found.payload()]).encode()

        for _, lines in forked(range(workers), work, workers):
            for name, said in map(json.loads, lines):
                yield Result.from_payload(by_id[name], json.dumps(said).encode())
