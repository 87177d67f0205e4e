"""How hypothesis runs: the same examples every time, so that a red run is red again."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")
