"""Waivers accept exactly the named deviation until the given day, and never a claim that could not be decided."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from made_up import FUNCTIONS, collection, finding, outcome, planned

from grantproof.evidence.finding import Finding
from grantproof.evidence.waivers import NAME, WaiverError, Waivers, count_remaining_failures, drafted, load

CLAIM = "proof/test_nothing_else_came_along[reader]"
OLD = finding("a", "creates the role old", witness={"action": "s3:GetObject"}, covers="one statement")
PRINT = OLD.fingerprint(f"a/{CLAIM}")
GOOD = f"""version: 1
waivers:
  - owner: security@example.com
    reason: The old role goes with the next release.
    expires: 2027-01-31
    accepts:
      - claim: {CLAIM}
        finding: creates the role old
        fingerprint: "{PRINT}"
"""
DAY = date(2027, 1, 31)


def written(tmp_path: Path, text: str = GOOD) -> Waivers:
    (tmp_path / NAME).write_text(text, encoding="utf-8")
    return load(tmp_path / "contract.yaml", "a")


def test_what_cloudformation_refuses_is_not_drafted_to_be_accepted() -> None:
    def claim(name: str, *details: str) -> dict[str, object]:
        found = [{"status": "broken", "detail": detail, "fingerprint": "0" * 16} for detail in details]
        return {"grant": "a", "id": f"a/{name}", "status": "fail", "findings": found}

    style = claim("lint/test_cfn_lint_has_nothing_to_say[t]", "W2001 Parameter P not used.")
    wrong = claim(
        "lint/test_cfn_lint_has_nothing_to_say[u]", "E1031 Fn::ToJsonString is not supported without", "I1 so"
    )
    access = claim("proof/test_nothing_else_came_along", "creates R")
    text = drafted({"claims": [style, wrong, access]}, "a", DAY)
    assert "W2001" in text
    assert "E1031" not in text
    assert "creates R" not in text
    assert [count_remaining_failures({"claims": [one]}, "a") for one in (style, wrong, access)] == [0, 1, 1]


def test_no_file_accepts_nothing(tmp_path: Path) -> None:
    assert load(tmp_path / "contract.yaml", "a").entries == ()


def applied(waivers: Waivers, *findings: Finding, claim: str = CLAIM, day: date = DAY) -> tuple[Finding, ...]:
    return waivers.apply(f"a/{claim}", findings, day)


def test_what_is_accepted_is_accepted_with_who_why_and_how_long(tmp_path: Path) -> None:
    (found,) = applied(written(tmp_path), OLD)
    assert found.accepted is not None
    assert (found.accepted.owner, found.accepted.expires) == ("security@example.com", "2027-01-31")
    assert found.accepted.place.endswith("waivers.yaml:3:5")


@pytest.mark.parametrize(
    ("claim", "other"),
    [
        (CLAIM, replace(OLD, detail="creates the role older")),
        (CLAIM, replace(OLD, status="unverified")),
        ("proof/test_nothing_else_came_along[writer]", OLD),
        (CLAIM, replace(OLD, statement="Sid Other")),
        (CLAIM, replace(OLD, witness={"action": "s3:DeleteObject"})),
        (CLAIM, replace(OLD, covers="a wider statement")),
    ],
    ids=["text", "not judged", "another claim", "another statement", "another request", "a statement that grew"],
)
def test_no_other_finding_is_accepted_and_a_similar_one_says_that_it_differs(
    claim: str, other: Finding, tmp_path: Path
) -> None:
    (found,) = applied(written(tmp_path), other, claim=claim)
    assert found.accepted is None
    alike = other.status == "broken" and (claim, other.detail) == (CLAIM, OLD.detail)
    assert ("is another finding: fingerprint" in str(found)) == alike


def test_a_second_finding_that_is_the_same_in_everything_is_not_accepted_with_the_first(tmp_path: Path) -> None:
    assert [bool(found.accepted) for found in applied(written(tmp_path), OLD, OLD)] == [True, False]


def test_a_finding_stays_accepted_when_its_line_moves(tmp_path: Path) -> None:
    """In the finding's source position, and in its text where it cites the contract."""
    moved = replace(OLD, detail="allows x, which t/contract.yaml:45:9 names as denied")
    print_ = moved.fingerprint(f"a/{CLAIM}")
    text = GOOD.replace(PRINT, print_).replace(OLD.detail, moved.detail)
    later = replace(moved, place="iam.yaml:99:1", detail="allows x, which t/contract.yaml:46:9 names as denied")
    assert [bool(found.accepted) for found in applied(written(tmp_path, text), later)] == [True]


def test_an_expired_waiver_fails_and_the_finding_says_that_it_was_accepted(tmp_path: Path) -> None:
    (found,) = applied(written(tmp_path), OLD, day=date(2027, 2, 1))
    assert found.accepted is None
    assert "was accepted by security@example.com until 2027-01-31, which is over" in str(found)


