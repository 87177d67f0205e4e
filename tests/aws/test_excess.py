"""Access beyond the contract through what it leaves open: parameter values and regions that it does not set."""

from __future__ import annotations

from pathlib import Path

import pytest

from grantproof.aws.combinations.combined import CombinedFindings, compare_part, synthesised_under
from grantproof.aws.combinations.excess import Excess, excess
from grantproof.aws.combinations.regions_to_check import undistinguished_conditions
from grantproof.aws.combinations.space import Space
from grantproof.aws.drafts.skeleton import skeleton
from grantproof.contract import load
from grantproof.source import read

TEMPLATE = """
Parameters:
  Partner: {{Type: String, AllowedPattern: "[0-9]{{12}}"}}
  {parameters}
Conditions:
  Always: !Equals [a, a]
  {conditions}
{sections}
Resources:
  Reader:
    Type: AWS::IAM::Role
    Properties:
      {properties}
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement:
          - Effect: Allow
            Principal: {{AWS: {principal}}}
            Action: sts:AssumeRole
            {condition}
      Policies:
        - PolicyName: read
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              - Effect: Allow
                Action: {action}
                Resource: {resource}
              {statement}
  {resources}
Outputs:
  RoleArn: {{Value: !GetAtt Reader.Arn}}
"""
PLAIN = {
    "parameters": "",
    "conditions": "",
    "sections": "",
    "properties": "MaxSessionDuration: 3600",
    "principal": '!Sub "arn:${AWS::Partition}:iam::${Partner}:root"',
    "condition": "",
    "action": "ssm:GetParameter",
    "resource": '!Sub "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/db"',
    "statement": "",
    "resources": "",
}
CONTRACT = """
version: 1
description: One role reads one parameter.
accounts: {{owner: "111111111111", partner: "222222222222"}}
region: eu-west-1
stacks:
  app:
    account: owner
    template: app.yaml
    parameters: {{Partner: "${{accounts.partner}}"{given}}}
principals:
  reader:
    role: ${{stacks.app.outputs.RoleArn}}
    trust:
      - Principal: {{AWS: "arn:${{partition}}:iam::${{accounts.partner}}:root"}}
        Action: sts:AssumeRole
    allows:
      - Action: ssm:GetParameter
        Resource: arn:${{partition}}:ssm:${{region}}:${{accounts.owner}}:parameter/db
{more}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "grant").mkdir()
    return tmp_path / "grant"


def found(folder: Path, given: str = "", more: str = "", **changed: str) -> list[str]:
    """The findings about a grant whose template is plain except for the changes."""
    (folder / "app.yaml").write_text(TEMPLATE.format(**{**PLAIN, **changed}), encoding="utf-8")
    (folder / "contract.yaml").write_text(CONTRACT.format(given=given, more=more), encoding="utf-8")
    return [f"{item.place}: {item.detail}" for item in excess(load(folder))]


EXTRA = 'Extra: {Type: String, Default: "", AllowedPattern: "([0-9]{12})?"}'
WIDE = 'Wide: !Not [!Equals [!Ref Extra, ""]]'
MODE = "Mode: {Type: String, Default: normal, AllowedPattern: '[a-z]+'}"
IF_WIDE = '!If [Wide, "*", "arn:aws:ssm:eu-west-1:111111111111:parameter/db"]'

NAMED = (
    '!Sub ["arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/${N}", {N: !FindInMap [Names, %s]}]'
)


def but(**changed: str) -> dict[str, str]:
    return changed


HOLES = {
    "an-option-that-adds-a-principal": but(
        parameters=EXTRA,
        conditions=WIDE,
        principal='!If [Wide, [!Ref Extra, !Ref Partner], !Ref Partner]',
    ),
    "an-option-that-adds-a-policy": but(
        parameters=EXTRA,
        conditions=WIDE,
        resources="More: {Type: AWS::IAM::RolePolicy, Condition: Wide, Properties: {RoleName: !Ref Reader, PolicyName: "
        'more, PolicyDocument: {Version: "2012-10-17", Statement: {Effect: Allow, Action: "s3:*", Resource: "*"}}}}',
    ),
    "an-option-that-adds-a-role": but(
        parameters=EXTRA,
        conditions=WIDE,
        resources='Other: {Type: AWS::IAM::Role, Condition: Wide, Properties: {AssumeRolePolicyDocument: {Version: '
        '"2012-10-17", Statement: {Effect: Allow, Principal: {AWS: !Ref Partner}, Action: "sts:AssumeRole"}}}}',
    ),
    "a-permission-on-a-function": but(
        parameters=EXTRA,
        conditions=WIDE,
        resources="Open: {Type: AWS::Lambda::Permission, Condition: Wide, Properties: {FunctionName: f, "
        "Action: 'lambda:InvokeFunction', Principal: '*'}}",
    ),
    "a-policy-as-text": but(
        parameters=EXTRA,
        resources="Open: {Type: AWS::Logs::ResourcePolicy, Properties: {PolicyName: p, PolicyDocument: !Sub "
        """'{"Statement": {"Effect": "Allow", "Principal": {"AWS": "${Extra}"}}}'}}""",
    ),
    "a-public-bucket": but(
        parameters=EXTRA,
        conditions=WIDE,
        resources="Box: {Type: AWS::S3::Bucket, Properties: {AccessControl: !If [Wide, PublicRead, Private]}}",
    ),
    "a-listed-value": but(
        parameters="Extra: {Type: String, Default: read, AllowedValues: [read, write]}",
        conditions="Wide: !Equals [!Ref Extra, write]",
        action="!If [Wide, [ssm:GetParameter, ssm:PutParameter], ssm:GetParameter]",
    ),
    "one-of-all-texts": but(
        parameters="Extra: {Type: String, Default: normal, AllowedPattern: '[a-z]+'}",
        conditions="Wide: !Equals [administrator, !Ref Extra]",
        resource=IF_WIDE,
    ),
    "any-text-but-one": but(
        parameters="Extra: {Type: String, Default: normal, AllowedPattern: '[a-z]+'}",
        conditions="Wide: !Not [!Equals [normal, !Ref Extra]]",
        resource=IF_WIDE,
    ),
    "a-number": but(
        parameters="Extra: {Type: Number, Default: 1, MinValue: 1, MaxValue: 3}",
        conditions="Wide: !Equals [!Ref Extra, 3]",
        resource=IF_WIDE,
    ),
    "a-list": but(
        parameters='Extra: {Type: CommaDelimitedList, Default: "", AllowedPattern: "([0-9]{12})?"}',
        conditions='Wide: !Not [!Equals [!Join ["", !Ref Extra], ""]]',
        principal="!If [Wide, !Ref Extra, !Ref Partner]",
    ),
    "a-key-of-a-map": but(
        parameters="Extra: {Type: String, Default: one, AllowedPattern: '[a-z]+'}",
        sections="Mappings: {Names: {one: {Name: db}, all: {Name: '*'}}}",
        resource='!Sub ["arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/${N}", '
        "{N: !FindInMap [Names, !Ref Extra, Name]}]",
    ),
    "text-that-is-passed-on": but(
        parameters="Extra: {Type: String, Default: db, AllowedPattern: '[a-z]+'}",
        resource='!Sub "arn:aws:ssm:eu-west-1:111111111111:parameter/${Extra}"',
    ),
    "one-of-two-texts": but(
        parameters="Extra: {Type: String, Default: db, AllowedPattern: 'db|admin'}",
        resource='!Sub "arn:aws:ssm:eu-west-1:111111111111:parameter/${Extra}"',
    ),
    "a-text-that-is-not-found": but(
        parameters="Extra: {Type: String, Default: db, AllowedPattern: 'db|[à-ü]+'}",
        resource='!Sub "arn:aws:ssm:eu-west-1:111111111111:parameter/${Extra}"',
    ),
    "a-longer-session": but(
        parameters="Extra: {Type: Number, Default: 3600, MinValue: 3600, MaxValue: 43200}",
        properties="MaxSessionDuration: !Ref Extra",
    ),
    "a-denial-that-goes": but(
        parameters=EXTRA,
        conditions=WIDE,
        action="['ssm:GetParameter', 'ssm:PutParameter']",
        statement='- !If [Wide, !Ref AWS::NoValue, {Effect: Deny, Action: ssm:PutParameter, Resource: "*"}]',
    ),
    "what-is-taken-apart": but(
        parameters="Extra: {Type: String, Default: a-b, AllowedPattern: '[a-z-]+'}",
        conditions="Wide: !Equals [!Select [0, !Split ['-', !Ref Extra]], admin]",
        resource=IF_WIDE,
    ),
    "an-entry-that-is-selected": but(
        parameters="Extra: {Type: Number, Default: 0, MinValue: 0, MaxValue: 1}",
        resource='!Select [!Ref Extra, ["arn:aws:ssm:eu-west-1:111111111111:parameter/db", "*"]]',
    ),
    "a-transformed-template": but(
        parameters=EXTRA,
        sections="Transform: AWS::LanguageExtensions",
    ),
}  # fmt: skip


def test_the_empty_text_is_tried_where_a_parameter_accepts_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a wildcard, any other value only narrows what the contract promises."""
    monkeypatch.setitem(globals(), "CONTRACT", CONTRACT.replace(":parameter/db\n", ":parameter/db-*\n"))
    start = "arn:aws:ssm:eu-west-1:111111111111:parameter/db-"
    declared = f"Extra: {{Type: String, Default: '{start}', AllowedPattern: '({start}[a-z]*)"
    resource = '!Sub "${Extra}*"'
    (detail,) = found(folder, parameters=f"{declared}?'}}", resource=resource)
    assert "with Extra=''" in detail
    assert found(folder, parameters=f"{declared}'}}", resource=resource) == []


