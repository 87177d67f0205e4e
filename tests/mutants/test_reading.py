"""Mutants are judged by what their templates would hold: the same that a deployment holds, and the same verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from grantproof.aws.stage import Stage
from grantproof.contract import find, load
from grantproof.mutants.access import access
from grantproof.mutants.catalogue import chosen
from grantproof.mutants.engine import Engine, run
from grantproof.mutants.reading import Reading
from grantproof.verbs.suites import folder

ROOT = Path(__file__).parent.parent.parent
GRANTS = [*find(ROOT / "templates"), *find(ROOT / "fixtures" / "mutants" / "grants")]


@pytest.mark.parametrize("contract", GRANTS, ids=lambda contract: contract.grant)
def test_what_is_worked_out_of_a_grant_is_what_its_deployment_holds(contract: Any) -> None:
    """Else its mutants are all deployed: right, and ten times slower."""
    stage = Stage(contract)
    stage.open()
    try:
        physical = {(s.alias, *r.path): r.physical_id for s in stage.deployment.stacks for r in s.resources}
        assert Reading.of(contract, physical, access(stage)) is not None
    finally:
        stage.close()


def test_a_grant_of_which_a_deployment_holds_something_else_is_not_judged_by_reading() -> None:
    contract = load(ROOT / "fixtures" / "broken" / "good")
    other = load(ROOT / "fixtures" / "mutants" / "grants" / "conditions")
    stage = Stage(other)
    stage.open()
    try:
        assert Reading.of(contract, {}, access(stage)) is None
    finally:
        stage.close()


def test_reading_and_deploying_come_to_the_same_verdicts() -> None:
    operators = chosen(["principal-everybody", "condition-dropped", "resource-twice", "user-more"])
    verdicts = []
    for by_reading in (True, False):
        engine = Engine(2, operators, by_reading=by_reading)
        run(folder(), ROOT / "fixtures" / "mutants" / "grants" / "conditions", engine)
        (score,) = engine.scores
        verdicts.append({result.mutant.id: (result.verdict, result.tests) for result in score.results})
    assert verdicts[0] == verdicts[1]
    assert len({verdict for verdict, _ in verdicts[0].values()}) > 1
