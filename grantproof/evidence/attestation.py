"""An in-toto statement with the test-result predicate, unsigned: the pipeline that runs grantproof has to sign it.

https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md. Only passed claims are under
`passedTests`. The predicate has no list for claims that were not run, could not be judged or were accepted: they are
listed as warnings, and the result is at best WARNED; so it is on a draft, which nobody has gone through.
"""

from __future__ import annotations

import hashlib
from typing import Any

from grantproof.evidence.finding import Status
from grantproof.evidence.report import Evidence, dumps
from grantproof.evidence.results import Results

NAME = "attestation.json"
DECISIONS_LEFT = "urn:grantproof:decisions-left"
SUMS = "urn:grantproof:sha256sums"
_RESULTS = {"verified": "PASSED", "verified with accepted deviations": "WARNED", "not verified": "FAILED"}


def render(evidence: Evidence, sums: bytes) -> str:
    """The statement, whose subjects are the digests of the templates and exports, and the commit.

    `sums` is the text of SHA256SUMS, which covers every report except this one.
    """
    about = evidence.about
    subject = [_file(name, digest) for name, digest in about.inputs.items() if _is_template(name)]
    subject += [_file(name, digest) for name, digest in about.exports.items()]
    if about.commit and not about.changed:
        subject.append({"name": "commit", "digest": {"gitCommit": about.commit}})
    configuration = [_file(name, digest) for name, digest in about.inputs.items() if not _is_template(name)]
    configuration += [_file(name, digest) for name, digest in about.locks.items()]
    configuration.append(_file("grantproof, its suites", about.suites))
    predicate: dict[str, Any] = {
        "result": _result(evidence.results),
        "configuration": configuration,
        "passedTests": _named(evidence, "pass"),
        "warnedTests": _named(evidence, "unknown", "not run", "exception"),
        "failedTests": _named(evidence, "fail", "error"),
        SUMS: {"sha256": hashlib.sha256(sums).hexdigest()},
    }
    if left := evidence.totals["decisions_left"]:
        predicate[DECISIONS_LEFT] = left
    if about.run_url:
        predicate["url"] = about.run_url
    return dumps(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": subject,
            "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
            "predicate": predicate,
        }
    )


def _result(results: Results) -> str:
    word = _RESULTS[results.verdict]
    return "WARNED" if results.drafts and word == "PASSED" else word


def _named(evidence: Evidence, *statuses: Status) -> list[str]:
    return [claim.id for claim in evidence.results.claims if claim.status in statuses]


def _is_template(name: str) -> bool:
    return not name.endswith(("contract.yaml", "waivers.yaml"))


def _file(name: str, digest: str) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": digest}}
