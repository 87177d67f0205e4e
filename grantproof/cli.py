"""The command line: `grantproof verify`, `grantproof evaluate` ... The verbs are in `grantproof.verbs`.

Exit statuses: 0 verified (or every line answered), 1 not verified (or some lines were errors), 2 bad usage or a
contract that cannot be read, 141 (as shells say of other programs) whoever read the answer went away before its end.
"""

from __future__ import annotations

import argparse
import errno
import gc
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
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
from grantproof.verbs.parsers import Parser

#: The disk is full, it has errors, a quota is used up, a file grew too large.
_UNWRITABLE = frozenset({errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG})


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    parser = _parser()
    if not (sys.argv[1:] if argv is None else argv):
        parser.print_help(sys.stderr)
        return BAD_USAGE
    options, unknown = parser.parse_known_args(argv)
    if unknown:
        options.verb.error(f"unrecognized arguments: {' '.join(unknown)}")
    try:
        status = int(options.run(options))
        print(end="", flush=True)
        return status
    except BrokenPipeError:
        # The reader has gone (`| head`). Under `set -o pipefail` this is what counts, so it must not be a verdict's.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOBODY_READ
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        print(f"grantproof: cannot write what it found: {error.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOT_VERIFIED
    except KeyboardInterrupt:
        print("grantproof: interrupted; nothing was verified", file=sys.stderr)
        return NOT_VERIFIED


def console() -> NoReturn:
    """The `grantproof` command. Leaves at once when it is done: taking moto's state apart object by object would take a
    second, for a process that ends anyway."""
    # Service models and moto are millions of objects that stay: looking for garbage among them takes a third of a run.
    gc.set_threshold(2_000_000, 50, 50)
    _print_whatever_it_is()
    status = main()
    sys.stderr.flush()
    os._exit(status)


def _print_whatever_it_is() -> None:
    """What the output's encoding does not have is escaped, and where there is no output, none is needed: neither may
    keep a command from its exit status."""
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - for as long as the process runs
    if sys.stderr is None:
        sys.stderr = sys.stdout
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = Parser(
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
