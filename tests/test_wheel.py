"""What is installed from a wheel works in somebody else's repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, capture_output=True, check=True)  # noqa: S603 - our own command
    (found,) = folder.glob("*.whl")
    return found


def test_the_wheel_carries_suites_schema_and_types(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    suites = {f"grantproof/suites/{path.name}" for path in (ROOT / "tests" / "grants").iterdir() if path.is_file()}
    assert suites <= names
    operators = {path.name for path in (ROOT / "fixtures" / "mutants" / "operators").iterdir()}
    assert {f"grantproof/mutants/operators/{name}" for name in operators} <= names
    assert {"grantproof/contract.schema.json", "grantproof/py.typed", "grantproof/cli.py"} <= names
    assert not {name for name in names if name.startswith(("tests/", "fixtures/"))}


def test_it_verifies_the_grants_of_another_repository(wheel: Path, tmp_path: Path) -> None:
    """The repository has pytest settings that could interfere, and the environment has credentials that look real."""
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    theirs = tmp_path / "theirs"
    shutil.copytree(ROOT / "fixtures" / "broken" / "good", theirs / "infra" / "reader")
    (theirs / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n", encoding="utf-8")
    (theirs / "conftest.py").write_text("raise RuntimeError('not ours')\n", encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(site), "AWS_PROFILE": "production", "AWS_ENDPOINT_URL": "http://x"}
    code = "import sys, grantproof.cli as c; print(c.__file__); sys.exit(c.main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "verify", "infra"]
    done = subprocess.run(  # noqa: S603 - our own command
        command, capture_output=True, text=True, check=False, cwd=theirs, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert str(site) in done.stdout
    assert "VERIFIED  reader" in done.stdout
    for name in ("junit.xml", "evidence.html", "SHA256SUMS"):
        assert (theirs / "reports" / name).is_file()
