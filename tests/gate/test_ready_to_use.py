"""The action, the includes and the hooks: their commands do what they say, in a real repository."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import served
from tests.gate.repositories import READ, ROLE, edit, git

ROOT = Path(__file__).parent.parent.parent


def loaded(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


@pytest.fixture
def tools(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment with this environment's grantproof, and a `gh` that only says how it was called."""
    with served.command(tmp_path) as grantproof:
        gh = grantproof.with_name("gh")
        gh.write_text('#!/bin/sh\necho "gh $*" >> "$CALLED"; test -f reports/grantproof/gate.md', encoding="utf-8")
        gh.chmod(0o755)
        yield {
            **{k: v for k, v in os.environ.items() if not k.startswith("GIT_")},
            "PATH": f"{grantproof.parent}:{os.environ['PATH']}",
            "CALLED": str(tmp_path / "called"),
            "GITHUB_OUTPUT": str(tmp_path / "output"),
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        }


def run(script: str, top: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=top, env=environment)  # noqa: S603


def steps() -> dict[str, Any]:
    return {step.get("name", step.get("uses")): step for step in loaded("action.yml")["runs"]["steps"]}


def test_the_action_fails_with_the_gate_after_everything_has_been_reported(
    repository: Path, tools: dict[str, str], tmp_path: Path
) -> None:
    edit(ROLE, READ, f"{READ}*")
    environment = {**tools, "DIRECTORY": "grants", "BASE": git(repository, "rev-parse", "main").strip()}
    gate = run(steps()["Gate"]["run"], repository, environment)
    assert gate.returncode == 0, gate.stderr
    assert (tmp_path / "output").read_text(encoding="utf-8") == "status=1\n"
    assert "**beyond the contract**" in (tmp_path / "summary").read_text(encoding="utf-8")
    assert "NOT VERIFIED  reader" in gate.stdout
    assert {p.name for p in (repository / "reports/grantproof").iterdir()} >= {"gate.md", "gate.sarif", "junit.xml"}
    comment = run(steps()["Comment"]["run"], repository, {**environment, "PULL_REQUEST": "7"})
    assert comment.returncode == 0
    said = (tmp_path / "called").read_text(encoding="utf-8")
    assert said == "gh pr comment 7 --body-file reports/grantproof/gate.md --edit-last --create-if-none\n"
    assert run(steps()["Verdict"]["run"], repository, {**tools, "STATUS": "1"}).returncode == 1
    assert run(steps()["Verdict"]["run"], repository, {**tools, "STATUS": ""}).returncode == 2
    assert run(steps()["Verdict"]["run"], repository, {**tools, "STATUS": "0"}).returncode == 0


@pytest.mark.parametrize(
    ("base", "said"),
    [("", "--base is empty"), ("0" * 40, "the commit before a new branch"), ("gone", "there is no commit 'gone' here")],
)
def test_the_action_says_what_is_wrong_with_a_base_that_cannot_be_fetched(
    base: str, said: str, repository: Path, tools: dict[str, str], tmp_path: Path
) -> None:
    """As of the first push of a branch, and of an event that has no base."""
    gate = run(steps()["Gate"]["run"], repository, {**tools, "DIRECTORY": "grants", "BASE": base})
    assert gate.returncode == 0
    assert said in gate.stderr
    assert (tmp_path / "output").read_text(encoding="utf-8") == "status=2\n"


def test_the_action_puts_nothing_of_an_event_into_a_script() -> None:
    """A branch may be called `"; rm -rf /`: what comes from the event goes through the environment."""
    for step in loaded("action.yml")["runs"]["steps"]:
        assert "${{" not in step.get("run", "")


def test_the_workflow_uses_the_action_and_asks_for_no_more_than_it_needs() -> None:
    workflow, action = loaded("docs/ci/github-workflow.yml"), loaded("action.yml")
    (job,) = workflow["jobs"].values()
    checkout, gate = job["steps"]
    assert checkout["with"]["fetch-depth"] == 0
    assert set(gate["with"]) <= set(action["inputs"])
    assert workflow["permissions"] == {"contents": "read", "pull-requests": "write", "security-events": "write"}
    assert "pull_request_target" not in workflow[True]  # YAML 1.1 reads `on` as true


def test_the_gitlab_include_passes_where_nothing_changes(
    repository: Path, tools: dict[str, str], tmp_path: Path
) -> None:
    (job,) = loaded("docs/ci/gitlab.yml").values()
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--branch=topic", f"file://{repository}", str(clone))
    environment = {**tools, **job["variables"], "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main"}
    done = run("\n".join(job["script"]), clone, {**environment, "GRANTPROOF_DIRECTORY": "grants"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("No change in access: 1 grant compared with origin/main")
    assert "VERIFIED  reader" in done.stdout
    assert (clone / job["artifacts"]["reports"]["junit"]).exists()


def test_the_hooks_run_as_pre_commit_runs_them(repository: Path, tools: dict[str, str]) -> None:
    hooks = {hook["id"]: hook for hook in loaded(".pre-commit-hooks.yaml")}
    assert all(hook["pass_filenames"] is False for hook in hooks.values())
    gate = shlex.split(hooks["grantproof-gate"]["entry"])
    assert hooks["grantproof-gate"]["args"] == ["--base", "origin/main"]
    edit(ROLE, READ, f"{READ}*")
    git(repository, "add", "--all")
    done = run(shlex.join([*gate, "--base", "main", "grants"]), repository, tools)
    assert done.returncode == 1
    assert "BEYOND THE CONTRACT" in done.stdout
    assert shlex.split(hooks["grantproof-verify"]["entry"]) == ["grantproof", "verify"]
