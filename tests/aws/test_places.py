"""Every command reports a wider statement at the same position: in CDK output, a nested stack and a SAM template."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from grantproof.cli import main
from tests.commands import grantproof
from tests.gate.repositories import commit, edit, git

SHAPES = Path(__file__).parent.parent.parent / "fixtures" / "shapes"
CDK = "ReaderRoleDefaultPolicyE5F6A7B8, Stack/ReaderRole/DefaultPolicy/Resource"

KINDS = [
    pytest.param("cdk-output", "Stack.template.json", '"dynamodb:GetItem"', '"dynamodb:PutItem"', "dynamodb:PutItem",
                 "reader-role-a1-b2-c3-d4", '                "dynamodb:BatchGetItem"', CDK, id="CDK output"),
    pytest.param("nested-stacks", "access.yaml", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:PutItem",
                 "reader", "Effect: Allow, Action: \"dynamodb:", "", id="nested stack"),
    pytest.param("sam-source", "template.yaml", "Action: s3:GetObject", "Action: s3:PutObject", "s3:PutObject",
                 "reader", "Sid: Reports", "", id="SAM source"),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "file", "was", "now", "action", "principal", "near", "inside"), KINDS)
def test_a_wider_statement_has_one_place_for_verify_gate_and_explain(
    shape: str, file: str, was: str, now: str, action: str, principal: str, near: str, inside: str,
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    top = tmp_path / "top"
    shutil.copytree(SHAPES / shape, top / "grants" / shape)
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(top))
    commit(top)
    template = Path("grants") / shape / file
    monkeypatch.chdir(top)
    edit(template, was, now)
    place = _statement(template, near)

    told = grantproof("verify", "grants", "-n", "0", "-k", "exactly_what_the_contract_says and proof", cwd=top)
    assert told.returncode == 1
    _said(told.stdout, f"{place} ", action, inside)

    capsys.readouterr()
    assert main(["gate", "grants", "--base", "main", "--diff-only"]) == 1
    _said(capsys.readouterr().out, f"{place} ", action, inside)

    resource = "arn:aws:s3:::reports-orders/x" if action.startswith("s3") else TABLE
    assert main(["explain", f"grants/{shape}", "--as", principal, action, resource]) == 0
    _said(capsys.readouterr().out, f"{place} ", "ALLOWED", inside)


TABLE = "arn:aws:dynamodb:eu-west-1:111111111111:table/orders"


def _statement(template: Path, near: str) -> str:
    """The position of the statement that contains a text, which the commands have to report."""
    lines = template.read_text(encoding="utf-8").splitlines()
    (number,) = (n for n, line in enumerate(lines) if near in line)
    while template.suffix == ".json" and lines[number].strip() != "{":
        number -= 1
    line = lines[number]
    column = len(line) - len(line.lstrip()) if near not in line else line.index(near) - (near.startswith("Effect"))
    return f"{template.as_posix()}:{number + 1}:{column + 1}"


def _said(text: str, place: str, what: str, inside: str) -> None:
    assert what in text, text
    lines = [line for line in text.splitlines() if place in line]
    assert lines, f"{place} is not in:\n{text}"
    assert any(inside in line for line in lines), text