@pytest.mark.parametrize("name", HOLES)
def test_an_open_parameter_that_widens_access_is_found(name: str, folder: Path) -> None:
    (said,) = found(folder, **HOLES[name])
    assert f"{folder / 'app.yaml'}:4:3: the contract leaves parameter Extra open" in said
    assert "Give stack 'app' the value with which it is deployed" in said


@pytest.mark.parametrize("name", sorted(set(HOLES) - {"a-number", "a-longer-session", "an-entry-that-is-selected"}))
def test_a_parameter_that_the_contract_sets_is_not_open(name: str, folder: Path) -> None:
    default = {"a-listed-value": "read", "a-key-of-a-map": "one", "text-that-is-passed-on": "db"}.get(name, "")
    default = {"one-of-all-texts": "normal", "any-text-but-one": "normal", "what-is-taken-apart": "a-b"}.get(
        name, default
    )
    assert found(folder, given=f', Extra: "{default}"', **HOLES[name]) == []


@pytest.mark.parametrize("transform", ["Transform: AWS::Serverless-2016-10-31", ""])
def test_a_reference_to_a_generated_resource_is_not_taken_for_a_refusal(transform: str, folder: Path) -> None:
    """Otherwise every value would count as refused, and nothing would be examined."""
    (said,) = found(
        folder,
        parameters="Who: {Type: String, Default: '222222222222', AllowedValues: ['222222222222', '*']}",
        sections=transform,
        resources="Open: {Type: AWS::Lambda::Permission, Properties: {FunctionName: !Ref F.Alias, "
        "Principal: !Ref Who}}",
    )
    assert "what parameters and places change cannot be said" in said
    assert ("may be made by its Transform" if transform else "Unresolved resource dependencies [F.Alias]") in said


