"""What the page says of findings: the deviations, and those that are accepted under a waiver."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from grantproof.evidence.claim import Claim
from grantproof.evidence.finding import Finding, request_in_words
from grantproof.evidence.report import Evidence, remedy, risk
from grantproof.evidence.sources import Sources, anchor

#: Deviations above this number are counted and not listed; `claims.csv` has all of them.
LISTED_DEVIATIONS = 1_000
STATUS_IN_WORDS = {
    "pass": "passed",
    "fail": "failed",
    "unknown": "could not be judged",
    "error": "could not be examined",
    "not run": "not run",
    "exception": "accepted deviation",
}


def deviations(evidence: Evidence, sources: Sources) -> list[dict[str, Any]]:
    """An entry for each finding and each claim that did not pass, failures first; not more than are listed."""
    order = {"fail": 0, "error": 1, "unknown": 2, "exception": 3}
    found = sorted(evidence.deviations(), key=lambda entry: order[entry[0].status])
    controls = _controls_by_claim(evidence)
    return [
        {**_deviation(claim, print_, finding, sources), "bears": controls.get(claim.id, [])}
        for claim, print_, finding in found[:LISTED_DEVIATIONS]
    ]


def _controls_by_claim(evidence: Evidence) -> dict[str, list[tuple[str, str]]]:
    """By id of a failing claim: (short name, anchor) of each control for which it is direct evidence."""
    out: dict[str, list[tuple[str, str]]] = {}
    for assessed in evidence.assessed:
        if assessed.control.grade == "D":
            name = f"{assessed.framework.short} {assessed.control.id}"
            for claim in assessed.failing:
                out.setdefault(claim.id, []).append((name, anchor(f"{assessed.framework.id}-{assessed.control.id}")))
    return out


def _deviation(claim: Claim, print_: str, finding: Finding | None, sources: Sources) -> dict[str, Any]:
    """The entry of one finding, or of a claim without findings. `print_` is the finding's fingerprint."""
    place = finding.place if finding else claim.place
    waiver = finding.accepted if finding else None
    return {
        "id": f"finding-{print_}" if finding else f"claim-{anchor(claim.id)}",
        "claim": claim,
        "status": "exception" if waiver else claim.status,
        "text": (finding.detail or finding.clause) if finding else claim.reason or STATUS_IN_WORDS[claim.status],
        "clause": finding.clause if finding else claim.sentence,
        "statement": finding.statement if finding else "",
        "place": place,
        "link": sources.link(place),
        "clause_place": claim.place,
        "clause_link": sources.link(claim.place),
        "witness": request_in_words(finding.witness) if finding and finding.witness else "",
        "risk": risk(claim),
        "remedy": remedy(claim, finding),
        "note": finding.note if finding else "",
        "accepted": waiver,
        "waiver": _waiver_entry(claim, print_, finding)
        if finding and finding.status == "broken" and not waiver
        else "",
    }


def _waiver_entry(claim: Claim, print_: str, finding: Finding) -> str:
    """The entry for waivers.yaml that would accept a finding, as JSON, which is valid YAML."""
    entry = {"claim": claim.id.removeprefix(f"{claim.grant}/"), "finding": finding.detail, "fingerprint": print_}
    return json.dumps(entry, ensure_ascii=False)


def accepted(evidence: Evidence) -> list[dict[str, Any]]:
    """An entry for each accepted finding, with the number of days until its waiver expires."""
    today = date.fromisoformat(evidence.about.time[:10])
    return [
        {
            "claim": claim,
            "print": print_,
            "finding": finding,
            "days": (date.fromisoformat(finding.accepted.expires) - today).days,
        }
        for claim in evidence.results.claims
        for print_, finding in claim.shown
        if finding.accepted
    ]
