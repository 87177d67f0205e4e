"""The commands of the command line, a module each: `add` defines the arguments of a command, `run` executes it."""

from __future__ import annotations

#: Exit statuses of all commands.
VERIFIED, NOT_VERIFIED, BAD_USAGE = 0, 1, 2
#: Exit status: the question cannot be decided.
UNDETERMINED = 3
#: Exit status: the output was closed early; 128 + SIGPIPE.
NOBODY_READ = 141


def unwritable(error: OSError, what: str) -> str:
    """The error message for output that could not be written. `what` names it if the error itself names no file."""
    return f"{error.filename or what}: cannot be written: {error.strerror}. Name another place."
