"""A new default of a parameter that the contract sets is access too, for everybody who does not set it."""

from __future__ import annotations

from pathlib import Path

from grantproof.gate import report
from tests.gate.repositories import CONTRACT, ROLE, commit, edit, found

PATTERN = '    AllowedPattern: "[0-9]{12}"\n'


def test_a_new_default_that_gives_more_access_fails_although_the_contract_sets_the_parameter(
    repository: Path,
) -> None:
    edit(ROLE, PATTERN, f'{PATTERN}    Default: "222222222222"\n')
    first = found(repository)
    assert not first.passes
    assert {access.subject for access in first.grants[0].uncovered} == {
        "with the default of Trusted, reader is entered by"
    }
    edit(ROLE, "222222222222", "111111111111")
    assert found(repository).passes, "what the contract promises anyway"
    commit(repository)
    edit(ROLE, '    Default: "111111111111"', '    Default: "333333333333"')
    change = found(repository, "HEAD")
    assert {access.promise for access in change.grants[0].gained} == {None}
    assert "333333333333" in report.text(change)
    edit(ROLE, '    Default: "333333333333"', '    Default: "333333333333"\n    Description: nothing else')
    commit(repository)
    edit(CONTRACT, "One role", "A role")
    assert not found(repository, "HEAD").grants[0].access, "a default that stays is no change"


def test_a_default_that_cannot_be_deployed_is_not_compared(repository: Path) -> None:
    edit(ROLE, PATTERN, f"{PATTERN}    Default: nobody\n")
    change = found(repository)
    assert not change.passes
    assert "with the default of Trusted, it could not be deployed" in change.grants[0].doubts[0]
