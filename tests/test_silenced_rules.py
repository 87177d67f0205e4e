"""Findings of cfn-lint are reported although a template or a file of settings silences the rule."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

from grantproof.contract import load
from grantproof.evidence.notes import Notes
from tests.suite import suite_of

GOOD = Path(__file__).parent.parent / "fixtures" / "broken" / "good"
#: Something that is no property, and by whom the rule that says so is silenced.
NONSENSE = "  Inbox: {Type: AWS::SQS::Queue, %sProperties: {Nonsense: 1}}\n"
CONFIG = "Metadata: {cfn-lint: {config: {%s}}}"


@pytest.fixture(scope="module")
def suite() -> ModuleType:
    return suite_of("lint")


@pytest.fixture
def lint(suite: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Notes]:
    """What the suite says of a template with something wrong in it, and these silences."""
    return partial(_lint, suite, tmp_path / "grant", monkeypatch)


def _lint(
    suite: ModuleType, folder: Path, monkeypatch: pytest.MonkeyPatch, top: str = "", resource: str = "", rc: str = ""
) -> Notes:
    folder.mkdir()
    for file in GOOD.iterdir():
        (folder / file.name).write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    template = (GOOD / "role.yaml").read_text(encoding="utf-8")
    template = template.replace("Resources:\n", "Resources:\n" + NONSENSE % (resource and resource + ", "))
    (folder / "role.yaml").write_text((top and top + "\n") + template, encoding="utf-8")
    (folder / ".cfnlintrc").write_text(rc, encoding="utf-8")
    monkeypatch.chdir(folder)
    told, contract = Notes(), load(folder)
    suite.test_cfn_lint_has_nothing_to_say(contract, contract.templates[0], told)
    return told


def nonsense(told: Notes) -> list[str]:
    return [finding.detail for finding in told.findings if "Nonsense" in finding.detail]


SAID = "E3002 Additional properties are not allowed ('Nonsense' was unexpected)"


def test_findings_have_the_position_in_the_template(lint: Callable[..., Notes]) -> None:
    told = lint()
    assert nonsense(told) == [SAID]
    assert [f.place.rpartition(":")[0] for f in told.findings if f.detail == SAID] == ["role.yaml:6"]


@pytest.mark.parametrize("rule", ["E3002", "E3"])
def test_a_template_that_silences_a_rule_is_said_to(rule: str, lint: Callable[..., Notes]) -> None:
    told = lint(top=CONFIG % f"ignore_checks: [W2001, {rule}]")
    assert nonsense(told) == [f"{SAID} (silenced at role.yaml:1:55)"]


def test_a_resource_that_silences_a_rule_is_said_to(lint: Callable[..., Notes]) -> None:
    told = lint(resource=CONFIG % "ignore_checks: [E3002]")
    assert nonsense(told) == [f"{SAID} (silenced at role.yaml:6:81)"]


def test_a_file_of_settings_silences_nothing(lint: Callable[..., Notes]) -> None:
    assert nonsense(lint(rc="ignore_checks: [E, W, I]\nmerge_configs: true")) == [SAID]