@pytest.mark.parametrize(
    ("declared", "written", "promised", "says"),
    [
        (
            "Number, Default: 90000",
            "NumericLessThan: {aws:MultiFactorAuthAge: !Ref Extra}",
            "90000",
            "Extra='1000000000'",
        ),
        ("Number, Default: 5", "NumericGreaterThan: {aws:MultiFactorAuthAge: !Ref Extra}", "5", "Extra='0'"),
        (
            "Number, Default: 8, MinValue: 1, MaxValue: 24",
            'IpAddress: {aws:SourceIp: !Select [0, !Cidr ["10.0.0.0/8", 1, !Ref Extra]]}',
            "10.0.0.0/24",
            "Extra='24'",
        ),
        (
            'String, Default: "2099-01-01", AllowedPattern: "20[0-9]{2}-01-01"',
            "DateLessThan: {aws:CurrentTime: !Ref Extra}",
            "2099-01-01",
            "app.yaml compares it in DateLessThan",
        ),
        (
            'String, Default: 10.0.0.0/8, AllowedPattern: "10[.]0[.]0[.]0/[0-9]+"',
            "IpAddressIfExists: {aws:SourceIp: [!Ref Extra]}",
            "10.0.0.0/8",
            "app.yaml compares it in IpAddressIfExists",
        ),
    ],
)
def test_a_greater_or_smaller_value_that_widens_a_condition_is_found(
    declared: str, written: str, promised: str, says: str, folder: Path
) -> None:
    operator, key = written.split(": ")[0], written.split("{")[1].rsplit(": ", 1)[0].split(": ")[0]
    condition = "\n                Condition: {%s}"
    more = f'        Condition: {{{operator}: {{"{key}": "{promised}"}}}}'
    changed = PLAIN["resource"] + condition % written
    (said,) = found(folder, more=more, parameters=f"Extra: {{Type: {declared}}}", resource=changed)
    assert says in said
    held = declared.split("Default: ")[1].split(",")[0].strip('"')
    assert found(folder, f", Extra: '{held}'", more, parameters=f"Extra: {{Type: {declared}}}", resource=changed) == []


