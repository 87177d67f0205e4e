"""`grantproof init`, as a user runs it: a draft that verifies, with what a person has to decide marked."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from urllib.parse import quote

import pytest

from grantproof import linting
from grantproof.aws.drafts import prerequisites
from grantproof.aws.drafts.drafting import CannotDraft, draft, draft_from_snapshot
from grantproof.aws.drafts.skeleton import accounts_in, skeleton
from grantproof.aws.mocked.deploy import DeploymentFailed
from grantproof.cli import main
from grantproof.contract import load
from grantproof.evidence.waivers import load as load_waivers
from grantproof.verbs import verify
from grantproof.verbs.init import _verified

ROOT = Path(__file__).parent.parent.parent
SHIPPED = ROOT / "templates" / "cross-account-ssm"
SHAPES = ROOT / "fixtures" / "shapes"

Printed = pytest.CaptureFixture[str]


def copied(folder: Path, *files: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    return [Path(shutil.copy(file, folder)) for file in files]


MORE = """
Resources:
  Key:
    Type: AWS::KMS::Key
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      EnableKeyRotation: true
      KeyPolicy:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Principal: {AWS: !Sub "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}
            Action: kms:DescribeKey
            Resource: "*"
  Most:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      PolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Action: "sns:List*", Resource: "*"}]
  Worker:
    Type: AWS::IAM::Role
    Properties:
      PermissionsBoundary: !Ref Most
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: "sts:AssumeRole"}]
      Policies:
        - PolicyName: own
          PolicyDocument:
            Version: "2012-10-17"
            Statement: [{Effect: Allow, Action: "sns:ListTopics", Resource: "*"}]
"""


def test_a_draft_of_templates_verifies_without_changes(
    tmp_path: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With policies on a bucket and on a key, and a permissions boundary."""
    monkeypatch.chdir(tmp_path)
    copied(tmp_path / "theirs", SHAPES / "bucket-policy" / "bucket.yaml")
    Path("theirs/more.yaml").write_text(MORE, encoding="utf-8")
    status = main(["init", "theirs/bucket.yaml", "theirs/more.yaml", "--region", "eu-west-1"])
    said = capsys.readouterr().out
    assert status == 0, said
    assert said.startswith("theirs/contract.yaml: drafted; go through the 13 lines marked DECIDE")
    assert (
        "VERIFIED  theirs\n  against a draft: 13 lines are still marked DECIDE, from theirs/contract.yaml:4 on" in said
    )
    text = Path("theirs/contract.yaml").read_text(encoding="utf-8")
    assert 'owner: "111111111111" # DECIDE' in text
    assert "trust: # DECIDE" in text
    assert "allows: # DECIDE" in text
    assert "policy: # DECIDE: is everybody named here meant to come in?" in text
    contract = load(Path("theirs"))
    assert len(contract.resources) == 2
    bounded = [p for p in contract.principals if p.boundary]
    assert {contract.principal(p.boundary).kind for p in bounded} == {"policy"}


def test_a_boundary_that_the_stacks_do_not_create_is_declared_too(tmp_path: Path) -> None:
    (tmp_path / "g").mkdir()
    trust = {
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]
    }
    role = {"AssumeRolePolicyDocument": trust, "PermissionsBoundary": "arn:aws:iam::aws:policy/AmazonSNSReadOnlyAccess"}
    template = {"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": role}}}
    (tmp_path / "g" / "t.json").write_text(json.dumps(template), encoding="utf-8")
    contract = load(draft([tmp_path / "g" / "t.json"], "eu-west-1", {}))
    assert contract.principal("role").boundary == "amazon-snsread-only-access"
    assert (
        contract.principal("amazon-snsread-only-access").reference
        == "arn:${partition}:iam::aws:policy/AmazonSNSReadOnlyAccess"
    )


TRUST = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}


def written(folder: Path, **templates: object) -> list[Path]:
    folder.mkdir()
    out = []
    for name, template in templates.items():
        out.append(folder / f"{name}.json")
        out[-1].write_text(json.dumps(template), encoding="utf-8")
    return out


def test_parameters_from_parameter_store_get_stand_ins(tmp_path: Path) -> None:
    """Every template that CDK synthesises reads the version of its bootstrap stack."""
    version = {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/cdk-bootstrap/hnb659fds/version"}
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}}
    template = {"Parameters": {"BootstrapVersion": version}, "Resources": {"RoleA1B2C3D4": role}}
    contract = load(draft(written(tmp_path / "g", synthesised=template), "eu-west-1", {}))
    assert [stack.template.name for stack in contract.stacks] == ["already-there.yaml", "synthesised.json"]


