"""Mutants in branches that only variants deploy are judged: no branch of a template is out of the engine's sight."""

from __future__ import annotations

from pathlib import Path

import pytest

from grantproof.contract import load
from grantproof.mutants.branches import Branches
from grantproof.mutants.catalogue import Mutant, mutants, operators
from grantproof.source import read

ROOT = Path(__file__).parent.parent.parent
GRANT = ROOT / "templates" / "many-partners"


# What these share is made once, by one of the processes.
pytestmark = pytest.mark.xdist_group("branches")


@pytest.fixture(scope="module")
def branches() -> Branches:
    return Branches(load(GRANT))


@pytest.fixture(scope="module")
def found() -> tuple[Mutant, ...]:
    return tuple(mutants(load(GRANT), operators()))


def in_a_resource_that_is_not_deployed(mutant: Mutant) -> bool:
    return "Third" in "".join(map(str, mutant.site)) and mutant.site[0] == "Resources"


def test_a_fault_in_a_resource_whose_condition_is_false_is_killed_where_it_is(
    branches: Branches, found: tuple[Mutant, ...]
) -> None:
    names = ("action-*", "principal-everybody", "resource-everything", "condition-dropped")
    these = [m for m in found if in_a_resource_that_is_not_deployed(m) and m.operator.name in names]
    assert these
    for mutant in these:
        result = branches.judge(mutant)
        assert result.verdict == "killed", str(result)
        owner = read(mutant.template).lines(*mutant.site[:2])
        assert any(int(finding.place.split(":")[1]) in owner for finding in result.findings), str(result)


def test_what_changes_nothing_under_any_combination_is_equivalent(
    branches: Branches, found: tuple[Mutant, ...]
) -> None:
    these = [m for m in found if m.operator.name in ("statements-twice", "action-in-another-case")]
    assert len(these) > 3
    assert {branches.judge(mutant).verdict for mutant in these} == {"equivalent"}


def test_none_that_no_deployment_without_variants_shows_survives(branches: Branches, found: tuple[Mutant, ...]) -> None:
    these = [m for m in found if in_a_resource_that_is_not_deployed(m)]
    results = [branches.judge(mutant) for mutant in these[::3]]
    assert [str(r) for r in results if r.verdict not in ("killed", "equivalent", "invalid")] == []
    assert sum(result.verdict == "killed" for result in results) > len(results) / 2
