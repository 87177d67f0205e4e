"""Runs a fleet: batches on an executor, a journal of results, progress, one verdict."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from grantproof.contract import Contract
from grantproof.fleet.judge import Judgement, judge
from grantproof.fleet.plan import Deployment, Keys, Shard, deployments

#: Deployments in one task: many, so that distributing them costs little; few, so that little is lost with a worker.
BATCH = 8
#: Tasks submitted at a time for each worker. More would only fill memory.
AHEAD = 3


class Stopped(Exception):
    """A run that ended before everything was verified. The message says why, and what to do."""


@dataclass(frozen=True)
class Fleet:
    """The deployments to verify."""

    directory: Path
    file: Path
    suites: Path
    contracts: Mapping[str, Contract]
    shard: Shard

    def mine(self) -> Iterator[Deployment]:
        """The deployments of this shard."""
        found = enumerate(deployments(self.file, self.contracts))
        return (deployment for position, deployment in found if self.shard.includes(position))


@dataclass(frozen=True)
class Totals:
    """The progress of a run and its results so far."""

    planned: int
    done: int = 0
    verified: int = 0
    kept: int = 0
    roles: int = 0
    proved: int = 0

    def plus(self, found: Judgement, *, kept: bool) -> Totals:
        """The totals with one more result."""
        return Totals(
            self.planned,
            self.done + 1,
            self.verified + found.verified,
            self.kept + kept,
            self.roles + found.roles,
            self.proved + found.proved,
        )

    @property
    def all_verified(self) -> bool:
        """Was every deployment verified, without a finding?"""
        return self.planned == self.done == self.verified


class Journal:
    """A file of results, one on each line, written as they arrive. A truncated line is ignored."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def kept(self) -> dict[str, Judgement]:
        """The results of earlier runs, by key. Deployments that were not verified are verified again."""
        out = {}
        if self._path.exists():
            for line in self._path.read_text(encoding="utf-8").splitlines():
                try:
                    data = json.loads(line)
                    found = Judgement(**{**data["judgement"], "findings": tuple(data["judgement"]["findings"])})
                except (ValueError, KeyError, TypeError):
                    continue
                if found.verified:
                    out[data["key"]] = found
        return out

    def start(self, kept: Mapping[str, Judgement]) -> None:
        """Write the file anew, with these results of earlier runs."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_name(f".{self._path.name}.part")
        beside.write_text("".join(_line(key, found) for key, found in kept.items()), encoding="utf-8")
        beside.replace(self._path)

    def add(self, key: str, found: Judgement) -> None:
        """Append one result to the file."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(_line(key, found))


def _line(key: str, found: Judgement) -> str:
    return json.dumps({"key": key, "judgement": asdict(found)}) + "\n"


def run(
    fleet: Fleet,
    executor: Executor,
    workers: int,
    journal: Journal,
    broken: Callable[[Judgement], None],
    progress: Callable[[Totals, float], None] = lambda totals, seconds: None,
) -> Totals:
    """Verify every deployment of the shard that has no result yet. `broken` is called with each that is not verified.

    Raises:
        FleetError: the file of deployments is wrong; found before anything is verified.
        Stopped: workers were lost and could not be replaced. The results so far are in the journal.
    """
    began = time.monotonic()
    planned = sum(1 for _ in fleet.mine())
    keys, kept = Keys(fleet.contracts, fleet.suites), journal.kept()
    wanted = {deployment.line: keys.digest(deployment) for deployment in fleet.mine()}
    kept = {key: kept[key] for key in wanted.values() if key in kept}
    journal.start(kept)
    totals = Totals(planned)
    for found in kept.values():
        totals = totals.plus(found, kept=True)
    left = (deployment for deployment in fleet.mine() if wanted[deployment.line] not in kept)
    for found in _judgements(fleet, left, executor, workers * AHEAD):
        journal.add(wanted[found.line], found)
        totals = totals.plus(found, kept=False)
        if not found.verified:
            broken(found)
        progress(totals, time.monotonic() - began)
    return totals


def _judgements(fleet: Fleet, left: Iterable[Deployment], executor: Executor, ahead: int) -> Iterator[Judgement]:
    """Results as they arrive; at most `ahead` batches are being verified at a time."""
    batches = _batches(left)
    under_way: set[Future[list[Judgement]]] = set()
    while True:
        for batch in islice(batches, ahead - len(under_way)):
            under_way.add(executor.submit(judge, fleet.directory, fleet.suites, batch))
        if not under_way:
            return
        done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
        # What is done comes first, so that a lost worker takes nothing with it that others have finished.
        for future in sorted(done, key=lambda one: one.exception() is not None):
            try:
                yield from future.result()
            except Exception as error:
                # Whatever a worker dies of, nothing that it held is verified.
                kind = f"{type(error).__name__}: {error}".strip(": ")
                raise Stopped(
                    f"a worker was lost ({kind.splitlines()[0]}). What is done is kept: run the same command again."
                ) from error


def _batches(left: Iterable[Deployment]) -> Iterator[tuple[Deployment, ...]]:
    rest = iter(left)
    while batch := tuple(islice(rest, BATCH)):
        yield batch
