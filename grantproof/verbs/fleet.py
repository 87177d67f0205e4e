"""`grantproof verify --fleet`: many deployments against snapshots."""

from __future__ import annotations

import argparse
import sys

from grantproof.verbs import BAD_USAGE, NOT_VERIFIED, VERIFIED, suites


def run(options: argparse.Namespace) -> int:
    """Verify every deployment of the fleet file that has no verdict in the journal yet; returns the exit status."""
    from grantproof.contract import find
    from grantproof.evidence import report_folder
    from grantproof.fleet import report
    from grantproof.fleet.plan import shard
    from grantproof.fleet.run import Fleet, Journal, Stopped, run
    from grantproof.fleet.workers import NoWorkers, workers
    from grantproof.source import SourceError

    try:
        with report_folder.exclusive(options.report_dir, wait=True):
            pass  # only removes the reports of an earlier `verify`: shards share the folder, so it must not stay locked
        part = shard(options.shard)
        number = _number(options.workers)
        contracts = {contract.grant: contract for contract in find(options.directory)}
        fleet = Fleet(options.directory, options.fleet, suites.folder(), contracts, part)
        journal = Journal(options.report_dir / f"fleet-{part.number}-of-{part.of}.jsonl")
        with workers(options.scheduler, number) as (executor, count):
            totals = run(fleet, executor, count, journal, report.broken, report.Progress())
    except BrokenPipeError:
        raise  # not about the journal: the reader of the output has closed it
    except OSError as error:
        print(f"{options.report_dir}: journals cannot be written there: {error.strerror}.", file=sys.stderr)
        return BAD_USAGE
    except (SourceError, NoWorkers, ValueError) as error:
        print(error, file=sys.stderr)
        return BAD_USAGE
    except Stopped as error:
        print(f"NOT VERIFIED  {error}", file=sys.stderr)
        return NOT_VERIFIED
    print("\n".join(report.verdict(totals, part)))
    return VERIFIED if totals.all_verified else NOT_VERIFIED


def _number(given: str | None) -> int | None:
    """The number of processes that `--workers` gives; None without it.

    Raises:
        ValueError: it is not a positive number.
    """
    if given is not None and not (given.isdecimal() and int(given)):
        raise ValueError(f"--workers takes a number of processes, not {given!r}")
    return int(given) if given else None
