"""Judges mutants that change nothing in the deployment without variants, in the branches that only variants deploy.
A mutant that cannot be judged there never counts as equivalent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from grantproof.aws.synthesis.stacks import Refused
from grantproof.aws.templates.scope import NotResolved
from grantproof.contract import Contract
from grantproof.mutants.branch_judge import BranchJudge
from grantproof.mutants.mutant import Mutant
from grantproof.mutants.parallel import judge_in_parallel
from grantproof.mutants.score import DORMANT, EQUIVALENT, INVALID, KILLED, MISPLACED, SURVIVED, Result

#: Verdicts of a deployment that do not exclude an effect under variants.
CHECKED_IN_BRANCHES = (DORMANT, EQUIVALENT, INVALID)
NOT_JUDGED = "what it does under the contract's variants could not be judged"


def branches_of(contract: Contract) -> BranchJudge | None:
    """The judge of a contract's branches; None where they cannot be synthesised, which the suites report."""
    with suppress(NotResolved, Refused):
        return BranchJudge(contract)
    return None


def in_branches(branches: BranchJudge | None, found: Result) -> Result:
    """The verdict after judging under the variants, for a mutant without effect in the deployment or refused there."""
    if branches is None or found.verdict not in CHECKED_IN_BRANCHES:
        return found
    with suppress(Exception):
        if found.verdict != INVALID:
            return branches.judge(found.mutant)
        elsewhere = branches.judge(found.mutant, refused=found.why)
        return elsewhere if elsewhere.verdict in (KILLED, MISPLACED) else found
    return Result(found.mutant, SURVIVED, NOT_JUDGED)


def all_in_branches(branches: BranchJudge, found: Sequence[Result], workers: int) -> Iterator[Result]:
    """The same for many mutants, in child processes: one result for each, also if a child ends before its verdict."""
    by_id = {result.mutant.id: result for result in found}

    def judge(mutant: Mutant) -> Result:
        return in_branches(branches, by_id[mutant.id])

    for result in judge_in_parallel([result.mutant for result in found], judge, workers):
        del by_id[result.mutant.id]
        yield result
    yield from (Result(result.mutant, SURVIVED, NOT_JUDGED) for result in by_id.values())
