"""The exact comparison of small policies, checked by enumerating every request of a small world."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import permutations, product
from random import Random
from typing import Any

import pytest

from grantproof.iam import Assumptions, IamError, evaluate, parse_layers, parse_request
from grantproof.iam.comparison import cells
from grantproof.iam.comparison.compare import Comparison, Verdict, compare, contained, quick_verdict
from grantproof.iam.comparison.comparisons import compared, layers_of
from grantproof.iam.comparison.prepared import Prepared
from grantproof.iam.glob import folded, glob, spellings
from grantproof.iam.lines import answer
from tests.iam import brute, hard, named

PARAMETER = "arn:aws:ssm:eu-west-1:111111111111:parameter/X"
OWNER = "111111111111"


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {**allow(action, resource, **more), "Effect": "Deny"}


def allow_but(*actions: str) -> dict[str, Any]:
    return {"Effect": "Allow", "NotAction": list(actions), "Resource": "*"}


def deny_but(*actions: str) -> dict[str, Any]:
    return {**allow_but(*actions), "Effect": "Deny"}


def allow_on_other(*resources: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "*", "NotResource": list(resources)}


def identity(*statements: dict[str, Any], **layers: Any) -> Any:
    return layers_of({"identity": [{"Version": "2012-10-17", "Statement": list(statements)}], **layers})


def trust(*statements: dict[str, Any]) -> Any:
    everything = {"Version": "2012-10-17", "Statement": [allow("*")]}
    return layers_of({"identity": [everything], "resource": {"Version": "2012-10-17", "Statement": list(statements)}})


def enter(principal: Any, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **more}


def when(operator: str, key: str, *values: str) -> dict[str, Any]:
    return {"Condition": {operator: {key: list(values)}}}


def verdict(old: Any, new: Any, **options: Any) -> str:
    return str(compare(old, new, **options).verdict.value)


def clauses(comparison: Comparison) -> tuple[list[str], list[str]]:
    return [str(d.clause) for d in comparison.new_access], [str(d.clause) for d in comparison.lost_access]


# --- what it says -----------------------------------------------------------------------------------------------------


def test_one_more_asterisk_is_wider_and_the_witness_uses_it() -> None:
    found = compare(
        identity(allow("ssm:GetParameter", PARAMETER)), identity(allow("ssm:GetParameter", f"{PARAMETER}*"))
    )
    assert found.verdict is Verdict.WIDER
    assert clauses(found) == ([f"ssm:GetParameter on {PARAMETER}*, except on {PARAMETER}"], [])
    (witness,) = (d.witness for d in found.new_access)
    assert (witness.action, witness.resource) == ("ssm:GetParameter", f"{PARAMETER}example")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (identity(allow("s3:GetObject")), identity(allow("S3:getobject"))),
        (identity(allow(["s3:Get*", "s3:GetObject"])), identity(allow("s3:Get*"))),
        (identity(allow("s3:*"), deny("s3:Put*")), identity(deny("s3:Put*"), allow("s3:*"))),
        (identity(allow(["s3:A", "s3:B"])), identity(allow("s3:A"), allow("s3:B"))),
        (identity(allow("s3:*"), deny("s3:*")), identity(allow("ec2:*"), deny("ec2:*"))),
        (identity(allow("s3:?")), identity(allow("s3:?"), allow("s3:A"))),
        (identity(allow("*")), identity({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}, allow("s3:*"))),
        (
            identity(allow("s3:*", **when("StringEquals", "k", "a", "b"))),
            identity(allow("s3:*", **when("StringEquals", "K", "a")), allow("s3:*", **when("StringEquals", "k", "b"))),
        ),
        (
            identity(allow("s3:*", **when("NumericLessThan", "n", "5"))),
            identity(allow("s3:*", **when("NumericLessThan", "n", "5", "3"))),
        ),
        (
            identity(allow("s3:*", **when("IpAddress", "aws:SourceIp", "10.0.0.0/24"))),
            identity(allow("s3:*", **when("IpAddress", "aws:SourceIp", "10.0.0.0/25", "10.0.0.128/25"))),
        ),
        (
            identity(allow("s3:*", "arn:aws:s3:::b/${aws:username}/*")),
            identity(allow("s3:*", "arn:aws:s3:::b/${AWS:UserName}/*")),
        ),
        (
            identity(allow("*"), boundary=[{"Statement": [allow("s3:*")]}]),
            identity(allow("s3:*"), scp=[[{"Statement": [allow("*")]}]]),
        ),
        (trust(enter({"AWS": "222222222222"})), trust(enter({"AWS": "arn:aws:iam::222222222222:root"}))),
        (
            identity(allow("kms:*", **when("StringEquals", "kms:CallerAccount", OWNER))),
            identity(allow("*", **when("StringEquals", "kms:CallerAccount", OWNER))),
        ),
        (
            identity(allow("kms:*", **when("StringEquals", "kms:CallerAccount", OWNER))),
            identity(allow("kms:*", **when("StringEquals", "aws:PrincipalAccount", OWNER))),
        ),
        (
            identity(allow("*"), deny("s3:*", **when("StringNotEquals", "s3:ResourceAccount", OWNER))),
            identity(allow("*"), deny("s3:*", **when("StringNotEquals", "aws:ResourceAccount", OWNER))),
        ),
        (
            identity(allow("s3:*", **when("Bool", "aws:MultiFactorAuthPresent", "true"))),
            identity(allow("s3:*"), deny("*", **when("BoolIfExists", "aws:MultiFactorAuthPresent", "false"))),
        ),
        (
            identity(allow("s3:*", **when("StringEqualsIfExists", "aws:PrincipalOrgID", "o-1"))),
            identity(allow("s3:*", **when("ForAllValues:StringEquals", "aws:PrincipalOrgID", "o-1"))),
        ),
    ],
    ids=lambda side: "",
)
def test_policies_that_allow_the_same_are_equal(old: Any, new: Any) -> None:
    for one, other in ((old, new), (new, old)):
        found = compare(one, other, owner=OWNER)
        assert (found.verdict, found.reason, found.depends_on) == (Verdict.EQUAL, "", ())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (identity(allow("s3:GetObject")), identity(allow("s3:Get*"))),
        (
            identity(allow("ec2:*", f"arn:aws:ec2:eu-west-1:{OWNER}:instance/*")),
            identity(allow("ec2:*", "arn:aws:ec2:*:*:instance/*")),
        ),
        (identity(allow("s3:*", "arn:aws:s3:::b")), identity(allow("s3:*", "arn:*:s3:::b"))),
        (
            identity(allow("s3:*", **when("StringEquals", "aws:PrincipalOrgID", "o-1"))),
            identity(allow("s3:*", **when("ForAllValues:StringEquals", "aws:PrincipalOrgID", "o-1"))),
        ),
        (identity(allow("s3:*", **when("StringEquals", "k", "a"))), identity(allow("s3:*"))),
        (
            identity(allow("s3:*", **when("StringEquals", "k", "a"))),
            identity(allow("s3:*", **when("StringLike", "k", "a*"))),
        ),
        (
            identity(allow("s3:*", **when("Bool", "aws:MultiFactorAuthPresent", "true"))),
            identity(allow("s3:*", **when("BoolIfExists", "aws:MultiFactorAuthPresent", "true"))),
        ),
        (identity(allow("s3:*"), deny("s3:Put*")), identity(allow("s3:*"), deny("s3:Put*", "arn:aws:s3:::a"))),
        (
            identity(allow("s3:*", **when("DateLessThan", "aws:CurrentTime", "2026-01-01T00:00:00Z"))),
            identity(allow("s3:*", **when("DateLessThan", "aws:CurrentTime", "2026-01-01T00:00:01Z"))),
        ),
        (
            identity(allow("s3:*", "arn:aws:s3:::b/${aws:username}/*"), deny("s3:*", "arn:aws:s3:::b/admin/*")),
            identity(allow("s3:*", "arn:aws:s3:::b/${aws:username}/*")),
        ),
        (
            identity(allow("s3:*", **when("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:user/bob"))),
            identity(allow("s3:*", **when("StringEquals", "aws:username", "bob"))),
        ),
        (identity(allow("*"), boundary=[{"Statement": [allow("s3:*")]}]), identity(allow("*"))),
        # Only what several Not forms name at once gets away from all of them.
        (identity(allow_but("s3:a*"), allow_but("s3:*b")), identity(allow("*"))),
        (identity(allow("*"), deny_but("s3:a*"), deny_but("s3:*b"), deny("s3:acb")), identity(allow("s3:a*b"))),
        (
            identity(allow_on_other("arn:aws:s3:::a*"), allow_on_other("arn:aws:s3:::*b")),
            identity(allow("*")),
        ),
        (
            trust(enter({"AWS": "222222222222"}, **when("StringEquals", "sts:ExternalId", "x"))),
            trust(enter({"AWS": "222222222222"})),
        ),
        (trust(enter({"AWS": "222222222222"})), trust(enter({"AWS": ["222222222222", "333333333333"]}))),
        (
            trust(enter({"AWS": "arn:aws:iam::222222222222:role/app"})),
            trust(
                enter(
                    {"AWS": "222222222222"},
                    **when("ArnEquals", "aws:PrincipalArn", "arn:aws:iam::222222222222:role/a*"),
                )
            ),
        ),
    ],
    ids=lambda side: "",
)
def test_a_policy_that_allows_more_is_wider_and_the_reverse_is_narrower(old: Any, new: Any) -> None:
    assert verdict(old, new, owner=OWNER) == "wider"
    assert verdict(new, old, owner=OWNER) == "narrower"


def test_patterns_are_spelt_as_aws_begins_them() -> None:
    found = compare(identity(), identity(allow(["ssm:getparameter*", "s3:*object", "nosuch:thing*"])))
    assert clauses(found)[0] == ["ssm:GetParameter* and s3:*object and nosuch:thing* on *"]


def test_a_witness_is_allowed_on_one_side_only() -> None:
    old, new = identity(allow("s3:Get*")), identity(allow("s3:*Object", **when("StringLike", "k", "a*")))
    found = compare(old, new)
    for difference, with_it, without in (
        *((d, new, old) for d in found.new_access),
        *((d, old, new) for d in found.lost_access),
    ):
        assert evaluate(difference.witness, with_it).allowed
        assert not evaluate(difference.witness, without).allowed
    assert found.verdict is Verdict.DIFFERENT


def test_a_verdict_that_depends_on_an_open_point_names_it() -> None:
    old = identity(allow("s3:*", "arn:aws:s3:::a*b"))
    new = identity(allow("s3:*", "arn:aws:s3:::a*b"), allow("s3:*", "arn:aws:s3:::a:b"))
    found = compare(old, new)
    assert (found.verdict, found.depends_on) == (Verdict.EQUAL, ("O5",))
    assert not found.allows_nothing_new
    assert verdict(old, new, assumptions=Assumptions({"O5": "segments"})) == "wider"


def test_actions_that_do_not_exist_yet_count_unless_they_are_left_out() -> None:
    from grantproof.iam import actions

    gets = [name for name in actions.in_service("sqs") if name.startswith("sqs:Get")]
    old, new = identity(allow(gets)), identity(allow("sqs:Get*"))
    assert verdict(old, new) == "wider"
    assert verdict(old, new, known=True) == "equal"


@pytest.mark.parametrize(
    ("outer", "holds"),
    [
        (identity(allow("*")), True),
        (identity(allow("*"), boundary=[{"Statement": [allow("*")]}]), True),
        (identity(allow("*"), boundary=[{"Statement": [allow("s3:Put*")]}]), False),
        (identity(allow("*"), deny("s3:GetObject")), False),
        (identity(allow("*", **when("Bool", "aws:SecureTransport", "true"))), False),
        (identity(allow("*"), scp=[]), False),
        (identity(allow("*", "arn:aws:s3:::*")), False),
    ],
    ids=range(7),
)
def test_only_a_policy_that_allows_everything_contains_all_others(outer: Any, holds: bool) -> None:
    assert contained(identity(allow("s3:Get*")), outer) is holds
    assert (verdict(outer, identity(allow("s3:Get*"))) in ("equal", "narrower")) is holds


BUCKETS = "arn:aws:s3:::"


def test_a_variable_may_be_longer_than_the_counting_patterns() -> None:
    """`a${k}` is not only two characters long."""
    old = identity(allow("s3:*", BUCKETS + "a${k}"), deny("s3:*", [BUCKETS + "a?", BUCKETS + "a"]))
    assert verdict(old, identity()) == "narrower"
    assert verdict(identity(allow("s3:*", BUCKETS + "a${k}"), deny("s3:*", BUCKETS + "a?*")), identity()) == "equal"
    assert verdict(identity(allow("s3:*", BUCKETS + "a${k}"), deny("s3:*", BUCKETS + "a??*")), identity()) == "narrower"


def test_a_value_that_meets_a_pattern_may_be_of_any_length_that_another_counts() -> None:
    """If k is `abc`, a text is allowed that begins with `a` and does not have two characters."""
    only_k = {"Effect": "Deny", "Action": "s3:*", "NotResource": BUCKETS + "${k}"}
    new = identity(allow("s3:*", BUCKETS + "a*"), deny("s3:*", BUCKETS + "a?"), only_k)
    assert verdict(identity(only_k), new) == "wider"


def test_a_variable_at_different_places_of_patterns_that_may_meet_is_not_taken_for_apart() -> None:
    """`a${k}` and `${k}*` overlap if k is `a`."""
    old_allow = allow("s3:*", BUCKETS + "${k}*")
    old, new = identity(old_allow), identity(old_allow, deny("s3:*", BUCKETS + "a${k}"))
    found = compare(old, new)
    assert found.verdict is Verdict.NARROWER
    assert str(found.lost_access[0].clause) == "s3:* on arn:aws:s3:::aa if StringEquals k [a]"
    assert found.lost_access[0].witness.context == {"k": ("a",)}
    # Where no value is found that makes a difference, there may still be one.
    old, new = (identity(old_allow, deny(actions, BUCKETS + "a${k}")) for actions in ("s3:*", ["s3:*", "s3:a*"]))
    found = compare(old, new)
    assert found.verdict is Verdict.UNDETERMINED
    assert "different places" in found.reason


def test_a_variable_at_the_same_place_or_in_patterns_of_different_length_is_no_doubt() -> None:
    home = ["${aws:username}", "${aws:username}/*", "home/${aws:username}", "home/${aws:username}/*"]
    old = identity(allow("s3:*", [f"{BUCKETS}b/{name}" for name in home[2:]]), deny("s3:Put*", BUCKETS + "x/*"))
    new = identity(*(allow("s3:*", f"{BUCKETS}b/{name}") for name in home[2:]), deny("s3:Put*", BUCKETS + "x/*"))
    assert verdict(old, new) == "equal"


def test_a_pattern_that_counts_characters_of_other_texts_leaves_no_doubt_about_a_variable() -> None:
    home = allow("s3:*", BUCKETS + "a/${k}")
    assert verdict(identity(home), identity(home, allow("s3:*", BUCKETS + "b/" + "?" * 12))) == "wider"
    # Here it is: `a/` and 12 characters may be what the variable makes.
    counted = deny("s3:*", BUCKETS + "a/" + "?" * 12)
    assert verdict(identity(home), identity(home, counted)) == "undetermined"


def test_a_variable_in_statements_that_cannot_both_apply_leaves_no_doubt() -> None:
    """`${k}*` and `a${k}` may overlap, but requests for queues match neither."""
    tangled = (allow("s3:*", BUCKETS + "${k}*"), deny("s3:*", BUCKETS + "a${k}"))
    queues = allow("sqs:*", "arn:aws:sqs:eu-west-1:*:${v}")
    one = allow("sqs:Get*", "arn:aws:sqs:eu-west-1:*:${v}")
    assert contained(identity(one), identity(queues, *tangled))
    # A condition on the key of a variable that stands elsewhere still has every value.
    limited = allow("sqs:*", **when("StringEqualsIfExists", "k", "a"))
    assert not contained(identity(limited), identity(deny("sqs:*", **when("Null", "k", "false")), limited, *tangled))


AGENTS = "arn:aws:aidevops:*:*:agentspace/${aws:PrincipalTag/Space}"


@pytest.mark.parametrize("account", ["222222222222", "210987654321", "321098765432"])
@pytest.mark.parametrize("key", ["aws:PrincipalAccount", "aws:ResourceAccount"])
def test_accounts_that_no_policy_names_are_considered_whichever_are_named(key: str, account: str) -> None:
    """The comparison uses some accounts in place of all that no policy names; a policy may name exactly these."""
    named = identity(allow("s3:*", **when("StringEquals", key, account)))
    every = identity(allow("s3:*", **when("Null", key, "false")))
    assert verdict(named, every) == "wider"


@pytest.mark.parametrize("owner", [OWNER, "210987654321", None])
@pytest.mark.parametrize("account", ["222222222222", "210987654321", "321098765432"])
def test_a_role_that_opens_to_any_account_is_seen_to_whichever_account_it_was_open_before(
    account: str, owner: str | None
) -> None:
    users = when("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:user/*")
    before, after = trust(enter({"AWS": account}, **users)), trust(enter("*", **users))
    assert verdict(before, after, owner=owner) == "wider"


@pytest.mark.parametrize("character", ["\ue000", "\ue100", "\uf8ff"])
@pytest.mark.parametrize(
    "statement",
    [
        lambda text: allow("s3:*", f"arn:aws:s3:::{text}"),
        lambda text: allow("s3:*", **when("StringEquals", "app:key", text)),
        lambda text: enter({"AWS": f"arn:aws:iam::222222222222:user/{text}"}),
        lambda text: enter({"Service": text}),
    ],
    ids=["resource", "value", "user", "service"],
)
def test_a_character_that_stands_for_anything_cannot_be_written_in_a_policy(statement: Any, character: str) -> None:
    one = statement(character)
    with pytest.raises(IamError, match="private area"):
        _ = trust(one) if "Principal" in one else identity(one)


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ({"Action": "sts:AssumeRole", "Resource": "*"}, "a role trust policy has no Resource"),
        ({"Action": ["sts:AssumeRole", "s3:GetObject"]}, "names actions of sts beside others"),
        ({"Action": ["kms:Decrypt", "s3:GetObject"], "Resource": "*"}, "names actions of kms beside others"),
        ({"NotAction": "kms:*", "Resource": "*"}, "does not say whether it is a key's"),
    ],
)
def test_a_resource_policy_of_unclear_type_is_refused_for_roles_and_keys(statement: dict[str, Any], says: str) -> None:
    """As a bucket's policy, a statement on assuming roles would have no effect, even if it names everybody."""
    for principal in ("*", {"AWS": "222222222222"}):
        with pytest.raises(IamError, match=says):
            trust({"Effect": "Allow", "Principal": principal, **statement})


