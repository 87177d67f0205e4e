"""Fixtures of the gate's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gate.repositories import made


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one grant on main, and a branch for the change."""
    top = made(tmp_path / "theirs")
    monkeypatch.chdir(top)
    return top
