"""The results of a run: the claims of every grant, and the reasons why a run is incomplete."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from grantproof.contract.undecided import Draft
from grantproof.evidence.claim import SUITES, Claim, Planned, settle
from grantproof.evidence.finding import Outcome
from grantproof.evidence.waivers import Waivers

Word = Literal["verified", "verified with accepted deviations", "not verified"]


@dataclass(frozen=True, slots=True)
class Results:
    """All claims, sorted, and what is needed to judge them.

    Attributes:
        grants: the names of all grants that were to be verified.
        claims: the result of each claim of the population.
        problems: why the run is incomplete; a run with a problem verifies nothing.
        facts: `access.describe` as data, by grant.
        untouched: tests (`suite/test`) for which a grant has no subject, by grant.
        unused: lines on accepted deviations that were not found, and on waivers that are still drafts.
        seconds: duration of tests, by grant.
        against: for real accounts, a line on the exports, by grant.
        drafts: the contracts with open `DECIDE` marks, by grant.
    """

    grants: tuple[str, ...]
    claims: tuple[Claim, ...]
    problems: tuple[str, ...] = ()
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    untouched: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    against: Mapping[str, str] = field(default_factory=dict)
    drafts: Mapping[str, Draft] = field(default_factory=dict)

    def claims_of(self, grant: str) -> tuple[Claim, ...]:
        """The claims of one grant."""
        return tuple(claim for claim in self.claims if claim.grant == grant)

    def word(self, grant: str) -> Word:
        """The verdict on one grant."""
        return verdict(self.claims_of(grant), self.problems)

    @property
    def gaps(self) -> tuple[str, ...]:
        """The reasons why the run is incomplete, one line each. Reports that list failures only need them, since they
        would otherwise read as passed."""
        out = [f"the run is not whole, so it verifies nothing: {problem}" for problem in self.problems]
        for grant in self.grants:
            claims = self.claims_of(grant)
            if not claims:
                out.append(f"{grant} was not verified: no claim of it was collected")
            elif left := sum(claim.status == "not run" for claim in claims):
                out.append(f"{grant} was not verified: {left} of its {len(claims)} claims were not run")
        return tuple(out)

    @property
    def verdict(self) -> Word:
        """The verdict on the run: the worst of its grants."""
        words = {self.word(grant) for grant in self.grants}
        if not words or "not verified" in words:
            return "not verified"
        return "verified with accepted deviations" if len(words) > 1 or "verified" not in words else "verified"


def verdict(claims: Sequence[Claim], problems: Sequence[str]) -> Word:
    """The verdict on claims: verified needs a complete run, a passed claim, and only passed or accepted claims."""
    statuses = {claim.status for claim in claims}
    if problems or "pass" not in statuses or not statuses <= {"pass", "exception"}:
        return "not verified"
    return "verified" if statuses == {"pass"} else "verified with accepted deviations"


class Collection:
    """Collects the data that tests of one or many processes send, in any order."""

    def __init__(self) -> None:
        self._planned: dict[str, Planned] = {}
        self._functions: set[str] = set()
        self._outcomes: list[Outcome] = []
        self._facts: dict[str, Mapping[str, Any]] = {}
        self._problems: list[str] = []

    def has_outcomes_of(self, suites: Iterable[str]) -> bool:
        """Has an outcome of one of these suites arrived?"""
        return any(outcome.suite in suites for outcome in self._outcomes)

    def population(self, data: Mapping[str, Any]) -> None:
        """Add the claims of one process. Processes with different claims are a problem."""
        planned = {entry["nodeid"]: Planned(**entry) for entry in data["claims"]}
        if self._planned and planned != self._planned:
            self.problem("two processes collected different claims")
        self._planned |= planned
        self._functions |= set(data["functions"])

    def outcome(self, data: Mapping[str, Any]) -> None:
        """Add the outcome of one test phase. One without claim is a problem."""
        outcome = Outcome.from_dict(data)
        if outcome.nodeid not in self._planned:
            self.problem(f"{outcome.nodeid} has a result and belongs to no claim")
        self._outcomes.append(outcome)

    def facts(self, grant: str, data: Mapping[str, Any]) -> None:
        """Add the facts of a grant. Different facts from two deployments are a problem."""
        if self._facts.setdefault(grant, data) != data:
            self.problem(f"two deployments of {grant} differ")

    def failed_without_outcome(self, nodeid: str, why: str) -> None:
        """Add an error for a test that ended without outcome, for example since its worker died. Where it belongs to no
        claim, it is a problem of the run."""
        planned = self._planned.get(nodeid)
        if planned is None:
            self.problem(f"{nodeid or 'the run'} failed: {why}")
            return
        self._outcomes.append(Outcome(nodeid, planned.grant, planned.suite, planned.test, "error", 0.0, why))

    def problem(self, text: str) -> None:
        """Add a reason why the run is incomplete."""
        if text not in self._problems:
            self._problems.append(text)

    def results(
        self,
        grants: Sequence[str],
        waivers: Iterable[Waivers] = (),
        *,
        ended: str = "",
        suites: Sequence[str] = SUITES,
        against: Mapping[str, str] | None = None,
        drafts: Mapping[str, Draft] | None = None,
    ) -> Results:
        """The results of all data so far. `ended` is the reason where the run ended abnormally; `suites` are those that
        must have been collected."""
        claims = settle(tuple(self._planned.values()), self._outcomes)
        problems = list(self._problems)
        if not claims:
            problems.append("nothing was collected")
        if ended:
            problems.append(ended)
        there = {function.split("/")[0] for function in self._functions}
        if claims:
            problems += [f"the suite {suite} was not collected" for suite in suites if suite not in there]
        seconds: dict[str, float] = {}
        for outcome in self._outcomes:
            seconds[outcome.grant] = seconds.get(outcome.grant, 0.0) + outcome.seconds
        return Results(
            grants=tuple(sorted(grants)),
            claims=claims,
            problems=tuple(sorted(problems)),
            facts=self._facts,
            untouched={g: self._untouched(g, claims) for g in grants},
            unused=tuple(line for own in waivers for line in own.unused(claims)),
            seconds=seconds,
            against=against or {},
            drafts=drafts or {},
        )

    def _untouched(self, grant: str, claims: Iterable[Claim]) -> tuple[str, ...]:
        touched = {f"{c.suite}/{c.test}" for c in claims if c.grant == grant}
        return tuple(sorted(self._functions - touched))
