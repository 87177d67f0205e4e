"""The search for a value of one condition key, checked against every state of a small world."""

from __future__ import annotations

from itertools import chain, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grantproof.iam.assumption import DEFAULTS, Judge
from grantproof.iam.comparison.effort import TooHard
from grantproof.iam.comparison.language import FRESH
from grantproof.iam.comparison.values import MISSING, Bounds, Keys, Probe
from grantproof.iam.condition import Test as Entry
from grantproof.iam.condition import holds, parse_block
from grantproof.iam.errors import Undecided
from grantproof.iam.glob import glob
from grantproof.iam.request import Values
from grantproof.iam.typed import number

KEY = "k"
SINGLES = ["".join(letters) for length in range(4) for letters in product("aB" + FRESH, repeat=length)]
PAIRS = [pair for pair in product(["", "a", "B", "aB", FRESH, "a" + FRESH], repeat=2) if pair[0] != pair[1]]
TEXT_STATES: list[Values] = [MISSING, *((text,) for text in SINGLES), *PAIRS]


def entries(operator: str, *values: str) -> frozenset[Entry]:
    return frozenset(parse_block({operator: {KEY: list(values)}}, variables=True))


texts = st.sampled_from(["", "a", "b", "aB", "a*", "?", "*", "*a", "B?*"])
string_tests = st.builds(
    lambda prefix, name, optional, values: next(iter(entries(f"{prefix}String{name}{optional}", *values))),
    st.sampled_from(["", "", "ForAllValues:", "ForAnyValue:"]),
    st.sampled_from(["Equals", "NotEquals", "Like", "NotLike", "EqualsIgnoreCase", "NotEqualsIgnoreCase"]),
    st.sampled_from(["", "IfExists"]),
    st.lists(texts, min_size=1, max_size=2),
)
nulls = st.sampled_from(["true", "false"]).map(lambda value: next(iter(entries("Null", value))))
tests = st.frozensets(string_tests | nulls, max_size=3)


def fits(state: Values, true: frozenset[Entry], false: frozenset[Entry]) -> bool:
    judge = Judge(DEFAULTS)
    probe = Probe({KEY: state})
    try:
        return all(holds(t, probe, judge) for t in true) and not any(holds(t, probe, judge) for t in false)
    except Undecided:
        return False


@given(tests, tests)
def test_a_state_is_found_exactly_where_there_is_one(true: frozenset[Entry], false: frozenset[Entry]) -> None:
    found = Keys(Judge(DEFAULTS), Bounds()).find(KEY, true, false)
    if found is None:
        assert [state for state in TEXT_STATES if fits(state, true, false)] == []
    else:
        assert fits(found, true, false)


ORDERED = {
    "Numeric": (["1", "2", "2.5"], ["0", "1", "1.5", "2", "2.2", "2.5", "3"]),
    "Date": (
        ["2026-01-01", "2026-01-01T00:00:01Z", "1767225600"],
        ["2025-12-31", "2026-01-01", "2026-01-01T00:00:00.5Z", "2026-01-01T00:00:01Z", "2027-01-01"],
    ),
}


@given(st.data(), st.sampled_from(sorted(ORDERED)))
def test_numbers_and_dates_are_found_between_all_bounds(data: st.DataObject, family: str) -> None:
    values, states = ORDERED[family]
    names = st.sampled_from(
        ["Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals", "EqualsIfExists"]
    )
    one = st.builds(lambda n, v: next(iter(entries(f"{family}{n}", v))), names, st.sampled_from(values))
    true, false = data.draw(st.frozensets(one, max_size=3)), data.draw(st.frozensets(one, max_size=3))
    found = Keys(Judge(DEFAULTS), Bounds()).find(KEY, true, false)
    possible = [state for state in [MISSING, *((s,) for s in states)] if fits(state, true, false)]
    assert found is not None or possible == []
    assert found is None or fits(found, true, false)


