"""`grantproof explain` and `grantproof who-can`, as a user runs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from grantproof.aws.mocked.deployment import NotDeployed
from grantproof.aws.questions.undeployed import Undeployed
from grantproof.cli import main
from grantproof.iam import Decision, Outcome

SHIPPED = "templates/cross-account-ssm"
PARAMETER = "arn:aws:ssm:eu-west-1:111111111111:parameter/dva-02-002-Parameter"
ROLE = "${stacks.owner.outputs.RoleArn}"
GITHUB = "fixtures/shapes/github-actions"
DEPLOY = "${stacks.ci.outputs.RoleArn}"
ROOT = Path(__file__).parent.parent.parent

Printed = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def at(file: str, sid: str) -> str:
    """The position of the statement with this Sid in the shipped grant."""
    lines = (ROOT / SHIPPED / file).read_text(encoding="utf-8").splitlines()
    number = next(n for n, line in enumerate(lines, 1) if line.strip() == f"- Sid: {sid}")
    return f"{SHIPPED}/{file}:{number}:{lines[number - 1].index('Sid') + 1}"


def asked(capsys: Printed, *arguments: str) -> tuple[int, str]:
    status = main(list(arguments))
    said = capsys.readouterr()
    return status, said.out + said.err


def test_an_allowed_request_names_the_statement_with_line_and_column(capsys: Printed) -> None:
    status, said = asked(capsys, "explain", SHIPPED, "--as", "reader", "ssm:GetParameter", PARAMETER)
    assert status == 0
    assert said.splitlines() == [
        f"ALLOWED  reader: ssm:GetParameter on {PARAMETER}",
        f"  identity-based policy: allowed by {at('iam.yaml', 'ReadTheParameter')} Sid ReadTheParameter "
        "(IAMStack/ReaderRole)",
    ]


def test_a_denied_request_names_the_nearest_statement_and_the_smallest_change(capsys: Printed) -> None:
    status, said = asked(capsys, "explain", SHIPPED, "--as", "reader", "ssm:GetParameter", f"{PARAMETER}2")
    assert status == 1
    assert f"DENIED  reader: ssm:GetParameter on {PARAMETER}2" in said
    assert f"nearest is {at('iam.yaml', 'ReadTheParameter')} Sid ReadTheParameter" in said
    assert "whose resource does not match" in said
    assert f'"Action": "ssm:GetParameter", "Resource": "{PARAMETER}2"' in said


def test_assuming_a_role_is_explained_on_both_sides(capsys: Printed) -> None:
    status, said = asked(capsys, "explain", SHIPPED, "--as", "readers", "sts:AssumeRole", ROLE)
    assert status == 0
    assert f"identity-based policy: allowed by {at('partner.yaml', 'AssumeTheReaderRole')}" in said
    assert f"role trust policy: allowed by {at('iam.yaml', 'PartnerAccountMayEnter')}" in said
    status, said = asked(capsys, "explain", SHIPPED, "--as", "root@partner", "sts:AssumeRole", ROLE)
    assert status == 1
    assert "no change of policies allows it: the root user cannot assume roles (T9)" in said


def test_without_a_resource_every_resource_named_in_policies_is_asked_about(capsys: Printed) -> None:
    status, said = asked(capsys, "explain", SHIPPED, "--as", "reader", "ssm:GetParameter")
    assert status == 0
    assert f"ALLOWED  reader: ssm:GetParameter on {PARAMETER}" in said
    status, said = asked(capsys, "explain", SHIPPED, "--as", "reader", "s3:GetObject")
    assert status == 1
    assert "DENIED  reader: s3:GetObject on arn:aws:s3:::example/example" in said


def test_a_condition_that_is_not_met_is_the_smallest_change(capsys: Printed) -> None:
    provider = "federated:arn:aws:iam::111111111111:oidc-provider/token.actions.githubusercontent.com"
    action = "sts:AssumeRoleWithWebIdentity"
    status, said = asked(capsys, "explain", GITHUB, "--as", provider, action, DEPLOY)
    assert status == 1
    assert "the request carries token.actions.githubusercontent.com:aud=sts.amazonaws.com, " in said
    claims = ["token.actions.githubusercontent.com:aud=sts.amazonaws.com"]
    claims += ["token.actions.githubusercontent.com:sub=repo:example/example:ref:refs/heads/main"]
    arguments = [part for claim in claims for part in ("--context", claim)]
    status, said = asked(capsys, "explain", GITHUB, "--as", provider, action, DEPLOY, *arguments)
    assert status == 0
    assert "role trust policy: allowed by fixtures/shapes/github-actions/ci.yaml:" in said


def test_cdk_templates_are_named_by_the_path_in_the_user_s_code(capsys: Printed) -> None:
    table = "arn:aws:dynamodb:eu-west-1:111111111111:table/orders"
    status, said = asked(
        capsys, "explain", "fixtures/shapes/cdk-output", "--as", "reader-role-a1-b2-c3-d4", "dynamodb:Query", table
    )
    assert status == 0
    assert "Stack.template.json:" in said
    assert "(ReaderRoleDefaultPolicyE5F6A7B8, Stack/ReaderRole/DefaultPolicy/Resource)" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--as", "writer", "ssm:GetParameter", PARAMETER], "there is no principal 'writer'"),
        (["--as", "reader", "ssm:GetParametre", PARAMETER], "there is no action 'ssm:GetParametre'. Did you mean ssm:"),
        (["--as", "reader", "ssm:GetParameter", "dva-02-002-Parameter"], "is no ARN; write the whole of it"),
        (["--as", "reader", "ssm:GetParameter", "${stacks.owner.outputs.No}"], "nothing is known of ${stacks.owner.o"),
        (["--as", "reader", "ssm:GetParameter", PARAMETER, "--context", "a"], "--context takes KEY=VALUE, not 'a'"),
        (["--as", "arn:aws:iam::111111111111:role/gone", "ssm:GetParameter", PARAMETER], "is not deployed"),
    ],
)
def test_a_question_that_cannot_be_asked_is_one_clear_error(capsys: Printed, arguments: list[str], said: str) -> None:
    status, found = asked(capsys, "explain", SHIPPED, *arguments)
    assert status == 2
    assert said in found
    assert found.count("\n") == 1


def test_a_folder_without_a_grant_is_one_clear_error(capsys: Printed) -> None:
    status, said = asked(capsys, "explain", "docs", "--as", "reader", "ssm:GetParameter", PARAMETER)
    assert status == 2
    assert said == "docs/contract.yaml: is not there. Name the folder of one grant, which holds a contract.yaml.\n"


def test_who_can_lists_principals_and_symbolic_ones(capsys: Printed) -> None:
    status, said = asked(capsys, "who-can", "ssm:GetParameter", PARAMETER, "--grants", SHIPPED)
    assert status == 0
    lines = said.splitlines()
    assert lines[0] == f"cross-account-ssm: 3 can ssm:GetParameter on {PARAMETER}"
    assert lines[1].startswith("  role arn:aws:iam::111111111111:role/cross-account-ssm-owner-IAMStack-")
    assert lines[2] == f"    by {at('iam.yaml', 'ReadTheParameter')} Sid ReadTheParameter (IAMStack/ReaderRole)"
    assert "  the root user of account 111111111111" in lines
    assert "  whoever in account 111111111111 whose own policies allow it" in lines


def test_a_resource_with_a_wildcard_is_said_to_be_taken_as_written(capsys: pytest.CaptureFixture[str]) -> None:
    """The role reads one parameter, and `nobody` is no answer to who reads any."""
    told = {}
    for action, resource in (
        ("ssm:GetParameter", "*"),
        ("ssm:DescribeParameters", "*"),
        ("ssm:GetParameter", PARAMETER),
    ):
        assert main(["who-can", action, resource, "--grants", SHIPPED]) == 0
        told[action, resource] = capsys.readouterr().err
    assert told["ssm:GetParameter", "*"].startswith(
        "grantproof who-can: * is taken as it is written: who can on all of"
    )
    assert list(told.values())[1:] == ["", ""]


def test_who_can_names_the_conditions(capsys: Printed) -> None:
    status, said = asked(capsys, "who-can", "sts:AssumeRoleWithWebIdentity", DEPLOY, "--grants", GITHUB)
    assert status == 0
    assert "github-actions: 1 can sts:AssumeRoleWithWebIdentity" in said
    assert "  identities of arn:aws:iam::111111111111:oidc-provider/token.actions.githubusercontent.com, if " in said
    assert "token.actions.githubusercontent.com:sub=repo:example/example:ref:refs/heads/any" in said


def test_who_can_includes_resource_policies_and_everybody(capsys: Printed, tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    (folder / "t.yaml").write_text(
        "Resources:\n"
        "  Topic: {Type: AWS::SNS::Topic, Properties: {TopicName: news}}\n"
        "  Role:\n"
        "    Type: AWS::IAM::Role\n"
        "    Properties:\n"
        "      RoleName: idle\n"
        "      AssumeRolePolicyDocument: {Version: '2012-10-17', Statement: "
        "[{Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: 'sts:AssumeRole'}]}\n"
        "  Policy:\n"
        "    Type: AWS::SNS::TopicPolicy\n"
        "    Properties:\n"
        "      Topics: [!Ref Topic]\n"
        "      PolicyDocument: {Version: '2012-10-17', Statement: ["
        "{Sid: Open, Effect: Allow, Principal: '*', Action: 'sns:Subscribe', Resource: '*',"
        " Condition: {StringEquals: {'sns:Protocol': https}}},"
        "{Sid: NotHttp, Effect: Deny, Principal: '*', Action: 'sns:*', Resource: '*',"
        " Condition: {Bool: {'aws:SecureTransport': 'false'}}},"
        "{Sid: Cloud, Effect: Allow, Principal: {Service: events.amazonaws.com}, Action: 'sns:Publish', Resource: '*'},"
        "{Sid: Org, Effect: Allow, Principal: '*', Action: 'sns:GetTopicAttributes', Resource: '*',"
        " Condition: {StringEquals: {'aws:PrincipalOrgID': o-example}}},"
        "{Sid: All, Effect: Allow, Principal: '*', Action: 'sns:ListTagsForResource', Resource: '*'},"
        "{Sid: NotOthers, Effect: Deny, Principal: '*', Action: 'sns:ListTagsForResource', Resource: '*',"
        " Condition: {StringNotEquals: {'aws:PrincipalOrgID': o-example}}}"
        "]}\n",
        encoding="utf-8",
    )
    (folder / "contract.yaml").write_text(
        'version: 1\naccounts: {owner: "111111111111"}\nregion: eu-west-1\n'
        "stacks: {main: {account: owner, template: t.yaml}}\n"
        "principals: {idle: {role: idle, trust: [{Principal: {Service: ec2.amazonaws.com}, Action: 'sts:AssumeRole'}], "
        "allows: []}}\n",
        encoding="utf-8",
    )
    topic = "arn:aws:sns:eu-west-1:111111111111:news"
    status, said = asked(capsys, "who-can", "sns:Subscribe", topic, "--grants", str(folder))
    assert status == 0
    assert "  everybody, without signing in too, if the request carries sns:protocol=https" in said
    assert "  role arn:aws:iam::111111111111:role/idle, if the request carries sns:protocol=https" in said
    status, said = asked(capsys, "who-can", "sns:Publish", topic, "--grants", str(folder))
    assert "  the service events.amazonaws.com" in said
    assert "everybody" not in said
    assert "role/idle" not in said
    for action in ("sns:GetTopicAttributes", "sns:ListTagsForResource"):
        status, said = asked(capsys, "who-can", action, topic, "--grants", str(folder))
        assert "  whoever, in any account, whose own policies allow it, if the request carries aws:principalorg" in said
        assert "everybody" not in said  # who has not signed in is in no organization (rule C47)


def test_who_can_says_what_it_cannot_decide(capsys: Printed) -> None:
    status, said = asked(capsys, "who-can", "ssm:GetParameter", "${stacks.nobody.outputs.Arn}", "--grants", SHIPPED)
    assert status == 2
    assert "stacks.nobody.outputs.Arn" in said


NETWORK = "fixtures/shapes/service-network"
ORDERS = "arn:aws:vpc-lattice:eu-west-1:111111111111:service/svc-0123456789abcdef0/x"


def test_an_answer_that_an_undeployed_resource_could_change_is_undecided(capsys: Printed) -> None:
    """A service, its auth policy, and a policy that takes the service's ARN."""
    status, said = asked(capsys, "explain", NETWORK, "--as", "role", "vpc-lattice-svcs:Invoke", ORDERS)
    assert status == 3
    first, second, *rest = said.splitlines()
    assert first == f"NOT SETTLED  role: vpc-lattice-svcs:Invoke on {ORDERS}"
    assert second == "  denied by what is deployed"
    assert sum("not deployed, could bear on this: " in line for line in rest) == 3
    assert "settles" not in said
    assert "smallest change" not in said
    status, said = asked(capsys, "who-can", "vpc-lattice-svcs:Invoke", ORDERS, "--grants", NETWORK)
    assert status == 3
    assert "without Orders (AWS::VpcLattice::Service), WhoMayCall (AWS::VpcLattice::AuthPolicy), Caller (AWS::" in said


