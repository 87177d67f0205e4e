"""Access without a policy: the table of types, and the findings that it leads to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER
from moto.cloudformation import parsing

from grantproof.aws.combinations.combined import CombinedFindings, note_unknown_access, synthesised_under
from grantproof.aws.combinations.space import Space
from grantproof.aws.held import non_policy_access
from grantproof.aws.held.api_methods import operation_without_iam
from grantproof.aws.held.non_policy_access import (
    ACCESS_KINDS,
    AccessKind,
    access_kind,
    granting_property,
    may_give_access,
)
from grantproof.aws.held.sends import undeclared_sends
from grantproof.aws.held.undeclarable import undeclarable
from grantproof.aws.mocked.deployment import Resource
from grantproof.aws.synthesis.makers import MAKERS
from grantproof.aws.synthesis.stacks import synthesise
from grantproof.aws.synthesis.synthesised import Synthesised
from grantproof.aws.templates.assumed_values import assumed_attribute, assumed_ref
from grantproof.aws.templates.carriers import Location
from grantproof.aws.templates.destinations import external_destinations
from grantproof.aws.templates.inert import INERT
from grantproof.aws.templates.text_destinations import OwnAccount
from grantproof.contract import load
from grantproof.iam import actions

HOME = "us-east-1"
BY_THEMSELVES = [begins for begins, way in ACCESS_KINDS.items() if way is AccessKind.DIRECT]
TEMPLATE = """
Parameters:
  More: {{Type: String, Default: "no", AllowedValues: ["no", "yes"]}}
Conditions:
  WithMore: !Equals [!Ref More, "yes"]
Resources:
  Worker:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{{Effect: Allow, Principal: {{Service: {service}}}, Action: sts:AssumeRole}}]
  Other:
    Type: {type}
    {condition}
    Properties: {properties}
Outputs:
  Arn: {{Value: !GetAtt Worker.Arn}}
"""
CONTRACT = """
version: 1
accounts: {{owner: "111111111111"}}
region: eu-west-1
stacks: {{app: {{account: owner, name: app, template: app.yaml}}}}
principals:
  worker:
    role: ${{stacks.app.outputs.Arn}}
    trust: [{{Principal: {{Service: {service}}}, Action: sts:AssumeRole}}]
    allows: []
variants:
  more: {{parameters: {{app: {{More: "yes"}}}}}}
