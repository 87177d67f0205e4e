"""Reads JSON Lines and answers each with a line of JSON."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from grantproof.verbs import NOT_VERIFIED, VERIFIED


def open_lines(file: Path | None, command: str) -> TextIO | None:
    """Open a file of JSON Lines, or standard input for None or `-`. If it cannot be read, or is compressed or UTF-16,
    print an error that begins with the name of the command, and return None."""
    file = None if file == Path("-") else file
    name = file or "standard input"
    try:
        source: TextIO = file.open(encoding="utf-8") if file else sys.stdin
        buffer = getattr(source, "buffer", None)
        start = buffer.peek(2) if isinstance(buffer, io.BufferedReader) else b""
    except OSError as error:
        print(f"grantproof {command}: {name}: {error.strerror}", file=sys.stderr)
        return None
    for mark, what in _NOT_TEXT.items():
        if start.startswith(mark):
            source.close()
            print(f"grantproof {command}: {name}: {what}", file=sys.stderr)
            return None
    return source


#: First bytes of files that are not text in UTF-8, and what to do about them.
_NOT_TEXT = {
    b"\x1f\x8b": "compressed by gzip; unpack it first: gunzip -c FILE | grantproof ...",
    codecs.BOM_UTF16_LE: "UTF-16 text; save it as UTF-8",
    codecs.BOM_UTF16_BE: "UTF-16 text; save it as UTF-8",
}


def answer_lines(ask: Callable[[Any], dict[str, Any]], source: TextIO) -> int:
    """Print the answer to each line as soon as it is known; returns the exit status.

    Args:
        ask: from the parsed line to its answer, as data.
    """
    from grantproof.iam.lines import answers, dumps

    status = VERIFIED
    with source:
        for answer in answers(_decoded(source), ask):
            if "error" in answer:
                status = NOT_VERIFIED
            print(dumps(answer), flush=True)
    return status


def _decoded(source: TextIO) -> TextIO:
    # A line with bytes that are not UTF-8 is that line's error, not the end of the run.
    if hasattr(source, "reconfigure"):
        source.reconfigure(encoding="utf-8", errors="replace")
    return source
