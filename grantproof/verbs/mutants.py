"""`grantproof mutants`: break every grant on purpose, and see whether the suites notice."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from grantproof.verbs import BAD_USAGE, NOT_VERIFIED, VERIFIED, suites, unwritable
from grantproof.verbs.parsers import DIR_HELP, Commands, parser


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Define the arguments."""
    mutants = parser(
        commands,
        "mutants",
        summary="break every grant below a folder on purpose, and see whether the suites notice",
        about="Apply every mutation operator of the catalogue to the templates of every grant below DIR. Each "
        "mutant that changes access has to fail the suites, for the right reason.",
        statuses={
            0: "every mutant that changes access was caught, for the right reason",
            1: "one was not, or a grant is not verified as it is",
            2: "a contract or the command line is wrong; nothing was tried",
        },
        examples=["", "grants --each 1", "grants -o principals -o role-name-fixed -v"],
    )
    mutants.add_argument("directory", metavar="DIR", type=Path, nargs="?", default=Path("templates"), help=DIR_HELP)
    mutants.add_argument(
        "-n",
        "--workers",
        metavar="N",
        type=int,
        default=os.cpu_count() or 1,
        help="processes to use (default: one a core)",
    )
    mutants.add_argument("-k", "--only", metavar="EXPRESSION", help="only tests whose name matches: a weaker gate")
    mutants.add_argument(
        "-o",
        "--operators",
        metavar="PATTERN",
        action="append",
        help="only operators or groups of this name, with wildcards",
    )
    mutants.add_argument(
        "--each", metavar="N", type=int, help="only the first N mutants of each operator: a look before the whole score"
    )
    mutants.add_argument("-v", "--verbose", action="store_true", help="what became of each mutant")
    mutants.add_argument("--json", type=Path, default=Path("reports") / "mutants.json", metavar="FILE",
                         help="where the score goes (default: reports/mutants.json)")  # fmt: skip
    mutants.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Execute the command; returns the exit status."""
    from grantproof.contract import ContractError, find

    try:
        find(options.directory)
    except ContractError as error:
        print(error, file=sys.stderr)
        return BAD_USAGE
    if refused := _refused(options):
        print(f"grantproof mutants: {refused}", file=sys.stderr)
        return BAD_USAGE
    import pytest

    from grantproof.evidence.provenance import judges
    from grantproof.mutants.catalogue import CatalogueError, chosen
    from grantproof.mutants.engine import Engine, run
    from grantproof.mutants.score import document

    try:
        engine = Engine(options.workers, chosen(options.operators or ["*"]), _progress, each=options.each)
    except CatalogueError as error:
        print(f"grantproof mutants: {error}", file=sys.stderr)
        return BAD_USAGE
    status = run(suites.folder(), options.directory, engine, options.only or "")
    if engine.refusal:
        print(engine.refusal.strip(), file=sys.stderr)
        return BAD_USAGE if status == pytest.ExitCode.USAGE_ERROR else NOT_VERIFIED
    if not engine.scores:
        print("grantproof mutants: no test was selected, so nothing can be killed", file=sys.stderr)
        return NOT_VERIFIED
    for score in engine.scores:
        lines = [str(result) for result in score.results] if options.verbose else []
        print("\n".join([*lines, *score.lines()]))
    selection = [*(options.operators or []), *([f"{options.each} of each operator"] if options.each else [])]
    scored = document(engine.scores, judges(suites.folder()), only=options.only or "", chosen=selection)
    options.json.write_text(json.dumps(scored, indent=1) + "\n", encoding="utf-8")
    return VERIFIED if all(score.passed for score in engine.scores) else NOT_VERIFIED


def _refused(options: argparse.Namespace) -> str:
    """Why the command cannot be executed, checked before anything slow; empty if it can."""
    if not hasattr(os, "fork"):
        return "needs a system with fork"
    if options.workers < 1:
        return "--workers takes a number of processes, at least 1"
    if options.each is not None and options.each < 1:
        return "--each is how many mutants of each operator are tried, at least 1"
    try:
        options.json.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return unwritable(error, str(options.json))
    if options.json.is_dir() or not os.access(options.json.parent, os.W_OK):
        return f"{options.json}: cannot be written. Name another place."
    return ""


def _progress(text: str) -> None:
    """Show the progress in one line of the terminal, which each call overwrites."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{text}\033[K")