def test_an_unrelated_undeployed_resource_does_not_change_the_answer(capsys: Printed) -> None:
    grant = "fixtures/shapes/unknown-resources"
    status, said = asked(capsys, "explain", grant, "--as", "role", "ssm:GetParameter", PARAMETER)
    assert status == 1
    assert said.startswith(f"DENIED  role: ssm:GetParameter on {PARAMETER}\n  not deployed, has no bearing on this: ")
    status, said = asked(capsys, "explain", grant, "--as", "role", "cloudfront:GetFunction", "arn:aws:cloudfront::1:x")
    assert status == 3


def test_an_undeployed_principal_is_reported_as_such(capsys: Printed) -> None:
    status, said = asked(capsys, "explain", "fixtures/shapes/custom-resource", "--as", "nobody", "ssm:GetParameter")
    assert status == 3
    assert "(not deployed: " in said


def test_an_explicit_deny_stands_whatever_could_not_be_deployed() -> None:
    """No policy that is missing can take it back."""
    missing = Undeployed((NotDeployed(("P",), "AWS::IAM::Policy", None, "it", ()),))
    for outcome, unsettled in ((Outcome.EXPLICIT_DENY, False), (Outcome.IMPLICIT_DENY, True), (Outcome.ALLOWED, True)):
        assert missing.unsettles(Decision(outcome), "ssm:GetParameter") is unsettled


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (["ssm:GetParametre", "*"], "there is no action 'ssm:GetParametre'. Did you mean ssm:GetParameter?"),
        (["ssm:GetParameter", "parameter/x"], "'parameter/x' is no ARN; write the whole of it"),
    ],
)
def test_a_mistake_is_reported_once_for_any_number_of_grants(
    question: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["who-can", *question, "--grants", "templates"]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.count("\n") == 1
