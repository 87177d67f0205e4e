"""Which tests go to one process: those of one grant that are tried in one deployment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling


class Units:
    """A grant's tests go to one process, since two would both deploy it; lint deploys nothing and has a process's rules
    to load, so that all of it goes to one. Every other test goes by itself, with all its cases, but for those of
    `modules`, whose tests share something costly.

    Args:
        processes: how many there are. Where they outnumber the grants, a grant's variants, which are deployed anew in
            any case, go apart from its other tests; where they do not, that would take longer than it saves.
    """

    def __init__(self, grants: Sequence[str], modules: Sequence[str], processes: int = 1) -> None:
        self._modules = frozenset(modules)
        self._grants = sorted(grants, key=len, reverse=True)
        self._apart = len(grants) < processes

    def __call__(self, nodeid: str) -> tuple[str, str]:
        """What the test with this node id goes to a process with: a grant, or whatever else it is of, and which part of
        that."""
        module, _, test = nodeid.partition("::")
        if module in self._modules:
            return module, ""
        subject = test.partition("[")[2]
        grant = next((name for name in self._grants if subject.startswith((f"{name}-", f"{name}]"))), "")
        if not grant:
            return nodeid.partition("[")[0], ""
        if module.endswith("test_lint.py"):
            return "lint", ""
        return grant, "variants" if self._apart and module.endswith("test_variants.py") else ""


class ByGrant(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist has no types
    """Shares `Units` out between processes of pytest-xdist. It does so itself by marks which it writes into node ids;
    pytest 9.2 does not let pytest-xdist 3.8."""

    def __init__(self, config: pytest.Config, log: Any, units: Units) -> None:
        super().__init__(config, log)
        self._units = units

    def _split_scope(self, nodeid: str) -> str:
        return " ".join(self._units(nodeid))

    def remove_node(self, node: Any) -> str | None:
        """Give to others what a process that died has left, but for the test at which it died, which is returned. Given
        to them as well, as pytest-xdist 3.8 does, it would end every process that is started anew."""
        workload = self.assigned_work.pop(node)
        left: list[str] = [test for unit in workload.values() for test, completed in unit.items() if not completed]
        if not left:
            return None
        for scope, unit in workload.items():
            unit.update({test: True for test in left[:1] if test in unit})
            if not all(unit.values()):
                self.workqueue[scope] = unit
        for other in self.assigned_work:
            self._reschedule(other)
        return left[0]