@pytest.mark.parametrize(("action", "expected"), [("s3:PutBucketPolicy", "equal"), ("s3:PutBucketAcl", "wider")])
def test_a_deny_that_cannot_bind_the_owners_root_user_makes_no_difference(action: str, expected: str) -> None:
    def denying(*actions: str) -> Any:
        statements = [{"Effect": "Deny", "Principal": "*", "Action": list(actions), "Resource": "*"}]
        return layers_of({"resource": {"Version": "2012-10-17", "Statement": statements}})

    assert verdict(denying("s3:GetObject", action), denying("s3:GetObject"), owner=OWNER) == expected


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("${aws:PrincipalTag/team}", "${aws:PrincipalTag/team, 'everybody'}"),
        ("${aws:PrincipalTag/team, 'everybody'}", "${aws:PrincipalTag/team, 'everybody'}*"),
    ],
)
def test_a_default_gives_more_than_the_variable_without_one(old: str, new: str) -> None:
    """A caller without the tag is allowed by the default only, whatever values of the tag are tried."""
    without, having = (identity(allow("s3:GetObject", f"arn:aws:s3:::reports/{text}")) for text in (old, new))
    assert verdict(without, having) == "wider"
    assert verdict(having, without) == "narrower"


def test_defaults_that_differ_give_something_else_each() -> None:
    one, other = (
        identity(allow("s3:GetObject", f"arn:aws:s3:::reports/${{aws:PrincipalTag/team, '{default}'}}"))
        for default in ("red", "blue")
    )
    assert verdict(one, other) == "different"


