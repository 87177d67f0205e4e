"""Child processes judge every mutant once, also if one of them dies."""

from __future__ import annotations

import os
import time
from pathlib import Path

from grantproof.contract import load
from grantproof.mutants.catalogue import chosen
from grantproof.mutants.mutant import Mutant, mutants
from grantproof.mutants.parallel import judge_in_parallel
from grantproof.mutants.score import KILLED, Result

GOOD = Path(__file__).parent.parent.parent / "fixtures" / "broken" / "good"
ALL = tuple(mutants(load(GOOD), chosen(["action-*"])))[:9]
FIRST, *REST = ALL


def test_one_child_judges_all_others_while_another_is_busy_with_one(tmp_path: Path) -> None:
    def judge(mutant: Mutant) -> Result:
        (tmp_path / str(ALL.index(mutant))).touch()
        until = time.monotonic() + 20
        while mutant == FIRST and len(list(tmp_path.iterdir())) <= len(REST) and time.monotonic() < until:
            time.sleep(0.01)
        return Result(mutant, KILLED, why=str(len(list(tmp_path.iterdir()))))

    found = list(judge_in_parallel(ALL, judge, 2))
    assert sorted(result.mutant.id for result in found) == sorted(mutant.id for mutant in ALL)
    assert {result.why for result in found if result.mutant == FIRST} == {str(len(REST) + 1)}


def test_only_the_mutants_of_a_dead_child_are_lost() -> None:
    def judge(mutant: Mutant) -> Result:
        if mutant == FIRST:
            os._exit(1)
        return Result(mutant, KILLED)

    assert [result.mutant for result in judge_in_parallel([*REST[:3], FIRST, *REST[3:]], judge, 1)] == REST[:3]
    found = {result.mutant.id for result in judge_in_parallel(ALL, judge, 2)}
    assert found == {mutant.id for mutant in REST}
