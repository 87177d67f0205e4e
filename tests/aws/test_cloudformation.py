"""The corrections of moto's CloudFormation: each does what AWS does, and moto still needs it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from grantproof.aws.held.non_policy_access import AccessKind, access_kind
from grantproof.aws.held.snapshot import AccountSnapshot, take
from grantproof.aws.isolation import isolated
from grantproof.aws.mocked.world import World
from grantproof.aws.templates.template_data import policies_as_text

OWNER = "111111111111"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
ROLE = {"AssumeRolePolicyDocument": TRUST}
READ = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ssm:Get*", "Resource": "*"}]}


@pytest.fixture
def world() -> Iterator[World]:
    with World({"owner": OWNER}, "eu-west-1") as opened:
        yield opened


def create(world: World, resources: dict[str, Any], name: str = "stack", **more: Any) -> dict[str, str]:
    client = world.client(world.root("owner"), "cloudformation")
    client.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources, **more}))
    return {
        o["OutputKey"]: o["OutputValue"] for o in client.describe_stacks(StackName=name)["Stacks"][0].get("Outputs", ())
    }


def snapshot(world: World) -> AccountSnapshot:
    root = world.root("owner")
    return take(OWNER, lambda service: world.client(root, service))


def test_a_mapping_may_have_the_name_of_a_resource(world: World) -> None:
    """A look-up means the mapping, a reference the resource."""
    policy = {"PolicyName": {"Fn::FindInMap": ["Reader", "a", "b"]}, "PolicyDocument": READ}
    role = {"Type": "AWS::IAM::Role", "Properties": {**ROLE, "RoleName": "reader", "Policies": [policy]}}
    outputs = {"Name": {"Value": {"Ref": "Reader"}}}
    made = create(world, {"Reader": role}, Mappings={"Reader": {"a": {"b": "read"}}}, Outputs=outputs)
    assert made == {"Name": "reader"}
    assert [one["PolicyName"] for one in snapshot(world).roles[0]["RolePolicyList"]] == ["read"]


def nested(world: World) -> dict[str, Any]:
    s3 = world.client(world.root("owner"), "s3")
    s3.create_bucket(Bucket="templates", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    inner = {
        "Resources": {
            "P": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "v", "Name": "inner"}}
        },
        "Outputs": {"Name": {"Value": {"Ref": "P"}}},
    }
    s3.put_object(Bucket="templates", Key="inner.json", Body=json.dumps(inner))
    url = "https://templates.s3.eu-west-1.amazonaws.com/inner.json"
    return {"Inner": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url}}}


@pytest.mark.parametrize(
    "value",
    [
        {"Fn::GetAtt": ["Inner", "Outputs.Name"]},
        {"Fn::GetAtt": ["Inner", "Outputs", "Name"]},
        {"Fn::Sub": "${Inner.Outputs.Name}"},
        {"Fn::Join": ["", [{"Fn::GetAtt": ["Inner", "Outputs.Name"]}]]},
    ],
    ids=json.dumps,
)
def test_a_nested_stacks_output_is_read_in_every_spelling(world: World, value: Any) -> None:
    assert create(world, nested(world), Outputs={"Name": {"Value": value}}) == {"Name": "inner"}


def test_an_output_that_the_nested_stack_lacks_is_noted(world: World) -> None:
    assert create(world, nested(world), Outputs={"Name": {"Value": {"Fn::GetAtt": ["Inner", "Outputs.Other"]}}}) == {}
    assert list(world.built.outputs.values()) == ["output Other of the nested stack Inner, which has no such output"]


def test_everything_attached_to_an_iam_entity_is_created(world: World) -> None:
    create(
        world,
        {
            "Boundary": {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": READ}},
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "AssumeRolePolicyDocument": TRUST,
                    "Path": "/teams/",
                    "MaxSessionDuration": 7200,
                    "ManagedPolicyArns": [{"Ref": "Boundary"}],
                    "PermissionsBoundary": {"Ref": "Boundary"},
                    "Policies": [{"PolicyName": "inline", "PolicyDocument": READ}],
                    "Tags": [{"Key": "team", "Value": "red"}],
                },
            },
            "Group": {
                "Type": "AWS::IAM::Group",
                "Properties": {
                    "ManagedPolicyArns": [{"Ref": "Boundary"}],
                    "Policies": [{"PolicyName": "inline", "PolicyDocument": READ}],
                },
            },
            "User": {
                "Type": "AWS::IAM::User",
                "Properties": {
                    "Groups": [{"Ref": "Group"}],
                    "ManagedPolicyArns": [{"Ref": "Boundary"}],
                    "Policies": [{"PolicyName": "inline", "PolicyDocument": READ}],
                },
            },
            "Side": {
                "Type": "AWS::IAM::Policy",
                "Properties": {"PolicyName": "side", "PolicyDocument": READ, "Roles": [{"Ref": "Role"}]},
            },
            "Own": {
                "Type": "AWS::IAM::RolePolicy",
                "Properties": {"PolicyName": "own", "PolicyDocument": READ, "RoleName": {"Ref": "Role"}},
            },
        },
    )
    seen = snapshot(world)
    (role,), (group,), (user,), (policy,) = seen.roles, seen.groups, seen.users, seen.policies
    assert {p["PolicyName"] for p in role["RolePolicyList"]} == {"inline", "side", "own"}
    assert all(p["PolicyDocument"] == READ for p in role["RolePolicyList"])
    assert [p["PolicyArn"] for p in role["AttachedManagedPolicies"]] == [policy["Arn"]]
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == policy["Arn"]
    assert role["Arn"].startswith(f"arn:aws:iam::{OWNER}:role/teams/")
    assert role["MaxSessionDuration"] == 7200
    assert role["AssumeRolePolicyDocument"] == TRUST
    assert [p["PolicyName"] for p in group["GroupPolicyList"]] == ["inline"]
    assert [p["PolicyArn"] for p in group["AttachedManagedPolicies"]] == [policy["Arn"]]
    assert user["GroupList"] == [group["GroupName"]]
    assert [p["PolicyName"] for p in user["UserPolicyList"]] == ["inline"]
    assert [p["PolicyArn"] for p in user["AttachedManagedPolicies"]] == [policy["Arn"]]
    assert policy["PolicyVersionList"][0]["Document"] == READ


def test_an_attached_aws_managed_policy_has_its_document() -> None:
    with World({"owner": OWNER}, "eu-west-1", managed_policies=True) as world:
        arn = "arn:aws:iam::aws:policy/AdministratorAccess"
        properties = {"AssumeRolePolicyDocument": TRUST, "ManagedPolicyArns": [arn]}
        create(world, {"Role": {"Type": "AWS::IAM::Role", "Properties": properties}})
        seen = snapshot(world)
        assert [p["Arn"] for p in seen.policies] == [arn]
        assert seen.policies[0]["PolicyVersionList"][0]["Document"]["Statement"][0]["Action"] == "*"


@pytest.mark.parametrize(
    ("resource", "named"),
    [
        ({"Type": "AWS::QLDB::Ledger", "Properties": {}}, "AWS::QLDB::Ledger"),
        (
            {"Type": "AWS::IAM::Group", "Properties": {"Permissions": "all"}},
            "property Permissions of AWS::IAM::Group",
        ),
        (
            {"Type": "AWS::IAM::User", "Properties": {"PermissionsBoundary": f"arn:aws:iam::{OWNER}:policy/b"}},
            "property PermissionsBoundary of AWS::IAM::User",
        ),
    ],
)
def test_a_resource_that_cannot_be_created_is_noted_and_missing(world: World, resource: Any, named: str) -> None:
    create(world, {"Thing": resource, "Role": {"Type": "AWS::IAM::Role", "Properties": ROLE}})
    ((name, because),) = world.built.refused.items()
    assert name[1] == "Thing"
    assert named in because
    client = world.client(world.root("owner"), "cloudformation")
    there = client.describe_stack_resources(StackName="stack")["StackResources"]
    assert [entry["LogicalResourceId"] for entry in there] == ["Role"]


@pytest.mark.parametrize(
    "taking",
    [{"Ref": "Thing"}, {"Fn::GetAtt": ["Thing", "Arn"]}, {"Fn::Sub": "${Thing}-x"}, {"Fn::Sub": "${Thing.Arn}"}],
    ids=json.dumps,
)
def test_a_resource_that_refers_to_a_missing_one_is_missing_too(world: World, taking: Any) -> None:
    """Otherwise a policy with a missing value would be compared as if it were complete."""
    statement = {"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": taking}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    role = {**ROLE, "Policies": [{"PolicyName": "p", "PolicyDocument": document}]}
    create(
        world,
        {"Role": {"Type": "AWS::IAM::Role", "Properties": role}, "Thing": {"Type": "AWS::QLDB::Ledger"}},
        Outputs={"Arn": {"Value": {"Fn::GetAtt": ["Role", "Arn"]}}},
    )
    assert {name: because for (_, name), because in world.built.refused.items()} == {
        "Thing": "resources of the type AWS::QLDB::Ledger",
        "Role": "what it takes from Thing (AWS::QLDB::Ledger), which is not there",
    }
    assert list(world.built.outputs.values()) == ["what it takes from Role (AWS::IAM::Role), which is not there"]
    assert snapshot(world).roles == ()


def test_resources_that_refer_to_each_other_are_missing(world: World) -> None:
    """CloudFormation refuses such a template; moto would recurse until Python stops it."""
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole"}

    def entered_by(other: str) -> dict[str, Any]:
        statement = {**trust, "Principal": {"AWS": {"Fn::GetAtt": [other, "Arn"]}}}
        document = {"Version": "2012-10-17", "Statement": [statement]}
        return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": document}}

    create(world, {"A": entered_by("B"), "B": entered_by("A"), "C": entered_by("C")})
    assert {name for _, name in world.built.refused} == {"A", "B", "C"}
    assert snapshot(world).roles == ()


def test_policies_of_other_services_are_created(world: World) -> None:
    """Bucket, queue, topic, key and secret: each policy is on its resource, and is deleted with the stack."""
    everyone = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{OWNER}:root"}, "Resource": "*"}

    def policy(action: str) -> dict[str, Any]:
        return {"Version": "2012-10-17", "Statement": [{**everyone, "Action": action, "Sid": "Own"}]}

    def properties(**values: Any) -> dict[str, Any]:
        return {"Properties": values}

    create(
        world,
        {
            "Bucket": {"Type": "AWS::S3::Bucket"},
            "Queue": {"Type": "AWS::SQS::Queue"},
            "Topic": {"Type": "AWS::SNS::Topic"},
            "Key": {"Type": "AWS::KMS::Key", **properties(KeyPolicy=policy("kms:*"))},
            "Secret": {"Type": "AWS::SecretsManager::Secret", **properties(KmsKeyId={"Fn::GetAtt": ["Key", "Arn"]})},
            "OnBucket": {
                "Type": "AWS::S3::BucketPolicy",
                **properties(Bucket={"Ref": "Bucket"}, PolicyDocument=policy("s3:ListBucket")),
            },
            "OnQueue": {
                "Type": "AWS::SQS::QueuePolicy",
                **properties(Queues=[{"Ref": "Queue"}], PolicyDocument=policy("sqs:SendMessage")),
            },
            "OnTopic": {
                "Type": "AWS::SNS::TopicPolicy",
                **properties(Topics=[{"Ref": "Topic"}], PolicyDocument=policy("sns:Publish")),
            },
            "OnSecret": {
                "Type": "AWS::SecretsManager::ResourcePolicy",
                **properties(SecretId={"Ref": "Secret"}, ResourcePolicy=policy("secretsmanager:GetSecretValue")),
            },
        },
    )
    services = ("s3", "sqs", "sns", "kms", "secretsmanager")
    root = world.root("owner")
    seen = take(OWNER, lambda service: world.client(root, service), services)
    actions = {entry["Type"]: entry["Policy"]["Statement"][0]["Action"] for entry in seen.resource_policies}
    assert actions == {
        "AWS::S3::Bucket": "s3:ListBucket",
        "AWS::SQS::Queue": "sqs:SendMessage",
        "AWS::SNS::Topic": "sns:Publish",
        "AWS::KMS::Key": "kms:*",
        "AWS::SecretsManager::Secret": "secretsmanager:GetSecretValue",
    }
    world.client(root, "cloudformation").delete_stack(StackName="stack")
    left = take(OWNER, lambda service: world.client(root, service), services).resource_policies
    assert {entry["Type"] for entry in left} <= {"AWS::KMS::Key"}  # which waits to be deleted


@pytest.mark.parametrize(
    ("trust", "saved"),
    [
        ({**TRUST, "Version": "2008-10-17"}, True),
        ({"Statement": TRUST["Statement"]}, True),
        ({"Statement": [{**TRUST["Statement"][0], "Action": ["sts:AssumeRole", "sts:TagSession"]}]}, True),
        ({"Statement": [{**TRUST["Statement"][0], "Resource": "*"}]}, False),
        ({**TRUST, "Version": "2020-10-17"}, False),
    ],
)
def test_iam_accepts_the_documents_that_aws_accepts(world: World, trust: Any, saved: bool) -> None:
    create(world, {"Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust}}})
    assert (len(snapshot(world).roles), len(world.built.refused)) == ((1, 0) if saved else (0, 1))


def test_a_repository_policy_needs_no_resource(world: World) -> None:
    statement = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{OWNER}:root"}, "Action": "ecr:BatchGetImage"}
    properties = {"RepositoryPolicyText": {"Version": "2012-10-17", "Statement": [statement]}}
    create(world, {"Repository": {"Type": "AWS::ECR::Repository", "Properties": properties}})
    root = world.root("owner")
    (seen,) = take(OWNER, lambda service: world.client(root, service), ("ecr",)).resource_policies
    assert seen["Policy"] == properties["RepositoryPolicyText"]


def test_identity_providers_are_created(world: World) -> None:
    saml = "<EntityDescriptor>" + "x" * 1000 + "</EntityDescriptor>"
    outputs = create(
        world,
        {
            "Ci": {
                "Type": "AWS::IAM::OIDCProvider",
                "Properties": {"Url": "https://ci.example.com", "ClientIdList": ["sts.amazonaws.com"]},
            },
            "Staff": {"Type": "AWS::IAM::SAMLProvider", "Properties": {"Name": "staff", "SamlMetadataDocument": saml}},
            "Role": {"Type": "AWS::IAM::Role", "Properties": ROLE},
            "Profile": {"Type": "AWS::IAM::InstanceProfile", "Properties": {"Roles": [{"Ref": "Role"}]}},
        },
        Outputs={"Ci": {"Value": {"Ref": "Ci"}}, "Staff": {"Value": {"Ref": "Staff"}}},
    )
    assert outputs == {
        "Ci": f"arn:aws:iam::{OWNER}:oidc-provider/ci.example.com",
        "Staff": f"arn:aws:iam::{OWNER}:saml-provider/staff",
    }
    assert world.built.refused == {}


def test_no_value_removes_list_entries_and_properties(world: World) -> None:
    nothing = {"Fn::If": ["Never", {"Fn::Sub": "x"}, {"Ref": "AWS::NoValue"}]}
    second = {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}
    document = {**READ, "Statement": [*READ["Statement"], {"Fn::If": ["Never", second, {"Ref": "AWS::NoValue"}]}]}
    role = {
        "AssumeRolePolicyDocument": TRUST,
        "ManagedPolicyArns": [nothing],
        "PermissionsBoundary": nothing,
        "Policies": [{"PolicyName": "p", "PolicyDocument": document}],
    }
    conditions = {"Never": {"Fn::Equals": ["a", "b"]}}
    create(world, {"Role": {"Type": "AWS::IAM::Role", "Properties": role}}, Conditions=conditions)
    (seen,) = snapshot(world).roles
    assert seen["AttachedManagedPolicies"] == []
    assert "PermissionsBoundary" not in seen
    assert seen["RolePolicyList"][0]["PolicyDocument"] == READ


@pytest.mark.parametrize(("region", "partition"), [("eu-west-1", "aws"), ("cn-north-1", "aws-cn")])
def test_pseudo_parameters_are_those_of_the_region(region: str, partition: str) -> None:
    with World({"owner": OWNER}, region, partition) as world:
        outputs = {
            "Partition": {"Value": {"Ref": "AWS::Partition"}},
            "Suffix": {"Value": {"Fn::Sub": "${AWS::URLSuffix}"}},
        }
        parameter = {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "p", "Type": "String", "Value": "v"}}
        found = create(world, {"P": parameter}, Outputs=outputs)
        assert found == {"Partition": partition, "Suffix": "amazonaws.com" + (".cn" if "cn" in region else "")}


def test_deleting_a_stack_removes_what_it_created(world: World) -> None:
    role = {"AssumeRolePolicyDocument": TRUST, "Policies": [{"PolicyName": "p", "PolicyDocument": READ}]}
    create(world, {"Role": {"Type": "AWS::IAM::Role", "Properties": role}, **nested(world)})
    world.client(world.root("owner"), "cloudformation").delete_stack(StackName="stack")
    assert snapshot(world).roles == ()
    assert world.client(world.root("owner"), "ssm").describe_parameters()["Parameters"] == []


def test_a_resource_without_properties_is_not_replaced_at_the_next_deployment(world: World) -> None:
    resources = {"T": {"Type": "AWS::SNS::Topic"}}
    out = create(world, resources, Outputs={"Arn": {"Value": {"Ref": "T"}}})
    client = world.client(world.root("owner"), "cloudformation")
    body = json.dumps({"Resources": resources, "Outputs": {"Arn": {"Value": {"Ref": "T"}}}})
    client.update_stack(StackName="stack", TemplateBody=body)
    (topic,) = world.client(world.root("owner"), "sns").list_topics()["Topics"]
    assert topic["TopicArn"] == out["Arn"]


def test_moto_still_needs_this_module() -> None:
    """If this fails, moto can read nested outputs: remove that correction from mocked.cloudformation."""
    import boto3

    with isolated(), mock_aws():
        session = boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="eu-west-1")
        s3, client = session.client("s3"), session.client("cloudformation")
        s3.create_bucket(Bucket="templates", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        inner = {
            "Resources": {
                "P": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "v", "Name": "in"}}
            },
            "Outputs": {"Name": {"Value": {"Ref": "P"}}},
        }
        s3.put_object(Bucket="templates", Key="inner.json", Body=json.dumps(inner))
        url = "https://templates.s3.eu-west-1.amazonaws.com/inner.json"
        outer = {
            "Resources": {"Inner": {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url}}},
            "Outputs": {"Name": {"Value": {"Fn::GetAtt": ["Inner", "Outputs.Name"]}}},
        }
        try:
            client.create_stack(StackName="stack", TemplateBody=json.dumps(outer))
            outputs = client.describe_stacks(StackName="stack")["Stacks"][0].get("Outputs", [])
        except Exception:  # noqa: BLE001 - moto meets what it cannot do with whatever its code runs into
            outputs = []
        assert [o.get("OutputValue") for o in outputs] != ["in"]


def test_a_stand_in_has_every_attribute_and_senders_are_stand_ins(world: World) -> None:
    """The contract decides whether a resource may send to an external destination."""
    alarm = {"Type": "AWS::CloudWatch::Alarm", "Properties": {"AlarmName": "late"}}
    away = {"Type": "AWS::SNS::Subscription", "Properties": {"Endpoint": "https://example.com", "Protocol": "https"}}
    made = create(world, {"A": alarm}, Outputs={"Arn": {"Value": {"Fn::GetAtt": ["A", "Arn"]}}})
    assert made == {"Arn": f"arn:aws:cloudwatch:eu-west-1:{OWNER}:alarm:late"}
    create(world, {"S": away}, name="away")
    assert world.built.refused == {}


def test_a_function_whose_code_is_in_a_packaging_bucket_is_created(world: World) -> None:
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": TRUST}}
    code = {"S3Bucket": {"Fn::Sub": "cdk-hnb659fds-assets-${AWS::AccountId}-${AWS::Region}"}, "S3Key": "a.zip"}
    properties = {"Code": code, "Handler": "i.h", "Runtime": "python3.12", "Role": {"Fn::GetAtt": ["R", "Arn"]}}
    create(world, {"R": role, "F": {"Type": "AWS::Lambda::Function", "Properties": properties}})
    assert world.built.refused == {}
    assert any("S3Bucket" in (p.get("Code") or {}) for p in world.built.properties.values())


PASS = '{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}'


@pytest.mark.parametrize(
    ("type_", "properties", "attribute", "found"),
    [
        ("AWS::SNS::Topic", {"TopicName": "t"}, "TopicArn", f"arn:aws:sns:eu-west-1:{OWNER}:t"),
        ("AWS::SQS::Queue", {"QueueName": "q"}, "QueueUrl", f"https://sqs.eu-west-1.amazonaws.com/{OWNER}/q"),
        ("AWS::SSM::Parameter", {"Type": "String", "Value": "v", "Tags": {"team": "red"}}, "Value", "v"),
        ("AWS::SSM::Parameter", {"Type": "String", "Value": "v"}, "Type", "String"),
        (
            "AWS::StepFunctions::StateMachine",
            {"StateMachineName": "m", "RoleArn": f"arn:aws:iam::{OWNER}:role/r", "DefinitionString": PASS},
            "Arn",
            f"arn:aws:states:eu-west-1:{OWNER}:stateMachine:m",
        ),
        ("AWS::Logs::LogGroup", {"LogGroupName": "/app"}, "Arn", f"arn:aws:logs:eu-west-1:{OWNER}:log-group:/app:*"),
    ],
)
def test_an_attribute_that_moto_lacks_or_cuts_short_is_that_of_cloudformation(
    world: World, type_: str, properties: dict[str, Any], attribute: str, found: str
) -> None:
    outputs = {"It": {"Value": {"Fn::GetAtt": ["R", attribute]}}}
    assert create(world, {"R": {"Type": type_, "Properties": properties}}, Outputs=outputs) == {"It": found}


def test_a_blank_list_parameter_has_one_entry(world: World) -> None:
    """https://github.com/aws-cloudformation/cfn-language-discussion/issues/102"""
    made = create(
        world,
        {"T": {"Type": "AWS::SNS::Topic", "Condition": "Blank"}},
        Parameters={"Names": {"Type": "CommaDelimitedList", "Default": ""}},
        Conditions={"Blank": {"Fn::Equals": [{"Fn::Select": [0, {"Ref": "Names"}]}, ""]}},
        Outputs={"It": {"Value": {"Ref": "T"}}},
    )
    assert made["It"].startswith("arn:aws:sns:")


