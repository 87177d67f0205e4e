"""Every deployed statement is located in its template: file, line and column."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from grantproof.aws.staged.stage import Stage
from grantproof.contract import load

#: `#trust`, `#if` ... mark the lines at which statements are expected to be found; the column is where they begin.
MAIN = """\
Transform:
  - {Name: AWS::Include, Parameters: {Location: "s3://snippets/included.yaml"}}
  - AWS::LanguageExtensions
Parameters:
  Write: {Type: String, Default: "no"}
  Teams: {Type: CommaDelimitedList, Default: "red, blue"}
Conditions:
  MayWrite: !Equals [!Ref Write, "yes"]
Resources:
  Role:
    Type: AWS::IAM::Role
    Metadata: {"aws:cdk:path": App/Stack/Role/Resource}
    Properties:
      RoleName: app
      AssumeRolePolicyDocument:
        Statement:
          - {Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: "sts:AssumeRole"} #trust
      Policies:
        - PolicyName: !Sub "${AWS::StackName}-one"
          PolicyDocument:
            Statement:
              - !If
                - MayWrite
                - {Effect: Allow, Action: "ssm:Put*", Resource: "*"}
                - !Ref AWS::NoValue
              - !If
                - MayWrite
                - {Effect: Allow, Action: "ssm:Delete*", Resource: "*"}
                - {Effect: Allow, Action: "ssm:Get*", Resource: !Sub "arn:aws:ssm:${AWS::Region}:*:*"} #if
              - Effect: Allow #plain
                Action: ssm:List*
                Resource: "*"
        - !If
          - MayWrite
          - {PolicyName: two, PolicyDocument: {Statement: [{Effect: Allow, Action: "s3:*", Resource: "*"}]}}
          - PolicyName: two
            PolicyDocument:
              Statement: !If
                - MayWrite
                - []
                - - {Effect: Allow, Action: "s3:Get*", Resource: "*"} #list
  Separate:
    Type: AWS::IAM::Policy
    Properties:
      PolicyName: !Join ["-", [separate, !Ref AWS::Region]]
      Roles: [!Ref Role]
      PolicyDocument:
        Statement: {Effect: Allow, Action: "sqs:*", Resource: "*"} #separate
  Other:
    Type: AWS::IAM::Policy
    Properties:
      PolicyName: !Join ["-", [separate, !Ref AWS::Region]]
      Roles: [!Ref Roleblue]
      PolicyDocument:
        Statement:
          - {Effect: Allow, Action: "sns:*", Resource: "*"} #other
  Managed:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      ManagedPolicyName: managed
      Roles: [!Ref Role]
      PolicyDocument:
        Statement:
          - {Effect: Deny, Action: "ec2:*", Resource: "*"}
          - {Effect: Allow, Action: "ec2:Get*", Resource: "*"} #managed
  Fn::ForEach::Teams:
    - Team
    - !Ref Teams
    - Role${Team}:
        Type: AWS::IAM::Role
        Properties:
          RoleName: !Ref Team
          AssumeRolePolicyDocument:
            Statement:
              - {Effect: Allow, Principal: {Service: ecs.amazonaws.com}, Action: "sts:AssumeRole"} #team
  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: work}}
  Bucket: {Type: AWS::S3::Bucket, Properties: {BucketName: reports}}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: reports
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      BillingMode: PAY_PER_REQUEST
  QueuePolicy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Queue]
      PolicyDocument:
        Statement:
          - {Effect: Allow, Principal: "*", Action: "sqs:SendMessage", Resource: "*"} #queue
  Key:
    Type: AWS::KMS::Key
    Properties:
      KeyPolicy:
        Statement:
          - {Effect: Allow, Principal: {AWS: !Ref AWS::AccountId}, Action: "kms:*", Resource: "*"} #key
  Nested:
    Type: AWS::CloudFormation::Stack
    Properties:
      TemplateURL: https://snippets.s3.amazonaws.com/nested.json
Outputs:
  Key: {Value: !GetAtt Key.Arn}
"""
INCLUDED = """\
Resources:
  Included:
    Type: AWS::IAM::Role
    Properties:
      RoleName: included
      AssumeRolePolicyDocument:
        Statement:
          - {Effect: Allow, Principal: {Service: ssm.amazonaws.com}, Action: "sts:AssumeRole"} #included
"""
NESTED = """\
{"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": {
  "RoleName": "nested",
  "AssumeRolePolicyDocument": {"Statement": [
    {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
]}}}}}
"""
CONTRACT = """\
version: 1
accounts: {owner: "111111111111"}
region: eu-west-1
uploads:
  snippets: {account: owner, bucket: snippets, files: [included.yaml, nested.json]}
