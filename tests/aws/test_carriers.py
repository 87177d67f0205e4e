"""Resource policies read by the tables of `carriers`: the tables are right, and all code that uses them agrees."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from grantproof.aws.held.agreement import disagreements, resource_policy
from grantproof.aws.held.origin import Origins
from grantproof.aws.held.property_policies import merged_entries
from grantproof.aws.held.undeclarable import has_unexported_policy
from grantproof.aws.mocked.deployment import DeployedStack, Deployment, Resource
from grantproof.aws.staged.stage import Stage
from grantproof.aws.synthesis.stacks import synthesise
from grantproof.aws.synthesis.synthesised import Synthesised
from grantproof.aws.templates.carriers import ATTACHMENTS, CARRIERS, Location, NoPolicy, carrier_arn
from grantproof.aws.templates.resource_policies import resource_policies, snapshot_entries
from grantproof.aws.templates.template_data import policy_paths
from grantproof.contract import Facts, load
from grantproof.iam.errors import Undecided
from grantproof.source import at

SHAPE = Path(__file__).parent.parent.parent / "fixtures" / "shapes" / "resource-policies"
WHERE = Location("aws", "eu-west-1", "111111111111")
ALLOW = {"Effect": "Allow", "Principal": {"AWS": "222222222222"}, "Action": "events:PutEvents", "Resource": "*"}
BUS = "arn:aws:events:eu-west-1:111111111111:event-bus/"


def policy(*statements: Any, version: str = "2012-10-17") -> dict[str, Any]:
    return {"Version": version, "Statement": list(statements)}


def entries(*resources: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    found = (one for type_, properties in resources for one in resource_policies(type_, properties, "made-up", WHERE))
    return list(snapshot_entries(found, WHERE.account))


# --- the table --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("type_", [*CARRIERS, *ATTACHMENTS])
def test_the_table_names_types_properties_and_attributes_that_cloudformation_has(type_: str) -> None:
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", type_).schema
    properties = schema["properties"]
    named = [ATTACHMENTS[type_].target_property] if type_ in ATTACHMENTS else [CARRIERS[type_].name_property]
    path = ATTACHMENTS[type_].policy_path if type_ in ATTACHMENTS else CARRIERS[type_].policy_path
    assert {name for name in [*named, *path[:1]] if name} <= set(properties)
    if type_ in CARRIERS:
        assert set(CARRIERS[type_].attributes) <= {*properties, "Name", "Alias"}


@pytest.mark.parametrize(
    ("resource", "carrier"),
    [
        ("arn:aws:s3:::bucket/key/below", "arn:aws:s3:::bucket"),
        ("arn:aws:s3:eu-west-1:1:accesspoint/a/object/k", "arn:aws:s3:eu-west-1:1:accesspoint/a"),
        ("arn:aws:dynamodb:eu-west-1:1:table/t/index/i", "arn:aws:dynamodb:eu-west-1:1:table/t"),
        ("arn:aws:dynamodb:eu-west-1:1:table/t/stream/s", "arn:aws:dynamodb:eu-west-1:1:table/t/stream/s"),
        ("arn:aws:events:eu-west-1:1:rule/orders/r", "arn:aws:events:eu-west-1:1:event-bus/orders"),
        ("arn:aws:events:eu-west-1:1:rule/r", "arn:aws:events:eu-west-1:1:event-bus/default"),
        ("arn:aws:execute-api:eu-west-1:1:abc/prod/GET/x", "arn:aws:apigateway:eu-west-1::/restapis/abc"),
        ("arn:aws:es:eu-west-1:1:domain/logs/index", "arn:aws:es:eu-west-1:1:domain/logs"),
        ("arn:aws:codeartifact:eu-west-1:1:package/d/r/npm/n/p", "arn:aws:codeartifact:eu-west-1:1:repository/d/r"),
        ("arn:aws:logs:eu-west-1:1:log-group:/aws/x:*", "arn:aws:logs:eu-west-1:1:*"),
        ("arn:aws:kinesis:eu-west-1:1:stream/s/consumer/c:1", "arn:aws:kinesis:eu-west-1:1:stream/s/consumer/c:1"),
        ("*", "*"),
    ],
)
def test_the_resource_that_carries_the_policy_is_found_from_an_arn(resource: str, carrier: str) -> None:
    assert carrier_arn(resource) == carrier


# --- how policies are written -----------------------------------------------------------------------------------------


def test_a_permission_becomes_the_statement_that_eventbridge_creates() -> None:
    organization = {"Type": "StringEquals", "Key": "aws:PrincipalOrgID", "Value": "o-1"}
    given = {"StatementId": "org", "Action": "events:PutEvents", "Principal": "*", "Condition": organization}
    (found,) = entries(("AWS::Events::EventBusPolicy", given))
    assert found["Arn"] == f"{BUS}default"
    (statement,) = found["Policy"]["Statement"]
    assert statement["Principal"] == "*"
    assert statement["Condition"] == {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}
    (found,) = entries(("AWS::Events::EventBusPolicy", {**given, "Principal": "222222222222"}))
    assert found["Policy"]["Statement"][0]["Principal"] == {"AWS": "arn:aws:iam::222222222222:root"}


def test_several_policies_of_one_bus_become_one_in_a_fixed_order() -> None:
    parts = [
        ("AWS::Events::EventBus", {"Name": "orders", "Policy": policy({**ALLOW, "Sid": "b"})}),
        ("AWS::Events::EventBusPolicy", {"EventBusName": "orders", "StatementId": "a", "Statement": ALLOW}),
        ("AWS::Events::EventBusPolicy", {"EventBusName": "other", "StatementId": "c", "Statement": json.dumps(ALLOW)}),
    ]
    found = [e for e in entries(*parts) if e["Arn"] != f"{BUS}made-up"]
    assert entries(*parts) == entries(*reversed(parts))
    assert {e["Arn"]: [s["Sid"] for s in e["Policy"]["Statement"]] for e in found}[f"{BUS}other"] == ["c"]


def test_a_variable_of_an_old_version_stays_text_when_merged_with_a_newer_policy() -> None:
    old = policy({**ALLOW, "Resource": "${aws:username}"}, version="2008-10-17")
    parts = [
        ("AWS::Logs::ResourcePolicy", {"PolicyName": "old", "PolicyDocument": json.dumps(old)}),
        ("AWS::Logs::ResourcePolicy", {"PolicyName": "new", "PolicyDocument": json.dumps(policy(ALLOW))}),
    ]
    (found,) = entries(*parts)
    assert sorted(s["Resource"] for s in found["Policy"]["Statement"]) == ["${$}{aws:username}", "*"]


def test_the_short_form_of_an_api_resource_means_the_api_itself() -> None:
    statement = {**ALLOW, "Action": "execute-api:Invoke", "Resource": ["execute-api:/*/GET/x", "arn:aws:x:::y"]}
    (found,) = entries(("AWS::ApiGateway::RestApi", {"Name": "x", "Policy": policy(statement)}))
    start = "arn:aws:execute-api:eu-west-1:111111111111:made-up"
    assert found["Policy"]["Statement"][0]["Resource"] == [f"{start}/*/GET/x", "arn:aws:x:::y"]


@pytest.mark.parametrize(
    ("type_", "properties", "why"),
    [
        ("AWS::Kinesis::ResourcePolicy", {"ResourceArn": "s", "ResourcePolicy": policy(ALLOW)}, "is no ARN: s"),
        ("AWS::Kinesis::ResourcePolicy", {"ResourcePolicy": policy(ALLOW)}, "names nothing"),
        ("AWS::Logs::ResourcePolicy", {"PolicyDocument": "{"}, "is no JSON"),
        ("AWS::Logs::ResourcePolicy", {"PolicyDocument": {"Statement": "["}}, "is no JSON"),
        ("AWS::Events::EventBusPolicy", {"StatementId": "s", "Statement": "{"}, "is no JSON"),
        ("AWS::Events::EventBusPolicy", {"StatementId": "s", "Principal": "*"}, "has no property Action"),
        ("AWS::Lambda::Permission", {"FunctionName": "f", "Action": "lambda:InvokeFunction"}, "no property Principal"),
        ("AWS::Logs::ResourcePolicy", {}, "has no Statement"),
        ("AWS::Events::EventBusPolicy", {"Principal": "somebody", "Action": "a"}, "neither an account nor"),
        ("AWS::Events::EventBusPolicy", {"Statement": [ALLOW]}, "is no object"),
        ("AWS::CodeArtifact::Repository", {"PermissionsPolicyDocument": policy(ALLOW)}, "no property DomainName"),
    ],
)
def test_a_policy_that_cannot_be_determined_is_refused(type_: str, properties: dict[str, Any], why: str) -> None:
    with pytest.raises(NoPolicy, match=why):
        entries((type_, properties))


# --- deployed, worked out, found --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    found = Stage(load(SHAPE))
    found.open()
    yield found
    found.close()


def test_synthesised_policies_equal_the_deployed_ones(stage: Stage) -> None:
    (stack,) = stage.deployment.stacks
    physical = {(stack.alias, *resource.path): resource.physical_id for resource in stack.resources}
    made = synthesise(stage.contract, physical=physical).snapshots["111111111111"].resource_policies
    held = stage.snapshots()["111111111111"].resource_policies
    assert {e["Arn"]: e for e in made} == {e["Arn"]: e for e in held}
    assert len(held) == len({entry["Arn"] for entry in held}) == len(stage.contract.resources)


def test_every_statement_is_located_in_the_template(stage: Stage) -> None:
    places = {
        statement.sid: str(stage.origins.place(policy.label, statement.index))
        for policy in stage.policies.resource_policies.values()
        for statement in policy.statements
        if statement.sid
    }
    text = (SHAPE / "shared.yaml").read_text(encoding="utf-8").splitlines()
    for sid in ("Own", "Read", "Put", "Call"):
        assert sid in text[int(places[sid].split(":")[1]) - 1], places[sid]
    assert "Statement:" in text[int(places["rules"].split(":")[1]) - 1]


def test_what_else_decides_is_named_and_the_action_is_not_reported_as_allowed(stage: Stage) -> None:
    with pytest.raises(Undecided, match="policy of the bucket behind an access point"):
        stage.policies.resource_policy(
            "s3:GetObject", "arn:aws:s3:us-east-1:111111111111:accesspoint/orders/object/some"
        )
    table = "arn:aws:dynamodb:us-east-1:111111111111:table/orders"
    assert stage.policies.resource_policy("dynamodb:GetItem", f"{table}/index/x") is not None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('Principal: {AWS: !Ref Partner}, Action: ["dynamodb', 'Principal: "*", Action: ["dynamodb'),
        ('"Service":"events.amazonaws.com"', '"AWS":"*"'),
        ("Value: o-abcdefghij", "Value: o-zzzzzzzzzz"),
        ('"execute-api:/*/GET/orders"', '"execute-api:/*"'),
        ('AWS":"${Partner}"', 'AWS":"333333333333"'),
        ('"s3:GetObject"', '"s3:*"'),
    ],
)
def test_a_policy_that_differs_from_the_contract_is_a_disagreement(old: str, new: str, tmp_path: Path) -> None:
    for file in SHAPE.iterdir():
        text = file.read_text(encoding="utf-8")
        assert file.suffix != ".yaml" or file.name != "shared.yaml" or old in text
        (tmp_path / file.name).write_text(text.replace(old, new) if file.name == "shared.yaml" else text, "utf-8")
    contract = load(tmp_path)
    view = Synthesised(contract, synthesise(contract))
    found = []
    for declared in contract.resources:
        real = view.resource_policy(declared)
        assert real is not None
        found += disagreements(view, resource_policy(view, declared, real))
    assert any(d.kind == "wider" for d in found)
    assert all(d.place.startswith(str(tmp_path)) or d.kind == "narrower" for d in found)


# --- services that the mocked world does not have ---------------------------------------------------------------------

ELSEWHERE = SHAPE.parent / "resource-policies-elsewhere"


@pytest.mark.parametrize("shape", [ELSEWHERE, SHAPE.parent / "repository-policy"], ids=lambda path: path.name)
def test_synthesised_references_to_other_resources_equal_the_deployed_ones(shape: Path) -> None:
    found = Stage(load(shape))
    found.open()
    try:
        (stack,) = found.deployment.stacks
        physical = {(stack.alias, *resource.path): resource.physical_id for resource in stack.resources}
        made = synthesise(found.contract, physical=physical).snapshots["111111111111"].resource_policies
        held = found.snapshots()["111111111111"].resource_policies
        assert {e["Arn"]: e for e in made} == {e["Arn"]: e for e in held}
        assert made
    finally:
        found.close()


def test_with_a_registry_policy_access_to_a_repository_is_undecided() -> None:
    contract = load(ELSEWHERE)
    policies = Synthesised(contract, synthesise(contract)).policies
    repository = "arn:aws:ecr:us-east-1:111111111111:repository/images"
    with pytest.raises(Undecided, match="the registry's policy decides over each repository"):
        policies.resource_policy("ecr:BatchGetImage", repository)
    assert policies.resource_policy("ecr:BatchGetImage", repository.replace("us-east-1", "eu-west-1")) is None


@pytest.mark.parametrize("sid", [r.policy[-1].document["Sid"] for r in load(ELSEWHERE).resources])
def test_each_statement_that_differs_from_the_contract_is_a_disagreement(sid: str, tmp_path: Path) -> None:
    text = (ELSEWHERE / "shared.yaml").read_text(encoding="utf-8")
    start = re.search(rf'Sid"?: ?"?{sid}\b', text)
    assert start is not None
    wider = re.compile(r"!Ref Partner|\$\{Partner\}|sns\.amazonaws\.com|Deny")
    others = {"!Ref Partner": '"999999999999"', "${Partner}": "999999999999", "Deny": "Allow"}
    changed = wider.sub(lambda m: others.get(m[0], "ec2.amazonaws.com"), text[start.start() :], count=1)
    (tmp_path / "shared.yaml").write_text(text[: start.start()] + changed, encoding="utf-8")
    (tmp_path / "contract.yaml").write_text((ELSEWHERE / "contract.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    contract = load(tmp_path)
    view = Synthesised(contract, synthesise(contract))
    disagreeing = []
    for declared in contract.resources:
        real = view.resource_policy(declared)
        assert real is not None
        if list(disagreements(view, resource_policy(view, declared, real))):
            disagreeing.append(declared.policy[-1].document["Sid"])
    assert disagreeing == [sid]


# --- what is not in the table -----------------------------------------------------------------------------------------


def test_a_policy_written_as_text_is_found_anywhere() -> None:
    assert list(policy_paths({"A": {"B": json.dumps(policy(ALLOW))}, "C": 'print("Statement")'})) == [("A", "B")]
    assert list(policy_paths({"Input": json.dumps({"Policy": json.dumps(policy(ALLOW))})})) == [("Input",)]
    numbered = json.dumps(policy(ALLOW)).replace("Statement", r"\u0053tatement")
    assert json.loads(numbered) == policy(ALLOW)
    assert list(policy_paths({"A": numbered})) == [("A",)]
    text = {"Policy": json.dumps(policy(ALLOW))}
    resources = tuple(Resource(("x",), t, "x", "owner", None, {}, text) for t in ("AWS::X::Y", "AWS::SSM::Parameter"))
    stack = DeployedStack("s", "owner", "s", SHAPE, {}, {}, resources)
    origins = Origins(Deployment((stack,), Facts()))
    assert [at(r.properties, path) for r in resources[:1] for path in policy_paths(r.properties)] == [text["Policy"]]
    assert list(origins.written()) == []  # neither has a place here; the parameter's value is none of a policy


def test_a_policy_in_a_template_that_no_export_contains_is_reported() -> None:
    made = Resource(("Bus",), "AWS::Events::EventBusPolicy", "x", "owner", None)
    assert has_unexported_policy(made, {"Principal": "*"})
    vault = Resource(("Vault",), "AWS::Backup::BackupVault", "x", "owner", None)
    assert has_unexported_policy(vault, {"AccessPolicy": policy(ALLOW)})
    assert not has_unexported_policy(vault, {"BackupVaultName": "v"})
    point = Resource(("Point",), "AWS::S3::AccessPoint", "x", "owner", None)
    assert has_unexported_policy(point, {"Policy": policy(ALLOW)})  # of S3, only the policies of buckets
    assert has_unexported_policy(
        Resource(("All",), "AWS::ECR::RegistryPolicy", "x", "owner", None), {"PolicyText": policy(ALLOW)}
    )
    assert not has_unexported_policy(
        Resource(("K",), "AWS::KMS::ReplicaKey", "x", "owner", None), {"KeyPolicy": policy(ALLOW)}
    )


# --- functions --------------------------------------------------------------------------------------------------------

FUNCTION = "arn:aws:lambda:eu-west-1:111111111111:function:f"


@pytest.mark.parametrize(
    ("more", "principal", "condition"),
    [
        ({"Principal": "222222222222"}, {"AWS": "222222222222"}, None),
        ({"Principal": "arn:aws:iam::222222222222:role/r"}, {"AWS": "arn:aws:iam::222222222222:role/r"}, None),
        ({"Principal": "*", "PrincipalOrgID": "o-1"}, "*", {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}),
        (
            {"Principal": "s3.amazonaws.com", "SourceArn": "arn:aws:s3:::b", "SourceAccount": 111111111111},
            {"Service": "s3.amazonaws.com"},
            {"ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"}, "StringEquals": {"AWS:SourceAccount": "111111111111"}},
        ),
        (
            {"Principal": "*", "FunctionUrlAuthType": "NONE", "InvokedViaFunctionUrl": True},
            "*",
            {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}, "Bool": {"lambda:InvokedViaFunctionUrl": "true"}},
        ),
    ],
)
def test_a_permission_becomes_the_statement_that_lambda_creates(more: Any, principal: Any, condition: Any) -> None:
    given = {"FunctionName": "f", "Action": "lambda:InvokeFunction", **more}
    (found,) = entries(("AWS::Lambda::Permission", given))
    (statement,) = found["Policy"]["Statement"]
    assert (found["Arn"], statement["Resource"], statement["Principal"]) == (FUNCTION, FUNCTION, principal)
    assert statement.get("Condition") == condition


@pytest.mark.parametrize(
    ("name", "arn"),
    [
        ("f", FUNCTION),
        (FUNCTION, FUNCTION),
        ("111111111111:function:f", FUNCTION),
        ("f:live", f"{FUNCTION}:live"),
        (f"{FUNCTION}:live", f"{FUNCTION}:live"),
    ],
)
def test_a_function_can_be_named_in_every_way_that_lambda_accepts(name: str, arn: str) -> None:
    given = {"FunctionName": name, "Action": "lambda:InvokeFunction", "Principal": "222222222222"}
    assert [entry["Arn"] for entry in entries(("AWS::Lambda::Permission", given))] == [arn]


@pytest.mark.parametrize("service", ["s3.amazonaws.com", "alexa-appkit.amazon.com", "alexa-connectedhome.amazon.com"])
def test_a_service_may_invoke_a_function_and_alexa_is_one(service: str) -> None:
    given = {"FunctionName": "f", "Action": "lambda:InvokeFunction", "Principal": service}
    ((statement,),) = (entry["Policy"]["Statement"] for entry in entries(("AWS::Lambda::Permission", given)))
    assert statement["Principal"] == {"Service": service}


def test_a_principal_that_lambda_refuses_gives_no_policy() -> None:
    with pytest.raises(NoPolicy, match="neither account, role, user nor service"):
        entries(("AWS::Lambda::Permission", {"FunctionName": "f", "Action": "a", "Principal": "somebody"}))


def test_statements_that_a_service_holds_are_merged_with_those_of_stacks() -> None:
    held = {"Arn": FUNCTION, "Type": "T", "Account": "1", "Policy": {"Statement": {"Sid": "by a call"}}}
    own = {**held, "Policy": policy({"Sid": "by a stack"})}
    (both,) = merged_entries([own], [held])
    assert [s["Sid"] for s in both["Policy"]["Statement"]] == ["by a stack", "by a call"]
    assert own["Policy"]["Statement"] == [{"Sid": "by a stack"}]


@pytest.mark.parametrize(
    ("name", "unread"),
    [
        ({"Ref": "F"}, False),
        ({"Fn::GetAtt": ["F", "Arn"]}, False),
        ({"Fn::Sub": "${F.Arn}"}, False),
        (FUNCTION, False),
        (f"{FUNCTION}:live", True),
        ("f:live", True),
        ({"Ref": "A"}, True),
        ({"Ref": "F.Alias"}, True),
        ({"Fn::Join": [":", [{"Ref": "F"}, "live"]]}, True),
        (None, True),
    ],
)
def test_a_permission_on_a_lambda_alias_of_a_real_account_is_reported(name: Any, unread: bool, tmp_path: Path) -> None:
    resources = {"F": {"Type": "AWS::Lambda::Function"}, "A": {"Type": "AWS::Lambda::Alias"}}
    (tmp_path / "t.json").write_text(json.dumps({"Resources": resources}), encoding="utf-8")
    made = Resource(("P",), "AWS::Lambda::Permission", "x", "owner", tmp_path / "t.json")
    assert has_unexported_policy(made, {"FunctionName": name}) is unread
