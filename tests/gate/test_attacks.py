"""Attempts to get access merged unnoticed: each fails, or is reported prominently."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from grantproof.cli import main
from grantproof.gate import report
from grantproof.gate.history import NotCompared
from grantproof.gate.sarif import sarif
from grantproof.gate.wording import headline
from grantproof.source import SourceError
from tests.gate.repositories import CONTRACT, GOOD, READ, ROLE, commit, edit, found, git

WIDER = f"{READ}*"


def elsewhere(top: Path) -> Path:
    """The grant outside the folder that is looked at, wider."""
    shutil.move(top / "grants" / "reader", top / "elsewhere")
    edit(top / "elsewhere" / "role.yaml", READ, WIDER)
    return top / "elsewhere"


def linked(top: Path) -> None:
    (top / "grants" / "reader").symlink_to(elsewhere(top))


def submodule(top: Path) -> None:
    shutil.rmtree(top / "grants" / "reader")
    git(top, "rm", "--quiet", "-r", "--cached", "grants/reader")
    head = git(top, "rev-parse", "HEAD").strip()
    git(top, "update-index", "--add", "--cacheinfo", f"160000,{head},grants/reader")


def left_out_of_the_checkout(top: Path) -> None:
    shutil.rmtree(top / "grants" / "reader")


def staged_and_put_back(top: Path) -> None:
    text = ROLE.read_text(encoding="utf-8")
    edit(ROLE, READ, WIDER)
    git(top, "add", "--all")
    ROLE.write_text(text, encoding="utf-8")


def assumed_unchanged(top: Path) -> None:
    git(top, "update-index", "--assume-unchanged", str(ROLE))
    edit(ROLE, READ, WIDER)


def told_to_be_unchanged(top: Path, flag: str = "--assume-unchanged") -> None:
    text = ROLE.read_text(encoding="utf-8")
    edit(ROLE, READ, WIDER)
    commit(top)
    ROLE.write_text(text, encoding="utf-8")
    git(top, "update-index", flag, str(ROLE))


def skipped_in_the_working_tree(top: Path) -> None:
    told_to_be_unchanged(top, "--skip-worktree")


def huge(top: Path) -> None:
    with (top / "grants" / "reader" / "notes.bin").open("wb") as file:
        file.truncate(20_000_001)


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        (linked, "reader is a link, which is not looked into"),
        (submodule, "grants/reader is a submodule, which is not looked into"),
        (left_out_of_the_checkout, "is in git and not in the working tree: check it out, or `git rm` it"),
        (staged_and_put_back, "role.yaml is staged with other content than the working tree has"),
        (assumed_unchanged, "git is told to take grants/reader/role.yaml for unchanged"),
        (told_to_be_unchanged, "git is told to take grants/reader/role.yaml for unchanged"),
        (skipped_in_the_working_tree, "git is told to take grants/reader/role.yaml for unchanged"),
        (huge, "notes.bin is larger than 20 MB"),
    ],
)
def test_a_grant_hidden_from_the_gate_is_not_taken_for_deleted(
    repository: Path, attack: Callable[[Path], None], said: str
) -> None:
    attack(repository)
    with pytest.raises((NotCompared, SourceError)) as refused:
        found(repository)
    assert said in str(refused.value)


def test_a_linked_folder_is_no_grant_for_verify_either(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(GOOD, repository / "grants" / "other")
    linked(repository)
    assert main(["verify", "grants"]) == 2
    assert "is a link to a folder, which is not looked into" in capsys.readouterr().err


def test_a_grant_moved_out_of_the_folder_is_not_taken_for_deleted(repository: Path) -> None:
    elsewhere(repository)
    git(repository, "add", "--all")
    change = found(repository)
    assert not change.passes
    assert "it was not deleted: elsewhere/" in report.text(change)


def test_deleting_the_last_grant_loses_all_its_access(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    git(repository, "rm", "--quiet", "-r", "grants")
    assert main(["gate", "grants", "--base", "main"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Access changes: 0 gained, 2 lost;")
    assert "  - reader is entered by: sts:AssumeRole by any user and any role session of account 111111111111" in said
    assert "reader  (deleted)" in said
    assert main(["gate", "grant", "--base", "main"]) == 2, "and a folder that never was is a mistake"


def test_removing_only_the_contract_is_not_a_deletion(repository: Path) -> None:
    git(repository, "rm", "--quiet", str(CONTRACT))
    with pytest.raises(SourceError, match=r"is a template without a contract|holds no grant"):
        found(repository)


def test_a_contract_widened_in_the_same_change_is_in_the_headline(repository: Path) -> None:
    for file in (ROLE, CONTRACT):
        edit(file, READ, WIDER)
    change = found(repository)
    assert headline(change).startswith("Access changes: 1 gained (1 BY WIDENING THE CONTRACT), ")
    assert "THE CONTRACT WAS WIDENED for it" in report.markdown(change)


def test_a_folder_that_is_renamed_and_widened_at_once_is_compared_with_what_it_was(repository: Path) -> None:
    git(repository, "mv", "grants/reader", "grants/innocent")
    edit(Path("grants/innocent/role.yaml"), READ, WIDER)
    commit(repository)
    change = found(repository)
    assert not change.passes
    assert [(grant.what, len(grant.uncovered)) for grant in change.grants] == [("renamed from reader", 1)]


WAIVERS = """\
version: 1
waivers:
  - owner: nobody
    reason: because
    expires: 2027-01-01
    accepts:
      - {claim: "lint/test_cfn_lint_has_nothing_to_say[role.yaml]", finding: "E1234 no", fingerprint: 0123456789abcdef}
