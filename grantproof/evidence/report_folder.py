"""The folder of a run's reports: locked by one run, and written completely or not at all.

It imports none of the reports' formats, so that a mistake in a contract is reported before they are loaded.
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
    fcntl = None  # type: ignore[assignment]  # asked for before it is used

#: The files of a bundle, in the order in which they are put in place: a folder without the last is incomplete.
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
    """Lock a folder for this run, and remove earlier reports from it, so that they are not taken for this run's.

    The lock is the kernel's and ends with the process, however that ends; nested calls in one process share it. `wait`:
    block until another run has ended.

    Raises:
        InUse: another process holds the lock.
        OSError: the folder cannot be created, or an earlier report cannot be removed.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(errno.ENOTDIR, f"it is a file; {_ANOTHER}", str(folder)) from None
    if not os.access(folder, os.W_OK):
        # Reported before the tests are run, not after.
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
    """Write files into a folder: all of them into a temporary folder first, then each is moved to its place. If that
    fails, none is left.

    Raises:
        OSError: a file could not be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # A temporary folder per run, so that two runs that write into the same folder do not mix.
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
    """Remove the reports of an earlier run, so that none is taken for this run's.

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
