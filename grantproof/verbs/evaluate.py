"""`grantproof evaluate`: decisions of the evaluator, line by line."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from grantproof.verbs import BAD_USAGE
from grantproof.verbs.lines import answer_lines, open_lines
from grantproof.verbs.pairs import pair
from grantproof.verbs.parsers import Commands, parser


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Define the arguments."""
    evaluate = parser(
        commands,
        "evaluate",
        summary="decide requests: JSON Lines in, JSON Lines out",
        about='Read one case a line, write one decision a line. A case is {"id": ..., "request": {"principal": ARN, '
        '"action": ..., "resource": ARN, "resource_account": ..., "context": {KEY: VALUE}}, "policies": {"identity": '
        '[DOCUMENT, ...], "resource": DOCUMENT, ...}}. The layers boundary, session and endpoint are written as '
        "identity is; scp and rcp are a list of levels, each a list of documents. A layer that is left out does not "
        "exist.",
        statuses={0: "every line was answered", 1: "a line was an error", 2: "the file or the command line is wrong"},
        examples=["cases.jsonl", "--assume O6=insensitive < cases.jsonl"],
    )
    evaluate.add_argument(
        "file", metavar="FILE", nargs="?", type=Path, help="cases, one a line (default: standard input)"
    )
    evaluate.add_argument(
        "--assume",
        metavar="POINT=READING",
        action="append",
        default=[],
        help="take another reading of a point that AWS's documentation leaves open",
    )
    evaluate.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Execute the command; returns the exit status."""
    from grantproof.iam import Assumptions
    from grantproof.iam.decisions import decide

    try:
        assumptions = Assumptions(dict(pair(text, "--assume takes POINT=READING") for text in options.assume))
    except ValueError as error:
        print(f"grantproof evaluate: {error}", file=sys.stderr)
        return BAD_USAGE
    source = open_lines(options.file, "evaluate")
    return BAD_USAGE if source is None else answer_lines(partial(decide, assumptions=assumptions), source)
