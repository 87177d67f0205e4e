"""Judges mutants by deploying them, each from a fork of the world just before its template is first used.

The process deploys the stacks one by one and forks before each: a mutant of that stack's template starts there in a
child process, with all earlier stacks in place. The child deploys the rest with the mutated template, runs the suites
and returns their verdict.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from grantproof.aws.mocked.deploy import DeploymentFailed
from grantproof.aws.staged.stage import Stage
from grantproof.children import forked
from grantproof.contract import Contract, ContractError
from grantproof.evidence.finding import Finding
from grantproof.iam import MalformedPolicy
from grantproof.mutants.baseline import Baseline, Suites, check_contract, malformed
from grantproof.mutants.mutant import Mutant
from grantproof.mutants.score import DORMANT, INVALID, KILLED, Result
from grantproof.mutants.synthesis_judge import refused
from grantproof.mutants.trial import Trial, with_original_places
from grantproof.source import Document, overlay, read


@dataclass(frozen=True)
class DeploymentJudge:
    """Judges against the original grant, as deployed."""

    baseline: Baseline

    def judge(self, trial: Trial, suites: Suites, these: Sequence[Mutant], workers: int) -> Iterator[Result]:
        """The verdicts on mutants, in the order in which they are finished."""
        contract = self.baseline.contract
        used = _first_use(contract)
        for mutant in these:
            if mutant.template.resolve() not in used:
                yield Result(mutant, DORMANT, "only variants of the contract deploy its template")
        deployed = [mutant for mutant in these if mutant.template.resolve() in used]
        for managed in (False, True):
            # AWS managed policies take a good part of a second to load, so they are loaded only for mutants that name
            # one.
            if chosen := [mutant for mutant in deployed if (":policy/" in mutant.text) == managed]:
                yield from self._on_one_base(trial, suites, chosen, Stage(contract, managed_policies=managed), workers)

    def _on_one_base(
        self, trial: Trial, suites: Suites, chosen: Sequence[Mutant], stage: Stage, workers: int
    ) -> Iterator[Result]:
        start = _first_use(stage.contract)

        def work(mutant: Mutant) -> Iterator[bytes]:
            yield json.dumps(self._result(trial, suites, stage, mutant).payload()).encode()

        stage.begin()
        try:
            _warm(stage)
            for number in range(len(stage.contract.stacks)):
                here = [mutant for mutant in chosen if start[mutant.template.resolve()] == number]
                for mutant, said in forked(here, work, workers):
                    yield Result.from_payload(mutant, said[0] if said else b"")
                if any(start[mutant.template.resolve()] > number for mutant in chosen):
                    stage.advance()
                    stage.snapshots()
        finally:
            stage.close()

    def _result(self, trial: Trial, suites: Suites, stage: Stage, mutant: Mutant) -> Result:
        original = read(mutant.template)
        with overlay({mutant.template: mutant.text}, dumped=True):
            broken = read(mutant.template)
            found = self._verdict(trial, suites, stage, mutant, original)
        return with_original_places(found, broken)

    def _verdict(self, trial: Trial, suites: Suites, stage: Stage, mutant: Mutant, original: Document) -> Result:
        contract = stage.contract
        if said := malformed(mutant):
            return Result(mutant, INVALID, why=said)
        try:
            check_contract(contract, original.value, mutant)
            if said := refused(contract):
                return Result(mutant, INVALID, why=said)
            if any(mutant.template in upload.files for upload in contract.uploads):
                stage.upload_again()
            while stage.advance():
                pass
            stage.start_authorising()
            return self.baseline.judge(mutant, stage, trial, suites)
        except MalformedPolicy as error:
            return Result(mutant, INVALID, why=str(error))
        except (DeploymentFailed, ContractError) as error:
            # Not INVALID: the synthesis found nothing that AWS refuses.
            return undeployable(mutant, contract, error)


def undeployable(mutant: Mutant, contract: Contract, error: Exception) -> Result:
    """The verdict on a mutant that AWS may accept and that cannot be deployed or checked here: every test that needs
    the deployment fails."""
    finding = Finding(contract.grant, "can be deployed and held against the contract", "unverified", str(error))
    return Result(mutant, KILLED, tests=("every test that needs the deployment",), findings=(finding,))


def _first_use(contract: Contract) -> dict[Path, int]:
    """For each template, the index of the first stack that may use it, directly or as a nested stack."""
    out: dict[Path, int] = {}
    nesting = [n for n, s in enumerate(contract.stacks) if "AWS::CloudFormation::Stack" in str(read(s.template).value)]
    for upload in contract.uploads:
        out |= {file.resolve(): min(nesting, default=0) for file in upload.files}
    for number, stack in reversed(list(enumerate(contract.stacks))):
        template = stack.template.resolve()
        out[template] = min(number, out.get(template, number))
    return out


def _warm(stage: Stage) -> None:
    """Create clients and mocked services, and take snapshots, once in the parent, so that not every child has to."""
    for number in stage.world.accounts.values():
        for service in ("cloudformation", "iam", "s3", "sts"):
            stage.world.client(stage.world.root(number), service)
    stage.snapshots()
