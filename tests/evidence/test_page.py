"""The page in a real browser. `make browser` installs Chromium where it is missing; CHROMIUM names another one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from made_up import HOSTILE, everything, evidence, passed
from playwright.sync_api import Browser, Page, sync_playwright

from grantproof.evidence import page as report
from grantproof.evidence.mutation import Mutation

pytestmark = pytest.mark.xdist_group("browser")


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


@pytest.fixture
def page(browser: Browser, url: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page, opened. Whatever it logs, asks for or pops up fails the test that opened it."""
    options = getattr(request, "param", {})
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


def test_its_policy_lets_it_ask_for_nothing(browser: Browser, url: str) -> None:
    """That it does not try is held to by the fixture; here it is made to try."""
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


def test_hostile_names_are_shown_as_text(page: Page) -> None:
    text = page.locator("main").inner_text()
    for name in (*HOSTILE[:4], HOSTILE[5]):
        assert name in text
    assert "\\u202e" in text
    assert "\u202e" not in text
    assert page.locator("img, iframe, object, embed").count() == 0
    assert page.locator("script").count() == 1


def test_the_first_screen_says_what_it_is_about(page: Page) -> None:
    text = page.locator("header").inner_text()
    for words in ("Not verified.", "11 ✓ passed", "3 ✗ failed", "a" * 40, "somebody (local)", "does not show"):
        assert words in text


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


def test_every_link_within_the_page_leads_somewhere(page: Page) -> None:
    lost = page.evaluate(
        """() => [...document.querySelectorAll('a[href^="#"]')].map(a => a.hash.slice(1))
                 .filter(id => !document.getElementById(id))"""
    )
    assert lost == []
    ids = page.evaluate("() => [...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("page", [{}, {"java_script_enabled": False}], ids=["script", "no script"], indirect=True)
def test_a_mailed_link_opens_what_it_names(page: Page, url: str) -> None:
    """A template line, which is folded away; with script also when it is filtered out."""
    place = page.locator('.deviation a[href*="#src-"]').first.get_attribute("href")
    page.goto("about:blank")
    page.goto(f"{url}{place}")
    assert page.locator(f'[id="{(place or "")[1:]}"]').is_visible()


def test_without_script_everything_is_there(browser: Browser, url: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(url)
    shown = page.locator(".deviation:visible").count()
    assert shown == page.locator(".deviation").count() > 0
    assert not page.locator("#filters").is_visible()
    context.close()


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
    results = Axe().run(page, options={"resultTypes": ["violations"], **rules})
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


def test_paper_shows_what_is_folded_and_no_controls(page: Page) -> None:
    statement = page.locator(".grant pre").first
    assert not statement.is_visible()
    page.emulate_media(media="print")
    assert not page.locator("#filters").is_visible()
    assert statement.is_visible()


def test_a_picture_draws_the_chain(page: Page) -> None:
    assert page.get_by_role("img", name="The chain of reader").count() == 2
    drawn = page.locator("#grant-alpha svg").first.locator("text")
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


def test_a_large_run_counts_its_passes_and_points_to_the_list() -> None:
    grants = tuple(f"grant-{n:03}" for n in range(300))
    text = report.render(evidence(passed(*grants)))
    assert "passed claims are listed in <code>claims.csv</code>" in text
    assert len(text) < 300 * 6_000


def test_the_seeded_faults_are_counted_and_those_that_got_through_are_named_or_it_is_said_that_there_are_none() -> None:
    assert "not run: no mutants.json" in report.render(evidence())
    text = report.render(evidence(mutation=Mutation("run", seeded=169, caught=150, survived=3, equivalent=9)))
    assert "of 153 that change access, 150 were caught by these suites, <strong>3 were not</strong>" in text


def test_a_status_is_said_in_words_and_by_a_mark() -> None:
    assert set(report.MARKS) == set(report.SAID) == set(report.STATUSES)
    assert len(set(report.MARKS.values())) == len(report.MARKS)


def test_the_page_is_one_file() -> None:
    text = report.render(evidence(everything()))
    assert " src=" not in text.replace("&lt;img src=", "").replace("&lt;script src=", "")
    assert "<link" not in text
    assert "@import" not in text
    assert "url(" not in text
