"""JSON Lines in, JSON Lines out."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from grantproof.verbs import NOT_VERIFIED, VERIFIED


def opened(file: Path | None, command: str) -> TextIO | None:
    """The lines to answer: a file's, or those of standard input. None, with a message, where it cannot be read."""
    try:
        return file.open(encoding="utf-8") if file else sys.stdin
    except OSError as error:
        print(f"grantproof {command}: {file}: {error.strerror}", file=sys.stderr)
        return None


def answered(ask: Callable[[Any], dict[str, Any]], source: TextIO) -> int:
    """Write the answer to each line as soon as it is known."""
    from grantproof.iam.lines import answers, dumps

    status = VERIFIED
    with source:
        for found in answers(_decoded(source), ask):
            if "error" in found:
                status = NOT_VERIFIED
            sys.stdout.write(dumps(found) + "\n")
    return status


def _decoded(source: TextIO) -> TextIO:
    # A line with bytes that are not UTF-8 is that line's error, not the end of the run.
    if hasattr(source, "reconfigure"):
        source.reconfigure(encoding="utf-8", errors="replace")
    return source
