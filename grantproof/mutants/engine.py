"""Runs the suites over every mutant of a grant: as a pytest plugin, so that they are collected once.

A mutant is synthesised first (`synthesis_judge`), which is quick and catches most faults. Mutants that are left are
deployed (`deployment_judge`), and those that change nothing deployed are judged under the variants (`in_branches`).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from grantproof import running
from grantproof.aws.mocked.deploy import DeploymentFailed
from grantproof.aws.staged.stage import Stage
from grantproof.contract import Contract
from grantproof.evidence.finding import Outcome
from grantproof.mutants.baseline import Baseline, Suites
from grantproof.mutants.branch_judge import BranchJudge
from grantproof.mutants.catalogue import Operator
from grantproof.mutants.deployment_judge import DeploymentJudge
from grantproof.mutants.in_branches import CHECKED_IN_BRANCHES, all_in_branches, branches_of, in_branches
from grantproof.mutants.mutant import Mutant, mutants
from grantproof.mutants.parallel import judge_in_parallel
from grantproof.mutants.score import MISPLACED, SURVIVED, Result, Score
from grantproof.mutants.suites import by_cost, by_suite, reads_only
from grantproof.mutants.synthesis_judge import SynthesisJudge
from grantproof.mutants.trial import Trial, is_failing
from grantproof.source import cached_files


class NotVerified(Exception):
    """The original grant does not pass its suites, so that a failing suite would not show a fault."""


class Engine:
    """A pytest plugin that replaces the loop over tests. `scores` holds the result; `refusal` says why there is none.

    Args:
        workers: the number of parallel processes.
        operators: the mutation operators to apply.
        progress: called with a line of text for each mutant judged.
        by_synthesis: judge by synthesis first, where possible; False deploys every mutant, which takes ten times as
            long.
        each: the maximum number of mutants for each operator and grant; None for all.
    """

    def __init__(
        self,
        workers: int,
        operators: Sequence[Operator],
        progress: Callable[[str], None] = lambda _: None,
        *,
        by_synthesis: bool = True,
        each: int | None = None,
    ) -> None:
        self._workers, self._operators, self._progress = workers, operators, progress
        self._by_synthesis, self._each = by_synthesis, each
        self.scores: list[Score] = []
        self.refusal = ""

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Judge the mutants of each grant in turn."""
        trial = Trial(session, session.config.pluginmanager.get_plugin("grantproof.plugin"))
        by_grant: dict[str, list[pytest.Item]] = {}
        contracts: dict[str, Contract] = {}
        for item in session.items:
            contract = item.callspec.params.get("grant") if hasattr(item, "callspec") else None
            if isinstance(contract, Contract):
                by_grant.setdefault(contract.grant, []).append(item)
                contracts[contract.grant] = contract
        try:
            with cached_files():
                for name, items in by_grant.items():
                    self.scores.append(self._score(trial, contracts[name], items))
        except NotVerified as error:
            self.refusal = str(error)
        return True

    def _score(self, trial: Trial, contract: Contract, items: Sequence[pytest.Item]) -> Score:
        found = tuple(mutants(contract, self._operators, self._each))
        static, others = by_cost(items)
        baseline = _baseline(trial, contract, static)
        whole, suites, branches = DeploymentJudge(baseline), by_suite(static), branches_of(contract)
        results: dict[str, Result] = {}
        if self._by_synthesis:
            read_ = _judged_by_synthesis(trial, baseline, branches, suites, found, self._workers)
            results |= self._with_progress(contract, read_, len(found))
        left = [mutant for mutant in found if mutant.id not in results]
        results |= self._with_progress(
            contract, whole.judge(trial, suites, left, self._workers), len(found), len(results)
        )
        open_ = [m for m in found if results[m.id].verdict in (SURVIVED, MISPLACED)]
        if open_:
            # The suites that read policies have not caught them, so the rest runs too, calls and deployments included.
            _baseline(trial, contract, others)
            suites = (*suites, *by_suite(others))
            results |= self._with_progress(contract, whole.judge(trial, suites, open_, self._workers), len(open_))
        unseen = [results[m.id] for m in (*left, *open_) if results[m.id].verdict in CHECKED_IN_BRANCHES]
        if branches is not None:
            results |= self._with_progress(contract, all_in_branches(branches, unseen, self._workers), len(unseen))
        return Score.of_grant(contract, tuple(results[mutant.id] for mutant in found))

    def _with_progress(
        self, contract: Contract, results: Iterator[Result], all_: int, already: int = 0
    ) -> dict[str, Result]:
        out: dict[str, Result] = {}
        for result in results:
            out[result.mutant.id] = result
            self._progress(f"{contract.grant}: {already + len(out)}/{all_}")
        return out


def _baseline(trial: Trial, contract: Contract, items: Sequence[pytest.Item]) -> Baseline:
    """Run tests on the original grant and return its baseline. What is cached by this is shared by all children.

    Raises:
        NotVerified: it cannot be deployed, or a test fails.
    """
    stage = Stage(contract)
    try:
        stage.open()
    except DeploymentFailed as error:
        raise NotVerified(f"{contract.grant} cannot be deployed as it is: {error}") from None
    try:
        baseline = Baseline.of_deployment(stage)
        with trial.on(stage):
            failed: list[Outcome] = [outcome for outcome in trial.run(items) if is_failing(outcome)]
    finally:
        stage.close()
    if failed:
        raise NotVerified(
            f"{contract.grant} is not verified as it is: {failed[0].test} fails. Run `grantproof verify` first."
        )
    return baseline


def _judged_by_synthesis(
    trial: Trial,
    baseline: Baseline,
    branches: BranchJudge | None,
    suites: Suites,
    these: Sequence[Mutant],
    workers: int,
) -> Iterator[Result]:
    """The results that need no deployment."""
    reading = SynthesisJudge.of_baseline(baseline)
    if reading is None:
        return
    tests = [items for suite in suites if (items := [item for item in suite if reads_only(item)])]

    def judge(mutant: Mutant) -> Result | None:
        found = reading.judge(trial, tests, mutant)
        return found and in_branches(branches, found)

    yield from judge_in_parallel(these, judge, workers)


#: Plugins of pytest that only cost time here, where each test runs hundreds of times.
_NOT_NEEDED = "unraisableexception threadexception logging faulthandler".split()


def run(suites: Path, directory: Path, engine: Engine, only: str = "") -> int:
    """Collect the suites for the grants below a folder and run them with an engine; returns pytest's exit status.
    `only` selects tests as pytest's `-k` does."""
    arguments = [f"--grants={directory}", "--numprocesses=0", "-s", "-q"]
    arguments += [f"-pno:{name}" for name in _NOT_NEEDED]
    arguments += ["-k", only] if only else []
    said = io.StringIO()
    with redirect_stdout(said):
        status = running.run(suites, arguments, [engine])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        engine.refusal = engine.refusal or said.getvalue()
    return status