def test_a_verdict_that_no_value_of_a_variable_changes_needs_no_values() -> None:
    """Because of wildcards, the two patterns overlap within the value of the variable."""
    assert contained(identity(allow("aidevops:Get*", AGENTS)), identity(allow("aidevops:*", [AGENTS, f"{AGENTS}/*"])))
    assert not contained(identity(allow("aidevops:*", [AGENTS, f"{AGENTS}/*"])), identity(allow("aidevops:*", AGENTS)))
    # Not where a condition asks for the value,
    admin = allow("s3:*", BUCKETS + "${k}", **when("StringEquals", "k", "a"))
    assert not contained(identity(admin), identity(allow("s3:*", BUCKETS + "b")))
    # where a value may be what a Not form names,
    other = {"Effect": "Allow", "Action": "s3:*", "NotResource": BUCKETS + "b"}
    assert not contained(identity(allow("s3:*", BUCKETS + "${k}")), identity(other))
    # or what it names is a value,
    but = {"Effect": "Allow", "Action": "s3:*", "NotResource": BUCKETS + "${k}"}
    assert not contained(identity(allow("s3:*", BUCKETS + "a")), identity(but))
    # where wildcards stop at a colon that the value may hold,
    inside, outside = identity(allow("s3:*", BUCKETS + "a${k}b")), identity(allow("s3:*", BUCKETS + "a*b"))
    assert contained(inside, outside)
    assert verdict(outside, inside, assumptions=Assumptions({"O5": "segments"})) != "narrower"
    # nor where the value makes it an ARN.
    replaced = Assumptions({"O42": "replaced"})
    assert not contained(identity(allow("s3:*", "arn:${k}")), identity(), assumptions=replaced)


