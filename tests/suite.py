"""For tests: one function of a suite, called as pytest would, with something that takes what it notes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

_SUITES = Path(__file__).parent / "grants"


def suite_of(name: str) -> ModuleType:
    """The module of a suite."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(_SUITES))
        spec = importlib.util.spec_from_file_location(f"suite_of_{name}", _SUITES / f"test_{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module
