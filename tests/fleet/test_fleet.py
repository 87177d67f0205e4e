"""Many deployments: the results are those of pytest, none is lost, and none is verified twice."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest

from grantproof.cli import main
from grantproof.contract import find
from grantproof.fleet.judge import Judgement
from grantproof.fleet.plan import FleetError, deployments, shard
from grantproof.fleet.run import Fleet, Journal, Stopped, Totals, run
from grantproof.verbs import suites
from tests import organisation
from tests.commands import grantproof

GRANT = organisation.GRANT
ACCOUNTS, ROLES = 10, 4


class Inline(Executor):
    """Does each task when it is submitted; `dies_after` so many, it loses its workers."""

    def __init__(self, dies_after: int = 1_000) -> None:
        self.left, self.lines = dies_after, []  # type: ignore[var-annotated]

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.left -= 1
        if self.left < 0:
            future.set_exception(RuntimeError("the worker was killed"))
        else:
            self.lines += [deployment.line for deployment in args[2]]
            future.set_result(fn(*args, **kwargs))
        return future


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return organisation.write(tmp_path_factory.mktemp("organisation"), ACCOUNTS, ROLES)


@pytest.fixture
def file(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made.parent, tmp_path / "copy")
    return tmp_path / "copy" / made.name


def judged(
    file: Path, executor: Executor, part: str = "1/1", folder: Path | None = None
) -> tuple[Totals, list[Judgement]]:
    contracts = {contract.grant: contract for contract in find(GRANT)}
    fleet = Fleet(GRANT, file, suites.folder(), contracts, shard(part))
    found: list[Judgement] = []
    journal = Journal((folder or file.parent) / f"journal-{part.replace('/', '-')}.jsonl")
    return run(fleet, executor, 1, journal, found.append), found


def snapshot(file: Path, number: int) -> Path:
    return sorted(file.parent.glob("1*.json"))[number]


def spoil(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_whole_organisation_is_verified(file: Path) -> None:
    totals, broken = judged(file, Inline())
    assert broken == []
    assert (totals.planned, totals.done, totals.verified) == (ACCOUNTS, ACCOUNTS, ACCOUNTS)
    assert totals.roles == ACCOUNTS * ROLES
    assert totals.all_verified


def test_one_deployment_that_drifted_and_one_that_is_cut_off_are_named_and_the_others_verified(file: Path) -> None:
    spoil(snapshot(file, 3), "parameter/db", "parameter/*")
    spoil(snapshot(file, 5), '"RoleDetailList": [', '"IsTruncated": true, "RoleDetailList": [')
    totals, broken = judged(file, Inline())
    assert (totals.planned, totals.done, totals.verified) == (ACCOUNTS, ACCOUNTS, ACCOUNTS - 2)
    assert not totals.all_verified
    assert [found.name for found in broken] == [f"good owner={snapshot(file, n).stem}" for n in (3, 5)]
    assert "wider than the contract: ssm:GetParameter on" in broken[0].findings[0]
    assert "refused: " in broken[1].findings[0]
    assert "says IsTruncated" in broken[1].findings[0]


def test_the_same_tests_run_as_under_pytest(file: Path, tmp_path: Path) -> None:
    """A deployment of a fleet is verified by the same tests as a single grant."""
    own = tmp_path / "own"
    organisation.write(own, 1, 2)
    (export,) = own.glob("1*.json")
    account = export.stem
    export.write_text(export.read_text(encoding="utf-8").replace(account, "111111111111"), encoding="utf-8")
    line = {"grant": "good", "snapshots": {"owner": export.name}}
    (own / "fleet.jsonl").write_text(json.dumps(line), encoding="utf-8")
    totals, broken = judged(own / "fleet.jsonl", Inline())
    assert totals.all_verified, broken
    kept = json.loads((own / "journal-1-1.jsonl").read_text(encoding="utf-8"))
    done = grantproof("verify", str(GRANT), f"--snapshot=owner={export}", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert kept["judgement"]["tests"] == int(passed[1])


def test_what_was_verified_is_kept_and_what_changed_is_judged_again(file: Path) -> None:
    judged(file, Inline())
    again = Inline()
    totals, _ = judged(file, again)
    assert again.lines == []
    assert (totals.kept, totals.verified) == (ACCOUNTS, ACCOUNTS)
    spoil(snapshot(file, 2), "parameter/db", "parameter/*")
    after = Inline()
    totals, broken = judged(file, after)
    assert after.lines == [3]
    assert (totals.kept, len(broken)) == (ACCOUNTS - 1, 1)
    assert not judged(file, Inline())[0].all_verified, "what was not verified is not kept"


def test_a_run_that_lost_its_workers_goes_on_where_it_stopped(file: Path) -> None:
    with pytest.raises(Stopped, match=r"a worker was lost \(RuntimeError: the worker was killed\)"):
        judged(file, Inline(dies_after=1))
    journal = file.parent / "journal-1-1.jsonl"
    first = journal.read_text(encoding="utf-8")
    assert 0 < first.count("\n") < ACCOUNTS
    journal.write_text(first + first.splitlines()[0][:40], encoding="utf-8")  # cut off in the middle of a line
    rest = Inline()
    totals, _ = judged(file, rest)
    assert totals.all_verified
    assert len(rest.lines) == ACCOUNTS - first.count("\n")


def test_shards_add_up_to_the_whole(file: Path) -> None:
    whole = Inline()
    judged(file, whole)
    parts = [Inline() for _ in range(3)]
    totals = [judged(file, part, f"{n}/3")[0] for n, part in enumerate(parts, 1)]
    assert sorted(line for part in parts for line in part.lines) == sorted(whole.lines)
    assert sum(t.verified for t in totals) == ACCOUNTS
    assert all(t.all_verified for t in totals)


def test_an_empty_shard_is_verified_with_nothing_planned(file: Path) -> None:
    totals, _ = judged(file, Inline(), "11/12")
    assert (totals.planned, totals.all_verified) == (0, True)


@pytest.mark.parametrize("text", ["0/5", "6/5", "1/0", "a/b", "1", "", "1/5/5", "-1/5"])
def test_a_shard_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="--shard takes NUMBER/OF"):
        shard(text)


GOOD_LINE: dict[str, Any] = {"grant": "good", "accounts": {"owner": "100000000000"}, "snapshots": {"owner": "s.json"}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no deployment"),
        ("{", ":1:1: is not a JSON object on one line"),
        ("[]", "has something other than an object"),
        (json.dumps({**GOOD_LINE, "account": {}}), "has the key 'account'"),
        (json.dumps({**GOOD_LINE, "grant": "god"}), "no grant is called 'god'. Known: good."),
        (json.dumps({**GOOD_LINE, "accounts": {"owner": "1"}}), "is '1', which is not 12 digits"),
        (
            json.dumps({**GOOD_LINE, "accounts": {"ownr": "100000000000"}}),
            "accounts has 'ownr'; the contract has owner",
        ),
        (json.dumps({**GOOD_LINE, "snapshots": {}}), "has no snapshot of account 'owner'"),
        (json.dumps({**GOOD_LINE, "snapshots": {"owner": "gone.json"}}), "there is no snapshot "),
        (json.dumps({**GOOD_LINE, "snapshots": []}), "snapshots is an object of text"),
        (json.dumps({**GOOD_LINE, "stacks": {"x": "y"}}), "stacks has 'x'"),
        (f"{json.dumps(GOOD_LINE)}\n\n{json.dumps(GOOD_LINE)}", ":3:1: is the same as line 1"),
    ],
)
def test_a_wrong_line_is_reported_before_anything_is_verified(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text("{}", encoding="utf-8")
    (tmp_path / "fleet.jsonl").write_text(text, encoding="utf-8")
    contracts = {contract.grant: contract for contract in find(GRANT)}
    with pytest.raises(FleetError) as refused:
        list(deployments(tmp_path / "fleet.jsonl", contracts))
    assert said in str(refused.value)


def test_processes_share_the_work_and_the_verdict_is_one(file: Path) -> None:
    spoil(snapshot(file, 0), "parameter/db", "parameter/*")
    done = grantproof("verify", str(GRANT), "--fleet", str(file), "-n", "2", cwd=file.parent)
    assert done.returncode == 1, done.stderr
    assert done.stdout.count("NOT VERIFIED  good owner=100000000000  (line 1)") == 1
    assert f"NOT VERIFIED  {ACCOUNTS - 1} of {ACCOUNTS} deployments" in done.stdout
    assert (file.parent / "reports/fleet-1-of-1.jsonl").read_text(encoding="utf-8").count("\n") == ACCOUNTS


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fleet", "nowhere.jsonl"], "cannot be read"),
        (["--fleet", "fleet.jsonl", "--shard", "3/2"], "--shard takes NUMBER/OF"),
        (["--fleet", "fleet.jsonl", "--workers", "many"], "--workers takes a number of processes, not 'many'"),
        (["--fleet", "fleet.jsonl", "-k", "trust"], "runs every test: leave out"),
        (["--shard", "1/2"], "--shard and --scheduler go with --fleet FILE"),
    ],
)
def test_mistakes_are_one_line(
    file: Path, arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(file.parent)
    assert main(["verify", str(GRANT), *arguments]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.count("\n") == 1
