"""CSV with one line per claim, for upload into GRC tools."""

from __future__ import annotations

import csv
import io

from grantproof.evidence.claim import Claim
from grantproof.evidence.report import Evidence

NAME = "claims.csv"
#: The claim_id of lines about the run itself.
RUN = "run"
COLUMNS = (
    "grant",
    "claim_id",
    "claim",
    "method",
    "status",
    "coverage",
    "place",
    "finding",
    "finding_place",
    "owner",
    "accepted_until",
    "accepted_because",
    "controls",
    "commit",
    "time",
)


def render(evidence: Evidence) -> str:
    """CSV (RFC 4180) with a header. Cells that a spreadsheet would take for a formula have an apostrophe in front."""
    controls: dict[str, list[str]] = {}
    for assessed in evidence.assessed:
        for claim in assessed.claims:
            controls.setdefault(claim.id, []).append(f"{assessed.framework.short} {assessed.control.id}")
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for claim in evidence.results.claims:
        cells = (
            *_cells(claim),
            "; ".join(controls.get(claim.id, ())),
            evidence.about.commit + ("+changed" if evidence.about.changed else ""),
            evidence.about.time,
        )
        writer.writerow([_plain(cell) for cell in cells])
    for gap in evidence.results.gaps:
        # An error line that is no claim: without it, a CSV of an incomplete run could contain only passed claims.
        run = {"claim_id": RUN, "claim": "the run looked at everything", "status": "error", "finding": gap}
        run |= {"commit": evidence.about.commit, "time": evidence.about.time}
        writer.writerow([_plain(run.get(column, "")) for column in COLUMNS])
    return out.getvalue()


def _cells(claim: Claim) -> tuple[str, ...]:
    accepted = [finding.accepted for finding in claim.findings if finding.accepted]
    return (
        claim.grant,
        claim.id,
        claim.sentence,
        claim.method,
        claim.status,
        claim.coverage,
        claim.place,
        " | ".join([*(finding.detail for finding in claim.findings), *([claim.reason] if claim.reason else [])]),
        " | ".join(dict.fromkeys(finding.place for finding in claim.findings)),
        "; ".join(dict.fromkeys(a.owner for a in accepted)),
        "; ".join(dict.fromkeys(a.expires for a in accepted)),
        " | ".join(dict.fromkeys(a.reason for a in accepted)),
    )


def _plain(cell: str) -> str:
    """A cell that spreadsheets do not take for a formula: template text is untrusted (OWASP, CSV injection)."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
