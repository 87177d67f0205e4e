"""Calls that were tried against real accounts. Runs with `verify --live --try-calls` only."""

from __future__ import annotations

from typing import Any

from grantproof.aws.real.recorded import Recorded
from grantproof.aws.real.trial_run import Answer
from grantproof.contract import Contract


def test_a_call_gives_what_the_contract_says(grant: Contract, answer: Answer, world: Recorded, verdict: Any) -> None:
    """A denial is one only with the service's own error for it. Any other error settles nothing."""
    found = answer.finding
    if found is None:
        return
    status, detail = found
    note = verdict.broken if status == "broken" else verdict.unverified
    note(answer.trial.name, detail, place=answer.trial.place)
