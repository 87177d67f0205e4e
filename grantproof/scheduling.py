"""Which tests go to one process of pytest-xdist: those of one grant, which are tried in one deployment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling


class ByGrant(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist has no types
    """A grant's tests go to one process, since two would both deploy it; lint deploys nothing and has a process's rules
    to load, so that all of it goes to one. Every other test goes by itself, but for those of `modules`, whose tests
    share something costly.

    pytest-xdist 3.8 does so by marks which it writes into node ids; pytest 9.2 does not let it.
    """

    def __init__(self, config: pytest.Config, log: Any, grants: Sequence[str], modules: Sequence[str]) -> None:
        super().__init__(config, log)
        self._modules = frozenset(modules)
        self._grants = sorted(grants, key=len, reverse=True)

    def _split_scope(self, nodeid: str) -> str:
        module, _, test = nodeid.partition("::")
        if module in self._modules:
            return module
        subject = test.partition("[")[2]
        grant = next((name for name in self._grants if subject.startswith((f"{name}-", f"{name}]"))), "")
        if not grant:
            return nodeid
        return "lint" if module.endswith("test_lint.py") else grant
