"""The catalogue of mutation operators, and the sites to which they apply."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from grantproof.contract import load
from grantproof.mutants import edits, sites
from grantproof.mutants.catalogue import CatalogueError, Operator, chosen, operators
from grantproof.mutants.mutant import Mutant, mutants, written
from grantproof.mutants.sites import Site
from grantproof.mutants.structure import EDITS
from grantproof.mutants.touched import Surroundings
from grantproof.source import overlay, read

ROOT = Path(__file__).parent.parent.parent
SHIPPED = ROOT / "templates" / "cross-account-ssm"
BUCKET = ROOT / "templates" / "cross-account-s3-read"
GRANTS = [SHIPPED, BUCKET, *sorted((ROOT / "fixtures" / "mutants" / "grants").iterdir())]
STAR = {"Fn::Sub": "${Name}*"}


@cache
def of(folder: Path) -> tuple[Mutant, ...]:
    """Every mutant of a grant; for the shipped one, which has over a thousand, the first of each operator."""
    return tuple(mutants(load(folder), operators(), 1 if folder == SHIPPED else None))


def test_there_are_enough_operators_and_each_simulates_something_else() -> None:
    assert len(operators()) >= 60
    assert len({o.name for o in operators()}) == len({o.simulates for o in operators()}) == len(operators())
    assert all(o.simulates.endswith(".") for o in operators())
    wanted = {"principals", "conditions", "actions", "resources", "not-forms", "effects", "policies", "names"}
    wanted |= {"came-along", "parameters", "intrinsics", "nested"}
    assert {o.group for o in operators()} == wanted


def test_every_operator_applies_somewhere() -> None:
    """An operator that applies nowhere has never been tested."""
    applied = {mutant.operator.name for grant in GRANTS for mutant in of(grant)}
    assert {o.name for o in operators()} - applied == set()


@pytest.mark.parametrize("folder", GRANTS, ids=lambda path: path.name)
def test_a_mutant_differs_from_the_original_in_what_it_says_it_touched(folder: Path) -> None:
    # The other grants are there so that every operator has something to break; of the shipped one some are enough.
    for mutant in of(folder)[:: 3 if folder == SHIPPED else 1]:
        original, value = read(mutant.template), json.loads(mutant.text)
        assert value != original.value
        with overlay({mutant.template: mutant.text}):
            document = read(mutant.template)
        assert document.value == value
        for path in mutant.touched:
            assert document.lines(*path), (mutant.id, path)


def test_operators_are_found_by_group_or_name_and_a_mistake_is_reported() -> None:
    assert {o.group for o in chosen(["effects"])} == {"effects"}
    assert [o.name for o in chosen(["sid-*"])] == ["sid-removed"]
    with pytest.raises(CatalogueError, match="no mutation operator is called 'sid'"):
        chosen(["sid-*", "sid"])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", "a*"),
        ({"Ref": "Name"}, STAR),
        ({"Fn::Sub": "${Name}"}, STAR),
        ({"Fn::GetAtt": ["Key", "Arn"]}, {"Fn::Sub": "${Key.Arn}*"}),
        ({"Fn::Sub": ["${A}", {"A": 1}]}, {"Fn::Sub": ["${A}*", {"A": 1}]}),
        ("${aws:username}", "${aws:username}*"),
        ("*", edits.NOTHING),
        ({"Fn::ImportValue": "x"}, edits.NOTHING),
        ({"Ref": "AWS::NoValue"}, edits.NOTHING),
    ],
    ids=str,
)
def test_text_is_appended_to_a_value_of_any_form(value: Any, expected: Any) -> None:
    assert edits.edit_text(value, "append", "*") == expected


def test_a_field_of_an_arn_is_replaced_in_any_form() -> None:
    plain = edits.edit_text("arn:aws:ssm:eu-west-1:1:parameter/a:b", "field", {"number": 3, "put": "*"})
    assert plain == "arn:aws:ssm:*:1:parameter/a:b"
    sub = edits.edit_text(
        {"Fn::Sub": "arn:${AWS::Partition}:ssm:${AWS::Region}:1:x"}, "field", {"number": 3, "put": "*"}
    )
    assert sub == {"Fn::Sub": "arn:${AWS::Partition}:ssm:*:1:x"}
    joined = edits.edit_text({"Ref": "Arn"}, "field", {"number": 4, "put": "*"})
    assert joined["Fn::Join"][1][4] == "*"
    assert joined["Fn::Join"][1][5] == {"Fn::Select": [5, {"Fn::Split": [":", {"Ref": "Arn"}]}]}


def test_statements_are_found_alone_in_lists_and_in_branches() -> None:
    one = {"Effect": "Allow", "Action": "a:b", "Resource": "*"}
    branched = {"Fn::If": ["Yes", one, {"Ref": "AWS::NoValue"}]}
    template = {
        "Resources": {
            "Alone": {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": {"Statement": one}}},
            "Several": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "AssumeRolePolicyDocument": {"Statement": [one]},
                    "Policies": [{"Fn::If": ["Yes", {"PolicyDocument": {"Statement": [branched, one]}}, 0]}],
                },
            },
            "Key": {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": {"Statement": [one]}}},
        }
    }
    found = {kind: list(sites.statements(template, (kind,))) for kind in ("identity", "trust", "resource")}
    assert [site.owner for site in found["identity"]] == ["Alone", "Several", "Several"]
    assert [site.owner for site in found["trust"]] == ["Several"]
    assert [site.owner for site in found["resource"]] == ["Key"]
    assert all(sites.at(template, site.path) == one for kind in found for site in found[kind])


def test_single_values_are_found_in_lists_branches_and_principals() -> None:
    template = {"Principal": {"AWS": ["a", {"Fn::If": ["C", "b", {"Ref": "D"}]}], "Service": "e"}}
    found = [sites.at(template, s.path) for s in sites.leaves(template, Site(("Principal",)))]
    assert found == ["a", "b", {"Ref": "D"}, "e"]


@pytest.mark.parametrize(
    ("edit", "argument", "before", "after"),
    [
        ("add", "x", "a", ["a", "x"]),
        ("add", "x", ["a"], ["a", "x"]),
        ("add", "a", "a", None),
        ("add", "x", "*", None),
        ("remove", "one", ["a"], None),
        ("alone", True, [{"a": 1}], {"a": 1}),
        ("alone", True, [1, 2], None),
        ("reverse", True, [1, 2], [2, 1]),
        ("reverse", True, [1], None),
        ("twice", True, "a", ["a", "a"]),
        ("twice", True, [{"Sid": "S", "a": 1}], [{"Sid": "S", "a": 1}, {"a": 1}]),
        ("branches", [1, 0], {"Fn::If": ["C", "a", "b"]}, {"Fn::If": ["C", "b", "a"]}),
        ("branches", ["*", 1], {"Fn::If": ["C", "a", "b"]}, {"Fn::If": ["C", "*", "b"]}),
        ("rename", {"A": "N"}, {"A": 1, "b": 2}, {"N": 1, "b": 2}),
        ("merge", {"a": {"c": 2}, "l": [2]}, {"a": {"b": 1}, "l": [1]}, {"a": {"b": 1, "c": 2}, "l": [1, 2]}),
        ("merge", {"a": {"Fn::Sub": "x"}}, {"a": {"Ref": "B"}}, {"a": {"Fn::Sub": "x"}}),
        ("pattern", "star", r"^[a-z]{2}[^x]\[$", r"^[*a-z]{2}[^x]\[$"),
        ("pattern", "open", "^a$", "a"),
        ("another-action", "Write", "ssm:GetParameter", ["ssm:GetParameter", "ssm:AddTagsToResource"]),
        ("another-action", "Write", "*", None),
    ],
    ids=str,
)
def test_structure_is_edited(edit: str, argument: Any, before: Any, after: Any) -> None:
    template = {"here": before}
    touched = EDITS[edit](template, ("here",), argument, Surroundings("Owner"))
    assert (touched is None) == (after is None)
    if after is not None:
        assert template == {"here": after}


@pytest.mark.parametrize(
    ("argument", "after"),
    [
        ({"operator": "{operator}IfExists"}, {"StringEqualsIfExists": {"k": "v"}}),
        ({"operator": "!"}, {"StringNotEquals": {"k": "v"}}),
        ({"only": "String*", "operator": "StringLike", "values": "*"}, {"StringLike": {"k": "*"}}),
        ({"only": "Bool"}, None),
        ({"more": "w"}, {"StringEquals": {"k": ["v", "w"]}}),
        ({"key-case": "upper"}, {"StringEquals": {"K": "v"}}),
        ({"flip": True}, None),
        ({"of": "k*", "operator": "StringLike", "append": "*"}, {"StringLike": {"k": "v*"}}),
        ({"of": "aws:*", "values": "*"}, None),
    ],
    ids=str,
)
def test_a_condition_is_edited(argument: Any, after: Any) -> None:
    template = {"Condition": {"StringEquals": {"k": "v"}}}
    touched = EDITS["condition"](template, ("Condition", "StringEquals", "k"), argument, Surroundings(""))
    assert (touched is None) == (after is None)
    assert template["Condition"] == (after or {"StringEquals": {"k": "v"}})


@pytest.mark.parametrize("alone", [True, False])
def test_a_condition_with_several_entries_is_split_into_statements(alone: bool) -> None:
    statement = {
        "Sid": "S",
        "Effect": "Allow",
        "Condition": {"Bool": {"a": "true"}, "StringLike": {"b": "*", "c": "*"}},
    }
    template: dict[str, Any] = {"Statement": statement if alone else [{"Sid": "T"}, statement, {"Sid": "U"}]}
    path = ("Statement",) if alone else ("Statement", 1)
    assert EDITS["conditions-apart"](template, path, True, Surroundings("")) is not None
    found = template["Statement"] if alone else template["Statement"][1:-1]
    assert found == [
        {"Effect": "Allow", "Condition": {"Bool": {"a": "true"}}},
        {"Effect": "Allow", "Condition": {"StringLike": {"b": "*"}}},
        {"Effect": "Allow", "Condition": {"StringLike": {"c": "*"}}},
    ]
    one = {"Statement": [{"Condition": {"Bool": {"a": "true"}}}]}
    assert EDITS["conditions-apart"](one, ("Statement", 0), True, Surroundings("")) is None


def test_a_condition_in_a_branch_is_split_into_as_many_branches() -> None:
    conditions = {"Bool": {"a": "true"}, "StringLike": {"b": "*"}}
    branch = {"Fn::If": ["Yes", {"Ref": "AWS::NoValue"}, {"Effect": "Allow", "Condition": conditions}]}
    template = {"Statement": [{"Sid": "T"}, branch]}
    touched = EDITS["conditions-apart"](template, ("Statement", 1, "Fn::If", 2), True, Surroundings(""))
    assert touched is not None
    assert [sites.at(template, path) for path in touched.paths] == [
        {"Effect": "Allow", "Condition": {"Bool": {"a": "true"}}},
        {"Effect": "Allow", "Condition": {"StringLike": {"b": "*"}}},
    ]
    assert [len(entry["Fn::If"]) for entry in template["Statement"][1:]] == [3, 3]


def test_an_added_resource_can_be_a_copy_of_another() -> None:
    template = {"Resources": {"A": {"Type": "T"}}}
    assert EDITS["resources"](template, ("Resources", "A"), {"Copy": "{{value}}"}, Surroundings("A")) is not None
    assert template["Resources"] == {"A": {"Type": "T"}, "Copy": {"Type": "T"}}


def test_an_operator_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from grantproof.mutants import catalogue

    monkeypatch.setattr(catalogue, "folder", lambda: tmp_path)
    for text, said in (
        ("[{name: a, simulates: b, on: statements}]", "needs 'do'"),
        ("[{name: a, simulates: b, on: nowhere, do: {set: 1}}]", "unknown site or edit"),
        ("[{name: a, simulates: b, on: template, do: {no-such: 1}}]", "unknown site or edit"),
        ("[{name: a, simulates: b, on: template, do: {set: 1}, more: 1}]", "has no key 'more'"),
    ):
        (tmp_path / "x.yaml").write_text(text, encoding="utf-8")
        with pytest.raises(CatalogueError, match=said):
            catalogue.operators.__wrapped__()


def test_a_mutant_is_written_as_json_dumps_writes_it() -> None:
    odd = {"A": {}, "B": [], "C": None, "D": {"E": {}, "F": [], "G": [1, {"h": "line\nline \u00e9\u2028"}]}, "K": "{"}
    assert written(odd) == json.dumps(odd, indent=1)
    for folder in GRANTS:
        for mutant in of(folder)[::5]:
            assert mutant.text == json.dumps(json.loads(mutant.text), indent=1), mutant.id


def test_mutants_with_the_same_text_are_made_once() -> None:
    contract = load(GRANTS[0])
    twice = [operators()[0], Operator(**{**vars_of(operators()[0]), "name": "again"})]
    assert len(list(mutants(contract, twice))) == len(list(mutants(contract, twice[:1])))


def vars_of(operator: Operator) -> dict[str, Any]:
    return {name: getattr(operator, name) for name in Operator.__dataclass_fields__}


def test_operators_apply_inside_loops_and_nested_loops() -> None:
    one = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    inline = {"Type": "AWS::IAM::Policy", "Properties": {"PolicyDocument": {"Statement": [one]}}}
    inner = {"Fn::ForEach::Inner": ["B", ["b"], {"Policy${A}${B}": inline}]}
    template = {"Resources": {"Fn::ForEach::Outer": ["A", ["a"], {"Policy${A}": inline, **inner}], "Plain": inline}}
    found = list(sites.statements(template, ("identity",)))
    assert [site.owner for site in found] == ["Policy${A}", "Policy${A}${B}", "Plain"]
    assert all(sites.at(template, site.path) == one for site in found)