"""


def space(folder: Path, type_: str, properties: str = "{}", condition: str = "Condition: WithMore") -> Space:
    """A grant with a role, and a resource of a type that only the variant `more` creates."""
    service = "ec2.amazonaws.com"
    template = TEMPLATE.format(type=type_, properties=properties, condition=condition, service=service)
    (folder / "app.yaml").write_text(template, encoding="utf-8")
    (folder / "contract.yaml").write_text(CONTRACT.format(service=service), encoding="utf-8")
    return Space(load(folder))


def told_with_more(folder: Path, type_: str, properties: str = "{}", condition: str = "Condition: WithMore") -> str:
    """The finding about the resource under the variant."""
    of = space(folder, type_, properties, condition)
    noted, chosen = CombinedFindings(under="more"), of.contract.variants
    found = synthesised_under(of, chosen, "eu-west-1", noted)
    assert found is not None
    note_unknown_access(of, found, noted)
    return "; ".join(detail for _, detail, _ in noted.found)


@pytest.mark.parametrize("begins", BY_THEMSELVES)
def test_every_entry_of_the_table_matches_a_type_that_only_it_reports(begins: str) -> None:
    type_ = next(t for t in PROVIDER_SCHEMA_MANAGER.get_resource_types("us-east-1") if _is(t, begins))
    assert may_give_access(type_, {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(non_policy_access, "ACCESS_KINDS", {b: way for b, way in ACCESS_KINDS.items() if b != begins})
        assert not may_give_access(type_, {})


def _is(type_: str, begins: str) -> bool:
    """Is it a type with this prefix that has no entry of its own with another kind?"""
    return type_.startswith(begins) and ACCESS_KINDS.get(type_, AccessKind.DIRECT) is ACCESS_KINDS[begins]


@pytest.mark.parametrize("type_", ["AWS::RAM::ResourceShare", "AWS::IAM::AccessKey", "AWS::S3::AccessGrant"])
def test_access_without_a_policy_that_only_an_option_creates_is_reported(type_: str, tmp_path: Path) -> None:
    assert told_with_more(tmp_path, type_) == f"app/Other ({type_}) comes with it, and whom it lets in is not known"


@pytest.mark.parametrize("type_", ["Custom::Setup", "Acme::Access::Door", "AWSQS::EKS::Cluster"])
def test_a_third_party_type_is_assumed_to_give_access(type_: str, tmp_path: Path) -> None:
    assert "whom it lets in is not known" in told_with_more(tmp_path, type_)


def test_a_resource_that_gives_nobody_access_is_no_finding(tmp_path: Path) -> None:
    assert told_with_more(tmp_path, "AWS::CloudWatch::Alarm", "{Period: 60}") == ""
    assert told_with_more(tmp_path, "AWS::S3::Bucket", "{BucketName: box}") == ""


def test_an_option_that_changes_such_a_resource_is_reported(tmp_path: Path) -> None:
    said = told_with_more(tmp_path, "AWS::Lambda::Url", "{AuthType: !If [WithMore, NONE, AWS_IAM]}", "")
    assert said == "app/Other (AWS::Lambda::Url) is another, and whom it lets in is not known"
    assert told_with_more(tmp_path, "AWS::Lambda::Url", "{AuthType: AWS_IAM}", "") == ""


def test_instance_profiles_of_declared_roles_that_trust_ec2_are_no_finding(tmp_path: Path) -> None:
    assert told_with_more(tmp_path, "AWS::IAM::InstanceProfile", "{Roles: [!Ref Worker]}") == ""
    assert "is not known" in told_with_more(tmp_path, "AWS::IAM::InstanceProfile", "{Roles: [somebody-else]}")


@pytest.mark.parametrize(
    ("type_", "properties", "detail"),
    [
        ("AWS::IAM::AccessKey", "{UserName: u}", "creates Other, an AWS::IAM::AccessKey, of which"),
        ("AWS::RAM::ResourceShare", "{Name: s}", "creates Other, an AWS::RAM::ResourceShare, of which"),
        ("AWS::Lambda::Url", "{AuthType: NONE}", "Other lets others in by AuthType: NONE, of which"),
        ("AWS::Lambda::Url", "{}", "Other lets others in by AuthType: NONE, of which"),
        (
            "AWS::EC2::VPCPeeringConnection",
            "{PeerOwnerId: '222222222222'}",
            "Other (AWS::EC2::VPCPeeringConnection) names PeerOwnerId: 222222222222, of which",
        ),
        ("AWS::DLM::LifecyclePolicy", "{A: [{TargetAccounts: ['2222']}, {B: '222222222222'}]}", "Other (AWS::DLM::"),
    ],
)
def test_a_resource_that_is_always_created_is_reported_as_undeclarable(
    type_: str, properties: str, detail: str, tmp_path: Path
) -> None:
    of = space(tmp_path, type_, properties, condition="")
    said = list(undeclarable(Synthesised(of.contract, of.base)))
    assert any(one.detail.startswith(detail) and one.place.endswith("app.yaml:13:3") for one in said), said


def test_principals_named_by_a_resource_of_an_option_are_reported(tmp_path: Path) -> None:
    type_ = "AWS::EC2::VPCPeeringConnection"
    assert "whom it lets in is not known" in told_with_more(tmp_path, type_, "{PeerOwnerId: '222222222222'}")
    assert told_with_more(tmp_path, type_, "{PeerOwnerId: '111111111111'}") == ""


@pytest.mark.parametrize(
    ("type_", "properties", "detail"),
    [
        ("AWS::Lambda::Url", "{AuthType: NONE}", "Other lets others in by AuthType: NONE"),
        ("AWS::S3::Bucket", "{AccessControl: PublicRead}", "Other lets others in by AccessControl: PublicRead"),
        ("AWS::EC2::VPCPeeringConnection", "{PeerOwnerId: !Ref More}", "Other (AWS::EC2::VPCPeeringConnection) names"),
        ("AWS::EC2::VPCPeeringConnection", "{PeerOwnerId: !Ref AWS::AccountId}", ""),
        ("AWS::SNS::Subscription", "{Endpoint: !GetAtt Worker.Arn}", ""),
        ("AWS::SNS::Subscription", "{Endpoint: !Sub '${Worker.Arn}'}", ""),
        ("AWS::SNS::Subscription", "{Endpoint: !Ref More}", "Other (AWS::SNS::Subscription) sends to {'Ref': 'More'}"),
    ],
)
def test_for_a_real_account_access_is_determined_from_the_template(
    type_: str, properties: str, detail: str, tmp_path: Path
) -> None:
    """Exports contain resources without their properties."""
    of = space(tmp_path, "AWS::S3::Bucket", "{}", condition="")
    template = TEMPLATE.format(type=type_, properties=properties, condition="", service="ec2.amazonaws.com")
    (tmp_path / "real.yaml").write_text(template, encoding="utf-8")
    made = Resource(("Other",), type_, "other", "owner", tmp_path / "real.yaml")
    stack = replace(of.base.deployment.stacks[0], resources=(made,))
    found = Synthesised(of.contract, of.base)
    found.deployment = replace(found.deployment, stacks=(stack,))
    said = [one.detail for one in (*undeclarable(found), *undeclared_sends(found))]
    assert len(said) == bool(detail)
    assert all(told.startswith(detail) for told in said)


def test_an_unresolved_value_is_a_finding_and_a_harmless_one_is_not() -> None:
    assert granting_property("AWS::S3::Bucket", {"AccessControl": "Private"}) == ""
    assert granting_property("AWS::S3::Bucket", {"AccessControl": "PublicRead"}) == "AccessControl: PublicRead"
    assert granting_property("AWS::Lambda::Url", {"AuthType": {"Ref": "Mode"}}) != ""


PUSHES = [[{"Type": "EVENT", "Pattern": "PUSH"}]]
OTHERS = [[{"Type": "EVENT", "Pattern": "PUSH", "ExcludeMatchedPattern": True}]]
ON_MAIN = [[{"Type": "HEAD_REF", "Pattern": "^refs/heads/main$"}]]
JOBS = [[{"Type": "EVENT", "Pattern": "WORKFLOW_JOB_QUEUED"}]]
REQUESTS = [[{"Type": "EVENT", "Pattern": "PUSH, PULL_REQUEST_CREATED"}]]


@pytest.mark.parametrize(
    ("approval", "more", "open_"),
    [
        ("DISABLED", {}, True),
        ("DISABLED", {"FilterGroups": PUSHES}, False),
        ("FORK_PULL_REQUESTS", {"Webhook": True, "FilterGroups": REQUESTS}, False),
        # What then holds is not documented.
        (None, {"Webhook": True}, True),
        (None, {"Webhook": "true", "FilterGroups": REQUESTS}, True),
        (None, {"Webhook": True, "FilterGroups": [[{"Type": "EVENT", "Pattern": {"Ref": "Events"}}]]}, True),
        (None, {"Webhook": True, "FilterGroups": PUSHES}, False),
        (None, {"Webhook": True, "FilterGroups": OTHERS}, True),
        (None, {"Webhook": True, "FilterGroups": [*PUSHES, *ON_MAIN]}, True),
        # Jobs of a pull request are queued as well, and no comment is asked for.
        (None, {"Webhook": True, "FilterGroups": JOBS}, True),
        ("ALL_PULL_REQUESTS", {"Webhook": True, "FilterGroups": JOBS}, True),
        (None, {"Webhook": False}, False),
        (None, {}, False),
    ],
    ids=str,
)
def test_builds_of_pull_requests_give_their_authors_access(
    approval: str | None, more: dict[str, Any], open_: bool
) -> None:
    triggers = more | ({"PullRequestBuildPolicy": {"RequiresCommentApproval": approval}} if approval else {})
    assert bool(granting_property("AWS::CodeBuild::Project", {"Triggers": triggers})) is open_
    assert may_give_access("AWS::CodeBuild::Project", {"Triggers": triggers}) is open_


@pytest.mark.parametrize(
    ("roles", "open_"),
    [(["GITHUB_WRITE", "GITHUB_ADMIN"], False), (["GITHUB_ADMIN", "GITHUB_READ"], True), (["GITLAB_GUEST"], True)],
    ids=str,
)
def test_approval_by_anybody_who_can_read_the_repository_does_not_count(roles: list[str], open_: bool) -> None:
    policy = {"RequiresCommentApproval": "ALL_PULL_REQUESTS", "ApproverRoles": roles}
    triggers = {"Webhook": True, "FilterGroups": REQUESTS, "PullRequestBuildPolicy": policy}
    assert bool(granting_property("AWS::CodeBuild::Project", {"Triggers": triggers})) is open_


@pytest.mark.parametrize(
    ("git", "open_"),
    [
        ({"Push": [{"Branches": {"Includes": ["main"]}}]}, False),
        ({"PullRequest": [{"Branches": {"Includes": ["main"]}}]}, True),
        ({"Ref": "Git"}, True),
    ],
    ids=str,
)
def test_a_pipeline_started_by_pull_requests_gives_their_authors_access(git: Any, open_: bool) -> None:
    triggers = [{"ProviderType": "CodeStarSourceConnection", "GitConfiguration": git}]
    assert bool(granting_property("AWS::CodePipeline::Pipeline", {"Triggers": triggers})) is open_
    assert not granting_property("AWS::CodePipeline::Pipeline", {"Stages": []})


def test_the_holder_of_a_private_key_has_access() -> None:
    assert granting_property("AWS::EC2::KeyPair", {"KeyName": "k", "PublicKeyMaterial": "ssh-ed25519 AAAA"})
    assert not granting_property("AWS::EC2::KeyPair", {"KeyName": "k"})


@pytest.mark.parametrize(
    ("type_", "properties"),
    [
        (
            "AWS::OpenSearchService::Domain",
            {"AdvancedSecurityOptions": {"MasterUserOptions": {"MasterUserARN": "arn:aws:iam::222222222222:role/x"}}},
        ),
        ("AWS::S3::AccessPoint", {"BucketAccountId": "222222222222"}),
    ],
    ids=str,
)
def test_principals_named_outside_a_policy_are_reported_for_any_type(type_: str, properties: dict[str, Any]) -> None:
    assert may_give_access(type_, properties, "111111111111")


def test_every_type_whose_policies_are_compared_is_synthesised() -> None:
    assert {type_ for type_, way in ACCESS_KINDS.items() if way in (AccessKind.POLICY, AccessKind.NONE)} <= {
        *MAKERS,
        "AWS::CloudFormation::Stack",
    }
    assert all(access_kind(type_) in (AccessKind.POLICY, AccessKind.NONE) for type_ in MAKERS)


# --- APIs -------------------------------------------------------------------------------------------------------------

BY_IAM = {"components": {"securitySchemes": {"iam": {"x-amazon-apigateway-authtype": "awsSigv4"}, "key": {}}}}


@pytest.mark.parametrize(
    ("operation", "more", "open_"),
    [
        ({}, {}, "GET /x"),
        ({"security": [{"iam": []}]}, BY_IAM, ""),
        ({"security": [{"iam": []}, {"key": []}]}, BY_IAM, "GET /x"),
        ({"security": []}, {**BY_IAM, "security": [{"iam": []}]}, "GET /x"),
        ({}, {**BY_IAM, "security": [{"iam": []}]}, ""),
        ({"x-amazon-apigateway-auth": {"type": "AWS_IAM"}}, {}, ""),
    ],
)
def test_an_api_operation_without_iam_authorisation_is_open(operation: Any, more: Any, open_: str) -> None:
    assert operation_without_iam({"paths": {"/x": {"get": operation}}, **more}) == open_


@pytest.mark.parametrize(
    ("body", "open_"),
    [
        ({"paths": {"Fn::If": ["C", {}, {}]}}, "operations that are not known"),
        ({"Fn::Transform": {"Name": "AWS::Include"}}, "operations that are not known"),
        ({"paths": {"/x": {"Fn::If": ["C", {}, {}]}}}, "operations of /x that are not known"),
        ({"paths": {"/x": {"get": {"Fn::If": ["C", {}, {}]}}}}, "GET /x"),
        ({"paths": {"/x": {"get": {"security": ["iam"]}}}, **BY_IAM}, "GET /x"),
        ({"paths": {"/x": {"get": {"security": {"iam": []}}}}, **BY_IAM}, "GET /x"),
        (
            {"paths": {"/x": {"get": {}}}, "securityDefinitions": 1, "components": {"securitySchemes": {"a": 1}}},
            "GET /x",
        ),
        ({"paths": 1}, ""),
        (None, ""),
    ],
    ids=str,
)
def test_what_is_not_resolved_or_of_another_shape_asks_for_no_iam(body: Any, open_: str) -> None:
    assert operation_without_iam(body) == open_


@pytest.mark.parametrize(
    ("kind", "open_"), [("mock", ""), ("MOCK", ""), ("aws_proxy", "OPTIONS /x"), ("", "OPTIONS /x")]
)
def test_an_options_method_is_open_unless_it_calls_nothing(kind: str, open_: str) -> None:
    operation = {"x-amazon-apigateway-integration": {"type": kind}} if kind else {}
    assert operation_without_iam({"paths": {"/x": {"options": operation}}}) == open_


API = """
Resources:
  Api:
    Type: AWS::ApiGateway::RestApi
    Properties: {api}
  Get:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: r
      HttpMethod: {verb}
      AuthorizationType: {auth}
      Integration: {{Type: {kind}}}
