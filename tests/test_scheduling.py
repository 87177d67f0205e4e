"""Which tests pytest-xdist runs in the same process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from grantproof.recording.inputs import ATTRIBUTE
from grantproof.recording.repeated_failures import without_repeats
from tests.commands import suites

CONFTEST = """
    import os
    from grantproof.scheduling import ByGrant, Units

    def pytest_xdist_make_scheduler(config, log):
        return ByGrant(config, log, Units([], ["test_one.py"]))

    def pytest_runtest_call(item):
        with open("ran", "a") as ran:
            print(item.name, file=ran)
        if item.name == "test_b":
            os._exit(0)
"""


def test_the_test_at_which_a_process_died_failed_once_and_the_others_run(tmp_path: Path) -> None:
    """Once, four more processes died at this test, and the tests after it were never run."""
    (tmp_path / "conftest.py").write_text("\n".join(line[4:] for line in CONFTEST.splitlines()), encoding="utf-8")
    (tmp_path / "test_one.py").write_text("def test_a(): ...\ndef test_b(): ...\ndef test_c(): ...\n", encoding="utf-8")
    alone = ["-p", "no:hypothesispytest", "-p", "no:grantproof", "-n", "1", "-q"]
    done = suites(*alone, cwd=tmp_path)
    assert done.returncode == 1, done.stdout
    assert "1 failed, 2 passed" in done.stdout
    assert "crashed while running 'test_one.py::test_b'" in done.stdout
    assert (tmp_path / "ran").read_text(encoding="utf-8").split() == ["test_a", "test_b", "test_c"]


def test_each_death_of_a_process_is_shown() -> None:
    """Such reports belong to no grant, and may all have the same test, or none."""
    died = [pytest.TestReport("test_one.py", ("", None, ""), {}, "failed", "crashed", "call") for _ in range(2)]
    assert without_repeats(died) == died


def test_failures_are_shown_before_claims_that_they_left_undecided() -> None:
    def failed(words: str, status: str) -> pytest.TestReport:
        report = pytest.TestReport(words, ("", None, ""), {}, "failed", words, "call")
        outcome = {"grant": "g", "suite": "proof", "status": status}
        report.__dict__[ATTRIBUTE] = json.dumps({"outcome": outcome})
        return report

    reports = [failed("no role is deployed", "unknown"), failed("a typo", "fail"), failed("another", "fail")]
    assert [report.nodeid for report in without_repeats(reports)] == ["a typo", "another", "no role is deployed"]