def test_a_failed_draft_writes_no_files(tmp_path: Path) -> None:
    version = {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/cdk-bootstrap/hnb659fds/version"}
    parts = {"Parameters": {"V": version}, "Resources": {"T": {"Type": "AWS::Logs::LogGroup"}}}
    with pytest.raises(CannotDraft):
        draft(written(tmp_path / "g", t=parts), "eu-west-1", {})
    assert [path.name for path in (tmp_path / "g").iterdir()] == ["t.json"]


def test_if_there_is_nothing_to_draft_access_that_no_contract_can_declare_is_named(
    tmp_path: Path,
) -> None:
    share = {"Name": "subnets", "Principals": ["222222222222"]}
    parts = {"Resources": {"Share": {"Type": "AWS::RAM::ResourceShare", "Properties": share}}}
    with pytest.raises(CannotDraft, match="; Share is an AWS::RAM::ResourceShare, of which a contract cannot speak"):
        draft(written(tmp_path / "g", t=parts), "eu-west-1", {})


def test_the_reason_why_there_is_nothing_to_draft_is_given(tmp_path: Path) -> None:
    trust = {"Version": "2012-10-17", "Statement": []}
    role = {"AssumeRolePolicyDocument": trust, "ManagedPolicyArns": ["arn:aws:iam::111111111111:policy/nobodys"]}
    parts = {"Resources": {"R": {"Type": "AWS::IAM::Role", "Properties": role}}}
    with pytest.raises(CannotDraft, match=r"t.json:1:\d+: R \(AWS::IAM::Role\) is not deployed: the mocked"):
        draft(written(tmp_path / "g", t=parts), "eu-west-1", {})


def test_a_policy_that_aws_would_refuse_is_reported_with_its_position(tmp_path: Path) -> None:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": {"Ref": "B"}}
    policy = {"Bucket": {"Ref": "B"}, "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
    parts = {"B": {"Type": "AWS::S3::Bucket"}, "P": {"Type": "AWS::S3::BucketPolicy", "Properties": policy}}
    with pytest.raises(CannotDraft, match=r"t.json:1:\d+: AWS would not accept a policy .* is neither an ARN nor"):
        draft(written(tmp_path / "g", t={"Resources": parts}), "eu-west-1", {})


def test_more_resources_than_cloudformation_takes_are_told_before_anything_is_worked_out(tmp_path: Path) -> None:
    topics = {f"T{number}": {"Type": "AWS::SNS::Topic"} for number in range(501)}
    with pytest.raises(CannotDraft, match=r"t\.json:1:2: there are 501 resources, and CloudFormation takes 500"):
        draft(written(tmp_path / "g", t={"Resources": topics}), "eu-west-1", {})
    assert [path.name for path in (tmp_path / "g").iterdir()] == ["t.json"]


def test_a_parameter_that_no_template_has_is_refused(tmp_path: Path) -> None:
    template = {"Parameters": {"ExternalId": {"Type": "String"}}, "Resources": {}}
    with pytest.raises(CannotDraft, match=r"have no parameter External\. Did you mean ExternalId\?"):
        draft(written(tmp_path / "g", t=template), "eu-west-1", {"External": "secret"})


@pytest.mark.parametrize(("trusted", "entered"), [("222222222222", ()), ("111111111111", ("runner",))])
def test_entered_by_lists_those_who_are_trusted_and_allowed(
    tmp_path: Path, trusted: str, entered: tuple[str, ...]
) -> None:
    """A runner that may assume the role of this name in every account, but that only one of the accounts trusts."""
    enters = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::*:role/worker"}
    policy = {"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": [enters]}}
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": [trusted]}, "Action": "sts:AssumeRole"}]}
    runner = {"AssumeRolePolicyDocument": TRUST, "Policies": [policy]}
    worker = {"RoleName": "worker", "AssumeRolePolicyDocument": trust}
    roles = {"Worker": worker, "Runner": runner}
    parts = {name: {"Type": "AWS::IAM::Role", "Properties": role} for name, role in roles.items()}
    contract = load(draft(written(tmp_path / "g", t={"Resources": parts}), "eu-west-1", {}))
    assert tuple(contract.principal("worker").entered_by) == entered


def test_an_empty_condition_is_drafted_as_one(tmp_path: Path) -> None:
    statements = [{**statement, "Condition": {}} for statement in TRUST["Statement"]]
    role = {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": statements}}
    parts = {"R": {"Type": "AWS::IAM::Role", "Properties": role}}
    (principal,) = load(draft(written(tmp_path / "g", t={"Resources": parts}), "eu-west-1", {})).principals
    assert principal.trust[0].document["Condition"] == {}


def test_a_stored_parameter_that_is_trusted_is_an_account(tmp_path: Path) -> None:
    trusted = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": [{"Ref": "DeploymentAccountId"}]}}
    role = {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trusted]}}
    template = {
        "Parameters": {"DeploymentAccountId": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/deploys"}},
        "Resources": {"R": {"Type": "AWS::IAM::Role", "Properties": role}},
    }
    (principal,) = load(draft(written(tmp_path / "g", t=template), "eu-west-1", {})).principals
    assert principal.trust[0].document["Principal"] == {"AWS": ["${accounts.account-2}"]}


def test_an_invented_value_is_named_if_nothing_can_be_drafted_with_it(tmp_path: Path) -> None:
    path = {"Fn::Select": [1, {"Fn::Split": ["s3://", {"Ref": "Spill"}]}]}
    role = {"AssumeRolePolicyDocument": TRUST, "RoleName": path}
    template = {
        "Parameters": {"Spill": {"Type": "String"}},
        "Resources": {"R": {"Type": "AWS::IAM::Role", "Properties": role}},
    }
    with pytest.raises(CannotDraft, match="Made up for this: Spill; give what is real with --parameter NAME=VALUE"):
        draft(written(tmp_path / "g", t=template), "eu-west-1", {})


def test_a_draft_is_verified_once_and_findings_about_access_are_not_waived(
    tmp_path: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finding about style only, and one together with a finding about access."""
    runs: list[str] = []

    def verified(folder: str, _: str, reports: str, *, passing: bool) -> int:
        runs.append(folder)
        broken = {"status": "broken", "detail": "so", "fingerprint": "0" * 16}
        claims = [
            {"grant": "g", "id": f"g/{name}", "status": "fail", "findings": [broken]}
            for name in ("lint/test_cfn_lint_has_nothing_to_say[t]", "proof/test_nothing_else_came_along")[: len(runs)]
        ]
        (Path(reports) / "findings.json").write_text(json.dumps({"claims": claims}), encoding="utf-8")
        return 1

    monkeypatch.setattr(verify, "run_with", verified)
    for number in (1, 2):
        (tmp_path / "g" / "waivers.yaml").unlink(missing_ok=True)
        (tmp_path / "g").mkdir(exist_ok=True)
        assert _verified(tmp_path / "g") == 1
        assert len(runs) == number
        said = capsys.readouterr().out
        assert "It accepts nothing yet" in said
        drafted = load_waivers(tmp_path / "g" / "contract.yaml", "g")
        assert drafted.entries == ()
        assert [draft.undecided for draft in drafted.drafts] == [("owner", "reason")]
    assert "1 of the claims above is about what the templates give" in said


def test_a_queue_without_a_name_is_drafted_as_a_reference_to_the_resource(tmp_path: Path) -> None:
    allow = {"Effect": "Allow", "Principal": {"AWS": "222222222222"}, "Action": "sqs:SendMessage", "Resource": "*"}
    policy = {"Queue": {"Ref": "Q"}, "PolicyDocument": {"Version": "2012-10-17", "Statement": [allow]}}
    parts = {"Q": {"Type": "AWS::SQS::Queue"}, "P": {"Type": "AWS::SQS::QueueInlinePolicy", "Properties": policy}}
    (resource,) = load(draft(written(tmp_path / "g", t={"Resources": parts}), "eu-west-1", {})).resources
    owner = "arn:${partition}:sqs:${region}:${accounts.owner}"
    assert resource.reference == f"{owner}:${{stacks.t.resources.Q.QueueName}}"


def test_resources_that_parameters_need_are_created_in_the_mocked_account(tmp_path: Path) -> None:
    """Networks and the like, by an additional template; a given value needs none."""
    types = [*prerequisites._GIVEN, *(f"List<{type_}>" for type_ in prerequisites._GIVEN)]
    declared = {f"P{number}": {"Type": type_} for number, type_ in enumerate(types)}
    template = {"Parameters": declared, "Resources": {"R": {"Type": "AWS::IAM::Role", "Properties": {
        "AssumeRolePolicyDocument": TRUST}}}}  # fmt: skip
    contract = load(draft(written(tmp_path / "g", t=template), "eu-west-1", {"P0": "eu-west-1b"}))
    beside, stack = contract.stacks
    assert beside.template.name == prerequisites.NAME
    assert stack.parameters == {"P0": "eu-west-1b"} | {
        name: f"${{stacks.{beside.alias}.outputs.{name}}}" for name in list(declared)[1:]
    }
    assert not linting.matches(beside.template.read_text(encoding="utf-8"), "eu-west-1")


def test_twelve_digits_in_a_uuid_are_no_account() -> None:
    texts = ["7f0c3a51-1111-4222-8333-222222222222", "arn:aws:s3:::logs-2024-333333333333"]
    assert accounts_in(texts, "111111111111") == {"owner": "111111111111", "account-2": "333333333333"}


def test_a_parameter_filled_by_an_earlier_output_needs_no_stand_in(tmp_path: Path) -> None:
    made = {
        "Resources": {"Net": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}}},
        "Outputs": {"VpcId": {"Value": {"Ref": "Net"}}},
    }
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}}
    taking = {"Parameters": {"VpcId": {"Type": "AWS::EC2::VPC::Id"}}, "Resources": {"R": role}}
    contract = load(draft(written(tmp_path / "g", net=made, t=taking), "eu-west-1", {}))
    assert [stack.template.name for stack in contract.stacks] == ["net.json", "t.json"]


def test_only_the_access_that_a_boundary_leaves_is_drafted(tmp_path: Path) -> None:
    (file,) = copied(tmp_path / "g", SHAPES / "permissions-boundary" / "developers.yaml")
    contract = load(draft([file], "eu-west-1", {}))
    (role,) = (principal for principal in contract.principals if principal.kind == "role")
    (left,) = (statement.document for statement in role.allows)
    assert left == {
        "Effect": "Allow",
        "Action": ["ssm:GetParameter", "ssm:PutParameter"],
        "Resource": ["arn:${partition}:ssm:${region}:${accounts.owner}:parameter/dev"],
    }


def test_a_boundary_that_no_template_creates_is_named(tmp_path: Path) -> None:
    allow = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    trust = {"Version": "2012-10-17", "Statement": [allow]}
    role = {"AssumeRolePolicyDocument": trust, "PermissionsBoundary": "arn:aws:iam::111111111111:policy/somebodys"}
    parts = {"Resources": {"R": {"Type": "AWS::IAM::Role", "Properties": role}}}
    with pytest.raises(CannotDraft, match=r"policy/somebodys.*no template creates it"):
        draft(written(tmp_path / "g", t=parts), "eu-west-1", {})


def test_the_policy_of_a_topic_without_a_name_is_drafted(tmp_path: Path) -> None:
    allow = {"Effect": "Allow", "Principal": {"AWS": "222222222222"}, "Action": "sns:Publish", "Resource": {"Ref": "T"}}
    policy = {"Topics": [{"Ref": "T"}], "PolicyDocument": {"Version": "2012-10-17", "Statement": [allow]}}
    parts = {"T": {"Type": "AWS::SNS::Topic"}, "P": {"Type": "AWS::SNS::TopicPolicy", "Properties": policy}}
    (resource,) = load(draft(written(tmp_path / "g", t={"Resources": parts}), "eu-west-1", {})).resources
    assert resource.policy[0].document["Resource"] == "${stacks.t.resources.T}"


def test_stacks_that_export_are_drafted_before_those_that_import(tmp_path: Path) -> None:
    policy = {"Statement": [{"Effect": "Allow", "Action": "sns:ListTopics", "Resource": "*"}]}
    exporter = {
        "Resources": {"Lists": {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": policy}}},
        "Outputs": {"Lists": {"Value": {"Ref": "Lists"}, "Export": {"Name": {"Fn::Sub": "${AWS::StackName}-lists"}}}},
    }
    managed = {
        "AssumeRolePolicyDocument": TRUST,
        "ManagedPolicyArns": [{"Fn::ImportValue": {"Fn::Sub": "${Base}-lists"}}],
    }
    parameter = {"Base": {"Type": "String"}}
    importer = {"Parameters": parameter, "Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": managed}}}
    contract = load(draft(written(tmp_path / "g", app=importer, base=exporter), "eu-west-1", {}))
    base, app = contract.stacks
    assert (base.alias, app.alias) == ("base", "app")
    assert app.parameters == {"Base": base.name}


def test_an_output_can_be_an_arn_whatever_its_name(tmp_path: Path) -> None:
    policy = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
                             "Resource": {"Fn::Sub": "${Bucket.Arn}/public/*"}}]}  # fmt: skip
    template = {
        "Resources": {
            "Bucket": {"Type": "AWS::S3::Bucket"},
            "P": {
                "Type": "AWS::S3::BucketPolicy",
                "Properties": {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": policy},
            },
        },
        "Outputs": {"Reports": {"Value": {"Fn::GetAtt": ["Bucket", "Arn"]}}},
    }
    contract = load(draft(written(tmp_path / "g", t=template), "eu-west-1", {}))
    assert contract.resources[0].policy[0].document["Resource"] == "${stacks.t.outputs.Reports}/public/*"


def test_a_grant_with_only_a_resource_policy_is_drafted(tmp_path: Path) -> None:
    (tmp_path / "g").mkdir()
    document = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "222222222222"}, "Action": "sns:Publish",
                               "Resource": "*"}]}  # fmt: skip
    topic = {"Type": "AWS::SNS::Topic"}
    policy = {"Type": "AWS::SNS::TopicPolicy", "Properties": {"Topics": [{"Ref": "T"}], "PolicyDocument": document}}
    (tmp_path / "g" / "t.json").write_text(json.dumps({"Resources": {"T": topic, "P": policy}}), encoding="utf-8")
    contract = load(draft([tmp_path / "g" / "t.json"], "eu-west-1", {}))
    assert contract.principals == ()
    (declared,) = contract.resources
    assert declared.policy[0].document["Action"] == "sns:Publish"


def test_a_repository_whose_name_has_slashes_is_drafted(tmp_path: Path) -> None:
    """Together with one whose name is the end of its name."""
    statement = {"Effect": "Allow", "Principal": {"AWS": "222222222222"}, "Action": "ecr:BatchGetImage"}

    def repository(name: str, **more: object) -> object:
        return {"Type": "AWS::ECR::Repository", "Properties": {"RepositoryName": name, **more}}

    policy = {"Version": "2012-10-17", "Statement": [statement]}
    parts = {"Api": repository("shop/api", RepositoryPolicyText=policy), "Other": repository("api")}
    path = draft(written(tmp_path / "g", t={"Resources": parts}), "eu-west-1", {})
    (declared,) = load(path).resources
    assert (declared.alias, declared.reference.rpartition(":")[2]) == ("api", "repository/shop/api")
    assert "  api: # Api\n" in path.read_text(encoding="utf-8")


def test_a_draft_waives_findings_about_style_until_a_person_decides(
    tmp_path: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A parameter that accepts any text, and lint findings; never findings about access."""
    monkeypatch.chdir(tmp_path)
    template = (SHAPES / "gitlab-ci" / "ci.yaml").read_text(encoding="utf-8")
    Path("ci").mkdir()
    Path("ci/t.yaml").write_text(f"Parameters: {{Project: {{Type: String}}}}\n{template}", encoding="utf-8")
    status = main(["init", "ci/t.yaml", "--region", "eu-west-1"])
    said = capsys.readouterr().out
    assert status == 1, said
    assert "reports in" not in said  # they are thrown away
    assert said.endswith("next: decide what is marked DECIDE, then `grantproof verify ci`\n")
    assert main(["verify", "ci"]) == 1
    again = capsys.readouterr().out
    assert "parameter Project takes any text, `*` included" in again
    assert (
        "ci/waivers.yaml:3:5: owner and reason are still marked DECIDE, so that it accepts nothing. To accept what it "
        "lists (2 of the findings above), say who answers for it and why; or mend the templates and delete it\n"
        in again
    )
    text = Path("ci/waivers.yaml").read_text(encoding="utf-8")
    assert "DECIDE: who answers for this?" in text
    assert "parameter Project takes any text" in text
    assert 'claim: "trust/' not in text


def test_a_draft_does_not_waive_findings_about_access(
    tmp_path: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    template = (SHAPES / "gitlab-ci" / "ci.yaml").read_text(encoding="utf-8")
    Path("ci").mkdir()
    open_ = template.replace("Principal: {Federated: !GetAtt Provider.Arn}", 'Principal: {AWS: "*"}')
    Path("ci/t.yaml").write_text(open_.replace("sts:AssumeRoleWithWebIdentity", "sts:AssumeRole"), encoding="utf-8")
    assert main(["init", "ci/t.yaml", "--region", "eu-west-1"]) == 1
    assert "anybody with an AWS account may enter" in capsys.readouterr().out
    assert not Path("ci/waivers.yaml").exists()


def test_nested_templates_become_uploads_and_outputs_feed_parameters(tmp_path: Path) -> None:
    files = copied(tmp_path / "g", *(SHIPPED / f"{name}.yaml" for name in ("root", "iam", "ssm", "partner")))
    contract = load(draft(files, "eu-west-1", {}))
    assert [stack.alias for stack in contract.stacks] == ["root", "partner"]
    assert {file.name for upload in contract.uploads for file in upload.files} == {"iam.yaml", "ssm.yaml"}
    assert contract.uploads[0].prefix == "dva-02-002"
    assert contract.stacks[1].parameters["RoleArn"] == "${stacks.root.outputs.RoleArn}"
    text = contract.path.read_text(encoding="utf-8")
    assert 'RequireMfa: "false" # DECIDE: its default, on which access may turn; others belong under `variants`' in text
    assert {p.alias: p.kind for p in contract.principals} == {
        "reader-role": "role",
        "readers": "group",
        "assume-reader-policy": "policy",
    }
    reader = contract.principal("reader-role")
    assert reader.entered_by == ()  # the group is drafted in the account of the role, which does not trust it
    assert [s.document["Action"] for s in reader.allows] == ["ssm:DescribeParameters", "ssm:GetParameter"]
    assert reader.allows[1].document["Resource"] == (
        "arn:${partition}:ssm:${region}:${accounts.owner}:parameter/dva-02-002-Parameter"
    )


def test_given_values_are_not_marked_as_guessed(tmp_path: Path) -> None:
    files = copied(tmp_path / "g", SHAPES / "vendor-with-external-id" / "vendor.yaml")
    text = draft(files, "eu-west-1", {"ExternalId": "given-by-the-vendor"}).read_text(encoding="utf-8")
    assert "      ExternalId: given-by-the-vendor\n" in text
    assert "      VendorAccount: ${accounts.account-2} # DECIDE: guessed\n" in text


def test_a_draft_promises_exactly_what_the_templates_give(tmp_path: Path) -> None:
    """The draft of a wide template promises all of its access."""
    template = (SHAPES / "pipeline-roles" / "pipeline.yaml").read_text(encoding="utf-8")
    folder = tmp_path / "g"
    folder.mkdir()
    (folder / "t.yaml").write_text(template.replace('"codebuild:StartBuild"', '"*"'), encoding="utf-8")
    contract = load(draft([folder / "t.yaml"], "eu-west-1", {}))
    assert [s.document["Action"] for s in contract.principal("pipeline").allows] == ["*", "iam:PassRole"]


TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "210987654321"}, "Action": "sts:AssumeRole"}],
}
EXPORT = {
    "UserDetailList": [
        {
            "UserName": "ann",
            "Arn": "arn:aws:iam::123456789012:user/ann",
            "Path": "/",
            "UserId": "AIDA1",
            "GroupList": ["ops"],
        }
    ],
    "GroupDetailList": [
        {
            "GroupName": "ops",
            "Arn": "arn:aws:iam::123456789012:group/ops",
            "Path": "/",
            "GroupId": "AGPA1",
            "GroupPolicyList": [],
            "AttachedManagedPolicies": [{"PolicyName": "look", "PolicyArn": "arn:aws:iam::123456789012:policy/look"}],
        }
    ],
    "RoleDetailList": [
        {
            "RoleName": "AWSServiceRoleForSupport",
            "Arn": "arn:aws:iam::123456789012:role/aws-service-role/support.amazonaws.com/AWSServiceRoleForSupport",
            "Path": "/aws-service-role/support.amazonaws.com/",
            "RoleId": "AROA1",
            "AssumeRolePolicyDocument": {},
        },
        {
            "RoleName": "audit",
            "Arn": "arn:aws:iam::123456789012:role/audit",
            "Path": "/",
            "RoleId": "AROA2",
            # The API gives documents as percent-encoded text.
            "AssumeRolePolicyDocument": quote(json.dumps(TRUST)),
            "RolePolicyList": [],
            "AttachedManagedPolicies": [{"PolicyName": "look", "PolicyArn": "arn:aws:iam::123456789012:policy/look"}],
        },
    ],
    "Policies": [
        {
            "PolicyName": "look",
            "Arn": "arn:aws:iam::123456789012:policy/look",
            "Path": "/",
            "PolicyVersionList": [
                {
                    "VersionId": "v2",
                    "IsDefaultVersion": True,
                    "Document": {
                        "Version": "2012-10-17",
                        "Statement": [{"Effect": "Allow", "Action": "sns:ListTopics", "Resource": "*"}],
                    },
                },
                {"VersionId": "v1", "IsDefaultVersion": False, "Document": {}},
            ],
        }
    ],
}


