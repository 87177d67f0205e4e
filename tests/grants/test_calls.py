"""Calls that were tried against real accounts. Runs only with `verify --live --try-calls`."""

from __future__ import annotations

from typing import Any

from grantproof.aws.real.recorded import Recorded
from grantproof.aws.real.trial_run import Answer
from grantproof.contract import Contract


def test_a_call_gives_what_the_contract_says(grant: Contract, answer: Answer, world: Recorded, verdict: Any) -> None:
    """Only the service's own error for it counts as a denial. Any other error decides nothing."""
    found = answer.finding
    if found is None:
        return
    status, detail = found
    note = verdict.broken if status == "broken" else verdict.unverified
    note(answer.trial.name, detail, place=answer.trial.place)
