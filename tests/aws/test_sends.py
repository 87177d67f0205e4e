"""External destinations compared with the contract: exactly the promised ones, under every option."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from grantproof.aws.combinations.combined import CombinedFindings, compare_rest, synthesised_under
from grantproof.aws.combinations.excess import excess
from grantproof.aws.combinations.space import Space
from grantproof.aws.held.sends import disagreements_about, undeclared_sends
from grantproof.aws.held.undeclarable import undeclarable
from grantproof.aws.mocked.deployment import Deployment, NotDeployed, Resource
from grantproof.aws.real.export import join
from grantproof.aws.real.recorded import recorded
from grantproof.aws.synthesis.stacks import synthesise
from grantproof.aws.synthesis.synthesised import Synthesised
from grantproof.contract import Contract, ContractError, load
from grantproof.source import Place, read
from tests.aws.exporting import Documents, exported

BUS = "arn:aws:events:eu-west-1:222222222222:event-bus/central"
TEMPLATE = """
Parameters:
  More: {{Type: String, Default: "no", AllowedValues: ["no", "yes"]}}
  Bus: {{Type: String, Default: "{bus}", AllowedValues: ["{bus}", "{bus}2"]}}
Conditions:
  WithMore: !Equals [!Ref More, "yes"]
Resources:
  Worker:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{{Effect: Allow, Principal: {{Service: ec2.amazonaws.com}}, Action: sts:AssumeRole}}]
  Own: {{Type: AWS::SQS::Queue}}
{resources}
Outputs:
  Arn: {{Value: !GetAtt Worker.Arn}}
"""
OTHER = "Resources: {Box: {Type: AWS::S3::Bucket}}\n"
CONTRACT = """
version: 1
accounts: {{owner: "111111111111", partner: "222222222222"}}
region: eu-west-1
stacks:
  app: {{account: owner, name: app, template: app.yaml, parameters: {{Bus: "{bus}"}}}}
  theirs: {{account: partner, name: theirs, template: theirs.yaml}}
principals:
  worker:
    role: ${{stacks.app.outputs.Arn}}
    trust: [{{Principal: {{Service: ec2.amazonaws.com}}, Action: sts:AssumeRole}}]
    allows: []
{sends}
variants:
  more: {{parameters: {{app: {{More: "yes"}}}}{changes}}}
