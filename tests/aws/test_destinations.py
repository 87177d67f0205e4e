"""External destinations in the properties of resources of any type."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from grantproof.aws.templates.destinations import external_destinations
from grantproof.aws.templates.own_addresses import own_addresses
from grantproof.aws.templates.text_destinations import SAME_TEMPLATE, OwnAccount
from tests.aws.test_external_principals import _at, reference

OWN = OwnAccount("111111111111", frozenset({"own"}))
TOPIC = "arn:aws:sns:eu-west-1:222222222222:t"
FUNCTION = "arn:aws:lambda:eu-west-1:222222222222:function:f"
QUEUE = "https://sqs.eu-west-1.amazonaws.com/222222222222/q"
ROLE = "arn:aws:iam::222222222222:role/r"
BUCKET = "arn:aws:s3:::strangers"
ADDRESS = "https://example.com/x"


def to_function(arn: str) -> str:
    return f"arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{arn}/invocations"


def integration(uri: str, **more: Any) -> tuple[str, Any]:
    return "AWS::ApiGateway::Method", {"Integration": {"Uri": uri, **more}}


def machine(resource: str, parameters: Any, key: str = "Parameters", **more: Any) -> tuple[str, Any]:
    state = {"Type": "Task", "Resource": resource, key: parameters, **more}
    return "AWS::StepFunctions::StateMachine", {"DefinitionString": json.dumps({"States": {"Message": state}})}


def schedule(call: str, given: Any) -> tuple[str, Any]:
    arn = f"arn:aws:scheduler:::aws-sdk:{call}"
    return "AWS::Scheduler::Schedule", {"Target": {"Arn": arn, "Input": json.dumps(given)}}


def api(uri: str) -> tuple[str, Any]:
    operation = {"x-amazon-apigateway-integration": {"uri": uri}}
    body = {"openapi": "3.0.1", "servers": [{"url": ADDRESS}], "paths": {"/x": {"get": operation}}}
    return "AWS::ApiGateway::RestApi", {"Body": body}


@pytest.mark.parametrize(
    ("resource", "to"),
    [
        (integration(to_function(FUNCTION)), [FUNCTION]),
        (integration(ADDRESS), [ADDRESS]),
        (integration(ADDRESS, ConnectionType="INTERNET", ConnectionId="a"), [ADDRESS]),
        (integration("arn:aws:apigateway:eu-west-1:sns:action/Publish", Credentials=ROLE), [ROLE]),
        (("AWS::Events::Rule", {"Targets": [{"Arn": "arn:aws:iam::*:user/*"}]}), ["arn:aws:iam::*:user/*"]),
        (("AWS::EC2::FlowLog", {"LogDestinationType": "s3", "LogDestination": BUCKET}), [BUCKET]),
        (
            integration("arn:aws:apigateway:eu-west-1:sqs:path/222222222222/q"),
            ["arn:aws:apigateway:eu-west-1:sqs:path/222222222222/q"],
        ),
        (
            integration("arn:aws:apigateway:eu-west-1:s3:path/strangers/{key}"),
            ["arn:aws:apigateway:eu-west-1:s3:path/strangers/{key}"],
        ),
        (
            integration("arn:aws:apigateway:eu-west-1:strangers.s3:path/{key}"),
            ["arn:aws:apigateway:eu-west-1:strangers.s3:path/{key}"],
        ),
        (
            integration("arn:aws:apigateway:eu-west-1:sqs:action/SendMessage", RequestParameters={"a": f"'{QUEUE}'"}),
            [QUEUE],
        ),
        (
            integration(
                "arn:aws:apigateway:eu-west-1:sns:path/",
                RequestTemplates={"application/json": "TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A222222222222%3At&M=x"},
            ),
            [TOPIC],
        ),
        (
            integration(
                "arn:aws:apigateway:eu-west-1:sqs:action/SendMessage",
                RequestParameters={
                    "integration.request.querystring.QueueUrl": "method.request.querystring.q",
                    "integration.request.querystring.MessageBody": "method.request.body",
                },
            ),
            ["whatever QueueUrl (method.request.querystring.q) is when it is called"],
        ),
        (
            integration(
                "arn:aws:apigateway:eu-west-1:kinesis:action/PutRecord",
                RequestTemplates={"application/json": '{"StreamARN": "$input.params(1)", "Data": "$input.body"}'},
            ),
            ["whatever StreamARN"],
        ),
        (
            integration(
                "arn:aws:apigateway:eu-west-1:sqs:action/SendMessage",
                RequestTemplates={"application/json": f"#set($a = 1)QueueUrl={QUEUE.replace('2' * 12, '$a')}&M=x"},
            ),
            ["whatever QueueUrl", QUEUE.replace("2" * 12, "$a")],
        ),
        (integration(ADDRESS.upper()), [ADDRESS.upper()]),
        (("AWS::ApiGateway::Authorizer", {"AuthorizerUri": to_function(FUNCTION)}), [FUNCTION]),
        (("AWS::ApiGatewayV2::Integration", {"IntegrationUri": FUNCTION}), [FUNCTION]),
        (("AWS::ApiGatewayV2::Authorizer", {"AuthorizerUri": to_function(FUNCTION)}), [FUNCTION]),
        (("AWS::ApiGateway::Stage", {"Variables": {"Source": FUNCTION}}), [FUNCTION]),
        (("AWS::ApiGateway::Deployment", {"StageDescription": {"Variables": {"f": FUNCTION}}}), [FUNCTION]),
        (("AWS::ApiGatewayV2::Stage", {"StageVariables": {"Image": FUNCTION}}), [FUNCTION]),
        (("AWS::ApiGateway::VpcLink", {"TargetArns": [TOPIC]}), [TOPIC]),
        (api(to_function(FUNCTION)), [FUNCTION]),
        (("AWS::ApiGateway::RestApi", {"Body": json.dumps(api(ADDRESS)[1]["Body"])}), [ADDRESS]),
        (("AWS::CloudWatch::Alarm", {"AlarmActions": [TOPIC]}), [TOPIC]),
        (("AWS::CloudWatch::CompositeAlarm", {"OKActions": [TOPIC]}), [TOPIC]),
        (("AWS::CloudWatch::Alarm", {"InsufficientDataActions": [{"Ref": "Topic"}]}), [{"Ref": "Topic"}]),
        (("AWS::CloudWatch::Alarm", {"AlarmActions": ["whatever-it-may-be"]}), ["whatever-it-may-be"]),
        (("AWS::CloudWatch::Alarm", {"AlarmActions": ["{{resolve:ssm:/topic}}"]}), ["{{resolve:ssm:/topic}}"]),
        (
            ("AWS::Budgets::Budget", {"NotificationsWithSubscribers": [{"Subscribers": [{"Address": "a@b.org"}]}]}),
            ["a@b.org"],
        ),
        (("AWS::CE::AnomalySubscription", {"Subscribers": [{"Address": TOPIC}]}), [TOPIC]),
        (schedule("sqs:sendMessage", {"QueueUrl": QUEUE}), [QUEUE]),
        (schedule("s3:putObject", {"Bucket": "strangers"}), [BUCKET]),
        (schedule("rds:modifyDBSnapshotAttribute", {"ValuesToAdd": ["222222222222"]}), ["222222222222"]),
        (schedule("rds:modifyDBSnapshotAttribute", {"ValuesToAdd": ["all"]}), ["whomever ValuesToAdd (all) lets in"]),
        (schedule("lambda:addPermission", {"Principal": "*"}), ["whomever Principal (*) lets in"]),
        (
            machine("arn:aws:states:::aws-sdk:lambda:addPermission", {"Principal.$": "$.who"}),
            ["whomever Principal.$ ($.who) lets in"],
        ),
        (
            machine("arn:aws:states:::aws-sdk:s3:putObjectAcl", {"ACL": "public-read", "Key": "k"}),
            ["whomever ACL (public-read) lets in"],
        ),
        (
            ("AWS::SSM::Document", {"Content": {"mainSteps": [{"inputs": {"Service": "ec2", "GroupNames": ["all"]}}]}}),
            ["whomever GroupNames (all) lets in"],
        ),
        (machine(FUNCTION, {}), [FUNCTION]),
        (
            machine("arn:aws:states:::lambda:invoke", {"FunctionName": "222222222222:function:f"}),
            ["222222222222:function:f"],
        ),
        (machine("arn:aws:states:::sqs:sendMessage", {"QueueUrl": QUEUE}), [QUEUE]),
        (machine("arn:aws:states:::aws-sdk:s3:putObject", {"Bucket": "strangers"}), [BUCKET]),
        (
            machine(
                "arn:aws:states:::aws-sdk:textract:getDocumentAnalysis", {"OutputConfig": {"S3Bucket": "strangers"}}
            ),
            [BUCKET],
        ),
        (
            ("AWS::SSM::Document", {"Content": {"mainSteps": [{"inputs": {"QueueUrl": "{{ Queue }}"}}]}}),
            ["whatever QueueUrl ({{ Queue }}) is"],
        ),
        (machine("arn:aws:states:::aws-sdk:ssm:sendCommand", {"OutputS3BucketName": "strangers"}), [BUCKET]),
        (machine("arn:aws:states:::sqs:sendMessage", {"QueueUrl": "{{resolve:ssm:/q}}"}), ["whatever QueueUrl"]),
        (machine("arn:aws:states:::aws-sdk:s3:listBuckets", {}, Credentials={"RoleArn": ROLE}), [ROLE]),
        (machine("arn:aws:states:::http:invoke", {"ApiEndpoint": ADDRESS}), [ADDRESS]),
        (machine("arn:aws:states:::sqs:sendMessage", {"QueueUrl.$": "$.q"}), ["whatever QueueUrl.$ ($.q) is"]),
        (
            machine("arn:aws:states:::sqs:sendMessage", {"QueueUrl": "{% $q %}"}, "Arguments"),
            ["whatever QueueUrl ({% $q %}) is"],
        ),
        (
            (
                "AWS::StepFunctions::StateMachine",
                {"Definition": {"Resource": "${F}"}, "DefinitionSubstitutions": {"F": FUNCTION}},
            ),
            [FUNCTION],
        ),
        (("AWS::StepFunctions::StateMachine", {"DefinitionS3Location": {}}), ["where its definition in S3 says"]),
        (("AWS::ApiGateway::RestApi", {"BodyS3Location": {}}), ["where its definition in S3 says"]),
        (
            ("AWS::SSM::Document", {"Content": {"mainSteps": [{"inputs": {"QueueUrl": QUEUE}}]}}),
            [QUEUE],
        ),
        (("AWS::SES::ReceiptRule", {"Rule": {"Actions": [{"S3Action": {"BucketName": "strangers"}}]}}), [BUCKET]),
        (("AWS::SSM::ResourceDataSync", {"S3Destination": {"BucketName": "strangers"}}), [BUCKET]),
        (
            ("AWS::KinesisFirehose::DeliveryStream", {"ExtendedS3DestinationConfiguration": {"BucketARN": BUCKET}}),
            [BUCKET],
        ),
        (("AWS::Athena::WorkGroup", {"Configuration": {"OutputLocation": "s3://strangers/x"}}), [BUCKET]),
        (("AWS::CodePipeline::Pipeline", {"ArtifactStore": {"Location": "strangers"}}), [BUCKET]),
        (
            (
                "AWS::ElasticLoadBalancingV2::LoadBalancer",
                {"LoadBalancerAttributes": [{"Key": "access_logs.s3.bucket", "Value": "strangers"}]},
            ),
            [BUCKET],
        ),
        (
            ("AWS::CloudFront::Distribution", {"DistributionConfig": {"Origins": [{"DomainName": "example.com"}]}}),
            ["https://example.com"],
        ),
        (("AWS::CloudFormation::Stack", {"NotificationARNs": [TOPIC], "TemplateURL": ADDRESS}), [TOPIC]),
        (("Custom::Thing", {"ServiceToken": TOPIC, "Url": ADDRESS}), [TOPIC]),
        (("AWS::Cognito::UserPoolClient", {"CallbackURLs": [ADDRESS, "http://localhost:3000"]}), [ADDRESS]),
    ],
    ids=str,
)
def test_an_external_destination_is_found_in_any_property(resource: tuple[str, Any], to: list[Any]) -> None:
    said = external_destinations(*resource, OWN)
    assert len(said) == len(to)
    for found, expected in zip(said, to, strict=True):
        assert str(found).startswith(str(expected))


@pytest.mark.parametrize(
    "resource",
    [
        integration(to_function(FUNCTION.replace("2" * 12, "1" * 12))),
        integration(to_function(f"{SAME_TEMPLATE}111111111111:Function.Arn")),
        integration("arn:aws:apigateway:eu-west-1:sqs:path/111111111111/q"),
        integration("arn:aws:apigateway:eu-west-1:s3:path/own/{key}"),
        integration("arn:aws:apigateway:eu-west-1:dynamodb:action/PutItem"),
        integration("http://orders.internal", ConnectionType="VPC_LINK", ConnectionId="a"),
        integration("", RequestTemplates={"application/json": '{"statusCode": 200}'}),
        integration("arn:aws:apigateway:eu-west-1:sns:action/ListTopics", Credentials="arn:aws:iam::*:user/*"),
        (
            "AWS::ApiGateway::RestApi",
            {
                "Body": {
                    "paths": {
                        "/": {
                            "get": {
                                "x-amazon-apigateway-integration": {
                                    "uri": to_function(FUNCTION.replace("2" * 12, "1" * 12)),
                                    "credentials": "arn:aws-cn:iam::*:user/*",
                                }
                            }
                        }
                    }
                }
            },
        ),
        integration(
            "arn:aws:apigateway:eu-west-1:sns:action/Publish",
            RequestTemplates={
                "application/json": "TopicArn=$util.urlEncode('arn:aws:sns:eu-west-1:111111111111:t')&M=$input.body"
            },
        ),
        api(to_function(FUNCTION.replace("2" * 12, "1" * 12))),
        (
            "AWS::CloudWatch::Alarm",
            {
                "AlarmActions": [
                    "arn:aws:automate:eu-west-1:ec2:stop",
                    "arn:aws:swf:eu-west-1:111111111111:action/actions/AWS_EC2.InstanceId.Stop/1.0",
                    TOPIC.replace("2" * 12, "1" * 12),
                ]
            },
        ),
        schedule("sqs:sendMessage", {"QueueUrl": QUEUE.replace("2" * 12, "1" * 12), "MessageBody": TOPIC}),
        schedule("ec2:stopInstances", {"InstanceIds": ["i-1"]}),
        schedule("ssm:sendCommand", {"Targets": [{"Key": "tag:Stage", "Values": ["*"]}]}),
        schedule("lambda:addPermission", {"Principal": "s3.amazonaws.com"}),
        schedule("lakeformation:listPermissions", {"Principal": "*"}),
        schedule("s3:putObjectAcl", {"ACL": "bucket-owner-full-control", "Key": "k"}),
        schedule("s3:getObject", {"Bucket": "strangers"}),
        machine("arn:aws:states:::lambda:invoke", {"FunctionName": "f", "Payload": {"url": ADDRESS}}),
        machine("arn:aws:states:::aws-sdk:s3:getObject", {"Bucket.$": "$.b"}),
        (
            "AWS::Lambda::Function",
            {
                "Code": {"S3Bucket": "artifacts", "ImageUri": "222222222222.dkr.ecr.eu-west-1.amazonaws.com/x"},
                "Environment": {"Variables": {"URL": ADDRESS, "TOPIC": TOPIC}},
                "Layers": ["arn:aws:lambda:eu-west-1:222222222222:layer:x:1"],
                "KmsKeyArn": "arn:aws:kms:eu-west-1:222222222222:key/1",
                "Tags": [{"Key": "url", "Value": ADDRESS}],
            },
        ),
        ("AWS::SNS::Subscription", {"TopicArn": TOPIC, "Endpoint": "arn:aws:sqs:eu-west-1:111111111111:q"}),
        ("AWS::Lambda::EventSourceMapping", {"EventSourceArn": TOPIC}),
        (
            "AWS::CodePipeline::Pipeline",
            {"Stages": [{"Actions": [{"Configuration": {"S3Bucket": "in", "ExternalEntityLink": ADDRESS}}]}]},
        ),
        ("AWS::CodeBuild::Project", {"Source": {"Location": "https://github.com/a/b.git"}}),
        ("AWS::S3::Bucket", {"BucketName": "new", "WebsiteConfiguration": {"IndexDocument": "index.html"}}),
        ("AWS::CloudTrail::Trail", {"S3BucketName": "own"}),
        ("AWS::S3::Bucket", {"LoggingConfiguration": {"DestinationBucketName": "logs"}}),
        ("AWS::Athena::WorkGroup", {"Configuration": {"OutputLocation": "s3://own/x"}}),
        ("AWS::WAFv2::WebACLAssociation", {"ResourceArn": "arn:aws:apigateway:eu-west-1::/restapis/a/stages/b"}),
        ("AWS::ApiGateway::Model", {"Schema": {"$schema": "http://json-schema.org/draft-04/schema#"}}),
        ("Custom::Thing", {"ServiceToken": "arn:aws:lambda:eu-west-1:111111111111:function:f", "Url": ADDRESS}),
        ("AWS::IAM::Role", {"ManagedPolicyArns": ["arn:aws:iam::222222222222:policy/p"]}),
    ],
    ids=str,
)
def test_own_resources_and_values_that_are_read_are_no_external_destinations(resource: tuple[str, Any]) -> None:
    assert external_destinations(*resource, OWN) == ()


@pytest.mark.parametrize("properties", [None, "text", [], {"Ref": "X"}, {"Target": "x"}, {"Definition": 1}])
def test_properties_of_undocumented_shape_are_examined_too(properties: Any) -> None:
    for type_ in ("AWS::ApiGateway::Method", "AWS::Scheduler::Schedule", "AWS::StepFunctions::StateMachine"):
        assert all(one in (properties, "x") for one in external_destinations(type_, properties, OWN))


# --- addresses of one's own -------------------------------------------------------------------------------------------

BALANCER = {
    "Balancer": {"Type": "AWS::ElasticLoadBalancingV2::LoadBalancer"},
    "Api": {"Type": "AWS::ApiGateway::RestApi"},
    "Record": {"Type": "AWS::Route53::RecordSet"},
}


@pytest.mark.parametrize(
    ("written", "own"),
    [
        ({"Fn::Sub": "http://${Balancer.DNSName}/x"}, True),
        ({"Fn::Sub": "http://${Balancer.DNSName}:80/${Name}"}, True),
        ({"Fn::Join": ["", ["http://", {"Fn::GetAtt": ["Balancer", "DNSName"]}, "/"]]}, True),
        ({"Fn::Sub": "https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}/prod"}, True),
        ({"Fn::If": ["A", {"Fn::Sub": "http://${Balancer.DNSName}/"}, {"Ref": "AWS::NoValue"}]}, True),
        ({"Fn::If": ["A", {"Fn::Sub": "http://${Balancer.DNSName}/"}, "http://strangers"]}, False),
        ({"Fn::Sub": "http://${Balancer.DNSName}@strangers/"}, False),
        ({"Fn::Sub": "http://${Balancer.DNSName}.strangers/"}, False),
        ({"Fn::Sub": "http://${Balancer.DNSName}:80@strangers/"}, False),
        ({"Fn::Sub": "https://${Api}.execute-api.strangers/"}, False),
        ({"Fn::Sub": "https://${Api}/"}, False),
        ({"Fn::Sub": "http://${Record}/"}, False),
        ({"Fn::Sub": ["http://${Balancer.DNSName}/", {"Balancer.DNSName": "strangers"}]}, False),
        ({"Ref": "Address"}, False),
    ],
    ids=str,
)
def test_a_url_is_own_only_if_its_host_is_that_of_a_resource_in_every_branch(written: Any, own: bool) -> None:
    properties = {"Integration": {"Uri": written}}
    assert (("Integration", "Uri") in own_addresses(properties, BALANCER)) is own
    made = {"Integration": {"Uri": "http://made.example.com/"}}
    assert (
        bool(external_destinations("AWS::ApiGateway::Method", made, OWN, own_addresses(properties, BALANCER)))
        is not own
    )


# --- the whole reference ----------------------------------------------------------------------------------------------

_SPEAKS = re.compile(
    r"\w*(Destination|Topic|Queue|Stream|Firehose|DeadLetter|Target|Function|Lambda|EventBus|StateMachine|Vault"
    r"|Notification|LogGroup|Role|Alarm|Action)\w*A(rn|RN)s?"
    r"|\w*(U(rl|RL|ri|RI)|Endpoint|Email(Address)?|Webhook|Destination|Recipients?)s?"
    r"|(?!Table|Vector)\w*Bucket(Name|Arn|ARN)?"
)
#: What a property is in, or called, by which something comes in or is told of: each was looked at.
_COMES_IN = re.compile(
    r"\w*(Artifact|CaCertificates|Certificate|Code|Content|Definition|Document|From|Icon|Identity|Image|Input"
    r"|InstructionsDocuments|Kms|Manifest|ModelData|Plugin|Protected|ReplyTo|Repositor|Revision|Schema|Script|Snapshot|Source"
    r"|TemplateURL|Build|Sbom)\w*"
)


def test_every_property_in_the_template_reference_that_can_name_a_destination_is_examined() -> None:
    asked, left = 0, set()
    for type_, path, schema in reference():
        last = next(name for name in reversed(path) if name not in ("*", "any"))
        holds_text = schema.get("type") in (None, "string", "object", "array") or isinstance(schema.get("type"), list)
        if schema.get("properties") or not holds_text or not _SPEAKS.fullmatch(last):
            continue
        asked += 1
        value = BUCKET if "Bucket" in last else TOPIC if re.search("A(rn|RN)s?$", last) else ADDRESS
        if not external_destinations(type_, _at(path, value), OWN):
            left.add((type_, path))
    assert asked > 1500
    assert len(left) < 300
    known = {("AWS::SNS::Subscription", ("TopicArn",))}
    assert [one for one in sorted(left - known) if not any(map(_COMES_IN.fullmatch, one[1]))] == []
