"""The reports are valid, have the same counts, and are the same bytes for the same run."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_up import FUNCTIONS, HOSTILE, about, collection, everything, evidence, outcome, passed, planned
from schemas import errors

from grantproof.contract.undecided import Draft
from grantproof.evidence import (
    attestation,
    bundle,
    claims_csv,
    findings_json,
    junit,
    oscal,
    page,
    report_folder,
    sarif,
    sums,
)
from grantproof.evidence.report import dumps
from grantproof.evidence.results import Results
from grantproof.evidence.summary import lines

SCHEMAS = {
    sarif.NAME: ["sarif-2.1.0/sarif-schema-2.1.0.json"],
    oscal.RESULTS: [f"oscal-{v}/oscal_assessment-results_schema.json" for v in ("1.1.3", "1.2.3")],
    oscal.PLAN: ["oscal-1.2.3/oscal_assessment-plan_schema.json"],
    oscal.COMPONENT: [f"oscal-{v}/oscal_component_schema.json" for v in ("1.1.3", "1.2.3")],
    attestation.NAME: ["in-toto/statement-v1-test-result-v0.1.derived.schema.json"],
}
RUNS = {
    "everything": everything(),
    "passed": passed("alpha"),
    "drafts": replace(
        passed("alpha", "beta"), drafts={"alpha": Draft(7, "a/contract.yaml:4"), "beta": Draft(1, "b/contract.yaml:9")}
    ),
    "nothing": collection().results(["alpha"]),
    "interrupted": collection(planned("a", *FUNCTIONS[0])).results(["a"], ended="the run was interrupted"),
}


@pytest.fixture(scope="module")
def files() -> dict[str, dict[str, str]]:
    """Every report of every run, by run and name."""
    return {
        name: {file: data.decode() for file, data in bundle.render(evidence(results)).items()}
        for name, results in RUNS.items()
    }


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize(("file", "schema"), [(file, schema) for file in SCHEMAS for schema in SCHEMAS[file]])
def test_a_report_is_valid(file: str, schema: str, run: str, files: Any) -> None:
    assert errors(schema, files[run][file]) == []


def test_the_validators_see_what_is_wrong() -> None:
    broken = json.loads(oscal.results(evidence()))
    broken["assessment-results"]["results"][0]["observations"][0]["uuid"] = "no uuid"
    broken["assessment-results"]["metadata"]["roles"][0]["id"] = "not a token"
    found = errors(SCHEMAS[oscal.RESULTS][0], json.dumps(broken))
    assert len(found) == 2
    wrong = json.loads(sarif.render(evidence()))
    wrong["runs"][0]["results"][0]["level"] = "fatal"
    assert errors(SCHEMAS[sarif.NAME][0], json.dumps(wrong))


# --- what no schema checks --------------------------------------------------------------------------------------------


def walk(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield key, item
            yield from walk(item)
    elif isinstance(value, list):
        for item in value:
            yield from walk(item)


@pytest.mark.parametrize("run", RUNS)
def test_every_reference_of_oscal_resolves_and_no_identifier_is_given_twice(run: str, files: Any) -> None:
    known: set[str] = set()
    documents = [json.loads(files[run][name]) for name in (oscal.PLAN, oscal.RESULTS, oscal.COMPONENT)]
    for document in documents:
        own = [value for key, value in walk(document) if key == "uuid"]
        assert len(own) == len(set(own))
        known |= set(own)
    for key, value in (pair for document in documents for pair in walk(document)):
        if key.endswith("-uuid"):
            assert value in known, key
        if key == "party-uuids":
            assert set(value) <= known
        if key == "href" and value.startswith("#"):
            assert value[1:] in known
        if key == "methods":
            assert set(value) <= {"TEST", "EXAMINE", "INTERVIEW"}
    assert documents[1]["assessment-results"]["import-ap"]["href"] == Path(oscal.PLAN).name


def test_a_document_has_another_identifier_when_its_content_is_another() -> None:
    one, other = (json.loads(oscal.results(evidence(results))) for results in (everything(), passed("alpha")))
    assert one["assessment-results"]["uuid"] != other["assessment-results"]["uuid"]


def test_links_into_the_page_lead_somewhere(files: Any) -> None:
    found = walk(json.loads(files["everything"][oscal.RESULTS]))
    links = [value for key, value in found if key == "href" and "evidence.html#" in value]
    assert links
    for link in links:
        assert f'id="{link.partition("#")[2]}"' in files["everything"][page.NAME]


def test_sarif_has_a_line_and_a_fingerprint_for_each_result_and_its_rules_are_those_it_names(files: Any) -> None:
    (run,) = json.loads(files["everything"][sarif.NAME])["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        place = result["locations"][0]["physicalLocation"]
        assert place["region"]["startLine"] >= 1
        assert not place["artifactLocation"]["uri"].startswith(("arn", "/"))
    prints = [result["partialFingerprints"]["grantproof/v1"] for result in run["results"]]
    assert len(prints) == len(set(prints))


def test_sarif_keeps_what_github_keeps_and_says_how_much_it_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sarif.MOST == 5_000
    monkeypatch.setattr(sarif, "MOST", 50)
    plans = [planned("alpha", *FUNCTIONS[7], subject=str(n)) for n in range(sarif.MOST + 7)]
    results = collection(*plans, outcomes=[outcome(plan, "fail", reason="no") for plan in plans]).results(["alpha"])
    (run,) = json.loads(sarif.render(evidence(results)))["runs"]
    assert (len(run["results"]), run["properties"]["leftOut"]) == (sarif.MOST, 7)


# --- agreement --------------------------------------------------------------------------------------------------------


def statuses_in_json(text: str) -> Counter[str]:
    return Counter(claim["status"] for claim in json.loads(text)["claims"])


def statuses_in_csv(text: str) -> Counter[str]:
    return Counter(row["status"] for row in csv.DictReader(io.StringIO(text)) if row["claim_id"] != claims_csv.RUN)


def statuses_in_oscal(text: str) -> Counter[str]:
    observations = json.loads(text)["assessment-results"]["results"][0].get("observations", [])
    return Counter(p["value"] for o in observations for p in o["props"] if p["name"] == "status")


def statuses_in_page(text: str) -> Counter[str]:
    """The table of claims by status, as a reader sees it."""
    from html.parser import HTMLParser

    found: Counter[str] = Counter()

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: Any) -> None:
            given = dict(attrs)
            if "data-count" in given:
                found[given["data-status"]] = int(given["data-count"])

    Reader().feed(text)
    return +found


@pytest.mark.parametrize("run", RUNS)
def test_all_reports_agree_count_by_count(run: str, files: Any) -> None:
    reports = files[run]
    expected = Counter({k: v for k, v in evidence(RUNS[run]).counts.items() if v})
    assert statuses_in_json(reports[findings_json.NAME]) == expected
    assert statuses_in_csv(reports[claims_csv.NAME]) == expected
    assert statuses_in_oscal(reports[oscal.RESULTS]) == expected
    assert statuses_in_page(reports[page.NAME]) == expected
    predicate = json.loads(reports[attestation.NAME])["predicate"]
    assert len(predicate["passedTests"]) == expected["pass"]
    assert len(predicate["failedTests"]) == expected["fail"] + expected["error"]
    assert len(predicate["warnedTests"]) == expected["unknown"] + expected["not run"] + expected["exception"]
    plan = json.loads(reports[oscal.PLAN])["assessment-plan"]
    assert len(plan["local-definitions"].get("activities", [])) == expected.total()
    totals = json.loads(reports[findings_json.NAME])["totals"]
    assert totals["population"] == expected.total() == sum(totals[s.replace(" ", "_")] for s in evidence().counts)


@pytest.mark.parametrize("run", RUNS)
def test_all_reports_contain_the_same_findings(run: str, files: Any) -> None:
    reports = files[run]
    claims = json.loads(reports[findings_json.NAME])["claims"]
    said = {f["fingerprint"] for c in claims for f in c["findings"]}
    open_ = {f["fingerprint"] for c in claims for f in c["findings"] if not f["accepted"]}
    bare = {c["id"] for c in claims if c["status"] in ("fail", "unknown", "error") and not c["findings"]}
    (sarif_run,) = json.loads(reports[sarif.NAME])["runs"]
    prints = {r["partialFingerprints"]["grantproof/v1"] for r in sarif_run["results"]}
    assert prints == open_ | {f"claim:{claim}" for claim in bare} | {f"run:{gap}" for gap in RUNS[run].gaps}
    observed = json.loads(reports[oscal.RESULTS])["assessment-results"]["results"][0].get("observations", [])
    hrefs = {e["href"].partition("#finding-")[2] for o in observed for e in o.get("relevant-evidence", [])}
    assert hrefs == said
    assert {f'id="finding-{print_}"' for print_ in said} <= set(reports[page.NAME].replace(">", " ").split())
    rows = list(csv.DictReader(io.StringIO(reports[claims_csv.NAME])))
    assert [row["finding"] for row in rows[len(claims) :]] == list(RUNS[run].gaps)
    for claim, row in zip(claims, rows, strict=False):
        assert row["claim_id"].lstrip("'") == claim["id"]
        assert all(f["detail"] in row["finding"] for f in claim["findings"])
        accepted = [f["accepted"] for f in claim["findings"] if f["accepted"]]
        assert all(a["reason"] in row["accepted_because"] and a["owner"] in row["owner"] for a in accepted)
        assert bool(row["accepted_because"]) == bool(accepted)


WORDS = {
    "everything": ("not verified", "FAILED"),
    "passed": ("verified", "PASSED"),
    "drafts": ("verified", "WARNED"),
    "nothing": ("not verified", "FAILED"),
    "interrupted": ("not verified", "FAILED"),
}


@pytest.mark.parametrize("run", RUNS)
def test_all_reports_give_the_same_verdict(run: str, files: Any) -> None:
    word, result = WORDS[run]
    reports = files[run]
    assert json.loads(reports[findings_json.NAME])["verdict"] == word
    assert json.loads(reports[attestation.NAME])["predicate"]["result"] == result
    (oscal_result,) = json.loads(reports[oscal.RESULTS])["assessment-results"]["results"]
    assert {p["value"] for p in oscal_result["props"] if p["name"] == "verdict"} == {word}
    assert f'data-verdict="{word}"' in reports[page.NAME]
    states = {f["target"]["status"]["state"] for f in oscal_result["findings"]}
    assert ("satisfied" in states) <= (word == "verified")


def test_all_reports_list_the_open_decisions_of_drafts(files: Any) -> None:
    reports, said = files["drafts"], "against a draft: 7 lines are still marked DECIDE, from a/contract.yaml:4 on"
    found = json.loads(reports[findings_json.NAME])
    assert found["drafts"]["beta"] == {"decisions_left": 1, "first": "b/contract.yaml:9"}
    (sarif_run,) = json.loads(reports[sarif.NAME])["runs"]
    assert found["totals"]["decisions_left"] == sarif_run["properties"]["totals"]["decisions_left"] == 8
    assert json.loads(reports[attestation.NAME])["predicate"][attestation.DECISIONS_LEFT] == 8
    (result,) = json.loads(reports[oscal.RESULTS])["assessment-results"]["results"]
    props = [(prop["name"], prop["value"]) for prop in result["props"]]
    assert ("decisions-left", "8") in props
    assert ("draft", f"alpha: {said}") in props
    assert ("draft", "beta: against a draft: 1 line is still marked DECIDE, from b/contract.yaml:9 on") in props
    assert f"verified {said}." in reports[page.NAME]
    assert said in "\n".join(lines(RUNS["drafts"]))
    assert attestation.DECISIONS_LEFT not in json.loads(files["passed"][attestation.NAME])["predicate"]


def test_oscal_gives_another_reason_for_undecided_claims_than_for_failed_ones() -> None:
    plans = [planned("a", suite, test) for suite, test in FUNCTIONS]
    outcomes = [outcome(plan, "unknown" if plan.suite == "proof" else "pass") for plan in plans]
    results = collection(*plans, outcomes=outcomes).results(["a"])
    (result,) = json.loads(oscal.results(evidence(results)))["assessment-results"]["results"]
    status = {f["title"].split()[0]: f["target"]["status"] for f in result["findings"]}
    assert status["AC-6"] == {"state": "not-satisfied", "reason": "other"}
    assert status["AC-6(10)"] == {"state": "satisfied", "reason": "pass"}


def test_json_has_a_line_for_each_entry_of_a_list_and_the_same_data() -> None:
    value = {"a": [], "b": {"c": [{"d": "é"}, {"e": [1, 2]}], "f": {}}, "g": [{"h": [1, {"i": None}]}], "j": "x"}
    text = dumps(value)
    assert json.loads(text) == value
    assert list(json.loads(text)) == list(value)
    assert '      {"d": "é"},\n      {"e": [1, 2]}\n' in text
    for odd in ({}, [], "x", [[1], [2]], {"a": {"b": {"c": 1}}}):
        assert json.loads(dumps(odd)) == odd


# --- the same bytes ---------------------------------------------------------------------------------------------------


def test_the_same_run_gives_the_same_bytes_in_whatever_order_its_outcomes_arrive() -> None:
    plans = [planned("a", suite, test) for suite, test in FUNCTIONS]
    outcomes = [outcome(plan, "pass" if n % 2 else "fail", reason="") for n, plan in enumerate(plans)]
    one = collection(*plans, outcomes=outcomes).results(["a", "b"])
    other = collection(*plans[::-1], outcomes=outcomes[::-1]).results(["b", "a"])
    assert bundle.render(evidence(one)) == bundle.render(evidence(other))


def test_the_sums_cover_every_file_and_the_statement_covers_the_sums(files: Any) -> None:
    reports = {name: text.encode() for name, text in files["everything"].items()}
    listed = {line.split("  ")[1] for line in reports[sums.NAME].decode().splitlines()}
    assert listed == set(reports) - {sums.NAME, attestation.NAME}
    digest = json.loads(reports[attestation.NAME])["predicate"][attestation.SUMS]["sha256"]
    assert sums.render({"x": reports[sums.NAME]}).startswith(digest)


def test_a_changed_working_copy_is_no_commit() -> None:
    changed = json.loads(attestation.render(evidence(changed=True), b""))
    assert all("gitCommit" not in subject["digest"] for subject in changed["subject"])
    clean = json.loads(attestation.render(evidence(), b""))
    assert any("gitCommit" in subject["digest"] for subject in clean["subject"])


# --- hostile names ----------------------------------------------------------------------------------------------------


def test_no_cell_of_the_csv_is_a_formula(files: Any) -> None:
    cells = [cell for row in csv.reader(io.StringIO(files["everything"][claims_csv.NAME])) for cell in row]
    assert any("=HYPERLINK" in cell for cell in cells)
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)


def test_hostile_names_are_text_in_the_page(files: Any) -> None:
    text = files["everything"][page.NAME]
    assert HOSTILE[0] not in text
    assert "<img" not in text
    assert "{{ 7 * 7 }}" in text


def test_half_a_surrogate_which_json_templates_can_hold_is_written_out() -> None:
    files = bundle.render(evidence(everything(("\ud800", *HOSTILE[1:]))))
    for name in (findings_json.NAME, oscal.RESULTS, sarif.NAME):
        assert json.loads(files[name])
    assert b"\\ud800" in files[page.NAME]


# --- whole or not at all ----------------------------------------------------------------------------------------------


def test_a_folder_is_cleared_of_all_that_a_bundle_consists_of() -> None:
    assert {*bundle.render(evidence()), junit.NAME} == set(report_folder.NAMES)


def test_reports_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    good = dict.fromkeys(report_folder.NAMES, b"x")
    report_folder.put(good, tmp_path)
    (tmp_path / "theirs.txt").write_text("kept", encoding="utf-8")
    assert all((tmp_path / name).is_file() for name in good)
    (tmp_path / sums.NAME).unlink()
    (tmp_path / sums.NAME / "in-the-way").mkdir(parents=True)
    with pytest.raises(OSError, match="SHA256SUMS"):
        report_folder.put(good, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"theirs.txt", sums.NAME, "oscal"}
    assert list((tmp_path / "oscal").iterdir()) == []


def test_a_run_that_cannot_be_rendered_leaves_no_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report_folder.put(dict.fromkeys(report_folder.NAMES, b"old"), tmp_path)

    def broken(_: Any) -> str:
        raise RuntimeError("no")

    monkeypatch.setattr(oscal, "component", broken)
    report_folder.clear(tmp_path)  # as every run begins
    with pytest.raises(RuntimeError):
        bundle.write(Results(("a",), ()), about(), tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
