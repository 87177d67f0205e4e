"""`grantproof evaluate`: decisions of the law, line by line."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from grantproof.verbs import BAD_USAGE
from grantproof.verbs.lines import answered, opened


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Say what the verb takes."""
    evaluate = commands.add_parser(
        "evaluate",
        help="decide requests: JSON Lines in, JSON Lines out",
        description="Read one case a line, write one decision a line. The format: fixtures/conformance/README.md.",
    )
    evaluate.add_argument("file", metavar="FILE", nargs="?", type=Path, help="default: standard input")
    evaluate.add_argument(
        "--assume", metavar="POINT=READING", action="append", default=[], help="take another reading of an open point"
    )
    evaluate.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Carry it out; gives the exit status."""
    from grantproof.iam import Assumptions
    from grantproof.iam.decisions import decide

    try:
        assumptions = Assumptions(dict(_reading(text) for text in options.assume))
    except ValueError as error:
        print(f"grantproof evaluate: {error}", file=sys.stderr)
        return BAD_USAGE
    source = opened(options.file, "evaluate")
    return BAD_USAGE if source is None else answered(partial(decide, assumptions=assumptions), source)


def _reading(text: str) -> tuple[str, str]:
    name, equals, reading = text.partition("=")
    if not equals:
        raise ValueError(f"--assume takes POINT=READING, not {text!r}")
    return name, reading