"""
OPEN = "Get lets others in by AuthorizationType: NONE, of which a contract cannot speak"
CLONED = ("AuthorizationType: NONE", "CloneFrom: other")
POLICY = (
    '{Version: "2012-10-17", Statement: [{Effect: Allow, Principal: "*", Action: execute-api:Invoke, Resource: "*"}]}'
)


@pytest.mark.parametrize(
    ("api", "verb", "auth", "said"),
    [
        ("{Name: a}", "GET AWS", "NONE", [OPEN]),
        ("{Name: a}", "GET AWS", "AWS_IAM", []),
        ("{Name: a}", "OPTIONS MOCK", "NONE", []),
        ("{Name: a}", "OPTIONS AWS", "NONE", [OPEN]),
        ("{CloneFrom: other}", "GET AWS", "AWS_IAM", [OPEN.replace("Get", "Api").replace(*CLONED)]),
        (f"{{Name: a, Policy: {POLICY}}}", "GET AWS", "NONE", []),
        (
            "{Body: {paths: {/x: {get: {}}}}}",
            "GET AWS",
            "AWS_IAM",
            ["Api lets others in by GET /x, which asks for no IAM"],
        ),
        (f"{{Body: {{paths: {{/x: {{get: {{}}}}}}, x-amazon-apigateway-policy: {POLICY}}}}}", "GET AWS", "NONE", []),
    ],
)
def test_an_api_without_a_policy_and_iam_authorisation_is_reported(
    api: str, verb: str, auth: str, said: list[str], tmp_path: Path
) -> None:
    verb, kind = verb.split()
    (tmp_path / "app.yaml").write_text(API.format(api=api, verb=verb, kind=kind, auth=auth), encoding="utf-8")
    statement = "{Principal: '*', Action: s3:GetObject, Resource: '*'}"
    promised = f"principals: {{}}\nresources: {{x: {{arn: 'arn:aws:s3:::x', policy: [{statement}]}}}}\n"
    contract = CONTRACT[: CONTRACT.index("principals")].format() + promised
    (tmp_path / "contract.yaml").write_text(contract, encoding="utf-8")
    of = load(tmp_path)
    assert [found.detail for found in undeclarable(Synthesised(of, synthesise(of)))] == said


# --- what lets nobody in ----------------------------------------------------------------------------------------------


def test_a_vpc_endpoint_policy_gives_nobody_access() -> None:
    policy = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}
    assert not may_give_access("AWS::EC2::VPCEndpoint", {"PolicyDocument": policy})
    assert not may_give_access("AWS::WAFv2::WebACL", {"Rules": [{"Statement": {}}]})
    assert may_give_access("AWS::EC2::VPCEndpoint", {"Other": policy})


@pytest.mark.parametrize("type_", sorted(INERT))
def test_types_with_stand_ins_exist_and_are_in_no_table_of_access(type_: str) -> None:
    assert type_ in PROVIDER_SCHEMA_MANAGER.get_resource_types("us-east-1")
    assert access_kind(type_) is None


@pytest.mark.parametrize("type_", sorted(INERT))
def test_a_stand_in_has_the_arn_that_aws_would_give_it(type_: str) -> None:
    """Policies refer to it by ARNs that IAM knows."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", type_).schema
    identifiers = schema["primaryIdentifier"]
    by_arn = len(identifiers) == 1 and identifiers[0].lower().endswith("arn")
    ref = assumed_ref(type_, "name", Location("aws", "eu-west-1", "111111111111"))
    assert ref.startswith("arn:") is by_arn
    given = {path.rsplit("/", 1)[-1] for path in schema.get("readOnlyProperties", ())}
    for attribute in given & {"Arn", "ARN"}:
        arn = assumed_attribute(type_, attribute, ref, Location("aws", "eu-west-1", "111111111111"))
        assert arn.split(":")[2] in actions.services()
        assert "name" in arn


