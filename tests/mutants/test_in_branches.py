"""A mutant that cannot be judged in the branches of its templates has survived, whatever its deployment showed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import pytest

from grantproof.contract import load
from grantproof.mutants.branch_judge import BranchJudge
from grantproof.mutants.catalogue import chosen
from grantproof.mutants.in_branches import CHECKED_IN_BRANCHES, NOT_JUDGED, all_in_branches, in_branches
from grantproof.mutants.mutant import Mutant, mutants
from grantproof.mutants.score import DORMANT, EQUIVALENT, INVALID, KILLED, MISPLACED, SURVIVED, Result

GOOD = Path(__file__).parent.parent.parent / "fixtures" / "broken" / "good"
FIRST, SECOND, *_ = mutants(load(GOOD), chosen(["action-*"]))


class Judging:
    """Branches in which a mutant comes to what is said here."""

    def __init__(self, says: Any) -> None:
        self._says = says

    def judge(self, mutant: Mutant, *, refused: str = "") -> Result:
        if callable(self._says):
            self._says(mutant)
        return Result(mutant, self._says)


def judging(says: Any) -> BranchJudge:
    return cast(BranchJudge, Judging(says))


def fails(mutant: Mutant) -> None:
    raise LookupError(mutant.id)


def dies_with_the_second(mutant: Mutant) -> None:
    if mutant is SECOND:
        os._exit(1)
    raise LookupError(mutant.id)


@pytest.mark.parametrize("verdict", CHECKED_IN_BRANCHES)
def test_a_mutant_that_cannot_be_judged_in_branches_has_survived(verdict: str) -> None:
    found = in_branches(judging(fails), Result(FIRST, verdict, "of the deployment"))
    assert (found.verdict, found.why) == (SURVIVED, NOT_JUDGED)


@pytest.mark.parametrize("verdict", CHECKED_IN_BRANCHES)
def test_a_mutant_that_a_dead_child_had_not_judged_has_survived(verdict: str) -> None:
    unseen = [Result(mutant, verdict) for mutant in (FIRST, SECOND)]
    found = list(all_in_branches(judging(dies_with_the_second), unseen, 1))
    assert [(r.mutant, r.verdict, r.why) for r in found] == [
        (FIRST, SURVIVED, NOT_JUDGED),
        (SECOND, SURVIVED, NOT_JUDGED),
    ]


@pytest.mark.parametrize(
    ("deployed", "elsewhere", "verdict"),
    [
        (DORMANT, KILLED, KILLED),
        (EQUIVALENT, KILLED, KILLED),
        (EQUIVALENT, MISPLACED, MISPLACED),
        (DORMANT, EQUIVALENT, EQUIVALENT),
        # What AWS refuses can only be found to be more than that.
        (INVALID, EQUIVALENT, INVALID),
        (INVALID, DORMANT, INVALID),
        (INVALID, KILLED, KILLED),
        # What the deployment shows is not asked for again.
        (KILLED, EQUIVALENT, KILLED),
        (SURVIVED, EQUIVALENT, SURVIVED),
        (MISPLACED, EQUIVALENT, MISPLACED),
    ],
)
def test_a_fault_that_shows_in_some_branch_is_killed(deployed: str, elsewhere: str, verdict: str) -> None:
    assert in_branches(judging(elsewhere), Result(FIRST, deployed)).verdict == verdict
