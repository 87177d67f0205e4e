"""The help of the command line, and its messages about mistyped arguments."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from grantproof.cli import _parser, main

ROLE = {
    "RoleName": "reader",
    "Path": "/",
    "AssumeRolePolicyDocument": {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    },
}


def verbs() -> dict[str, argparse.ArgumentParser]:
    (commands,) = (a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction))
    return dict(commands.choices)


@pytest.mark.parametrize("name", verbs())
def test_the_help_of_a_command_explains_every_option_and_its_exit_statuses(name: str) -> None:
    verb = verbs()[name]
    assert [action.dest for action in verb._actions if not action.help] == []
    assert "exit status:\n  0  " in str(verb.epilog)
    assert "\n  2  " in str(verb.epilog)


@pytest.mark.parametrize("name", verbs())
def test_the_examples_in_the_help_of_a_command_can_be_parsed(name: str) -> None:
    examples = str(verbs()[name].epilog).partition("examples:\n")[2].splitlines()
    assert examples
    for example in examples:
        words = shlex.split(example.partition(" < ")[0])
        assert words[:2] == ["grantproof", name]
        assert _parser().parse_args(words[1:]).run


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mutants", "fixtures/broken/good", "--json", "/proc/none/x.json"], "cannot be written"),
        (["mutants", "fixtures/broken/good", "--json", "fixtures"], "cannot be written"),
        (["mutants", "fixtures/broken/good", "--each", "0"], "at least 1"),
        (["init", "--from-snapshot", "{tmp}/whole.json", "--out", "/proc/none"], "cannot be written"),
        (["init", "--from-snapshot", "{tmp}/partial.json", "--out", "{tmp}/out"], "has no 'Path'"),
        (["init", "--from-snapshot", "{tmp}/list.json", "--out", "{tmp}/out"], "give that, unchanged"),
        (["init", "{tmp}"], "is a folder; name the templates in it"),
        (["verify", "{tmp}"], "Draft one: grantproof init TEMPLATE"),
        (["evaluate", "--assume", "O6"], "POINT=READING"),
        (["init", "templates/many-partners/owner.yaml", "--only", "x"], "--only goes with --from-snapshot FILE"),
        (["init", "templates/many-partners/owner.yaml", "--out", "x"], "--out goes with --from-snapshot FILE"),
        (["init", "--from-snapshot", "{tmp}/whole.json", "--parameter", "A=b"], "an export has no parameters"),
        (["verify", "fixtures/broken/good", "-k", "trust and"], "-k 'trust and': at column 10: expected not OR"),
        (["gate", "fixtures/broken/good", "--base", ""], "--base is empty"),
        (
            ["compare", "templates/many-partners/owner.yaml", "templates/many-partners/partner.yaml"],
            "compare the folder of its grant",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line_with_exit_status_2(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "whole.json").write_text(json.dumps({"RoleDetailList": [ROLE]}))
    (tmp_path / "partial.json").write_text(json.dumps({"RoleDetailList": [{"RoleName": "reader"}]}))
    (tmp_path / "list.json").write_text(json.dumps({"RoleDetailList": [7]}))
    assert main([word.format(tmp=tmp_path) for word in arguments]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["verfy", "x"], "Did you mean verify?"),
        (["whocan", "x"], "Did you mean who-can?"),
        (
            ["verify", "x", "--onyl", "y"],
            "grantproof verify: error: unrecognized arguments: --onyl y. Did you mean --only?",
        ),
        (["who-can", "x", "y", "z"], "grantproof who-can: error: unrecognized arguments: z\n"),
        (["xyz"], "'xyz'"),
    ],
    ids=str,
)
def test_a_mistyped_command_or_option_is_refused_with_a_suggestion(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    told = capsys.readouterr().err
    assert left.value.code == 2
    assert said in told
    assert ("Did you mean" in told) == ("Did you mean" in said)


GOOD = Path(__file__).parent.parent / "fixtures" / "broken" / "good"
EXPLAIN = ["explain", str(GOOD), "--as", "reader", "ssm:GetParameter"]


def command(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    run = [sys.executable, "-m", "grantproof", *arguments]
    return subprocess.run(run, stderr=subprocess.PIPE, text=True, check=False, **more)  # noqa: S603 - our own


def test_characters_that_the_output_cannot_encode_are_escaped() -> None:
    parameter = "arn:aws:ssm:eu-west-1:111111111111:parameter/db\N{LATIN SMALL LETTER E WITH ACUTE}"
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    result = command(*EXPLAIN, parameter, stdout=subprocess.PIPE, env=ascii_only)
    assert (result.returncode, result.stderr) == (1, "")
    assert "parameter/db\\xe9" in result.stdout


def test_no_module_of_the_current_folder_is_run(tmp_path: Path) -> None:
    """`python -m` looks there first, and the folder may be the untrusted one that is verified."""
    for name in ("yaml", "moto", "pytest"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(0)\n", encoding="utf-8")
    parameter = "arn:aws:ssm:eu-west-1:111111111111:parameter/other"
    result = command(*EXPLAIN, parameter, stdout=subprocess.PIPE, cwd=tmp_path)
    assert result.returncode == 1
    assert result.stdout.startswith("DENIED  reader: ssm:GetParameter")


VERIFY = ["verify", str(GOOD), "-k", "lint", "--report-dir"]


@pytest.mark.parametrize("arguments", [EXPLAIN, ["compare", str(GOOD), str(GOOD)], VERIFY], ids=lambda a: a[0])
def test_a_full_output_device_ends_with_status_1_and_one_line(arguments: list[str], tmp_path: Path) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        result = command(*arguments, *([str(tmp_path)] if arguments is VERIFY else []), stdout=full)
    assert result.returncode == 1
    assert result.stderr == "grantproof: cannot write what it found: No space left on device\n"


def test_without_an_output_the_exit_status_is_the_same(tmp_path: Path) -> None:
    result = command(*VERIFY, str(tmp_path), preexec_fn=lambda: os.close(1))
    assert (result.returncode, result.stderr) == (1, "")  # a part of the tests is never verified