def test_an_export_of_an_account_becomes_a_grant_that_verifies(
    tmp_path: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("export.json").write_text(json.dumps(EXPORT), encoding="utf-8")
    status = main(["init", "--from-snapshot", "export.json", "--out", "imported", "--region", "eu-west-1"])
    said = capsys.readouterr().out
    assert status == 0, said
    contract = load(Path("imported"))
    assert dict(contract.accounts) == {"owner": "123456789012", "account-2": "210987654321"}
    assert {p.alias: p.kind for p in contract.principals} == {
        "audit": "role",
        "ops": "group",
        "ann": "user",
        "look": "policy",
    }


def test_an_export_can_be_narrowed_to_named_entities(tmp_path: Path) -> None:
    export = tmp_path / "export.json"
    export.write_text(json.dumps(EXPORT), encoding="utf-8")
    contract = load(draft_from_snapshot(export, tmp_path / "out", "eu-west-1", ["audit", "look"]))
    assert {p.alias for p in contract.principals} == {"audit", "look"}
    for name, said in (("gone", "called gone.$"), ("Audit", "called Audit. Did you mean audit?")):
        with pytest.raises(CannotDraft, match=said.replace("?", r"\?")):
            draft_from_snapshot(export, tmp_path / "other", "eu-west-1", ["look", name])
    export.write_text(json.dumps({**EXPORT, "IsTruncated": True}), encoding="utf-8")
    with pytest.raises(CannotDraft, match="the export is cut off"):
        draft_from_snapshot(export, tmp_path / "other", "eu-west-1", [])
    assert not (tmp_path / "other").exists()


def test_mistakes_are_one_clear_error_each(tmp_path: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    copied(tmp_path / "there", SHAPES / "gitlab-ci" / "ci.yaml", SHAPES / "gitlab-ci" / "contract.yaml")
    Path("notes.yaml").write_text("a: 1\n", encoding="utf-8")
    Path("export.json").write_text(json.dumps(EXPORT), encoding="utf-8")
    Path("hard.yaml").write_text(
        "Parameters: {Odd: {Type: String, AllowedPattern: 'qq(?!z)zz'}}\nResources: {T: {Type: AWS::SNS::Topic}}\n",
        encoding="utf-8",
    )
    parameter = "Resources: {T: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: x}}}\n"
    Path("parameter.yaml").write_text(parameter, encoding="utf-8")
    Path("pattern.yaml").write_text(
        "Parameters:\n  Odd: {Type: String, AllowedPattern: '*'}\nResources: {T: {Type: AWS::SNS::Topic}}\n",
        encoding="utf-8",
    )
    policy = "{Statement: [{Effect: Allow, Principal: '*', Action: 'sns:*', Resource: '*', Condition: x}]}"
    Path("policy.yaml").write_text(
        "Resources:\n  T: {Type: AWS::SNS::Topic, Properties: {TopicName: t}}\n"
        f"  P: {{Type: AWS::SNS::TopicPolicy, Properties: {{Topics: [!Ref T], PolicyDocument: {policy}}}}}\n",
        encoding="utf-8",
    )
    for arguments, message in (
        ([], "name templates, or a file with --from-snapshot"),
        (["gone.yaml"], "there is no file gone.yaml.\n"),
        (["note.yaml"], "there is no file note.yaml. Did you mean notes.yaml?"),
        (["export.json"], "export.json is the export of an account; draft from it with --from-snapshot export.json"),
        (["--from-snapshot", "export.json", "--out", "there"], "there holds a grant already; give another folder"),
        (["there"], "there is a folder; name the templates in it, as in there/*.yaml"),
        (["notes.yaml"], "notes.yaml is not a CloudFormation template: it has no Resources"),
        (["there/ci.yaml"], "there/contract.yaml exists; move it away to draft a new one"),
        (["hard.yaml"], "parameter Odd needs a value that cannot be made up; give one with --parameter Odd=VALUE"),
        (["hard.yaml", "--parameter", "Odd"], "--parameter takes NAME=VALUE, not 'Odd'"),
        (["pattern.yaml"], "pattern.yaml:2:23: Odd: its AllowedPattern is not understood: nothing to repeat"),
        (["policy.yaml"], "AWS would not accept a policy of the templates: "),
        (["parameter.yaml"], "no role, group, user or policy"),
        (["--from-snapshot", "notes.yaml"], "notes.yaml cannot be read"),
    ):
        assert main(["init", *arguments]) == 2
        said = capsys.readouterr().err
        assert message in said
        assert said.count("\n") == 1
    assert not Path("contract.yaml").exists()


VENDOR = """
Parameters:
  Longest: {Type: Number}
Resources:
  Costs:
    Type: AWS::IAM::Role
    Properties:
      RoleName: costs
      MaxSessionDuration: !Ref Longest
      ManagedPolicyArns: ["arn:aws:iam::aws:policy/SecurityAudit"]
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {AWS: "222222222222"}, Action: "sts:AssumeRole"}]
      Policies:
        - PolicyName: own
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              - {Effect: Allow, Action: ["s3:PutBucketLifecycleConfiguration", "ce:GetCostForecast"], Resource: "*"}
              - {Effect: Allow, Action: "ce:GetCostForecasts", Resource: "*"}
"""


def test_aws_policies_are_drafted_by_name_and_actions_that_do_not_exist_are_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "vendor"
    folder.mkdir()
    (folder / "vendor.yaml").write_text(VENDOR, encoding="utf-8")
    written = draft([folder / "vendor.yaml"], "eu-west-1", {}).read_text(encoding="utf-8")
    assert "      - arn:${partition}:iam::aws:policy/SecurityAudit\n" in written
    assert "# DECIDE: left out, since there is no such action: s3:PutBucketLifecycleConfiguration\n" in written
    assert "# DECIDE: left out, since there is no such action: ce:GetCostForecasts\n" in written
    costs = load(folder).principal("costs")
    assert [s.document["Action"] for s in costs.allows] == [["ce:GetCostForecast"]]
    assert costs.max_session == 3600


ASKED_FOR = """
Parameters:
  ToolsAccount: {Type: Number}
  Scanner: {Type: String}
  TrustedRoles: {Type: CommaDelimitedList}
  Organisation: {Type: String}
  EventBusArn: {Type: String}
  KeyArn: {Type: String}
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement:
          - {Effect: Allow, Principal: {AWS: !Ref Scanner}, Action: "sts:AssumeRole"}
          - {Effect: Allow, Principal: {AWS: [!Ref ToolsAccount]}, Action: "sts:AssumeRole"}
          - {Effect: Allow, Principal: {AWS: !Ref TrustedRoles}, Action: "sts:AssumeRole"}
          - Effect: Allow
            Principal: {AWS: !Sub "arn:aws:iam::${ToolsAccount}:root"}
            Action: "sts:AssumeRole"
            Condition: {StringEquals: {"aws:PrincipalOrgID": !Ref Organisation}}
"""


def test_an_invented_parameter_value_fits_its_use_in_the_template(tmp_path: Path) -> None:
    """Invented values such as the account 3600, or the principal `example`, prevented drafts of real templates."""
    (tmp_path / "t.yaml").write_text(ASKED_FOR, encoding="utf-8")
    (stack,) = skeleton([tmp_path / "t.yaml"], "eu-west-1", {}).contract.stacks
    assert stack.parameters == {
        "ToolsAccount": "222222222222",
        "Scanner": "arn:aws:iam::222222222222:role/example",
        "TrustedRoles": "arn:aws:iam::222222222222:role/example",
        "Organisation": "o-exampleorgid",
        "EventBusArn": "arn:aws:events:us-east-1:222222222222:event-bus/example",
        "KeyArn": "arn:aws:kms:us-east-1:222222222222:key/11111111-2222-3333-4444-55555555555a",
    }


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("^$|^arn:aws:kms:[a-z0-9-]+:[0-9]{12}:key/[a-f0-9-]{36}$", "^$"), ("ticket-[0-9]{6}", "ticket-[0-9]{6}")],
    ids=["may be empty", "by its pattern"],
)
def test_a_value_is_invented_for_a_parameter_with_a_pattern_of_its_own(
    tmp_path: Path, pattern: str, expected: str
) -> None:
    declared = {"P": {"Type": "String", "AllowedPattern": pattern}}
    template = {"Parameters": declared, "Resources": {"T": {"Type": "AWS::SNS::Topic"}}}
    (stack,) = skeleton(written(tmp_path / "g", t=template), "eu-west-1", {}).contract.stacks
    assert re.fullmatch(expected, stack.parameters["P"])


