"""The command line: `grantproof verify`, `grantproof evaluate` ... The verbs are in `grantproof.verbs`.

Exit statuses: 0 verified (or every line answered), 1 not verified (or some lines were errors), 2 bad usage or a
contract that cannot be read, 3 cannot be decided (explain, who-can, compare), 141 the reader of the output closed it
early (as shells report it of a program that SIGPIPE ended).
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

#: The errors of output that cannot be written: the disk is full or broken, a quota is used up, a file is too large.
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
        # The reader closed the pipe (`| head`). With `set -o pipefail` the shell reports this status, so it must not be
        # one that stands for a verdict.
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
    """The `grantproof` command. Exits without Python's clean-up: freeing moto's objects one by one takes a second."""
    # Service models and moto keep millions of objects, and looking for garbage among them takes a third of a run.
    gc.set_threshold(2_000_000, 50, 50)
    _make_output_safe()
    status = main()
    sys.stderr.flush()
    os._exit(status)


def _make_output_safe() -> None:
    """Escape characters that the encoding of the output lacks, and replace an output that is closed with the null
    device. Otherwise printing would raise an exception, and the exit status would not be the verdict's."""
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
    # In the order in which a new user needs them, which is also that of --help.
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
