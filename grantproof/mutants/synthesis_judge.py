"""Judges mutants by working out what their templates would hold, in a hundredth of the time of a deployment.

Only what is seen in this way is judged. A mutant that cannot be worked out, or that no suite which reads policies has
caught, is left to be deployed. So is every mutant of a grant of which a deployment holds something else than was worked
out.
"""

from __future__ import annotations

from dataclasses import dataclass

from grantproof.aws.synthesis.stack_cache import StackCache
from grantproof.aws.synthesis.stacks import Refused, synthesise
from grantproof.aws.synthesis.synthesised import Synthesised
from grantproof.aws.templates.intrinsics import NotResolved
from grantproof.contract import Contract, ContractError
from grantproof.iam import MalformedPolicy
from grantproof.mutants.baseline import Baseline, Suites, check_contract, malformed
from grantproof.mutants.catalogue import Mutant
from grantproof.mutants.deployed_access import access
from grantproof.mutants.equivalence import difference
from grantproof.mutants.score import DORMANT, EQUIVALENT, INVALID, KILLED, Result
from grantproof.mutants.trial import Trial, with_original_places
from grantproof.source import overlay, read


def refused(contract: Contract) -> str:
    """Why CloudFormation or IAM refuses the templates as they are read now; empty where they may take them."""
    try:
        access(Synthesised(contract, synthesise(contract)))
    except (Refused, MalformedPolicy) as error:
        return str(error)
    except Exception:  # noqa: BLE001 - whatever cannot be worked out is deployed
        return ""
    return ""


@dataclass(frozen=True)
class SynthesisJudge:
    """A grant without a fault, as it was worked out; a deployment of it holds the same."""

    baseline: Baseline
    cache: StackCache

    @staticmethod
    def of(deployed: Baseline) -> SynthesisJudge | None:
        """None where it cannot be worked out, or not as it was deployed, when things were called so."""
        cache = StackCache()
        try:
            found = Baseline.of(_worked_out(deployed, cache))
        except (Refused, NotResolved, MalformedPolicy):
            return None
        return None if difference(deployed.holds, found.holds) else SynthesisJudge(found, cache)

    def judge(self, trial: Trial, suites: Suites, mutant: Mutant) -> Result | None:
        """What becomes of a mutant; None where it has to be deployed."""
        original = read(mutant.template)
        with overlay({mutant.template: mutant.text}, dumped=True):
            broken = read(mutant.template)
            if said := malformed(mutant):
                return Result(mutant, INVALID, why=said)
            try:
                check_contract(self.baseline.contract, original.value, mutant)
                found = self.baseline.judge(mutant, _worked_out(self.baseline, StackCache(self.cache)), trial, suites)
            except (Refused, MalformedPolicy):
                said = refused(self.baseline.contract)
                return Result(mutant, INVALID, why=said) if said else None
            except (ContractError, NotResolved):
                return None
        return with_original_places(found, broken) if found.verdict in (KILLED, EQUIVALENT, DORMANT) else None


def _worked_out(baseline: Baseline, cache: StackCache) -> Synthesised:
    """What the stacks would hold as the templates are read now."""
    found = synthesise(baseline.contract, physical=baseline.physical, cache=cache)
    return Synthesised(baseline.contract, found)
