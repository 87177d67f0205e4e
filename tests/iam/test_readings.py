"""Verdicts under every reading of what AWS's documentation leaves open, one by one and in combination."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from random import Random
from typing import Any

import pytest

from grantproof.iam import Assumptions, evaluate, parse_layers, parse_request
from grantproof.iam.assumption import DEFAULTS, OPEN_POINTS, Judge, smallest, under_every_reading
from grantproof.iam.comparison.compare import Verdict, compare, quick_verdict
from grantproof.iam.comparison.comparisons import layers_of
from grantproof.iam.comparison.named import named_in
from tests.iam import named
from tests.iam.test_compare import allow, allow_on_other, deny, enter, identity, when

OWNER, PARTNER = "111111111111", "222222222222"
BUCKET = "arn:aws:s3:::"
ACROSS = f"{BUCKET}data:x:y"


def _read_as(**chosen: str) -> Assumptions:
    return Assumptions(chosen)


def verdict_under(reading: Assumptions, old: Any, new: Any) -> Verdict:
    return compare(old, new, assumptions=reading, every_reading=False).verdict


# --- combinations -----------------------------------------------------------------------------------------------------


def _covered_twice_or_thrice() -> tuple[Any, Any]:
    """What `new` allows, `old` allows by one statement as wildcards are read as running over colons (O5), by another as
    an address is read as one (O16), and by a third only if a missing key satisfies ForAnyValue (O3): it takes another
    reading of the first two and not of the third for `new` to allow more. Six other points are touched, and do not
    matter."""
    elsewhere = [
        allow(
            "sqs:*", ["arn:aws:sqs:*:*:*", f"arn:aws:s*s:eu-west-1:{OWNER}:q", "arn:aws:sqs:*:*:${aws:PrincipalTag/t}"]
        ),
        allow("sns:*", **when("Null", "aws:SourceVpc", "true")),
        allow("ec2:*", **when("StringLike", "aws:RequestTag/a", "b*")),
        allow("ses:*", **when("Bool", "aws:SecureTransport", "${aws:ViaAWSService}")),
    ]
    old = identity(
        *elsewhere,
        allow("s3:*", f"{BUCKET}d*x:y"),
        allow("s3:*", **when("NotIpAddress", "aws:SourceIp", "2001:db8::")),
        allow("s3:*", **when("ForAnyValue:StringNotEquals", "aws:TagKeys", "a")),
    )
    both = {"IpAddress": {"aws:SourceIp": "2001:db8::1/128"}, "Null": {"aws:TagKeys": "true"}}
    return old, identity(*elsewhere, allow("s3:*", ACROSS, Condition=both))


def test_a_verdict_that_only_a_combination_of_readings_changes_names_the_points_of_it() -> None:
    old, new = _covered_twice_or_thrice()
    for other in ({"O5": "segments"}, {"O16": "32"}, {name: point.readings[-1] for name, point in OPEN_POINTS.items()}):
        assert verdict_under(_read_as(**other), old, new) is Verdict.NARROWER
    assert verdict_under(_read_as(O5="segments", O16="32"), old, new) is Verdict.DIFFERENT
    found = compare(old, new)
    assert (found.verdict, found.depends_on) == (Verdict.NARROWER, ("O5", "O16"))
    assert not found.allows_nothing_new


def test_a_difference_that_only_a_combination_of_readings_takes_away_names_the_points_of_it() -> None:
    wide, narrow = _covered_twice_or_thrice()
    (whole,), (limit,) = wide.identity, narrow.identity
    nothing, something = identity(deny("*")), replace(wide, identity=(whole,), boundary=(limit,))
    elsewhere = replace(something, identity=(replace(whole, statements=limit.statements[:-1]),))
    assert compare(nothing, something).verdict is Verdict.WIDER
    found = compare(elsewhere, something)
    assert (found.verdict, found.depends_on) == (Verdict.WIDER, ("O5", "O16"))


def test_an_open_point_that_only_a_test_with_a_variable_asks_for_is_named() -> None:
    """A request is allowed only if the variable is `fixed` and a missing key satisfies ForAnyValue (O3)."""
    variable = "${aws:PrincipalTag/v}"
    conditions = {"ForAnyValue:StringNotEquals": {"aws:TagKeys": variable}, "Null": {"aws:TagKeys": "true"}}
    some = allow("s3:*", f"{BUCKET}{variable}", Condition=conditions)
    fixed = {"Version": "2012-10-17", "Statement": [allow("s3:*", f"{BUCKET}fixed")]}
    nothing, limited = identity(deny("*"), boundary=[fixed]), identity(some, boundary=[fixed])
    assert verdict_under(_read_as(O3="true"), nothing, limited) is Verdict.WIDER
    found = compare(nothing, limited)
    assert (found.verdict, found.depends_on) == (Verdict.EQUAL, ("O3",))


def test_a_computation_runs_once_for_all_readings_that_it_does_not_ask_for() -> None:
    """Random computations ask for some points only under certain readings of others."""
    names = sorted(OPEN_POINTS)[:7]
    for seed in range(60):
        random = Random(seed)  # noqa: S311 - random computations, not secrets
        tree = {bits: random.choice([*names, "yes", "no"]) for n in range(6) for bits in product((0, 1), repeat=n)}

        def decide(judge: Judge, tree: dict[tuple[int, ...], str] = tree) -> bool:
            at: tuple[int, ...] = ()
            while (asked := tree.get(at, "no")) in OPEN_POINTS:
                at = (*at, int(judge.takes(asked, OPEN_POINTS[asked].readings[1])))
            return asked == "yes"

        ways = list(under_every_reading(decide, DEFAULTS))
        for choice in product((0, 1), repeat=len(names)):
            reading = _read_as(**{n: OPEN_POINTS[n].readings[c] for n, c in zip(names, choice, strict=True)})
            truth = decide(Judge(reading))
            assert any(other.unlike(DEFAULTS) <= reading.unlike(DEFAULTS) for other, said in ways if said is truth)
        flipping = [r.unlike(DEFAULTS) for r, said in ways if said is not decide(Judge(DEFAULTS))]
        alone = {
            name
            for name in names
            if decide(Judge(_read_as(**{name: OPEN_POINTS[name].readings[1]}))) is not decide(Judge(DEFAULTS))
        }
        assert alone <= set(smallest(flipping))
        assert [len(r.unlike(DEFAULTS)) for r, _ in ways] == sorted(len(r.unlike(DEFAULTS)) for r, _ in ways)


@pytest.mark.parametrize("seed", [4, 6])
def test_exactly_the_open_points_whose_reading_changes_the_verdict_are_named(seed: int) -> None:
    old, new = named.pair(seed)
    found = compare(old, new, owner=named.OWNER)
    for name, point in OPEN_POINTS.items():
        other = compare(
            old, new, owner=named.OWNER, assumptions=_read_as(**{name: point.readings[1]}), every_reading=False
        )
        assert (other.verdict is not found.verdict) <= (name in found.depends_on)
        assert (found.depends_on == (name,)) <= (other.verdict is not found.verdict)


# --- single points ----------------------------------------------------------------------------------------------------


def test_an_empty_text_is_an_open_point_for_every_text_operator() -> None:
    """O20 concerns all operators on text, not only Null."""
    either = identity(allow("s3:*", **when("StringEqualsIfExists", "aws:SourceVpc", "vpc-1", "")))
    one = identity(allow("s3:*", **when("StringEqualsIfExists", "aws:SourceVpc", "vpc-1")))
    assert verdict_under(_read_as(O20="null"), either, one) is Verdict.EQUAL
    found = compare(either, one)
    assert (found.verdict, found.depends_on) == (Verdict.NARROWER, ("O20",))


def test_both_readings_of_the_case_of_user_names_are_evaluated() -> None:
    users = f"arn:aws:iam::{OWNER}:user/"
    kept, away = allow("iam:*", [f"{users}bob", f"{users}Team/*"]), deny("iam:*", [f"{users}BOB", f"{users}team/*"])
    found = compare(identity(kept, away), identity(kept))
    assert (found.verdict, found.depends_on) == (Verdict.EQUAL, ("O6",))
    # What both have, or what no other names in another case, depends on nothing.
    assert compare(identity(kept), identity(kept, allow("sqs:*"))).depends_on == ()
    assert compare(identity(kept, allow("iam:*", f"{users}Bo?")), identity(kept)).depends_on == ()
    of_roles = deny("iam:*", f"arn:aws:iam::{OWNER}:role/Team"), allow("iam:*", f"arn:aws:iam::{OWNER}:role/team")
    assert compare(identity(*of_roles), identity(of_roles[1])).depends_on == ()


def test_a_variable_in_the_name_of_a_user_is_followed_without_regard_to_case_where_nothing_is_known_of_it() -> None:
    users = f"arn:aws:iam::{OWNER}:user/"
    own, away = allow("iam:*", f"{users}${{aws:PrincipalTag/t}}"), deny("iam:*", f"{users}ADMIN")
    assert compare(identity(own, away), identity(own, away, allow("sqs:*"))).depends_on == ()
    others = allow("iam:*", f"{users}admin")
    assert compare(identity(others, own), identity(others, own, away)).depends_on == ()
    found = compare(identity(others, away, own), identity(others, own, deny("iam:*", [f"{users}ADMIN", f"{users}x/"])))
    assert (found.verdict, found.depends_on) == (Verdict.NARROWER, ())
    known = allow("s3:*", **when("StringEquals", "aws:PrincipalTag/t", "x"))
    assert "O6" in compare(identity(known, own, away), identity(known, away)).depends_on


def test_a_grant_to_a_federated_user_of_another_account_depends_on_what_limits_it() -> None:
    """O18 also concerns federated users without a boundary and a session policy."""
    everything = {"identity": [{"Statement": [allow("*")]}]}
    there = allow("s3:*", Principal={"AWS": OWNER})
    fed = allow("s3:*", Principal={"AWS": f"arn:aws:sts::{PARTNER}:federated-user/fed"})
    old, new = (layers_of({**everything, "resource": {"Statement": some}}) for some in ([there], [there, fed]))
    found = compare(old, new, owner=OWNER)
    assert (found.verdict, found.depends_on) == (Verdict.EQUAL, ("O18", "O22"))


def test_a_statement_with_a_variable_without_value_is_void_as_a_whole_or_not_at_all() -> None:
    """Under that reading of O9 it is void whatever else of it matches, and in Not form too."""
    void = _read_as(O9="void")
    asked = {"principal": f"arn:aws:iam::{OWNER}:user/u", "action": "s3:GetObject", "resource": f"{BUCKET}a"}
    asked["resource_account"] = OWNER
    for element in (
        {"Resource": ["*", f"{BUCKET}${{aws:PrincipalTag/v}}"]},
        {"NotResource": f"{BUCKET}${{aws:PrincipalTag/v}}"},
    ):
        some = {"Effect": "Allow", "Action": "s3:*", **element}
        layers = parse_layers({"identity": [{"Version": "2012-10-17", "Statement": [some]}]})
        assert evaluate(parse_request(asked), layers).depends_on == ("O9",)
        assert not evaluate(parse_request(asked), layers, void).allowed
    others = allow_on_other(f"{BUCKET}${{aws:PrincipalTag/v}}")
    old, new = identity(others), identity(others, allow("*", **when("Null", "aws:PrincipalTag/v", "true")))
    assert verdict_under(void, old, new) is Verdict.WIDER
    found = compare(old, new)
    assert (found.verdict, found.depends_on) == (Verdict.EQUAL, ("O9",))


def test_an_evaluation_that_asks_for_many_points_names_each_that_matters() -> None:
    """Nine points are asked for here, 512 combinations; the only one that matters is not among the last."""
    trap = "ForAnyValue:StringNotEquals"
    conditions = {trap: {"aws:TagKeys": "a"}}
    many = [
        allow("s3:*", [f"{BUCKET}d*x:y", "arn:aws:*:::data:x:y", f"{BUCKET}${{aws:PrincipalTag/v}}"]),
        deny("s3:*", Condition=conditions),
        allow("s3:*", **when("Null", "aws:SourceVpc", "false")),
        allow("s3:*", **when("IpAddress", "aws:SourceIp", "2001:db8::")),
        allow("s3:*", **when("StringEquals", "aws:RequestTag/a", "B")),
        allow("s3:*"),
    ]
    asked = {
        "principal": f"arn:aws:iam::{OWNER}:user/u",
        "action": "s3:GetObject",
        "resource": ACROSS,
        "resource_account": OWNER,
        "context": {"aws:SourceVpc": "", "aws:SourceIp": "2001:db8::1", "aws:RequestTag/a": "b"},
    }
    assert evaluate(parse_request(asked), identity(*many)).depends_on == ("O3",)


def test_trust_policies_are_evaluated_under_every_reading_too() -> None:
    old, new = (layers_of({"resource": {"Statement": some}}) for some in ([enter({"AWS": OWNER})], [enter("*")]))
    found = compare(old, new, owner=OWNER)
    assert (found.verdict, found.depends_on) == (Verdict.WIDER, ("O10",))
    assert quick_verdict(old, new, owner=OWNER) is Verdict.WIDER


def test_a_short_pattern_of_an_arn_operator_is_an_open_point() -> None:
    role = f"arn:aws:iam::{OWNER}:role/r"
    one = identity(allow("s3:*", **when("ArnLike", "aws:PrincipalArn", role)))
    for short in ("*", "arn:aws:iam::*"):
        found = compare(one, identity(allow("s3:*", **when("ArnLike", "aws:PrincipalArn", short))))
        assert (found.verdict, found.depends_on) == (Verdict.WIDER, ("O41",))
    whole = [when("ArnNotLike", "aws:SourceArn", text) for text in ("arn:aws:s3", "arn:aws:s3:*:*:*")]
    old, new = (identity(allow("s3:*", **block)) for block in whole)
    assert verdict_under(DEFAULTS, old, new) is Verdict.EQUAL
    assert verdict_under(_read_as(O41="never"), old, new) is Verdict.NARROWER


def test_a_variable_before_the_fifth_colon_is_an_open_point() -> None:
    """AWS documents that a variable cannot stand there, but a managed policy of AWS has one."""
    own, all_of_them = (allow("sqs:*", f"arn:aws:sqs:*:{account}:q") for account in ("${aws:PrincipalAccount}", "*"))
    found = compare(identity(all_of_them), identity(all_of_them, own))
    assert (found.verdict, found.depends_on) == (Verdict.EQUAL, ())
    found = compare(identity(), identity(own))
    assert (found.verdict, found.depends_on) == (Verdict.EQUAL, ("O42",))
    replaced = compare(identity(), identity(own), assumptions=_read_as(O42="replaced"))
    assert (replaced.verdict, replaced.depends_on) == (Verdict.WIDER, ("O42",))
    (difference,) = replaced.new_access
    assert f":{difference.witness.principal.account}:" in (difference.witness.resource or "")
    denied = deny("sqs:*", "arn:aws:sqs:*:${aws:PrincipalAccount}:q")
    found = compare(identity(all_of_them), identity(all_of_them, denied))
    assert (found.verdict, found.depends_on) == (Verdict.EQUAL, ("O42",))


def test_the_colon_of_a_variable_does_not_separate_fields_of_an_arn() -> None:
    """Accounts, services and names after the variable are found in their own fields."""
    replaced = _read_as(O42="replaced")
    one = allow("sqs:*", f"arn:aws:sqs:${{aws:RequestedRegion}}:{PARTNER}:*")
    policy = parse_layers({"identity": [{"Version": "2012-10-17", "Statement": [one]}]})
    assert PARTNER in named_in(policy).accounts
    short = allow("sqs:*", "arn:aws:sqs:${aws:RequestedRegion}")
    whole = allow("sqs:*", "arn:aws:sqs:${aws:RequestedRegion}:*:*")
    assert verdict_under(replaced, identity(short), identity(whole)) is Verdict.EQUAL
    every = allow("sqs:ListQueues", "arn:aws:sqs:${aws:RequestedRegion}:*:*")
    asked = {"principal": f"arn:aws:iam::{OWNER}:user/u", "action": "sqs:ListQueues", "resource": "*"}
    asked["context"] = {"aws:RequestedRegion": "eu-west-1"}
    assert evaluate(parse_request(asked), identity(every)).depends_on == ("O28", "O42")
    assert evaluate(parse_request(asked), identity(every), replaced).depends_on == ("O28",)
