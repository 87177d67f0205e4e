"""What a change does to access, in real git repositories."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from grantproof.cli import main
from grantproof.gate import report
from grantproof.gate.history import NotCompared
from grantproof.gate.sarif import sarif
from grantproof.gate.wording import headline
from tests.evidence.schemas import errors
from tests.gate.repositories import CONTRACT, READ, ROLE, commit, edit, found, git


def test_unchanged_files_are_one_line(repository: Path) -> None:
    change = found(repository)
    assert change.passes
    assert report.text(change).splitlines() == [f"No change in access: 1 grant compared with {change.base}."]
    assert [grant.what for grant in change.grants] == ["unchanged"]


def test_uncommitted_files_are_named_since_the_working_tree_is_compared(repository: Path) -> None:
    """A commit that widens access, and a correction that is not committed: what was compared cannot be merged."""
    edit(ROLE, READ, f"{READ}*")
    commit(repository)
    assert not found(repository).passes
    edit(ROLE, f"{READ}*", READ)
    Path("grants/reader/notes.txt").write_text("new", encoding="utf-8")
    change = found(repository)
    assert change.passes
    assert change.uncommitted == ("grants/reader/notes.txt", ROLE.as_posix())
    said = "the working tree was compared, in which grants/reader/notes.txt and 1 more are neither committed nor staged"
    assert report.text(change).splitlines()[1:] == [f"  note: {said}"]
    assert said in report.markdown(change).replace("\\.", ".")
    assert report.data(change)["uncommitted"] == list(change.uncommitted)
    git(repository, "add", "--all")
    assert found(repository).uncommitted == ()


def test_a_refactoring_is_one_line(repository: Path) -> None:
    """The role renamed, its statement moved into a policy of its own and written as lists, the folder renamed."""
    edit(ROLE, "Reader", "ParameterReader")
    edit(ROLE, "Action: ssm:GetParameter\n", "Action: [ssm:GetParameter, ssm:getparameter]\n")
    edit(ROLE, "- PolicyName: read\n", "- PolicyName: also\n")
    git(repository, "mv", "grants/reader", "grants/database")
    commit(repository)
    change = found(repository)
    assert headline(change).startswith("No change in access: 1 grant compared")
    assert [grant.what for grant in change.grants] == ["renamed from reader"]
    assert len(report.text(change).splitlines()) == 1


def test_widened_access_beyond_the_contract_fails_with_place_and_witness(repository: Path) -> None:
    edit(ROLE, READ, f"{READ}*")
    change = found(repository)
    assert not change.passes
    (access,) = change.grants[0].gained
    assert access.promise is None
    assert f"ssm:GetParameter on arn:aws:ssm:eu-west-1:111111111111:{READ}*" in access.clause
    assert access.witness["action"] == "ssm:GetParameter"
    assert access.witness["resource"].startswith(f"arn:aws:ssm:eu-west-1:111111111111:{READ}")
    assert access.witness["principal"].startswith("a session of arn:aws:iam::111111111111:role/")
    assert access.because == ("grants/reader/role.yaml:17:17 Statement[0]",)
    (result,) = sarif(change)["runs"][0]["results"]
    location = result["locations"][0]["physicalLocation"]
    assert (result["ruleId"], result["level"]) == ("access-beyond-contract", "error")
    assert location["artifactLocation"]["uri"] == "grants/reader/role.yaml"
    changed = ROLE.read_text(encoding="utf-8").splitlines()[location["region"]["startLine"] - 1]
    assert f"{READ}*" in changed


def test_a_statement_that_cdk_generated_is_named_by_its_construct_path(repository: Path) -> None:
    """CDK's output says it."""
    edit(
        ROLE,
        "    Type: AWS::IAM::Role\n",
        "    Type: AWS::IAM::Role\n    Metadata: {aws:cdk:path: App/Reader/Resource}\n",
    )
    edit(ROLE, READ, f"{READ}*")
    (access,) = found(repository).grants[0].gained
    assert access.because == ("grants/reader/role.yaml:18:17 Statement[0] of Reader, App/Reader/Resource",)


def test_new_access_with_a_widened_contract_passes_and_shows_the_clause(repository: Path) -> None:
    for file in (ROLE, CONTRACT):
        edit(file, READ, f"{READ}*")
    change = found(repository)
    assert change.passes
    (access,) = change.grants[0].gained
    assert access.promise is not None
    assert access.promise.new
    assert "promised since this change by grants/reader/contract.yaml:19:9" in report.text(change)
    assert {r["ruleId"] for r in sarif(change)["runs"][0]["results"]} == {"access-gained"}


