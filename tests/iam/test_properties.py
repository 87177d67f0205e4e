"""What holds for all policies and requests, tried on random small ones; and agreement with the naive evaluator."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from grantproof.iam import LawError, MalformedPolicy, PolicyType, Undecided, parse_policy
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
NUMBERS, DATES, ADDRESSES = ("9", "10", "10.5"), ("2026-01-01", "2026-06-01T00:00:00Z"), ("10.0.0.1", "10.0.0.2")


def any_of(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


def some(values: tuple[str, ...], least: int = 1) -> st.SearchStrategy[Any]:
    """One string or a list of them, as IAM's grammar allows."""
    return any_of(*values) | st.lists(any_of(*values), min_size=least, max_size=3, unique=True)


OPTIONAL = st.sampled_from(["", "IfExists"])
SETS = st.sampled_from(["", "ForAllValues:", "ForAnyValue:"])


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    """A Condition block whose values are of their operator's type."""
    out: dict[str, Any] = {}
    for _ in range(draw(st.integers(1, 2))):
        kind = draw(any_of("string", "string", "number", "date", "ip", "bool", "null"))
        key, values = draw(any_of(*KEYS)), STRING_PATTERNS
        prefix, optional = draw(SETS) if key == "aws:TagKeys" else "", draw(OPTIONAL)
        if kind == "string":
            name = draw(any_of("Equals", "NotEquals", "Like", "NotLike", "EqualsIgnoreCase", "NotEqualsIgnoreCase"))
            operator = f"{prefix}String{name}{optional}"
        elif kind == "null":
            operator, values = "Null", ("true", "false")
        elif kind == "bool":
            key, values, operator = "example:Flag", ("true", "false"), f"Bool{optional}"
        elif kind == "ip":
            key, values = "aws:SourceIp", ("10.0.0.0/31", "10.0.0.2", "2001:db8::/32")
            operator = draw(any_of("IpAddress", "NotIpAddress")) + optional
        else:
            relation = draw(any_of("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan"))
            family, key, values = ("Numeric", "s3:max-keys", NUMBERS)
            if kind == "date":
                family, key, values = ("Date", "aws:CurrentTime", DATES)
            operator = f"{family}{relation}{optional}"
        out.setdefault(operator, {})[key] = draw(some(values))
    return out


@st.composite
def statements(draw: st.DrawFn, principals: bool = False) -> dict[str, Any]:
    out: dict[str, Any] = {"Effect": draw(any_of("Allow", "Allow", "Deny"))}
    if principals:
        named = draw(st.just("*") | st.fixed_dictionaries({"AWS": some(NAMED)}))
        negated = out["Effect"] == "Deny" and draw(st.booleans())
        out["NotPrincipal" if negated else "Principal"] = named
    out[draw(any_of("Action", "Action", "NotAction"))] = draw(some(ACTION_PATTERNS))
    out[draw(any_of("Resource", "Resource", "NotResource"))] = draw(some(RESOURCE_PATTERNS))
    if draw(st.booleans()):
        out["Condition"] = draw(conditions())
    return out


@st.composite
def documents(draw: st.DrawFn, principals: bool = False) -> dict[str, Any]:
    version = draw(any_of("2012-10-17", "2012-10-17", "2008-10-17"))
    return {"Version": version, "Statement": draw(st.lists(statements(principals), min_size=1, max_size=3))}


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    """A case of `grantproof evaluate` with random layers."""
    context: dict[str, Any] = {}
    for key, values in (
        ("aws:PrincipalTag/x", any_of(*TEXTS)),
        ("aws:TagKeys", st.lists(any_of(*TEXTS), max_size=3)),
        ("s3:max-keys", any_of(*NUMBERS)),
        ("aws:CurrentTime", any_of(*DATES)),
        ("aws:SourceIp", any_of(*ADDRESSES)),
        ("example:Flag", any_of("true", "false")),
    ):
        if draw(st.booleans()):
            context[key] = draw(values)
    policies: dict[str, Any] = {"identity": draw(st.lists(documents(), max_size=2))}
    for name in ("boundary", "session"):
        if draw(st.integers(0, 3)) == 0:
            policies[name] = [draw(documents())]
    if draw(st.booleans()):
        policies["resource"] = draw(documents(principals=True))
    if draw(st.integers(0, 3)) == 0:
        policies["scp"] = draw(st.lists(st.lists(documents(), max_size=2), min_size=1, max_size=2))
    if draw(st.integers(0, 7)) == 0:
        policies["endpoint"] = [draw(documents(principals=True))]
    request = {
        "principal": draw(any_of(*PRINCIPALS)),
        "action": draw(any_of(*ACTIONS)),
        "resource": draw(any_of(*RESOURCES)),
        "resource_account": OWNER,
        "context": context,
    }
    return {"request": request, "policies": policies}


