"""The gate's SARIF, for invented changes: every kind of result, and names that are no URIs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from grantproof.gate import report
from grantproof.gate.access import Access, Promise
from grantproof.gate.change import Change, GrantChange
from grantproof.gate.history import Base
from grantproof.gate.sarif import sarif
from grantproof.source import Place
from tests.evidence.schemas import errors

TOP = Path("/repository")
PLACE = Place(TOP / "grants" / "a b#%é" / "role.yaml", 17, 3)
WITNESS = {"principal": "p", "action": "s3:GetObject", "resource": "*", "context": '<script>"\ud800'}
BEYOND = Access("gained", "reader may", "s3:GetObject on *", WITNESS, ("role.yaml:17:3 Sid x",), PLACE)
CHANGE = Change(
    Base("0" * 40, "main"),
    (
        GrantChange(
            "one",
            PLACE.file.parent / "contract.yaml",
            "changed",
            (
                BEYOND,
                replace(BEYOND, promise=Promise(PLACE, new=True)),
                replace(BEYOND, way="lost", place=None),
            ),
            doubts=("it cannot be compared",),
            notices=("a waiver came",),
        ),
        GrantChange("two", Path("/elsewhere/x y/contract.yaml"), "new", (BEYOND,)),
    ),
    TOP,
    {PLACE.file: (3, 18)},
)


def test_every_kind_of_result_is_valid_sarif_at_a_line_with_a_rule_and_a_fingerprint_of_its_own() -> None:
    text = report.dumps(sarif(CHANGE))
    assert errors("sarif-2.1.0/sarif-schema-2.1.0.json", text.encode(errors="backslashreplace").decode()) == []
    (run,) = json.loads(text)["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert {result["ruleId"] for result in run["results"]} == set(rules)
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])
    prints = [result["partialFingerprints"]["grantproof/v1"] for result in run["results"]]
    assert len(prints) == len(set(prints)) == 6
    uris = {result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for result in run["results"]}
    assert "grants/a%20b%23%25%C3%A9/role.yaml" in uris


def test_a_fingerprint_stays_when_lines_move() -> None:
    def prints(change: Change) -> list[str]:
        return [r["partialFingerprints"]["grantproof/v1"] for r in sarif(change)["runs"][0]["results"]]

    moved = replace(BEYOND, because=("role.yaml:99:3 Sid x",), place=replace(PLACE, line=99))
    one, other = (Change(CHANGE.base, (replace(CHANGE.grants[0], access=(a,)),), TOP) for a in (BEYOND, moved))
    assert prints(one) == prints(other)


def test_all_reports_are_written_or_none(tmp_path: Path) -> None:
    report.write(CHANGE, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(report.NAMES)
    report.clear(tmp_path)
    (tmp_path / "gate.json" / "in-the-way").mkdir(parents=True)
    (tmp_path / "findings.json").write_text("of verify", encoding="utf-8")
    with pytest.raises(OSError, match=r"gate\.json"):
        report.write(CHANGE, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"gate.json", "findings.json"}