OWN, OTHER = "arn:aws:s3:::own", "arn:aws:s3:::strangers"
QUEUE = "arn:aws:sqs:eu-west-1:222222222222:q"
FUNCTION = "arn:aws:lambda:eu-west-1:222222222222:function:f"
FILES = "arn:aws:elasticfilesystem:eu-west-1:222222222222:file-system/fs-0123"
TABLES = {"DestinationTableBucketARN": "arn:aws:s3tables:eu-west-1:222222222222:bucket/b"}
VAULT = {"DestinationBackupVaultArn": "arn:aws:backup:eu-west-1:222222222222:backup-vault:v"}


@pytest.mark.parametrize(
    ("type_", "properties", "to"),
    [
        ("AWS::SNS::Subscription", {"Endpoint": "arn:aws:sqs:eu-west-1:111111111111:q"}, ""),
        ("AWS::SNS::Subscription", {"Endpoint": "arn:aws:sqs:eu-west-1:222222222222:q"}, "222222222222"),
        ("AWS::SNS::Subscription", {"Endpoint": "https://example.com/?arn:aws:sqs:eu-west-1:111111111111:q"}, "https"),
        ("AWS::SNS::Subscription", {"Endpoint": {"Ref": "Somewhere"}}, "Ref"),
        ("AWS::Logs::SubscriptionFilter", {"DestinationArn": "arn:aws:logs:eu-west-1:2:destination:d"}, "destination"),
        ("AWS::CloudWatch::Alarm", {"Endpoint": "https://example.com"}, "https"),
        ("AWS::S3::Bucket", {"ReplicationConfiguration": {"Rules": [{"Destination": {"Bucket": OWN}}]}}, ""),
        ("AWS::S3::Bucket", {"ReplicationConfiguration": {"Rules": [{"Destination": {"Bucket": OTHER}}]}}, "strangers"),
        ("AWS::S3::Bucket", {"ReplicationConfiguration": {"Rules": {"Fn::If": ["A", [], []]}}}, "Fn::If"),
        ("AWS::S3::Bucket", {"InventoryConfigurations": [{"Destination": {"BucketArn": OTHER}}]}, "strangers"),
        ("AWS::S3::Bucket", {"NotificationConfiguration": {"QueueConfigurations": [{"Queue": QUEUE}]}}, "222222222222"),
        ("AWS::S3::Bucket", {"NotificationConfiguration": {"EventBridgeConfiguration": {}}}, ""),
        (
            "AWS::Events::Rule",
            {"Targets": [{"Id": "a", "Arn": "arn:aws:lambda:eu-west-1:111111111111:function:f"}]},
            "",
        ),
        ("AWS::Events::Rule", {"Targets": [{"Id": "a", "Arn": "arn:aws:events:eu-west-1:2:event-bus/default"}]}, "bus"),
        ("AWS::Events::Rule", {"Targets": [{"Arn": "arn:aws:ssm:eu-west-1::automation-definition/AWS-Stop"}]}, ""),
        (
            "AWS::Lambda::EventInvokeConfig",
            {"DestinationConfig": {"OnFailure": {"Destination": QUEUE}}},
            "222222222222",
        ),
        ("AWS::EFS::FileSystem", {"ReplicationConfiguration": {"Destinations": [{"FileSystemId": "fs-0123"}]}}, ""),
        ("AWS::EFS::FileSystem", {"ReplicationConfiguration": {"Destinations": [{"FileSystemId": FILES}]}}, "2222"),
        ("AWS::EFS::FileSystem", {"ReplicationConfiguration": {"Destinations": [{"Region": "eu-west-1"}]}}, ""),
        ("AWS::S3Tables::TableBucket", {"ReplicationConfiguration": {"Rules": [{"Destinations": [TABLES]}]}}, "2222"),
        ("AWS::DynamoDB::GlobalTable", {"GlobalTableSourceArn": "arn:aws:dynamodb:eu-west-1:2:table/t"}, "table/t"),
        ("AWS::Lambda::Function", {"DeadLetterConfig": {"TargetArn": QUEUE}}, "222222222222"),
        ("AWS::Logs::Delivery", {"DeliveryDestinationArn": "arn:aws:logs:eu-west-1:2:delivery-destination:d"}, ":d"),
        ("AWS::Events::ApiDestination", {"InvocationEndpoint": "https://example.com"}, "https"),
        ("AWS::Backup::BackupPlan", {"BackupPlan": {"BackupPlanRule": [{"CopyActions": [VAULT]}]}}, "222222222222"),
        ("AWS::Pipes::Pipe", {"Target": QUEUE}, "222222222222"),
        (
            "AWS::Pipes::Pipe",
            {"SourceParameters": {"KinesisStreamParameters": {"DeadLetterConfig": {"Arn": QUEUE}}}},
            "222222222222",
        ),
        ("AWS::Events::Rule", {"Targets": [{"Arn": OWN, "DeadLetterConfig": {"Arn": QUEUE}}]}, "222222222222"),
        ("AWS::Events::Rule", {"Targets": [{"Arn": OWN, "DeadLetterConfig": {"Arn": OWN}}]}, ""),
        ("AWS::Events::EventBus", {"DeadLetterConfig": {"Arn": QUEUE}}, "222222222222"),
        ("AWS::Cognito::UserPool", {"LambdaConfig": {"UserMigration": FUNCTION}}, "222222222222"),
        ("AWS::Cognito::UserPool", {"LambdaConfig": {"CustomEmailSender": {"LambdaArn": FUNCTION}}}, "222222222222"),
        ("AWS::Cognito::UserPool", {"LambdaConfig": {"UserMigration": FUNCTION.replace("2" * 12, "1" * 12)}}, ""),
        ("AWS::Config::ConfigRule", {"Source": {"SourceIdentifier": FUNCTION}}, "222222222222"),
        ("AWS::Config::ConfigRule", {"Source": {"SourceIdentifier": "S3_BUCKET_VERSIONING_ENABLED"}}, ""),
        ("AWS::SecretsManager::RotationSchedule", {"RotationLambdaARN": FUNCTION}, "222222222222"),
        ("AWS::Events::Rule", {"Targets": [{"Arn": "arn:aws:execute-api:eu-west-1::a1/prod/GET/"}]}, "execute-api"),
        ("AWS::CodeCommit::Repository", {"Triggers": [{"DestinationArn": QUEUE}]}, "222222222222"),
        ("AWS::Scheduler::Schedule", {"Target": {"Arn": QUEUE}}, "222222222222"),
        ("AWS::Scheduler::Schedule", {"Target": {"Arn": "arn:aws:scheduler:::aws-sdk:ec2:stopInstances"}}, ""),
    ],
    ids=str,
)
def test_a_resource_that_sends_to_another_account_is_reported(type_: str, properties: Any, to: str) -> None:
    said = external_destinations(type_, properties, OwnAccount("111111111111", frozenset({"own"})))
    assert len(said) == bool(to)
    assert to in str(said)


