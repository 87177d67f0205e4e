"""Judges mutants by what their templates would hold, worked out instead of deployed: a hundredth of the time.

Only what is seen in this way is judged. A mutant that cannot be worked out, or that no suite which reads policies has
caught, is left to be deployed. So is every mutant of a grant of which a deployment holds something else than was worked
out.
"""

from __future__ import annotations

from dataclasses import dataclass

from grantproof.aws.synthesis.kept import Kept
from grantproof.aws.synthesis.stacks import Refused, synthesise
from grantproof.aws.synthesis.synthesised import Synthesised
from grantproof.aws.templates.intrinsics import NotResolved
from grantproof.contract import Contract, ContractError
from grantproof.iam import MalformedPolicy
from grantproof.mutants.access import difference
from grantproof.mutants.catalogue import Mutant
from grantproof.mutants.held import access
from grantproof.mutants.score import DORMANT, EQUIVALENT, INVALID, KILLED, Result
from grantproof.mutants.trial import Trial, in_the_original
from grantproof.mutants.unbroken import Suites, Unbroken, check_contract, malformed
from grantproof.source import instead, read


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
class Reading:
    """A grant as it was worked out unbroken, of which a deployment holds the same."""

    unbroken: Unbroken
    kept: Kept

    @staticmethod
    def of(deployed: Unbroken) -> Reading | None:
        """None where it cannot be worked out, or not as it was deployed, when things were called so."""
        kept = Kept()
        try:
            found = Unbroken.of(_worked_out(deployed, kept))
        except (Refused, NotResolved, MalformedPolicy):
            return None
        return None if difference(deployed.holds, found.holds) else Reading(found, kept)

    def judge(self, trial: Trial, suites: Suites, mutant: Mutant) -> Result | None:
        """What becomes of a mutant; None where it has to be deployed."""
        original = read(mutant.template)
        with instead({mutant.template: mutant.text}, written=True):
            broken = read(mutant.template)
            if said := malformed(mutant):
                return Result(mutant, INVALID, why=said)
            try:
                check_contract(self.unbroken.contract, original.value, mutant)
                found = self.unbroken.judge(mutant, _worked_out(self.unbroken, Kept(self.kept)), trial, suites)
            except (Refused, MalformedPolicy):
                said = refused(self.unbroken.contract)
                return Result(mutant, INVALID, why=said) if said else None
            except (ContractError, NotResolved):
                return None
        return in_the_original(found, broken) if found.verdict in (KILLED, EQUIVALENT, DORMANT) else None


def _worked_out(unbroken: Unbroken, kept: Kept) -> Synthesised:
    """What the stacks would hold as the templates are read now."""
    found = synthesise(unbroken.contract, physical=unbroken.physical, kept=kept)
    return Synthesised(unbroken.contract, found)
