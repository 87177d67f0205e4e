"""`grantproof compare`: two policies, exports or grants."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from grantproof.verbs import BAD_USAGE, UNDETERMINED, VERIFIED
from grantproof.verbs.lines import answer_lines, open_lines
from grantproof.verbs.parsers import Commands, parser


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """Define the arguments."""
    compare = parser(
        commands,
        "compare",
        summary="what NEW allows that OLD does not, over all requests, and the other way round",
        about="Compare two policy documents, exports of an account, or grants exactly: not samples, but every request "
        "that can ever be made.",
        statuses={
            0: "NEW allows nothing new (--jsonl: every line was answered)",
            1: "it does (--jsonl: a line was an error)",
            2: "a file or the command line is wrong",
            3: "that cannot be said",
        },
        examples=["old.json new.json", "exports/before exports/after --json", "--jsonl pairs.jsonl"],
    )
    compare.add_argument(
        "old", metavar="OLD", nargs="?", type=Path, help="a policy (JSON, YAML; - is standard input), export or grant"
    )
    compare.add_argument("new", metavar="NEW", nargs="?", type=Path, help="the same")
    compare.add_argument("--json", action="store_true", help="the answer as JSON")
    compare.add_argument(
        "--jsonl",
        metavar="FILE",
        nargs="?",
        const="-",
        help='JSON Lines {"id": ..., "old": layers, "new": layers} of FILE or standard input, one answer a line',
    )
    compare.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Execute the command; returns the exit status."""
    if options.jsonl is not None:
        if options.old:
            print(f"grantproof compare: --jsonl takes its pairs from lines; leave out {options.old}", file=sys.stderr)
            return BAD_USAGE
        return _compare_lines(options)
    if options.old is None or options.new is None:
        print("grantproof compare: give two files, OLD and NEW, or --jsonl", file=sys.stderr)
        return BAD_USAGE
    from grantproof.gate.compared import compared
    from grantproof.iam.comparison.comparisons import in_words
    from grantproof.iam.lines import dumps
    from grantproof.source import SourceError

    try:
        # `-` is standard input, as for other programs.
        answer = compared(*(Path("/dev/stdin") if str(path) == "-" else path for path in (options.old, options.new)))
    except SourceError as error:
        print(error, file=sys.stderr)
        return BAD_USAGE
    print(dumps(answer) if options.json else in_words(answer))
    return _STATUS[answer["verdict"]] or (UNDETERMINED if "depends_on" in answer else VERIFIED)


#: The exit status for each verdict of a comparison.
_STATUS = {"equal": 0, "narrower": 0, "wider": 1, "different": 1, "undetermined": UNDETERMINED}


def _compare_lines(options: argparse.Namespace) -> int:
    from grantproof.iam.comparison.comparisons import compared

    source = open_lines(None if options.jsonl == "-" else Path(options.jsonl), "compare")
    return BAD_USAGE if source is None else answer_lines(compared, source)
