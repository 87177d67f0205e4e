"""Memoising functions of cfn-lint does not change its findings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from cfnlint import api
from cfnlint.config import ManualArgs

from grantproof import linting

SHAPES = Path(__file__).parent.parent / "fixtures" / "shapes"
#: What differs most: functions, transforms, policies as text, JSON.
FEATURES = ("conditions", "for-each", "json-template", "parameters-of-every-type", "sam-source", "short-forms")
TEMPLATES = [p for name in FEATURES for p in sorted((SHAPES / name).glob("*.*")) if p.stem != "contract"]
REGION = "eu-west-1"


def said(matches: list[Any]) -> list[tuple[Any, ...]]:
    return [(m.rule.id, m.message, m.linenumber, m.columnnumber, list(getattr(m, "path", ()))) for m in matches]


def by_itself(text: str) -> list[tuple[Any, ...]]:
    """What cfn-lint says when it is called as its documentation has it."""
    kinds = ["I", "W", "E"]
    config = ManualArgs(regions=[REGION], include_checks=["I"], mandatory_checks=kinds)
    return said(api.lint(text, linting.rules(), [REGION], config))


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_findings_are_those_of_cfn_lint_run_alone(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    assert said(linting.matches(text, REGION)) == by_itself(text)


def test_cfn_lint_still_calls_what_is_memoised() -> None:
    """Memoising would have no effect with a version of cfn-lint that does not call these functions."""
    linting.matches((SHAPES / "conditions" / "access.yaml").read_text(encoding="utf-8"), REGION)
    before = len(linting._validators)
    linting.matches((SHAPES / "conditions" / "access.yaml").read_text(encoding="utf-8"), REGION)
    assert len(linting._validators) == before > 0
    assert linting._fields.cache_info().hits
    assert linting._empty_template.cache_info().hits


def test_findings_of_each_kind_of_mistake_are_those_of_cfn_lint_run_alone() -> None:
    """One of each: in a policy as text, in properties, under a condition, in a function, in an output."""
    text = """
AWSTemplateFormatVersion: "2010-09-09"
Parameters: {Stage: {Type: String, AllowedValues: [a, b]}, Unused: {Type: String}}
Conditions: {A: !Equals [!Ref Stage, c]}
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument: {Version: "2012-10-17", Statement: [{Effect: Permit, Action: 1}]}
      Tags: !If [A, [{Key: a}], !Ref AWS::NoValue]
      Nonsense: 1
  Queue: {Type: AWS::SQS::Queue, Condition: Missing, Properties: {VisibilityTimeout: !GetAtt Role.Size}}
  Key:
    Type: AWS::KMS::Key
    Properties:
      KeyPolicy: !Sub '{"Statement": ["${Nobody}"]}'
Outputs: {Arn: {Value: !GetAtt Queue.Nothing}}
"""
    found = said(linting.matches(text, REGION))
    assert found == by_itself(text)
    assert len({rule for rule, *_ in found}) >= 6


def test_of_a_long_list_of_values_the_first_are_shown() -> None:
    statement = "{Effect: Allow, Principal: '*', Action: 'kms:Nothing', Resource: '*'}"
    policy = f"{{Version: '2012-10-17', Statement: [{statement}]}}"
    text = f"Resources: {{K: {{Type: AWS::KMS::Key, Properties: {{KeyPolicy: {policy}}}}}}}"
    (found,) = (m for m in linting.matches(text, REGION) if m.rule.id == "W3037")
    assert len(found.message) > 500
    assert re.fullmatch(r"'nothing' is not one of \['\w+', '\w+', '\w+', and \d+ more\]", linting.message(found))