def test_a_number_without_bounds_may_be_the_longest_session(folder: Path) -> None:
    (said,) = found(
        folder, parameters="Extra: {Type: Number, Default: 3600}", properties="MaxSessionDuration: !Ref Extra"
    )
    assert "Extra='43200'" in said


def test_two_parameters_that_widen_access_together_are_found(folder: Path) -> None:
    (said,) = found(
        folder,
        parameters=f"{EXTRA}\n  {MODE}",
        conditions='Wide: !And [!Not [!Equals [!Ref Extra, ""]], !Equals [!Ref Mode, open]]',
        resource=IF_WIDE,
    )
    assert "Mode='open' of app" in said
    assert "Extra='" in said


def test_a_parameter_that_widens_access_only_beside_a_variant_is_found(folder: Path) -> None:
    variants = "variants:\n  loud: {parameters: {app: {Mode: loud}}}\n"
    (said,) = found(
        folder,
        more=variants,
        parameters=f"{EXTRA}\n  {MODE}",
        conditions='Wide: !And [!Not [!Equals [!Ref Extra, ""]], !Equals [!Ref Mode, loud]]',
        resource=IF_WIDE,
    )
    assert "with loud + Extra='" in said


def test_access_under_a_value_that_the_template_compares_with_is_found(folder: Path) -> None:
    variants = "variants:\n  loud: {parameters: {app: {Mode: loud}}}\n"
    (said,) = found(
        folder, more=variants, parameters=MODE, conditions="Wide: !Equals [!Ref Mode, open]", resource=IF_WIDE
    )
    assert "Mode='open'" in said


def test_a_value_that_neither_template_nor_contract_names_is_tried(folder: Path) -> None:
    """The first value that fits the pattern is the default, which shows nothing."""
    (said,) = found(
        folder,
        more="variants:\n  quiet: {parameters: {app: {Mode: quiet}}}\n",
        parameters="Mode: {Type: String, Default: normal, AllowedPattern: 'normal|quiet|open'}",
        conditions="Wide: !Not [!Or [!Equals [!Ref Mode, normal], !Equals [!Ref Mode, quiet]]]",
        resource=IF_WIDE,
    )
    assert "Mode='open'" in said


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("Wide: !Not [!Equals [!Ref AWS::Region, eu-west-1]]", "in af-south-1, 'reader may do exactly"),
        ("Wide: !Equals [!Ref AWS::Partition, aws-cn]", "in cn-north-1, 'reader may do exactly"),
        ('Wide: !Equals [!Ref AWS::AccountId, "333333333333"]', "condition Wide turns on AWS::AccountId"),
        ("Wide: !Equals [!Ref AWS::StackName, open]", "condition Wide turns on AWS::StackName"),
    ],
    ids=("region", "partition", "account", "stack"),
)
def test_a_region_in_which_access_is_wider_is_found(condition: str, says: str, folder: Path) -> None:
    (said,) = found(folder, conditions=condition, resource=IF_WIDE)
    assert says in said


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("Wide: !Not [!Equals [!Select [0, !GetAZs ''], eu-west-1a]]", "condition Wide turns on Fn::GetAZs"),
        ("Wide: !Equals [!Ref AWS::Region, eu-west-9]", "condition Wide asks for a place that is not known here"),
        ("Wide: !Not [!Equals ['', !Join ['', !Ref AWS::NotificationARNs]]]", "Wide turns on AWS::NotificationARNs"),
    ],
    ids=("zones", "a region to come", "notifications"),
)
def test_a_value_known_only_after_deployment_decides_nothing(condition: str, says: str, folder: Path) -> None:
    (said,) = found(folder, conditions=condition, resource=IF_WIDE)
    assert says in said


