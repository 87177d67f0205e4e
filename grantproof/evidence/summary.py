"""The terminal's last lines: one verdict for each grant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from grantproof.evidence.finding import Outcome


@dataclass(frozen=True, slots=True)
class Verdict:
    """What all outcomes of one grant add up to."""

    grant: str
    verified: bool
    tests: int
    failed: tuple[str, ...]
    proved: int
    calls: int
    refused: int
    seconds: float
    suites: tuple[tuple[str, int, int], ...]
    """(suite, tests passed, tests run), in the order in which the suites are read."""

    def lines(self) -> list[str]:
        """The verdict as text."""
        word = "VERIFIED" if self.verified else "NOT VERIFIED"
        suites = "  ".join(f"{name} {passed}/{run}" for name, passed, run in self.suites)
        allowed = self.calls - self.refused
        return [
            f"{word}  {self.grant}",
            f"  {suites}",
            f"  {self.proved:,} statements proved; {self.calls:,} calls tried: {allowed:,} allowed, "
            f"{self.refused:,} refused by the law; {self.seconds:.1f} s of tests",
        ]


SUITES = ("lint", "trust", "permissions", "deployment", "access", "proof")


def verdicts(outcomes: Iterable[Outcome], expected: Sequence[str]) -> list[Verdict]:
    """One verdict for each expected grant. A grant of which no test ran is not verified."""
    by_grant: dict[str, list[Outcome]] = {grant: [] for grant in expected}
    for outcome in outcomes:
        by_grant.setdefault(outcome.grant, []).append(outcome)
    return [_verdict(grant, found) for grant, found in by_grant.items()]


def _verdict(grant: str, outcomes: Sequence[Outcome]) -> Verdict:
    run = Counter(o.suite for o in outcomes)
    passed = Counter(o.suite for o in outcomes if o.passed)
    order = [s for s in SUITES if s in run] + sorted(set(run) - set(SUITES))
    return Verdict(
        grant=grant,
        verified=bool(outcomes) and all(o.passed for o in outcomes),
        tests=len(outcomes),
        failed=tuple(o.test for o in outcomes if not o.passed),
        proved=sum(o.proved for o in outcomes if o.passed),
        calls=sum(o.calls for o in outcomes),
        refused=sum(o.refused for o in outcomes),
        seconds=sum(o.seconds for o in outcomes),
        suites=tuple((suite, passed[suite], run[suite]) for suite in order),
    )
