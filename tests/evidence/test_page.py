"""The page in a real browser. `make browser` installs Chromium where it is missing; CHROMIUM names another one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from made_up import FUNCTIONS, HOSTILE, collection, everything, evidence, outcome, passed, planned
from playwright.sync_api import Browser, Page, sync_playwright

from grantproof.contract.undecided import Draft
from grantproof.evidence import page as report
from grantproof.evidence import page_deviations, page_grant
from grantproof.evidence.mutation import Mutation
from grantproof.evidence.results import Results


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        pytest.fail("there is no Chromium on this machine; install it with `make browser`", pytrace=False)
    with sync_playwright() as playwright:
        # Without a sandbox, because containers and CI run as root; the page is our own.
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("page") / report.NAME
    file.write_text(report.render(evidence()), encoding="utf-8")
    return file.as_uri()


@contextmanager
def opened(browser: Browser, url: str, **options: Any) -> Iterator[Page]:
    """The page, opened. Whatever it logs, asks for or pops up fails what opened it."""
    context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **options})
    page = context.new_page()
    heard: list[str] = []
    page.on("console", lambda message: heard.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: heard.append(f"error: {error}"))
    page.on("dialog", lambda dialog: heard.append(f"dialog: {dialog.message}"))
    page.on("request", lambda asked: heard.append(f"request: {asked.url}") if asked.url.split("#")[0] != url else None)
    page.goto(url)
    yield page
    context.close()
    assert heard == []


@pytest.fixture
def page(browser: Browser, url: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of the test's own, to do something with."""
    with opened(browser, url, **getattr(request, "param", {})) as page:
        yield page


@pytest.fixture(scope="module")
def read(browser: Browser, url: str) -> Iterator[Page]:
    """A page that tests only look at."""
    with opened(browser, url) as page:
        yield page


