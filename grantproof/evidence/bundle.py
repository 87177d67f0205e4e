"""Every report of a run, rendered and written into one folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from grantproof.evidence import attestation, claims_csv, findings_json, junit, mutation, oscal, page, sarif, sums
from grantproof.evidence.controls import assess
from grantproof.evidence.provenance import Provenance
from grantproof.evidence.report import Evidence
from grantproof.evidence.report_folder import put
from grantproof.evidence.results import Results


def prepare() -> None:
    """Compile the page's template ahead of the results, to use idle time."""
    page.prepare()


def evidence_of(results: Results, about: Provenance, folder: Path) -> Evidence:
    """The data of all reports. `folder` may contain the results of seeded faults (`mutation.NAME`)."""
    return Evidence(results, about, mutation.read(folder, results.grants, about.inputs, about.suites), assess(results))


def render(evidence: Evidence, more: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """The content of every report, by file name. `more` are existing files, which the sums cover too."""
    texts = {
        page.NAME: page.render(evidence),
        claims_csv.NAME: claims_csv.render(evidence),
        findings_json.NAME: findings_json.render(evidence),
        sarif.NAME: sarif.render(evidence),
        oscal.PLAN: oscal.plan(evidence),
        oscal.RESULTS: oscal.results(evidence),
        oscal.COMPONENT: oscal.component(evidence),
    }
    # A lone surrogate, which JSON templates can contain, has no UTF-8; `\\ud800` is readable in every format.
    files = {name: text.encode(errors="backslashreplace") for name, text in texts.items()} | dict(more or {})
    files[sums.NAME] = sums.render(files).encode()
    files[attestation.NAME] = attestation.render(evidence, files[sums.NAME]).encode(errors="backslashreplace")
    return files


def write(results: Results, about: Provenance, folder: Path, written: Path | None = None) -> tuple[Path, ...]:
    """Render and write all reports; their paths. `written` is pytest's JUnit XML.

    Raises:
        OSError: a report could not be written; then none exists.
    """
    more = {}
    if written is not None and written.is_file():
        more[junit.NAME] = junit.with_gaps(written.read_bytes(), results, about.time if about.time_given else None)
    evidence = evidence_of(results, about, folder)
    if evidence.mutation.state == "run":
        # The sums cover this file too, since its numbers are in the reports.
        more[mutation.NAME] = (folder / mutation.NAME).read_bytes()
    files = render(evidence, more)
    put(files, folder)
    return tuple(folder / name for name in files)
