"""`grantproof verify`: verifies grants in mocked accounts, or against snapshots or live accounts."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from grantproof.verbs import BAD_USAGE, NOT_VERIFIED, VERIFIED, fleet, suites
from grantproof.verbs.parsers import DIR_HELP, Commands, parser
from grantproof.verbs.snapshot import take_snapshots

if TYPE_CHECKING:
    from grantproof.aws.real.live import Source
    from grantproof.aws.real.recorded import Recorded
    from grantproof.contract import Contract


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Define the arguments."""
    verify = parser(
        commands,
        "verify",
        summary="do the templates give what their contracts say, and nothing else",
        about="Verify every grant below DIR: lint its templates, deploy them into mocked accounts, try calls, and "
        "compare all that they allow with the contract. A grant is a folder with a contract.yaml.",
        statuses={
            0: "every grant is verified",
            1: "one is not, or only some tests were run (-k)",
            2: "a contract, a snapshot or the command line is wrong; nothing was verified",
        },
        examples=[
            "",
            "templates/cross-account-ssm -v",
            "grants --snapshot owner=exports/owner --snapshot partner=exports/partner",
            "grants --live owner=PROFILE partner=PROFILE --try-calls",
            "grants --fleet fleet.jsonl --shard 2/5",
        ],
    )
    verify.add_argument("directory", metavar="DIR", type=Path, nargs="?", default=Path("templates"), help=DIR_HELP)
    verify.add_argument("-n", "--workers", metavar="N", help="processes to use (default: one a core)")
    verify.add_argument("-k", "--only", metavar="EXPRESSION", help="only tests whose name matches, as pytest's -k")
    verify.add_argument("-v", "--verbose", action="store_true", help="a line for each test")
    verify.add_argument(
        "--report-dir",
        type=Path,
        default=Path("reports"),
        metavar="DIR",
        help="where the reports go (default: reports)",
    )
    _add_real(verify)
    _add_fleet(verify)
    verify.set_defaults(run=run, passing=False)


def _add_real(verify: argparse.ArgumentParser) -> None:
    group = verify.add_argument_group("real accounts", "instead of mocked ones; see docs/real-accounts.md")
    group.add_argument(
        "--snapshot",
        metavar="ALIAS=FILE",
        action="append",
        default=[],
        help="verify against the export of a real account (a JSON file or a folder of them); "
        "once for each account of the contracts",
    )
    group.add_argument(
        "--live",
        metavar="ALIAS=PROFILE",
        nargs="+",
        action="extend",
        default=[],
        help="take the snapshots first, read-only, with these profiles of your AWS configuration",
    )
    group.add_argument(
        "--try-calls",
        metavar="ALIAS=PROFILE",
        nargs="*",
        help="with --live: then enter the roles and try reads, with these profiles (default: those of --live); nothing "
        "that could change anything, and what will be called is said first",
    )


def _add_fleet(verify: argparse.ArgumentParser) -> None:
    group = verify.add_argument_group("a fleet", "many deployments in one run; see docs/real-accounts.md")
    group.add_argument(
        "--fleet",
        metavar="FILE",
        type=Path,
        help="verify these deployments against snapshots: one JSON object a line",
    )
    group.add_argument("--shard", metavar="K/N", default="1/1", help="only the K-th of N parts, from 1/N")
    group.add_argument("--scheduler", metavar="ADDRESS", help="the work goes to this Dask cluster")


def run(options: argparse.Namespace) -> int:
    """Execute the command; returns the exit status."""
    if options.try_calls is not None and not options.live:
        print("--try-calls goes with --live: what may be tried is worked out from what was read.", file=sys.stderr)
        return BAD_USAGE
    if options.fleet and (options.snapshot or options.live or options.only):
        print(
            "--fleet names its own snapshots and runs every test: leave out --snapshot, --live and -k.", file=sys.stderr
        )
        return BAD_USAGE
    if options.fleet:
        return fleet.run(options)
    if options.shard != "1/1" or options.scheduler:
        print("--shard and --scheduler go with --fleet FILE.", file=sys.stderr)
        return BAD_USAGE
    if options.workers not in (None, "auto") and not options.workers.isdecimal():
        print(f"--workers takes a number of processes, or auto, not {options.workers!r}", file=sys.stderr)
        return BAD_USAGE
    from grantproof.evidence import report_folder
    from grantproof.source import cached_files

    if options.only and (wrong := _wrong_expression(options.only)):
        print(f"-k {options.only!r}: {wrong}", file=sys.stderr)
        return BAD_USAGE
    try:
        # Each file is read once and cached. The digests in `recording.collector` detect a file that changes.
        with report_folder.exclusive(options.report_dir), cached_files():
            return _verified(options)
    except OSError as error:
        if error.filename is None:
            raise  # not about a report: the output cannot be written
        print(f"{options.report_dir}: reports cannot be written there: {error.strerror}.", file=sys.stderr)
        return BAD_USAGE


