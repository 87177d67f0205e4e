"""`grantproof compare` as a user meets it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from grantproof.cli import main
from grantproof.verbs.verify import run_with

PARAMETER = "arn:aws:ssm:eu-west-1:111111111111:parameter/X"


def policy(folder: Path, name: str, **statement: Any) -> str:
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ssm:GetParameter", **statement}]}
    (folder / name).write_text(json.dumps(document), encoding="utf-8")
    return str(folder / name)


def test_the_exit_status_says_whether_anything_new_is_allowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow = policy(tmp_path, "narrow.json", Resource=PARAMETER)
    wide = policy(tmp_path, "wide.json", Resource=f"{PARAMETER}*")
    assert main(["compare", narrow, wide]) == 1
    assert f"+ ssm:GetParameter on {PARAMETER}*, except on {PARAMETER}" in capsys.readouterr().out
    assert main(["compare", wide, narrow]) == 0
    assert main(["compare", wide, wide]) == 0
    assert "equal: both allow the same" in capsys.readouterr().out


def test_documents_are_compared_without_the_mocked_world(tmp_path: Path) -> None:
    """The start of the mocked world takes seven times as long as a comparison."""
    code = "import sys; from grantproof.cli import main; main(); assert not {'moto', 'boto3'} & set(sys.modules)"
    one = policy(tmp_path, "one.json", Resource=PARAMETER)
    subprocess.run([sys.executable, "-c", code, "compare", one, one], check=True, capture_output=True)  # noqa: S603 - ourselves


def test_a_reader_that_closes_the_pipe_does_not_hide_new_access(tmp_path: Path) -> None:
    """As in `grantproof compare ... | head` under `set -o pipefail`: with new access the exit status is never 0."""
    narrow, wide = (policy(tmp_path, name, Resource=f"{PARAMETER}{end}") for name, end in (("a", ""), ("b", "*")))
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as nobody:
        found = subprocess.run([sys.executable, "-m", "grantproof.cli", "compare", narrow, wide], stdout=nobody)  # noqa: S603 - ours
    assert found.returncode == 141


def test_a_closed_pipe_is_not_reported_as_an_error_of_the_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(options: object) -> int:
        raise BrokenPipeError

    monkeypatch.setattr("grantproof.verbs.verify._verified", gone)
    with pytest.raises(BrokenPipeError):
        run_with(str(tmp_path), f"--report-dir={tmp_path / 'reports'}")


def test_what_depends_on_an_open_point_is_undetermined(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = policy(tmp_path, "old.json", Resource="arn:aws:ssm:*:111111111111:parameter/a*b")
    new = policy(
        tmp_path,
        "new.json",
        Resource=["arn:aws:ssm:*:111111111111:parameter/a*b", "arn:aws:ssm:*:111111111111:parameter/a:b"],
    )
    assert main(["compare", old, new]) == 3
    assert "it depends on what AWS's documentation leaves open: O5 (does a wildcard" in capsys.readouterr().out


def test_trust_policies_are_compared_for_everybody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = policy(tmp_path, "old.json", Action="sts:AssumeRole", Principal={"AWS": "222222222222"})
    new = policy(tmp_path, "new.json", Action="sts:AssumeRole", Principal={"AWS": ["222222222222", "333333333333"]})
    assert main(["compare", old, new, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert {d["witness"]["principal"].split(":")[4] for d in found["new_access"]} == {"333333333333"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "bad.json:1:2: is not valid JSON: expecting property name"),
        ('{\n// note\n"Statement": []}', "bad.json:2:1: is a comment; JSON has none."),
        ('{"Statement": [{"Effect": "Maybe"}]}', "bad.json:1:17: Effect is 'Maybe'"),
        ('{"Statement": {"Effect": "Allow",\n"Resources": "*"}}', "bad.json:2:1: 'Resources' is not an element of a"),
        (
            '{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}]}',
            "bad.json: one document names principals and the other does not",
        ),
    ],
)
def test_a_file_that_is_wrong_is_named_and_nothing_is_compared(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = policy(tmp_path, "good.json", Resource="*")
    (tmp_path / "bad.json").write_text(text, encoding="utf-8")
    assert main(["compare", good, str(tmp_path / "bad.json")]) == 2
    assert message in capsys.readouterr().err


def test_two_files_together_with_pairs_of_lines_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit status must not be 0 for files that were not compared."""
    good = policy(tmp_path, "good.json", Resource="*")
    assert main(["compare", good, good, "--jsonl"]) == 2
    assert f"leave out {good}" in capsys.readouterr().err


