"""Whole runs: no report that reads as passed of a run that broke. That reports are the same however tests are shared
out and ordered is in test_plugin."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn
from xml.etree import ElementTree

import pytest

from grantproof import cli, running
from grantproof.contract import load
from grantproof.evidence import attestation, claims_csv, findings_json, junit, page, provenance, report_folder, sarif
from grantproof.evidence.mutation import NAME as MUTANTS
from grantproof.mutants.catalogue import chosen
from grantproof.mutants.mutant import mutants
from grantproof.mutants.score import KILLED, Result, Score, document
from grantproof.verbs import suites as suites_of_package
from tests.aws.exporting import exported, written

ROOT = Path(__file__).parent.parent.parent
GOOD = ROOT / "fixtures" / "broken" / "good"
NOVEMBER, NEXT_YEAR = "1795600000", "1830000000"

Verify = Callable[..., dict[str, Any]]


@pytest.fixture
def verify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verify:
    """Runs `grantproof verify grants` in this process and reads what it found. `plugin` is code of a pytest plugin."""
    shutil.copytree(GOOD, tmp_path / "grants" / "good")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    def run(*arguments: str, epoch: str = NOVEMBER, status: int = 0, plugin: str = "") -> dict[str, Any]:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
        if plugin:
            name = f"plugin_{tmp_path.name}"
            (tmp_path / f"{name}.py").write_text(plugin, encoding="utf-8")
            monkeypatch.setattr(running, "_PLUGINS", ("xdist", "grantproof", name))
        assert cli.main(["verify", "grants", "-n", "0", *arguments]) == status
        printed = capsys.readouterr()
        assert "Traceback" not in printed.out + printed.err
        file = tmp_path / "reports" / findings_json.NAME
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        return {**found, "printed": printed.out}

    return run


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


WAIVER = """version: 1
waivers:
  - owner: security@example.com
    reason: The partner's batch job takes two hours.
    expires: 2027-01-31
    accepts:
      - claim: trust/test_sessions_last_as_long_as_the_contract_says[reader]
        finding: MaxSessionDuration is 7200
        fingerprint: "0000000000000000"
