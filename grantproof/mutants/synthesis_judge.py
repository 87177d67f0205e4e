"""Judges mutants by synthesis, in a hundredth of the time of a deployment.

A mutant that cannot be synthesised, or that no suite which reads policies kills, is left to be deployed. So are all
mutants of a grant whose synthesis and deployment differ.
"""

from __future__ import annotations

from dataclasses import dataclass

from grantproof.aws.synthesis.stack_cache import StackCache
from grantproof.aws.synthesis.stacks import Refused, synthesise
from grantproof.aws.synthesis.synthesised import Synthesised
from grantproof.aws.templates.scope import NotResolved
from grantproof.contract import Contract, ContractError
from grantproof.iam import MalformedPolicy
from grantproof.mutants.baseline import Baseline, Suites, check_contract, malformed
from grantproof.mutants.deployed_access import access
from grantproof.mutants.equivalence import difference
from grantproof.mutants.mutant import Mutant
from grantproof.mutants.score import DORMANT, EQUIVALENT, INVALID, KILLED, Result
from grantproof.mutants.trial import Trial, with_original_places
from grantproof.source import overlay, read


def refused(contract: Contract) -> str:
    """Why CloudFormation or IAM refuses the templates as they read now; empty where they may accept them."""
    try:
        access(Synthesised(contract, synthesise(contract)))
    except (Refused, MalformedPolicy) as error:
        return str(error)
    except Exception:  # noqa: BLE001 - whatever cannot be worked out is deployed
        return ""
    return ""


@dataclass(frozen=True)
class SynthesisJudge:
    """Judges against the synthesis of the original grant, which equals its deployment."""

    baseline: Baseline
    cache: StackCache

    @staticmethod
    def of_baseline(deployed: Baseline) -> SynthesisJudge | None:
        """The judge of a grant; None where it cannot be synthesised, or differs from its deployment."""
        cache = StackCache()
        try:
            found = Baseline.of_deployment(_synthesised(deployed, cache))
        except (Refused, NotResolved, MalformedPolicy):
            return None
        return None if difference(deployed.holds, found.holds) else SynthesisJudge(found, cache)

    def judge(self, trial: Trial, suites: Suites, mutant: Mutant) -> Result | None:
        """The verdict on a mutant; None where it has to be deployed."""
        original = read(mutant.template)
        with overlay({mutant.template: mutant.text}, dumped=True):
            broken = read(mutant.template)
            if said := malformed(mutant):
                return Result(mutant, INVALID, why=said)
            try:
                check_contract(self.baseline.contract, original.value, mutant)
                found = self.baseline.judge(mutant, _synthesised(self.baseline, StackCache(self.cache)), trial, suites)
            except (Refused, MalformedPolicy):
                said = refused(self.baseline.contract)
                return Result(mutant, INVALID, why=said) if said else None
            except (ContractError, NotResolved):
                return None
        return with_original_places(found, broken) if found.verdict in (KILLED, EQUIVALENT, DORMANT) else None


def _synthesised(baseline: Baseline, cache: StackCache) -> Synthesised:
    """The synthesis of the templates as they read now."""
    found = synthesise(baseline.contract, physical=baseline.physical, cache=cache)
    return Synthesised(baseline.contract, found)
