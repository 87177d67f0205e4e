"""Claims about the shipped templates beyond those that the suites verify for every grant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cfnlint import api, core
from cfnlint.config import ManualArgs
from cfnlint.helpers import REGIONS

from grantproof.aws.held.policies import Policies
from grantproof.aws.held.snapshot import take
from grantproof.aws.mocked.world import World
from grantproof.aws.synthesis.stacks import Refused, synthesise
from grantproof.aws.templates.parameters import RefusedParameters, check
from grantproof.aws.templates.pseudo import regions
from grantproof.contract import load
from grantproof.source import read, text_of
from grantproof.variants import with_variants

ROOT = Path(__file__).parent.parent
GRANT = ROOT / "templates" / "cross-account-ssm"
TEMPLATES = sorted(path for path in (ROOT / "templates").glob("*/*.yaml") if path.name != "contract.yaml")


def named(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def one_region_of_each_partition() -> list[str]:
    """Of those that cfn-lint knows. All regions take minutes, and differ in the resource types that they have."""
    known = regions()
    return list({known[region]: region for region in REGIONS if region in known}.values())


def test_cfn_lint_has_nothing_to_say_in_any_partition_experimental_checks_included() -> None:
    regions = one_region_of_each_partition()
    assert len(regions) >= 7
    kinds = ["E", "W", "I"]
    rules = core.get_rules([], [], kinds, include_experimental=True, mandatory_rules=kinds)
    config = ManualArgs(regions=regions, include_checks=["I"], include_experimental=True, mandatory_checks=kinds)
    assert [f"{named(t)}: {found}" for t in TEMPLATES for found in api.lint(text_of(t), rules, regions, config)] == []


@pytest.mark.parametrize("template", TEMPLATES, ids=named)
def test_every_parameter_is_described_constrained_and_on_the_consoles_form(template: Path) -> None:
    value = read(template).value
    if not value.get("Parameters"):
        return
    form = value["Metadata"]["AWS::CloudFormation::Interface"]
    shown = [name for group in form["ParameterGroups"] for name in group["Parameters"]]
    assert sorted(shown) == sorted(value["Parameters"]) == sorted(form["ParameterLabels"])
    for name, parameter in value["Parameters"].items():
        assert parameter["Description"], name
        if "AllowedValues" not in parameter and parameter["Type"] != "Number":
            assert parameter["AllowedPattern"], name
            assert parameter["ConstraintDescription"], name
    assert all(output["Description"] for output in value["Outputs"].values())


@pytest.mark.parametrize("template", TEMPLATES, ids=named)
def test_every_default_can_be_deployed(template: Path) -> None:
    for name, parameter in read(template).value.get("Parameters", {}).items():
        if "Default" in parameter:
            check({"Parameters": {name: parameter}}, {})


GOOD = {
    "PartnerAccountId": ["222222222222"],
    "BucketName": ["my-bucket", "abc"],
    "ObjectPrefix": ["shared", "reports/2026", "a.b_c-d"],
    "SecretName": ["shared/password", "db", "a-password"],
    "many-partners/owner.yaml ParameterName": ["shared-with-partners", "a.b_c"],
    "many-partners/partner.yaml ExternalId": ["a" * 16, "first-5f1c20e7-8a4b"],
    "FirstAccountId": ["222222222222"],
    "FirstExternalId": ["a" * 16],
    "SecondAccountId": ["222222222222"],
    "SecondExternalId": ["a" * 16],
    "ThirdAccountId": ["222222222222", ""],
    "ThirdExternalId": ["a" * 16, ""],
    "FourthAccountId": ["222222222222", ""],
    "FourthExternalId": ["a" * 16, ""],
    "AuditorAccountId": ["222222222222"],
    "CrossAccountId": ["222222222222"],
    "Prefix": ["dva-02-002", "a", "x" * 64, "Team_1.prod"],
    "ParameterName": ["db", "dva-02-002-Parameter", "/prod/db/password", "/db", "a.b_c-d"],
    "TemplateBucketName": ["my-templates", "abc", "a" * 63],
    "RoleArn": ["arn:aws:iam::111111111111:role/r", "arn:aws-cn:iam::111111111111:role/teams/red/reader_1+=,.@-"],
    "ParameterValue": ["x", "two words", "line\nline", "{}"],
    "PartnerPrincipalArns": [
        "",
        "arn:aws:iam::222222222222:role/ci/deployer",
        "arn:aws:iam::222222222222:role/a, arn:aws-cn:iam::222222222222:user/b",
    ],
    "OrganizationId": ["", "o-a1b2c3d4e5", f"o-{'a' * 32}"],
    "ExternalId": ["", "a" * 16, "0b6f0c2e-7d0f-4b39", "a+b=c,d.e@f:g/h-_"],
    "RequireMfa": ["true", "false"],
    "SessionProject": ["", "warehouse", "Team_1", "a:b/c=d+e@f.g-h"],
    "RequireSourceIdentity": ["true", "false"],
    "MfaMaxAge": ["", "900", "3600", "99999", "100000", "129600"],
    "ExistingParameterName": ["", "db", "/db", "/prod/db/password"],
    "MoreParameterArns": [
        "",
        "arn:aws:ssm:eu-west-1:111111111111:parameter/a,arn:aws:ssm:eu-west-1:111111111111:parameter/b/c",
    ],
    "ParameterPath": ["", "/prod", "/prod/app"],
    "KmsKeyArn": ["", "arn:aws:kms:eu-west-1:111111111111:key/d08181ab-4e5a-50de-ba99-0cd855f95654"],
    "RoleName": ["", "reader", "a.b_c-d"],
    "RolePath": ["/", "/teams/", "/teams/data/"],
    "MaxSessionDuration": ["3600", "43200"],
    "PermissionsBoundaryArn": ["", "arn:aws:iam::111111111111:policy/b", "arn:aws:iam::aws:policy/ReadOnlyAccess"],
    "cross-account-ssm/key.yaml ParameterName": ["db", "prod/db/password"],
}
BAD = {
    "PartnerAccountId": ["", "*", "22222222222", "arn:aws:iam::222222222222:root"],
    "BucketName": ["", "ab", "My-Bucket", "a.b.c", "a" * 64, "*", "${aws:username}"],
    "ObjectPrefix": ["", "*", "shared/", "/shared", "a//b", "a/*", "${aws:username}"],
    "SecretName": ["", "*", "db-AbCdEf", "/db", "a//b", "a?"],
    "many-partners/owner.yaml ParameterName": ["", "*", "a/b", "aws-x"],
    "many-partners/partner.yaml ExternalId": ["", "*", "a" * 15],
    "FirstAccountId": ["*", "22222222222"],
    "FirstExternalId": ["*", "a" * 15, "a" * 15 + "*"],
    "SecondAccountId": ["*", "22222222222"],
    "SecondExternalId": ["*", "a" * 15, "a" * 15 + "*"],
    "ThirdAccountId": ["*", "22222222222"],
    "ThirdExternalId": ["*", "a" * 15, "a" * 15 + "*"],
    "FourthAccountId": ["*", "22222222222"],
    "FourthExternalId": ["*", "a" * 15, "a" * 15 + "*"],
    "AuditorAccountId": ["", "*", "22222222222", "arn:aws:iam::222222222222:root"],
    "CrossAccountId": ["", "*", "22222222222", "2222222222222", "222222222222\n", "arn:aws:iam::222222222222:root"],
    "Prefix": ["", "*", "a*", "/a", "-a", "aws-x", "SSMx", "a b", "a\n", "x" * 65, "${aws:username}"],
    "ParameterName": ["", "*", "a/b", "//a", "/a/", "/a*", "a?", "${aws:username}", "/" + "a/" * 15 + "a", "a\n"],
    "TemplateBucketName": ["", "ab", "My-Bucket", "a.b.c", "a" * 64, "-ab", "a b c", "abc\n", "evil.example/x"],
    "RoleArn": ["", "*", "arn:aws:iam::111111111111:role/*", "arn:aws:iam::*:role/r", "arn:aws:iam::111111111111:root"],
    "ParameterValue": ["", " ", "{{resolve:ssm:other}}", "x" * 4097],
    "PartnerPrincipalArns": ["*", "arn:aws:iam::222222222222:role/*", "arn:aws:iam::222222222222:root", "222222222222"],
    "OrganizationId": ["*", "o-short", "o-A1B2C3D4E5", "r-a1b2"],
    "ExternalId": ["*", "a" * 15, "a" * 15 + "*", "a" * 1225, "${aws:username}xxxxx"],
    "RequireMfa": ["", "True", "yes"],
    "SessionProject": ["*", "a*", "?", "${aws:PrincipalTag/Project}", "a b", "a" * 257],
    "RequireSourceIdentity": ["", "True", "yes"],
    "MfaMaxAge": ["899", "129601", "0", "3600.5", "-3600", "1e4"],
    "ExistingParameterName": ["*", "a/b", "/a/", "${aws:username}"],
    "MoreParameterArns": [
        "*",
        "db",
        "arn:aws:ssm:eu-west-1:111111111111:parameter/*",
        "arn:aws:ssm:*:111111111111:parameter/a",
    ],
    "ParameterPath": ["/", "prod", "/prod/", "/prod/*", "/" + "a/" * 15 + "a"],
    "KmsKeyArn": [
        "*",
        "alias/a",
        "arn:aws:kms:eu-west-1:111111111111:alias/a",
        "arn:aws:kms:eu-west-1:111111111111:key/*",
    ],
    "RoleName": ["a b", "a*", "x" * 65],
    "RolePath": ["", "teams", "/teams", "/te ams/", "/*/"],
    "MaxSessionDuration": ["3599", "43201", "x"],
    "PermissionsBoundaryArn": ["*", "arn:aws:iam::111111111111:policy/*", "arn:aws:iam::111111111111:role/r"],
    "cross-account-ssm/key.yaml ParameterName": ["", "/db", "a//b", "*", "a/"],
}


@pytest.mark.parametrize("template", TEMPLATES, ids=named)
def test_parameters_accept_valid_values_and_refuse_all_others(template: Path) -> None:
    for name, parameter in read(template).value.get("Parameters", {}).items():
        alone = {"Parameters": {name: parameter}}
        for value in GOOD.get(f"{template.parent.name}/{template.name} {name}", GOOD[name]):
            check(alone, {name: value})
        for value in BAD.get(f"{template.parent.name}/{template.name} {name}", BAD[name]):
            with pytest.raises(RefusedParameters):
                check(alone, {name: value})


@pytest.mark.parametrize(
    ("name", "resource"),
    [("db", "parameter/db"), ("/db", "parameter/db"), ("/prod/db/password", "parameter/prod/db/password")],
)
def test_the_arn_of_the_parameter_has_exactly_one_slash_before_the_name(name: str, resource: str) -> None:
    """A name with a leading slash must not make it two (rule M1)."""
    account = "111111111111"
    with World({"owner": account}, "eu-west-1") as world:
        root = world.root("owner")
        world.client(root, "cloudformation").create_stack(
            StackName="role",
            TemplateBody=json.dumps(read(GRANT / "iam.yaml").value),
            Parameters=[
                {"ParameterKey": "ParameterName", "ParameterValue": name},
                {"ParameterKey": "CrossAccountId", "ParameterValue": "222222222222"},
            ],
        )
        found = Policies([take(account, lambda service: world.client(root, service))])
    (role,) = found.held.values()
    patterns = [p.text for s in role.identity[0].statements for p in s.resources or ()]
    assert patterns == ["*", f"arn:aws:ssm:eu-west-1:{account}:{resource}"]


@pytest.mark.parametrize(
    ("region", "partition", "host"),
    [
        ("eu-west-1", "aws", "signin.aws.amazon.com"),
        ("cn-north-1", "aws-cn", "signin.amazonaws.cn"),
        ("us-gov-west-1", "aws-us-gov", "signin.amazonaws-us-gov.com"),
    ],
)
def test_the_switch_role_link_is_that_of_the_partition(region: str, partition: str, host: str) -> None:
    with World({"partner": "222222222222"}, region, partition) as world:
        client = world.client(world.root("partner"), "cloudformation")
        arn = f"arn:{partition}:iam::111111111111:role/teams/reader"
        client.create_stack(
            StackName="partner",
            TemplateBody=json.dumps(read(GRANT / "partner.yaml").value),
            Parameters=[{"ParameterKey": "RoleArn", "ParameterValue": arn}],
        )
        outputs = {o["OutputKey"]: o["OutputValue"] for o in client.describe_stacks()["Stacks"][0]["Outputs"]}
    assert outputs["SwitchRoleLink"] == f"https://{host}/switchrole?account=111111111111&roleName=teams/reader"


def test_without_options_the_policies_are_those_of_the_first_version() -> None:
    """Options are off by default, so stacks deployed before there were options do not change."""
    found = synthesise(load(GRANT))
    (role,) = found.snapshots["111111111111"].roles
    assert role["AssumeRolePolicyDocument"] == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "PartnerAccountMayEnter",
                "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::222222222222:root"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    (policy,) = role["RolePolicyList"]
    assert [s["Action"] for s in policy["PolicyDocument"]["Statement"]] == [
        "ssm:DescribeParameters",
        "ssm:GetParameter",
    ]
    assert (role["MaxSessionDuration"], role["Path"], role.get("PermissionsBoundary")) == (3600, "/", None)


@pytest.mark.parametrize(
    ("variants", "link"),
    [((), True), (("mfa",), True), (("external-id",), False), (("source-identity",), False), (("session-tag",), False)],
)
def test_there_is_a_console_link_only_for_roles_that_the_console_can_assume(
    variants: tuple[str, ...], link: bool
) -> None:
    """The console sends no external id, no source identity and no tags."""
    stacks = synthesise(with_variants(load(GRANT), variants)).deployment.stacks
    outputs = {stack.alias: stack.outputs for stack in stacks}
    assert ("SwitchRoleLink" in outputs["owner"], "SwitchRoleLink" in outputs["partner"]) == (link, link)


def test_a_person_and_a_machine_do_not_share_a_role() -> None:
    for wrong in (["mfa", "external-id"], ["source-identity", "external-id"], ["mfa-age"]):
        with pytest.raises(Refused):
            synthesise(with_variants(load(GRANT), wrong))


def test_a_key_is_for_a_parameter_that_cloudformation_did_not_make() -> None:
    needed = {"TemplateBucketName": "bucket", "CrossAccountId": "222222222222"}
    key = {"KmsKeyArn": GOOD["KmsKeyArn"][1]}
    check(read(GRANT / "root.yaml").value, {**needed, **key, "ExistingParameterName": "/prod/db"})
    with pytest.raises(RefusedParameters, match="AKeyNeedsASecureString"):
        check(read(GRANT / "root.yaml").value, {**needed, **key})


def test_no_two_partners_share_an_account_or_an_external_id() -> None:
    template = read(ROOT / "templates" / "many-partners" / "owner.yaml").value
    two = {
        "FirstAccountId": "222222222222",
        "FirstExternalId": "first-5f1c20e7-8a4b",
        "SecondAccountId": "333333333333",
        "SecondExternalId": "second-c0b7a9d2-11ef",
    }
    check(template, two)
    for wrong in (
        {"SecondExternalId": two["FirstExternalId"]},
        {"SecondAccountId": two["FirstAccountId"]},
        {"ThirdAccountId": "444444444444"},
        {"ThirdExternalId": "third-7be41f60-93aa"},
        {"FourthAccountId": "444444444444", "FourthExternalId": two["SecondExternalId"]},
    ):
        with pytest.raises(RefusedParameters, match="rule"):
            check(template, {**two, **wrong})