"""


@pytest.fixture
def longer(verify: Verify, tmp_path: Path) -> Path:
    """A grant whose sessions last longer than its contract says, and a waiver that accepts it."""
    folder = tmp_path / "grants" / "good"
    role = folder / "role.yaml"
    text = role.read_text(encoding="utf-8")
    assert "    Properties:\n" in text
    role.write_text(text.replace("    Properties:\n", "    Properties:\n      MaxSessionDuration: 7200\n", 1), "utf-8")
    (folder / "waivers.yaml").write_text(WAIVER, encoding="utf-8")
    alike = verify("-k", "sessions_last", status=1)
    assert "reads like what grants/good/waivers.yaml" in alike["printed"]
    (print_,) = [finding["fingerprint"] for claim in alike["claims"] for finding in claim["findings"]]
    (folder / "waivers.yaml").write_text(WAIVER.replace("0" * 16, print_), encoding="utf-8")
    return folder


def seeded(folder: Path) -> dict[str, Any]:
    """What `grantproof mutants` writes, of a single fault."""
    contract = load(folder)
    mutant = next(iter(mutants(contract, chosen(["inline-policy-more"]))))
    score = Score.of_grant(contract, (Result(mutant, KILLED, tests=("proof",)),))
    return document([score], provenance.judges(suites_of_package.folder()))


def test_an_accepted_deviation_is_neither_passed_nor_failed_until_it_expires(
    verify: Verify, longer: Path, tmp_path: Path
) -> None:
    reports = tmp_path / "reports"
    (reports / MUTANTS).write_text(json.dumps(seeded(longer)), encoding="utf-8")
    found = verify()
    assert found["verdict"] == "verified with accepted deviations"
    assert (found["totals"]["exception"], found["totals"]["fail"]) == (1, 0)
    assert "VERIFIED, WITH ACCEPTED DEVIATIONS  good" in found["printed"]
    statement = json.loads((reports / attestation.NAME).read_text(encoding="utf-8"))
    assert statement["predicate"]["result"] == "WARNED"
    cases = list(ElementTree.parse(reports / junit.NAME).iter("testcase"))  # noqa: S314 - our own file
    assert [case.find("skipped") is not None for case in cases].count(True) == 1
    assert not any(case.get("classname") == "run" for case in cases)
    assert (found["mutants"]["state"], found["mutants"]["caught"]) == ("run", 1)
    assert f"  {MUTANTS}\n" in (reports / "SHA256SUMS").read_text(encoding="utf-8")
    with (longer / "role.yaml").open("a", encoding="utf-8") as file:
        file.write("# another state\n")
    late = verify("-k", "sessions_last", epoch=NEXT_YEAR, status=1)
    assert late["totals"]["fail"] == 1
    assert "was accepted by security@example.com until 2027-01-31, which is over" in late["printed"]
    assert "is of an earlier state: grants/good/role.yaml is another file now" in late["mutants"]["why"]


ALLOW = '{Version: "2012-10-17", Statement: [{Effect: Allow, Principal: PRINCIPAL, Action: "sqs:SendMessage"}]}'
UNSPOKEN = {
    "a custom resource": (
        "  X: {Type: 'Custom::X', Properties: {ServiceToken: !GetAtt Reader.Arn, Who: me}}\n",
        ("Who: me", "Who: everybody"),
    ),
    "a policy on a resource": (
        "  Q: {Type: AWS::SQS::Queue, Properties: {QueueName: q}}\n"
        "  X: {Type: AWS::SQS::QueuePolicy, Properties: {Queues: [!Ref Q], PolicyDocument: "
        + ALLOW.replace("PRINCIPAL", "{Service: s3.amazonaws.com}")
        + "}}\n",
        ("{Service: s3.amazonaws.com}", '"*"'),
    ),
    "a role": (
        "  X: {Type: AWS::IAM::Role, Properties: {RoleName: x, AssumeRolePolicyDocument: "
        + ALLOW.replace("PRINCIPAL", "{Service: ec2.amazonaws.com}").replace("sqs:SendMessage", "sts:AssumeRole")
        + "}}\n",
        ("{Service: ec2.amazonaws.com}", '{AWS: "222222222222"}'),
    ),
    "an identity provider": (
        "  X: {Type: AWS::IAM::OIDCProvider, Properties: {Url: 'https://example.com', ClientIdList: [a]}}\n",
        ("ClientIdList: [a]", "ClientIdList: [a, b]"),
    ),
}


@pytest.mark.parametrize("what", UNSPOKEN)
def test_accepting_a_resource_accepts_its_present_content_only(what: str, verify: Verify, tmp_path: Path) -> None:
    """The text of the finding names the resource only, so it stays the same when the principals change."""
    resources, (old, new) = UNSPOKEN[what]
    template = tmp_path / "grants" / "good" / "role.yaml"
    plain = template.read_text(encoding="utf-8")

    def accepted(added: str) -> list[tuple[str, str]]:
        template.write_text(plain.replace("Outputs:\n", f"{added}Outputs:\n"), encoding="utf-8")
        claims = verify("-k", "came_along or could_be_deployed", status=1)["claims"]
        return [(found["detail"], found["fingerprint"]) for claim in claims for found in claim["findings"]]

    before, after = accepted(resources), accepted(resources.replace(old, new))
    assert before == accepted(
        f"  Beside: {{Type: AWS::SSM::Parameter, Properties: {{Type: String, Value: x}}}}\n{resources}"
    )
    assert [detail for detail, _ in before] == [detail for detail, _ in after]
    assert not set(before) & set(after)
    assert before


def reads_as_passed(reports: Path) -> list[str]:
    """The reports of which a reader who looks at nothing else would think that the run passed."""
    found = {name: (reports / name).read_text(encoding="utf-8") for name in report_folder.NAMES}
    cases = list(ElementTree.fromstring(found[junit.NAME]).iter("testcase"))  # noqa: S314 - our own file
    said = {
        page.NAME: '<p class="verdict" data-verdict="not verified">' in found[page.NAME],
        findings_json.NAME: json.loads(found[findings_json.NAME])["verdict"] == "not verified",
        attestation.NAME: json.loads(found[attestation.NAME])["predicate"]["result"] == "FAILED",
        sarif.NAME: json.loads(found[sarif.NAME])["runs"][0]["results"] != [],
        claims_csv.NAME: f",{claims_csv.RUN}," in found[claims_csv.NAME],
        junit.NAME: any(case.find("error") is not None for case in cases),
        "oscal/assessment-results.json": '"not verified"' in found["oscal/assessment-results.json"],
    }
    return [name for name, failing in said.items() if not failing]


def test_no_report_of_a_partial_run_reads_as_passed(verify: Verify, tmp_path: Path) -> None:
    found = verify("-k", "lint", status=1)
    assert found["totals"]["pass"] == 1
    assert found["totals"]["not_run"] == found["totals"]["population"] - 1
    assert {c["reason"] for c in found["claims"] if c["status"] == "not run"} == {"deselected"}
    assert found["run"]["command"] == "grantproof verify grants -k lint"
    assert reads_as_passed(tmp_path / "reports") == []


INTERRUPTS = """
def pytest_runtest_setup(item):
    if "nothing_else_came_along" in item.nodeid:
        raise KeyboardInterrupt
