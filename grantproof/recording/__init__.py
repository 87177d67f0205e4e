"""Collects the results of tests into one run: outcomes, the verdict on every grant, and the reports.

Reading order: docs/architecture.md.
"""

from grantproof.recording.inputs import ATTRIBUTE, answers, contracts, recorded
from grantproof.recording.item import can_run, grant_of, is_placeholder
from grantproof.recording.record import Record, not_understood, record_of

__all__ = [
    "ATTRIBUTE",
    "Record",
    "answers",
    "can_run",
    "contracts",
    "grant_of",
    "is_placeholder",
    "not_understood",
    "record_of",
    "recorded",
]
