"""How hypothesis runs: the same examples every time, so that a red run is red again. And how often Python looks for
garbage: seldom, because service models and moto's backends are millions of objects that stay.
"""

from __future__ import annotations

import atexit
import gc
import os

import pytest
from hypothesis import given, settings
from hypothesis.strategies import none

settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")

gc.set_threshold(500_000, 50, 50)


@settings(max_examples=1, database=None)
@given(none())
def example(_: None) -> None:
    """Hypothesis looks through all objects that there are when it runs for the first time in a process."""


def pytest_configure(config: pytest.Config) -> None:
    """A worker leaves at once when it is done: taking its millions of objects apart would take seconds."""
    if hasattr(config, "workerinput"):
        atexit.register(os._exit, 0)


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """In a worker, while they are few."""
    if hasattr(session.config, "workerinput"):
        example()


@pytest.hookimpl(tryfirst=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """So would looking through them for garbage, twice, as pytest does when nobody hears a worker any more."""
    if hasattr(config, "workerinput"):
        gc.freeze()
