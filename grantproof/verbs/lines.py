"""Reads JSON Lines and answers each with a line of JSON."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from grantproof.verbs import NOT_VERIFIED, VERIFIED


def opened(file: Path | None, command: str) -> TextIO | None:
    """The lines of a file, or of standard input. None, after an error message, if it cannot be read."""
    file = None if file == Path("-") else file
    name = file or "standard input"
    try:
        source: TextIO = file.open(encoding="utf-8") if file else sys.stdin
        buffer = getattr(source, "buffer", None)
        start = buffer.peek(2) if isinstance(buffer, io.BufferedReader) else b""
    except OSError as error:
        print(f"grantproof {command}: {name}: {error.strerror}", file=sys.stderr)
        return None
    for mark, what in _NOT_LINES.items():
        if start.startswith(mark):
            source.close()
            print(f"grantproof {command}: {name}: {what}", file=sys.stderr)
            return None
    return source


_NOT_LINES = {
    b"\x1f\x8b": "compressed by gzip; unpack it first: gunzip -c FILE | grantproof ...",
    codecs.BOM_UTF16_LE: "UTF-16 text; save it as UTF-8",
    codecs.BOM_UTF16_BE: "UTF-16 text; save it as UTF-8",
}


def answered(ask: Callable[[Any], dict[str, Any]], source: TextIO) -> int:
    """Write the answer to each line as soon as it is known; returns the exit status."""
    from grantproof.iam.lines import answers, dumps

    status = VERIFIED
    with source:
        for found in answers(_decoded(source), ask):
            if "error" in found:
                status = NOT_VERIFIED
            print(dumps(found), flush=True)
    return status


def _decoded(source: TextIO) -> TextIO:
    # A line with bytes that are not UTF-8 is that line's error, not the end of the run.
    if hasattr(source, "reconfigure"):
        source.reconfigure(encoding="utf-8", errors="replace")
    return source