"""
RULE = "  Rule: {{Type: AWS::Events::Rule, {condition} Properties: {{Targets: [{targets}]}}}}"


def rule(*arns: str, condition: str = "") -> str:
    """A rule with these targets, in YAML."""
    return RULE.format(condition=condition, targets=", ".join(f"{{Id: a{n}, Arn: {a}}}" for n, a in enumerate(arns)))


def promised(to: str, resource: str = "Rule", more: str = "", alias: str = "events") -> str:
    return f"  {alias}: {{from: '${{stacks.app.resources.{resource}}}', to: {to}{more}}}"


def grant(folder: Path, resources: str, *sends: str, changes: str = "") -> Contract:
    (folder / "app.yaml").write_text(TEMPLATE.format(resources=resources, bus=BUS), encoding="utf-8")
    (folder / "theirs.yaml").write_text(OTHER, encoding="utf-8")
    said = "\n".join(("sends:", *sends)) if sends else ""
    text = CONTRACT.format(sends=said, changes=changes, bus=BUS)
    (folder / "contract.yaml").write_text(text, encoding="utf-8")
    return load(folder)


def told(contract: Contract) -> Iterator[str]:
    """The findings without variants: kind and detail; `came along` for an undeclared resource."""
    found = Synthesised(contract, synthesise(contract))
    for sending in contract.sends:
        for one in disagreements_about(found, sending):
            yield f"{one.kind}: {one.detail}"
            assert one.place
    yield from (f"came along: {one.detail}" for one in undeclared_sends(found))


def told_under(contract: Contract, *variants: str) -> list[str]:
    """The findings under a combination."""
    chosen = [variant for variant in contract.variants if variant.alias in variants]
    noted = CombinedFindings()
    found = synthesised_under(Space(contract), chosen, "eu-west-1", noted)
    assert found is not None
    compare_rest(found, noted)
    return [detail for _, detail, _ in noted.found]


ANOTHER = "arn:aws:sns:eu-west-1:222222222222:topic"


@pytest.mark.parametrize(
    ("resource", "to"),
    [
        (rule(BUS), BUS),
        (rule(BUS), "'arn:${partition}:events:${region}:${accounts.partner}:event-bus/central'"),
        (rule(BUS, "!GetAtt Own.Arn"), BUS),
        (rule(BUS, BUS), f"[{BUS}]"),
        (rule(BUS, ANOTHER), f"[{ANOTHER}, {BUS}]"),
        ("  Rule: {Type: AWS::SNS::Subscription, Properties: {Endpoint: ops@example.com}}", "ops@example.com"),
        (
            "  Rule: {Type: AWS::SNS::Subscription, Properties: {Endpoint: 'https://example.com/a?b=c'}}",
            "https://example.com/a?b=c",
        ),
        ("  Rule: {Type: AWS::SNS::Subscription, Properties: {Endpoint: '+12025550100'}}", "'+12025550100'"),
        (
            "  Rule: {Type: AWS::S3::Bucket, Properties: {ReplicationConfiguration: {Rules: [{Destination: "
            "{Bucket: 'arn:aws:s3:::theirs-box'}}]}}}",
            "'arn:${partition}:s3:::${stacks.theirs.resources.Box}'",
        ),
    ],
    ids=str,
)
def test_an_exactly_promised_destination_is_no_finding(resource: str, to: str, tmp_path: Path) -> None:
    assert list(told(grant(tmp_path, resource, promised(to)))) == []


@pytest.mark.parametrize(
    "to",
    [
        BUS.replace("eu-west-1", "eu-west-2"),
        BUS.replace("222222222222", "333333333333"),
        BUS.replace("central", "Central"),
        BUS.replace("central", "central2"),
        BUS.replace("arn:aws:", "arn:aws-cn:"),
        "arn:aws:sqs:eu-west-1:222222222222:central",
        "https://example.com",
    ],
)
def test_a_different_destination_is_wider_and_the_promise_is_stale(to: str, tmp_path: Path) -> None:
    wider, narrower = told(grant(tmp_path, rule(BUS), promised(to)))
    assert wider == f"wider: Rule (AWS::Events::Rule) sends to {BUS}, which no promise of it names"
    assert narrower.startswith(f"narrower: promises that {to} is sent to, and Rule does not send there.")


def test_an_additional_and_a_missing_destination_are_reported(tmp_path: Path) -> None:
    (said,) = told(grant(tmp_path, rule(BUS, ANOTHER), promised(BUS)))
    assert said.startswith(f"wider: Rule (AWS::Events::Rule) sends to {ANOTHER}")
    (said,) = told(grant(tmp_path, rule(BUS), promised(f"[{BUS}, {ANOTHER}]")))
    assert said.startswith(f"narrower: promises that {ANOTHER}")


def test_a_promise_covers_only_its_own_resource(tmp_path: Path) -> None:
    """Another resource of the same or another type needs its own, even for the same destination."""
    second = rule(BUS).replace("  Rule:", "  Second:")
    third = f"  Third: {{Type: AWS::SNS::Subscription, Properties: {{Endpoint: '{BUS}'}}}}"
    said = list(told(grant(tmp_path, "\n".join((rule(BUS), second, third)), promised(BUS))))
    assert [text.split(" sends ")[0] for text in said] == [
        "came along: Second (AWS::Events::Rule)",
        "came along: Third (AWS::SNS::Subscription)",
    ]


def test_two_promises_for_one_resource_are_added_up(tmp_path: Path) -> None:
    both = promised(BUS), promised(ANOTHER, alias="topic")
    assert list(told(grant(tmp_path, rule(BUS, ANOTHER), *both))) == []


@pytest.mark.parametrize(
    ("resource", "promise", "said"),
    [
        (rule(BUS), promised("arn:aws:sqs:eu-west-1:111111111111:q", "Own"), "Own does not send there"),
        (
            rule("arn:aws:sqs:eu-west-1:111111111111:q"),
            promised("arn:aws:sqs:eu-west-1:111111111111:q"),
            "Rule sends nothing there that leaves its account, of which nothing has to be promised",
        ),
        (rule(BUS, condition="Condition: WithMore,"), promised(BUS), "no Rule is deployed"),
    ],
)
def test_a_stale_promise_is_reported_with_the_reason(resource: str, promise: str, said: str, tmp_path: Path) -> None:
    assert any(text.startswith("narrower: ") and said in text for text in told(grant(tmp_path, resource, promise)))


@pytest.mark.parametrize("written", ["!ImportValue bus", "'{{resolve:ssm:/central/bus}}'", "''"])
def test_an_unresolved_destination_is_never_covered(written: str, tmp_path: Path) -> None:
    """No contract can have promised it, whatever its value."""
    contract = grant(tmp_path, rule(BUS), promised(BUS))
    found = Synthesised(contract, synthesise(contract))
    stack = found.deployment.stacks[0]
    value = {"Fn::ImportValue": "bus"} if written.startswith("!") else written.strip("'")
    made = [replace(r, properties={"Targets": [{"Arn": value}]}) for r in stack.resources if r.path == ("Rule",)]
    found.deployment = replace(found.deployment, stacks=(replace(stack, resources=tuple(made)),))
    assert [one.kind for one in disagreements_about(found, contract.sends[0])] == ["wider", "narrower"]


# --- under options ----------------------------------------------------------------------------------------------------

OPTIONAL = rule(BUS, condition="Condition: WithMore,")


def test_a_destination_of_an_option_must_be_promised_under_it(tmp_path: Path) -> None:
    (said,) = told_under(grant(tmp_path, OPTIONAL), "more")
    assert "promises nothing of it under `sends`" in said
    contract = grant(tmp_path, OPTIONAL, promised(BUS, more=", variants: [more]"))
    assert told_under(contract) == told_under(contract, "more") == []
    (said,) = told_under(grant(tmp_path, OPTIONAL, promised(BUS)))
    assert said.endswith("no Rule is deployed")


def test_a_destination_that_an_option_changes_is_promised_by_another_entry(tmp_path: Path) -> None:
    resource = rule(f"!If [WithMore, '{ANOTHER}', '{BUS}']")
    said = told_under(grant(tmp_path, resource, promised(BUS)), "more")
    assert [text.partition(" sends to ")[2].partition(",")[0] for text in said] == [ANOTHER, ""]
    other = promised(ANOTHER, more=", variants: [more]", alias="topic")
    contract = grant(tmp_path, resource, promised(BUS), other, changes=", absent: [events]")
    assert told_under(contract) == told_under(contract, "more") == []
    assert told_under(grant(tmp_path, resource, promised(BUS), other), "more") != [], "the first is not sent to then"


def test_an_open_parameter_that_sets_a_destination_is_reported(tmp_path: Path) -> None:
    contract = grant(tmp_path, rule("!Ref Bus"), promised(BUS))
    assert list(excess(contract)) == []
    text = contract.path.read_text(encoding="utf-8").replace(f', parameters: {{Bus: "{BUS}"}}', "")
    contract.path.write_text(text, encoding="utf-8")
    (found,) = excess(load(tmp_path))
    assert f"sends to {BUS}2, which no promise of it names" in found.detail


def test_a_destination_with_the_region_differs_by_region(tmp_path: Path) -> None:
    for to, says in ((BUS, True), ("'arn:aws:events:${region}:${accounts.partner}:event-bus/central'", False)):
        contract = grant(tmp_path, rule(f"!Sub '{BUS.replace('eu-west-1', '${AWS::Region}')}'"), promised(to))
        noted = CombinedFindings()
        found = synthesised_under(Space(contract), (), "eu-west-2", noted)
        assert found is not None
        compare_rest(found, noted)
        assert bool(noted.found) is says


# --- real accounts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "kinds"),
    [
        (BUS, []),
        (ANOTHER, ["wider", "narrower"]),
        ("!Ref Bus", ["doubt"]),
        ("!If [WithMore, a, b]", ["doubt"]),
        ("!GetAtt Inner.Outputs.Bus", ["doubt"]),
        ("!GetAtt Looked.Value", ["doubt"]),
        ("!GetAtt Own.Arn", ["narrower"]),
        ("!Join ['', ['arn:aws:sqs:eu-west-1:', !Ref 'AWS::AccountId', ':', !GetAtt Own.QueueName]]", ["narrower"]),
        ("!Sub 'arn:${AWS::Partition}:sqs:${AWS::Region}:333333333333:${Own.QueueName}'", ["doubt"]),
    ],
)
def test_for_a_real_account_an_unresolved_destination_is_not_verified(
    written: str, kinds: list[str], tmp_path: Path
) -> None:
    """Exports contain resources without their properties."""
    contract = grant(tmp_path, rule(BUS), promised(BUS))
    found = Synthesised(contract, synthesise(contract))
    others = "\n  Inner: {Type: AWS::CloudFormation::Stack}\n  Looked: {Type: AWS::SSM::Parameter}\n"
    text = TEMPLATE.format(resources=rule(written) + others, bus=BUS)
    (tmp_path / "real.yaml").write_text(text, encoding="utf-8")
    real = Resource(("Rule",), "AWS::Events::Rule", "rule", "owner", tmp_path / "real.yaml")
    stack = replace(found.deployment.stacks[0], resources=(real,))
    found.deployment = replace(found.deployment, stacks=(stack,))
    assert [one.kind for one in disagreements_about(found, contract.sends[0])] == kinds


CENTRAL = Path(__file__).parent.parent.parent / "fixtures" / "shapes" / "central-bus"


@pytest.fixture(scope="module")
def central() -> tuple[Contract, dict[str, Documents]]:
    contract = load(CENTRAL)
    return contract, exported(contract)


@pytest.mark.parametrize(
    ("parameters", "kinds"),
    [
        ({}, []),
        ({"CentralBus": BUS.replace("222222222222", "333333333333")}, ["wider", "narrower"]),
        ({"CentralBus": None}, ["doubt"]),
        ({"CentralBus": "****"}, ["doubt"]),
    ],
    ids=["as promised", "another bus", "not exported", "hidden"],
)
def test_for_a_real_account_parameters_come_from_the_export(
    parameters: dict[str, str | None], kinds: list[str], central: tuple[Contract, dict[str, Documents]]
) -> None:
    contract, documents = central[0], copy.deepcopy(central[1])
    (stack,) = documents["app"]["describe-stacks"]["Stacks"]
    given = {p["ParameterKey"]: p["ParameterValue"] for p in stack["Parameters"]} | parameters
    stack["Parameters"] = [{"ParameterKey": k, "ParameterValue": v} for k, v in given.items() if v is not None]
    exports = {alias: join(Path(f"{alias}.json"), found.values()) for alias, found in documents.items()}
    world = recorded([contract], exports)[contract.grant]
    assert [one.kind for one in disagreements_about(world, contract.sends[0])] == kinds
    assert list(undeclared_sends(world)) == []


def test_a_resource_that_the_template_lacks_is_not_assumed_to_send_nothing(tmp_path: Path) -> None:
    """The stack has changed since, or the template of a nested stack is not part of the grant."""
    contract = grant(tmp_path, rule(BUS), promised(BUS))
    found = Synthesised(contract, synthesise(contract))
    made = [Resource((name,), "AWS::Events::Rule", "rule", "owner", None) for name in ("Rule", "Later")]
    stack = replace(found.deployment.stacks[0], resources=tuple(made))
    found.deployment = replace(found.deployment, stacks=(stack,))
    assert [one.kind for one in disagreements_about(found, contract.sends[0])] == ["doubt"]
    (said,) = undeclared_sends(found)
    assert said.detail.startswith("Later (AWS::Events::Rule) sends to where neither an export nor a template")


def test_an_undeployed_resource_sends_what_its_template_says(tmp_path: Path) -> None:
    """A waiver for its not being deployed does not accept its destinations; defaults of parameters apply."""
    contract = grant(tmp_path, rule("!Ref Bus"))
    found = Synthesised(contract, synthesise(contract))
    stack = found.deployment.stacks[0]
    (made,) = (one for one in stack.resources if one.path == ("Rule",))
    others = tuple(one for one in stack.resources if one is not made)
    path = tmp_path / "app.yaml"
    written = read(path).value["Resources"]["Rule"]
    missing = NotDeployed(("Rule",), made.type, Place(path, 1, 1), "it", (), written)
    found.deployment = replace(found.deployment, stacks=(replace(stack, resources=others, missing=(missing,)),))
    (said,) = undeclared_sends(found)
    assert said.detail.startswith(f"Rule (AWS::Events::Rule) sends to {BUS}")


def test_an_undeployed_resource_names_the_principals_that_its_template_names(tmp_path: Path) -> None:
    """A waiver for its not being deployed does not accept principals that a later change adds."""
    contract = grant(tmp_path, rule("!Ref Bus"))
    found = Synthesised(contract, synthesise(contract))
    written = {"Type": "AWS::Cloud9::EnvironmentEC2", "Properties": {"OwnerArn": "arn:aws:iam::999999999999:user/m"}}
    missing = NotDeployed(("Desk",), written["Type"], Place(tmp_path / "app.yaml", 1, 1), "it", (), written)
    stack = replace(found.deployment.stacks[0], missing=(missing,))
    found.deployment = replace(found.deployment, stacks=(stack,))
    assert [one.detail.partition(", of")[0] for one in undeclarable(found)] == [
        "Desk (AWS::Cloud9::EnvironmentEC2) names OwnerArn: arn:aws:iam::999999999999:user/m"
    ]


def test_a_parameter_from_parameter_store_is_not_known_from_an_export(tmp_path: Path) -> None:
    """The export contains only the name in Parameter Store. Nor is a template known that a transform rewrites."""
    contract = grant(tmp_path, rule("!Ref Bus"), promised(BUS))
    text = (tmp_path / "app.yaml").read_text(encoding="utf-8")
    kinds = []
    for changed in (
        text,
        text.replace("Bus: {Type: String", "Bus: {Type: 'AWS::SSM::Parameter::Value<String>'"),
        f"Transform: AWS::LanguageExtensions\n{text}",
    ):
        (tmp_path / "app.yaml").write_text(changed, encoding="utf-8")
        real = Resource(("Rule",), "AWS::Events::Rule", "rule", "owner", tmp_path / "app.yaml")
        found = Synthesised(contract, synthesise(load(CENTRAL)))
        stack = replace(
            found.deployment.stacks[1],
            template=tmp_path / "app.yaml",
            parameters={"Bus": BUS},
            resources=(real,),
        )
        facts = found.deployment.facts.with_values({"accounts.partner": "222222222222"})
        found.deployment = Deployment((stack,), facts)
        kinds.append([one.kind for one in disagreements_about(found, contract.sends[0])])
    assert kinds == [[], ["doubt"], ["doubt"]]


# --- the contract -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "to",
    ["222222222222", "'*'", "arn:aws:s3:::logs-*", "'${aws:username}@example.com'", "example.com", "[]", "' '", "1"],
)
def test_an_invalid_destination_is_refused(to: str, tmp_path: Path) -> None:
    with pytest.raises(ContractError):
        grant(tmp_path, rule(BUS), promised(to))


def test_references_can_be_anywhere_in_a_destination(tmp_path: Path) -> None:
    contract = grant(
        tmp_path,
        rule(BUS),
        promised("['${stacks.app.outputs.Arn}', 'arn:aws:sns:${region}:${stacks.theirs.name}:t']"),
    )
    assert len(contract.sends[0].to) == 2


def test_a_destination_promised_twice_under_the_same_option_is_refused(tmp_path: Path) -> None:
    under = ", variants: [more]"
    with pytest.raises(ContractError, match="'events' promises"):
        grant(tmp_path, rule(BUS), promised(BUS), promised(BUS, more=under, alias="again"))


def test_a_contract_with_only_sends_needs_no_principals(tmp_path: Path) -> None:
    contract = grant(tmp_path, rule(BUS), promised(BUS))
    text = contract.path.read_text(encoding="utf-8")
    start, end = text.index("principals:"), text.index("sends:")
    contract.path.write_text(text[:start] + "principals: {}\n" + text[end:], encoding="utf-8")
    assert load(tmp_path).principals == ()
