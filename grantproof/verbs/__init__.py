"""The verbs of the command line, a module each: `add` says what a verb takes, `run` carries it out."""

from __future__ import annotations

import gc

VERIFIED, NOT_VERIFIED, BAD_USAGE = 0, 1, 2
#: Cannot be said.
UNDETERMINED = 3
#: 128 + SIGPIPE.
NOBODY_READ = 141


def collect_garbage_rarely() -> None:
    """Service models and moto's backends are millions of objects that stay: looking through them for garbage again and
    again takes a third of a run."""
    gc.set_threshold(2_000_000, 50, 50)


def unwritable(error: OSError, what: str) -> str:
    """One line for a file or folder, `what`, that could not be written."""
    return f"{error.filename or what}: cannot be written: {error.strerror}. Name another place."
