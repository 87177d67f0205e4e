"""The record of one test: its findings, and the calls that it made."""

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
    """The name of the grant and what it consists of, if this test is the first to use its stage."""
    watched: tuple[tuple[Stage, tuple[int, int], Counter[Key]], ...] = ()
    """Each stage that the test uses, with its numbers of calls and its requests when the test began to use it."""

    def watch(self, stage: Stage) -> None:
        """Count the calls that are made on this stage from now on."""
        self.watched += ((stage, stage.calls, Counter(stage.tried)),)

    @property
    def calls(self) -> tuple[int, int]:
        """The number of calls that the test made, and how many of them were denied."""
        made = sum(stage.calls[0] - before[0] for stage, before, _ in self.watched)
        return made, sum(stage.calls[1] - before[1] for stage, before, _ in self.watched)

    @property
    def tried(self) -> Counter[Key]:
        """How often the test made each request."""
        out: Counter[Key] = Counter()
        for stage, calls, before in self.watched:
            if stage.calls != calls:
                out.update(stage.tried - before)
        return out


_RECORD = pytest.StashKey[Record]()


def record_of(item: pytest.Item) -> Record:
    """The record of a test; created when it is first asked for."""
    return item.stash.setdefault(_RECORD, Record())


def discard_record(item: pytest.Item) -> None:
    """Discard the record of an earlier run of the same test."""
    if _RECORD in item.stash:
        del item.stash[_RECORD]


def grouped(contract: Contract, tried: Counter[Key]) -> tuple[Tried, ...]:
    """The requests of a test as `Tried`. Denied actions that no statement under `allows` names are counted together for
    each service, as `s3:*`."""
    named = {name.lower() for p in contract.principals for s in p.allows for name in s.patterns}
    counted: dict[tuple[str, str, str], list[int]] = {}
    for (principal, action, resource, allowed), number in tried.items():
        listed_alone = allowed or action.lower() in named
        key = (principal, action, resource) if listed_alone else (principal, f"{action.partition(':')[0]}:*", "")
        counted.setdefault(key, [0, 0])[0 if allowed else 1] += number
    return tuple(Tried(*key, *numbers) for key, numbers in sorted(counted.items()))


def not_understood(*more: type[Exception]) -> tuple[type[Exception], ...]:
    """The exceptions that mean that a claim could not be judged, and those in `more`. Imported late: other projects'
    test runs need none of them."""
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
