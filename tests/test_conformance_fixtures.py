"""The conformance cases themselves: readable, complete, and each beside its nearest opposite.

Nothing here asks an evaluator anything. The cases are written from documentation; what is checked is that they can be
believed: that they are found, say what they mean, cite a rule and a page that exist, and come in pairs that differ in
exactly one field.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.conformance import CONFORMANCE, FILES, load, resolved

ROOT = Path(__file__).parent.parent
TOPICS = sorted({file.parent.name for file in FILES})
FIELD_OF_A_STATEMENT = 3  # "Statement", its index, the element

Path_ = tuple[str | int, ...]


def schema() -> Any:
    return load(CONFORMANCE / "case.schema.json")


def catalogue() -> dict[str, dict[str, str]]:
    rules: dict[str, dict[str, str]] = load(CONFORMANCE / "rules.json")
    return rules


@cache
def documented() -> dict[str, set[str]]:
    """Every numbered rule of docs/iam-rules.md, with the pages it cites."""
    rules: dict[str, set[str]] = {}
    current: set[str] = set()
    for line in (ROOT / "docs" / "iam-rules.md").read_text(encoding="utf-8").splitlines():
        if found := re.match(r"(?:\*\*)?([A-Z][0-9]+)\.", line):
            current = rules.setdefault(found[1], set())
        elif line.startswith("#"):
            current = set()
        current |= set(re.findall(r"https://[^\s\]]+", line))
    return rules


def cases(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = load(path)["cases"]
    return found


def outcome(case: dict[str, Any]) -> str:
    """The decision, or `error` for refused input."""
    return str(case["expected"].get("decision", "error"))


def differing(one: Any, other: Any, path: Path_ = ()) -> Iterator[Path_]:
    """The paths of the leaves in which two values differ. One item more in a list is one leaf, wherever it stands."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            if key in one and key in other:
                yield from differing(one[key], other[key], (*path, key))
            else:
                yield (*path, key)
    elif isinstance(one, list) and isinstance(other, list):
        short, long = sorted((one, other), key=len)
        for index in range(len(long)):
            if long[:index] + long[index + 1 :] == short:
                yield (*path, index)
                return
        for index in range(len(long)):
            if index < len(short):
                yield from differing(one[index], other[index], (*path, index))
            else:
                yield (*path, index)
    elif type(one) is not type(other) or one != other:
        yield path


def field(path: Path_) -> Path_:
    """What a person would call the one thing that was changed.

    One field of the request, one key of its context, one assumption, one element of one statement; or one layer, one
    document or one statement that is there on one side only.
    """
    if path[:2] == ("request", "context"):
        return path[:3]
    if path[0] in ("request", "assumptions"):
        return path[:2]
    if "Statement" in path:
        at = path.index("Statement")
        is_list = len(path) > at + 1 and isinstance(path[at + 1], int)
        return path[: at + (FIELD_OF_A_STATEMENT if is_list else FIELD_OF_A_STATEMENT - 1)]
    return path


def changed_fields(one: Any, other: Any) -> set[Path_]:
    return {field(path) for path in differing(one, other)}


by_topic = pytest.mark.parametrize("topic", TOPICS)


def files(topic: str) -> list[Path]:
    return [path for path in FILES if path.parent.name == topic]


def name(path: Path, case: dict[str, Any]) -> str:
    return f"{path.parent.name}/{path.stem}/{case['id']}"


def test_there_are_over_seven_hundred_cases_in_over_eighty_files() -> None:
    assert len(FILES) > 80
    assert sum(len(cases(path)) for path in FILES) > 700
    assert {"evaluation", "principals", "trust", "cross-account", "organizations", "endpoints"} <= set(TOPICS)


def test_every_other_file_in_the_folder_is_known() -> None:
    found = {path for path in CONFORMANCE.rglob("*") if path.is_file()}
    assert found - set(FILES) == {CONFORMANCE / name for name in ("README.md", "case.schema.json", "rules.json")}


def test_the_schema_is_a_valid_json_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


