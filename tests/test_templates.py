"""The shipped templates, apart from what the suites verify of every grant."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from grantproof.aws.parameters import RefusedParameters, check
from grantproof.aws.policies import Policies
from grantproof.aws.snapshot import take
from grantproof.aws.world import World
from grantproof.source import read

ROOT = Path(__file__).parent.parent
GRANT = ROOT / "templates" / "cross-account-ssm"
TEMPLATES = sorted(path for path in GRANT.glob("*.yaml") if path.name != "contract.yaml")


def test_cfn_lint_has_nothing_to_say_in_any_region_experimental_checks_included() -> None:
    command = [
        str(Path(sys.executable).parent / "cfn-lint"),
        "-c",
        "I",
        "-e",
        "-r",
        "ALL_REGIONS",
        "--",
        *map(str, TEMPLATES),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_parameter_is_described_constrained_and_on_the_consoles_form(template: Path) -> None:
    value = read(template).value
    form = value["Metadata"]["AWS::CloudFormation::Interface"]
    shown = [name for group in form["ParameterGroups"] for name in group["Parameters"]]
    assert sorted(shown) == sorted(value["Parameters"]) == sorted(form["ParameterLabels"])
    for name, parameter in value["Parameters"].items():
        assert parameter["Description"], name
        assert parameter["AllowedPattern"], name
        assert parameter["ConstraintDescription"], name
    assert all(output["Description"] for output in value["Outputs"].values())


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_default_can_be_deployed(template: Path) -> None:
    for name, parameter in read(template).value["Parameters"].items():
        if "Default" in parameter:
            check({"Parameters": {name: parameter}}, {})


GOOD = {
    "CrossAccountId": ["222222222222"],
    "Prefix": ["dva-02-002", "a", "x" * 64, "Team_1.prod"],
    "ParameterName": ["db", "dva-02-002-Parameter", "/prod/db/password", "/db", "a.b_c-d"],
    "TemplateBucketName": ["my-templates", "abc", "a" * 63],
    "RoleArn": ["arn:aws:iam::111111111111:role/r", "arn:aws-cn:iam::111111111111:role/teams/red/reader_1+=,.@-"],
    "ParameterValue": ["x", "two words", "line\nline", "{}"],
}
BAD = {
    "CrossAccountId": ["", "*", "22222222222", "2222222222222", "222222222222\n", "arn:aws:iam::222222222222:root"],
    "Prefix": ["", "*", "a*", "/a", "-a", "aws-x", "SSMx", "a b", "a\n", "x" * 65, "${aws:username}"],
    "ParameterName": ["", "*", "a/b", "//a", "/a/", "/a*", "a?", "${aws:username}", "/" + "a/" * 15 + "a", "a\n"],
    "TemplateBucketName": ["", "ab", "My-Bucket", "a.b.c", "a" * 64, "-ab", "a b c", "abc\n", "evil.example/x"],
    "RoleArn": ["", "*", "arn:aws:iam::111111111111:role/*", "arn:aws:iam::*:role/r", "arn:aws:iam::111111111111:root"],
    "ParameterValue": ["", " ", "{{resolve:ssm:other}}", "x" * 4097],
}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_parameters_take_what_is_right_and_nothing_else(template: Path) -> None:
    for name, parameter in read(template).value["Parameters"].items():
        alone = {"Parameters": {name: parameter}}
        for value in GOOD[name]:
            check(alone, {name: value})
        for value in BAD[name]:
            with pytest.raises(RefusedParameters):
                check(alone, {name: value})


@pytest.mark.parametrize(
    ("name", "resource"),
    [("db", "parameter/db"), ("/db", "parameter/db"), ("/prod/db/password", "parameter/prod/db/password")],
)
def test_the_role_names_the_parameter_as_arns_have_it(name: str, resource: str) -> None:
    """Without its leading slash, and never with two (rule M1)."""
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
