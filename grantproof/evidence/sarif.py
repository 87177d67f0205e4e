"""SARIF 2.1.0, for code scanning and editors: claims that failed or could not be judged, at their lines.

GitHub shows results of kind `pass` as alerts and ignores suppressions, so that passed claims and accepted deviations
are omitted. It rejects results without a location and keeps 5,000 of a run, so that results about the templates come
first; the number of omitted ones is in the run's properties.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from grantproof.evidence.claim import Claim
from grantproof.evidence.finding import Finding, request_in_words
from grantproof.evidence.report import Evidence, dumps, position, remedy

NAME = "results.sarif"
MOST = 5_000
_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
#: The rule of results that report an incomplete run.
_WHOLE = "run/whole"
_LEVELS = {"fail": "error", "error": "error", "unknown": "error"}


def render(evidence: Evidence) -> str:
    """One result for each finding that is not accepted."""
    found = [
        (claim, print_, finding)
        for claim, print_, finding in evidence.deviations()
        if claim.status != "exception" and not (finding and finding.accepted)
    ]
    kept = found[: MOST - len(evidence.results.gaps)]
    gaps = evidence.results.gaps
    rules = sorted({_rule(claim) for claim, _, _ in kept}) + ([_WHOLE] if gaps else [])
    descriptions = {_rule(claim): claim for claim, _, _ in reversed(kept)}
    tool = {
        "driver": {
            "name": "grantproof",
            "version": evidence.about.versions["grantproof"],
            "rules": [_described(rule, descriptions.get(rule)) for rule in rules],
        }
    }
    run: dict[str, Any] = {
        "tool": tool,
        "automationDetails": {"id": "grantproof/"},
        "invocations": [
            {
                "executionSuccessful": not gaps,
                "endTimeUtc": evidence.about.time,
                "toolExecutionNotifications": [{"level": "error", "message": {"text": gap}} for gap in gaps],
            }
        ],
        "results": [
            *(_gap(evidence, gap, len(rules) - 1) for gap in gaps),
            *(_result(claim, print_, finding, rules) for claim, print_, finding in kept),
        ],
        "columnKind": "unicodeCodePoints",
        "properties": {"totals": evidence.totals, "limits": evidence.limits, "leftOut": len(found) - len(kept)},
    }
    if evidence.about.commit and evidence.about.repository.startswith("https://"):
        run["versionControlProvenance"] = [
            {"repositoryUri": evidence.about.repository, "revisionId": evidence.about.commit}
        ]
    return dumps(log(run))


def log(run: dict[str, Any]) -> dict[str, Any]:
    """A SARIF document of one run."""
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(claim: Claim) -> str:
    return f"{claim.suite}/{claim.test}"


def _described(rule: str, claim: Claim | None) -> dict[str, Any]:
    words = claim.test.removeprefix("test_").replace("_", " ") if claim else "the run looked at everything"
    return {
        "id": rule,
        "shortDescription": {"text": words},
        "help": {"text": remedy(claim, None) if claim else "Run it again, whole; until then nothing is verified."},
        "defaultConfiguration": {"level": "error"},
        "properties": {
            "tags": ["security", rule.partition("/")[0]],
            "precision": "very-high",
            "security-severity": "8.0",
        },
    }


def _gap(evidence: Evidence, gap: str, rule: int) -> dict[str, Any]:
    """A result for an incomplete run: without it, a run that verified nothing would close every alert. It is located at
    a contract, since results without a location are rejected."""
    contracts = [name for name in evidence.about.inputs if PurePath(name).name == "contract.yaml"]
    place = {"artifactLocation": {"uri": uri(min(contracts, default="contract.yaml"))}, "region": {"startLine": 1}}
    return {
        "ruleId": _WHOLE,
        "ruleIndex": rule,
        "kind": "fail",
        "level": "error",
        "message": {"text": gap},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"grantproof/v1": f"run:{gap}"},
    }


def _result(claim: Claim, print_: str, finding: Finding | None, rules: list[str]) -> dict[str, Any]:
    file, line, column = _location(claim, finding)
    return {
        "ruleId": _rule(claim),
        "ruleIndex": rules.index(_rule(claim)),
        "kind": "fail",
        "level": _LEVELS[claim.status],
        "message": {"text": _message(claim, finding)},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": uri(file)},
                    "region": {"startLine": line, "startColumn": column},
                },
                "logicalLocations": [{"name": claim.subject or claim.grant, "fullyQualifiedName": claim.id}],
            }
        ],
        "partialFingerprints": {"grantproof/v1": f"{print_}:{claim.id}" if finding is None else print_},
        "properties": {"claim": claim.id, "status": claim.status},
    }


def _message(claim: Claim, finding: Finding | None) -> str:
    if finding is None:
        return f"{claim.grant}: {claim.sentence}: {claim.reason or claim.status}"
    text = " ".join(part for part in (finding.statement, finding.detail or finding.clause) if part)
    if finding.witness:
        text += f". For example: {request_in_words(finding.witness)}"
    if finding.note:
        text += f". This {finding.note}"
    return f"{claim.grant}: {text}. {remedy(claim, finding)}"


def _location(claim: Claim, finding: Finding | None) -> tuple[str, int, int]:
    for place in (finding.place if finding else "", claim.place):
        if found := position(place):
            return found
    return "contract.yaml", 1, 1


def uri(file: str) -> str:
    """A file as a URI reference, relative to the repository for files in it. A Windows drive letter is not a scheme."""
    path = PurePath(file)
    text = quote(re.sub(r"\\", "/", str(path)))
    return f"file://{text}" if path.is_absolute() else text