def test_a_value_stored_in_the_account_decides_nothing(folder: Path) -> None:
    """The contract sets only the name under which the value is stored."""
    stored = "Extra: {Type: 'AWS::SSM::Parameter::Value<String>'}"
    (said,) = found(folder, ", Extra: name", parameters=stored, conditions="Wide: !Equals [!Ref Extra, x]")
    assert "condition Wide turns on what is stored under the name in Extra" in said


@pytest.mark.parametrize(
    ("entries", "keys", "turns"),
    [
        ("'111111111111': {Name: db}, '222222222222': {Name: '*'}", "!Ref AWS::AccountId, Name", "AWS::AccountId"),
        ("prod: {Name: '*'}, grant-app: {Name: db}", "!Ref AWS::StackName, Name", "AWS::StackName"),
        ("eu-west-1: {Name: db}", "!Ref AWS::Region, Name, {DefaultValue: '*'}", "AWS::Region"),
        ("Name: {db: db, other: 'd*'}", "Name, !GetAtt Held.Type", "Type of Held"),
    ],
)
def test_a_wildcard_in_a_mapping_for_another_deployment_is_found(
    entries: str, keys: str, turns: str, folder: Path
) -> None:
    held = "Held: {Type: AWS::SNS::Topic}" if "Held" in keys else ""
    sections = f"Mappings: {{Names: {{{entries}}}}}"
    said = found(folder, sections=sections, resource=NAMED % keys, resources=held)
    assert any(f"the row of map Names turns on {turns}, so" in one for one in said), said
    if "Default" not in keys and not held:
        narrow = sections.replace("'*'", "other")
        assert found(folder, sections=narrow, resource=NAMED % keys) == [], "names are each account's own"


@pytest.mark.parametrize(
    ("sections", "conditions", "says"),
    [
        ("Mappings: {M: {eu-west-1: {r: []}, us-east-1: {r: [a]}}}",
         "'Fn::ForEach::C': [I, !FindInMap [M, !Ref AWS::Region, r], {'W${I}': !Equals [a, b]}]",
         "Fn::ForEach::C turns on AWS::Region"),
        ("", "'Fn::ForEach::C': [I, [us-east-1], {'W&{I}': !Equals [!Ref AWS::Region, !Sub '${I}']}]",
         "Fn::ForEach::C turns on AWS::Region"),
    ],
)  # fmt: skip
def test_a_loop_that_depends_on_the_region_is_found(sections: str, conditions: str, says: str, folder: Path) -> None:
    """It is unrolled in the contract's region only."""
    more = f"Transform: AWS::LanguageExtensions\n{sections}"
    assert any(says in one for one in found(folder, sections=more, conditions=conditions))


@pytest.mark.parametrize(("region", "found_"), [("{Ref: 'AWS::Region'}", True), ("a", False)])
def test_a_snippet_that_compares_the_region_is_found(region: str, found_: bool, folder: Path) -> None:
    (folder / "snippet.txt").write_text(f"Wide: {{'Fn::Equals': [{region}, us-east-1]}}", encoding="utf-8")
    said = found(folder, more="uploads: {s: {account: owner, bucket: grants, files: [snippet.txt]}}")
    assert [f"{folder / 'snippet.txt'}:1:1: the snippet snippet.txt turns on AWS::Region" in one for one in said] == (
        [True] * found_
    )