def _wrong_expression(text: str) -> str:
    """What is wrong with an expression for pytest's `-k`; empty if nothing is. pytest itself would report it only after
    it has collected the tests, together with a verdict although none was run."""
    from _pytest.mark.expression import Expression

    try:
        Expression.compile(text)
    except SyntaxError as error:
        return f"at column {error.offset}: {error.msg}"
    return ""


def run_with(*arguments: str, passing: bool = False) -> int:
    """Run `grantproof verify` with these arguments, for other commands; returns the exit status. `passing`: the reports
    are temporary, so the output does not name their folder."""
    parser = argparse.ArgumentParser(prog="grantproof")
    add(parser.add_subparsers())
    options = parser.parse_args(["verify", *arguments])
    options.passing = passing
    return run(options)


def _verified(options: argparse.Namespace) -> int:
    """Verify all grants below the folder by running the suites; returns the exit status."""
    from grantproof.contract import find
    from grantproof.evidence import report_folder, stamp, waivers
    from grantproof.source import SourceError

    try:
        stamp.from_environment()
        grants = find(options.directory)
        for grant in grants:
            waivers.load(grant.path, grant.grant)
        exports = _exports(grants, options)
    except (SourceError, _NotTaken, stamp.BadStamp) as error:
        print(error, file=sys.stderr)
        return BAD_USAGE
    arguments = [
        f"--grants={options.directory}",
        # pytest writes its report here; if it is complete, `evidence.bundle` moves it to the other reports.
        f"--junitxml={options.report_dir / f'{report_folder.PARTIAL}pytest' / 'junit.xml'}",
        f"--grants-report={options.report_dir}",
        *_processes(options.workers, len(grants)),
    ]
    # The suites do not need these plugins, and each costs time.
    for plugin in ("unraisableexception", "logging"):
        arguments += ["-p", f"no:{plugin}"]
    arguments += exports
    arguments += ["--grants-report-passing"] if options.passing else []
    arguments += ["-k", options.only] if options.only else []
    arguments += ["-v"] if options.verbose else ["-q"]
    import pytest

    from grantproof import running

    status = running.run(suites.folder(), arguments)
    if status == pytest.ExitCode.USAGE_ERROR:
        return BAD_USAGE
    return VERIFIED if status == pytest.ExitCode.OK else NOT_VERIFIED


def _processes(workers: str | None, grants: int) -> list[str]:
    """pytest's options for the number of processes; `workers` is that of the command line."""
    if not sys.platform.startswith("linux"):
        # The tests of a single grant run in one process in any case. Only lint could run in another, and it ends before
        # a second process has started.
        return [f"--numprocesses={workers or ('auto' if grants > 1 else '0')}"]
    number = len(os.sched_getaffinity(0)) if workers in (None, "auto") else int(workers)
    # Without capture=sys, pytest would redirect the output of all forked processes to the same temporary file.
    return ["--numprocesses=0", "--capture=sys", f"--grants-processes={number}"]


class _NotTaken(Exception):
    """A snapshot of a real account that could not be taken. The message is for the user."""


def _exports(grants: Sequence[Contract], options: argparse.Namespace) -> list[str]:
    """The options of pytest for real accounts: exports, which are taken or checked now, and the results of tried calls.
    Empty for mocked accounts.

    Raises:
        _NotTaken: an export cannot be taken.
        SourceError: an export does not fit the contract.
    """
    if not (options.snapshot or options.live):
        return []  # before the imports below, which take two seconds
    from grantproof.aws.real.export import named, read_export
    from grantproof.aws.real.live import SnapshotFailed
    from grantproof.aws.real.recorded import recorded

    try:
        callers = _callers(grants, options)
        pairs = [*options.snapshot, *take_snapshots(grants, options.live, options.report_dir / "snapshots")]
        worlds = recorded(grants, {alias: read_export(path) for alias, path in named(pairs).items()})
        calls = _tried(worlds, callers, options)
    except SnapshotFailed as error:
        raise _NotTaken(str(error)) from None
    return [f"--snapshot={pair}" for pair in pairs] + ([f"--calls={calls}"] if calls else [])


def _callers(grants: Sequence[Contract], options: argparse.Namespace) -> Sequence[Source]:
    """With `--try-calls`: who makes the calls. Determined first, so that a mistake is reported before anything is
    read."""
    if options.try_calls is None:
        return ()
    from grantproof.aws.real import live
    from grantproof.aws.real.export import by_alias

    return live.sources(grants, by_alias(options.try_calls or options.live, "PROFILE"))


def _tried(worlds: Mapping[str, Recorded], callers: Sequence[Source], options: argparse.Namespace) -> Path | None:
    """With `--try-calls`: print the calls, make them, and return the file with their results."""
    if not callers:
        return None
    from grantproof.aws.real import trial_run

    path: Path = options.report_dir / "snapshots" / "calls.json"
    trial_run.run_and_record(worlds, callers, path, lambda lines: print(*lines, sep="\n", file=sys.stderr, flush=True))
    return path
