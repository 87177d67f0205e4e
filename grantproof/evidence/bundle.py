"""Every report of a run, rendered and written into one folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from grantproof.evidence import attestation, claims_csv, findings_json, junit, mutation, oscal, page, sarif, stamp, sums
from grantproof.evidence.controls import assess
from grantproof.evidence.provenance import Provenance
from grantproof.evidence.report import Evidence
from grantproof.evidence.report_folder import put
from grantproof.evidence.results import Results


def prepare() -> None:
    """Load what rendering needs, for whoever has time for it before there are results."""
    page.prepare()


def evidence_of(results: Results, about: Provenance, folder: Path) -> Evidence:
    """Everything that the reports are made of. `folder` is where the seeded faults' file may stand."""
    return Evidence(results, about, mutation.read(folder, results.grants, about.inputs, about.suites), assess(results))


def render(evidence: Evidence, more: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """Every report by name. `more` are files that are there already; the sums cover them too."""
    texts = {
        page.NAME: page.render(evidence),
        claims_csv.NAME: claims_csv.render(evidence),
        findings_json.NAME: findings_json.render(evidence),
        sarif.NAME: sarif.render(evidence),
        oscal.PLAN: oscal.plan(evidence),
        oscal.RESULTS: oscal.results(evidence),
        oscal.COMPONENT: oscal.component(evidence),
    }
    # Half a surrogate, which JSON templates can hold, has no UTF-8; as `\\ud800` it can be read in every format.
    files = {name: text.encode(errors="backslashreplace") for name, text in texts.items()} | dict(more or {})
    files[sums.NAME] = sums.render(files).encode()
    files[attestation.NAME] = attestation.render(evidence, files[sums.NAME]).encode(errors="backslashreplace")
    return files


def write(results: Results, about: Provenance, folder: Path, written: Path | None = None) -> tuple[Path, ...]:
    """Render and write all of them. `written` is pytest's JUnit XML.

    Raises:
        OSError: something could not be written; then none of them is there.
    """
    more = {}
    if written is not None and written.is_file():
        more[junit.NAME] = junit.whole(written.read_bytes(), results, about.time if stamp.given() else None)
    evidence = evidence_of(results, about, folder)
    if evidence.mutation.state == "run":
        # The sums cover it too: its numbers are in the reports.
        more[mutation.NAME] = (folder / mutation.NAME).read_bytes()
    files = render(evidence, more)
    put(files, folder)
    return tuple(folder / name for name in files)
