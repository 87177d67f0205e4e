"""Properties of all policies and requests, checked on random small ones; and agreement with the naive evaluator."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grantproof.iam import IamError, MalformedPolicy, PolicyType, Undecided, parse_policy
from grantproof.iam.decisions import decide
from grantproof.iam.lines import answer
from tests.conformance import every_case
from tests.iam import naive

OWNER, PARTNER, STRANGER = "111111111111", "222222222222", "333333333333"
PRINCIPALS = (
    f"arn:aws:iam::{OWNER}:user/alice",
    f"arn:aws:iam::{OWNER}:root",
    f"arn:aws:sts::{OWNER}:assumed-role/app/run",
    f"arn:aws:iam::{PARTNER}:user/bob",
    f"arn:aws:iam::{PARTNER}:root",
    f"arn:aws:sts::{PARTNER}:assumed-role/app/run",
    "*",
)
NAMED = (
    "*",
    OWNER,
    f"arn:aws:iam::{PARTNER}:root",
    STRANGER,
    *(p for p in PRINCIPALS if p != "*"),
    f"arn:aws:iam::{OWNER}:role/app",
    f"arn:aws:iam::{PARTNER}:role/app",
)
ACTIONS = ("s3:GetObject", "s3:PutObject", "sqs:SendMessage")
ACTION_PATTERNS = (*ACTIONS, "s3:*", "*", "s3:*Object", "S3:Get?bject", "sqs:*")
RESOURCES = ("arn:aws:s3:::b/a", "arn:aws:s3:::b/alice", "arn:aws:s3:::b")
RESOURCE_PATTERNS = (*RESOURCES, "*", "arn:aws:s3:::b/*", "arn:aws:s3:::?/a*", "arn:aws:s3:::b/${aws:username}")
TEXTS = ("", "a", "A", "b", "ab", "9", "10", "true", "false", "10.0.0.1", "2026-01-01", "arn:aws:s3:::b/a")
KEYS = ("aws:PrincipalTag/x", "aws:TagKeys", "aws:username")
STRING_PATTERNS = (*TEXTS, "a*", "?", "*", "${aws:username}")
BOOLEANS = ("true", "false")
#: So many random cases are tried of each property.
MANY = 400
NUMBERS, DATES, ADDRESSES = ("9", "10", "10.5"), ("2026-01-01", "2026-06-01T00:00:00Z"), ("10.0.0.1", "10.0.0.2")


def one_or_some(random: Random, values: Sequence[str]) -> str | list[str]:
    """One string or a list of them, as IAM's grammar allows."""
    return random.choice(values) if random.random() < 0.5 else random.sample(values, random.randint(1, 3))


def optional(random: Random) -> str:
    return random.choice(["", "IfExists"])


def conditions(random: Random) -> dict[str, Any]:
    """A Condition block whose values are of their operator's type."""
    out: dict[str, Any] = {}
    for _ in range(random.randint(1, 2)):
        kind = random.choice(["string", "string", "number", "date", "ip", "bool", "null"])
        key, values = random.choice(KEYS), STRING_PATTERNS
        if kind == "string":
            prefix = random.choice(["", "ForAllValues:", "ForAnyValue:"]) if key == "aws:TagKeys" else ""
            name = random.choice("Equals NotEquals Like NotLike EqualsIgnoreCase NotEqualsIgnoreCase".split())
            operator = f"{prefix}String{name}{optional(random)}"
        elif kind == "null":
            operator, values = "Null", BOOLEANS
        elif kind == "bool":
            key, values, operator = "example:Flag", BOOLEANS, f"Bool{optional(random)}"
        elif kind == "ip":
            key, values = "aws:SourceIp", ("10.0.0.0/31", "10.0.0.2", "2001:db8::/32")
            operator = random.choice(["IpAddress", "NotIpAddress"]) + optional(random)
        else:
            relation = random.choice("Equals NotEquals LessThan LessThanEquals GreaterThan".split())
            family, key, values = ("Numeric", "s3:max-keys", NUMBERS)
            if kind == "date":
                family, key, values = ("Date", "aws:CurrentTime", DATES)
            operator = f"{family}{relation}{optional(random)}"
        chosen = one_or_some(random, values) if len(values) > 2 else random.choice([*values, list(values)])
        out.setdefault(operator, {})[key] = chosen
    return out


def statement(random: Random, principals: bool = False) -> dict[str, Any]:
    out: dict[str, Any] = {"Effect": random.choice(["Allow", "Allow", "Deny"])}
    if principals:
        named = random.choice(["*", {"AWS": one_or_some(random, NAMED)}])
        negated = out["Effect"] == "Deny" and random.random() < 0.5
        out["NotPrincipal" if negated else "Principal"] = named
    out[random.choice(["Action", "Action", "NotAction"])] = one_or_some(random, ACTION_PATTERNS)
    out[random.choice(["Resource", "Resource", "NotResource"])] = one_or_some(random, RESOURCE_PATTERNS)
    if random.random() < 0.5:
        out["Condition"] = conditions(random)
    return out


