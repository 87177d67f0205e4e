"""Judges mutants in forked children with a common queue, since one mutant takes a hundred times as long as another."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from tempfile import TemporaryFile

from grantproof.children import forked
from grantproof.mutants.mutant import Mutant
from grantproof.mutants.score import Result

_WIDTH = 4


def judge_in_parallel(
    these: Sequence[Mutant], judge: Callable[[Mutant], Result | None], workers: int
) -> Iterator[Result]:
    """The results of `judge`, in children. Left out are mutants for which it returns None or raises, or whose child
    ended."""
    by_id = {mutant.id: mutant for mutant in these}
    with TemporaryFile() as queue:
        queue.write(b"".join(number.to_bytes(_WIDTH, "big") for number in range(len(these))))
        queue.seek(0)

        def work(_: int) -> Iterator[bytes]:
            # Children share one file offset, so each number is read by exactly one of them.
            while number := os.read(queue.fileno(), _WIDTH):
                mutant, found = these[int.from_bytes(number, "big")], None
                # The caller decides about mutants without a result.
                with suppress(Exception):
                    found = judge(mutant)
                if found is not None:
                    yield json.dumps([mutant.id, found.payload()]).encode()

        for _, lines in forked(range(workers), work, workers):
            for name, said in map(json.loads, lines):
                yield Result.from_payload(by_id[name], json.dumps(said).encode())
