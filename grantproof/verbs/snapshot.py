"""`grantproof snapshot`: writes snapshots of real accounts to files."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from grantproof.verbs import BAD_USAGE, VERIFIED, unwritable
from grantproof.verbs.parsers import Commands, parser

if TYPE_CHECKING:
    from grantproof.contract import Contract


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Define the arguments."""
    snapshot = parser(
        commands,
        "snapshot",
        summary="export what real accounts hold, read-only, for verify --snapshot",
        about="Read the accounts of the contracts below DIR and write what `verify --snapshot` takes. "
        "Nothing is changed; docs/real-accounts.md names every call.",
        statuses={0: "all accounts were read", 2: "one could not be read whole; nothing was written"},
        examples=["templates owner=PROFILE partner=PROFILE", "grants owner=PROFILE --services s3,kms --out exports"],
    )
    snapshot.add_argument("directory", metavar="DIR", type=Path, help="a grant, or a folder of grants")
    snapshot.add_argument(
        "accounts", metavar="ALIAS=PROFILE", nargs="+", help="account of the contracts, and a profile"
    )
    snapshot.add_argument(
        "--out", metavar="DIR", type=Path, default=Path("snapshots"), help="where the exports go (default: snapshots)"
    )
    snapshot.add_argument(
        "--services",
        metavar="NAMES",
        help="the services whose resource policies are read, with commas between (default: all that are known)",
    )
    snapshot.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Execute the command; returns the exit status."""
    from grantproof.contract import find
    from grantproof.source import SourceError

    try:
        grants = find(options.directory)
    except SourceError as error:
        print(error, file=sys.stderr)
        return BAD_USAGE
    from grantproof.aws.real.live import SnapshotFailed

    try:
        take_snapshots(grants, options.accounts, options.out, options.services)
    except (SourceError, SnapshotFailed) as error:
        print(error, file=sys.stderr)
        return BAD_USAGE
    except BrokenPipeError:
        raise  # not about a file: the reader of the output has closed it
    except OSError as error:
        print(unwritable(error, str(options.out)), file=sys.stderr)
        return BAD_USAGE
    return VERIFIED


def take_snapshots(
    grants: Sequence[Contract], pairs: Sequence[str], folder: Path, services: str | None = None
) -> list[str]:
    """Read live accounts and write an export of each into a folder; returns them as `ALIAS=FILE`. Nothing is written
    until all accounts have been read, since exports of some of the accounts cannot be verified.

    Args:
        pairs: `ALIAS=PROFILE` for each account of the contracts.
        services: whose resource policies are read, with commas between; None for all that are known.

    Raises:
        SourceError: the pairs do not fit the contracts.
        SnapshotFailed: an account cannot be read completely.
        OSError: a file cannot be written.
    """
    if not pairs:
        return []
    from grantproof.aws.real import live
    from grantproof.aws.real.export import by_alias

    progress = _Progress()
    sources = live.sources(grants, by_alias(pairs, "PROFILE"))
    asked = live.known_services(services)
    documents_of = {s: live.take(s, live.stacks_in(grants, s.alias), asked, progress=progress) for s in sources}
    progress.end()
    for source, documents in documents_of.items():
        file = folder / f"{source.alias}.json"
        live.write(documents, file)
        print(f"{source.alias}: account {source.account} written to {file}", file=sys.stderr)
    return [f"{source.alias}={folder / f'{source.alias}.json'}" for source in documents_of]


class _Progress:
    """Shows the progress in one line of the terminal, which each call overwrites. Shows nothing if stderr is no
    terminal."""

    def __call__(self, text: str) -> None:
        if sys.stderr.isatty():
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Clear the line."""
        self("")