def test_access_that_the_contract_covers_only_in_part_fails(repository: Path) -> None:
    """The contract is widened in the same change, but not by as much."""
    edit(ROLE, READ, "parameter/*")
    edit(CONTRACT, READ, f"{READ}*")
    change = found(repository)
    assert not change.passes
    assert change.grants[0].uncovered
    assert not change.grants[0].doubts


def test_narrowed_access_is_lost_and_passes(repository: Path) -> None:
    for file in (ROLE, CONTRACT):
        edit(file, "Action: ssm:GetParameter", "Action: ssm:GetParameters")
    change = found(repository)
    assert [a.witness["action"] for a in change.grants[0].lost] == ["ssm:GetParameter"]
    assert change.grants[0].lost[0].because == ("grants/reader/role.yaml:17:17 Statement[0]",)


def test_trust_policies_are_compared_too(repository: Path) -> None:
    edit(ROLE, "Principal: {AWS: !Ref Trusted}", 'Principal: {AWS: [!Ref Trusted, "222222222222"]}')
    change = found(repository)
    assert not change.passes
    assert {access.subject for access in change.grants[0].gained} == {"reader is entered by"}
    assert any("222222222222" in access.clause for access in change.grants[0].gained)
    assert not change.grants[0].lost


def test_undeclared_entities_are_compared_too(repository: Path) -> None:
    stranger = """  Stranger:
    Type: AWS::IAM::Group
    Properties:
      Policies:
        - PolicyName: all
          PolicyDocument:
            Version: "2012-10-17"
            Statement: [{Effect: Allow, Action: "s3:*", Resource: "*"}]
"""
    edit(ROLE, "Outputs:\n", f"{stranger}Outputs:\n")
    change = found(repository)
    assert not change.passes
    (access,) = change.grants[0].gained
    assert "group/generated-name-of-Stranger may" in access.subject


def test_access_under_an_option_is_compared_too(repository: Path) -> None:
    """A template's parameter that the contract lists as a variant: without it nothing changes."""
    arn = "arn:aws:ssm:eu-west-1:111111111111:parameter"
    edit(ROLE, "Resources:\n", "Conditions:\n  More: !Equals [!Ref Also, other]\nResources:\n")
    edit(ROLE, "Parameters:\n", "Parameters:\n  Also: {Type: String, Default: none, AllowedPattern: none|other}\n")
    edit(ROLE, f"Resource: {arn}/db", f"Resource: !If [More, [{arn}/db, {arn}/other], {arn}/db]")
    option = f"""variants:
  also:
    parameters: {{owner: {{Also: other}}}}
    changes: {{reader: {{allows: {{adds: [{{Action: ssm:GetParameter, Resource: {arn}/other}}]}}}}}}
principals:
"""
    edit(CONTRACT, "principals:\n", option)
    first = found(repository)
    assert first.passes
    assert [access.subject for access in first.grants[0].gained] == ["with also, reader may"]
    commit(repository)
    edit(ROLE, f"{arn}/other", f"{arn}/*")
    change = found(repository, "HEAD")
    assert not change.passes
    assert {(access.subject, access.promise) for access in change.grants[0].gained} == {("with also, reader may", None)}


def test_new_deleted_and_changed_grants_are_distinguished(repository: Path) -> None:
    shutil.copytree(repository / "grants" / "reader", repository / "grants" / "second")
    edit(Path("grants/second/role.yaml"), READ, "parameter/other")
    edit(Path("grants/second/contract.yaml"), READ, "parameter/other")
    for name in ("role.yaml", "contract.yaml"):
        git(repository, "rm", "--quiet", f"grants/reader/{name}")
    # Unlike enough not to be taken for the first one, renamed.
    (repository / "grants/second/contract.yaml").write_text(
        "# "
        + "another grant altogether, " * 80
        + "\n"
        + Path("grants/second/contract.yaml").read_text(encoding="utf-8"),
        encoding="utf-8",
    )
    change = found(repository)
    assert {grant.grant: grant.what for grant in change.grants} == {"second": "new", "reader": "deleted"}
    by_name = {grant.grant: grant for grant in change.grants}
    assert by_name["second"].gained
    assert not by_name["second"].lost
    assert by_name["reader"].lost
    assert not by_name["reader"].gained
    assert change.passes


