"""The suites, run in a pytest of their own: nothing is around them that could bear on a verdict."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

#: Of a user's pytest: options (`-k`, `-p no:...`), plugins by name, and whether those that are installed are loaded.
_SETTINGS = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD")
#: Named by its module: by its entry point's name, pytest would rewrite the assertions of the whole package, which on a
#: machine that has just installed it takes a second.
_PLUGINS = ("xdist", "grantproof.plugin")


def run(suites: Path, arguments: Sequence[str], plugins: Sequence[object] = ()) -> int:
    """Run the suites of a folder, with these options more; gives pytest's exit status.

    Neither the user's settings of pytest nor a plugin that happens to be installed beside grantproof (one that runs
    failures again, shuffles, or selects) has a part in it.
    """
    known = [word for name in _PLUGINS for word in ("-p", name)]
    own = [str(suites), f"--rootdir={suites}", f"--config-file={suites / 'suites.ini'}"]
    with _untouched():
        return int(pytest.main([*known, *own, *arguments], plugins))


@contextmanager
def _untouched() -> Generator[None, None, None]:
    """Processes of pytest-xdist inherit it."""
    before = {name: os.environ.pop(name) for name in _SETTINGS if name in os.environ}
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        yield
    finally:
        del os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]
        os.environ.update(before)
