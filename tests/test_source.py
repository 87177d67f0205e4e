"""YAML and JSON documents with the source position of every value."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from grantproof.iam import Undecided
from grantproof.source import Document, Place, SourceError, cached_files, document_of_dumped, overlay, parse, read

HERE = Path("template.yaml")


def document(text: str) -> Document:
    return parse(text, HERE)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("!Ref Name", {"Ref": "Name"}),
        ("!Sub 'a-${B}'", {"Fn::Sub": "a-${B}"}),
        ("!Sub ['a-${B}', {B: !Ref C}]", {"Fn::Sub": ["a-${B}", {"B": {"Ref": "C"}}]}),
        ("!GetAtt Role.Arn", {"Fn::GetAtt": ["Role", "Arn"]}),
        ("!GetAtt Stack.Outputs.Name", {"Fn::GetAtt": ["Stack", "Outputs.Name"]}),
        ("!GetAtt [Role, Arn]", {"Fn::GetAtt": ["Role", "Arn"]}),
        ("{'Fn::GetAtt': Role.Arn}", {"Fn::GetAtt": ["Role", "Arn"]}),
        ("!If [A, !Ref B, !Ref AWS::NoValue]", {"Fn::If": ["A", {"Ref": "B"}, {"Ref": "AWS::NoValue"}]}),
        ("!Condition Always", {"Condition": "Always"}),
        ("!Transform {Name: AWS::Include}", {"Fn::Transform": {"Name": "AWS::Include"}}),
    ],
)
def test_short_forms_are_written_out(text: str, value: object) -> None:
    assert document(text).value == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2012-10-17", "2012-10-17"),
        ("'012345678901'", "012345678901"),
        ("true", True),
        ("3600", 3600),
        ("1.5", 1.5),
        ("~", None),
    ],
)
def test_scalars_are_what_yaml_says_but_dates_stay_text(text: str, value: object) -> None:
    assert document(f"a: {text}").value == {"a": value}


def test_source_positions_are_those_of_keys_and_items() -> None:
    found = document("a:\n  - b: 1\n    c:\n      - x\n      - y\n")
    assert found.place("a", 0, "c") == Place(HERE, 3, 5)
    assert found.place("a", 0, "c", 1) == Place(HERE, 5, 9)
    assert found.place("a", 0, "nothing", "below") == found.place("a", 0)
    assert found.place() == Place(HERE, 1, 1)


def test_values_in_json_have_source_positions() -> None:
    found = document('{\n  "a": [\n    {"b": 1}\n  ]\n}')
    assert found.place("a", 0, "b") == Place(HERE, 3, 6)


def test_merge_keys_and_anchors_are_followed_and_own_keys_win() -> None:
    found = document("base: &b {x: 1, y: 2}\nmore: {<<: *b, y: 3}")
    assert found.value["more"] == {"x": 1, "y": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", r"template\.yaml:2:\d+: the key 'a' stands twice"),
        ("a: [", r"template\.yaml:2:\d+: is not valid YAML"),
        ("", r"template\.yaml: is empty"),
        ("\ta: 1", r"template\.yaml:1:\d+: a tab stands"),
        ("a: !!python/object/apply:os.system [touch owned]", r"template\.yaml:1:\d+: the tag .* has no place here"),
        ("a: !!binary aGk=", r"template\.yaml:1:\d+: the tag .* has no place here"),
        ("[" * 100_000, r"template\.yaml:1:\d+: is nested too deeply"),
    ],
    ids=lambda value: value[:20],
)
def test_unreadable_text_is_one_error_with_its_source_position(text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        document(text)


@pytest.mark.parametrize("character", ["\u0085", "\u2028", "\u202e", "\u2066"], ids=ascii)
def test_characters_that_yaml_versions_read_differently_are_refused(character: str) -> None:
    """U+2028 ends a line in YAML 1.1 but not in 1.2, so a Deny can be part of a comment for one of them only."""
    with pytest.raises(
        SourceError, match=f"t.yaml:2:4: the character U\\+{ord(character):04X} is not shown as it is read"
    ):
        parse(f"a: 1\n# x{character}b: 2\n", Path("t.yaml"))
    assert parse(f'"{ascii(character)[1:-1]}": 1', Path("t.json")).value == {character: 1}


def test_the_error_for_an_unreadable_file_says_why(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read: No such file"):
        read(tmp_path / "missing.yaml")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SourceError, match="is not UTF-8"):
        read(tmp_path / "binary")


def test_line_ends_and_byte_order_marks_of_other_systems_do_not_matter(tmp_path: Path) -> None:
    file = tmp_path / "windows.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\r\nb:\r\n  - c\r\n")
    assert read(file).value == {"a": 1, "b": ["c"]}
    assert read(file).place("b", 0).line == 3


def test_a_template_survives_the_way_through_json() -> None:
    shipped = Path(__file__).parent.parent / "templates" / "cross-account-ssm" / "iam.yaml"
    value = read(shipped).value
    assert parse(json.dumps(value), HERE).value == value


def test_the_errors_survive_a_context_manager() -> None:
    """contextlib sets attributes of exceptions that pass through it."""

    @contextmanager
    def block() -> Iterator[None]:
        yield

    for error in (SourceError(HERE, "wrong"), Undecided("unclear")):
        with pytest.raises(type(error)), block():
            raise error


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"a": 1},
        {"a": {}, "b": [], "c": [{}, [], 1, None, True, 1.5, "2012-10-17"]},
        {"a": {"b": {"c": [[{"d": "e"}], {"f": [1, 2]}]}}, "g": "line\nline é"},
        {"Fn::GetAtt": ["a", "b"]},
    ],
    ids=str,
)
def test_positions_in_written_json_are_those_that_a_parser_counts(value: object) -> None:
    path = Path("t.json")
    counted, seen = document_of_dumped(value, path), parse(json.dumps(value, indent=1), path)
    assert (counted.value, counted._places) == (seen.value, seen._places)


def test_content_given_in_place_of_a_file_reads_the_same_as_text_and_as_data(tmp_path: Path) -> None:
    file, value = tmp_path / "t.yaml", {"Resources": {"A": {"Type": "x", "List": [1, {"b": "c"}]}}}
    file.write_text("Resources: {}", encoding="utf-8")
    found = []
    for written in (True, False):
        with overlay({file: json.dumps(value, indent=1)}, dumped=written):
            document = read(file)
            found.append(
                (document.value, document.place("Resources", "A", "List", 1, "b"), document.lines("Resources"))
            )
    assert found[0] == found[1]
    assert read(file).value == {"Resources": {}}


def test_a_file_is_read_once_until_it_changes_and_never_hides_given_content(tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    file.write_text("A: file", encoding="utf-8")
    with cached_files():
        first = read(file)
        for written in (True, False):
            with overlay({file: json.dumps({"A": "broken"}, indent=1)}, dumped=written):
                assert read(file).value == {"A": "broken"}
                with overlay({}):
                    assert read(file) is first, "what is unbroken is looked at again"
                assert read(file).value == {"A": "broken"}
            assert read(file) is first
        file.write_text("A: later", encoding="utf-8")
        assert read(file) is first
    assert read(file).value == {"A": "later"}


def test_text_beyond_the_basic_plane_is_read_as_it_was_written(tmp_path: Path) -> None:
    """JSON writes such a character as two surrogate escapes, which YAML does not allow."""
    file = tmp_path / "t.yaml"
    file.write_text("Description: who may read \U0001f4c4", encoding="utf-8")
    written = json.dumps(read(file).value, indent=1)
    with overlay({file: written}, dumped=True):
        assert read(file).value == {"Description": "who may read \U0001f4c4"}