def test_the_schema_describes_every_field_and_forbids_all_others() -> None:
    def walk(value: Any, path: str) -> Iterator[str]:
        if isinstance(value, list):
            for index, item in enumerate(value):
                yield from walk(item, f"{path}/{index}")
            return
        if not isinstance(value, dict):
            return
        for name, inner in value.get("properties", {}).items() if "additionalProperties" in value else ():
            target = schema()["$defs"][inner["$ref"].rsplit("/", 1)[1]] if "$ref" in inner else inner
            if not ("description" in inner or "description" in target):
                yield f"{path}/{name} has no description"
        is_shape = "properties" in value and path.rsplit("/", 1)[-1] not in ("if", "then", "else")
        if is_shape and "additionalProperties" not in value:
            yield f"{path} takes unknown keys"
        for key, inner in value.items():
            yield from walk(inner, f"{path}/{key}")

    assert list(walk(schema(), "#")) == []


@by_topic
def test_every_file_is_valid_against_the_schema(topic: str) -> None:
    validator = jsonschema.Draft202012Validator(schema())
    errors = [(path, error) for path in files(topic) for error in validator.iter_errors(load(path))]
    assert [f"{path.stem} {error.json_path}: {error.message}" for path, error in errors] == []


@by_topic
def test_ids_and_descriptions_are_unique_within_a_file(topic: str) -> None:
    for path in files(topic):
        for key in ("id", "description"):
            values = [case[key] for case in cases(path)]
            assert sorted({value for value in values if values.count(value) > 1}) == [], path.stem


@by_topic
def test_no_two_cases_of_a_file_have_the_same_request_and_policies(topic: str) -> None:
    for path in files(topic):
        asked = [json.dumps(resolved(path, case), sort_keys=True) for case in cases(path)]
        twins = [case["id"] for case, text in zip(cases(path), asked, strict=True) if asked.count(text) > 1]
        assert twins == [], path.stem


@by_topic
def test_no_description_says_should(topic: str) -> None:
    files_of_topic = files(topic)
    texts = [load(path)["description"] for path in files_of_topic]
    texts += [case["description"] for path in files_of_topic for case in cases(path)]
    assert [text for text in texts if re.search(r"\bshould\b", text, re.IGNORECASE)] == []


@by_topic
def test_every_shared_policy_is_used_and_every_used_name_exists(topic: str) -> None:
    def names(value: Any) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            for item in value:
                yield from names(item)

    for path in files(topic):
        layers = [item for case in cases(path) for item in case["policies"].items()]
        used = {found for layer, value in layers if layer != "grants" for found in names(value)}
        assert used == set(load(path).get("policies", {})), path.stem


@by_topic
def test_deciding_statements_exist_and_have_the_effect(topic: str) -> None:
    for path in files(topic):
        for case in cases(path):
            layers = resolved(path, case)["policies"]
            effect = {"allowed": "Allow", "explicitDeny": "Deny"}.get(outcome(case))
            for label, index in case["expected"].get("because", []):
                assert effect_of(layers, label, index) == effect, f"{name(path, case)}: {label} {index}"


def effect_of(layers: dict[str, Any], label: str, index: int) -> str:
    """Of the statement that a decision cites, such as ("identity[0]", 2)."""
    layer, *positions = re.findall(r"[a-z]+|[0-9]+", label)
    value = layers[layer]
    for position in positions:
        value = value[int(position)]
    if layer == "grants":
        assert index == 0
        return "Allow"
    statements = value["Statement"]
    return str((statements if isinstance(statements, list) else [statements])[index]["Effect"])


@by_topic
def test_an_explicit_deny_names_its_statements(topic: str) -> None:
    """A decision that says a Deny applied can always say which; none may be listed for an implicit one."""
    silent = [
        name(path, case)
        for path in files(topic)
        for case in cases(path)
        if outcome(case) == "explicitDeny" and not case["expected"].get("because")
    ]
    assert silent == []


@by_topic
def test_opposite_cases_differ_in_one_field_and_in_their_decision(topic: str) -> None:
    wrong = []
    for path in files(topic):
        by_id = {case["id"]: case for case in cases(path)}
        for case in by_id.values():
            if case["opposite"] is None:
                continue
            assert case["opposite"] in by_id, f"{name(path, case)}: no case is called {case['opposite']}"
            opposite = by_id[case["opposite"]]
            changed = changed_fields(resolved(path, case), resolved(path, opposite))
            if len(changed) != 1 or outcome(case) == outcome(opposite):
                wrong.append((name(path, case), opposite["id"], outcome(opposite), sorted(map(str, changed))))
    assert wrong == []


