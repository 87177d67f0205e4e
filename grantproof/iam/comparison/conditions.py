"""Values of condition keys with which required tests hold and given statements do not fire."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from grantproof.iam.assumption import Assumptions
from grantproof.iam.comparison.correlated import together
from grantproof.iam.comparison.effort import Effort, TooHard
from grantproof.iam.comparison.values import Keys
from grantproof.iam.condition import Test
from grantproof.iam.policy import Statement
from grantproof.iam.request import Values


class Conditions:
    """Finds such values for one kind of caller, under one reading of the open points."""

    def __init__(self, keys: Keys, effort: Effort) -> None:
        self.keys, self._effort = keys, effort

    def found(
        self, required: frozenset[Test], unless: Sequence[Statement]
    ) -> Iterator[tuple[Mapping[str, Values], Assumptions]]:
        """Such values with the reading that they need; nothing where there are none."""
        context = self.context(required, unless)
        if context is not None:
            yield context, self.keys.assumptions

    def check(self) -> None:
        """Check that no value was skipped.

        Raises:
            TooHard: some were, because the evaluator does not decide them.
        """
        if self.keys.unsure:
            raise TooHard(self.keys.unsure)

    def context(self, required: frozenset[Test], unless: Sequence[Statement]) -> Mapping[str, Values] | None:
        """Values of condition keys with which every required test holds and some test of each statement fails."""
        clauses = []
        for statement in unless:
            tests = frozenset(statement.conditions)
            if tests <= required:
                return None
            clauses.append(tests - required)
        if not required and not clauses:
            return {}
        return self._solve(_by_key(required), {}, sorted(set(clauses), key=len))

    def _solve(
        self,
        true: Mapping[str, frozenset[Test]],
        false: Mapping[str, frozenset[Test]],
        clauses: Sequence[frozenset[Test]],
    ) -> Mapping[str, Values] | None:
        for key, tests in true.items():
            if self.keys.find(key, tests, false.get(key, frozenset())) is None:
                return None
        if not clauses:
            return together(self.keys, true, false)
        first, rest = clauses[0], clauses[1:]
        self._effort.spend(1 + len(clauses) // 4, "the conditions can fail in too many ways to try")
        for test in sorted(first, key=str):
            refused = false.get(test.key, frozenset()) | {test}
            if self.keys.find(test.key, true.get(test.key, frozenset()), refused) is None:
                continue
            later = [clause for clause in rest if test not in clause]
            found = self._solve(true, {**false, test.key: refused}, later)
            if found is not None:
                return found
        return None


def _by_key(tests: Iterable[Test]) -> dict[str, frozenset[Test]]:
    out: dict[str, frozenset[Test]] = {}
    for test in tests:
        out[test.key] = out.get(test.key, frozenset()) | {test}
    return out
