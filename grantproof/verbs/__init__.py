"""The verbs of the command line, a module each: `add` says what a verb takes, `run` carries it out."""

from __future__ import annotations

VERIFIED, NOT_VERIFIED, BAD_USAGE = 0, 1, 2
#: Cannot be said.
UNDETERMINED = 3
#: 128 + SIGPIPE.
NOBODY_READ = 141