def test_account_wide_subscriptions_are_reported() -> None:
    assert granting_property("AWS::Logs::AccountPolicy", {"PolicyType": "SUBSCRIPTION_FILTER_POLICY"})
    assert not granting_property("AWS::Logs::AccountPolicy", {"PolicyType": "DATA_PROTECTION_POLICY"})


#: Types that moto creates and that are in no table. Each was looked up: they give access only by what
#: `external_principals` and `destinations` find. Machines and databases that can be reached by network are left out.
LOOKED_AT = """
    AutoScaling::AutoScalingGroup AutoScaling::LaunchConfiguration AutoScaling::ScheduledAction
    Batch::ComputeEnvironment Batch::JobDefinition Batch::JobQueue DataPipeline::Pipeline
    EC2::EIP EC2::Instance EC2::InternetGateway EC2::LaunchTemplate EC2::NatGateway EC2::NetworkInterface
    EC2::Route EC2::RouteTable EC2::SecurityGroup EC2::SecurityGroupIngress EC2::SpotFleet EC2::Subnet
    EC2::SubnetRouteTableAssociation EC2::TransitGateway EC2::VPC EC2::VPCGatewayAttachment
    EC2::VPCPeeringConnection EC2::VPNGateway EC2::Volume EC2::VolumeAttachment
    ECS::Cluster ECS::Service ECS::TaskDefinition EFS::AccessPoint EFS::MountTarget
    EMR::Cluster EMR::InstanceGroupConfig EMR::SecurityConfiguration ElasticLoadBalancing::LoadBalancer
    ElasticLoadBalancingV2::Listener ElasticLoadBalancingV2::ListenerRule ElasticLoadBalancingV2::LoadBalancer
    ElasticLoadBalancingV2::TargetGroup Events::Rule IoT::BillingGroup IoT::JobTemplate IoT::Policy IoT::Thing
    IoT::ThingType KMS::Alias Logs::LogGroup
    RDS::DBInstance RDS::DBParameterGroup RDS::DBSecurityGroup RDS::DBSubnetGroup
    Redshift::Cluster Redshift::ClusterParameterGroup Redshift::ClusterSubnetGroup
    Route53::HealthCheck Route53::HostedZone Route53::RecordSet Route53::RecordSetGroup SSM::Document
    SageMaker::Endpoint SageMaker::EndpointConfig SageMaker::Model SageMaker::NotebookInstance
    SageMaker::NotebookInstanceLifecycleConfig StepFunctions::StateMachine
    """.split()


