"""From tests to one run: what each test noted, the verdict on every grant, and the reports.

Reading order: docs/architecture.md.
"""

from grantproof.recording.inputs import ATTRIBUTE, answers, contracts, recorded
from grantproof.recording.item import grant_of, is_placeholder, runs
from grantproof.recording.record import Record, not_understood, record_of

__all__ = [
    "ATTRIBUTE",
    "Record",
    "answers",
    "contracts",
    "grant_of",
    "is_placeholder",
    "not_understood",
    "record_of",
    "recorded",
    "runs",
]