def document(random: Random, principals: bool = False) -> dict[str, Any]:
    version = random.choice(["2012-10-17", "2012-10-17", "2008-10-17"])
    return {"Version": version, "Statement": [statement(random, principals) for _ in range(random.randint(1, 3))]}


def random_case(random: Random) -> dict[str, Any]:
    """A case of `grantproof evaluate` with random layers."""
    context: dict[str, Any] = {}
    for key, values in (
        ("aws:PrincipalTag/x", TEXTS),
        ("aws:TagKeys", TEXTS),
        ("s3:max-keys", NUMBERS),
        ("aws:CurrentTime", DATES),
        ("aws:SourceIp", ADDRESSES),
        ("example:Flag", BOOLEANS),
    ):
        if random.random() < 0.5:
            several = key == "aws:TagKeys"
            context[key] = random.choices(values, k=random.randint(0, 3)) if several else random.choice(values)
    policies: dict[str, Any] = {"identity": [document(random) for _ in range(random.randint(0, 2))]}
    for name in ("boundary", "session"):
        if random.random() < 0.25:
            policies[name] = [document(random)]
    if random.random() < 0.5:
        policies["resource"] = document(random, principals=True)
    if random.random() < 0.25:
        levels = range(random.randint(1, 2))
        policies["scp"] = [[document(random) for _ in range(random.randint(0, 2))] for _ in levels]
    if random.random() < 0.125:
        policies["endpoint"] = [document(random, principals=True)]
    request = {
        "principal": random.choice(PRINCIPALS),
        "action": random.choice(ACTIONS),
        "resource": random.choice(RESOURCES),
        "resource_account": OWNER,
        "context": context,
    }
    return {"request": request, "policies": policies}


def generous_case(random: Random) -> dict[str, Any]:
    """A case that is most often allowed: nearly every layer holds an Allow for everything beside what it holds, and few
    hold a Deny."""
    case = random_case(random)
    for level in case["policies"].get("scp", []):
        level[:] = level or [{"Statement": []}]
    if random.random() < 0.75:
        case["policies"].setdefault("resource", {"Statement": []})
    for name, documents in layers_of(case):
        for held in (s for d in documents for s in d["Statement"] if "NotPrincipal" not in s):
            held["Effect"] = "Deny" if held["Effect"] == "Deny" and random.random() < 0.25 else "Allow"
        if documents and random.random() < 0.875:
            anybody = {"Principal": "*"} if name in ("resource", "endpoint") else {}
            documents[0]["Statement"].append({**ALLOW_ALL, **anybody})
    return case


def outcome(case: dict[str, Any]) -> str:
    return str(decide(case)["decision"])


def decided(
    make: Callable[[Random], dict[str, Any]] = random_case, count: int = MANY
) -> Iterator[tuple[Random, dict[str, Any], str]]:
    """So many random cases that documentation decides, with their decisions, and what further choices come from."""
    found = seed = 0
    while found < count:
        assert seed < 4 * count + 20, "hardly any case is decided"
        random = Random(seed)  # noqa: S311 - random policies, not secrets
        case = make(random)
        seed += 1
        with suppress(Undecided):
            yield random, case, outcome(case)
            found += 1


def test_the_naive_evaluator_agrees() -> None:
    asked: Counter[str] = Counter()
    for make in (random_case, generous_case):
        for _, case, found in decided(make):
            try:
                expected = naive.decide(case)
            except NotImplementedError:
                continue
            asked[found] += 1
            assert found == expected, json.dumps(case)
    assert all(asked[decision] > MANY // 5 for decision in ("allowed", "implicitDeny", "explicitDeny"))


def test_the_naive_evaluator_passes_the_conformance_cases_that_it_understands() -> None:
    asked = 0
    for case in every_case():
        if "decision" not in case.expected:
            continue
        try:
            found = naive.decide(dict(case.asked))
        except NotImplementedError:
            continue
        asked += 1
        assert found == case.expected["decision"], case.name
    assert asked > 1000


DENY_ALL = {"Effect": "Deny", "Action": "*", "Resource": "*"}
ALLOW_ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}


