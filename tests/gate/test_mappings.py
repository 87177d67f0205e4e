"""A mapping entry for another region or stage is access that no deployment of the contract shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from grantproof.gate import report
from tests.gate.repositories import CONTRACT, ROLE, commit, edit, found

ROWS = """Mappings:
  Who:
    eu-west-1: {test: "111111111111", prod: "111111111111"}
    us-east-1: {test: "111111111111", prod: "111111111111"}
  Images:
    us-east-1: {id: ami-0123}
"""
LOOKED_UP = "!FindInMap [Who, !Ref AWS::Region, !Ref Stage]"


@pytest.fixture
def mapped(repository: Path) -> Path:
    """The repository with a grant whose trust policy names whom a mapping holds."""
    edit(ROLE, "Parameters:\n", f"{ROWS}Parameters:\n  Stage: {{Type: String, AllowedValues: [test, prod]}}\n")
    edit(ROLE, '  Trusted:\n    Type: String\n    AllowedPattern: "[0-9]{12}"\n', "")
    edit(ROLE, "!Ref Trusted", LOOKED_UP)
    edit(CONTRACT, "Trusted: ${accounts.owner}", "Stage: prod")
    commit(repository)
    return repository


def rows(old: str, new: str) -> None:
    """Change the last entry that is written so."""
    text = ROLE.read_text(encoding="utf-8")
    before, found_, after = text.rpartition(old)
    assert found_
    ROLE.write_text(before + new + after, encoding="utf-8")


@pytest.mark.parametrize("stage", ["test", "prod"])
def test_another_principal_for_another_region_fails(stage: str, mapped: Path) -> None:
    rows(f'{stage}: "111111111111"', f'{stage}: "222222222222"')
    change = found(mapped, "HEAD")
    assert not change.passes
    assert not change.grants[0].access
    assert (
        f'the mapping Who in grants/reader/role.yaml now says "222222222222" under us-east-1, {stage}'
        in report.text(change)
    )


def test_another_principal_for_another_stage_fails(mapped: Path) -> None:
    edit(ROLE, 'eu-west-1: {test: "111111111111"', 'eu-west-1: {test: "222222222222"')
    assert not found(mapped, "HEAD").passes


def test_a_changed_default_of_a_lookup_is_reported(mapped: Path) -> None:
    edit(ROLE, LOOKED_UP, LOOKED_UP.replace("]", ", {DefaultValue: '222222222222'}]"))
    edit(ROLE, "Mappings:", "Transform: AWS::LanguageExtensions\nMappings:")
    change = found(mapped, "HEAD")
    assert (
        'the mapping Who in grants/reader/role.yaml now says "222222222222" for what it has no entry of'
        in report.text(change)
    )
    assert not change.passes


def test_mapping_entries_of_the_contract_s_deployments_are_only_compared(mapped: Path) -> None:
    edit(ROLE, 'prod: "111111111111"}\n    us-east-1', 'prod: "222222222222"}\n    us-east-1')
    change = found(mapped, "HEAD")
    assert change.grants[0].gained
    assert not change.grants[0].doubts


@pytest.mark.parametrize(
    ("old", "new"),
    [("ami-0123", "ami-4567"), ('    us-east-1: {test: "111111111111", prod: "111111111111"}\n', "")],
    ids=["an image", "a row that is gone"],
)
def test_mapping_entries_that_give_no_access_pass(old: str, new: str, mapped: Path) -> None:
    edit(ROLE, old, new)
    assert found(mapped, "HEAD").passes
