"""`grantproof mutants`: break every grant on purpose, and see whether the suites notice."""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
from pathlib import Path

from grantproof.verbs import BAD_USAGE, NOT_VERIFIED, VERIFIED, suites


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Say what the verb takes."""
    mutants = commands.add_parser(
        "mutants",
        help="break every grant below a folder on purpose, and see whether the suites notice",
        description="Apply every mutation operator of the catalogue to the templates of every grant below DIR. Each "
        "mutant that changes access has to fail the suites, for the right reason.",
    )
    mutants.add_argument("directory", metavar="DIR", type=Path, nargs="?", default=Path("templates"))
    mutants.add_argument(
        "-n", "--workers", metavar="N", type=int, default=os.cpu_count() or 1, help="default: one a core"
    )
    mutants.add_argument("-k", "--only", metavar="EXPRESSION", help="only tests whose name matches: a weaker gate")
    mutants.add_argument(
        "-o", "--operators", metavar="PATTERN", action="append", help="only operators or groups so called"
    )
    mutants.add_argument(
        "--each", metavar="N", type=int, help="only the first N mutants of each operator: a look before the whole score"
    )
    mutants.add_argument("-v", "--verbose", action="store_true", help="what became of each mutant")
    mutants.add_argument("--json", type=Path, default=Path("reports") / "mutants.json", metavar="FILE",
                         help="default: reports/mutants.json")  # fmt: skip
    mutants.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Carry it out; gives the exit status."""

    from grantproof.contract import ContractError, find

    try:
        find(options.directory)
    except ContractError as error:
        print(error, file=sys.stderr)
        return BAD_USAGE
    if not hasattr(os, "fork") or options.workers < 1:
        print("grantproof mutants: needs a system with fork, and at least one worker", file=sys.stderr)
        return BAD_USAGE
    if options.each is not None and options.each < 1:
        print("grantproof mutants: --each is how many mutants of each operator are tried, at least 1", file=sys.stderr)
        return BAD_USAGE
    from grantproof.evidence.provenance import judges
    from grantproof.mutants.catalogue import CatalogueError, chosen
    from grantproof.mutants.engine import Engine, run
    from grantproof.mutants.score import document

    try:
        engine = Engine(options.workers, chosen(options.operators or ["*"]), _progress, each=options.each)
    except CatalogueError as error:
        print(f"grantproof mutants: {error}", file=sys.stderr)
        return BAD_USAGE
    gc.set_threshold(500_000, 50, 50)
    run(suites.folder(), options.directory, engine, options.only or "")
    if engine.refusal:
        print(engine.refusal, file=sys.stderr)
        return NOT_VERIFIED
    if not engine.scores:
        print("grantproof mutants: no test was selected, so nothing can be killed", file=sys.stderr)
        return NOT_VERIFIED
    for score in engine.scores:
        lines = [str(result) for result in score.results] if options.verbose else []
        print("\n".join([*lines, *score.lines()]))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    part = [*(options.operators or []), *([f"{options.each} of each operator"] if options.each else [])]
    scored = document(engine.scores, judges(suites.folder()), only=options.only or "", chosen=part)
    options.json.write_text(json.dumps(scored, indent=1) + "\n", encoding="utf-8")
    return VERIFIED if all(score.passed for score in engine.scores) else NOT_VERIFIED


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{text}\033[K")