def vendor(number: object, **parameters: object) -> object:
    """A template whose role a vendor assumes, with an external ID of eight characters or more."""
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": {"Fn::Sub": ["arn:aws:iam::${Number}:root", {"Number": number}]}},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": {"Ref": "ExternalId"}}},
    }
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Statement": [statement]}}}
    external = {"ExternalId": {"Type": "String", "MinLength": 8, "AllowedPattern": "[a-z0-9-]+"}}
    return {"Parameters": {**external, **parameters}, "Resources": {"R": role}}


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (vendor("333333333333"), {"account-2": "named in the templates; whose is it?"}),
        (
            vendor({"Ref": "Vendor"}, Vendor={"Type": "String", "AllowedPattern": "[0-9]{12}"}),
            {"account-2": "made up for Vendor; whose number is to stand here?"},
        ),
    ],
    ids=["in a template", "made up"],
)
def test_an_invented_account_is_not_said_to_be_in_the_templates(
    template: object, said: dict[str, str], tmp_path: Path
) -> None:
    """And a parameter that is no account ID does not get an invented one."""
    text = draft(written(tmp_path / "g", t=template), "eu-west-1", {}).read_text(encoding="utf-8")
    assert dict(re.findall(r'  (account-\d+): "\d{12}" # DECIDE: (.+)', text)) == said
    assert "      ExternalId: example-name # DECIDE: guessed\n" in text