def test_plain_and_set_operators_on_one_key_take_it_for_single_valued() -> None:
    old = identity(allow("s3:*", **when("StringEquals", "aws:TagKeys", "a")))
    new = identity(allow("s3:*", **when("ForAnyValue:StringEquals", "aws:TagKeys", "a")))
    found = compare(old, new)
    assert found.verdict is Verdict.UNDETERMINED
    assert "O24" in found.reason


def test_access_that_another_account_has_to_grant_as_well_is_compared_too() -> None:
    """An identity policy allows requests in other accounts if their policies allow them too (rule X7)."""
    elsewhere = when("StringNotEquals", "aws:ResourceAccount", "${aws:PrincipalAccount}")
    found = compare(identity(), identity(allow("s3:*", **elsewhere)))
    assert found.verdict is Verdict.WIDER
    assert all(difference.owner_lets_in for difference in found.new_access)


@pytest.mark.parametrize("title", sorted(hard.CASES))
def test_hard_policies_are_decided_or_given_up_but_never_called_equal(title: str) -> None:
    found = compare(*hard.CASES[title])
    if title == "16 rotations against themselves":
        assert found.verdict is Verdict.EQUAL
    elif title == "40 scattered patterns against 40":
        assert found.verdict is Verdict.DIFFERENT
    else:
        assert (found.verdict, "in too many ways" in found.reason) == (Verdict.UNDETERMINED, True)


