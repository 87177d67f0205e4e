"""The mapping to controls: every id exists, and all evidence refers to a claim that can fail."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from made_up import FUNCTIONS, collection, outcome, planned

from grantproof.evidence.controls import Control, Framework, assess, frameworks

ROOT = Path(__file__).parent.parent.parent
CATALOG = ROOT / "fixtures" / "schemas" / "nist-800-53-r5" / "controls.json"
CONTROLS = [(framework, control) for framework in frameworks() for control in framework.controls]
NIST = [control for framework, control in CONTROLS if framework.id == "nist-800-53-r5"]


def functions_of_the_suites() -> dict[str, ast.FunctionDef]:
    """Every test of the suites, by `suite/test`."""
    out = {}
    for file in (ROOT / "tests" / "grants").glob("test_*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                out[f"{file.stem.removeprefix('test_')}/{node.name}"] = node
    return out


TESTS = functions_of_the_suites()


def test_every_id_of_nist_exists_with_its_title_and_objective() -> None:
    catalog = {entry["id"]: entry for entry in json.loads(CATALOG.read_text(encoding="utf-8"))["controls"]}
    for control in NIST:
        assert catalog[control.oscal]["title"] == control.title
        assert not catalog[control.oscal].get("withdrawn")
        assert control.id.lower().replace("(", ".").rstrip(")") == control.oscal
        if control.grade == "D":
            # Controls of no baseline have no objectives in the catalog that we have; their statement is judged.
            known = catalog[control.oscal].get("objectives", [f"{control.oscal}_smt"])
            assert control.target in known


def test_ids_are_unique_within_a_framework() -> None:
    ids = [(framework.id, control.id) for framework, control in CONTROLS]
    assert len(ids) == len(set(ids))
    assert {framework.id for framework in frameworks()} >= {
        "nist-800-53-r5", "cis-aws-foundations", "soc2", "iso-27001", "pci-dss"
    }  # fmt: skip


@pytest.mark.parametrize(("framework", "control"), CONTROLS, ids=[f"{f.id} {c.id}" for f, c in CONTROLS])
def test_all_evidence_of_a_control_refers_to_existing_claims(framework: Framework, control: Control) -> None:
    assert control.grade in ("D", "p")
    assert control.missing.endswith(".")
    suites = {name.partition("/")[0] for name in TESTS}
    assert control.claims
    for name in control.claims:
        assert name in TESTS or name in suites, name


def can_fail(function: ast.FunctionDef) -> bool:
    """Does the test, or a function of its module that it calls with `verdict`, find, assert or raise anything?"""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert | ast.Raise):
            return True
        if isinstance(node, ast.Attribute) and node.attr in ("broken", "unverified", "raises", "fail"):
            return True
        given = node.args if isinstance(node, ast.Call) else []
        if any(isinstance(argument, ast.Name) and argument.id == "verdict" for argument in given):
            return True
    return False


@pytest.mark.parametrize("name", TESTS)
def test_every_claim_can_fail(name: str) -> None:
    assert can_fail(TESTS[name])


@pytest.mark.parametrize("control", [c for f, c in CONTROLS if f.id == "nist-800-53-r5"], ids=lambda c: c.id)
def test_a_control_is_not_supported_when_one_of_its_claims_fails_and_supported_when_none_does(control: Control) -> None:
    tests = sorted({*TESTS, *(f"{suite}/{test}" for suite, test in FUNCTIONS)})
    plans = [planned("a", *name.split("/")) for name in tests]
    bearing = [plan for plan in plans if plan.suite in control.claims or f"{plan.suite}/{plan.test}" in control.claims]
    for failing in (None, bearing[0], bearing[-1]):
        outcomes = [outcome(plan, "fail" if plan is failing else "pass") for plan in plans]
        found = {a.control.id: a.state for a in assess(collection(*plans, outcomes=outcomes).results(["a"]))
                 if a.framework.id == "nist-800-53-r5"}  # fmt: skip
        assert found[control.id] == ("supported" if failing is None else "not supported")


def test_an_incomplete_run_supports_no_control() -> None:
    plans = [planned("a", suite, test) for suite, test in FUNCTIONS]
    states = {a.state for a in assess(collection(*plans).results(["a"], ended="the run was interrupted"))}
    assert states == {"not supported"}


def test_a_control_without_claims_is_not_supported() -> None:
    assert {a.state for a in assess(collection().results(["a"]))} == {"not supported"}