READS = {"Statement": [{"Effect": "Allow", "Action": "sns:ListTopics", "Resource": "*"}]}


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        (
            {"P": {"Type": "AWS::IAM::RolePolicy",
                   "Properties": {"RoleName": "theirs", "PolicyName": "p", "PolicyDocument": READS}}},
            "Role theirs not found; a stack of the contract before this one has to create it",
        ),
        (
            {"R": {"Type": "AWS::IAM::Role",
                   "Properties": {"AssumeRolePolicyDocument": TRUST,
                                  "ManagedPolicyArns": ["arn:aws:iam::aws:policy/service-role/AWSConfigRole"]}}},
            "did you mean arn:aws:iam::aws:policy/service-role/AWS_ConfigRole? Or AWS has withdrawn it, or has made it",
        ),
        (
            {"B": {"Type": "AWS::S3::Bucket", "OrganizationBinding": {"Ref": "Elsewhere"}},
             "P": {"Type": "AWS::S3::BucketPolicy", "Properties": {"Bucket": {"Ref": "B"}, "PolicyDocument": READS}}},
            "B (AWS::S3::Bucket) is not deployed: the mocked world cannot create it: nothing in the template is called "
            "Elsewhere; ... P (AWS::S3::BucketPolicy)",
        ),
        (
            {"S": {"Type": "AWS::CloudFormation::Stack",
                   "Properties": {"TemplateURL": "https://vendor.s3.amazonaws.com/role.yaml"}}},
            "https://vendor.s3.amazonaws.com/role.yaml is not there; get that template, and name it under `uploads`",
        ),
        (
            {"S": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "./nested/role.yaml"}}},
            "./nested/role.yaml is not the address of an object in S3, without a version; give it one, as `aws ",
        ),
    ],
    ids=["a role that is there before", "a policy that AWS took back", "what others wait for", "a vendor's template",
         "a template that is not packaged"],
)  # fmt: skip
def test_something_missing_is_reported_with_the_next_step(tmp_path: Path, resources: object, said: str) -> None:
    with pytest.raises(CannotDraft) as caught:
        draft(written(tmp_path / "g", t={"Resources": resources}), "eu-west-1", {})
    assert all(part in str(caught.value) for part in said.split("... "))