def test_statements_on_both_sides_are_not_searched() -> None:
    # Sixty ways in each of four layers; of the second side one is missing in one layer.
    assert compare(hard.layered(0, ["a"]), hard.layered(1, ["a"])).verdict is Verdict.NARROWER


def test_a_statement_in_another_layer_of_the_other_side_is_still_searched() -> None:
    read, write = ({"Effect": "Allow", "Action": f"s3:{verb}Object", "Resource": "*"} for verb in ("Get", "Put"))
    both, one = {"Statement": [read, write]}, {"Statement": [read]}
    wide = parse_layers({"identity": [both], "boundary": [both]})
    for narrow in ({"identity": [one], "boundary": [both]}, {"identity": [both], "boundary": [one]}):
        found = compare(parse_layers(narrow), wide)
        assert (found.verdict, len(found.new_access)) == (Verdict.WIDER, 1)
        assert found.new_access[0].witness.action.lower() == "s3:putobject"


@pytest.mark.parametrize("first", range(0, 30, 3))
def test_leaving_out_statements_of_both_sides_gives_exactly_the_same_answer(
    first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answers() -> list[Comparison]:
        return [compare(old, new, owner=owner, every_reading=False) for old, new, owner in pairs]

    pairs: list[tuple[Any, Any, str | None]] = []
    for seed, kind in zip(range(first, first + 3), ({}, {"limits": True}, {"variables": True}), strict=True):
        one, other = brute.pair(seed, **kind)
        mixed = [(_with_some_of(one, other), one), (_with_some_of(one, other), _with_some_of(other, one))]
        pairs += [(brute.parsed(old), brute.parsed(new), None) for old, new in mixed]
    with suppress(IamError):
        pairs.append((*named.pair(first), named.OWNER))
    left_out = answers()
    monkeypatch.setattr(cells, "_alike", lambda mine, theirs: {})
    assert answers() == left_out


def _with_some_of(one: Any, other: Any) -> Any:
    """One side, and two statements of each policy of the other beside its own."""
    out = json.loads(json.dumps(one))
    for layer, policies in other.items():
        for mine, theirs in zip(out.get(layer) or (), policies or (), strict=False):
            if isinstance(mine, dict):
                mine["Statement"] = [*mine["Statement"], *theirs["Statement"][:2]]
    return out


# --- against enumeration ----------------------------------------------------------------------------------------------


def check(old: Any, new: Any, owner: str | None, truth: tuple[bool, bool], seed: int) -> Verdict:
    """Whatever enumeration finds, the comparison finds. (It may find more.) One of the ways is asked by itself too, and
    says the same."""
    old, new = Prepared(old), Prepared(new)
    found = quick_verdict(old, new, owner=owner)
    if found is not Verdict.UNDETERMINED:
        more, less = found in (Verdict.WIDER, Verdict.DIFFERENT), found in (Verdict.NARROWER, Verdict.DIFFERENT)
        assert (truth[0] <= more, truth[1] <= less) == (True, True)
        if owner is None:
            assert contained(old, new) is not less if seed % 2 else contained(new, old) is not more
    return found


CHUNK = 250
#: 5,000 pairs: how many chunks of each kind.
CHUNKS = {"plain": 10, "limits": 6, "variables": 4}


def test_a_value_that_a_third_pattern_alone_permits_is_tried() -> None:
    """A Not form with `?` leaves exactly one text that matches both `*a*` and `${v}*`."""
    old, new = map(brute.parsed, brute.pair(1_027_587, variables=True))
    assert brute.differs(old, new) == (True, False)
    assert quick_verdict(old, new) is Verdict.WIDER
    assert compare(old, new, every_reading=False).verdict is Verdict.WIDER


@pytest.mark.parametrize(("kind", "chunk"), [(kind, n) for kind, chunks in CHUNKS.items() for n in range(chunks)])
def test_no_difference_is_missed(kind: str, chunk: int) -> None:
    options = {} if kind == "plain" else {kind: True}
    undetermined = 0
    for seed in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        old, new = map(brute.parsed, brute.pair(seed, **options))
        undetermined += check(old, new, None, brute.differs(old, new), seed) is Verdict.UNDETERMINED
    assert undetermined <= CHUNK // 20


@pytest.mark.parametrize("chunk", range(2))
def test_no_difference_between_resource_policies_is_missed(chunk: int) -> None:
    for seed in range(chunk * 25, (chunk + 1) * 25):
        old, new = named.pair(seed)
        assert check(old, new, named.OWNER, named.differs(old, new), seed) is not Verdict.UNDETERMINED


# --- what holds for all policies --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40))
def test_adding_an_allow_never_narrows(seed: int) -> None:
    old, new = brute.pair(seed, limits=True)
    extra = {**new["identity"][0], "Statement": [s for s in new["identity"][0]["Statement"] if s["Effect"] == "Allow"]}
    more = {**old, "identity": [*old["identity"], extra]}
    assert verdict(brute.parsed(old), brute.parsed(more)) in ("equal", "wider")


@pytest.mark.parametrize("seed", range(40))
def test_splitting_statements_changes_nothing(seed: int) -> None:
    old, _ = brute.pair(seed)
    split = {"identity": [{**d, "Statement": [s]} for d in old["identity"] for s in d["Statement"]]}
    assert verdict(brute.parsed(old), brute.parsed(split)) == "equal"


def test_a_role_always_has_an_arn() -> None:
    """So a condition on it with IfExists or a negated operator is not met by its absence (C45)."""
    role = "arn:aws:iam::222222222222:role/app"
    for operator in ("StringEqualsIfExists", "ArnLikeIfExists"):
        alone = identity(allow("s3:*", **when(operator, "aws:PrincipalArn", role)))
        assert verdict(identity(deny("*")), alone) == "wider"
        plain = when(operator.removesuffix("IfExists"), "aws:PrincipalArn", role)
        assert verdict(identity(allow("s3:*", **plain)), alone) == "equal"


MIRRORED = {"wider": "narrower", "narrower": "wider"}


@pytest.mark.parametrize("seed", range(40))
def test_containment_is_a_partial_order_and_equal_an_equivalence(seed: int) -> None:
    """Each of three sides is made from the one before, so many contain each other."""
    one, two = brute.pair(seed)
    three = brute.changed(Random(seed), two, variables=False)  # noqa: S311 - random policies, not secrets
    sides = list(map(brute.parsed, (one, two, three)))
    holds = {(a, b): contained(sides[a], sides[b]) for a, b in product(range(3), repeat=2)}
    verdicts = {(a, b): quick_verdict(sides[a], sides[b]).value for a, b in permutations(range(3), 2)}
    assert all(holds[a, a] for a in range(3))
    for a, b, c in permutations(range(3)):
        if holds[a, b] and holds[b, c]:
            assert holds[a, c]
        found = verdicts[a, b]
        assert (found == "equal") == (holds[a, b] and holds[b, a])
        assert verdicts[b, a] == MIRRORED.get(found, found)


def test_the_generated_chains_often_contain_each_other() -> None:
    chains = 0
    for seed in range(40):
        one, two = brute.pair(seed)
        three = brute.changed(Random(seed), two, variables=False)  # noqa: S311 - random policies, not secrets
        sides = list(map(brute.parsed, (one, two, three)))
        chains += contained(sides[0], sides[1]) and contained(sides[1], sides[2])
    assert chains >= 8


@pytest.mark.parametrize(
    ("operator", "key", "good", "bad"),
    [
        ("NumericLessThan", "aws:MultiFactorAuthAge", "3600", "*"),
        ("NumericLessThan", "aws:MultiFactorAuthAge", "3600", "an hour"),
        ("NumericNotEquals", "s3:max-keys", "10", "ten"),
        ("DateLessThan", "aws:CurrentTime", "2030-01-01T00:00:00Z", "tomorrow"),
        ("IpAddress", "aws:SourceIp", "192.0.2.0/24", "office"),
    ],
)
def test_a_value_of_a_policy_that_is_of_another_type_than_its_operator_is_undetermined(
    operator: str, key: str, good: str, bad: str
) -> None:
    """AWS does not document how it treats such a value (O24), so it is neither converted nor ignored."""
    right, wrong = (identity(allow("s3:ListBucket", Condition={operator: {key: value}})) for value in (good, bad))
    for old, new in ((right, wrong), (wrong, right)):
        found = compare(old, new)
        assert found.verdict is Verdict.UNDETERMINED
        assert "O24" in found.reason


# --- as JSON Lines ----------------------------------------------------------------------------------------------------


def test_a_line_is_answered_with_its_id_and_a_witness_that_evaluate_understands() -> None:
    new = {"identity": [{"Version": "2012-10-17", "Statement": [allow("ssm:GetParameter", PARAMETER)]}]}
    found = answer(json.dumps({"id": 7, "old": {"identity": []}, "new": new}), compared)
    assert (found["id"], found["verdict"]) == (7, "wider")
    (difference,) = found["new_access"]
    assert evaluate(parse_request(difference["witness"]), parse_layers(new)).allowed
    assert difference["because"] == [{"policy": "identity[0]", "statement": 0, "sid": None, "effect": "Allow"}]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[]", "a case is a JSON object"),
        ("{", "not JSON"),
        ('{"old": {}}', "new is an object of layers"),
        ('{"old": {}, "new": {}, "newer": {}}', "unknown field 'newer'"),
        ('{"old": {}, "new": {"identity": [{}]}}', "Statement is missing"),
        ('{"old": {}, "new": {}, "owner": 1}', "not 12 digits in quotes"),
    ],
)
def test_a_line_that_is_wrong_says_how(line: str, message: str) -> None:
    assert message in answer(line, compared)["error"]["message"]


