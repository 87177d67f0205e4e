"""Which tests run in the same process: those of one grant that use the same deployment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling


class Units:
    """Assigns tests to units, each of which runs in one process.

    The tests of a grant are one unit, since each process that runs some of them has to deploy it (`processes` divides a
    unit nevertheless if it is very large). The lint tests of all grants are one unit, since each process has to load
    the rules of cfn-lint. Of other tests, all cases of a test function are one unit.

    Args:
        grants: the names of all grants.
        modules: test modules whose tests share something expensive; each module is one unit.
        processes: the number of processes. If there are more processes than grants, the variants of a grant, which are
            deployed separately in any case, are a unit of their own.
    """

    def __init__(self, grants: Sequence[str], modules: Sequence[str], processes: int = 1) -> None:
        self._modules = frozenset(modules)
        self._grants = sorted(grants, key=len, reverse=True)
        self._apart = len(grants) < processes

    def __call__(self, nodeid: str) -> tuple[str, str]:
        """The unit of the test with this node ID: what it shares something expensive with, such as a grant, and the
        part of that."""
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
    """Distributes `Units` over processes of pytest-xdist. Its own way, groups that are marked in node IDs, does not
    work in pytest-xdist 3.8 with pytest 9.2."""

    def __init__(self, config: pytest.Config, log: Any, units: Units) -> None:
        super().__init__(config, log)
        self._units = units

    def _split_scope(self, nodeid: str) -> str:
        return " ".join(self._units(nodeid))

    def remove_node(self, node: Any) -> str | None:
        """Reassign the tests of a process that died, except for the test during which it died, which is returned; None
        if no test was left. pytest-xdist 3.8 would reassign that one too, and it would kill each process that runs
        it."""
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