def test_every_deployable_type_is_classified() -> None:
    """Resources of all other types are not deployed, which is reported for each. A newer moto can create more."""
    created = {type_ for type_ in parsing.get_model_map() if type_ in PROVIDER_SCHEMA_MANAGER.get_resource_types(HOME)}
    open_ = {type_ for type_ in created if access_kind(type_) is None and type_ not in INERT}
    assert open_ == {f"AWS::{name}" for name in LOOKED_AT}


# --- the block on public access ---------------------------------------------------------------------------------------

ALL = "BlockPublicAcls: true, IgnorePublicAcls: true, BlockPublicPolicy: true, RestrictPublicBuckets"


@pytest.mark.parametrize(
    ("properties", "off"),
    [
        ("{}", ""),
        (f"{{PublicAccessBlockConfiguration: {{{ALL}: true}}}}", ""),
        (f"{{PublicAccessBlockConfiguration: {{{ALL}: 'true'}}}}", ""),
        (f"{{PublicAccessBlockConfiguration: {{{ALL}: false}}}}", "RestrictPublicBuckets must be true"),
        ("{PublicAccessBlockConfiguration: {BlockPublicPolicy: true}}", "BlockPublicAcls, IgnorePublicAcls, Restrict"),
        ("{PublicAccessBlockConfiguration: {}}", "BlockPublicAcls, IgnorePublicAcls, BlockPublicPolicy, Restrict"),
        ("{PublicAccessBlockConfiguration: !Ref AWS::NoValue}", ""),
        # It turns on an option, of which the contract says nothing.
        (f"{{PublicAccessBlockConfiguration: {{{ALL}: !If [WithMore, true, false]}}}}", "RestrictPublicBuckets must"),
    ],
)
def test_a_partial_public_access_block_leaves_the_rest_off(tmp_path: Path, properties: str, off: str) -> None:
    """If the property is set, settings that it omits are off."""
    found = Synthesised((of := space(tmp_path, "AWS::S3::Bucket", properties, "")).contract, of.base)
    details = [one.detail for one in undeclarable(found)]
    assert bool(details) is bool(off)
    assert all(off in detail and "Leave PublicAccessBlockConfiguration out" in detail for detail in details)