stacks:
  main: {account: owner, template: main.yaml}
principals:
  app: {role: app, trust: [{Principal: {Service: ec2.amazonaws.com}, Action: "sts:AssumeRole"}], allows: []}
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("grants") / "places"
    folder.mkdir()
    for name, text in (
        ("main.yaml", MAIN),
        ("included.yaml", INCLUDED),
        ("nested.json", NESTED),
        ("contract.yaml", CONTRACT),
    ):
        (folder / name).write_text(text, encoding="utf-8")
    opened = Stage(load(folder))
    opened.open()
    yield opened
    opened.close()


def marked(text: str, mark: str) -> tuple[int, int]:
    """The line and column of the statement at a marked line."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.endswith(f"#{mark}"):
            start = line.index("{") if "{" in line else line.index("Effect")
            return number, start + 1
    raise AssertionError(mark)


ROLE = "arn:aws:iam::111111111111:role"


@pytest.mark.parametrize(
    ("label", "statement", "file", "mark"),
    [
        (f"{ROLE}/app#trust", 0, "main.yaml", "trust"),
        (f"{ROLE}/app#places-main-one", 0, "main.yaml", "if"),
        (f"{ROLE}/app#places-main-one", 1, "main.yaml", "plain"),
        (f"{ROLE}/app#two", 0, "main.yaml", "list"),
        (f"{ROLE}/app#separate-eu-west-1", 0, "main.yaml", "separate"),
        (f"{ROLE}/blue#separate-eu-west-1", 0, "main.yaml", "other"),
        ("arn:aws:iam::111111111111:policy/managed", 1, "main.yaml", "managed"),
        (f"{ROLE}/red#trust", 0, "main.yaml", "team"),
        (f"{ROLE}/blue#trust", 0, "main.yaml", "team"),
        ("arn:aws:sqs:eu-west-1:111111111111:work", 0, "main.yaml", "queue"),
        (f"{ROLE}/included#trust", 0, "included.yaml", "included"),
    ],
)
def test_a_statement_is_found_where_it_is_written(
    stage: Stage, label: str, statement: int, file: str, mark: str
) -> None:
    text = {"main.yaml": MAIN, "included.yaml": INCLUDED}[file]
    found = stage.origins.place(label, statement)
    assert found is not None
    assert (found.file.name, found.line, found.column) == (file, *_inside(text, mark))


def _inside(text: str, mark: str) -> tuple[int, int]:
    line, column = marked(text, mark)
    written = text.splitlines()[line - 1]
    # A single statement that is no list stands at its key.
    return (line, written.index("Statement") + 1) if "Statement: {" in written else (line, column)


def test_a_statement_in_json_or_a_nested_stack_is_located_too(stage: Stage) -> None:
    found = stage.origins.place(f"{ROLE}/nested#trust", 0)
    assert found is not None
    assert (found.file.name, found.line, found.column) == ("nested.json", 4, 5)


def test_a_key_is_found_by_its_arn(stage: Stage) -> None:
    found = stage.origins.place(stage.resolved("${stacks.main.outputs.Key}"), 0)
    assert found is not None
    assert (found.line, found.column) == marked(MAIN, "key")


def test_of_resources_with_the_same_name_that_of_the_service_and_account_is_found(stage: Stage) -> None:
    assert stage.located("arn:aws:s3:::reports") == ("main", "Bucket")
    assert stage.located("arn:aws:dynamodb:eu-west-1:111111111111:table/reports") == ("main", "Table")
    assert stage.origins.resource("arn:aws:iam::222222222222:role/app") is None


def test_a_resource_is_named_by_logical_id_and_by_its_cdk_path(stage: Stage) -> None:
    assert stage.origins.described(f"{ROLE}/app#trust") == "Role, App/Stack/Role/Resource"
    assert stage.origins.described(f"{ROLE}/nested#trust") == "Nested/Role"
    assert stage.origins.described("arn:aws:iam::aws:policy/ReadOnlyAccess") == ""
    assert stage.origins.inside(f"{ROLE}/app#trust") == " of Role, App/Stack/Role/Resource"
    assert stage.origins.inside(f"{ROLE}/nested#trust") == ""


def test_every_deployed_policy_of_the_grant_has_a_place(stage: Stage) -> None:
    entities = stage.policies.held.values()
    policies = [policy for held in entities for policy in held.identity]
    policies += [held.trust for held in entities if held.trust]
    policies += [*stage.policies.managed.values(), *stage.policies.resource_policies.values()]
    assert len(policies) == 13
    places = {stage.origins.place(policy.label) for policy in policies}
    assert None not in places
    assert set(stage.origins.written()) <= places