def test_a_nested_template_is_examined_whatever_its_name(folder: Path) -> None:
    """Only files with names of templates were examined before."""
    said = nested(folder, "normal", "Wide: !Not [!Equals [!Ref AWS::Region, eu-west-1]]")
    assert any("in af-south-1" in one for one in said)
    for file in ("app.yaml", "more/app.yaml"):
        (folder / file).rename((folder / file).with_suffix(".txt"))
    for file in ("outer.yaml", "contract.yaml"):
        text = (folder / file).read_text(encoding="utf-8")
        (folder / file).write_text(text.replace("app.yaml", "app.txt"), encoding="utf-8")
    assert [item.detail.replace("app.txt", "app.yaml") for item in excess(load(folder))] == said


OUTER = """
Resources:
  Topic: {Type: AWS::SNS::Topic}
  Named: {Type: AWS::SSM::Parameter, Properties: {Name: named, Type: String, Value: x}}
  Inner:
    Type: AWS::CloudFormation::Stack
    Properties:
      TemplateURL: https://grants.s3.amazonaws.com/%s
      Parameters: {Partner: "222222222222", Mode: %s}
Outputs:
  RoleArn: {Value: !GetAtt Inner.Outputs.RoleArn}
"""


def nested(folder: Path, mode: str, condition: str, url: str = "app.yaml", files: str = "app.yaml") -> list[str]:
    """The findings about a grant with a nested template, to which a value for Mode is passed."""
    outer = OUTER % (url, mode)
    (folder / "outer.yaml").write_text(outer, encoding="utf-8")
    changed = {**PLAIN, "parameters": MODE, "conditions": condition, "resource": IF_WIDE}
    (folder / "app.yaml").write_text(TEMPLATE.format(**changed), encoding="utf-8")
    (folder / "more").mkdir()
    (folder / "more" / "app.yaml").write_text(TEMPLATE.format(**changed), encoding="utf-8")
    more = f"uploads: {{nested: {{account: owner, bucket: grants, files: [{files}]}}}}"
    contract = CONTRACT.format(given="", more=more).replace("app.yaml\n", "outer.yaml\n", 1)
    contract = contract.replace('    parameters: {Partner: "${accounts.partner}"}\n', "")
    (folder / "contract.yaml").write_text(contract, encoding="utf-8")
    return [item.detail for item in excess(load(folder))]


@pytest.mark.parametrize(
    ("mode", "condition", "turns"),
    [
        ("!Ref AWS::StackName", "Wide: !Equals [!Ref Mode, prod]", "AWS::StackName"),
        ("!Select [2, !Split ['/', !Ref AWS::StackId]]", "Wide: !Not [!Equals [!Ref Mode, x]]", "AWS::StackId"),
        ("!Ref Topic", "Wide: !Not [!Equals [!Ref Mode, made-up]]", "the name of Topic"),
        ("!Ref Topic", "Wide: !Equals [!Ref Mode, '']", ""),
        ("!Ref Named", "Wide: !Equals [!Ref Mode, other]", ""),
    ],
)
def test_values_known_only_after_deployment_are_followed_into_nested_stacks(
    mode: str, condition: str, turns: str, folder: Path
) -> None:
    """A template that compares with a generated name of the mocked world would behave differently in a real account."""
    said = nested(folder, mode, condition)
    assert [f"turns on {turns}" in one for one in said] == [True] * bool(turns), said


@pytest.mark.parametrize(
    ("url", "files", "says"),
    [
        ("more/app.yaml", "app.yaml, more/app.yaml", ""),
        ("${Which}/app.yaml", "app.yaml, more/app.yaml", ""),
        ("../app.yaml", "app.yaml", "the template of Inner is not among the contract's uploads"),
        ("app.yaml?versionId=1&x=/app.yaml", "app.yaml", "the template of Inner is not among the contract's uploads"),
        ("app.yaml?also=/more/app.yaml", "app.yaml, more/app.yaml", "the template of Inner is not among"),
    ],
)
def test_the_template_that_is_examined_is_the_deployed_one(url: str, files: str, says: str, folder: Path) -> None:
    said = nested(folder, "normal", "Wide: !Equals [!Ref Mode, open]", url, files)
    assert all(says in one for one in said), said


