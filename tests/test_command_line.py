"""What the command line says of itself, and of what its user has mistyped."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path

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
def test_a_verb_explains_every_option_and_its_exit_statuses(name: str) -> None:
    verb = verbs()[name]
    assert [action.dest for action in verb._actions if not action.help] == []
    assert "exit status:\n  0  " in str(verb.epilog)
    assert "\n  2  " in str(verb.epilog)


@pytest.mark.parametrize("name", verbs())
def test_the_examples_of_a_verb_are_commands_of_it(name: str) -> None:
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
