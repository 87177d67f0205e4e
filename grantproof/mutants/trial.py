"""Runs the suites' tests on one mutant: do they fail, and do they name the fault?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from grantproof.aws.held.deployed import Deployed
from grantproof.evidence.finding import Finding, Outcome
from grantproof.mutants.mutant import Mutant
from grantproof.mutants.reasons import Traces, names_fault, original_place
from grantproof.mutants.score import KILLED, MISPLACED, SURVIVED, Result
from grantproof.source import Document, read


@dataclass(frozen=True)
class Trial:
    """The collected tests of a session, and grantproof's plugin in it."""

    session: pytest.Session
    plugin: Any

    @contextmanager
    def on(self, stage: Deployed) -> Iterator[None]:
        """Make the tests use an existing stage."""
        self.plugin.adopt(self.session.config, stage)
        try:
            yield
        finally:
            self.plugin.adopt(self.session.config, None)

    def run(self, items: Sequence[pytest.Item]) -> list[Outcome]:
        """Run tests on the stage that the plugin has adopted; returns their outcomes."""
        out: list[Outcome] = []
        if items:
            # Tear down the fixtures of the module that ran before.
            self.session._setupstate.teardown_exact(items[0])
        for number, item in enumerate(items):
            # pytest tears down fixtures for the next test; after the last one, any other test serves.
            following = items[number + 1] if number + 1 < len(items) else _another(self.session.items, item)
            for report in runtestprotocol(item, nextitem=following, log=False):
                outcome = self.plugin.outcome_of(report)
                if outcome is not None and is_failing(outcome) and not outcome.findings:
                    # A plain assertion failed. It has no place, so it can name the fault only by the name of an added
                    # resource.
                    said = Finding(outcome.grant, outcome.test, "broken", report.longreprtext.splitlines()[-1])
                    outcome = replace(outcome, findings=(said,))
                out += [outcome] if outcome is not None else []
        return out

    def verdict(self, mutant: Mutant, suites: Sequence[Sequence[pytest.Item]], traces: Traces) -> Result:
        """Run one suite after the other, until a finding names the fault."""
        failed: list[Outcome] = []
        for items in suites:
            failed += [outcome for outcome in self.run(items) if is_failing(outcome)]
            if names_fault(_findings(failed), traces):
                named = [finding for finding in _findings(failed) if traces.match(finding)]
                by = _names([outcome for outcome in failed if names_fault(outcome.findings, traces)])
                return Result(mutant, KILLED, tests=by, findings=tuple(named[:2]))
        return Result(mutant, MISPLACED if failed else SURVIVED, "", _names(failed), tuple(_findings(failed))[:3])


def is_failing(outcome: Outcome) -> bool:
    """Does the test fail? A finding accepted by a waiver is no failure."""
    return outcome.status not in ("pass", "exception")


def with_original_places(result: Result, broken: Document) -> Result:
    """A result whose findings have places in the original template."""
    original = read(result.mutant.template)
    shown = tuple(replace(f, place=original_place(broken, original, f.place)) for f in result.findings)
    return replace(result, findings=shown)


def _another(items: Sequence[pytest.Item], item: pytest.Item) -> pytest.Item | None:
    return next((other for other in items if other is not item), None)


def _findings(outcomes: Sequence[Outcome]) -> Iterator[Finding]:
    for outcome in outcomes:
        yield from outcome.findings


def _names(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f"{o.suite}: {o.test.partition('[')[0]}" for o in outcomes))
