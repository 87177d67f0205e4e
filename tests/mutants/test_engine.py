"""Mutation testing as a user runs it: the score is true, and it shows a gate that misses faults."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from grantproof.contract import load
from grantproof.evidence.finding import Finding
from grantproof.mutants.catalogue import chosen, operators
from grantproof.mutants.deployed_access import TRUST
from grantproof.mutants.mutant import mutants
from grantproof.mutants.reasons import Promise, Traces, names_fault
from tests.commands import Done, grantproof

ROOT = Path(__file__).parent.parent.parent
GOOD = ROOT / "fixtures" / "broken" / "good"
SHIPPED = ROOT / "templates" / "cross-account-ssm"
CONDITIONS = ROOT / "fixtures" / "mutants" / "grants" / "conditions"
BUCKET = ROOT / "templates" / "cross-account-s3-read"
SHAPES = ROOT / "fixtures" / "mutants" / "grants" / "shapes"
#: Operators for which the shipped grant has no site.
ELSEWHERE = {
    CONDITIONS: [
        "condition-later-date",
        "condition-every-address",
        "condition-principals-of-every-account",
        "condition-another-tag",
        "condition-tag-of-the-request",
        "condition-larger-number",
        "condition-key-in-another-case",
        "condition-dropped",
    ],
    BUCKET: [
        "deny-removed",
        "effect-allow",
        "condition-flipped",
        "resource-removed",
        "attribute-everything",
        "bucket-opened-by-acl",
        "public-access-no-longer-blocked",
        "public-policies-no-longer-blocked",
        "bucket-replicated-away",
        "bucket-listed-away",
    ],
    SHAPES: [
        "action-instead-of-not-action",
        "resource-instead-of-not-resource",
        "function-for-everybody",
        "function-for-a-stranger",
        "function-for-every-source",
        "function-for-the-sources-of-every-account",
        "function-for-every-organization",
        "function-url-without-sign-in",
        "function-url-however-called",
        "function-every-action",
        "events-redirected",
        "events-to-a-stranger-more",
        "events-redirected-elsewhere",
        "events-no-longer-sent",
    ],
}


def run(folder: Path, *arguments: str, grants: Path = GOOD) -> Done:
    return grantproof("mutants", str(grants), *arguments, cwd=folder)


def results(folder: Path) -> dict[str, Any]:
    (grant,) = json.loads((folder / "reports" / "mutants.json").read_text(encoding="utf-8"))["grants"]
    return {mutant["operator"]: mutant for mutant in grant["mutants"]}


def test_a_mutant_of_every_operator_is_caught_for_its_reason_or_proved_to_change_nothing(tmp_path: Path) -> None:
    """For the shipped grant, also in branches that only variants deploy: the printed score, and the counts in the
    reports. `make mutants` does the same with all mutants of every grant."""
    done = run(tmp_path, "--each=1", grants=SHIPPED)
    assert done.returncode == 0, done.stdout + done.stderr
    evidence = json.loads((tmp_path / "reports" / "mutants.json").read_text(encoding="utf-8"))
    assert evidence["chosen"] == ["1 of each operator"], "so that nobody takes it for the whole score"
    (grant,) = evidence["grants"]
    counts = grant["counts"]
    assert counts["survived"] == counts["killed for another reason"] == counts["dormant"] == 0
    assert counts["killed"] >= 120
    assert f"score {counts['killed']}/{counts['killed']}" in done.stdout
    assert all(len(digest) == 64 for digest in grant["sha256"].values())
    tried = [mutant["operator"] for mutant in grant["mutants"]]
    assert len(tried) == len(set(tried))
    # What this grant has nothing for is tried on others.
    elsewhere = {name for names in ELSEWHERE.values() for name in names}
    assert {operator.name for operator in operators()} == {*tried, *elsewhere}


@pytest.mark.parametrize("folder", ELSEWHERE, ids=lambda path: path.name)
def test_operators_without_a_site_in_the_shipped_grant_are_caught_in_others(folder: Path, tmp_path: Path) -> None:
    each = () if folder == SHAPES else ("--each=1",)
    done = run(tmp_path, *(f"--operators={name}" for name in ELSEWHERE[folder]), *each, grants=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    (grant,) = json.loads((tmp_path / "reports" / "mutants.json").read_text(encoding="utf-8"))["grants"]
    found = [(mutant["operator"], mutant["verdict"]) for mutant in grant["mutants"]]
    assert {operator for operator, _ in found} == set(ELSEWHERE[folder])
    assert {verdict for _, verdict in found} <= {"killed", "equivalent"}
    if folder == SHAPES:
        both = [operator for operator, verdict in set(found) if verdict == "equivalent"]
        assert sorted(both) == ["action-instead-of-not-action", "resource-instead-of-not-resource"]
        assert {operator for operator, verdict in found if verdict == "killed"} == set(ELSEWHERE[folder])


def test_a_mutant_without_effect_is_equivalent_and_one_with_effect_is_killed(
    tmp_path: Path,
) -> None:
    done = run(tmp_path, "-v", "-o", "statements-twice", "-o", "resource-with-the-prefix", "-o", "action-in-*")
    assert done.returncode == 0, done.stdout + done.stderr
    found = results(tmp_path)
    assert found["action-in-another-case"]["verdict"] == "equivalent"
    assert found["statements-twice"]["verdict"] == "equivalent"
    killed = found["resource-with-the-prefix"]
    assert killed["verdict"] == "killed"
    assert killed["place"].endswith("role.yaml:19:17"), "where it was broken"
    assert killed["findings"][0]["place"].endswith("role.yaml:17:17"), "the statement of which that is part"
    assert "proof: test_a_principal_is_allowed_exactly_what_the_contract_says" in killed["tests"]
    assert "score 1/1" in done.stdout


def test_a_gate_without_its_proof_lets_mutants_through_and_the_score_says_so(tmp_path: Path) -> None:
    done = run(tmp_path, "-o", "resource-every-name", "-k", "trust")
    assert done.returncode == 1
    assert "SURVIVED" in done.stdout
    assert "score 0/1" in done.stdout
    assert results(tmp_path)["resource-every-name"]["verdict"] == "survived"


def test_a_failure_for_another_reason_does_not_kill_a_mutant(tmp_path: Path) -> None:
    """Lint reports that a parameter is no longer used, but not the wildcard in its place."""
    done = run(tmp_path, "-o", "resource-everything", "--each", "1", "-k", "lint", grants=CONDITIONS)
    assert done.returncode == 1
    assert "KILLED FOR ANOTHER REASON" in done.stdout
    assert "W2001 Parameter Which not used" in done.stdout


def test_the_engine_and_a_verification_from_scratch_agree(tmp_path: Path) -> None:
    """A mutant written as a grant fails the same tests in an ordinary verification."""
    done = run(tmp_path, "-o", "inline-policy-more")
    assert done.returncode == 0, done.stdout + done.stderr
    (mutant,) = mutants(load(GOOD), chosen(["inline-policy-more"]))
    shutil.copytree(GOOD, tmp_path / "grants" / "good")
    (tmp_path / "grants" / "good" / "role.yaml").write_text(mutant.text, encoding="utf-8")
    verified = grantproof("verify", "grants", "-k", "permissions or proof or trust", cwd=tmp_path)
    assert verified.returncode == 1
    cases = ElementTree.parse(tmp_path / "reports" / "junit.xml").iter("testcase")  # noqa: S314 - our own file
    failed = {case.attrib["name"].partition("[")[0] for case in cases if len(case)}
    engine = {test.partition(": ")[2] for test in results(tmp_path)["inline-policy-more"]["tests"]}
    assert engine
    assert engine <= failed


def test_a_grant_that_is_not_verified_has_no_score(tmp_path: Path) -> None:
    shutil.copytree(GOOD, tmp_path / "grants" / "good")
    template = tmp_path / "grants" / "good" / "role.yaml"
    template.write_text(template.read_text(encoding="utf-8").replace("parameter/db", "parameter/*"), encoding="utf-8")
    done = run(tmp_path, "-o", "effects", grants=tmp_path / "grants")
    assert done.returncode == 1
    assert "good is not verified as it is" in done.stderr
    assert not (tmp_path / "reports" / "mutants.json").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no/such/folder"], "is not a folder"),
        ([str(GOOD), "-o", "nonsense"], "no mutation operator is called 'nonsense'"),
        ([str(GOOD), "-n", "0"], "a number of processes, at least 1"),
        ([str(GOOD), "-n", "two"], "invalid int value"),
        ([str(GOOD), "--each", "0"], "at least 1"),
    ],
    ids=str,
)
def test_mistakes_are_one_line(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = grantproof("mutants", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_selected_test_there_is_no_score(tmp_path: Path) -> None:
    done = run(tmp_path, "-o", "sid-removed", "-k", "no_such_test")
    assert done.returncode == 1
    assert "no test" in done.stderr


# --- reasons ----------------------------------------------------------------------------------------------------------

TRACES = Traces(
    lines=(("a.yaml", range(10, 14)),),
    names=("Backdoor",),
    promises=(Promise("contract.yaml", range(20, 30), entering=False),),
)


def finding(place: str, detail: str = "", clause: str = "reader may do what the contract says") -> Finding:
    return Finding("grant", clause, "broken", detail, place)


@pytest.mark.parametrize(
    ("found", "counts"),
    [
        (finding("a.yaml:10:3"), True),
        (finding("a.yaml:13"), True),
        (finding("a.yaml:14:1"), False),
        (finding("b.yaml:10:3"), False),
        (finding("b.yaml:1:1", "creates the role Backdoor-X"), True),
        (finding("", "creates the role Other"), False),
        (finding("contract.yaml:25:1"), True),
        (finding("contract.yaml:25:1", clause="nobody else enters reader"), False),
        (finding("contract.yaml:30:1"), False),
        (finding("contract.yaml:1:1", clause="Backdoor is not there"), False),
    ],
    ids=str,
)
def test_a_finding_counts_if_it_names_what_was_broken(found: Finding, counts: bool) -> None:
    assert names_fault([found], TRACES) is counts


def test_a_changed_trust_policy_is_matched_to_clauses_about_trust() -> None:
    assert TRUST == "trust"
    traces = Traces((), (), (Promise("contract.yaml", range(20, 30), entering=True),))
    assert names_fault([finding("contract.yaml:25:1", clause="nobody else enters reader")], traces)
    assert not names_fault([finding("contract.yaml:25:1")], traces)