def test_the_pages_content_security_policy_allows_no_requests(browser: Browser, url: str) -> None:
    """The fixture checks that the page makes no requests; this test makes it try."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(url)
    refused: Any = page.evaluate(
        """async () => {
             const seen = [];
             document.addEventListener("securitypolicyviolation", event => seen.push(event.effectiveDirective));
             for (const tag of ["img", "script"]) {
               const element = document.createElement(tag);
               element.src = "https://example.invalid/x";
               document.body.append(element);
             }
             document.body.setAttribute("style", "color: red");
             await new Promise(done => setTimeout(done, 100));
             return seen;
           }"""
    )
    context.close()
    assert {"img-src", "script-src-elem", "style-src-attr"} <= set(refused)


def test_hostile_names_are_shown_as_text(read: Page) -> None:
    text = read.locator("main").evaluate("element => element.textContent")
    for name in (*HOSTILE[:4], HOSTILE[5]):
        assert name in text
    assert "\\u202e" in text
    assert "\u202e" not in text
    assert read.locator("img, iframe, object, embed").count() == 0
    assert read.locator("script").count() == 1


def test_the_first_screen_says_verdict_what_was_proved_and_what_is_not_shown(read: Page) -> None:
    text = read.locator("header").inner_text()
    for words in (
        "Not verified. 1 of 2 grants may give other access than agreed: beta.",
        "20 statements proved for all",
    ):
        assert words in text
    for words in (
        "11 ✓ passed",
        "3 ✗ failed",
        "a" * 40,
        "somebody (local)",
        "does not show",
        "as given by SOURCE_DATE",
    ):
        assert words in text
    assert read.locator("#limits").bounding_box()["y"] < 500  # type: ignore[index]


def test_filters_narrow_by_grant_and_by_status_and_say_so(page: Page) -> None:
    deviations = page.locator(".deviation:visible")
    everything = deviations.count()
    page.get_by_label("Grant", exact=True).select_option("alpha")
    assert deviations.count() == 0
    assert page.locator("#grant-alpha").is_visible()
    assert not page.locator("#grant-beta").is_visible()
    page.get_by_label("Grant", exact=True).select_option("beta")
    page.get_by_label("Status", exact=True).select_option("unknown")
    assert deviations.count() == 1
    assert page.get_by_role("status").inner_text() == f"1 of {everything} deviations shown"
    page.get_by_role("button", name="Show all").click()
    page.wait_for_function("document.getElementById('filter-told').textContent === ''")
    assert deviations.count() == everything


def test_filters_find_text_anywhere_in_a_claim(page: Page) -> None:
    page.get_by_label("Text", exact=True).fill("MaxSessionDuration is")
    assert page.locator(".deviation:visible").count() == 2
    assert page.locator("#waivers ~ div tbody tr:visible").count() == 2
    page.get_by_label("Text", exact=True).fill("AC-6(10)")
    assert page.locator("tr.control:visible").count() == 1
    page.get_by_role("button", name="Show all").click()
    page.wait_for_function("document.getElementById('filter-told').textContent === ''")
    assert page.locator("tr.control:visible").count() > 10


def test_everything_can_be_unfolded_and_folded_at_once(page: Page) -> None:
    assert not page.locator("#grant-alpha pre").first.is_visible()
    button = page.get_by_role("button", name="Unfold everything")
    button.click()
    assert page.locator("#grant-alpha pre").first.is_visible()
    button.click()
    assert page.locator("main details[open]").count() == 0


def test_the_overview_says_who_may_do_what_and_leads_to_each_grant(read: Page) -> None:
    row = read.locator("#overview ~ div tbody tr").first
    assert "account 222222222222 → role reader → ssm:GetParameter" in row.inner_text()
    assert row.locator("a").get_attribute("href") == "#grant-alpha"


def test_the_page_shows_what_options_change_and_resource_policies(read: Page) -> None:
    grant = read.locator("#grant-alpha").evaluate("element => element.textContent")
    for words in ("Whoever enters has ReadTheParameter.", "owner: Mfa=true", "Policy of bucket"):
        assert words in grant
    assert "Contract: role reader may call ssm:GetParameter" in " ".join(grant.split())


def test_a_deviation_says_why_it_matters_what_to_do_and_for_which_controls(read: Page) -> None:
    text = read.locator(".deviation", has_text="nobody but the declared principals").first.inner_text()
    for words in ("iam.yaml:87:17", "For example", "Why it matters", "What to do", "NIST 800-53r5 AC-3,"):
        assert words in text


def test_every_link_within_the_page_leads_somewhere(read: Page) -> None:
    lost = read.evaluate(
        """() => [...document.querySelectorAll('a[href^="#"]')].map(a => a.hash.slice(1))
                 .filter(id => !document.getElementById(id))"""
    )
    assert lost == []
    ids = read.evaluate("() => [...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("page", [{}, {"java_script_enabled": False}], ids=["script", "no script"], indirect=True)
def test_a_link_to_a_folded_or_filtered_element_shows_it(page: Page, url: str) -> None:
    """For example a line of a template, which is folded; with JavaScript also if a filter hides it."""
    place = page.locator('.deviation a[href*="#src-"]').first.get_attribute("href")
    page.goto("about:blank")
    page.goto(f"{url}{place}")
    assert page.locator(f'[id="{(place or "")[1:]}"]').is_visible()


def test_without_script_everything_is_shown(browser: Browser, url: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(url)
    shown = page.locator(".deviation:visible").count()
    assert shown == page.locator(".deviation").count() > 0
    assert not page.locator("#filters").is_visible()
    context.close()


#: Rows that repeat the same markup are looked at three times, not a hundred.
_ONCE = {"exclude": [[".source tr:nth-child(n+4)"], ["tr.control:nth-child(n+4)"]]}
DARK, PHONE = {"color_scheme": "dark"}, {"viewport": {"width": 360, "height": 740}}


@pytest.mark.parametrize(
    ("page", "rules", "unfolded"),
    [({}, {}, True), (DARK, {"runOnly": ["color-contrast"]}, False)],
    ids=["light, all rules, unfolded", "dark, contrast"],
    indirect=["page"],
)
def test_nothing_is_inaccessible(page: Page, rules: Any, unfolded: bool) -> None:
    """By axe-core; its computed contrast is among the rules."""
    if unfolded:
        page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
    results = Axe().run(page, context=_ONCE, options={"resultTypes": ["violations"], **rules})
    assert [(v["id"], v["nodes"][0]["html"][:200]) for v in results.response["violations"]] == []
    assert "color-contrast" in {rule["id"] for rule in results.response["passes"]}


@pytest.mark.parametrize("page", [PHONE], indirect=True)
def test_a_phone_need_not_scroll_sideways(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_it_is_usable_by_keyboard(page: Page) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    fold = page.locator("details", has_text="To accept it instead").first
    fold.locator("summary").focus()
    page.keyboard.press("Enter")
    assert fold.get_attribute("open") is not None
    style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert style == "solid"


def test_the_printed_page_shows_what_is_folded_and_no_controls(page: Page) -> None:
    statement = page.locator(".grant pre").first
    assert not statement.is_visible()
    page.emulate_media(media="print")
    assert not page.locator("#filters").is_visible()
    assert statement.is_visible()
    lines = page.locator(".source tr")
    assert 0 < lines.filter(visible=True).count() < lines.count()
    assert page.locator('[id$="beta-iam.yaml-L87"], [id*="beta-iam.yaml"][id$="-L87"]').first.is_visible()


def test_the_picture_of_a_grant_draws_the_chain_of_roles(read: Page) -> None:
    assert read.locator("svg[role=img] title", has_text="The chain of reader").count() == 2
    read.evaluate("document.getElementById('grant-alpha').open = true")
    drawn = read.locator("#grant-alpha svg").first.locator("text")
    lines = drawn.evaluate_all("found => found.map(t => [t.getBoundingClientRect().top, t.textContent])")
    text = " ".join(line for _, line in sorted(lines))
    expected = (
        "account 222222222222",
        "sts:AssumeRole",
        "role reader",
        "may then",
        "ssm:GetParameter",
        "on arn:aws:ssm",
    )
    order = [text.index(words) for words in expected]
    assert order == sorted(order)


# --- without a browser ------------------------------------------------------------------------------------------------


def test_a_large_run_counts_its_passes_and_points_to_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_grant, "LISTED_CLAIMS", 500)
    grants = tuple(f"grant-{n:03}" for n in range(60))
    text = report.render(evidence(passed(*grants)))
    assert "passed claims are listed in <code>claims.csv</code>" in text
    assert len(text) < 60 * 6_000


def test_a_verdict_on_a_draft_says_so() -> None:
    drafts = replace(passed("alpha", "beta"), drafts={"beta": Draft(2, "beta/contract.yaml:4")})
    text = report.render(evidence(drafts))
    assert "Nobody has decided yet what is marked in the contract of beta." in text
    assert text.count("<strong>Draft:</strong> verified against a draft: 2 lines are still marked DECIDE, from ") == 1


def failing(grant: str, *tests: str) -> Results:
    """The results of one grant in which these tests fail, and all others pass."""
    plans = [planned(grant, suite, test) for suite, test in FUNCTIONS]
    return collection(*plans, outcomes=[outcome(p, "fail" if p.test in tests else "pass") for p in plans]).results(
        [grant]
    )


def test_a_lint_finding_is_not_said_to_give_access() -> None:
    style = failing("beta", "test_cfn_lint_has_nothing_to_say")
    text = report.render(evidence(style))
    assert "1 of 1 grant is not verified for how its templates are written: beta." in text
    assert "may give other access" not in text
    for tests in (
        ("test_nothing_else_came_along",),
        ("test_nothing_else_came_along", "test_cfn_lint_has_nothing_to_say"),
    ):
        text = report.render(evidence(failing("beta", *tests)))
        assert "1 of 1 grant may give other access than agreed: beta." in text
        assert "for how its templates" not in text
    both = collection(*(planned(g, *FUNCTIONS[n]) for g in ("a", "b") for n in range(len(FUNCTIONS))), outcomes=[
        outcome(planned(g, s, t), "fail" if (g, s) in {("a", "lint"), ("b", "proof")} else "pass")
        for g in ("a", "b") for s, t in FUNCTIONS
    ])  # fmt: skip
    text = report.render(evidence(both.results(["a", "b"])))
    assert "1 of 2 grants may give other access than agreed: b. 1 of 2 grants is not verified for how their" in text


def test_the_overview_names_the_principals_of_resource_policies() -> None:
    def clause(effect: str, action: Any, condition: Any = None, **principal: Any) -> dict[str, Any]:
        document = {"Effect": effect, **principal, "Action": action, "Resource": "*"}
        return {"document": document | ({"Condition": condition} if condition else {}), "sentence": "", "place": ""}

    accounts = {"AWS": ["222222222222", "arn:aws:iam::333333333333:root"]}
    organization = {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}
    deployed = [
        clause("Allow", ["kms:Decrypt", "kms:Encrypt"], Principal=accounts),
        clause("Allow", "kms:CreateGrant", {"Bool": {"kms:GrantIsForAWSResource": "true"}}, Principal=accounts),
        clause("Allow", "kms:DescribeKey", Principal=accounts),
        clause("Allow", "kms:Sign", organization, Principal="*"),
        clause("Allow", "kms:Verify", NotPrincipal={"AWS": "444444444444"}),
        clause("Deny", "kms:PutKeyPolicy", Principal={"AWS": "555555555555"}),
    ]
    closed = {"alias": "closed", "deployed": [deployed[-1]]}
    both = "account 222222222222, account 333333333333"
    assert page_grant._reach(
        {"principals": [], "resources": [{"alias": "key", "deployed": deployed}, closed], "sends": []}
    ) == [
        f"{both} → policy of key → kms:Decrypt, kms:DescribeKey, kms:Encrypt",
        f"{both}, under conditions → policy of key → kms:CreateGrant",
        "everybody, under conditions → policy of key → kms:Sign",
        "everybody but account 444444444444 → policy of key → kms:Verify",
        "nobody → policy of closed",
    ]


def test_the_seeded_faults_are_counted_and_those_that_got_through_are_named_or_it_is_said_that_there_are_none() -> None:
    assert "not run: no mutants.json" in report.render(evidence())
    text = report.render(evidence(mutation=Mutation("run", seeded=169, caught=150, survived=3, equivalent=9)))
    assert "of 153 that change access, 150 were caught by these suites, <strong>3 were not</strong>" in text


def test_every_status_has_words_and_a_mark_of_its_own() -> None:
    assert set(report.MARKS) == set(page_deviations.STATUS_IN_WORDS) == set(report.STATUSES)
    assert len(set(report.MARKS.values())) == len(report.MARKS)


def test_the_page_is_one_file() -> None:
    text = report.render(evidence(everything()))
    assert " src=" not in text.replace("&lt;img src=", "").replace("&lt;script src=", "")
    assert "<link" not in text
    assert "@import" not in text
    assert "url(" not in text


def test_statements_are_merged_only_if_they_are_the_same() -> None:
    """Condition keys are compared without case, everything else with case."""
    one = {"document": {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}, "place": "t.yaml:1"}
    one["sentence"] = "A may call x on arn:aws:s3:::b, if aws:SecureTransport is false."
    two = {"document": {"Condition": {"Bool": {"aws:securetransport": "false"}}}, "place": "c.yaml:1"}
    two["sentence"] = "A may call x on arn:aws:s3:::b, if aws:securetransport is false."
    three = {**two, "sentence": two["sentence"].replace(":::b", ":::B")}
    assert [entry["side"] for entry in page_grant._merged([one], [two])] == [""]
    assert [entry["side"] for entry in page_grant._merged([one], [three])] == ["deployed", "contract"]
