"""Several policy variables in patterns that have to match the same text, against enumeration of a small world."""

from __future__ import annotations

import re
from functools import cache
from itertools import product
from random import Random
from typing import Any

import pytest

from grantproof.iam import Layers, parse_layers
from grantproof.iam.comparison.compare import Verdict, compare, quick_verdict
from tests.iam.test_compare import allow, deny, identity, when

BUCKET = "arn:aws:s3:::"
KEYS = ("aws:principaltag/u", "aws:principaltag/v")
U, V = (f"${{{key}}}" for key in KEYS)
PATTERNS = [
    *(U, V, f"{U}a", f"a{U}", f"{V}a", f"a{V}", f"{U}*", f"*{V}", f"{V}*", f"*{U}"),
    *(f"{U}{V}", f"{V}{U}", f"{U}b{V}", f"{U}b{U}", f"a{U}b", f"b{V}a", f"{U}*{V}"),
    *("*", "a*", "*b", "ab", "a", "a*b", "*a*", "bab", "aba"),
]
WORDS = ["".join(letters) for length in range(5) for letters in product("abc", repeat=length)]
VALUES = ["", *(word for word in WORDS if 0 < len(word) <= 2)]
EVERYWHERE = (1 << len(WORDS)) - 1


@cache
def _matched(pattern: str, u: str, v: str) -> int:
    """The words (bits) that a pattern matches; none where a variable in it has no value."""
    if (U in pattern and not u) or (V in pattern and not v):
        return 0
    expression = re.escape(pattern).replace(r"\*", ".*").replace(re.escape(U), u).replace(re.escape(V), v)
    return sum(1 << n for n, word in enumerate(WORDS) if re.fullmatch(expression, word))


def _fires(statement: dict[str, Any], u: str, v: str) -> int:
    for key, wanted in statement.get("Condition", {}).get("StringLike", {}).items():
        value = dict(zip(KEYS, (u, v), strict=True))[key]
        if not value or not re.fullmatch(wanted.replace("*", ".*"), value):
            return 0
    element = "Resource" if "Resource" in statement else "NotResource"
    found = 0
    for pattern in statement[element]:
        found |= _matched(pattern.removeprefix(BUCKET), u, v)
    return found if element == "Resource" else EVERYWHERE & ~found


def _allowed(side: dict[str, Any], u: str, v: str) -> int:
    out = EVERYWHERE
    for documents in side.values():
        granted = 0
        for statement in (statement for document in documents for statement in document["Statement"]):
            if statement["Effect"] == "Allow":
                granted |= _fires(statement, u, v)
            else:
                out &= ~_fires(statement, u, v)
        out &= granted
    return out


def _differs(old: dict[str, Any], new: dict[str, Any]) -> tuple[bool, bool]:
    more = less = False
    for u, v in product(VALUES, VALUES):
        before, after = _allowed(old, u, v), _allowed(new, u, v)
        more, less = more or bool(after & ~before), less or bool(before & ~after)
    return more, less


def _statement(random: Random) -> dict[str, Any]:
    out: dict[str, Any] = {"Effect": random.choice(["Allow", "Allow", "Deny"]), "Action": "s3:*"}
    element = random.choice(["Resource", "Resource", "Resource", "NotResource"])
    out[element] = [f"{BUCKET}{name}" for name in random.sample(PATTERNS, random.randint(1, 2))]
    if random.random() < 0.25:
        out["Condition"] = {"StringLike": {random.choice(KEYS): random.choice(["a", "a*", "*b", "ab", "c*"])}}
    return out


def _side(random: Random) -> dict[str, Any]:
    names = ("identity", "boundary") if random.random() < 0.6 else ("identity",)
    made = {name: [_statement(random) for _ in range(random.randint(1, 2))] for name in names}
    return {name: [{"Version": "2012-10-17", "Statement": statements}] for name, statements in made.items()}


