"""Tests of one grant that failed with the same words are shown once: a principal that is not there fails thirty."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Generator, Iterable
from typing import Any

import pytest

from grantproof.recording.inputs import ATTRIBUTE


def without_repeats(reports: Iterable[pytest.TestReport]) -> list[pytest.TestReport]:
    """The first of all failures of one grant that say the same, with how many more do, suite by suite. What is of no
    grant is left as it is. What could not be judged comes last: it is mostly because of what is wrong."""
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
    """Around pytest's own summary of failures and errors: each is shown once. What is counted and listed is all."""

    _SUMMARIES = ("failed", "error")

    def __init__(self) -> None:
        self._all: dict[str, list[Any]] = {}

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> Generator[None, None, None]:
        """pytest shows them before anybody else has a word, and lists them (`-r`) after."""
        stats = terminalreporter.stats
        self._all = {name: stats[name] for name in self._SUMMARIES if name in stats}
        stats.update({name: without_repeats(reports) for name, reports in self._all.items()})
        return (yield)

    def shown(self, terminalreporter: Any) -> None:
        """pytest has shown them: everything is there again."""
        terminalreporter.stats.update(self._all)
