"""Transforms: loops are unrolled, snippets included, others refused. Objects keep their positions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from grantproof.aws.templates.scope import Scope
from grantproof.aws.templates.template_data import place_of, with_places
from grantproof.aws.templates.transforms import TemplateError, UnknownTransform, process
from grantproof.source import parse

LOOP = """
Transform: AWS::LanguageExtensions
Resources:
  Fn::ForEach::Roles:
    - Name
    - !Ref Names
    - Role&{Name}:
        Type: AWS::IAM::Role
        Properties:
          RoleName: !Sub "app-${Name}"
          Tags: [{Key: name, Value: !Ref Name}]
          Fn::ForEach::Inner:
            - Letter
            - [X, Y]
            - "Property${Letter}": "${Name}${Letter}"
"""


def document(text: str, name: str = "template.yaml") -> Any:
    return with_places(parse(text, Path(name)))


def names(given: list[str]) -> Scope:
    return Scope(parameters={"Names": given})


def nothing(location: str) -> Any:
    raise AssertionError(location)


def test_loops_within_loops_are_unrolled() -> None:
    out = process(document(LOOP), names(["a-1", "b"]), nothing)
    assert list(out["Resources"]) == ["Rolea1", "Roleb"]
    assert out["Resources"]["Rolea1"]["Properties"] == {
        "RoleName": {"Fn::Sub": "app-a-1"},
        "Tags": [{"Key": "name", "Value": "a-1"}],
        "PropertyX": "a-1X",
        "PropertyY": "a-1Y",
    }


def test_an_entry_that_a_loop_generates_has_the_position_of_its_pattern() -> None:
    out = process(document(LOOP), names(["a", "b"]), nothing)
    assert str(place_of(out, ("Resources", "Roleb"))) == "template.yaml:7:7"
    assert str(place_of(out, ("Resources", "Roleb", "Properties", "Tags", 0))) == "template.yaml:11:18"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LOOP.replace("Transform: AWS::LanguageExtensions", ""), "needs the transform AWS::LanguageExtensions"),
        (LOOP.replace("!Ref Names", "one"), "is not a list"),
        (LOOP.replace("Role&{Name}", "Role"), "makes Role twice"),
        (LOOP.replace("!Ref Names", "!GetAtt Thing.Names"), "Thing"),
    ],
)
def test_a_loop_that_cloudformation_refuses_is_refused(text: str, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        process(document(text), names(["a", "b"]), nothing)


@pytest.mark.parametrize("name", ["MyMacro", "AWS::CodeDeployBlueGreen"])
def test_a_transform_that_runs_in_aws_is_refused_with_what_to_do(name: str) -> None:
    with pytest.raises(UnknownTransform, match="--template-stage Processed"):
        process(document(f"Transform: [AWS::LanguageExtensions, {name}]\nResources: {{}}"), Scope(), nothing)
    with pytest.raises(UnknownTransform, match="--template-stage Processed"):
        process(document(f"Resources: {{A: {{Type: B, Fn::Transform: {{Name: '{name}'}}}}}}"), Scope(), nothing)


def test_a_known_transform_is_suggested_for_a_mistyped_one() -> None:
    with pytest.raises(
        UnknownTransform, match=r"^did you mean AWS::LanguageExtensions\? If not: the transform AWS::Lang"
    ):
        process(document("Transform: AWS::LanguageExtension\nResources: {}"), Scope(), nothing)


SNIPPET = """
Resources:
  Included:
    Type: AWS::IAM::Role
Outputs: {Name: {Value: x}}
"""


def fetch(location: str) -> Any:
    assert location == "s3://snippets/a.yaml"
    return document(SNIPPET, "snippet.yaml")


def test_a_snippet_for_the_whole_template_is_merged_section_by_section() -> None:
    text = """
Transform: {Name: AWS::Include, Parameters: {Location: !Sub "s3://${Bucket}/a.yaml"}}
Resources:
  Own: {Type: AWS::SNS::Topic}
"""
    out = process(document(text), Scope(parameters={"Bucket": "snippets"}), fetch)
    assert set(out["Resources"]) == {"Own", "Included"}
    assert out["Outputs"] == {"Name": {"Value": "x"}}
    assert str(place_of(out, ("Resources", "Included"))) == "snippet.yaml:3:3"
    assert str(place_of(out, ("Resources", "Own"))) == "template.yaml:4:3"


def test_a_snippet_inside_an_object_is_merged_with_its_entries() -> None:
    text = """
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      Fn::Transform: {Name: AWS::Include, Parameters: {Location: s3://snippets/a.yaml}}
      RoleName: own
"""
    out = process(document(text), Scope(), lambda _: document("Policies: []\nRoleName: own", "policies.yaml"))
    assert out["Resources"]["Role"]["Properties"] == {"Policies": [], "RoleName": "own"}


def test_a_template_and_a_snippet_that_contradict_each_other_are_refused() -> None:
    """AWS does not document which value applies, and it can be the Action of a statement."""
    text = "Resources: {T: {Fn::Transform: {Name: AWS::Include, Parameters: {Location: s3://s/a.yaml}}, Type: X::Y::Z}}"
    with pytest.raises(TemplateError, match="Type stands in the template and in what it includes"):
        process(document(text), Scope(), lambda _: document("Type: A::B::C", "policies.yaml"))


def test_each_entry_has_its_position_and_a_missing_one_has_none() -> None:
    document = parse("Resources:\n  Role:\n    Type: AWS::IAM::Role\n", Path("t.yaml"))
    resources = with_places(document)["Resources"]
    assert dict(resources.keys_at) == {"Role": document.place("Resources", "Role")}
    assert dict(resources["Role"].keys_at) == {"Type": document.place("Resources", "Role", "Type")}
    assert "Other" not in resources.keys_at
    assert resources.keys_at.get("Other") is None
    rebuild, state = resources.keys_at.__reduce__()
    assert rebuild(*state) == dict(resources.keys_at), "a pickle takes the places, without the document"
