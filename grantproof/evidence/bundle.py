"""The reports of a run in one folder, written whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from grantproof.evidence import attestation, claims_csv, findings_json, junit, mutation, oscal, page, sarif, stamp, sums
from grantproof.evidence.controls import assess
from grantproof.evidence.provenance import Provenance
from grantproof.evidence.report import Evidence
from grantproof.evidence.results import Results

#: What a bundle consists of, in the order in which it is put in place: a folder without the last is not whole.
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


#: Where a run keeps what is not whole yet. A run that was killed leaves it; the next one takes it away.
PARTIAL = ".partial-"
_ANOTHER = "name another folder with --report-dir"


class InUse(OSError):
    """Another run is writing into the same folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(0, f"another run is at it; wait, or {_ANOTHER}", str(folder))


@contextmanager
def exclusive(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Make a folder this run's own, and empty of reports: what an earlier run left must not be taken for this one's.
    The lock is the kernel's and goes with the process, however that ends; nested calls of one process share it. `wait`
    for another run to end.

    Raises:
        InUse: another process has it.
        OSError: it cannot be made, or an earlier report is still there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, f"it is a file; {_ANOTHER}", str(folder)) from None
    if not os.access(folder, os.W_OK):
        # Said before the tests are run, and not after.
        raise PermissionError(errno.EACCES, f"{os.strerror(errno.EACCES)}; {_ANOTHER}", str(folder))
    key = folder.resolve()
    if key in _HELD:
        yield
        return
    if fcntl is None:
        clear(folder)
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise InUse(folder) from None
        except OSError:
            pass  # a file system without locks
        _HELD.add(key)
        clear(folder)
        yield
    finally:
        if key in _HELD:
            _HELD.remove(key)
            _sweep(folder)
        os.close(descriptor)


_HELD: set[Path] = set()


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


def put(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files into a folder: first all of them beside their places, then each to its place; where that fails,
    none is left.

    Raises:
        OSError: one of them could not be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # A folder of its own, so that two runs that write into the same folder do not mix.
    partial = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=folder))
    try:
        for name, data in files.items():
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).write_bytes(data)
        for name in files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).replace(folder / name)
    except BaseException:
        for name in files:
            with suppress(OSError):
                (folder / name).unlink(missing_ok=True)
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def clear(folder: Path) -> None:
    """Remove the reports of an earlier run, so that none of them can be taken for this one's.

    Raises:
        OSError: one of them is still there; the others are gone.
    """
    failed = []
    _sweep(folder)
    for name in NAMES:
        try:
            (folder / name).unlink(missing_ok=True)
        except NotADirectoryError:
            continue
        except OSError as error:
            failed.append(error)
    if failed:
        raise failed[0]


def _sweep(folder: Path) -> None:
    for left in folder.glob(f"{PARTIAL}*"):
        shutil.rmtree(left, ignore_errors=True)