def test_a_role_that_names_an_http_api_is_created(world: World) -> None:
    """The access that the API itself gives is reported elsewhere (`held/non_policy_access`)."""
    arn = {"Fn::Sub": "arn:aws:execute-api:eu-west-1:111111111111:${Api}/prod/POST/items"}
    document = {"Statement": [{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": arn}]}
    role = {**ROLE, "Policies": [{"PolicyName": "p", "PolicyDocument": document}]}
    api = {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Name": "a", "ProtocolType": "HTTP"}}
    create(world, {"Api": api, "R": {"Type": "AWS::IAM::Role", "Properties": role}})
    assert world.built.refused == {}
    assert access_kind("AWS::ApiGatewayV2::Api") is access_kind("AWS::ApiGatewayV2::Route") is AccessKind.DIRECT


@pytest.mark.parametrize(
    ("type_", "properties", "said"),
    [
        (
            "AWS::Lambda::Function",
            {
                "Code": {"ZipFile": "x"},
                "Handler": "i.h",
                "Runtime": "python3.12",
                "Role": f"arn:aws:iam::{OWNER}:role/r",
            },
            "it: The role defined for the function cannot be assumed by Lambda; a stack of the contract before this",
        ),
        (
            "AWS::S3::BucketPolicy",
            {"Bucket": "elsewhere", "PolicyDocument": {"Statement": []}},
            "it: The specified bucket does not exist; a stack of the contract before this one has to create it",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_error_about_something_missing_says_that_an_earlier_stack_must_create_it(
    world: World, type_: str, properties: dict[str, Any], said: str
) -> None:
    create(world, {"R": {"Type": type_, "Properties": properties}})
    (because,) = world.built.refused.values()
    assert because.startswith(said)


@pytest.mark.parametrize(
    ("type_", "properties", "ends"),
    [
        ("AWS::SSM::Parameter", {"Type": "String", "Value": "v"}, ""),
        ("AWS::SSM::Document", {"Content": {"schemaVersion": "2.2", "mainSteps": []}}, ""),
        ("AWS::SQS::Queue", {"FifoQueue": True}, ".fifo"),
        ("AWS::SNS::Topic", {"FifoTopic": "true"}, ".fifo"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_generated_name_is_kept_at_the_next_deployment(
    world: World, type_: str, properties: dict[str, Any], ends: str
) -> None:
    outputs = {"Ref": {"Value": {"Ref": "R"}}}
    made = create(world, {"R": {"Type": type_, "Properties": properties}}, Outputs=outputs)
    assert world.built.refused == {}
    assert "stack-R-" in made["Ref"]
    assert made["Ref"].endswith(ends)
    client = world.client(world.root("owner"), "cloudformation")
    more = {"Resources": {"R": {"Type": type_, "Properties": properties}, "Other": {"Type": "AWS::SNS::Topic"}}}
    client.update_stack(StackName="stack", TemplateBody=json.dumps({**more, "Outputs": outputs}))
    (stack,) = client.describe_stacks(StackName="stack")["Stacks"]
    assert stack["Outputs"][0]["OutputValue"] == made["Ref"]


def test_a_parameter_whose_value_changes_keeps_its_generated_name(world: World) -> None:
    def template(value: str) -> dict[str, Any]:
        return {"R": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": value}}}

    made = create(world, template("old"), Outputs={"Name": {"Value": {"Ref": "R"}}})
    client = world.client(world.root("owner"), "cloudformation")
    client.update_stack(StackName="stack", TemplateBody=json.dumps({"Resources": template("new")}))
    (held,) = world.client(world.root("owner"), "ssm").get_parameters_by_path(Path="/", Recursive=True)["Parameters"]
    assert (held["Name"], held["Value"]) == (made["Name"], "new")


def test_a_boundary_that_does_not_exist_makes_the_snapshot_incomplete(world: World) -> None:
    boundary = f"arn:aws:iam::{OWNER}:policy/of-somebody-else"
    role = {"AssumeRolePolicyDocument": TRUST, "PermissionsBoundary": boundary}
    create(world, {"R": {"Type": "AWS::IAM::Role", "Properties": role}})
    assert snapshot(world).policies == ()


def test_numbers_and_booleans_in_policies_reach_iam_as_text(world: World) -> None:
    """An account ID in a parameter of the type Number or without quotation marks, or a bare `true`: AWS documents it
    for parameters ("the parameter value becomes a literal string"), and does it with every scalar of a policy."""
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": [{"Ref": "Account"}, 333333333333]},
        "Action": "sts:AssumeRole",
        "Condition": {"Bool": {"aws:MultiFactorAuthPresent": True}, "NumericLessThan": {"aws:EpochTime": 7}},
    }
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Statement": [trust]}}}
    declared = {"Account": {"Type": "Number", "Default": 222222222222}}
    create(world, {"R": role}, Parameters=declared)
    (held,) = snapshot(world).roles
    (statement,) = held["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"AWS": ["222222222222", "333333333333"]}
    assert statement["Condition"] == {
        "Bool": {"aws:MultiFactorAuthPresent": "true"},
        "NumericLessThan": {"aws:EpochTime": "7"},
    }


def test_numbers_outside_of_policies_stay_numbers() -> None:
    rules = {"Rules": [{"Priority": 1, "Statement": {"RateBasedStatement": {"Limit": 100}}}]}
    assert policies_as_text({"Size": 3, **rules}) == {"Size": 3, **rules}


def test_a_role_that_could_not_be_completed_is_removed(world: World) -> None:
    gone = {**ROLE, "ManagedPolicyArns": ["arn:aws:iam::aws:policy/service-role/AWSConfigRole"]}
    create(world, {"R": {"Type": "AWS::IAM::Role", "Properties": gone}})
    assert snapshot(world).roles == ()


def test_a_resource_that_moto_gives_no_id_has_one(world: World) -> None:
    resources = {
        "Network": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.1.0.0/16"}},
        "Part": {
            "Type": "AWS::EC2::Subnet",
            "Properties": {"VpcId": {"Ref": "Network"}, "CidrBlock": "10.1.1.0/24"},
        },
        "Group": {
            "Type": "AWS::Redshift::ClusterSubnetGroup",
            "Properties": {"Description": "d", "SubnetIds": [{"Ref": "Part"}]},
        },
    }
    assert create(world, resources, Outputs={"Name": {"Value": {"Ref": "Group"}}}) == {"Name": "stack-group"}


def test_a_nested_template_that_its_bucket_does_not_have_is_told_by_its_address(world: World) -> None:
    (inner,) = nested(world).values()
    url = inner["Properties"]["TemplateURL"].replace("inner", "other")
    create(world, {"Other": {**inner, "Properties": {"TemplateURL": url}}})
    (said,) = world.built.refused.values()
    assert said == f"it: {url} is not there; get that template, and name it under `uploads`"


def test_a_policy_that_is_no_object_is_not_created(world: World) -> None:
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "q"}}
    policy = {"Type": "AWS::SQS::QueuePolicy", "Properties": {"Queues": [{"Ref": "Q"}], "PolicyDocument": "1"}}
    create(world, {"Q": queue, "P": policy})
    assert list(world.built.refused.values()) == ["it: its policy is no object"]