def test_only_what_the_branch_did_is_shown_when_main_has_moved_on(repository: Path) -> None:
    """Also on the merge commit that CI systems check out."""
    for file in (ROLE, CONTRACT):
        edit(file, READ, f"{READ}*")
    commit(repository)
    git(repository, "switch", "--quiet", "main")
    shutil.copytree(repository / "grants" / "reader", repository / "grants" / "second")
    commit(repository)
    git(repository, "switch", "--quiet", "topic")
    assert [grant.grant for grant in found(repository).grants] == ["reader"]
    git(repository, "merge", "--quiet", "--no-edit", "main")
    merged = found(repository)
    assert {grant.grant: grant.what for grant in merged.grants} == {"reader": "changed", "second": "unchanged"}
    assert len(merged.grants[0].gained) == 1


def test_a_shallow_clone_is_compared_with_the_ref_itself_or_says_what_to_fetch(
    repository: Path, tmp_path: Path
) -> None:
    edit(ROLE, READ, f"{READ}*")
    commit(repository)
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth=1", "--branch=topic", f"file://{repository}", str(shallow))
    with pytest.raises(NotCompared, match=r"there is no commit 'origin/main' here. Fetch it: git fetch origin main"):
        found(shallow, "origin/main")
    git(shallow, "fetch", "--quiet", "--depth=1", "origin", "main:refs/remotes/origin/main")
    change = found(shallow, "origin/main")
    assert "the clone is shallow: compared with origin/main itself" in change.base.note
    assert len(change.grants[0].uncovered) == 1


def test_if_the_base_cannot_be_read_all_access_is_new(repository: Path) -> None:
    git(repository, "switch", "--quiet", "main")
    edit(CONTRACT, "version: 1", "version: 9")
    commit(repository)
    git(repository, "switch", "--quiet", "--create", "repaired")
    edit(CONTRACT, "version: 9", "version: 1")
    change = found(repository)
    assert change.passes
    assert "all of its access counts as new" in change.grants[0].what
    read, entered = change.grants[0].gained
    assert read.clause.startswith("ssm:GetParameter on ")
    assert entered.clause.startswith("sts:AssumeRole by any user and any role session of account 111111111111")


