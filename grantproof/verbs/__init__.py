"""The commands of the command line, a module each: `add` defines the arguments of a command, `run` executes it."""

from __future__ import annotations

import gc

VERIFIED, NOT_VERIFIED, BAD_USAGE = 0, 1, 2
#: Exit status: undecided.
UNDETERMINED = 3
#: Exit status: the output was closed early; 128 + SIGPIPE.
NOBODY_READ = 141


def collect_garbage_rarely() -> None:
    """Make garbage collection rare: it would take a third of a run to go through the millions of objects of service
    models and moto, which stay."""
    gc.set_threshold(2_000_000, 50, 50)


def unwritable(error: OSError, what: str) -> str:
    """The one-line error for a file or folder, `what`, that could not be written."""
    return f"{error.filename or what}: cannot be written: {error.strerror}. Name another place."
