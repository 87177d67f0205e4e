"""Judges mutants by deploying them, each from a fork of the world just before its template is first used.

The process deploys step by step, and forks before each stack: a mutant of that stack's template begins there, in a
child of its own, with everything before it in place. A child goes on deploying with its template, runs the suites and
says what they found.
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
from grantproof.mutants.catalogue import Mutant
from grantproof.mutants.score import DORMANT, INVALID, KILLED, Result
from grantproof.mutants.synthesis_judge import refused
from grantproof.mutants.trial import Trial, in_the_original
from grantproof.source import Document, overlay, read


@dataclass(frozen=True)
class DeploymentJudge:
    """The grant without a fault, as it was deployed."""

    baseline: Baseline

    def judge(self, trial: Trial, suites: Suites, these: Sequence[Mutant], workers: int) -> Iterator[Result]:
        """What becomes of mutants, in the order in which they are through."""
        contract = self.baseline.contract
        used = _first_use(contract)
        for mutant in these:
            if mutant.template.resolve() not in used:
                yield Result(mutant, DORMANT, "only variants of the contract deploy its template")
        deployed = [mutant for mutant in these if mutant.template.resolve() in used]
        for managed in (False, True):
            # AWS's managed policies take a good part of a second to load, so only those have them that name one.
            if chosen := [mutant for mutant in deployed if (":policy/" in mutant.text) == managed]:
                yield from self._on_one_base(trial, suites, chosen, Stage(contract, managed_policies=managed), workers)

    def _on_one_base(
        self, trial: Trial, suites: Suites, chosen: Sequence[Mutant], stage: Stage, workers: int
    ) -> Iterator[Result]:
        start = _first_use(stage.contract)

        def work(mutant: Mutant) -> Iterator[bytes]:
            yield json.dumps(self._judged(trial, suites, stage, mutant).said()).encode()

        stage.begin()
        try:
            _warm(stage)
            for number in range(len(stage.contract.stacks)):
                here = [mutant for mutant in chosen if start[mutant.template.resolve()] == number]
                for mutant, said in forked(here, work, workers):
                    yield Result.from_said(mutant, said[0] if said else b"")
                if any(start[mutant.template.resolve()] > number for mutant in chosen):
                    stage.advance()
                    stage.snapshots()
        finally:
            stage.close()

    def _judged(self, trial: Trial, suites: Suites, stage: Stage, mutant: Mutant) -> Result:
        original = read(mutant.template)
        with overlay({mutant.template: mutant.text}, dumped=True):
            broken = read(mutant.template)
            found = self._verdict(trial, suites, stage, mutant, original)
        return in_the_original(found, broken)

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
            # That AWS would refuse it is not known: nothing was refused when it was worked out.
            return not_looked_at(mutant, contract, error)


def not_looked_at(mutant: Mutant, contract: Contract, error: Exception) -> Result:
    """The verdict on a mutant that AWS may deploy and that cannot be looked at here, which turns every test red that
    needs the deployment."""
    finding = Finding(contract.grant, "can be deployed and held against the contract", "unverified", str(error))
    return Result(mutant, KILLED, tests=("every test that needs the deployment",), findings=(finding,))


def _first_use(contract: Contract) -> dict[Path, int]:
    """For each template, the number of the first stack that may use it: itself, or one that has nested stacks."""
    out: dict[Path, int] = {}
    nesting = [n for n, s in enumerate(contract.stacks) if "AWS::CloudFormation::Stack" in str(read(s.template).value)]
    for upload in contract.uploads:
        out |= {file.resolve(): min(nesting, default=0) for file in upload.files}
    for number, stack in reversed(list(enumerate(contract.stacks))):
        template = stack.template.resolve()
        out[template] = min(number, out.get(template, number))
    return out


def _warm(stage: Stage) -> None:
    """Clients and mocked services are made on first use, and accounts are looked at again only where something has
    changed; so that not every child does all of it, it is done here."""
    for number in stage.world.accounts.values():
        for service in ("cloudformation", "iam", "s3", "sts"):
            stage.world.client(stage.world.root(number), service)
    stage.snapshots()