MAPS = {
    "by region": ("eu-west-1: {Name: db}, us-east-1: {Name: '*'}", "!Ref AWS::Region, Name"),
    "by region, second": ("Name: {eu-west-1: db, us-east-1: 'd*'}", "Name, !Ref AWS::Region"),
    "by a part of the region": (
        "eu: {Name: db}, us: {Name: '*'}",
        '!Select [0, !Split ["-", !Ref AWS::Region]], Name',
    ),
    "by another part of it": (
        "west: {Name: db}, east: {Name: '*'}, southwest: {Name: '*'}",
        '!Select [1, !Split ["-", !Ref AWS::Region]], Name',
    ),
    "by partition": (
        "aws: {Name: db}, aws-us-gov: {Name: 'd?'}, aws-cn: {Name: db}",
        "!Ref AWS::Partition, Name",
    ),
}


@pytest.mark.parametrize(("entries", "keys"), MAPS.values(), ids=MAPS)
def test_a_wildcard_in_a_mapping_for_another_region_is_found(entries: str, keys: str, folder: Path) -> None:
    """Only conditions on mappings were examined before, so the grant was verified as it is in the contract's region."""
    said = found(folder, sections=f"Mappings: {{Names: {{{entries}}}}}", resource=NAMED % keys)
    assert any("reader may do exactly" in one for one in said), said
    narrow = entries.replace("'*'", "db").replace("'d*'", "db").replace("'d?'", "db")
    assert found(folder, sections=f"Mappings: {{Names: {{{narrow}}}}}", resource=NAMED % keys) == []


@pytest.mark.parametrize(
    "changed",
    [
        but(parameters=EXTRA, resources="Box: {Type: AWS::S3::Bucket, Properties: {BucketName: !Ref Extra}}"),
        but(
            parameters=EXTRA,
            conditions=WIDE,
            condition='Condition: !If [Wide, {Bool: {"aws:MultiFactorAuthPresent": "true"}}, !Ref AWS::NoValue]',
        ),
        but(parameters=EXTRA, properties="RoleName: !Sub reader-${Extra}"),
        but(parameters=EXTRA, conditions=WIDE, properties="MaxSessionDuration: !If [Wide, 3600, 3600]"),
    ],
    ids=("no-access", "less-access", "a-name", "the-same"),
)  # fmt: skip
def test_an_open_parameter_that_gives_no_more_access_is_no_finding(changed: dict[str, str], folder: Path) -> None:
    assert found(folder, **changed) == []


PASSING = """
Parameters:
  Extra: {Type: String, Default: db, AllowedPattern: "[a-z]+"}
Resources:
  Inner:
    Type: AWS::CloudFormation::Stack
    Properties:
      TemplateURL: https://grants.s3.amazonaws.com/app.yaml
      Parameters: {Partner: "222222222222", Mode: !Ref Extra}
Outputs:
  RoleArn: {Value: !GetAtt Inner.Outputs.RoleArn}
"""


def found_nested(folder: Path, **changed: str) -> list[Excess]:
    """The findings about `PASSING`, whose parameter Extra is Mode of a plain template with these changes."""
    (folder / "outer.yaml").write_text(PASSING, encoding="utf-8")
    (folder / "app.yaml").write_text(TEMPLATE.format(**{**PLAIN, **changed}), encoding="utf-8")
    contract = CONTRACT.format(given="", more="uploads: {nested: {account: owner, bucket: grants, files: [app.yaml]}}")
    contract = contract.replace("app.yaml\n", "outer.yaml\n", 1).replace(
        '    parameters: {Partner: "${accounts.partner}"}\n', ""
    )
    (folder / "contract.yaml").write_text(contract, encoding="utf-8")
    return list(excess(load(folder)))


