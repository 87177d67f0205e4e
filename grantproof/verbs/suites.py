"""The folder of the verification suites."""

from __future__ import annotations

from pathlib import Path


def folder() -> Path:
    """The folder of the verification suites: in the installed package, or `tests/grants` of a working copy.

    Raises:
        FileNotFoundError: there is neither.
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "suites", package.parent / "tests" / "grants"):
        if (folder / "suites.ini").is_file():
            return folder
    raise FileNotFoundError("grantproof's suites are missing: install the package again")
