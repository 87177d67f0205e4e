"""For tests: grantproof's commands in this process, which spares the seconds that another one takes to start.

cfn-lint is imported here, once, and its rules are loaded once, not by each process that a command forks to lint.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cfnlint.api  # noqa: F401 - for the children, as said above
import pytest

from grantproof.cli import main


@dataclass(frozen=True)
class Done:
    """What a command came to."""

    returncode: int
    stdout: str
    stderr: str


def grantproof(*arguments: str, cwd: Path) -> Done:
    """Run a command in a folder. What it prints is caught whoever prints it, pytest within it too."""
    return _caught(partial(main, arguments), cwd)


def suites(*arguments: str, cwd: Path, plugins: Sequence[object] = ()) -> Done:
    """Run pytest in a folder, as somebody who has grantproof installed. Without the plugin that, when it ends, looks
    through all that the tests before have left for garbage, which takes longer than most runs."""
    return _caught(partial(pytest.main, [*arguments, "-p", "no:unraisableexception"], plugins), cwd)


def _caught(command: Callable[[], int], cwd: Path) -> Done:
    if "test_lint" in sys.modules:
        from grantproof import linting

        linting.rules()
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = command()
        except SystemExit as left:  # how argparse says that a command is wrong
            status = int(left.code or 0)
    return Done(int(status), out.getvalue(), err.getvalue())
