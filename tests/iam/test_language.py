"""Languages, against enumeration of every short string."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grantproof.iam.comparison.automaton import Wanted, find, least_hit
from grantproof.iam.comparison.cover import contains
from grantproof.iam.comparison.effort import Effort, TooHard
from grantproof.iam.comparison.language import (
    FRESH,
    covers,
    generic_point,
    intersection,
    overlap,
    without_covered,
)
from grantproof.iam.glob import Glob, Wild, glob
from grantproof.iam.pattern import within_fields

ALPHABET = "a:/" + FRESH
EVERY = ["".join(letters) for length in range(6) for letters in product(ALPHABET, repeat=length)]
tokens = st.lists(st.sampled_from(["a", ":", "/", *Wild]), max_size=4)
globs = tokens.map(Glob)
#: At most three characters, so that what differs differs within five.
short = st.lists(st.sampled_from(["a", ":", "/", *Wild]), max_size=3).map(Glob)


@cache
def strings(pattern: Glob) -> frozenset[str]:
    return frozenset(text for text in EVERY if pattern.matches(text))


@given(globs)
def test_the_generic_point_is_one_of_the_strings(pattern: Glob) -> None:
    assert pattern.matches(generic_point(pattern))


@given(globs, globs)
def test_a_pattern_that_covers_matches_everything_that_is_covered(outer: Glob, inner: Glob) -> None:
    if covers(outer, inner):
        assert strings(inner) <= strings(outer)


@given(st.lists(st.sampled_from(["a", "/", Wild.ANY]), max_size=4).map(Glob), globs)
def test_covering_is_exact_for_patterns_with_stars_only(outer: Glob, inner: Glob) -> None:
    assert covers(outer, inner) == (strings(inner) <= strings(outer))


@given(globs, globs)
def test_an_intersection_has_the_strings_of_both(left: Glob, right: Glob) -> None:
    met = intersection(left, right)
    assert frozenset().union(*(strings(part) for part in met)) == strings(left) & strings(right)


@given(st.lists(short, max_size=6))
def test_patterns_covered_by_others_are_removed(patterns: list[Glob]) -> None:
    kept = without_covered(patterns)
    assert all(any(covers(one, pattern) for one in kept) for pattern in patterns)
    assert not any(covers(one, other) for one in kept for other in kept if one is not other)
    assert list(kept) == [pattern for pattern in dict.fromkeys(patterns) if pattern in kept]


@given(globs, globs)
def test_two_patterns_overlap_exactly_where_they_meet(left: Glob, right: Glob) -> None:
    assert overlap(left, right) == (intersection(left, right) != ())


def test_two_patterns_that_overlap_in_too_many_ways_raise_too_hard() -> None:
    with pytest.raises(TooHard, match="too many ways"):
        intersection(glob("*".join("*abcdefghijk*")), glob("*".join("*lmnopqrstuv*")))


@given(st.lists(short, min_size=1, max_size=2), short, st.lists(short, max_size=3))
def test_a_string_is_found_exactly_where_there_is_one(group: list[Glob], other: Glob, unwanted: list[Glob]) -> None:
    text = find([[Wanted(g) for g in group], [Wanted(other)]], [Wanted(g) for g in unwanted])
    there = (frozenset().union(*map(strings, group)) & strings(other)) - frozenset().union(*map(strings, unwanted))
    if text is None:
        assert there == frozenset()
    else:
        assert any(g.matches(text) for g in group)
        assert other.matches(text)
        assert not any(g.matches(text) for g in unwanted)


@given(short, st.lists(short, min_size=1, max_size=3))
def test_least_hits_are_minimal(pattern: Glob, unwanted: list[Glob]) -> None:
    found = {f.hit for f in least_hit([[Wanted(pattern)]], [Wanted(g) for g in unwanted])}
    hits = {frozenset(n for n, g in enumerate(unwanted) if g.matches(text)) for text in strings(pattern)}
    assert all(any(least <= hit for least in found) for hit in hits)
    assert not any(one < other for one in found for other in found)


@pytest.mark.parametrize(
    ("wanted", "unwanted", "text"),
    [
        ("a*", ["a?*"], "a"),
        ("a*", ["a", "a??*"], "a" + FRESH),
        ("a?", ["a*"], None),
        ("*", ["?*", ""], None),
        ("ab", ["AB"], "ab"),
    ],
)
def test_counting_patterns_are_escaped_exactly(wanted: str, unwanted: list[str], text: str | None) -> None:
    assert find([[Wanted(glob(wanted))]], [Wanted(glob(u)) for u in unwanted]) == text


def test_case_is_ignored_if_requested() -> None:
    either = [[Wanted(glob("ab"), ignore_case=True)]]
    assert find(either, [Wanted(glob(text)) for text in ("ab", "Ab", "aB")]) == "AB"
    assert find(either, [Wanted(glob("AB"), ignore_case=True)]) is None


def test_a_search_that_exceeds_its_effort_raises_too_hard() -> None:
    unwanted = [Wanted(glob("*" + "?" * n)) for n in range(8)]
    assert find([[Wanted(glob("*a*b*"))]], unwanted, Effort(1_000)) is None
    with pytest.raises(TooHard):
        find([[Wanted(glob("*a*b*"))]], unwanted, Effort(5))


# --- many wildcards ---------------------------------------------------------------------------------------------------


def test_a_pattern_of_many_wildcards_that_stop_at_a_character_matches_as_its_regular_expression_does() -> None:
    random = Random(5)  # noqa: S311 - random patterns, not secrets
    answers: Counter[bool] = Counter()
    kinds = [*Wild, *(Wild.ANY, Wild.FIELD, Wild.NAME) * 3, "a", "b", ":", "/"]
    for _ in range(400):
        tokens = [random.choice(kinds) for _ in range(random.randint(4, 9))] + [Wild.FIELD] * random.randint(0, 1)
        plain = {Wild.ANY: ".*", Wild.ONE: "."}
        naive = "".join(plain.get(t, t.value) if isinstance(t, Wild) else re.escape(t) for t in tokens)
        for _ in range(20):
            text = "".join(random.choice("ab:/") for _ in range(random.randint(0, 9)))
            answers[Glob(tokens).matches(text)] += 1
            assert Glob(tokens).matches(text) is (re.fullmatch(naive, text, re.DOTALL) is not None), (naive, text)
    assert min(answers.values()) > 1000


def test_a_resource_pattern_of_many_stars_is_decided_at_once_under_every_reading() -> None:
    """Trying every way in which a dozen stars can match eighty letters would never end (O5)."""
    text = "arn:aws:s3:::" + "a" * 80 + ":z:c"
    wide = glob("arn:aws:s3:::" + "*a" * 12 + "*z:c")
    assert (wide.matches(text), within_fields(wide).matches(text)) == (True, False)
    assert not contains(glob("*a" * 12 + "*b"), glob("a" * 80))