def test_a_pipe_is_read_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As in `compare <(git show main:policy.json) policy.json`."""
    good, pipe = Path(policy(tmp_path, "good.json", Resource="*")), tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as other:
        other.submit(pipe.write_bytes, good.read_bytes())
        assert main(["compare", str(pipe), str(good)]) == 0
    assert capsys.readouterr().out.startswith("equal")


def test_an_action_that_does_not_exist_is_compared_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = policy(tmp_path, "good.json", Resource="*")
    mistyped = policy(tmp_path, "new.json", Action=["s3:Get*", "s3:ListBuckets"], Resource="*")
    assert main(["compare", good, mistyped]) == 1
    note = f"note: {mistyped}:1:83: there is no action 's3:ListBuckets'. Did you mean s3:ListBucket?"
    assert note in capsys.readouterr().out


def test_a_missing_file_is_reported_as_missing_whatever_the_other_file_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for other in (policy(tmp_path, "good.json", Resource="*"), str(tmp_path / "no-grant")):
        assert main(["compare", other, str(tmp_path / "missing")]) == 2
        assert "is not there. Name a policy" in capsys.readouterr().err


def export(folder: Path, name: str, *statements: dict[str, Any]) -> str:
    """What `aws iam get-account-authorization-details` prints, of an account with one role."""
    trust = {"Effect": "Allow", "Principal": {"AWS": "222222222222"}, "Action": "sts:AssumeRole"}
    role = {
        "Path": "/",
        "RoleName": "reader",
        "RoleId": "AROAEXAMPLEREADERROLE",
        "Arn": "arn:aws:iam::111111111111:role/reader",
        "CreateDate": "2026-01-01T00:00:00+00:00",
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
        "InstanceProfileList": [],
        "RolePolicyList": [
            {"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": list(statements)}}
        ],
        "AttachedManagedPolicies": [],
        "Tags": [],
        "RoleLastUsed": {},
    }
    details = {
        "UserDetailList": [],
        "GroupDetailList": [],
        "RoleDetailList": [role],
        "Policies": [],
        "IsTruncated": False,
    }
    (folder / name).write_text(json.dumps(details), encoding="utf-8")
    return str(folder / name)


def test_exports_of_an_account_are_compared_entity_by_entity(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = {"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": PARAMETER}
    old = export(tmp_path, "old.json", one)
    new = export(tmp_path, "new.json", {**one, "Resource": f"{PARAMETER}*"})
    assert main(["compare", old, old]) == 0
    assert main(["compare", old, new]) == 1
    out = capsys.readouterr().out
    assert f"+ arn:aws:iam::111111111111:role/reader may ssm:GetParameter on {PARAMETER}*, except on {PARAMETER}" in out
    assert main(["compare", old, policy(tmp_path, "policy.json", Resource="*")]) == 2
    assert "is a policy, and" in capsys.readouterr().err


def test_grants_are_deployed_and_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = Path(__file__).parent.parent / "fixtures" / "broken" / "good"
    wide = tmp_path / "wide"
    shutil.copytree(good, wide)
    role = wide / "role.yaml"
    text = role.read_text(encoding="utf-8")
    assert "ssm:GetParameter" in text
    role.write_text(text.replace("ssm:GetParameter", "ssm:GetParameter*", 1), encoding="utf-8")
    assert main(["compare", str(good), str(good)]) == 0
    assert main(["compare", str(good), str(wide)]) == 1
    assert "may ssm:GetParameter" in capsys.readouterr().out


def test_without_two_files_or_lines_the_command_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", policy(tmp_path, "one.json", Resource="*")]) == 2
    assert "give two files, OLD and NEW, or --jsonl" in capsys.readouterr().err
    assert main(["compare", "--jsonl", str(tmp_path / "none.jsonl")]) == 2


def test_lines_are_answered_each_with_its_id(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [{"id": n, "old": {"identity": []}, "new": {"identity": []}} for n in range(3)]
    file = tmp_path / "pairs.jsonl"
    file.write_text("\n".join([*map(json.dumps, lines), "{"]), encoding="utf-8")
    assert main(["compare", "--jsonl", str(file)]) == 1
    *answers, error = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(a["id"], a["verdict"]) for a in answers] == [(n, "equal") for n in range(3)]
    assert error["error"]["kind"] == "malformed"