"""


def test_a_waiver_added_in_the_same_change_is_reported(repository: Path) -> None:
    Path("grants/reader/waivers.yaml").write_text(WAIVERS, encoding="utf-8")
    change = found(repository)
    said = report.text(change)
    assert said.startswith("Access changes: 0 gained, 0 lost, 1 more to look at;")
    assert "  ! newly accepted by nobody until 2027-01-01, at grants/reader/waivers.yaml:7:9: lint/" in said
    assert [r["level"] for r in sarif(change)["runs"][0]["results"]] == ["warning"]
    commit(repository)
    edit(Path("grants/reader/waivers.yaml"), "2027-01-01", "2037-01-01")
    assert "until 2037-01-01" in report.text(found(repository, "HEAD"))


def test_a_denial_removed_from_the_contract_is_reported(repository: Path) -> None:
    edit(CONTRACT, "    allows:", "    denies: [{Action: 'ec2:*'}]\n    allows:")
    commit(repository)
    edit(CONTRACT, "    denies: [{Action: 'ec2:*'}]\n", "")
    assert '! the contract no longer names as denied to reader: "ec2:*"' in report.text(found(repository, "HEAD"))


def test_options_cannot_be_removed_from_the_contract(repository: Path) -> None:
    text = CONTRACT.read_text(encoding="utf-8")
    git(repository, "switch", "--quiet", "main")
    CONTRACT.write_text(text + "variants: {}\n", encoding="utf-8")
    commit(repository)
    git(repository, "switch", "--quiet", "--create", "later")
    CONTRACT.write_text(text, encoding="utf-8")
    change = found(repository)
    assert not change.passes
    assert "the contract no longer accounts for options" in report.text(change)


def test_longer_sessions_are_access_and_have_to_be_promised(repository: Path) -> None:
    edit(ROLE, "      AssumeRolePolicyDocument:", "      MaxSessionDuration: 43200\n      AssumeRolePolicyDocument:")
    change = found(repository)
    assert not change.passes
    (access,) = change.grants[0].gained
    assert (access.subject, access.clause) == ("reader is entered", "for 43200 seconds at most instead of 3600")
    edit(CONTRACT, "    trust:", "    max_session: 43200\n    trust:")
    change = found(repository)
    assert change.passes
    assert [len(grant.widened_with) for grant in change.grants] == [1]


def test_a_changed_audience_of_an_identity_provider_is_reported(repository: Path) -> None:
    provider = """  Provider:
    Type: AWS::IAM::OIDCProvider
    Properties: {Url: "https://ci.example.com", ClientIdList: [ours]}