@pytest.mark.parametrize(
    ("accepts", "value"), [("AllowedValues: [db, loud]", "loud"), ("AllowedPattern: 'db|m[xyz]{7}'", "m")]
)
def test_a_value_that_a_nested_template_accepts_is_tried(accepts: str, value: str, folder: Path) -> None:
    """Most values that the outer template accepts are refused by the nested one."""
    mode, resource = f"Mode: {{Type: String, Default: db, {accepts}}}", PLAIN["resource"].replace("/db", "/${Mode}")
    (said,) = found_nested(folder, parameters=mode, resource=resource)
    assert f"with Extra='{value}" in said.detail
    assert "'reader may do exactly as the contract says' fails: wider" in said.detail


def test_parameter_values_are_followed_through_nested_and_other_stacks(folder: Path) -> None:
    (said,) = found_nested(folder, parameters=MODE, conditions="Wide: !Equals [!Ref Mode, open]", resource=IF_WIDE)
    assert said.place == f"{folder / 'outer.yaml'}:3:3"
    assert "Extra='open' of app: 'reader may do exactly as the contract says' fails: wider" in said.detail


def test_a_draft_sets_the_parameters_on_which_access_can_depend_and_marks_them(folder: Path) -> None:
    changed = {**PLAIN, "parameters": EXTRA, "conditions": WIDE, "resource": IF_WIDE}
    (folder / "app.yaml").write_text(TEMPLATE.format(**changed), encoding="utf-8")
    drafted = skeleton([folder / "app.yaml"], "eu-west-1", {})
    (stack,) = drafted.contract.stacks
    assert stack.parameters["Extra"] == ""
    assert "Extra" in drafted.invented[stack.alias]


BUCKET = '!Sub "arn:${AWS::Partition}:s3:::${Bucket}/*"'


@pytest.mark.parametrize(("elsewhere", "count"), [(BUCKET, 0), ('"*"', 1)])
def test_a_contract_can_name_resources_whose_conditions_depend_on_the_region(
    elsewhere: str, count: int, folder: Path
) -> None:
    """As in every template that CDK synthesises: its metadata resource exists in some regions only."""
    found(
        folder,
        conditions="Here: !Equals [!Ref 'AWS::Region', eu-west-1]",
        resource=f"!If [Here, {BUCKET}, {elsewhere}]",
        action="s3:GetObject",
        resources="Bucket: {Type: AWS::S3::Bucket}",
    )
    contract = folder / "contract.yaml"
    text = contract.read_text(encoding="utf-8").replace("ssm:GetParameter", "s3:GetObject")
    was, named = "arn:${partition}:ssm:${region}:${accounts.owner}:parameter/db", "${stacks.app.resources.Bucket}/*"
    assert was in text
    contract.write_text(text.replace(was, f'"arn:${{partition}}:s3:::{named}"'), encoding="utf-8")
    assert [item.detail.partition(",")[0] for item in excess(load(contract))] == ["in af-south-1"] * count


@pytest.mark.parametrize(("action", "agrees"), [('"*"', True), ("iam:Get*", False)])
def test_an_aws_managed_boundary_exists_without_a_stack(tmp_path: Path, action: str, agrees: bool) -> None:
    boundary = "arn:${AWS::Partition}:iam::aws:policy/AdministratorAccess"
    text = TEMPLATE.format(**{**PLAIN, "properties": f'PermissionsBoundary: !Sub "{boundary}"'})
    (tmp_path / "app.yaml").write_text(text, encoding="utf-8")
    said = CONTRACT.format(given="", more="").replace("    trust:", "    boundary: admin\n    trust:", 1)
    admin = f"""
  admin:
    policy: arn:${{partition}}:iam::aws:policy/AdministratorAccess
    allows: [{{Action: {action}, Resource: "*"}}]
"""
    (tmp_path / "contract.yaml").write_text(f"{said.rstrip()}{admin}variants: []\n", encoding="utf-8")
    space, noted = Space(load(tmp_path / "contract.yaml")), CombinedFindings()
    found = synthesised_under(space, (), "eu-west-1", noted)
    assert found is not None
    for part in space.parts:
        compare_part(found, part, noted)
    assert (not noted.found) is agrees


def test_conditions_that_are_no_object_are_left_to_the_deployment_to_tell(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text("Conditions: [x]\nResources: {}\n", encoding="utf-8")
    assert list(undistinguished_conditions(read(tmp_path / "t.yaml"))) == []
