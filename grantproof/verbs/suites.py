"""Where the verification suites are."""

from __future__ import annotations

from pathlib import Path


def folder() -> Path:
    """Where the verification suites are: inside an installed package, or in the working copy's tests/grants.

    Raises:
        FileNotFoundError: neither is there.
    """
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "suites", package.parent / "tests" / "grants"):
        if (folder / "suites.ini").is_file():
            return folder
    raise FileNotFoundError("grantproof's suites are missing: install the package again")
