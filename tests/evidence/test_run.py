"""Whole runs: no report that reads as passed of a run that broke. That reports are the same however tests are shared
out and ordered is in test_plugin."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from grantproof import cli
from grantproof.contract import load
from grantproof.evidence import attestation, bundle, findings_json, junit, page

ROOT = Path(__file__).parent.parent.parent
GOOD = ROOT / "fixtures" / "broken" / "good"
NOVEMBER, NEXT_YEAR = "1795600000", "1830000000"
QUICK = ["-k", "trust or proof"]


def verify(cwd: Path, *arguments: str, epoch: str = NOVEMBER, status: int = 0) -> dict[str, Any]:
    """Run `grantproof verify grants` in a folder and read what it found."""
    command = [sys.executable, "-m", "grantproof.cli", "verify", "grants", *arguments]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": epoch, "PYTHONPATH": str(cwd)}
    environment.pop("PYTEST_XDIST_WORKER", None)
    done = subprocess.run(  # noqa: S603 - our own command
        command, capture_output=True, text=True, check=False, cwd=cwd, env=environment
    )
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    found: dict[str, Any] = json.loads((cwd / "reports" / findings_json.NAME).read_text(encoding="utf-8"))
    return {**found, "printed": done.stdout}


def grants(folder: Path) -> Path:
    """A folder with one grant."""
    shutil.copytree(GOOD, folder / "grants" / "good")
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


WAIVER = """version: 1
waivers:
  - owner: security@example.com
    reason: The partner's batch job takes two hours.
    expires: 2027-01-31
    accepts:
      - claim: trust/test_sessions_last_as_long_as_the_contract_says[reader]
        finding: MaxSessionDuration is 7200
"""


@pytest.fixture
def longer(tmp_path: Path) -> Path:
    """A grant whose sessions last longer than its contract says, and a waiver that accepts it."""
    folder = grants(tmp_path) / "grants" / "good"
    role = folder / "role.yaml"
    text = role.read_text(encoding="utf-8")
    assert "    Properties:\n" in text
    role.write_text(text.replace("    Properties:\n", "    Properties:\n      MaxSessionDuration: 7200\n", 1), "utf-8")
    (name,) = [principal.alias for principal in load(folder).principals if principal.kind == "role"]
    (folder / "waivers.yaml").write_text(WAIVER.replace("[reader]", f"[{name}]"), encoding="utf-8")
    return tmp_path


def test_an_accepted_deviation_is_neither_passed_nor_failed_until_it_expires(longer: Path) -> None:
    found = verify(longer)
    assert found["verdict"] == "verified with accepted deviations"
    assert (found["totals"]["exception"], found["totals"]["fail"]) == (1, 0)
    assert "VERIFIED, WITH ACCEPTED DEVIATIONS  good" in found["printed"]
    statement = json.loads((longer / "reports" / attestation.NAME).read_text(encoding="utf-8"))
    assert statement["predicate"]["result"] == "WARNED"
    cases = list(ElementTree.parse(longer / "reports" / junit.NAME).iter("testcase"))  # noqa: S314 - our own file
    assert [case.find("skipped") is not None for case in cases].count(True) == 1
    late = verify(longer, "-k", "sessions_last", epoch=NEXT_YEAR, status=1)
    assert late["totals"]["fail"] == 1
    assert "was accepted by security@example.com until 2027-01-31, which is over" in late["printed"]


def test_a_run_of_some_claims_is_not_verified(tmp_path: Path) -> None:
    found = verify(grants(tmp_path), "-k", "lint", status=1)
    assert found["verdict"] == "not verified"
    assert found["totals"]["pass"] == 1
    assert found["totals"]["not_run"] == found["totals"]["population"] - 1
    assert {c["reason"] for c in found["claims"] if c["status"] == "not run"} == {"deselected"}
    assert found["run"]["command"] == "grantproof verify grants -k lint"


INTERRUPTS = """
def pytest_runtest_setup(item):
    if "proof" in item.nodeid:
        raise KeyboardInterrupt
"""
DIES = """
import os
def pytest_runtest_setup(item):
    if "nothing_else_came_along" in item.nodeid:
        os._exit(1)
"""
BREAKS = {
    "interrupted": (INTERRUPTS, "0", "the run was interrupted", "not run"),
    "a dead worker": (DIES, "1", "a process that ran tests died", "error"),
}


@pytest.mark.parametrize("how", BREAKS)
def test_a_run_that_broke_cannot_read_as_passed(how: str, tmp_path: Path) -> None:
    code, workers, problem, status = BREAKS[how]
    (tmp_path / "breaks.py").write_text(code, encoding="utf-8")
    grants(tmp_path)
    environment = {"PYTEST_PLUGINS": "breaks"}
    os.environ.update(environment)
    try:
        found = verify(tmp_path, "-n", workers, *QUICK, status=1)
    finally:
        del os.environ["PYTEST_PLUGINS"]
    assert found["verdict"] == "not verified"
    assert problem in found["problems"]
    (claim,) = [c for c in found["claims"] if "nothing_else_came_along" in c["id"]]
    assert claim["status"] == status
    assert "NOT VERIFIED  good" in found["printed"]
    assert 'data-verdict="not verified"' in (tmp_path / "reports" / page.NAME).read_text(encoding="utf-8")


def test_reports_of_an_earlier_run_are_gone_when_nothing_could_be_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    bundle.put(dict.fromkeys(bundle.NAMES, b"an earlier run's"), tmp_path / "reports")
    assert cli.main(["verify", "nowhere"]) == 2
    assert files(tmp_path / "reports") == {}
    assert "is not a folder" in capsys.readouterr().err


MISTAKES = {
    "SOURCE_DATE_EPOCH is 'today'; it is a number of seconds": {"SOURCE_DATE_EPOCH": "today"},
    "waivers.yaml:1:1: version 2 is not known": {"waivers": "version: 2\nwaivers: []\n"},
    "reports cannot be written there": {"reports": "a file"},
}


@pytest.mark.parametrize("said", MISTAKES)
def test_mistakes_are_one_line(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mistake = MISTAKES[said]
    monkeypatch.chdir(grants(tmp_path))
    if "SOURCE_DATE_EPOCH" in mistake:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", mistake["SOURCE_DATE_EPOCH"])
    if "waivers" in mistake:
        (tmp_path / "grants" / "good" / "waivers.yaml").write_text(mistake["waivers"], encoding="utf-8")
    if "reports" in mistake:
        (tmp_path / "reports").write_text(mistake["reports"], encoding="utf-8")
    assert cli.main(["verify", "grants"]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