def test_a_public_access_block_that_an_option_turns_off_is_reported_under_it(tmp_path: Path) -> None:
    properties = f"{{PublicAccessBlockConfiguration: {{{ALL}: !If [WithMore, false, true]}}}}"
    of, noted = space(tmp_path, "AWS::S3::Bucket", properties, ""), CombinedFindings()
    found = synthesised_under(of, of.contract.variants, "eu-west-1", noted)
    assert found is not None
    note_unknown_access(of, found, noted)
    assert [clause for clause, _, _ in noted.found] == [
        "what is not worked out stays as the contract's own deployment has it"
    ]


@pytest.mark.parametrize(
    ("principal", "spoken_of"), [("'*'", True), ("{AWS: '*'}", True), ("{AWS: '111111111111'}", False)]
)
def test_a_bucket_without_a_block_is_no_finding_only_if_the_contract_opens_it(
    tmp_path: Path, principal: str, spoken_of: bool
) -> None:
    contract = space(tmp_path, "AWS::S3::Bucket", "{BucketName: b, PublicAccessBlockConfiguration: {}}", "").contract
    text = contract.path.read_text(encoding="utf-8")
    declared = f"""
resources:
  bucket:
    arn: arn:aws:s3:::b
    policy: [{{Principal: {principal}, Action: s3:GetObject, Resource: "arn:aws:s3:::b/*"}}]
"""
    contract.path.write_text(text.replace("\nvariants:", f"{declared}variants:"), encoding="utf-8")
    contract = load(tmp_path)
    assert bool(list(undeclarable(Synthesised(contract, synthesise(contract))))) is not spoken_of
