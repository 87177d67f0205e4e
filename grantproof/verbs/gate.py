"""`grantproof gate`: before a merge."""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from grantproof.verbs import BAD_USAGE, NOT_VERIFIED, VERIFIED, verify
from grantproof.verbs.parsers import DIR_HELP, Commands, parser

if TYPE_CHECKING:
    from grantproof.gate.change import Change


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Define the arguments."""
    gate = parser(
        commands,
        "gate",
        summary="before a merge: verify every grant, and show what the change does to access",
        about="Verify every grant below DIR, and compare what they give, as deployed, with what they gave where "
        "the change began: the merge base of REF and HEAD. New access passes only if the contract promises it. "
        "See docs/gate.md.",
        statuses={
            0: "verified, and all new access is promised",
            1: "not verified; or new access that no contract promises, or that could not be compared",
            2: "the base, a contract or the command line is wrong; nothing was compared",
        },
        examples=["--base origin/main", "grants --base v1.2.0 --diff-only"],
    )
    gate.add_argument("directory", metavar="DIR", type=Path, nargs="?", default=Path("templates"), help=DIR_HELP)
    gate.add_argument("--base", metavar="REF", required=True, help="what the change is to be merged into: origin/main")
    gate.add_argument(
        "--report-dir",
        type=Path,
        default=Path("reports"),
        metavar="DIR",
        help="where the reports go (default: reports)",
    )
    gate.add_argument("--diff-only", action="store_true", help="compare only; verification runs elsewhere")
    gate.add_argument("-n", "--workers", metavar="N", help="processes for the verification, as for verify")
    gate.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Execute the command; returns the exit status."""
    from grantproof.evidence import report_folder
    from grantproof.gate import report
    from grantproof.gate.history import NotCompared
    from grantproof.source import SourceError

    with ExitStack() as held:
        try:
            report.clear(options.report_dir)
            if not options.diff_only:
                held.enter_context(report_folder.exclusive(options.report_dir))
            found = _found(options.directory, options.base)
            report.write(found, options.report_dir)
        except (SourceError, NotCompared) as error:
            print(error, file=sys.stderr)
            return BAD_USAGE
        except OSError as error:
            print(f"{options.report_dir}: reports cannot be written there: {error.strerror}.", file=sys.stderr)
            return BAD_USAGE
        print(report.text(found), end="", flush=True)
        all_deleted = all(grant.kind == "deleted" for grant in found.grants)
        if options.diff_only or all_deleted:
            return VERIFIED if found.passes else NOT_VERIFIED
        verified = verify.run_with(*_verification(options))
        return verified if found.passes or verified == BAD_USAGE else NOT_VERIFIED


def _found(directory: Path, base: str) -> Change:
    """What has changed in the grants since the base.

    Raises:
        NotCompared: there is no such base, or it cannot be compared.
    """
    from grantproof.gate.history import Repository

    # `changes` checks this too, but importing it imports moto: a mistyped base is reported without that wait.
    Repository.containing(directory if directory.is_dir() else Path()).base(base)
    from grantproof.gate.change import changes

    return changes(directory, base)


def _verification(options: argparse.Namespace) -> list[str]:
    """The arguments for `grantproof verify`."""
    workers = [f"--workers={options.workers}"] if options.workers else []
    return [str(options.directory), f"--report-dir={options.report_dir}", *workers]