@pytest.mark.parametrize("side", ["old", "new"])
def test_a_line_that_is_wrong_says_on_which_side(side: str) -> None:
    case = {"old": {}, "new": {}, side: {"identity": [{"Statement": [allow("s3:*"), {"Effect": "Allow"}]}]}}
    error = answer(json.dumps(case), compared)["error"]
    assert (error["document"], error["statement"], error["element"]) == (f"{side}.identity[0]", 1, "Action")


def test_the_characters_that_equal_ascii_letters_without_regard_to_case_are_known() -> None:
    """Checked for all characters. U+212A equals k, and U+017F equals s."""
    beyond = {chr(code) for code in range(128, 0x30000) if folded(chr(code)).isascii()}
    assert beyond == {"\u212a", "\u017f"}
    for letter in map(chr, range(128)):
        assert all(folded(spelt) == folded(letter) for spelt in spellings(letter))
        assert {spelt for spelt in beyond if folded(spelt) == folded(letter)} <= spellings(letter)


def test_a_kelvin_sign_is_a_k_where_case_does_not_count() -> None:
    key = "aws:PrincipalTag/unit"
    old = identity(allow("s3:GetObject", **when("StringEquals", key, "k", "K")))
    new = identity(allow("s3:GetObject", **when("StringEqualsIgnoreCase", key, "k")))
    found = compare(old, new)
    assert found.verdict is Verdict.WIDER
    assert found.new_access[0].witness.context["aws:principaltag/unit"] == ("\u212a",)


