"""Exports of real accounts: complete ones are verified, drift is found, and incomplete ones are refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from grantproof.aws.real.export import ExportRefused, join, read_export
from grantproof.aws.real.recorded import Recorded, recorded
from grantproof.cli import main
from grantproof.contract import Contract, load
from tests.aws.exporting import Documents, exported, written
from tests.commands import Done, grantproof

ROOT = Path(__file__).parent.parent.parent
GRANT = ROOT / "templates" / "cross-account-ssm"
DETAILS = "get-account-authorization-details"
Change = Callable[[dict[str, Documents]], Any]


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load(GRANT)


@pytest.fixture(scope="module")
def whole(contract: Contract) -> dict[str, Documents]:
    return exported(contract)


def compared(contract: Contract, documents: dict[str, Documents]) -> Recorded:
    exports = {alias: join(Path(f"{alias}.json"), found.values()) for alias, found in documents.items()}
    return recorded([contract], exports)[contract.grant]


def verify(folder: Path, documents: dict[str, Documents], *more: str) -> Done:
    return grantproof("verify", str(GRANT), *written(documents, folder), *more, cwd=folder)


def test_an_export_is_verified_and_the_verdict_says_what_did_not_run(
    whole: dict[str, Documents], tmp_path: Path
) -> None:
    done = verify(tmp_path, whole)
    assert done.returncode == 0, done.stdout + done.stderr
    suites = "trust 5/5  permissions 17/17  proof 10/10  drift 1/1"
    assert f"VERIFIED  cross-account-ssm\n  {suites}\n" in done.stdout
    assert "against owner (owner), partner (partner); resource policies read of: s3" in done.stdout
    assert "not run on snapshots: lint, deployment, access" in done.stdout
    found = json.loads((tmp_path / "reports" / "findings.json").read_text(encoding="utf-8"))
    assert found["limits"].startswith("This is evidence about what exports of real accounts hold")
    assert found["run"]["exports"]
    assert found["totals"]["calls"] == 0
    assert not any(c["state"] == "supported" for c in found["controls"] if c["control"] in ("AC-3", "CM-3(2)"))
    assert [p["alias"] for p in found["facts"]["cross-account-ssm"]["principals"]]


def role_of(documents: dict[str, Documents]) -> dict[str, Any]:
    (role,) = documents["owner"][DETAILS]["RoleDetailList"]
    return role  # type: ignore[no-any-return]


def allow(action: str, resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource, **more}]}


def test_every_kind_of_drift_is_found(whole: dict[str, Documents], tmp_path: Path) -> None:
    drifted = copy.deepcopy(whole)
    owner, role = drifted["owner"], role_of(drifted)
    role["RolePolicyList"].append({"PolicyName": "by-hand", "PolicyDocument": allow("ssm:GetParameter")})
    role["AssumeRolePolicyDocument"]["Statement"].append(
        {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::333333333333:root"}, "Action": "sts:AssumeRole"}
    )
    owner["list-roles"]["Roles"][0]["MaxSessionDuration"] = 43200
    (group,) = drifted["partner"][DETAILS]["GroupDetailList"]
    group["GroupPolicyList"].append({"PolicyName": "by-hand", "PolicyDocument": allow("s3:*")})
    bucket = {
        "Arn": "arn:aws:s3:::others",
        "Type": "AWS::S3::Bucket",
        "Policy": allow("s3:GetObject", "arn:aws:s3:::others/*", Principal={"AWS": role["Arn"]}),
    }
    public = {
        **bucket,
        "Arn": "arn:aws:s3:::open",
        "Policy": allow("s3:PutObject", "arn:aws:s3:::open/*", Principal="*"),
    }
    delegating = {**bucket, "Arn": "arn:aws:s3:::own"}
    delegating["Policy"] = allow("s3:*", "arn:aws:s3:::own/*", Principal={"AWS": "arn:aws:iam::111111111111:root"})
    owner["resource-policies"]["ResourcePolicies"] += [bucket, public, delegating]
    entry = {"Effect": "Allow", "Principal": {"AWS": role["Arn"]}, "Action": "sts:AssumeRole"}
    admin = {
        **role,
        "RoleName": "admin",
        "RoleId": "AROAADMIN00000000",
        "Arn": "arn:aws:iam::111111111111:role/admin",
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [entry]},
    }
    owner[DETAILS]["RoleDetailList"].append(admin)
    owner["list-roles"]["Roles"].append({"Arn": admin["Arn"], "RoleName": "admin", "MaxSessionDuration": 3600})
    done = verify(tmp_path, drifted)
    assert done.returncode == 1
    assert "NOT VERIFIED  cross-account-ssm" in done.stdout
    for said in (
        f"owner: {role['Arn']}#by-hand (written at ",
        "Statement[0]: wider than the contract: ssm:GetParameter on *, except on ",
        "names arn:aws:iam::333333333333:root, which the contract does not",
        "MaxSessionDuration is 43200",
        f"{group['Arn']}#by-hand",
        f"arn:aws:s3:::others lets {role['Arn']} do s3:GetObject on arn:aws:s3:::others/*",
        f"arn:aws:s3:::open lets {role['Arn']} do s3:PutObject",
        f"role/admin#trust lets {role['Arn']} do sts:AssumeRole on arn:aws:iam::111111111111:role/admin",
    ):
        assert said in done.stdout, said
    assert "arn:aws:s3:::own" not in done.stdout
    session = f"arn:aws:sts::111111111111:assumed-role/{role['RoleName']}/example"
    assert f"for example: {session} calls s3:GetObject on arn:aws:s3:::others/example" in done.stdout


@pytest.mark.parametrize(("type_", "physical"), [("AWS::DynamoDB::Table", "t"), ("AWS::ApiGateway::RestApi", "abc123")])
def test_what_may_have_a_policy_that_nobody_has_read_is_not_verified(
    whole: dict[str, Documents], tmp_path: Path, type_: str, physical: str
) -> None:
    """A stack of the account has a resource that its template lacks, and whose policy no export contains."""
    documents = copy.deepcopy(whole)
    name = next(n for n in documents["partner"] if n.startswith("resources-"))
    resources = documents["partner"][name]["StackResources"]
    more = {"ResourceType": type_, "LogicalResourceId": "Extra", "PhysicalResourceId": physical}
    resources.append({**resources[0], **more})
    done = verify(tmp_path, documents, "-k", "nothing_else")
    assert done.returncode == 1
    assert f"Extra, an {type_}, may have a policy: exports hold none of that type" in done.stdout


def test_pages_are_joined_and_encoded_documents_are_decoded(
    contract: Contract, whole: dict[str, Documents], tmp_path: Path
) -> None:
    """Raw API answers, page by page in one file: documents are URL-encoded text (RFC 3986)."""
    documents = copy.deepcopy(whole["owner"])
    role = documents[DETAILS]["RoleDetailList"][0]
    role["AssumeRolePolicyDocument"] = quote(json.dumps(role["AssumeRolePolicyDocument"]))
    other = {**role, "RoleName": "other", "Arn": "arn:aws:iam::111111111111:role/other", "RoleId": "AROAOTHER00000000"}
    empty = {name: [] for name in documents[DETAILS]}
    first = {**documents.pop(DETAILS), "IsTruncated": True, "Marker": "more"}
    documents.pop("list-roles")
    second = {**empty, "RoleDetailList": [other], "IsTruncated": False}
    durations = [{"Arn": r["Arn"], "MaxSessionDuration": 3600} for r in (role, other)]
    pages = [first, second, {"Roles": durations}, *documents.values()]
    file = tmp_path / "owner.json"
    file.write_text("\n".join(json.dumps(page) for page in pages), encoding="utf-8")
    found = read_export(file)
    assert [r["RoleName"] for r in found.snapshot.roles] == [role["RoleName"], "other"]
    assert found == join(file, json.loads(f"[{','.join(map(json.dumps, pages))}]"))
    partner = join(Path("partner"), whole["partner"].values())
    trust = Recorded(contract, {"owner": found, "partner": partner}).policies.held[role["Arn"]].trust
    assert trust is not None
    assert trust.statements[0].allow


def drop(alias: str, name: str) -> Change:
    return lambda documents: documents[alias].pop(name)


def cut(alias: str, name: str, **more: Any) -> Change:
    return lambda documents: documents[alias][name].update(more)


def second_answer(documents: dict[str, Documents]) -> None:
    documents["owner"]["again"] = {name: [] for name in documents["owner"][DETAILS]}


def of_another_account(documents: dict[str, Documents]) -> None:
    text = json.dumps(documents["owner"]).replace("111111111111", "444444444444")
    documents["owner"] = json.loads(text)


def mixed(documents: dict[str, Documents]) -> None:
    documents["owner"][DETAILS]["GroupDetailList"] = documents["partner"][DETAILS]["GroupDetailList"]


def without_default_version(documents: dict[str, Documents]) -> None:
    documents["partner"][DETAILS]["Policies"][0]["PolicyVersionList"][0]["VersionId"] = "v7"


def other_default_version(documents: dict[str, Documents]) -> None:
    policy = documents["partner"][DETAILS]["Policies"][0]
    wide = {"VersionId": "v2", "IsDefaultVersion": True, "Document": allow("*")}
    policy["PolicyVersionList"] = [{**policy["PolicyVersionList"][0], "IsDefaultVersion": False}, wide]


def role_only_listed(documents: dict[str, Documents]) -> None:
    listed = documents["owner"]["list-roles"]["Roles"]
    listed.append({**listed[0], "Arn": "arn:aws:iam::111111111111:role/admin", "RoleName": "admin"})


def two_policies_of_a_bucket(documents: dict[str, Documents]) -> None:
    entry = {"Arn": "arn:aws:s3:::b", "Type": "AWS::S3::Bucket"}
    documents["owner"]["resource-policies"]["ResourcePolicies"] += [
        {**entry, "Policy": allow("s3:*", "arn:aws:s3:::b/*", Principal={"AWS": name})}
        for name in (role_of(documents)["Arn"], "111111111111")
    ]


def without_attached(documents: dict[str, Documents]) -> None:
    documents["partner"][DETAILS]["Policies"] = []


def without_boundary(documents: dict[str, Documents]) -> None:
    role_of(documents)["PermissionsBoundary"] = {"PermissionsBoundaryArn": "arn:aws:iam::111111111111:policy/gone"}


def filtered_groups(documents: dict[str, Documents]) -> None:
    documents["partner"][DETAILS]["GroupDetailList"] = []


def inline_left_out(documents: dict[str, Documents]) -> None:
    del role_of(documents)["RolePolicyList"]


def twice(documents: dict[str, Documents]) -> None:
    documents["owner"][DETAILS]["RoleDetailList"] *= 2


def updating(documents: dict[str, Documents]) -> None:
    for stack in documents["owner"]["describe-stacks"]["Stacks"]:
        stack["StackStatus"] = "UPDATE_IN_PROGRESS"


def renamed(documents: dict[str, Documents]) -> None:
    for stack in documents["partner"]["describe-stacks"]["Stacks"]:
        stack["StackName"] = "other-name"


def elsewhere(documents: dict[str, Documents]) -> None:
    text = json.dumps(documents["owner"]["describe-stacks"]).replace(
        "cloudformation:eu-west-1", "cloudformation:us-east-1"
    )
    documents["owner"]["describe-stacks"] = json.loads(text)


def without_output(documents: dict[str, Documents]) -> None:
    for stack in documents["owner"]["describe-stacks"]["Stacks"]:
        stack["Outputs"] = [o for o in stack.get("Outputs", ()) if o["OutputKey"] != "RoleArn"]


def with_bucket(documents: dict[str, Documents]) -> None:
    name = next(n for n in documents["partner"] if n.startswith("resources-"))
    resources = documents["partner"][name]["StackResources"]
    resources.append({**resources[0], "ResourceType": "AWS::KMS::Key", "LogicalResourceId": "Key"})


def nested_left_out(documents: dict[str, Documents]) -> None:
    documents["owner"].pop(next(name for name in documents["owner"] if "IAMStack" in name))


def malformed(documents: dict[str, Documents]) -> None:
    role_of(documents)["AssumeRolePolicyDocument"]["Statement"][0]["Effect"] = "Maybe"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.pop("partner"), "account 'partner' has no snapshot. Add --snapshot partner=FILE."),
        (lambda d: d.update(third=d["owner"]), "no contract has an account 'third'. Accounts: owner, partner."),
        (lambda d: d.update(partnr=d.pop("partner")), "no contract has an account 'partnr'. Accounts: owner, partner."),
        (of_another_account, "is of account 444444444444; "),
        (mixed, "mixes accounts 111111111111 "),
        (drop("owner", DETAILS), "has no UserDetailList. Add what `aws iam get-account-authorization-details` prints."),
        (lambda d: d["owner"][DETAILS].pop("Policies"), "has no Policies. Add what"),
        (cut("owner", DETAILS, IsTruncated=True, Marker="m"), "the last page of UserDetailList says IsTruncated"),
        (cut("owner", "describe-stacks", NextToken="t"), "is cut off: Stacks ends with a NextToken"),
        (cut("owner", DETAILS, Users=[]), "holds the key 'Users', which is no part of a snapshot"),
        (cut("owner", DETAILS, RoleDetailList={}), "RoleDetailList is not a list"),
        (second_answer, "holds two answers of `aws iam get-account-authorization-details`"),
        (twice, "stands twice in RoleDetailList"),
        (without_attached, "which Policies does not hold. Export without --filter"),
        (without_boundary, "has the policy arn:aws:iam::111111111111:policy/gone, which Policies does not hold"),
        (without_default_version, "has the default version v1, which the export does not hold"),
        (other_default_version, "has the default version v1; IsDefaultVersion differs"),
        (role_only_listed, "role/admin is in Roles and not in RoleDetailList"),
        (two_policies_of_a_bucket, "holds two policies of arn:aws:s3:::b. Keep"),
        (inline_left_out, "has no RolePolicyList. Export it again, unchanged"),
        (filtered_groups, "(AWS::IAM::Group), which the export does not hold: it was deleted since, or left out"),
        (drop("owner", "list-roles"), "does not tell MaxSessionDuration of arn:aws:iam::111111111111:role/"),
        (lambda d: d["owner"]["list-roles"]["Roles"].clear(), "is not in Roles: the two answers"),
        (drop("owner", "describe-stacks"), "has no stack cross-account-ssm-owner in eu-west-1"),
        (elsewhere, "has no stack cross-account-ssm-owner in eu-west-1"),
        (renamed, "Stacks there: other-name."),
        (updating, "is UPDATE_IN_PROGRESS. Export again when it is complete"),
        (without_output, "has no output RoleArn, which "),
        (drop("partner", "resources-cross-account-ssm-partner"), "does not hold the resources of the stack arn:aws:"),
        (nested_left_out, "does not hold the resources of the stack "),
        (with_bucket, "has resources of kms, whose policies the export does not hold"),
        (malformed, "a policy cannot be read: "),
    ],
)
def test_an_incomplete_snapshot_is_refused(
    contract: Contract, whole: dict[str, Documents], change: Change, said: str
) -> None:
    documents = copy.deepcopy(whole)
    change(documents)
    with pytest.raises(ExportRefused) as refused:
        compared(contract, documents)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty: the command that wrote it failed"),
        ('{"UserDetailList": [', "is not JSON from line 1 on: cut off"),
        ("An error occurred (ExpiredToken)", "is not JSON from line 1 on"),
        ('{"Policies": [], "Policies": []}', "the key 'Policies' stands twice"),
        ("[[1]]", "holds list where an answer of AWS stands"),
        ("[" * 100_000, "is not JSON from line 1 on"),
    ],
)
def test_a_file_that_is_no_answer_of_aws_is_refused(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "owner.json").write_text(text, encoding="utf-8")
    with pytest.raises(ExportRefused) as refused:
        read_export(tmp_path / "owner.json")
    assert said in str(refused.value)


def test_a_name_in_two_accounts_is_looked_up_in_the_right_one(contract: Contract, whole: dict[str, Documents]) -> None:
    """The partner's group is looked up in the partner's account, even if the owner has one of the same name."""
    documents = copy.deepcopy(whole)
    (group,) = documents["partner"][DETAILS]["GroupDetailList"]
    twin = {**group, "Arn": group["Arn"].replace("222222222222", "111111111111"), "AttachedManagedPolicies": []}
    documents["owner"][DETAILS]["GroupDetailList"].append(twin)
    held = compared(contract, documents).held(contract.principal("readers"))
    assert held is not None
    assert held.arn == group["Arn"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--snapshot=owner"], "owner: is not ALIAS=FILE"),
        (["--snapshot=owner=nowhere.json"], "nowhere.json: does not exist"),
        (["--snapshot=owner=.", "--snapshot=owner=."], "'owner' is given twice"),
        (["--snapshot=owner=."], "holds no *.json file"),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["verify", str(GRANT), *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert said in printed.err
    assert printed.err.count("\n") == 1
