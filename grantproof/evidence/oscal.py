"""OSCAL: the assessment plan (the population), the assessment results, and the verifier as a component definition.

The documents are valid under both OSCAL 1.1.3 and 1.2.3 and labelled 1.1.3, for the widest compatibility. A finding
judges an objective of a control, and only where the run is direct evidence for it (grade D). OSCAL has only `satisfied`
and `not-satisfied`, so that what could not be judged is `not-satisfied` for the reason `other`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from grantproof.evidence import stamp
from grantproof.evidence.claim import Claim
from grantproof.evidence.controls import Assessed, Control, frameworks
from grantproof.evidence.report import ASSESSOR, Evidence, dumps, identifier

PLAN, RESULTS, COMPONENT = (
    "oscal/assessment-plan.json",
    "oscal/assessment-results.json",
    "oscal/component-definition.json",
)
VERSION = "1.1.3"
CATALOG = "https://doi.org/10.6028/NIST.SP.800-53r5"
NIST = "nist-800-53-r5"
_NS = "urn:grantproof:oscal"
#: How long an observation is valid; FedRAMP 20x requires a run every seven days.
_FRESH = timedelta(days=7)


def _line(text: str) -> str:
    """Text in the form of OSCAL strings: one line, without surrounding white space, never empty."""
    return " ".join(text.split()) or "-"


def _prop(name: str, value: str) -> dict[str, str]:
    return {"name": name, "ns": _NS, "value": _line(value)}


def _metadata(title: str, evidence: Evidence) -> dict[str, Any]:
    about = evidence.about
    props = [_prop(f"version-{name.lower().replace(' ', '-')}", text) for name, text in about.versions.items()]
    props.append(_prop("command", about.command))
    if about.commit:
        props.append(_prop("commit", about.commit + (" with changes" if about.changed else "")))
    party = identifier("party", about.ran_by)
    return {
        "title": title,
        "last-modified": about.time,
        "version": about.commit[:12] or about.time,
        "oscal-version": VERSION,
        "props": props,
        "roles": [{"id": "assessor", "title": "Who ran the assessment"}],
        "parties": [{"uuid": party, "type": "person", "name": _line(about.ran_by), "remarks": ASSESSOR}],
        "responsible-parties": [{"role-id": "assessor", "party-uuids": [party]}],
        "remarks": evidence.limits,
    }


def _document(kind: str, body: Mapping[str, Any]) -> str:
    """A document as JSON text, with a UUID derived from its content."""
    digest = hashlib.sha256(dumps(body).encode(errors="backslashreplace")).hexdigest()
    return dumps({kind: {"uuid": identifier(kind, digest), **body}})


def _verifier() -> str:
    return identifier("component", "grantproof")


def _subject(grant: str) -> str:
    return identifier("grant", grant)


def _components(evidence: Evidence) -> list[dict[str, Any]]:
    """The verifier and every grant, as components to which plan and results refer."""
    operational = {"state": "operational"}
    return [
        {
            "uuid": _verifier(),
            "type": "validation",
            "title": "grantproof",
            "description": "Verifies what CloudFormation templates delegate between AWS accounts.",
            "props": [_prop("version", evidence.about.versions["grantproof"])],
            "status": operational,
        },
        *(
            {
                "uuid": _subject(grant),
                "type": "software",
                "title": _line(grant),
                "description": _line(str((evidence.results.facts.get(grant) or {}).get("description", ""))),
                "status": {"state": "under-development"},
            }
            for grant in evidence.results.grants
        ),
    ]


def _nist(evidence: Evidence) -> list[Assessed]:
    return [assessed for assessed in evidence.assessed if assessed.framework.id == NIST]


def _reviewed(controls: Iterable[Control]) -> dict[str, Any]:
    ids = sorted({control.oscal for control in controls})
    return {"control-selections": [{"include-controls": [{"control-id": name} for name in ids]}]}


# --- the plan ---------------------------------------------------------------------------------------------------------


def plan(evidence: Evidence) -> str:
    """The assessment plan, which is the population: one activity per claim, one task per grant."""
    claims = evidence.results.claims
    controls = [assessed.control for assessed in _nist(evidence)]
    source = identifier("resource", "grants")
    body: dict[str, Any] = {
        "metadata": _metadata("Plan: verification of cross-account access templates", evidence),
        "import-ssp": {"href": f"#{source}", "remarks": "The grants stand in for a system security plan."},
        "local-definitions": {"components": _components(evidence)},
        "reviewed-controls": _reviewed(controls),
        "back-matter": {
            "resources": [
                {
                    "uuid": source,
                    "title": "The grants: templates and contracts",
                    "rlinks": [
                        {"href": quote(name), "hashes": [{"algorithm": "SHA-256", "value": digest}]}
                        for name, digest in evidence.about.inputs.items()
                    ],
                }
            ]
        },
    }
    if claims:
        body["local-definitions"]["activities"] = [_activity(claim, controls) for claim in claims]
        body["tasks"] = [_task(grant, evidence.results.claims_of(grant)) for grant in sorted({c.grant for c in claims})]
    return _document("assessment-plan", body)


def _activity(claim: Claim, controls: Sequence[Control]) -> dict[str, Any]:
    out: dict[str, Any] = {
        "uuid": identifier("activity", claim.id),
        "title": _line(claim.sentence),
        "description": _line(f"{claim.grant}: {claim.sentence}."),
        "props": [_prop("claim", claim.id), _prop("method", claim.method), _prop("place", claim.place)],
    }
    bearing = [control for control in controls if control.includes(claim)]
    return {**out, "related-controls": _reviewed(bearing)} if bearing else out


def _task(grant: str, claims: Iterable[Claim]) -> dict[str, Any]:
    subject = {"type": "component", "include-subjects": [{"subject-uuid": _subject(grant), "type": "component"}]}
    return {
        "uuid": identifier("task", grant),
        "type": "action",
        "title": _line(f"Verify {grant}"),
        "associated-activities": [
            {"activity-uuid": identifier("activity", claim.id), "subjects": [subject]} for claim in claims
        ],
    }


# --- the results ------------------------------------------------------------------------------------------------------


def results(evidence: Evidence) -> str:
    """The assessment results: one observation per claim, one finding per control with direct evidence."""
    claims = evidence.results.claims
    controls = [assessed.control for assessed in _nist(evidence)]
    result: dict[str, Any] = {
        "uuid": identifier("result", evidence.about.time, evidence.about.commit),
        "title": "Verification of cross-account access templates",
        "description": evidence.limits,
        "start": evidence.about.time,
        "end": evidence.about.time,
        "props": [
            _prop("verdict", evidence.results.verdict),
            *(_prop(name.replace("_", "-"), str(number)) for name, number in evidence.totals.items()),
            *(_prop("problem", problem) for problem in evidence.results.problems),
            *(_prop("draft", f"{grant}: {draft}") for grant, draft in sorted(evidence.results.drafts.items())),
        ],
        "local-definitions": {"components": _components(evidence)},
        "reviewed-controls": _reviewed(controls),
    }
    if claims:
        result["observations"] = [_observation(claim, evidence.about.time) for claim in claims]
    findings = [_finding(assessed) for assessed in _nist(evidence) if assessed.control.grade == "D"]
    if findings:
        result["findings"] = findings
    return _document(
        "assessment-results",
        {
            "metadata": _metadata("Results: verification of cross-account access templates", evidence),
            "import-ap": {"href": PLAN.rpartition("/")[2]},
            "results": [result],
        },
    )


def _observation(claim: Claim, time: str) -> dict[str, Any]:
    expires = datetime.fromisoformat(time) + _FRESH
    props = [_prop("claim", claim.id), _prop("status", claim.status), _prop("place", claim.place)]
    if claim.coverage:
        props.append(_prop("coverage", claim.coverage))
    out: dict[str, Any] = {
        "uuid": identifier("observation", claim.id),
        "title": _line(claim.sentence),
        "description": _line(f"{claim.grant}: {claim.sentence}: {claim.status}. {claim.reason}"),
        "props": props,
        "methods": [claim.method],
        "types": ["control-objective"],
        "origins": [
            {
                "actors": [{"type": "tool", "actor-uuid": _verifier()}],
                "related-tasks": [{"task-uuid": identifier("task", claim.grant)}],
            }
        ],
        "subjects": [{"subject-uuid": _subject(claim.grant), "type": "component"}],
        "collected": time,
        "expires": stamp.text(expires),
    }
    if claim.findings:
        out["relevant-evidence"] = [
            {
                "href": f"../evidence.html#finding-{print_}",
                "description": _line(f"{finding.place}: {finding.detail or finding.clause}"),
                **({"remarks": _accepted(finding.accepted)} if finding.accepted else {}),
            }
            for print_, finding in claim.shown
        ]
    return out


def _accepted(accepted: Any) -> str:
    return _line(f"Accepted by {accepted.owner} until {accepted.expires}: {accepted.reason}")


def _finding(assessed: Assessed) -> dict[str, Any]:
    control = assessed.control
    kind = "objective-id" if "_obj" in control.target else "statement-id"
    satisfied = assessed.state == "supported"
    failed = any(claim.status in ("fail", "error") for claim in assessed.claims)
    status = {
        "state": "satisfied" if satisfied else "not-satisfied",
        "reason": "pass" if satisfied else "fail" if failed else "other",
    }
    out: dict[str, Any] = {
        "uuid": identifier("finding", control.id),
        "title": f"{control.id} {control.title}, for these templates",
        "description": f"About the templates as written, not about a system. Not evidenced here: {control.missing}",
        "target": {"type": kind, "target-id": control.target, "status": status},
    }
    if assessed.claims:
        out["related-observations"] = [
            {"observation-uuid": identifier("observation", claim.id)} for claim in assessed.claims
        ]
    return out


# --- the verifier -----------------------------------------------------------------------------------------------------


def component(evidence: Evidence) -> str:
    """The verifier as a component definition, with the controls to which it contributes."""
    nist = next(framework for framework in frameworks() if framework.id == NIST)
    requirements = [
        {
            "uuid": identifier("requirement", control.id),
            "control-id": control.oscal,
            "description": f"Claims: {', '.join(control.claims)}. Not evidenced: {control.missing}",
            "props": [_prop("grade", "direct" if control.grade == "D" else "partial")],
        }
        for control in nist.controls
    ]
    return _document(
        "component-definition",
        {
            "metadata": _metadata("grantproof, a verifier of cross-account access templates", evidence),
            "components": [
                {
                    "uuid": _verifier(),
                    "type": "validation",
                    "title": "grantproof",
                    "description": "Proves and tries what CloudFormation templates delegate between AWS accounts.",
                    "purpose": "Evidence about access templates before they are deployed.",
                    "props": [_prop("version", evidence.about.versions["grantproof"])],
                    "control-implementations": [
                        {
                            "uuid": identifier("control-implementation", NIST),
                            "source": CATALOG,
                            "description": evidence.limits,
                            "implemented-requirements": requirements,
                        }
                    ],
                }
            ],
        },
    )
