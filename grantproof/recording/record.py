"""The record of one test: its findings, and the calls that it makes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from grantproof.evidence.finding import Tried
from grantproof.evidence.notes import Notes

if TYPE_CHECKING:
    from grantproof.aws.staged.stage import Stage
    from grantproof.contract import Contract

#: A request: principal, action, resource, and whether it was allowed.
Key = tuple[str, str, str, bool]


@dataclass
class Record(Notes):
    """The notes of one test, and the calls made on its stage while it runs."""

    facts: Any = None
    watched: tuple[tuple[Stage, tuple[int, int], Counter[Key]], ...] = ()

    def watch(self, stage: Stage) -> None:
        """Count calls on this stage from now on."""
        self.watched += ((stage, stage.calls, Counter(stage.tried)),)

    @property
    def calls(self) -> tuple[int, int]:
        """Number of calls made by the test, and of those denied."""
        made = sum(stage.calls[0] - before[0] for stage, before, _ in self.watched)
        return made, sum(stage.calls[1] - before[1] for stage, before, _ in self.watched)

    @property
    def tried(self) -> Counter[Key]:
        """These calls as (principal, action, resource, allowed), counted."""
        out: Counter[Key] = Counter()
        for stage, calls, before in self.watched:
            if stage.calls != calls:
                out.update(stage.tried - before)
        return out


_RECORD = pytest.StashKey[Record]()


def record_of(item: pytest.Item) -> Record:
    """The record of a test, created at the first call."""
    return item.stash.setdefault(_RECORD, Record())


def discard_record(item: pytest.Item) -> None:
    """Discard the record of an earlier run of the same test."""
    if _RECORD in item.stash:
        del item.stash[_RECORD]


def grouped(contract: Contract, tried: Counter[Key]) -> tuple[Tried, ...]:
    """The calls as `Tried`; denied actions that no clause names are combined by service, as `s3:*`."""
    named = {name.lower() for p in contract.principals for s in p.allows for name in s.patterns}
    counted: dict[tuple[str, str, str], list[int]] = {}
    for (principal, action, resource, allowed), number in tried.items():
        alone = allowed or action.lower() in named
        key = (principal, action, resource) if alone else (principal, f"{action.partition(':')[0]}:*", "")
        counted.setdefault(key, [0, 0])[0 if allowed else 1] += number
    return tuple(Tried(*key, *numbers) for key, numbers in sorted(counted.items()))


def not_understood(*more: type[Exception]) -> tuple[type[Exception], ...]:
    """The exceptions by which a claim could not be judged; `more` are added to them."""
    from grantproof.aws.calls.authoriser import NotJudged
    from grantproof.aws.held.deployed import PrincipalNotDeployed
    from grantproof.aws.held.policies import SnapshotIncomplete
    from grantproof.aws.staged.attempts import EntryDenied, UnsupportedCondition
    from grantproof.aws.templates.scope import NotResolved
    from grantproof.aws.templates.wellformed import Malformed
    from grantproof.contract import UnknownFact
    from grantproof.iam import IamError

    of_templates = (Malformed, NotResolved)
    of_what_is_held = (PrincipalNotDeployed, EntryDenied, UnsupportedCondition, SnapshotIncomplete, UnknownFact)
    return *of_templates, *of_what_is_held, NotJudged, IamError, *more