def test_deleting_the_last_grant_with_an_unreadable_base_passes_and_says_that_losses_are_not_shown(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(repository, "switch", "--quiet", "main")
    edit(CONTRACT, "version: 1", "version: 9")
    commit(repository)
    git(repository, "switch", "--quiet", "--create", "removed")
    shutil.rmtree(repository / "grants" / "reader")
    commit(repository)
    assert main(["gate", "grants", "--base", "main"]) == 0
    assert "deleted; its contract could not be read at the base" in (told := capsys.readouterr().out)
    assert "so that what it loses is not shown" in told


def test_a_grant_that_cannot_be_deployed_fails(repository: Path) -> None:
    edit(ROLE, "Type: AWS::SSM::Parameter", "Type: AWS::QLDB::Ledger")
    change = found(repository)
    assert not change.passes
    assert "could not be deployed" in report.text(change)
    assert sarif(change)["runs"][0]["results"][0]["ruleId"] == "access-not-compared"


def test_a_name_that_imitates_a_generated_one_does_not_hide_access(repository: Path) -> None:
    edit(ROLE, READ, "parameter/generated-name-of-Database")
    change = found(repository)
    assert not change.passes
    assert "is how the gate calls generated names; use another name" in report.text(change)


def test_nothing_of_the_repository_is_run(repository: Path, tmp_path: Path) -> None:
    """No external diff, no text conversion, no checkout with its hooks and filters; and `export-ignore` hides nothing
    of the base. (What comes into git is cleaned by filters that the user has configured.)"""
    owned = tmp_path / "owned"
    git(repository, "switch", "--quiet", "main")
    (repository / ".gitattributes").write_text("* export-ignore filter=bad diff=bad\n", encoding="utf-8")
    commit(repository)
    git(repository, "switch", "--quiet", "topic")
    git(repository, "merge", "--quiet", "main")
    for key in ("filter.bad.smudge", "diff.bad.command", "diff.bad.textconv", "diff.external"):
        git(repository, "config", key, f"touch {owned}; cat")
    edit(ROLE, READ, f"{READ}*")
    owned.unlink(missing_ok=True)
    assert len(found(repository).grants[0].uncovered) == 1
    assert not owned.exists()


def test_markdown_in_templates_is_shown_and_not_rendered(repository: Path) -> None:
    edit(ROLE, READ, "parameter/`<img src=x>**b**")
    text = report.markdown(found(repository))
    (line,) = [line for line in text.splitlines() if line.startswith("- ❌")]
    assert line.count("`") == 4
    assert text.startswith(
        "<!-- grantproof -->\n### ❌ grantproof: Access changes: 1 gained (1 beyond the contract), 1 lost;"
    )


@pytest.mark.parametrize(
    ("arguments", "prepare", "said"),
    [
        (
            ["grants", "--base", "nowhere"],
            None,
            "there is no commit 'nowhere' here. Fetch it: git fetch origin nowhere",
        ),
        (["grants", "--base", "mian"], None, "here. Did you mean main? Or fetch it: git fetch origin mian"),
        (["grants", "--base", "up/release"], None, "here. Fetch it: git fetch up release:refs/remotes/up/release"),
        (["grants", "--base", "--help"], None, "expected one argument"),
        (["missing", "--base", "main"], None, "is not a folder"),
        (["grants", "--base", "main"], lambda top: shutil.rmtree(top / ".git"), "is in no git repository"),
        (["grants", "--base", "main"], lambda top: (top / CONTRACT).write_text("{}"), "has no 'version'"),
    ],
)
def test_mistakes_are_one_line(
    repository: Path,
    arguments: list[str],
    prepare: Callable[[Path], object] | None,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if prepare:
        prepare(repository)
    try:
        status = main(["gate", *arguments])
    except SystemExit as stopped:
        status = int(str(stopped.code))
    assert status == 2
    assert said in capsys.readouterr().err


def test_reports_are_written_and_the_same_for_the_same_change(repository: Path) -> None:
    edit(ROLE, READ, f"{READ}*")
    assert main(["gate", "grants", "--base", "main", "--diff-only"]) == 1
    first = {name: Path("reports", name).read_bytes() for name in ("gate.md", "gate.sarif", "gate.json")}
    assert main(["gate", "grants", "--base", "main", "--diff-only"]) == 1
    assert first == {name: Path("reports", name).read_bytes() for name in first}
    assert errors("sarif-2.1.0/sarif-schema-2.1.0.json", first["gate.sarif"].decode()) == []
    data = json.loads(first["gate.json"])
    assert data["passes"] is False
    assert data["grants"][0]["access"][0]["promise"] is None


BUS = """  Policy:
    Type: AWS::Events::EventBusPolicy
    Properties:
      StatementId: partner
      Statement:
        Effect: Allow
        Principal: {AWS: "222222222222"}
        Action: events:PutEvents
        Resource: !Sub arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/default
"""
PROMISED = """resources:
  default:
    arn: arn:${partition}:events:${region}:111111111111:event-bus/default
    policy:
      - Principal: {AWS: "222222222222"}
        Action: events:PutEvents
        Resource: arn:${partition}:events:${region}:111111111111:event-bus/default
"""


@pytest.mark.parametrize(
    "wider", ['"*"', '{AWS: "333333333333"}', "{Service: s3.amazonaws.com}", '{AWS: "111111111111"}']
)
def test_callers_that_a_resource_policy_lets_in_are_covered_only_if_the_contract_names_them(
    repository: Path, wider: str
) -> None:
    """Whoever calls may have every permission of its own: that is no promise about the resource."""
    edit(ROLE, "Outputs:\n", f"{BUS}Outputs:\n")
    CONTRACT.write_text(CONTRACT.read_text(encoding="utf-8") + PROMISED, encoding="utf-8")
    commit(repository)
    edit(ROLE, 'Principal: {AWS: "222222222222"}', f"Principal: {wider}")
    change = found(repository, "HEAD")
    own = wider == '{AWS: "111111111111"}'  # its account lets its own in anyway
    assert change.passes is own
    gained = change.grants[0].gained
    assert all(access.promise is None for access in gained)
    edit(CONTRACT, 'Principal: {AWS: "222222222222"}', f"Principal: {wider}")
    change = found(repository, "HEAD")
    assert change.passes, report.text(change)
    assert bool(gained) is not own
    assert len(change.grants[0].gained) >= len(gained)
    assert all(access.promise is not None and access.promise.new for access in change.grants[0].gained)