def pair(seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two sides to compare, the same for the same seed."""
    random = Random(seed)  # noqa: S311 - random policies, not secrets
    old = _side(random)
    if random.random() < 0.3:
        return old, _side(random)
    new = {name: [{**document, "Statement": [*document["Statement"]]} for document in old[name]] for name in old}
    statements = new[random.choice(sorted(new))][0]["Statement"]
    statements[random.randrange(len(statements))] = _statement(random)
    return old, new


def missed(seed: int) -> bool | None:
    """Is there a difference that the comparison says is not there? None where it says nothing."""
    old, new = pair(seed)
    sides: list[Layers] = [parse_layers(side) for side in (old, new)]
    verdict = quick_verdict(*sides)
    if verdict is Verdict.UNDETERMINED:
        return None
    more, less = _differs(old, new)
    seen = (verdict in (Verdict.WIDER, Verdict.DIFFERENT), verdict in (Verdict.NARROWER, Verdict.DIFFERENT))
    return (more and not seen[0]) or (less and not seen[1])


#: Pairs of which one that tried each variable by itself missed a difference.
HARD = (144, 314, 330, 358)


def test_no_difference_between_two_variables_is_missed() -> None:
    answers = [missed(seed) for seed in (*range(40), *HARD)]
    assert not any(answers), "a difference was missed; what is undetermined is None"
    assert answers.count(None) <= len(answers) // 12


MADE_FOR_EACH_OTHER = {
    "one ends as the other begins": (f"acme-{U}", f"{V}-logs"),
    "two share the text between them": (f"{U}-{V}", "acme-logs"),
    "two share the text between them, with more inside": (f"{U}-{V}", "acme-*-logs"),
    "side by side": (f"{U}{V}", "xy"),
    "both begin and end otherwise": (f"a-{U}-b", f"{V}-a-b"),
}


@pytest.mark.parametrize(("allowed", "limit"), MADE_FOR_EACH_OTHER.values(), ids=MADE_FOR_EACH_OTHER)
def test_values_of_two_variables_that_are_made_for_each_other_are_found(allowed: str, limit: str) -> None:
    def side(*more: Any) -> Any:
        boundary = [{"Version": "2012-10-17", "Statement": [allow("s3:*", BUCKET + limit)]}]
        return identity(allow("s3:*", BUCKET + allowed), *more, boundary=boundary)

    found = compare(side(deny("s3:*")), side())
    assert found.verdict is Verdict.WIDER
    assert set(found.new_access[0].witness.context) == set(KEYS)


TEAM, PROJECT, NAME = "${aws:PrincipalTag/team}", "${aws:PrincipalTag/project}", "${aws:username}"


def _listing(*prefixes: str) -> dict[str, Any]:
    return allow("s3:ListBucket", f"{BUCKET}acme", **when("StringLike", "s3:prefix", *prefixes))


def _items(operator: str, *keys: str) -> dict[str, Any]:
    table = "arn:aws:dynamodb:*:*:table/Games"
    return allow("dynamodb:GetItem", table, **when(operator, "dynamodb:LeadingKeys", *keys))


#: As people write them: statements of one side, and of one that allows less, in turn.
WRITTEN: dict[str, tuple[dict[str, Any], ...]] = {
    "a user's folder in the team's": (
        allow("s3:*", f"{BUCKET}b/{TEAM}/*"),
        allow("s3:*", f"{BUCKET}b/{TEAM}/{NAME}/*"),
    ),
    "prefixes of a team and of a user": (_listing(f"{TEAM}/*"), _listing(f"{TEAM}/{NAME}/*", f"{TEAM}/shared/*")),
    "a user's own keys of a table": (
        _items("ForAllValues:StringEquals", "${aws:userid}", TEAM),
        _items("ForAllValues:StringEquals", "${aws:userid}"),
    ),
    "roles of a team's project": (
        allow("iam:PassRole", f"arn:aws:iam::*:role/{TEAM}-*"),
        allow("iam:PassRole", f"arn:aws:iam::*:role/{TEAM}-{PROJECT}-*"),
    ),
    "a tag in any case": (
        allow("ec2:*", **when("StringEqualsIgnoreCase", "aws:ResourceTag/team", TEAM)),
        allow("ec2:*", **when("StringEquals", "aws:ResourceTag/team", TEAM)),
    ),
    "buckets that a Deny keeps from a team": (
        *(allow("s3:*", f"{BUCKET}{TEAM}-logs/*"),) * 2,
        deny("s3:*", f"{BUCKET}acme-{PROJECT}/*"),
        deny("s3:*", f"{BUCKET}acme-*/*"),
    ),
}


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
def test_policies_with_variables_are_decided(written: tuple[dict[str, Any], ...]) -> None:
    more, less = identity(*written[::2]), identity(*written[1::2])
    assert compare(more, less, every_reading=False).verdict is Verdict.NARROWER
    assert compare(less, more, every_reading=False).verdict is Verdict.WIDER


def test_a_negated_pattern_leaves_no_doubt_about_a_variable_at_another_position() -> None:
    away = deny("s3:*", [f"{BUCKET}a{U}", f"{BUCKET}{U}b"], **when("StringEquals", "aws:PrincipalTag/v", "x"))
    old = identity(allow("s3:*", f"{BUCKET}{U}*"), away)
    assert compare(old, identity(allow("s3:*", [f"{BUCKET}{U}*", f"{BUCKET}{U}"]), away)).verdict is Verdict.EQUAL


def test_a_variable_at_two_positions_in_matching_patterns_is_undetermined_if_no_value_is_found() -> None:
    def side(*more: Any) -> Any:
        boundary = [{"Version": "2012-10-17", "Statement": [allow("s3:*", f"{BUCKET}{U}b{U}*")]}]
        return identity(allow("s3:*", f"{BUCKET}{U}*{U}b"), *more, boundary=boundary)

    found = compare(side(deny("s3:*")), side(deny("s3:*", f"{BUCKET}*b*b*")))
    assert found.verdict is Verdict.UNDETERMINED
    assert "at different places" in found.reason


@pytest.mark.parametrize(
    ("operator", "arn"),
    [
        ("StringLike", "arn:aws:iam::111111111111:user/b?b"),
        ("ArnLike", "arn:aws:iam::111111111111:user/bob"),
        ("StringLike", "arn:aws:iam::*:user/team/b*"),
        ("ArnLike", "arn:aws:iam::*:user/*"),
    ],
)
def test_a_users_name_is_the_end_of_its_arn(operator: str, arn: str) -> None:
    """If the ARN matters, the name cannot be chosen freely (C53)."""
    home = allow("s3:*", f"{BUCKET}home/${{aws:username}}/*", **when(operator, "aws:PrincipalArn", arn))
    for found in (compare(identity(home), identity(deny("*"))), compare(identity(deny("*")), identity(home))):
        assert found.verdict in (Verdict.NARROWER, Verdict.WIDER)


def _tagged(name: str, *conditions: tuple[str, str, str]) -> dict[str, Any]:
    """An Allow on what is named with a tag of the caller's, under conditions."""
    block: dict[str, dict[str, str]] = {}
    for operator, key, value in conditions:
        block.setdefault(operator, {})[key] = value
    return allow("s3:*", f"{BUCKET}{name}", Condition=block)


PREFIX = "s3:prefix"
TOLD_APART = {
    "an empty tag is no missing one": ([_tagged("x", ("StringEquals", KEYS[0], ""))], [_tagged(f"x/{U}")]),
    "a tag that is compared as a number": ([_tagged(f"x/{U}", ("NumericLessThan", KEYS[0], "10"))], []),
    "a tag that is compared as a date": ([_tagged(f"x/{U}", ("DateLessThan", KEYS[0], "2030-01-01"))], []),
    "the case of a tag": (
        [_tagged(f"x/{U}", ("StringEqualsIgnoreCase", KEYS[0], "abc"))],
        [_tagged(f"x/{U}", ("StringEquals", KEYS[0], "abc"))],
    ),
    "the case of some letters of a tag": (
        [_tagged(f"x/{U}", ("StringEqualsIgnoreCase", KEYS[0], "ab"))],
        [_tagged(f"x/{U}", ("StringLike", KEYS[0], "a*")), _tagged(f"x/{U}", ("StringEquals", KEYS[0], "AB"))],
    ),
    "the case of what equals a tag": (
        [_tagged("x", ("StringEqualsIgnoreCase", PREFIX, U))],
        [_tagged("x", ("StringEquals", PREFIX, U))],
    ),
    "colons in a tag where an ARN is asked for": (
        [_tagged("x", ("StringLike", "aws:SourceArn", f"arn:aws:iam::{U}:user/x"))],
        [_tagged("x", ("ArnLike", "aws:SourceArn", "arn:aws:iam::*:user/x"))],
    ),
}


@pytest.mark.parametrize(("more", "less"), TOLD_APART.values(), ids=TOLD_APART)
def test_values_of_variables_that_distinguish_two_sides_are_found(more: list[Any], less: list[Any]) -> None:
    found = compare(identity(*more, *less), identity(*less, deny("sqs:*")), every_reading=False)
    assert found.verdict is Verdict.NARROWER


def test_a_difference_that_exists_only_in_another_case_is_not_missed() -> None:
    both = _tagged(f"x/{U}", ("StringEqualsIgnoreCase", PREFIX, U), ("StringEquals", PREFIX, "ABC"))
    limit = deny("s3:*", f"{BUCKET}x/ABC")
    found = compare(identity(both, limit), identity(limit), every_reading=False)
    assert found.verdict in (Verdict.UNDETERMINED, Verdict.NARROWER)


def test_a_numeric_tag_is_not_assumed_to_have_only_one_spelling() -> None:
    less, least = (_tagged(f"x/{U}", ("NumericLessThan", KEYS[0], most)) for most in ("10", "9"))
    limit = deny("s3:*", f"{BUCKET}x/9")
    found = compare(identity(less, limit), identity(least, limit), every_reading=False)
    assert found.verdict in (Verdict.UNDETERMINED, Verdict.NARROWER)


def test_sides_without_a_witness_in_any_known_partition_are_not_called_equal() -> None:
    """The witness would be a bucket in a partition that does not exist, and the search for others was not complete."""
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::*"}
    named = {**everybody, "Effect": "Deny", "Action": "ec2:*", "NotResource": f"{BUCKET}${{aws:username}}"}
    del named["Resource"]
    alone = when("StringEquals", "aws:username", "alice")
    old = parse_layers({"resource": {"Statement": [everybody]}})
    new = identity(
        allow("sqs:*", **alone),
        allow("s3:*", "arn:*:s3:::b*"),
        resource={"Version": "2012-10-17", "Statement": [named]},
    )
    assert quick_verdict(old, new, owner="111111111111") is not Verdict.NARROWER
    assert compare(old, new, owner="111111111111", every_reading=False).verdict is not Verdict.NARROWER
