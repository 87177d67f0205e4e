"""All results as plain JSON, for programs that do not read a standard format."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from grantproof.evidence.claim import Claim
from grantproof.evidence.report import ASSESSOR, Evidence, dumps

NAME = "findings.json"


def render(evidence: Evidence) -> str:
    """The run: provenance, verdicts, population, claims with their findings, facts of every grant, controls."""
    results, about = evidence.results, asdict(evidence.about)
    del about["contents"]
    return dumps(
        {
            "format": "grantproof/findings/1",
            "verdict": results.verdict,
            "grants": {grant: results.word(grant) for grant in results.grants},
            "drafts": {grant: asdict(draft) for grant, draft in sorted(results.drafts.items())},
            "problems": list(results.problems),
            "totals": evidence.totals,
            "against": dict(results.against),
            "run": about,
            "limits": evidence.limits,
            "assessor": ASSESSOR,
            "mutants": asdict(evidence.mutation),
            "unused_waivers": list(results.unused),
            "claims": [_claim(claim) for claim in results.claims],
            "untouched": {grant: list(tests) for grant, tests in sorted(results.untouched.items())},
            "facts": {grant: results.facts.get(grant) for grant in results.grants},
            "controls": [
                {
                    "framework": assessed.framework.id,
                    "control": assessed.control.id,
                    "grade": assessed.control.grade,
                    "state": assessed.state,
                    "claims": list(assessed.control.claims),
                    "bearing": len(assessed.claims),
                    "failing": [claim.id for claim in assessed.failing],
                }
                for assessed in evidence.assessed
            ],
        }
    )


def _claim(claim: Claim) -> dict[str, Any]:
    return {
        "id": claim.id,
        "grant": claim.grant,
        "suite": claim.suite,
        "claim": claim.sentence,
        "method": claim.method,
        "place": claim.place,
        "status": claim.status,
        "reason": claim.reason,
        "proved": claim.proved,
        "calls": claim.calls,
        "refused": claim.refused,
        "tried": [asdict(entry) for entry in claim.tried],
        "findings": [{"fingerprint": print_, **finding.as_dict()} for print_, finding in claim.shown],
    }