# --- services as callers ----------------------------------------------------------------------------------------------


def _of_everybody(*tests: tuple[str, list[str]], effect: str = "Allow") -> dict[str, Any]:
    condition = {operator: {"aws:PrincipalServiceName": names} for operator, names in tests}
    return {"Effect": effect, "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*", "Condition": condition}


def _on_a_queue(*statements: dict[str, Any]) -> Any:
    return parse_layers({"identity": [], "resource": {"Version": "2012-10-17", "Statement": [*statements]}})


@pytest.mark.parametrize(
    ("old", "new", "witness"),
    [
        ([], [_of_everybody(("StringEquals", ["sns.amazonaws.com"]))], "sns.amazonaws.com"),
        (
            [_of_everybody(("StringEquals", ["s3.amazonaws.com"]))],
            [_of_everybody(("StringLike", ["s?.amazonaws.com"]))],
            "s?.amazonaws.com",
        ),
        (
            [_of_everybody(("StringLike", ["s*"])), _of_everybody(("StringLike", ["*s.amazonaws.com"]), effect="Deny")],
            [_of_everybody(("StringLike", ["s*"]))],
            "s*.amazonaws.com",
        ),
    ],
    ids=["one", "a pattern", "where two meet"],
)
def test_services_that_conditions_name_are_callers(old: Any, new: Any, witness: str) -> None:
    found = compare(_on_a_queue(*old), _on_a_queue(*new), owner="111111111111")
    assert found.verdict is Verdict.WIDER
    callers = [difference.witness.principal.name or "" for difference in found.new_access]
    assert callers
    assert all(glob(witness).matches(caller) for caller in callers)