@given(st.data())
def test_addresses_are_found_inside_and_outside_all_ranges(data: st.DataObject) -> None:
    ranges = ["10.0.0.0/30", "10.0.0.2/31", "10.0.0.1", "0.0.0.0/0", "2001:db8::/32", "2001:db8::1"]
    one = st.builds(
        lambda n, v: next(iter(entries(n, v))),
        st.sampled_from(["IpAddress", "NotIpAddress", "IpAddressIfExists"]),
        st.sampled_from(ranges),
    )
    true, false = data.draw(st.frozensets(one, max_size=3)), data.draw(st.frozensets(one, max_size=3))
    found = Keys(Judge(DEFAULTS), Bounds()).find(KEY, true, false)
    addresses = [*(f"10.0.0.{n}" for n in range(6)), "9.9.9.9", "::", "2001:db8::", "2001:db8::1", "2001:db9::"]
    possible = [s for s in chain([MISSING], ((a,) for a in addresses)) if fits(s, true, false)]
    assert found is not None or possible == []
    assert found is None or fits(found, true, false)


def test_a_settled_key_has_only_its_states() -> None:
    keys = Keys(Judge(DEFAULTS), Bounds(states={KEY: (("a",),)}))
    assert keys.find(KEY, entries("StringEquals", "a"), frozenset()) == ("a",)
    assert keys.find(KEY, frozenset(), entries("StringEquals", "a")) is None


def test_a_shaped_key_keeps_its_shape() -> None:
    keys = Keys(Judge(DEFAULTS), Bounds(shapes={KEY: ((glob("user/*"),), (glob("user/root"),))}))
    found = keys.find(KEY, entries("StringLike", "*root"), frozenset())
    assert found == (f"user/{FRESH}root",)
    assert keys.find(KEY, entries("StringEquals", "user/root"), frozenset()) is None


def test_a_key_compared_as_text_and_as_number_is_undetermined_if_nothing_is_found() -> None:
    true = entries("NumericLessThan", "5") | entries("StringLike", "9*")
    with pytest.raises(TooHard, match="both as"):
        Keys(Judge(DEFAULTS), Bounds()).find(KEY, true, frozenset())


def test_arns_are_compared_field_by_field() -> None:
    keys = Keys(Judge(DEFAULTS), Bounds())
    narrow = entries("ArnLike", "arn:aws:s3:*:111122223333:finance/*")
    assert keys.find(KEY, entries("StringLike", "arn:aws:s3:*:111122223333:finance/*"), narrow) is not None
    assert keys.find(KEY, narrow, entries("StringLike", "arn:aws:s3:*:111122223333:finance/*")) is None


@pytest.mark.parametrize(
    ("operator", "more", "less"),
    [
        ("Numeric", "1" + "0" * 30, "1" + "0" * 29 + "1"),
        ("Numeric", "1e-200", "2e-200"),
        ("Date", "2024-01-01T00:00:00.000001Z", "2024-01-01T00:00:00.000002Z"),
        ("Date", "1704067200.00000001", "1704067200.00000002"),
    ],
)
def test_a_value_between_two_close_bounds_is_found(operator: str, more: str, less: str) -> None:
    true, false = entries(f"{operator}GreaterThan", more), entries(f"{operator}GreaterThanEquals", less)
    state = Keys(Judge(DEFAULTS), Bounds(single=frozenset({KEY}))).find(KEY, true, false)
    assert state is not None
    assert all(holds(test, Probe({KEY: state}), Judge(DEFAULTS)) for test in true)
    assert not any(holds(test, Probe({KEY: state}), Judge(DEFAULTS)) for test in false)


@pytest.mark.parametrize("text", ["1e999999999", "1" * 1_001, "-1e-2000"])
def test_a_condition_on_a_text_that_is_no_number_is_undecided(text: str) -> None:
    assert number(text) is None
    with pytest.raises(Undecided, match="which is no number"):
        holds(next(iter(entries("NumericLessThan", text))), Probe({KEY: ("1",)}), Judge(DEFAULTS))


def test_a_key_of_a_known_shape_is_never_a_date() -> None:
    """A comparison of an ARN as a date is undecided, and a date is never used as an ARN."""
    shaped = Bounds(single=frozenset({KEY}), shapes={KEY: ((glob("arn:*"),), ())})
    with pytest.raises(TooHard, match="compared both as"):
        Keys(Judge(DEFAULTS), shaped).find(KEY, entries("DateLessThan", "2024"), frozenset())