@pytest.mark.parametrize("layer", ["identity", "resource", "boundary", "session", "endpoint", "scp"])
def test_an_explicit_deny_beats_everything(layer: str) -> None:
    for _, case, _ in decided(generous_case, MANY // 5):
        policies, denial = case["policies"], {"Statement": [dict(DENY_ALL)]}
        if layer == "scp":
            if case["request"]["principal"] == "*":
                continue
            policies["scp"] = [*policies.get("scp", []), [denial]]
        elif layer == "resource":
            held = policies.get("resource") or {"Statement": []}
            policies["resource"] = {**held, "Statement": [*held["Statement"], {**DENY_ALL, "Principal": "*"}]}
        else:
            if layer == "endpoint":
                denial["Statement"][0]["Principal"] = "*"
            policies[layer] = [*policies.get(layer, []), denial]
        assert outcome(case) == "explicitDeny", json.dumps(case)


def test_adding_an_allow_never_turns_allowed_into_denied() -> None:
    tried = 0
    for random, case, found in decided(generous_case):
        if found == "allowed":
            tried += 1
            added = {**statement(random), "Effect": "Allow"}
            more = copy.deepcopy(case)
            more["policies"]["identity"].insert(random.randint(0, 3), {"Version": "2012-10-17", "Statement": [added]})
            with suppress(Undecided):
                assert outcome(more) == "allowed", json.dumps(more)
    assert tried > MANY // 3


def test_order_never_matters() -> None:
    for random, case, found in decided():
        shuffled = copy.deepcopy(case)
        random.shuffle(shuffled["policies"]["identity"])
        for written in each_document(shuffled):
            random.shuffle(written["Statement"])
            for held in written["Statement"]:
                for element, value in held.items():
                    if isinstance(value, list):
                        random.shuffle(value)
                    elif element == "Condition":
                        held[element] = dict(sorted(value.items(), key=lambda _: random.random()))
        assert outcome(shuffled) == found, json.dumps(case)


def test_a_string_means_the_same_as_a_list_of_it() -> None:
    for _, case, found in decided():
        written = copy.deepcopy(case)
        for one in each_document(written):
            for held in one["Statement"]:
                for element in ("Action", "NotAction", "Resource", "NotResource"):
                    if isinstance(held.get(element), str):
                        held[element] = [held[element]]
                    elif len(held.get(element, ())) == 1:
                        held[element] = held[element][0]
            if len(one["Statement"]) == 1:
                one["Statement"] = one["Statement"][0]
        assert outcome(written) == found, json.dumps(case)


def test_splitting_a_policy_by_statement_changes_nothing() -> None:
    for _, case, found in decided():
        split = copy.deepcopy(case)
        split["policies"]["identity"] = [
            {**whole, "Statement": [one]} for whole in case["policies"]["identity"] for one in whole["Statement"]
        ]
        assert outcome(split) == found, json.dumps(case)


def each_document(case: dict[str, Any]) -> list[dict[str, Any]]:
    return [document for _, documents in layers_of(case) for document in documents]


def layers_of(case: dict[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """The documents of each layer, each level of SCPs being one."""
    policies = case["policies"]
    out = [(name, policies.get(name) or []) for name in ("identity", "boundary", "session", "endpoint")]
    out += [("scp", level) for level in policies.get("scp", [])]
    return [*out, ("resource", [policies["resource"]])] if policies.get("resource") else out


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
ELEMENTS = "Version Id Statement Sid Effect Principal NotPrincipal Action NotAction Resource NotResource Condition"
WORDS = (*ELEMENTS.split(), "Allow", "Deny", "2012-10-17", "*", "StringEquals", "aws:username", "AWS", "${", "s3:*")
policy_like = st.recursive(
    st.sampled_from(WORDS) | st.none() | st.booleans() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5),
    max_leaves=20,
)


def refusal(document: Any, type_: PolicyType) -> IamError | None:
    """The refusal of a document; anything else that is raised is a crash."""
    try:
        parse_policy(document, type_, "policy")
    except MalformedPolicy as error:
        return error
    return None


@given(json_values | policy_like, st.sampled_from(list(PolicyType)))
def test_parsing_never_crashes_on_any_json(document: Any, type_: PolicyType) -> None:
    error = refusal(document, type_)
    assert error is None or error.document == "policy"


@given(policy_like)
def test_a_statement_of_any_shape_is_read_or_refused(statement: Any) -> None:
    whole = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    if isinstance(statement, dict):
        whole |= statement
    error = refusal({"Statement": [whole]}, PolicyType.IDENTITY)
    assert error is None or error.document == "policy"


@given(json_values | policy_like)
def test_a_line_of_any_shape_is_answered_or_refused(value: Any) -> None:
    request = {"principal": "*", "action": "s3:A", "resource": "*"}
    lines = (
        value,
        {"request": value},
        {"request": {**request, "context": value}},
        {"request": request, "policies": value},
    )
    for number, line in enumerate(lines):
        answered = answer(json.dumps(line), decide, number)
        assert ("decision" in answered) != ("error" in answered)