def test_the_only_service_that_is_not_denied_is_considered() -> None:
    """The identity policy denies all others. Found by enumerating layered policies (seed 1,000,839)."""
    spared = {"StringNotEqualsIfExists": {"aws:PrincipalServiceName": "sns.amazonaws.com"}}
    own = [{"Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": spared}]}]
    trust = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}
    nobody = {"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"}]}
    old, new = (layers_of({"identity": own, "resource": document}) for document in (nobody, trust))
    assert compare(old, new, owner="111111111111").verdict is Verdict.WIDER


def test_too_many_patterns_of_services_are_undetermined() -> None:
    new = _on_a_queue(_of_everybody(("StringLike", ["a*", "*b.amazonaws.com", "*c*"])))
    assert compare(_on_a_queue(), new, owner="111111111111").verdict is Verdict.UNDETERMINED


def test_a_unique_id_may_name_a_principal_of_the_owners_account_that_needs_no_other_policy() -> None:
    """Rules P23 and E11: within one account, the resource's policy is enough."""
    for unique_id in ("AIDACKCEVSQ6C2EXAMPLE", "AROACKCEVSQ6C2EXAMPLE"):
        old, new = (
            layers_of({"resource": {"Statement": [allow("s3:*", Principal={"AWS": named})]}})
            for named in ([], unique_id)
        )
        found = compare(old, new, owner=OWNER)
        assert found.verdict is Verdict.WIDER
        assert {d.witness.principal.account for d in found.new_access} == {OWNER}