def test_an_unused_one_is_reported_where_its_claim_ran(tmp_path: Path) -> None:
    waivers = written(tmp_path)
    (plan,) = [planned("a", *f) for f in FUNCTIONS if f[1] == "test_nothing_else_came_along"]
    ran = collection(plan).results(["a"], [waivers])
    assert ran.unused == (
        f"{waivers.entries[0].accepts[0].place}: 'creates the role old' is accepted and was not found; remove it",
    )
    assert collection(plan, outcomes=[]).results(["a"], [waivers]).unused == ()
    used = collection(plan, outcomes=[outcome(plan, "fail", findings=(OLD,))])
    assert used.results(["a"], [waivers]).unused == ()
    (other,) = collection(planned("a", *FUNCTIONS[0])).results(["a"], [waivers]).unused
    assert f"there is no claim '{CLAIM}'" in other


@pytest.mark.parametrize(
    ("decided", "text"),
    [("owner", "security@example.com"), ("reason", "The old role goes with the next release.")],
)
def test_a_draft_accepts_nothing_until_owner_and_reason_are_decided(decided: str, text: str, tmp_path: Path) -> None:
    waivers = written(tmp_path, GOOD.replace(text, '"DECIDE: who, and why?"'))
    (found,) = applied(waivers, OLD)
    assert (waivers.entries, found) == ((), OLD)
    (plan,) = [planned("a", *f) for f in FUNCTIONS if f[1] == "test_nothing_else_came_along"]
    said = {
        "found": collection(plan, outcomes=[outcome(plan, "fail", findings=(OLD,))]),
        "mended": collection(plan),
        "not run": collection(plan, outcomes=[]),
    }
    unused = {how: run.results(["a"], [waivers]).unused for how, run in said.items()}
    marked = f"{waivers.drafts[0].place}: {decided} is still marked DECIDE, so that it accepts nothing"
    how = "say who answers for it and why; or mend the templates and delete it"
    assert unused == {
        "found": (f"{marked}. To accept what it lists (1 of the findings above), {how}",),
        "mended": (f"{marked}, and nothing of it is found any more; delete it",),
        "not run": (marked,),
    }


BROKEN = {
    "waivers.yaml: is empty.": "",
    "waivers.yaml:1: a file of waivers is an object with the keys version, waivers.": "[]",
    "waivers.yaml:1: version 2 is not known. This release reads version 1.": GOOD.replace("1", "2", 1),
    "waivers.yaml:2: waivers is a list with at least one entry.": "version: 1\nwaivers: []\n",
    "waivers.yaml:3: a waiver has no 'owner'. Add it.": GOOD.replace(
        "owner: security@example.com\n    reason", "reason"
    ),
    "waivers.yaml:3: owner is text, and not empty.": GOOD.replace("security@example.com", "''"),
    "waivers.yaml:3: a waiver has no key 'onwer'. Known: owner, reason, expires, accepts.": GOOD.replace(
        "owner", "onwer"
    ),
    "waivers.yaml:4: reason is text, and not empty.": GOOD.replace("The old role goes with the next release.", "[]"),
    "waivers.yaml:5: expires is 'never'; it is the last day, as in 2027-01-31.": GOOD.replace("2027-01-31", "never"),
    "waivers.yaml:5: expires is '2027-02-30'; it is the last day, as in 2027-01-31.": GOOD.replace("01-31", "02-30"),
    "waivers.yaml:5: expires is '2027-W04-7'; it is the last day, as in 2027-01-31.": GOOD.replace("01-31", "W04-7"),
    "waivers.yaml:7: 'proof' is not a claim's name, which is as in proof/test_nothing_else_came_along.": GOOD.replace(
        CLAIM, "proof"
    ),
    "waivers.yaml:10: accepts what": GOOD + GOOD.partition("accepts:\n")[2],
    "waivers.yaml:6: accepts is a list with at least one entry.": GOOD.partition("accepts:")[0] + "accepts: []\n",
    "waivers.yaml:8: finding is text, and not empty.": GOOD.replace("creates the role old", "''"),
    "waivers.yaml:7: an entry of 'accepts' has no 'fingerprint'. Take it from the": GOOD.partition("    fingerp")[0],
    "waivers.yaml:9: '1234' is no fingerprint: 16 hexadecimal digits, in quotes.": GOOD.replace(PRINT, "1234"),
}


@pytest.mark.parametrize("said", BROKEN, ids=lambda said: said.partition(": ")[2][:40])
def test_what_is_wrong_is_one_line_with_its_place(said: str, tmp_path: Path) -> None:
    with pytest.raises(WaiverError) as error:
        written(tmp_path, BROKEN[said])
    assert said in re.sub(r":\d+: ", ": ", str(error.value), count=1) or said in str(error.value)
    assert "\n" not in str(error.value)
