"""Runs the suites in pytest without the user's settings and plugins, which could change a verdict."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

#: Settings of pytest in the environment: options (`-k`, `-p no:...`), plugins by name, whether to load installed ones.
_SETTINGS = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD")
#: Named by its module: by its entry point's name, pytest would rewrite the assertions of the whole package, which on a
#: machine that has just installed it takes a second.
_PLUGINS = ("xdist", "grantproof.plugin")


def run(suites: Path, arguments: Sequence[str], plugins: Sequence[object] = ()) -> int:
    """Run the suites in a folder, with additional options; returns the exit status of pytest.

    Settings of the user's pytest are ignored, and installed plugins (to repeat failures, to change the order or to
    select tests) are not loaded.
    """
    known = [word for name in _PLUGINS for word in ("-p", name)]
    own = [str(suites), f"--rootdir={suites}", f"--config-file={suites / 'suites.ini'}"]
    with _untouched():
        return int(pytest.main([*known, *own, *arguments], plugins))


@contextmanager
def _untouched() -> Generator[None, None, None]:
    """A context without these settings in the environment, which the processes of pytest-xdist inherit."""
    before = {name: os.environ.pop(name) for name in _SETTINGS if name in os.environ}
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        yield
    finally:
        del os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]
        os.environ.update(before)