"""
    edit(ROLE, "Outputs:\n", f"{provider}Outputs:\n")
    commit(repository)
    edit(ROLE, "[ours]", "[ours, theirs]")
    change = found(repository, "HEAD")
    assert not change.passes, "no comparison of policies shows it"
    assert (
        'Provider (AWS::IAM::OIDCProvider): ClientIdList is ["ours", "theirs"] instead of' in change.grants[0].doubts[0]
    )
    commit(repository)
    edit(ROLE, "  Provider:", "  Renamed:")
    assert not found(repository, "HEAD").passes, "who knows whom the one that is gone vouched for"
    edit(ROLE, "  Renamed:", "  Provider:")
    edit(ROLE, "[ours, theirs]", "[theirs]")
    change = found(repository, "HEAD")
    assert change.passes
    assert '! Provider (AWS::IAM::OIDCProvider): ClientIdList is ["theirs"] instead of' in report.text(change)


BLOCK = "PublicAccessBlockConfiguration: {BlockPublicPolicy: true, IgnorePublicAcls: true"


@pytest.mark.parametrize(
    ("old", "new", "passes"),
    [
        ("IgnorePublicAcls: true", "IgnorePublicAcls: false", False),
        (f"{BLOCK}}}", "Tags: []", False),
        ("IgnorePublicAcls: true", "IgnorePublicAcls: true, BlockPublicAcls: true", True),
        ("BlockPublicPolicy: true,", "BlockPublicPolicy: 'true',", True),
        (f"{BLOCK}}}", f"{BLOCK}}}, OwnershipControls: {{Rules: [{{ObjectOwnership: ObjectWriter}}]}}", False),
        (f"{BLOCK}}}", f"{BLOCK}}}, OwnershipControls: {{Rules: [{{ObjectOwnership: BucketOwnerEnforced}}]}}", True),
    ],
)
def test_a_bucket_that_blocks_less_public_access_fails(repository: Path, old: str, new: str, passes: bool) -> None:
    edit(ROLE, "Outputs:\n", f"  Bucket: {{Type: AWS::S3::Bucket, Properties: {{{BLOCK}}}}}}}\nOutputs:\n")
    commit(repository)
    edit(ROLE, old, new)
    assert found(repository, "HEAD").passes is passes


def test_a_new_waiver_with_a_change_of_the_grant_fails_unless_it_is_about_style(repository: Path) -> None:
    """Else a waiver would hide from the verification what the comparison does not see."""
    waivers = Path("grants/reader/waivers.yaml")
    about_access = WAIVERS.replace(
        "lint/test_cfn_lint_has_nothing_to_say[role.yaml]", "variants/test_nothing_beyond[x]"
    )
    waivers.write_text(about_access, encoding="utf-8")
    assert found(repository).passes, "nothing else changed: what is accepted was there before"
    edit(ROLE, "Value: x", "Value: y")
    change = found(repository)
    assert not change.passes
    assert "accept it in a change of its own, before this one" in change.grants[0].doubts[0]
    waivers.write_text(WAIVERS, encoding="utf-8")
    assert found(repository).passes


@pytest.mark.parametrize(
    "bomb",
    [
        "\n".join(["a: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))]),
        "a: &a {b: *a}",
        "a: &a [*a]",
        "a: &a {<<: *a, x: 1}\nb: &b {<<: [*a, *a]}\n" + "version: 1",
    ],
    ids=["laughs", "in itself", "in its list", "inherits from itself"],
)
def test_exponential_yaml_aliases_give_one_error(repository: Path, bomb: str) -> None:
    CONTRACT.write_text(bomb, encoding="utf-8")
    with pytest.raises(SourceError):
        found(repository)


def test_a_base_of_another_history_is_refused(repository: Path) -> None:
    git(repository, "switch", "--quiet", "--orphan", "unrelated")
    git(repository, "commit", "--quiet", "--allow-empty", "--message=x")
    git(repository, "switch", "--quiet", "topic")
    with pytest.raises(NotCompared, match="no commit in common"):
        found(repository, "unrelated")


def test_replaced_objects_are_not_taken_for_the_base(repository: Path) -> None:
    """`git replace` shows another commit under the name of one."""
    edit(ROLE, READ, WIDER)
    commit(repository)
    git(repository, "replace", "main", "HEAD")
    assert len(found(repository).grants[0].uncovered) == 1


def test_reports_of_an_earlier_run_are_removed_if_nothing_could_be_compared(repository: Path) -> None:
    reports = ("gate.md", "gate.json", "gate.sarif", "findings.json")
    Path("reports").mkdir()
    for name in reports:
        Path("reports", name).write_text("verified", encoding="utf-8")
    assert main(["gate", "grants", "--base", "nowhere"]) == 2
    assert not any(Path("reports", name).exists() for name in reports)
    Path("reports/findings.json").write_text("verified", encoding="utf-8")
    assert main(["verify", "grants", "--fleet", "nowhere.jsonl"]) == 2
    assert not Path("reports/findings.json").exists()


# --- the same access, written so that it is not seen ------------------------------------------------------------------


def with_a_mark_and_other_line_ends(top: Path) -> None:
    ROLE.write_bytes(b"\xef\xbb\xbf" + ROLE.read_bytes().replace(READ.encode(), WIDER.encode()).replace(b"\n", b"\r\n"))


def by_an_anchor_elsewhere(top: Path) -> None:
    edit(ROLE, "Resources:\n", "Metadata: {Note: &note 'ssm:*'}\nResources:\n")
    edit(ROLE, "Action: ssm:GetParameter", "Action: *note")


def by_a_merge_key(top: Path) -> None:
    edit(ROLE, "Resources:\n", "Metadata: {Note: &note {Action: 'ssm:*'}}\nResources:\n")
    edit(ROLE, "Action: ssm:GetParameter", "<<: *note")


def behind_a_filter_of_git(top: Path) -> None:
    Path(".gitattributes").write_text("*.yaml filter=same diff=same -text\n", encoding="utf-8")
    git(top, "config", "filter.same.clean", "git show HEAD:%f")
    edit(ROLE, READ, WIDER)


def in_a_grant_that_git_ignores(top: Path) -> None:
    Path(".gitignore").write_text("grants/other\n", encoding="utf-8")
    shutil.copytree(GOOD, "grants/other")
    edit(Path("grants/other/role.yaml"), READ, WIDER)


@pytest.mark.parametrize(
    "attack",
    [with_a_mark_and_other_line_ends, by_an_anchor_elsewhere, by_a_merge_key, behind_a_filter_of_git,
     in_a_grant_that_git_ignores],
    ids=lambda attack: attack.__name__,
)  # fmt: skip
def test_wider_access_is_found_however_it_is_written(repository: Path, attack: Callable[[Path], None]) -> None:
    attack(repository)
    assert sum(len(grant.uncovered) for grant in found(repository).grants) == 1


def a_second_template(top: Path) -> None:
    Path("grants/reader/more.template").write_text(ROLE.read_text(encoding="utf-8"), encoding="utf-8")


def a_second_template_in_capitals(top: Path) -> None:
    Path("grants/reader/MORE.YAML").write_text(ROLE.read_text(encoding="utf-8"), encoding="utf-8")


def a_second_template_that_only_others_can_read(top: Path) -> None:
    text = ROLE.read_text(encoding="utf-8")
    Path("grants/reader/more.yaml").write_text(f"{text}Outputs: {{}}\n", encoding="utf-8")  # a key twice


def a_second_template_by_another_name(top: Path) -> None:
    Path("grants/reader/notes.txt").write_text(ROLE.read_text(encoding="utf-8").replace("Type: S", "Type: AWS::S"))


@pytest.mark.parametrize(
    "attack",
    [a_second_template, a_second_template_in_capitals, a_second_template_that_only_others_can_read,
     a_second_template_by_another_name],
    ids=lambda attack: attack.__name__,
)  # fmt: skip
def test_a_template_that_no_contract_deploys_is_refused(
    repository: Path, attack: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    attack(repository)
    for command in (["gate", "grants", "--base", "main"], ["verify", "grants"]):
        assert main(command) == 2
        assert "is a template that no contract deploys, so that nothing is verified of it." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("PutRolePolicy", 'PolicyName: read, PolicyDocument: \'{"Version": "2012-10-17", "Statement": []}\''),
        ("TagRole", "Tags: [{Key: team, Value: x}]"),
    ],
)
def test_setup_cannot_change_what_the_stacks_create(repository: Path, operation: str, parameters: str) -> None:
    """A policy that is written over the template's would be verified in its place, and the grant was green."""
    edit(ROLE, READ, WIDER)
    edit(ROLE, "      AssumeRolePolicyDocument:", "      RoleName: reader\n      AssumeRolePolicyDocument:")
    call = f"{{account: owner, service: iam, operation: {operation}, parameters: {{RoleName: reader, {parameters}}}}}"
    edit(CONTRACT, "principals:\n", f"setup:\n  - {call}\nprincipals:\n")
    change = found(repository)
    assert not change.passes
    assert "setup changes arn:aws:iam::111111111111:role/reader, which the stacks make" in change.grants[0].doubts[0]


