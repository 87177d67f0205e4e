"""From outcomes to a verdict: missing, lost, repeated or unknown outcomes never count as passed."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest
from made_up import FUNCTIONS, collection, facts, finding, outcome, planned

from grantproof.evidence.claim import SUITES, counts
from grantproof.evidence.finding import STATUSES, Finding
from grantproof.evidence.results import Collection, Results, verdict
from grantproof.evidence.summary import lines

PLANS = [planned("a", suite, test) for suite, test in FUNCTIONS]
PASSED = [outcome(plan) for plan in PLANS]


def results(outcomes: Any = PASSED, plans: Any = PLANS, **more: Any) -> Results:
    return collection(*plans, outcomes=outcomes).results(["a"], **more)


def test_a_run_in_which_every_claim_passed_is_verified() -> None:
    """The counterpart of the tests below, whose runs are not verified."""
    assert results().verdict == "verified"


@pytest.mark.parametrize("status", [s for s in STATUSES if s != "pass"])
def test_one_claim_that_did_not_pass_makes_the_verdict_not_verified(status: Any) -> None:
    found = results([*PASSED[1:], outcome(PLANS[0], status)]).verdict
    assert found == ("verified with accepted deviations" if status == "exception" else "not verified")


def test_nothing_but_accepted_deviations_is_not_verified() -> None:
    assert results([outcome(plan, "exception") for plan in PLANS]).verdict == "not verified"


def test_a_run_without_claims_grants_or_suites_is_not_verified() -> None:
    assert Collection().results([]).verdict == "not verified"
    assert Collection().results(["a"]).problems == ("nothing was collected",)
    assert verdict((), ()) == "not verified"
    without = Collection()
    without.population({"claims": [asdict(PLANS[0])], "functions": ["lint/test_cfn_lint_has_nothing_to_say"]})
    without.outcome(PASSED[0].as_dict())
    found = without.results(["a"])
    assert found.verdict == "not verified"
    assert found.problems == tuple(sorted(f"the suite {s} was not collected" for s in SUITES if s != "lint"))


def test_a_grant_of_which_nothing_was_collected_is_not_verified() -> None:
    found = collection(*PLANS, outcomes=PASSED).results(["a", "b"])
    assert (found.word("a"), found.word("b"), found.verdict) == ("verified", "not verified", "not verified")


def test_a_claim_whose_outcome_was_lost_was_not_run() -> None:
    found = results(PASSED[1:])
    assert found.verdict == "not verified"
    assert [c.reason for c in found.claims if c.status == "not run"] == ["no result of it arrived"]


def test_a_claim_that_was_deselected_was_not_run() -> None:
    found = results(PASSED[1:], [replace(PLANS[0], selected=False), *PLANS[1:]])
    assert found.verdict == "not verified"
    assert [c.reason for c in found.claims if c.status == "not run"] == ["deselected"]


@pytest.mark.parametrize("order", [1, -1])
def test_the_worst_phase_of_a_test_decides(order: int) -> None:
    both = [PASSED[0], outcome(PLANS[0], "error", reason="teardown failed")][::order]
    (claim,) = [c for c in results([*both, *PASSED[1:]]).claims if c.status != "pass"]
    assert (claim.status, claim.reason, claim.proved) == ("error", "teardown failed", 0)


def test_an_outcome_that_belongs_to_no_claim_is_a_problem() -> None:
    found = results([*PASSED, outcome(planned("a", "proof", "test_unknown"))])
    assert found.verdict == "not verified"
    stray = collection(*PLANS, outcomes=PASSED)
    stray.failed_without_outcome("", "collection broke")
    assert stray.results(["a"]).verdict == "not verified"


def test_a_test_whose_worker_died_could_not_be_examined() -> None:
    died = collection(*PLANS, outcomes=PASSED[1:])
    died.failed_without_outcome(PLANS[0].nodeid, "worker 'gw0' crashed")
    (claim,) = [c for c in died.results(["a"]).claims if c.status != "pass"]
    assert (claim.status, claim.reason) == ("error", "worker 'gw0' crashed")


def test_processes_that_disagree_are_a_problem() -> None:
    other = collection(*PLANS, outcomes=PASSED)
    other.population({"claims": [asdict(plan) for plan in PLANS[1:]], "functions": []})
    assert other.results(["a"]).problems == ("two processes collected different claims",)
    other = collection(*PLANS, outcomes=PASSED)
    other.facts("a", facts("a"))
    other.facts("a", facts("a", "AnotherParameter"))
    assert other.results(["a"]).problems == ("two deployments of a differ",)


def test_an_interrupted_run_verifies_nothing() -> None:
    assert results(ended="the run was interrupted").verdict == "not verified"


def test_counts_by_status_add_up_to_the_number_of_claims() -> None:
    found = results([outcome(PLANS[0], "fail"), outcome(PLANS[1], "unknown"), *PASSED[2:-1]])
    assert sum(counts(found.claims).values()) == len(PLANS)


def test_the_summary_says_what_did_not_pass() -> None:
    text = "\n".join(lines(results([outcome(PLANS[0], "unknown"), *PASSED[2:]], ended="the run was interrupted")))
    assert "NOT VERIFIED  a" in text
    assert "of 10 claims: 1 not run, 1 could not be judged" in text
    assert "not whole: the run was interrupted" in text


def test_a_fingerprint_stays_when_lines_move_and_changes_when_the_finding_does() -> None:
    one = finding("a", "wider: x", place="iam.yaml:87")
    assert one.fingerprint("c") == finding("a", "wider: x", place="iam.yaml:12").fingerprint("c")
    assert one.fingerprint("c") != finding("a", "wider: y", place="iam.yaml:87").fingerprint("c")
    assert Finding.from_dict(one.as_dict()) == one
