"""Shows failures of a grant that have the same message only once: one missing principal makes some thirty tests
fail."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Generator, Iterable
from typing import Any

import pytest

from grantproof.recording.inputs import ATTRIBUTE


def without_repeats(reports: Iterable[pytest.TestReport]) -> list[pytest.TestReport]:
    """The reports to show. Of reports of the same grant with the same message, only the first is left, with the number
    of the others by suite added to its message. All reports without a grant are left. Claims that could not be judged
    come last, since most of them follow from the other failures.
    """
    groups: dict[tuple[str, str] | int, list[pytest.TestReport]] = {}
    for number, report in enumerate(reports):
        outcome = _outcome(report)
        key = (outcome["grant"], report.longreprtext) if outcome else number
        groups.setdefault(key, []).append(report)
    return sorted(map(_first, groups.values()), key=lambda report: _outcome(report).get("status") == "unknown")


def _first(group: list[pytest.TestReport]) -> pytest.TestReport:
    first, *others = group
    if not others:
        return first
    suites = Counter(_outcome(report)["suite"] for report in others)
    counted = ", ".join(f"{suite} {number}" for suite, number in sorted(suites.items()))
    shown = copy.copy(first)
    claims = "claim" if len(others) == 1 else "claims"
    shown.longrepr = f"{first.longreprtext}\n    and the same of {len(others)} more {claims}: {counted}"
    return shown


def _outcome(report: pytest.TestReport) -> dict[str, str]:
    return json.loads(getattr(report, ATTRIBUTE, None) or "{}").get("outcome") or {}


class RepeatedFailures:
    """Removes repeats from pytest's summary of failures and errors. Counts and the list of `-r` stay complete."""

    _SUMMARIES = ("failed", "error")

    def __init__(self) -> None:
        self._all: dict[str, list[Any]] = {}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> Generator[None, None, None]:
        """Replace the reports before pytest shows them; `-r` lists them later, when `restore` has put all back."""
        stats = terminalreporter.stats
        self._all = {name: stats[name] for name in self._SUMMARIES if name in stats}
        stats.update({name: without_repeats(reports) for name, reports in self._all.items()})
        return (yield)

    def restore(self, terminalreporter: Any) -> None:
        """Put all reports back, after pytest has shown them."""
        terminalreporter.stats.update(self._all)
