"""The folder of a run's reports: one run's own, and written whole or not at all.

It imports none of the reports' formats, so that a mistake in a contract is said before they are loaded.
"""

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

#: What a bundle consists of, in the order in which it is put in place: a folder without the last is not whole.
NAMES = (
    "evidence.html",
    "claims.csv",
    "findings.json",
    "results.sarif",
    "oscal/assessment-plan.json",
    "oscal/assessment-results.json",
    "oscal/component-definition.json",
    "junit.xml",
    "SHA256SUMS",
    "attestation.json",
)
#: Prefix of the temporary folder of a run. A killed run leaves it behind; the next one removes it.
PARTIAL = ".partial-"
_ANOTHER = "name another folder with --report-dir"


class InUse(OSError):
    """Another process is writing into the same folder."""

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