"""
DIES = """
import os
def pytest_runtest_setup(item):
    if "nothing_else_came_along" in item.nodeid and os.environ["CONTROLLER"] != str(os.getpid()):
        os._exit(1)
"""
CHANGES = """
def pytest_runtest_setup(item):
    with open("grants/good/role.yaml", "a") as file:
        file.write("# changed while it was verified\\n")
"""
LOSES = """
import pytest
@pytest.hookimpl(tryfirst=True, hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    report.__dict__.pop("grantproof", None)
"""
BREAKS = {
    "interrupted": (INTERRUPTS, "the run was interrupted"),
    "an input that changes": (CHANGES, "grants/good/role.yaml was changed during the run"),
    "a lost finding": (LOSES, ""),
}


@pytest.mark.parametrize("how", BREAKS)
def test_no_report_of_a_run_that_broke_reads_as_passed(how: str, verify: Verify, tmp_path: Path) -> None:
    code, problem = BREAKS[how]
    found = verify("-k", "lint or nothing_else_came_along", status=1, plugin=code)
    assert problem in (*found["problems"], "")
    (claim,) = [c for c in found["claims"] if "nothing_else_came_along" in c["id"]]
    assert (claim["status"] == "pass") == (how == "an input that changes")
    assert "NOT VERIFIED  good" in found["printed"]
    assert reads_as_passed(tmp_path / "reports") == []


def test_an_export_that_changes_during_the_run_is_noticed_as_well(verify: Verify, tmp_path: Path) -> None:
    snapshots = written(exported(load(GOOD)), tmp_path / "exports")
    changes = CHANGES.replace("grants/good/role.yaml", "exports/owner/another.json")
    found = verify("-k", "sessions_last", *snapshots, status=1, plugin=changes)
    assert "exports/owner/another.json was changed during the run" in found["problems"]


def test_no_report_of_a_run_whose_worker_died_reads_as_passed(
    verify: Verify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTROLLER", str(os.getpid()))
    found = verify("-n", "2", "-k", "lint or nothing_else_came_along", status=1, plugin=DIES)
    assert "a process that ran tests died" in found["problems"]
    (claim,) = [c for c in found["claims"] if "nothing_else_came_along" in c["id"]]
    assert claim["status"] == "error"
    assert reads_as_passed(tmp_path / "reports") == []


def test_no_report_of_a_run_with_an_unreadable_suite_reads_as_passed(
    verify: Verify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "suites"
    broken.mkdir()
    shutil.copy(suites_of_package.folder() / "suites.ini", broken)
    shutil.copy(suites_of_package.folder() / "test_lint.py", broken / "test_linting.py")
    (broken / "test_proof_broken.py").write_text("def test_(:\n", encoding="utf-8")
    monkeypatch.setattr(suites_of_package, "folder", lambda: broken)
    found = verify(status=1)
    assert "test_proof_broken.py could not be collected" in found["problems"]
    assert "the run was interrupted" in found["problems"]
    assert reads_as_passed(tmp_path / "reports") == []


def test_reports_of_an_earlier_run_are_gone_when_nothing_could_be_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also files that a killed run left incomplete."""
    monkeypatch.chdir(tmp_path)
    report_folder.put(dict.fromkeys(report_folder.NAMES, b"an earlier run's"), tmp_path / "reports")
    (tmp_path / "reports" / f"{report_folder.PARTIAL}killed").mkdir()
    assert cli.main(["verify", "nowhere"]) == 2
    assert [str(path) for path in (tmp_path / "reports").rglob("*") if path.name != "oscal"] == []
    assert "is not a folder" in capsys.readouterr().err


def test_two_runs_do_not_write_into_one_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    report_folder.put({page.NAME: b"of the other run"}, tmp_path / "reports")
    other = os.open(tmp_path / "reports", os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    assert cli.main(["verify", str(GOOD)]) == 2
    os.close(other)
    told = (
        "reports: reports cannot be written there: another run is at it; wait, or name another folder with --report-dir"
    )
    assert capsys.readouterr().err == f"{told}.\n"
    assert files(tmp_path / "reports") == {page.NAME: b"of the other run"}


def test_a_full_disk_leaves_no_report_and_is_not_verified(
    verify: Verify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name == attestation.NAME:
            raise OSError(errno.ENOSPC, "No space left on device")
        return writes(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    printed = verify("-k", "lint", status=1)["printed"]
    assert re.search(r"; no report was written to \S+: No space left on device\n", printed)
    assert files(tmp_path / "reports") == {}


def test_a_report_that_cannot_be_rendered_is_not_written(
    verify: Verify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> NoReturn:
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(page, "render", broken)
    verify("-k", "lint", status=1)
    assert files(tmp_path / "reports") == {}


def test_reports_of_uncommitted_templates_do_not_name_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GIT_DIR, as set in a git hook, does not name the commit either."""
    shutil.copytree(GOOD, tmp_path / "good")
    git = ("git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.com")

    def about() -> provenance.Provenance:
        return provenance.gather([load(tmp_path / "good")], (), "")

    assert (about().commit, about().changed) == ("", False)
    for command in (["init", "-q"], ["add", "good/contract.yaml"], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *command], check=True)  # noqa: S603 - our own command
    assert about().changed  # role.yaml is in no commit
    for command in (["add", "good"], ["commit", "-q", "-m", "y"]):
        subprocess.run([*git, *command], check=True)  # noqa: S603 - our own command
    monkeypatch.setenv("GIT_DIR", str(ROOT / "nowhere"))
    assert (len(about().commit), about().changed) == (40, False)
    role, as_committed = tmp_path / "good" / "role.yaml", (tmp_path / "good" / "role.yaml").read_bytes()
    role.write_bytes(as_committed.replace(b"\n", b"\r\n"))
    monkeypatch.delenv("GIT_DIR")
    subprocess.run([*git, "update-index", "--assume-unchanged", "good/role.yaml"], check=True)  # noqa: S603 - our own command
    assert not about().changed, "other ends of lines are what git checks out"
    role.write_bytes(as_committed + b"# wider\n")
    assert about().changed, "git does not show what it is told to assume unchanged"
    monkeypatch.setenv("PATH", "")
    assert about().commit == ""


def test_files_that_templates_include_are_listed_as_inputs(tmp_path: Path) -> None:
    """An included file may contain a statement; once, reports did not change when it did."""
    shutil.copytree(GOOD, tmp_path / "good")
    (tmp_path / "good" / "snippet.bin").write_bytes(b"\xff{}")
    contract = tmp_path / "good" / "contract.yaml"
    uploads = "uploads: {s: {account: owner, bucket: snippets, files: [snippet.bin]}}\nstacks:\n"
    contract.write_text(contract.read_text(encoding="utf-8").replace("stacks:\n", uploads), encoding="utf-8")
    about = provenance.gather([load(tmp_path / "good")], (), "")
    assert sorted(Path(name).name for name in about.inputs) == ["contract.yaml", "role.yaml", "snippet.bin"]


def test_reports_name_the_pipeline_and_link_no_script_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    def named(**variables: str) -> tuple[str, str]:
        for name in ("GITHUB_ACTIONS", "GITLAB_CI", "GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        about = provenance.gather([load(GOOD)], (), "")
        return about.ran_by, about.run_url

    assert named(BUILD_URL="javascript:alert(1)")[1] == ""
    github = {"GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "octocat"}
    assert named(**github) == ("octocat (GitHub Actions)", "")
    where = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "o/r", "GITHUB_RUN_ID": "7"}
    assert named(**github, **where)[1] == "https://github.com/o/r/actions/runs/7"


MISTAKES = {
    "SOURCE_DATE_EPOCH is 'today'; it is a number of seconds": {"SOURCE_DATE_EPOCH": "today"},
    "SOURCE_DATE_EPOCH is '1e9'; it is a number of seconds": {"SOURCE_DATE_EPOCH": "1e9"},
    "waivers.yaml:1:1: version 2 is not known": {"waivers": "version: 2\nwaivers: []\n"},
    "reports cannot be written there: it is a file; name another folder with --report-dir.": {"reports": "a file"},
    "reports cannot be written there: Permission denied; name another folder": {"reports": "not ours"},
}


@pytest.mark.parametrize("said", MISTAKES)
def test_mistakes_are_one_line(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mistake = MISTAKES[said]
    shutil.copytree(GOOD, tmp_path / "grants" / "good")
    monkeypatch.chdir(tmp_path)
    if "SOURCE_DATE_EPOCH" in mistake:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", mistake["SOURCE_DATE_EPOCH"])
    if "waivers" in mistake:
        (tmp_path / "grants" / "good" / "waivers.yaml").write_text(mistake["waivers"], encoding="utf-8")
    if mistake.get("reports") == "not ours":
        (tmp_path / "reports").mkdir()
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "reports")
    elif "reports" in mistake:
        (tmp_path / "reports").write_text(mistake["reports"], encoding="utf-8")
    assert cli.main(["verify", "grants"]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1
