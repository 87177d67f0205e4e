"""The reports of a run in one folder, written whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from grantproof.evidence import attestation, claims_csv, findings_json, junit, mutation, oscal, page, sarif, stamp, sums
from grantproof.evidence.controls import assess
from grantproof.evidence.provenance import Provenance
from grantproof.evidence.report import Evidence
from grantproof.evidence.results import Results

#: What a bundle consists of. JUnit XML is pytest's own and is there already when the rest is written.
NAMES = (
    page.NAME,
    claims_csv.NAME,
    findings_json.NAME,
    sarif.NAME,
    oscal.PLAN,
    oscal.RESULTS,
    oscal.COMPONENT,
    junit.NAME,
    sums.NAME,
    attestation.NAME,
)


def evidence_of(results: Results, about: Provenance, folder: Path) -> Evidence:
    """Everything that the reports are made of. `folder` is where the seeded faults' file may stand."""
    return Evidence(results, about, mutation.read(folder, results.grants, about.inputs), assess(results))


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
    files = {name: text.encode() for name, text in texts.items()} | dict(more or {})
    files[sums.NAME] = sums.render(files).encode()
    files[attestation.NAME] = attestation.render(evidence, files[sums.NAME]).encode()
    return files


def write(results: Results, about: Provenance, folder: Path) -> tuple[Path, ...]:
    """Render and write all of them.

    Raises:
        OSError: something could not be written; then none of them is there.
    """
    more = {}
    if (folder / junit.NAME).is_file():
        text = (folder / junit.NAME).read_bytes()
        more[junit.NAME] = junit.steady(text, about.time) if stamp.given() else text
    evidence = evidence_of(results, about, folder)
    if evidence.mutation.state == "run":
        # The sums cover it too: its numbers are in the reports.
        more[mutation.NAME] = (folder / mutation.NAME).read_bytes()
    files = render(evidence, more)
    put(files, folder)
    return tuple(folder / name for name in files)


def put(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files into a folder: first all of them beside their places, then each to its place; where that fails,
    none is left."""
    folder.mkdir(parents=True, exist_ok=True)
    # A folder of its own, so that two runs that write into the same folder do not mix.
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder))
    try:
        for name, data in files.items():
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).write_bytes(data)
        for name in files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).replace(folder / name)
    except BaseException:
        with suppress(OSError):
            clear(folder)
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def clear(folder: Path) -> None:
    """Remove the reports of an earlier run, so that none of them can be taken for this one's.

    Raises:
        OSError: one of them is still there; the others are gone.
    """
    failed = []
    for name in NAMES:
        try:
            (folder / name).unlink(missing_ok=True)
        except NotADirectoryError:
            continue
        except OSError as error:
            failed.append(error)
    if failed:
        raise failed[0]
