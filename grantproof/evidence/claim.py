"""Claims, each one test of one grant about one subject; and the population, the set of all claims."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from grantproof.evidence.finding import Finding, Outcome, Status, Tried, numbered

#: The suites, in the order in which reports show them.
SUITES = ("lint", "trust", "permissions", "deployment", "access", "proof", "variants")
#: The suites that judge the state of accounts, without making calls. The last is for real accounts only: a mocked world
#: contains nothing but what the grant deploys.
ON_SNAPSHOTS = ("trust", "permissions", "proof", "drift")
#: Suites whose method is TEST in the terms of NIST SP 800-53A, since they execute something; others EXAMINE.
EXECUTING = ("deployment", "access", "variants")
#: From worst to best: a test whose phases differ has the worst status of them.
_WORST: tuple[Status, ...] = ("error", "fail", "unknown", "not run", "exception", "pass")


@dataclass(frozen=True, slots=True)
class Planned:
    """A claim of the population, before any test has run.

    Attributes:
        nodeid: pytest's id of the test.
        grant, suite, test: the grant, the suite, and the test function.
        subject: the part of the grant that the claim is about (a principal, a template, a statement); empty for all.
        place: `file:line` of the clause in the contract, or of the template.
        selected: False where `-k` deselected it.
    """

    nodeid: str
    grant: str
    suite: str
    test: str
    subject: str
    place: str
    selected: bool = True

    @property
    def id(self) -> str:
        """The claim's name, the same in every run: `grant/suite/test[subject]`."""
        return f"{self.grant}/{self.suite}/{self.test}" + (f"[{self.subject}]" if self.subject else "")


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim with its result. `reason` explains the status where findings do not; counts are as in `Outcome`."""

    id: str
    grant: str
    suite: str
    test: str
    subject: str
    place: str
    status: Status
    reason: str = ""
    proved: int = 0
    calls: int = 0
    refused: int = 0
    findings: tuple[Finding, ...] = ()
    tried: tuple[Tried, ...] = ()

    @property
    def sentence(self) -> str:
        """The claim in words, from the test function's name."""
        words = self.test.removeprefix("test_").replace("_", " ")
        return f"{words}: {self.subject}" if self.subject else words

    @property
    def method(self) -> Literal["TEST", "EXAMINE"]:
        """The assessment method in the terms of NIST SP 800-53A."""
        return "TEST" if self.suite in EXECUTING else "EXAMINE"

    @property
    def coverage(self) -> str:
        """What was proved and tried, as a phrase with counts; empty where nothing was counted."""
        parts = [f"{self.proved} settled for all requests"] if self.proved else []
        parts += [f"{self.calls} calls tried, {self.refused} of them denied"] if self.calls else []
        return "; ".join(parts)

    @property
    def shown(self) -> tuple[tuple[str, Finding], ...]:
        """(fingerprint, finding) of each finding; a repeated fingerprint has a number appended."""
        return numbered(self.id, self.findings)


def settle(population: Sequence[Planned], outcomes: Iterable[Outcome]) -> tuple[Claim, ...]:
    """The result of every claim of the population, sorted. A claim without outcome was not run; one with several
    outcomes has the worst status of them."""
    arrived: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        arrived.setdefault(outcome.nodeid, []).append(outcome)
    claims = [_claim(planned, arrived.get(planned.nodeid, [])) for planned in population]
    return tuple(sorted(claims, key=_order))


def _claim(planned: Planned, outcomes: Sequence[Outcome]) -> Claim:
    claim = Claim(planned.id, planned.grant, planned.suite, planned.test, planned.subject, planned.place, "not run")
    if not outcomes:
        return replace(claim, reason="no result of it arrived" if planned.selected else "deselected")
    last = outcomes[-1]
    status = min((o.status for o in outcomes), key=_WORST.index)
    return replace(
        claim,
        status=status,
        reason="; ".join(dict.fromkeys(o.reason for o in outcomes if o.reason)),
        proved=last.proved if status == "pass" else 0,
        calls=last.calls,
        refused=last.refused,
        findings=last.findings,
        tried=last.tried,
    )


def _order(claim: Claim) -> tuple[Any, ...]:
    suite = SUITES.index(claim.suite) if claim.suite in SUITES else len(SUITES)
    return (claim.grant, suite, claim.suite, claim.test, claim.subject)


def counts(claims: Iterable[Claim]) -> Mapping[Status, int]:
    """The number of claims by status, for every status."""
    out: dict[Status, int] = dict.fromkeys(("pass", "fail", "unknown", "error", "not run", "exception"), 0)
    for claim in claims:
        out[claim.status] += 1
    return out
