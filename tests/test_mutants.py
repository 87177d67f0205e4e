"""The gate, tested by breaking what it guards: every seeded fault turns the shipped grant red, for the right reason."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from grantproof.source import read

ROOT = Path(__file__).parent.parent
CATALOGUE = sorted((ROOT / "fixtures" / "mutants").glob("*.yaml"))


def mutate(fault: dict[str, Any], folder: Path) -> None:
    """A copy of the shipped grant with one fault in it."""
    shutil.copytree(ROOT / "templates" / "cross-account-ssm", folder)
    file = folder / fault["file"]
    text = file.read_text(encoding="utf-8")
    assert fault["replace"] in text, f"{fault['file']} no longer holds what the fault replaces"
    file.write_text(text.replace(fault["replace"], fault["by"], 1), encoding="utf-8")


@pytest.fixture(scope="session")
def caught(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, set[str]]:
    """The tests that failed for each mutant. One run for all of them, by whichever worker comes first."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared if worker_id == "master" else shared.parent
    done = shared / "mutants.json"
    if not done.exists():
        done.write_text(json.dumps(_run(tmp_path_factory.mktemp("mutants"))), encoding="utf-8")
    return {name: set(tests) for name, tests in json.loads(done.read_text(encoding="utf-8")).items()}


def _run(folder: Path) -> dict[str, list[str]]:
    for fault in CATALOGUE:
        mutate(read(fault).value, folder / "grants" / fault.stem)
    command = [sys.executable, "-m", "grantproof.cli", "verify", str(folder / "grants"), "-n", "0"]
    # Sweeps of whole services and deployments of a test's own take most of the time and are not what these faults meet.
    command += ["-k", "not every_other_operation and not a_second_deployment and not deletion and not test_variants"]
    done = subprocess.run(  # noqa: S603 - our own command
        [*command, "--report-dir", str(folder)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 1, done.stdout + done.stderr
    failed: dict[str, list[str]] = {fault.stem: [] for fault in CATALOGUE}
    for case in ElementTree.parse(folder / "junit.xml").iter("testcase"):  # noqa: S314 - our own file
        name, _, parameters = case.attrib["name"].partition("[")
        grant = max((stem for stem in failed if parameters.startswith(stem)), key=len)
        if case.find("failure") is not None or case.find("error") is not None:
            failed[grant].append(name)
    return failed


def test_there_are_mutants() -> None:
    assert len(CATALOGUE) >= 16


@pytest.mark.parametrize("fault", CATALOGUE, ids=lambda path: path.stem)
@pytest.mark.xdist_group("mutants")
def test_the_fault_is_caught(fault: Path, caught: dict[str, set[str]]) -> None:
    expected = set(read(fault).value["caught_by"])
    assert expected <= caught[fault.stem], f"caught only by {sorted(caught[fault.stem])}"
