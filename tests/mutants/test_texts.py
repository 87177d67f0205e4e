"""Operators apply to policies written as text as to those written as objects."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from grantproof.aws.templates.intrinsics import resolve
from grantproof.aws.templates.pseudo import pseudo_parameters
from grantproof.aws.templates.scope import Scope
from grantproof.contract import Contract
from grantproof.mutants.catalogue import operators
from grantproof.mutants.equivalence import constraints
from grantproof.mutants.mutant import mutants
from grantproof.mutants.texts import NotText, opened
from grantproof.source import Document, parse, read

STATEMENTS = [
    {
        "Sid": "Read",
        "Effect": "Allow",
        "Principal": {"AWS": ["arn:aws:iam::222222222222:root", "333333333333"]},
        "Action": ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
        "Resource": "arn:aws:secretsmanager:eu-west-1:111111111111:secret:${aws:username}/*",
        "Condition": {
            "StringEquals": {"aws:PrincipalTag/Team": "data", "aws:SourceVpc": "vpc-1"},
            "Bool": {"aws:SecureTransport": "true"},
        },
    },
    {
        "Effect": "Deny",
        "Principal": "*",
        "NotAction": "secretsmanager:GetSecretValue",
        "Resource": {"Fn::Sub": "arn:aws:secretsmanager:*:${AWS::AccountId}:secret:${Name}-*"},
        "Condition": {"StringNotEquals": {"aws:PrincipalAccount": {"Ref": "Partner"}}},
    },
]
SCOPE = Scope({"Name": "shared", "Partner": "222222222222"}, pseudo_parameters("111111111111"))


def named(item: Any) -> Any:
    """A policy with the text of `Fn::Sub` in place of functions."""
    match item:
        case {"Fn::Sub": str(text)}:
            return text
        case {"Ref": str(name)}:
            return f"${{{name}}}"
        case str():
            return item.replace("${", "${!")
    if isinstance(item, dict):
        return {key: named(entry) for key, entry in item.items()}
    return [named(entry) for entry in item] if isinstance(item, list) else item


def contract(template: Path) -> Contract:
    """The part of a contract that is used here: its templates."""
    return cast(Contract, SimpleNamespace(templates=(template,)))


def policies(path: Path, document: Any) -> dict[str, list[Any]]:
    """The results of every operator for the policy, as they would be deployed, by operator."""
    resource = {"Type": "AWS::SecretsManager::ResourcePolicy", "Properties": {"ResourcePolicy": document}}
    parameters = {name: {"Type": "String", "AllowedPattern": "[a-z0-9]+"} for name in ("Name", "Partner")}
    path.write_text(json.dumps({"Parameters": parameters, "Resources": {"Shared": resource}}), encoding="utf-8")
    out: dict[str, list[Any]] = {}
    for mutant in mutants(contract(path), operators()):
        found = json.loads(mutant.text)["Resources"].get("Shared", {}).get("Properties", {}).get("ResourcePolicy")
        assert mutant.touched, mutant.id
        if found != document:
            assert json.loads(mutant.text)["Resources"] | {"Shared": 0} == {"Shared": 0}, "and nothing else"
            after = parse(mutant.text, path)
            assert all(after.lines(*touched) for touched in mutant.touched), mutant.id
            said = resolve(found, SCOPE)
            out.setdefault(mutant.operator.name, []).append(json.loads(said) if isinstance(said, str) else said)
    return out


def test_operators_apply_to_policies_written_as_text(tmp_path: Path) -> None:
    document = {"Version": "2012-10-17", "Statement": STATEMENTS}
    of_object = policies(tmp_path / "object.json", document)
    assert len(of_object) > 60
    of_text = policies(tmp_path / "text.json", {"Fn::Sub": json.dumps(named(document), indent=2)})
    assert set(of_object) - set(of_text) == {"condition-no-value"}, "text has no AWS::NoValue"
    for name, found in of_text.items():
        assert [one for one in found if one not in of_object[name]] == [], name
        assert len(found) == len(of_object[name]), name


def test_plain_text_stays_plain_until_it_refers_to_a_name(tmp_path: Path) -> None:
    plain = {"Version": "2012-10-17", "Statement": [{**STATEMENTS[0], "Resource": "secret:${aws:username}"}]}
    text = json.dumps(plain)
    document = Document(tmp_path / "t.json", {"Resources": {"A": {"Properties": {"P": text}}}, "Outputs": {}}, {})
    template = opened(document)

    def changed(**changes: Any) -> Any:
        value = json.loads(json.dumps(template.value))
        (policy,) = [item for item in value["Resources"]["A"]["Properties"]["P"].values() if isinstance(item, dict)]
        policy["Statement"][0] |= changes
        return template.closed(value)["Resources"]["A"]["Properties"]["P"]

    assert changed() is text or changed() == text
    assert json.loads(changed(Action="*"))["Statement"][0] == {**plain["Statement"][0], "Action": "*"}
    found = changed(Action={"Fn::Sub": "s3:${Name}"})
    assert json.loads(resolve(found, SCOPE))["Statement"][0] == {**plain["Statement"][0], "Action": "s3:shared"}
    with pytest.raises(NotText):
        changed(Action={"Fn::If": ["A", "b", "c"]})


@pytest.mark.parametrize("text", ["{", '{"Statement": ', '["Statement"]', "Statement", '{"a": "Statement"}'])
def test_text_that_is_no_policy_is_not_changed(text: str, tmp_path: Path) -> None:
    template = {"Resources": {"A": {"Properties": {"P": text, "Q": {"Fn::Sub": text}}}}}
    document = Document(tmp_path / "t.json", template, {})
    assert opened(document).value is template


def test_a_parameter_named_in_a_policy_text_counts_as_reaching_policies(tmp_path: Path) -> None:
    """Otherwise a mutant that lets it accept a wildcard would count as equivalent."""
    path = tmp_path / "t.json"
    policies(path, {"Fn::Sub": json.dumps(named({"Version": "2012-10-17", "Statement": STATEMENTS}))})
    assert set(constraints(contract(path))) == {"t.json Name", "t.json Partner"}
    assert read(path).value["Parameters"]
