"""The data of all reports. Each report is a pure rendering of one `Evidence`."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grantproof.evidence.claim import Claim, counts
from grantproof.evidence.controls import Assessed
from grantproof.evidence.finding import Finding, Status
from grantproof.evidence.mutation import Mutation
from grantproof.evidence.provenance import Provenance
from grantproof.evidence.results import Results

#: The limits of any run, stated in each report.
IN_MOCKED = (
    "This is evidence about templates at a commit and about mocked accounts: that the templates are written as the "
    "contract says, and that this was tested. It says nothing of live accounts, of drift, of service or resource "
    "control policies that an organization has, or of AWS's own enforcement."
)
IN_EXPORTS = (
    "This is evidence about what exports of real accounts hold, against the contracts: nothing was deployed and no "
    "call was made. It says nothing of changes since the exports, of service or resource control policies that an "
    "organization has, of policies that the exports do not hold, or of AWS's own enforcement."
)
ASSESSOR = "Self-assessment by the developer of the templates; not an independent assessment."
_NAMESPACE = uuid.UUID("6f1c1f0e-6b0c-5f0e-9d55-0f5b1d0a7c11")


@dataclass(frozen=True, slots=True)
class Evidence:
    """A run's results, their provenance, the results of mutation testing, and the assessed controls."""

    results: Results
    about: Provenance
    mutation: Mutation
    assessed: tuple[Assessed, ...]

    @property
    def limits(self) -> str:
        """The limits of what the run shows."""
        return IN_EXPORTS if self.results.against else IN_MOCKED

    @property
    def counts(self) -> Mapping[Status, int]:
        """Claims by status."""
        return counts(self.results.claims)

    @property
    def totals(self) -> dict[str, int]:
        """Totals for the reports; `population` is the sum of the statuses."""
        by_status = {status.replace(" ", "_"): number for status, number in self.counts.items()}
        claims = self.results.claims
        return {
            "population": len(claims),
            **by_status,
            "findings": sum(len(claim.findings) for claim in claims),
            "accepted_findings": sum(1 for claim in claims for f in claim.findings if f.accepted),
            "calls": sum(claim.calls for claim in claims),
            "refused_calls": sum(claim.refused for claim in claims),
            "proved": sum(claim.proved for claim in claims),
            "decisions_left": sum(draft.decisions_left for draft in self.results.drafts.values()),
        }

    def deviations(self) -> Iterator[tuple[Claim, str, Finding | None]]:
        """(claim, fingerprint, finding) for every finding of claims whose status is neither `pass` nor `not run`;
        a claim without findings gives one entry with None."""
        for claim in self.results.claims:
            if claim.status in ("pass", "not run"):
                continue
            for print_, finding in claim.shown:
                yield claim, print_, finding
            if not claim.findings:
                yield claim, "claim", None


def identifier(*parts: str) -> str:
    """A UUID (version 5) derived from the parts."""
    return str(uuid.uuid5(_NAMESPACE, "\0".join(parts).encode(errors="backslashreplace").decode()))


def dumps(value: Any) -> str:
    """JSON with a line for each entry of a list, so that runs can be compared line by line. Keys keep their order."""
    return "".join(_pieces(value, "")) + "\n"


def _pieces(value: Any, margin: str) -> Iterator[str]:
    """Only objects and lists near the root are taken apart: `json` indents in Python, which takes ten times as long."""
    inner = margin + "  "
    if isinstance(value, dict) and any(isinstance(item, dict | list) for item in value.values()):
        for number, (key, item) in enumerate(value.items()):
            yield f"{',' if number else '{'}\n{inner}{_line(key)}: "
            yield from _pieces(item, inner)
        yield f"\n{margin}}}"
    elif isinstance(value, list) and len(value) == 1:
        yield "["
        yield from _pieces(value[0], margin)
        yield "]"
    elif isinstance(value, list) and value:
        for number, item in enumerate(value):
            yield f"{',' if number else '['}\n{inner}{_line(item)}"
        yield f"\n{margin}]"
    else:
        yield _line(value)


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


#: A place of an account's export says behind it where the template has it.
_PLACE = re.compile(r"(?:.* \(written at )?(?P<file>[^()]+?):(?P<line>\d+)(?::(?P<column>\d+))?\)?")


def position(place: str) -> tuple[str, int, int] | None:
    """(file, line, column) of a place, with 1 where line or column is missing; None where it is no place in a file,
    such as the ARN of a policy that no template contains."""
    match = _PLACE.fullmatch(place)
    if match and not match["file"].startswith("arn:"):
        return match["file"], int(match["line"]), int(match["column"] or 1)
    return None if not place or place.startswith("arn:") or " " in place else (place, 1, 1)


def remedy(claim: Claim, finding: Finding | None) -> str:
    """The recommended action for a deviation."""
    if claim.status == "error":
        return "Find out why the claim could not be examined; until then nothing is known of it."
    if finding is not None and finding.accepted:
        return f"Accepted until {finding.accepted.expires}. Repair it before, or decide again."
    if finding is not None and finding.status == "unverified":
        return "Write the statement so that it can be judged, or have a person judge it; it does not count as verified."
    return _REMEDIES.get(claim.suite, "Change the template, or the contract if this is meant.")


_REMEDIES = {
    "lint": "Change the template as cfn-lint says, or accept what it says in waivers.yaml, with a reason.",
    "trust": "Narrow the trust policy to whom the contract names; if the access is meant, name it in the contract.",
    "permissions": "Narrow the statement to what the contract names; if the access is meant, name it in the contract.",
    "deployment": "Change the template so that it deploys as the contract says.",
    "access": "Narrow or widen the deciding statement until the call does what the contract says.",
    "variants": "Make templates and contract say the same of what this combination of options changes.",
    "drift": "Take the access back in the account, or, if it is meant, name it in the contract.",
    "proof": "Make the statement and the contract say the same: narrow the one, or, if it is meant, widen the other.",
}


def risk(claim: Claim) -> str:
    """The risk of a deviation, as a sentence."""
    if claim.status in ("unknown", "error"):
        return "Nobody knows whether this holds, so it may be as bad as anything that it is about."
    return _RISKS.get(claim.suite, "What is deployed is not what was agreed.")


_RISKS = {
    "lint": "CloudFormation may refuse the template, or make something else of it than its author means.",
    "trust": "Somebody who was not agreed on may enter the account, or somebody who was cannot.",
    "permissions": "Whoever enters may do more than was agreed, or less than is needed.",
    "deployment": "The stacks may fail, leave something behind, or take values that widen a policy.",
    "access": "A real call is let through, or refused, against what was agreed.",
    "proof": "There is a request that is allowed against what was agreed, or refused although it was agreed.",
    "variants": "With this choice of options, other requests are allowed than were agreed.",
    "drift": "The account lets more happen than its templates do.",
}