def test_a_template_that_is_a_link_out_of_its_folder_is_refused(repository: Path) -> None:
    shutil.move(ROLE, "outside.yaml")
    ROLE.symlink_to(Path("outside.yaml").resolve())
    with pytest.raises(SourceError, match="lies outside the grant's folder"):
        found(repository)


def test_a_property_that_gives_everybody_access_fails_despite_waivers(repository: Path) -> None:
    bucket = "  Open: {Type: AWS::S3::Bucket, Properties: {AccessControl: PublicRead}}\n"
    edit(ROLE, "Outputs:\n", f"{bucket}Outputs:\n")
    Path("grants/reader/waivers.yaml").write_text(WAIVERS, encoding="utf-8")
    change = found(repository)
    assert not change.passes
    assert "Open (AWS::S3::Bucket) by AccessControl: PublicRead lets others in" in report.text(change)


def test_another_account_id_under_the_same_alias_is_new_access(repository: Path) -> None:
    other = CONTRACT.read_text(encoding="utf-8").replace("accounts:\n", 'accounts:\n  partner: "222222222222"\n')
    other = other.replace("Trusted: ${accounts.owner}", "Trusted: ${accounts.partner}")
    CONTRACT.write_text(other.replace('"${accounts.owner}"', '"${accounts.partner}"'), encoding="utf-8")
    commit(repository)
    edit(CONTRACT, "222222222222", "333333333333")
    change = found(repository, "HEAD")
    assert "BY WIDENING THE CONTRACT" in headline(change)
    assert "account 'partner' of the contract is 333333333333 instead of 222222222222" in report.text(change)


