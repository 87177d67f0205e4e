"""Creates what templates require in their account: networks, security groups, hosted zones, stored parameters.

Real accounts have these (every synthesised CDK template requires `/cdk-bootstrap/.../version`); mocked ones are empty.
A draft gets an additional template that creates them, in place of what exists in the real account.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from grantproof.aws.drafts.skeleton import nested_in, required_kinds
from grantproof.aws.templates import parameters
from grantproof.source import SourceError, read

#: The file name of that template.
NAME = "already-there.yaml"
_STORED = "AWS::SSM::Parameter::Value<"
_CANDIDATES = ("21", "example", "ami-0123456789abcdef0", "vpc-0123456789abcdef0", "subnet-0123456789abcdef0")

_NETWORK = {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}}
#: Resources whose ids parameters take, by logical id. Two of those that lists take, since some templates use two.
_RESOURCES: Mapping[str, Mapping[str, Any]] = {
    "AWS::EC2::VPC::Id": {"Network": _NETWORK},
    "AWS::EC2::Subnet::Id": {
        "Network": _NETWORK,
        **{
            f"Subnet{number}": {
                "Type": "AWS::EC2::Subnet",
                "Properties": {
                    "VpcId": {"Ref": "Network"},
                    "CidrBlock": f"10.0.{number}.0/24",
                    "AvailabilityZone": {"Fn::Select": [number - 1, {"Fn::GetAZs": ""}]},
                },
            }
            for number in (1, 2)
        },
    },
    "AWS::EC2::SecurityGroup::Id": {
        "Network": _NETWORK,
        "Group": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {"GroupDescription": "is there already", "VpcId": {"Ref": "Network"}},
        },
    },
    "AWS::EC2::Volume::Id": {
        "Volume": {
            "Type": "AWS::EC2::Volume",
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Delete",
            "Properties": {"Size": 1, "AvailabilityZone": {"Fn::Select": [0, {"Fn::GetAZs": ""}]}},
        },
    },
    "AWS::Route53::HostedZone::Id": {
        "Zone": {"Type": "AWS::Route53::HostedZone", "Properties": {"Name": "example.com"}}
    },
}
#: By type of parameter, the values for a single parameter and for a list.
_GIVEN: Mapping[str, tuple[Any, ...]] = {
    "AWS::EC2::AvailabilityZone::Name": tuple({"Fn::Select": [n, {"Fn::GetAZs": ""}]} for n in (0, 1)),
    "AWS::EC2::VPC::Id": ({"Ref": "Network"},),
    "AWS::EC2::Subnet::Id": ({"Ref": "Subnet1"}, {"Ref": "Subnet2"}),
    "AWS::EC2::SecurityGroup::Id": ({"Fn::GetAtt": ["Group", "GroupId"]},),
    "AWS::EC2::Volume::Id": ({"Ref": "Volume"},),
    "AWS::Route53::HostedZone::Id": ({"Ref": "Zone"},),
}


def write_prerequisites(templates: Sequence[Path], given: Mapping[str, str]) -> Path | None:
    """Write a template that creates what the templates require and none of them creates; returns its path, or None
    where nothing is missing or the file exists. Its outputs have the names of the parameters that take them.

    Stored parameters under `/aws/` belong to AWS and are not created.
    """
    documents = {path: _data(path) for path in templates}
    outputs = dict(_outputs([documents[path] for path in templates if path not in nested_in(documents)], given))
    resources = dict(_stored(list(documents.values()), given))
    for type_, _ in outputs.values():
        resources |= _RESOURCES.get(type_, {})
    path = templates[0].parent / NAME
    if not (resources or outputs) or path.exists():
        return None
    lines = [
        "# DECIDE: stands for what the real account holds; not to be deployed there.",
        "Resources:",
        *(f"  {alias}: {json.dumps(resource)}" for alias, resource in (resources or _NOTHING).items()),
    ]
    if outputs:
        lines += ["Outputs:", *(f"  {name}: {json.dumps({'Value': value})}" for name, (_, value) in outputs.items())]
    path.write_text("\n".join((*lines, "")), encoding="utf-8")
    return path


#: A template needs at least one resource.
_NOTHING = {"Nothing": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}


def _outputs(roots: Sequence[Mapping[str, Any]], given: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, Any]]]:
    """(name, (type of one value, value)) of the parameters that take existing resources and have no given value."""
    made = {name for document in roots for name in document.get("Outputs") or {}}
    for document in roots:
        for name, declared in (document.get("Parameters") or {}).items():
            type_ = str(declared.get("Type", ""))
            member = type_.removeprefix("List<").removesuffix(">") if type_.startswith("List<") else type_
            if member in _GIVEN and "Default" not in declared and name not in (*given, *made):
                several = {"Fn::Join": [",", list(_GIVEN[member])]} if member != type_ else _GIVEN[member][0]
                yield name, (member, several)


def _stored(documents: Sequence[Mapping[str, Any]], given: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """The stored parameters that templates read, as resources by logical id."""
    for number, (name, value) in enumerate(dict(_missing(documents, given)).items(), 1):
        properties = {"Name": name, "Type": "String", "Value": value}
        yield f"Parameter{number}", {"Type": "AWS::SSM::Parameter", "Properties": properties}


def _missing(documents: Sequence[Mapping[str, Any]], given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    created = json.dumps([document.get("Resources") for document in documents], default=str)
    for document in documents:
        for name, declared in (document.get("Parameters") or {}).items():
            type_ = str(declared.get("Type", ""))
            key = given.get(name, str(declared.get("Default", "")))
            if type_.startswith(_STORED) and key and not key.startswith("/aws/") and json.dumps(key) not in created:
                asked_for = required_kinds(name, document.get("Resources"))
                yield key, _value({**declared, "Type": type_.removeprefix(_STORED)[:-1]}, asked_for)


def _value(declared: Mapping[str, Any], asked_for: Sequence[str]) -> str:
    for candidate in (*map(str, declared.get("AllowedValues") or ()), *asked_for, *_CANDIDATES):
        try:
            parameters.check({"Parameters": {"P": {**declared, "Default": candidate}}}, {"P": candidate})
        except parameters.RefusedParameters:
            continue
        return candidate
    return _CANDIDATES[0]


def _data(path: Path) -> Mapping[str, Any]:
    try:
        value = read(path).value
    except SourceError:
        return {}  # reported by `skeleton`, which reads the template next
    return value if isinstance(value, Mapping) else {}