def outcome(case: dict[str, Any]) -> str:
    """The decision; cases that documentation does not decide are no examples."""
    try:
        return str(decide(case)["decision"])
    except Undecided:
        assume(False)
        raise


many = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


@many
@given(cases())
def test_the_naive_evaluator_agrees(case: dict[str, Any]) -> None:
    found = outcome(case)
    try:
        expected = naive.decide(case)
    except NotImplementedError:
        assume(False)
    assert found == expected, json.dumps(case)


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


@many
@given(cases(), st.sampled_from(["identity", "resource", "boundary", "session", "endpoint", "scp"]))
def test_an_explicit_deny_beats_everything(case: dict[str, Any], layer: str) -> None:
    statement = dict(DENY_ALL)
    if layer in ("resource", "endpoint"):
        statement["Principal"] = "*"
    if layer == "scp":
        assume(case["request"]["principal"] != "*")
        case["policies"]["scp"] = [*case["policies"].get("scp", []), [{"Statement": [statement]}]]
    elif layer == "resource":
        held = case["policies"].get("resource") or {"Statement": []}
        case["policies"]["resource"] = {**held, "Statement": [*held["Statement"], statement]}
    else:
        case["policies"][layer] = [*case["policies"].get(layer, []), {"Statement": [statement]}]
    assert outcome(case) == "explicitDeny"


@st.composite
def generous_cases(draw: st.DrawFn) -> dict[str, Any]:
    """Cases of which most are allowed: nearly every layer holds an Allow for everything beside what it holds, and few
    hold a Deny."""
    case = draw(cases())
    named = ("resource", "endpoint")
    for level in case["policies"].get("scp", []):
        level[:] = level or [{"Statement": []}]
    if draw(st.integers(0, 3)):
        case["policies"].setdefault("resource", {"Statement": []})
    for name, documents in layers_of(case):
        for statement in (s for d in documents for s in d["Statement"] if "NotPrincipal" not in s):
            statement["Effect"] = "Deny" if statement["Effect"] == "Deny" and draw(st.integers(0, 3)) == 0 else "Allow"
        if documents and draw(st.integers(0, 7)):
            documents[0]["Statement"].append({**ALLOW_ALL, **({"Principal": "*"} if name in named else {})})
    return case


@many
@given(generous_cases(), statements(), st.integers(0, 3))
def test_adding_an_allow_never_turns_allowed_into_denied(case: dict[str, Any], added: dict[str, Any], at: int) -> None:
    added["Effect"] = "Allow"
    assume(outcome(case) == "allowed")
    more = copy.deepcopy(case)
    more["policies"]["identity"].insert(at, {"Version": "2012-10-17", "Statement": [added]})
    assert outcome(more) == "allowed"


@many
@given(cases(), st.randoms(use_true_random=False))
def test_order_never_matters(case: dict[str, Any], random: Any) -> None:
    shuffled = copy.deepcopy(case)
    random.shuffle(shuffled["policies"]["identity"])
    for document in each_document(shuffled):
        random.shuffle(document["Statement"])
        for statement in document["Statement"]:
            for element, value in statement.items():
                if isinstance(value, list):
                    random.shuffle(value)
                elif element == "Condition":
                    statement[element] = dict(sorted(value.items(), key=lambda _: random.random()))
    assert outcome(shuffled) == outcome(case)


@many
@given(cases())
def test_one_string_means_a_list_of_one(case: dict[str, Any]) -> None:
    written = copy.deepcopy(case)
    for document in each_document(written):
        for statement in document["Statement"]:
            for element in ("Action", "NotAction", "Resource", "NotResource"):
                if isinstance(statement.get(element), str):
                    statement[element] = [statement[element]]
                elif len(statement.get(element, ())) == 1:
                    statement[element] = statement[element][0]
        if len(document["Statement"]) == 1:
            document["Statement"] = document["Statement"][0]
    assert outcome(written) == outcome(case)


@many
@given(cases())
def test_splitting_a_policy_by_statement_changes_nothing(case: dict[str, Any]) -> None:
    split = copy.deepcopy(case)
    split["policies"]["identity"] = [
        {**document, "Statement": [statement]}
        for document in case["policies"]["identity"]
        for statement in document["Statement"]
    ]
    assert outcome(split) == outcome(case)


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


def refusal(document: Any, type_: PolicyType) -> LawError | None:
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
