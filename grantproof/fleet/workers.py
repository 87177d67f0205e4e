"""Who does the work: processes of this machine, or a Dask cluster that is there already."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.context import BaseContext
from typing import Any

from grantproof import __version__


class NoWorkers(Exception):
    """Workers that cannot be had: why, and what to do."""


@contextmanager
def workers(scheduler: str | None, number: int | None) -> Iterator[tuple[Executor, int]]:
    """An executor, and for how many workers there should be work.

    Args:
        scheduler: address of a Dask scheduler; processes of this machine where it is None.
        number: of processes; one for each core where it is None.

    Raises:
        NoWorkers: the cluster cannot be reached, has no workers, or another release of grantproof.
    """
    if scheduler is not None:
        with _cluster(scheduler) as found:
            yield found
        return
    count = number or os.cpu_count() or 1
    pool = ProcessPoolExecutor(count, mp_context=_context())
    try:
        yield pool, count
    finally:
        # The command ends without further ado, and its workers would be left behind.
        pool.shutdown(cancel_futures=True)


def _context() -> BaseContext:
    """Not forked from here: a forked copy of a process that has threads may hang. Forked, where that can be, from a
    process without threads, which imports once what all of them need."""
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload(["grantproof.fleet.judge"])
    return context


@contextmanager
def _cluster(address: str) -> Iterator[tuple[Executor, int]]:
    try:
        import distributed
    except ImportError:
        raise NoWorkers("--scheduler needs Dask: pip install 'grantproof[dask]'.") from None
    try:
        client: Any = distributed.Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise NoWorkers(f"no Dask scheduler answers at {address}: {error}") from None
    try:
        releases = client.run(release)
        if not releases:
            raise NoWorkers(f"the cluster at {address} has no workers. Start some: dask worker {address}")
        if others := {found for found in releases.values() if found != __version__}:
            raise NoWorkers(
                f"workers at {address} have grantproof {', '.join(sorted(others))}, this is {__version__}. "
                "Install the same release."
            )
        # A task whose worker dies is given to another one. `pure` would give equal tasks one result.
        yield client.get_executor(pure=False, retries=2), len(releases)
    finally:
        client.close()


def release() -> str:
    """The release of grantproof here: asked of every worker."""
    return __version__