def test_a_variant_cannot_be_removed_while_the_templates_have_its_parameter(repository: Path) -> None:
    edit(ROLE, "Parameters:\n", "Parameters:\n  Also: {Type: String, Default: '', AllowedValues: ['', one]}\n")
    variants = "variants:\n  also:\n    parameters: {owner: {Also: one}}\n"
    text = CONTRACT.read_text(encoding="utf-8")
    CONTRACT.write_text(text + variants, encoding="utf-8")
    commit(repository)
    CONTRACT.write_text(text + "variants: {}\n", encoding="utf-8")
    change = found(repository, "HEAD")
    assert not change.passes
    assert "strikes the variant 'also' whose parameters the templates still take" in report.text(change)
    CONTRACT.write_text(text + variants.replace("one", "''"), encoding="utf-8")
    assert "gives the variant 'also' other values: keep it" in report.text(found(repository, "HEAD"))
    CONTRACT.write_text(text + variants.replace("also:", "renamed:"), encoding="utf-8")
    assert found(repository, "HEAD").passes


def test_a_changed_tag_that_policies_refer_to_is_access(repository: Path) -> None:
    """The policy says the same, and lets in a role that it kept out."""
    asking = """  Key:
    Type: AWS::KMS::Key
    Properties:
      KeyPolicy:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Principal: {AWS: !Ref Trusted}
            Action: kms:Decrypt
            Resource: "*"
            Condition: {StringEquals: {"aws:PrincipalTag/Team": a}}
"""
    edit(ROLE, "Outputs:\n", f"{asking}Outputs:\n")
    tags = "Tags: [{Key: team, Value: b}, {Key: cost, Value: '1'}]"
    edit(ROLE, "      AssumeRolePolicyDocument:", f"      {tags}\n      AssumeRolePolicyDocument:")
    commit(repository)
    edit(ROLE, "{Key: cost, Value: '1'}", "{Key: cost, Value: '2'}")
    assert found(repository, "HEAD").passes, "nobody asks for it"
    edit(ROLE, "Value: b", "Value: a")
    change = found(repository, "HEAD")
    assert not change.passes
    assert 'Reader (AWS::IAM::Role): the tag team is "a" instead of "b", for which' in change.grants[0].doubts[0]


def test_a_stack_moved_to_another_account_gives_only_new_access(repository: Path) -> None:
    edit(CONTRACT, "accounts:\n", 'accounts:\n  other: "222222222222"\n')
    commit(repository)
    edit(CONTRACT, "account: owner", "account: other")
    change = found(repository, "HEAD")
    assert "BY WIDENING THE CONTRACT" in headline(change)
    assert "stack 'owner' is deployed in account 222222222222 instead of 111111111111" in change.grants[0].what
