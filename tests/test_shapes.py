"""Templates of other people: shapes met in real repositories, written for the project.

Each is a grant with a contract. It verifies; or `expected.txt` holds, line by line, exactly what cannot be deployed or
said of it, and all else of it is verified.
"""

from __future__ import annotations

import json
import os
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from grantproof.contract import TEMPLATE_SUFFIXES, find
from grantproof.evidence.finding import Finding
from grantproof.source import read
from tests.commands import grantproof

ROOT = Path(__file__).parent.parent
SHAPES = ROOT / "fixtures" / "shapes"
NAMES = sorted(path.name for path in SHAPES.iterdir() if path.is_dir())
#: Sweeps, deployments of a test's own and lint are not what a shape is about; the calls take half of the time, and are
#: made in `make nightly`.
SELECTION = "not every_other and not second_dep and not deletion and not lint"
NIGHTLY = bool(os.environ.get("GRANTPROOF_NIGHTLY"))


@pytest.fixture(scope="session")
def failures(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> dict[str, list[str]]:
    """The findings of each shape. One run for all of them, by whichever worker comes first."""
    shared = tmp_path_factory.getbasetemp()
    done = (shared if worker_id == "master" else shared.parent) / "shapes.json"
    if not done.exists():
        done.write_text(json.dumps(_run(tmp_path_factory.mktemp("shapes"))), encoding="utf-8")
    found: dict[str, list[str]] = json.loads(done.read_text(encoding="utf-8"))
    return found


def _run(folder: Path) -> dict[str, list[str]]:
    selection = SELECTION if NIGHTLY else f"{SELECTION} and not test_access"
    shapes = str(SHAPES.relative_to(ROOT))
    done = grantproof("verify", shapes, "-n", "0", "-k", selection, "--report-dir", str(folder), cwd=ROOT)
    assert done.returncode == 1, done.stdout + done.stderr
    out: dict[str, list[str]] = {name: [] for name in NAMES}
    claims = json.loads((folder / "findings.json").read_text(encoding="utf-8"))["claims"]
    assert {claim["grant"] for claim in claims if claim["status"] != "not run"} == set(NAMES)
    for claim in claims:
        assert claim["status"] != "error", claim
        for data in claim["findings"]:
            data.pop("fingerprint")
            out[claim["grant"]] += str(Finding.from_dict(data)).splitlines()
    return {name: sorted(set(lines)) for name, lines in out.items()}


def test_fixtures_of_shapes_are_found() -> None:
    assert len(NAMES) >= 30
    assert sum(not (SHAPES / name / "expected.txt").exists() for name in NAMES) >= 20


def test_json_and_yaml_are_among_them() -> None:
    suffixes = {path.suffix for path in SHAPES.rglob("*") if path.suffix in TEMPLATE_SUFFIXES}
    assert suffixes >= {".yaml", ".json"}


def test_every_type_of_parameter_is_among_them() -> None:
    types = {
        parameter["Type"]
        for contract in find(SHAPES)
        for template in contract.templates
        for parameter in (read(template).value.get("Parameters") or {}).values()
    }
    assert types >= {
        "String",
        "Number",
        "List<Number>",
        "CommaDelimitedList",
        "AWS::EC2::VPC::Id",
        "List<AWS::EC2::Subnet::Id>",
        "AWS::SSM::Parameter::Name",
        "AWS::SSM::Parameter::Value<String>",
        "AWS::SSM::Parameter::Value<List<String>>",
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_shape_verifies_or_says_exactly_what_it_lacks(name: str, failures: dict[str, list[str]]) -> None:
    """In `expected.txt` a `?` stands for one character of a name that AWS makes up."""
    file = SHAPES / name / "expected.txt"
    expected = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    found = failures[name]
    assert len(found) == len(expected), "\n".join(found)
    for line, pattern in zip(found, expected, strict=True):
        assert fnmatchcase(line, pattern.replace("[", "[[]")), f"{line}\nis not\n{pattern}"
