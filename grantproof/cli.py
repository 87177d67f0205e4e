"""The command line: `grantproof verify`, `grantproof evaluate` ... The verbs are in `grantproof.verbs`.

Exit statuses: 0 verified (or every line answered), 1 not verified (or some lines were errors), 2 bad usage or a
contract that cannot be read, 141 (as shells say of other programs) whoever read the answer went away before its end.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from grantproof import __version__
from grantproof.verbs import (
    BAD_USAGE,
    NOBODY_READ,
    NOT_VERIFIED,
    compare,
    evaluate,
    gate,
    init,
    mutants,
    questions,
    snapshot,
    verify,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    parser = _parser()
    if not (sys.argv[1:] if argv is None else argv):
        parser.print_help(sys.stderr)
        return BAD_USAGE
    options = parser.parse_args(argv)
    try:
        status = int(options.run(options))
        print(end="", flush=True)
        return status
    except BrokenPipeError:
        # The reader has gone (`| head`). Under `set -o pipefail` this is what counts, so it must not be a verdict's.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOBODY_READ
    except KeyboardInterrupt:
        print("grantproof: interrupted; nothing was verified", file=sys.stderr)
        return NOT_VERIFIED


def console() -> NoReturn:
    """The `grantproof` command. Leaves at once when it is done: taking moto's state apart object by object would take a
    second, for a process that ends anyway."""
    status = main()
    sys.stderr.flush()
    os._exit(status)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="grantproof",
        description="Prove what CloudFormation templates delegate between AWS accounts. Offline.",
        epilog="To begin: grantproof init path/to/stack.yaml. Each command has options, exit statuses and examples: "
        "grantproof COMMAND --help.",
    )
    parser.add_argument("--version", action="version", version=f"grantproof {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    # In the order in which they are met.
    for add in (
        init.add,
        verify.add,
        gate.add,
        questions.add_explain,
        questions.add_who_can,
        compare.add,
        mutants.add,
        snapshot.add,
        evaluate.add,
    ):
        add(commands)
    return parser


if __name__ == "__main__":
    console()