@pytest.mark.parametrize(
    ("one", "other", "fields"),
    [
        ({"request": {"action": "a"}}, {"request": {"action": "b"}}, 1),
        ({"request": {"action": "a", "resource": "x"}}, {"request": {"action": "b", "resource": "y"}}, 2),
        ({"request": {"context": {"k": ["a", "b"]}}}, {"request": {"context": {}}}, 1),
        ({"request": {"context": {"k": "a"}}}, {"request": {"context": {"l": "a"}}}, 2),
        ({"request": {"principal": {"Service": "a"}}}, {"request": {"principal": "arn"}}, 1),
        ({"policies": {"identity": []}}, {"policies": {"identity": [], "boundary": [{"Statement": []}]}}, 1),
        ({"policies": {"identity": [{"Statement": [1, 2]}]}}, {"policies": {"identity": [{"Statement": [2]}]}}, 1),
        ({"policies": {"identity": [{"Statement": [1, 2]}]}}, {"policies": {"identity": [{"Statement": []}]}}, 2),
        (
            {"policies": {"resource": {"Statement": [{"Condition": {"Bool": {"a": "b"}}}]}}},
            {"policies": {"resource": {"Statement": [{"Condition": {"Null": {"c": "d"}}}]}}},
            1,
        ),
        (
            {"policies": {"resource": {"Statement": [{"Action": "a", "Resource": "x"}]}}},
            {"policies": {"resource": {"Statement": [{"Action": "b", "Resource": "y"}]}}},
            2,
        ),
        ({"policies": {}, "assumptions": {"O3": "true"}}, {"policies": {}, "assumptions": {"O3": "false"}}, 1),
    ],
)
def test_a_change_is_counted_in_fields(one: Any, other: Any, fields: int) -> None:
    assert len(changed_fields(one, other)) == fields
    assert len(changed_fields(other, one)) == fields
    assert changed_fields(one, one) == set()


def test_the_catalogue_has_every_rule_of_the_reference() -> None:
    assert set(catalogue()) == set(documented())
    assert len(catalogue()) > 500


def test_every_rule_of_the_catalogue_is_complete() -> None:
    for rule_name, rule in catalogue().items():
        assert set(rule) == {"title", "source", "coverage"} | ({"why"} if rule["coverage"] != "both" else set()), (
            rule_name
        )
        assert 3 <= len(rule["title"]) <= 100, rule_name
        assert rule["source"] in documented()[rule_name], rule_name
        assert rule["coverage"] in ("both", "allowed-only", "denied-only", "none"), rule_name
        assert len(rule.get("why", "long enough")) >= 10, rule_name


def test_no_two_rules_have_the_same_title() -> None:
    titles = [rule["title"] for rule in catalogue().values()]
    assert sorted({title for title in titles if titles.count(title) > 1}) == []


@by_topic
def test_cases_cite_rules_that_exist_and_a_page_that_one_of_them_cites(topic: str) -> None:
    for path in files(topic):
        for case in cases(path):
            assert set(case["rules"]) <= set(catalogue()), name(path, case)
            pages = set().union(*(documented()[rule] for rule in case["rules"]))
            assert case["source"] in pages, f"{name(path, case)}: none of {case['rules']} cites {case['source']}"


@by_topic
def test_a_case_that_sets_an_assumption_rests_on_an_open_point(topic: str) -> None:
    assumed = {point for path in files(topic) for case in cases(path) for point in case.get("assumptions", {})}
    assert assumed <= set(catalogue())


@cache
def covered() -> dict[str, set[str]]:
    """Which outcomes the cases of each rule have. Refused input counts as denied: it is not let through."""
    found: dict[str, set[str]] = {name: set() for name in catalogue()}
    for path in FILES:
        for case in cases(path):
            for name in case["rules"]:
                found[name].add("allowed" if outcome(case) == "allowed" else "denied")
    return found


def test_the_rules_are_covered_as_the_catalogue_says() -> None:
    wanted = {"both": {"allowed", "denied"}, "allowed-only": {"allowed"}, "denied-only": {"denied"}, "none": set()}
    wrong = []
    for rule_name, outcomes in covered().items():
        coverage = catalogue()[rule_name]["coverage"]
        if not outcomes >= wanted[coverage]:
            wrong.append(f"{rule_name} needs {coverage}, has {sorted(outcomes)}")
        if coverage == "none" and outcomes:
            wrong.append(f"{rule_name} is said to have no cases, but has {sorted(outcomes)}")
    assert wrong == []