def test_a_macro_in_a_list_is_reported_at_its_position(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(
        "Resources:\n  Role:\n    Type: AWS::IAM::Role\n    Properties:\n      Policies:\n"
        "        - Fn::Transform: [{Name: Theirs, Parameters: {}}]\n",
        encoding="utf-8",
    )
    with pytest.raises(DeploymentFailed, match=r"t\.yaml:6:11: stack 't': the transform Theirs runs in AWS"):
        draft([tmp_path / "t.yaml"], "eu-west-1", {})


@pytest.mark.parametrize("principal", ["*", {"AWS": "*"}, {"AWS": ["*", "222222222222"]}])
def test_a_role_open_to_everybody_is_drafted_with_the_reason_why_it_does_not_verify(
    tmp_path: Path, principal: object
) -> None:
    only = {"StringEquals": {"aws:PrincipalOrgID": "o-exampleorgid"}}
    allow = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", "Condition": only}
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Statement": [allow]}}}
    text = draft(written(tmp_path / "g", t={"Resources": {"R": role}}), "eu-west-1", {}).read_text(encoding="utf-8")
    assert "name the accounts as principals, and keep the condition\n      - Principal:" in text


def test_external_destinations_are_drafted_and_marked(tmp_path: Path) -> None:
    """Also if there is nothing else to promise. A destination is never drafted as an output, which would promise any
    value."""
    bus = "arn:aws:events:us-east-1:222222222222:event-bus/central"
    subscriptions = [
        {"Protocol": "email", "Endpoint": "ops@example.com"},
        {"Protocol": "https", "Endpoint": "https://example.com/*"},
    ]
    template = {
        "Parameters": {"Central": {"Type": "String", "Default": bus}},
        "Resources": {
            "Rule": {
                "Type": "AWS::Events::Rule",
                "Properties": {"EventPattern": {"source": ["a"]}, "Targets": [{"Id": "a", "Arn": {"Ref": "Central"}}]},
            },
            "Mails": {"Type": "AWS::SNS::Topic", "Properties": {"Subscription": subscriptions}},
        },
        "Outputs": {"Bus": {"Value": {"Ref": "Central"}}},
    }
    path = draft(written(tmp_path / "g", t=template), "us-east-1", {})
    text = path.read_text(encoding="utf-8")
    assert "sends: # DECIDE: is all of this meant to leave its account?" in text
    assert 't/Mails sends to\n  # "https://example.com/*", which has a wildcard' in text
    contract = load(path)
    assert {sending.path: sending.to for sending in contract.sends} == {
        ("t", "Rule"): ("arn:${partition}:events:${region}:${accounts.account-2}:event-bus/central",),
        ("t", "Mails"): ("ops@example.com",),
    }
    del template["Resources"]["Mails"]
    alone = load(draft(written(tmp_path / "alone", t=template), "us-east-1", {}))
    assert (alone.principals, alone.resources, len(alone.sends)) == ((), (), 1)
