"""A policy variable's value, with and without regard to case, against enumeration of a small world."""

from __future__ import annotations

from tests.iam import lettercase

#: Pairs of which a text that was found without regard to case was taken for written as the pattern was.
HARD = (358, 568)


def test_no_difference_in_the_case_of_a_variables_value_is_missed() -> None:
    answers = [lettercase.missed(seed) for seed in (*range(12), *HARD)]
    assert not any(answers), "a difference was missed; what is undetermined is None"
    assert answers.count(None) <= 1
