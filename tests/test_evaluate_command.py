"""`grantproof evaluate` over lines as people have them: what is answered, what is refused with its place, and that no
line takes the answers to others along."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from grantproof.cli import main
from grantproof.iam import decisions, parse_request

ALLOW = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
REQUEST = {
    "principal": "arn:aws:iam::111111111111:user/ann",
    "action": "s3:GetObject",
    "resource": "arn:aws:s3:::reports/q1.csv",
    "resource_account": "111111111111",
}
SESSION = "arn:aws:sts::111111111111:assumed-role/app/run"
FEDERATED = "arn:aws:sts::111111111111:federated-user/fed"
KEY = "arn:aws:kms:eu-west-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def line(name: object = "case", *, request: Any = REQUEST, policies: Any = None) -> str:
    policies = {"identity": [{"Statement": ALLOW}]} if policies is None else policies
    return json.dumps({"id": name, "request": request, "policies": policies})


def evaluated(
    text: str | bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[int, list[dict[str, Any]], str]:
    """The exit status, the answers, and what is said beside them."""
    file = tmp_path / "cases.jsonl"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    status = main(["evaluate", str(file)])
    out, err = capsys.readouterr()
    return status, [json.loads(answer) for answer in out.splitlines()], err


@pytest.mark.parametrize(
    ("before", "between"), [("", "\n"), ("\ufeff", "\n"), ("", "\r\n"), ("\ufeff", "\r\n\r\n")], ids=repr
)
def test_files_of_windows_are_read_like_others(
    before: str, between: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = before + between.join([line(1), line(2), ""])
    status, answers, _ = evaluated(text, tmp_path, capsys)
    assert (status, [(a["id"], a["decision"]) for a in answers]) == (0, [(1, "allowed"), (2, "allowed")])


def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(line("piped") + "\n"))
    assert main(["evaluate", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == "piped"


@pytest.mark.parametrize(
    ("broken", "kind", "says"),
    [
        ('{"id": "x", ', "malformed", "not JSON: Expecting property name enclosed in double quotes at character 12"),
        ("[]", "badRequest", "a case is a JSON object"),
        ('{"id": NaN}', "malformed", "not JSON: NaN is no number"),
        (line(policies={"identity": ['{"Statement": -Infinity}']}), "malformed", "not JSON: -Infinity is no number"),
        ('{"id": 1, "id": 2}', "malformed", "the key 'id' stands twice"),
        ("[" * 100_000, "malformed", "nested too deeply"),
        ('{"id": %s}' % ("9" * 5_000), "malformed", "too many digits"),
        (line(policies={"identity": [ALLOW]}), "malformed", 'a statement stands in {"Statement": [...]}'),
        (line(policies={"identity": [[ALLOW]]}), "malformed", 'a policy is a JSON object: {"Version"'),
        (line(request={**REQUEST, "action": "s3:GetObject\n"}), "badRequest", "not of the form service:Name"),
        (line(request={**REQUEST, "action": "s3:"}), "badRequest", "not of the form service:Name"),
        (line(request={**REQUEST, "principal": "arn:aws:iam::111111111111:user/*"}), "badRequest", "no wildcard"),
        (
            line(request={**REQUEST, "principal": SESSION, "session_issuer": "arn:aws:iam::111111111111:role/b/other"}),
            "badRequest",
            f"is not the role of {SESSION}",
        ),
        (
            line(request={**REQUEST, "principal": SESSION, "session_issuer": "arn:aws:iam::222222222222:role/app"}),
            "badRequest",
            f"is not the role of {SESSION}",
        ),
        (
            line(request={**REQUEST, "session_issuer": "arn:aws:iam::111111111111:role/app"}),
            "badRequest",
            f"session_issuer belongs to a session of a role or a federated user, and {REQUEST['principal']} is none",
        ),
        (
            line(request={**REQUEST, "principal": FEDERATED, "session_issuer": "arn:aws:iam::111111111111:role/app"}),
            "badRequest",
            f"is not the user of account 111111111111 who made {FEDERATED}",
        ),
        (line(request={**REQUEST, "principal": {"Service": "*"}}), "badRequest", "is not readable"),
        (line(request={**REQUEST, "resource": "arn:aws:s3:data"}), "badRequest", "'arn:aws:s3:data' is no whole ARN"),
        (
            line(request={**REQUEST, "context": {"aws:resourceaccount": "222222222222"}}),
            "badRequest",
            "resource_account is 111111111111, and aws:ResourceAccount of the context is 222222222222",
        ),
        (line(policies={"grants": 5}), "badRequest", "grants is a list of KMS grants"),
        (line(policies={"identity": {"statement": []}}), "malformed", "(G1); the nearest is Statement"),
        (line(policies={"identity": {"Statement": [None]}}), "malformed", "a JSON object, and this is null"),
        (line(policies={"identity": {"Statement": {"Action": "*"}}}), "malformed", "Effect is missing"),
        (line(policies={"identity": {"Statement": {**ALLOW, "Action": {}}}}), "malformed", "text, not an object"),
        (line(policies={"identity": {"Statement": {**ALLOW, "Resource": [1]}}}), "malformed", "text, not a number"),
    ],
)
def test_one_broken_line_is_named_and_the_others_are_answered(
    broken: str, kind: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, answers, _ = evaluated("\n".join([line(1), broken, line(3)]), tmp_path, capsys)
    assert status == 1
    assert [answer.get("decision") for answer in answers] == ["allowed", None, "allowed"]
    error = answers[1]["error"]
    assert (error["kind"], error["line"]) == (kind, 2)
    assert says in error["message"]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"Operations": [1]}, "names of KMS operations"),
        ({"Constraints": ["Purpose"]}, "Constraints is an object of"),
        ({"Constraints": {"EncryptionContext": {"Purpose": "test"}}}, "Constraints is an object of"),
        ({"Constraints": {"EncryptionContextSubset": ["Purpose"]}}, "pairs of an encryption context"),
    ],
)
def test_a_grant_with_a_constraint_that_is_not_understood_gives_nothing(
    changed: dict[str, Any], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = {"principal": REQUEST["principal"], "action": "kms:Decrypt", "resource": KEY}
    grant = {"GranteePrincipal": REQUEST["principal"], "Operations": ["Decrypt"]}
    text = "\n".join(line(request=request, policies={"grants": [one]}) for one in (grant, {**grant, **changed}))
    status, answers, _ = evaluated(text, tmp_path, capsys)
    assert status == 1
    assert answers[0]["decision"] == "allowed"
    assert says in answers[1]["error"]["message"]


def test_one_policy_may_stand_without_a_list_around_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = {"Version": "2012-10-17", "Statement": ALLOW}
    text = "\n".join(line(policies={"identity": one}) for one in (document, json.dumps(document), [document]))
    status, answers, _ = evaluated(text, tmp_path, capsys)
    assert (status, {answer["decision"] for answer in answers}) == (0, {"allowed"})
    assert {answer["because"][0]["policy"] for answer in answers} == {"identity[0]"}


@pytest.mark.parametrize(
    ("operator", "wanted", "value"),
    [
        ("NumericEquals", "1000", "1_000"),
        ("NumericEquals", "10", "\u0661\u0660"),
        ("IpAddress", "fe80::/10", "fe80::1%eth0"),
        ("DateLessThan", "2020-01-01", "\u0661\u0660\u0660\u0660\u0660"),
    ],
)
def test_what_only_python_takes_for_a_value_matches_nothing(
    operator: str, wanted: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    identity = [{"Statement": {**ALLOW, "Condition": {operator: {"app:key": wanted}}}}]
    text = line(request={**REQUEST, "context": {"app:key": value}}, policies={"identity": identity})
    _, answers, _ = evaluated(text, tmp_path, capsys)
    assert answers[0]["decision"] == "implicitDeny"


def test_a_name_that_utf_8_cannot_hold_comes_back_as_it_was_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, answers, _ = evaluated(line("\ud800"), tmp_path, capsys)
    assert (answers[0]["id"], answers[0]["decision"]) == ("\ud800", "allowed")


@pytest.mark.parametrize(
    ("content", "says"),
    [(gzip.compress(line().encode()), "unpack it first"), (line().encode("utf-16"), "save it as UTF-8")],
    ids=["gzip", "UTF-16"],
)
def test_a_file_that_is_no_text_is_refused_as_a_whole(
    content: bytes, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, answers, said = evaluated(content, tmp_path, capsys)
    assert (status, answers) == (2, [])
    assert says in said


def test_a_fault_of_ours_over_one_case_leaves_the_others_answered_and_is_no_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    parse = parse_request

    def faulty(data: Any) -> Any:
        if data["action"] == "s3:Fault":
            raise AttributeError("oops")
        return parse(data)

    monkeypatch.setattr(decisions, "parse_request", faulty)
    text = "\n".join([line(1), line(2, request={**REQUEST, "action": "s3:Fault"}), line(3)])
    status, answers, _ = evaluated(text, tmp_path, capsys)
    assert status == 1
    assert [answer.get("decision") for answer in answers] == ["allowed", None, "allowed"]
    assert "by a fault of grantproof: AttributeError('oops')" in answers[1]["error"]["message"]
