"""Selects and orders the tests that judge a mutant: cheap ones that catch most come first."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from grantproof.mutants.baseline import Suites

#: The suites whose tests only read policies.
_READING = ("test_proof", "test_trust", "test_permissions")


def reads_only(item: pytest.Item) -> bool:
    """Does a test only read policies, without a mocked world?"""
    return item.path.stem in _READING or (item.path.stem == "test_deployment" and not _worlds(item))


def _worlds(item: pytest.Item) -> bool:
    return not {"world", "deploy", "varied", "sessions"}.isdisjoint(getattr(item, "fixturenames", ()))


def by_cost(items: Sequence[pytest.Item]) -> tuple[tuple[pytest.Item, ...], tuple[pytest.Item, ...]]:
    """Two groups of tests: those that read what is deployed, and those that lint, call or deploy."""
    static: list[pytest.Item] = []
    others: list[pytest.Item] = []
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        slow = "deploy" in fixtures or "swept" in fixtures or item.path.stem in ("test_access", "test_lint")
        (others if slow else static).append(item)
    return tuple(static), tuple(others)


#: The suites that catch most come first.
_ORDER = ("test_proof", "test_trust", "test_permissions", "test_deployment")


def by_suite(items: Sequence[pytest.Item]) -> Suites:
    """Tests by suite. No further suite runs after the one that kills a mutant."""
    runs: dict[str, list[pytest.Item]] = {suite: [] for suite in _ORDER}
    for item in items:
        runs.setdefault(item.path.stem, []).append(item)
    return tuple(run for run in runs.values() if run)
