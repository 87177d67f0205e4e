"""Claims: what is verified, one test of one grant about one thing; and the population, all claims that there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from grantproof.evidence.finding import Finding, Outcome, Status, Tried, numbered

#: The suites, in the order in which they are read.
SUITES = ("lint", "trust", "permissions", "deployment", "access", "proof", "variants")
#: The suites that judge what accounts hold, without making calls. The last is for real accounts only: a mocked world
#: holds nothing but what the grant deploys.
ON_SNAPSHOTS = ("trust", "permissions", "proof", "drift")
#: Suites that execute something; the others read what is written or deployed. The words are those of NIST SP 800-53A.
EXECUTING = ("deployment", "access", "variants")
#: From bad to good: where the phases of a test disagree, the first of them is its status.
_WORST: tuple[Status, ...] = ("error", "fail", "unknown", "not run", "exception", "pass")


@dataclass(frozen=True, slots=True)
class Planned:
    """A claim of the population, before anything ran.

    Attributes:
        nodeid: pytest's name of the test.
        grant, suite, test: whose claim, in which suite, by which test function.
        subject: what in the grant the claim is about (a principal, a template, a statement); empty for the grant.
        place: `file:line` of the clause in the contract, or of the template.
        selected: is it to be run? `-k` deselects.
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
        """A name that stays the same from run to run: `grant/suite/test[subject]`."""
        return f"{self.grant}/{self.suite}/{self.test}" + (f"[{self.subject}]" if self.subject else "")


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim with what became of it. `reason` says why where findings do not; the counts are those of `Outcome`."""

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
        """The claim in words; test functions are named as claims."""
        words = self.test.removeprefix("test_").replace("_", " ")
        return f"{words}: {self.subject}" if self.subject else words

    @property
    def method(self) -> Literal["TEST", "EXAMINE"]:
        """SP 800-53A's word for how it was assessed."""
        return "TEST" if self.suite in EXECUTING else "EXAMINE"

    @property
    def coverage(self) -> str:
        """How much was looked at, as a phrase; empty where nothing was counted."""
        parts = [f"{self.proved} settled for all requests"] if self.proved else []
        parts += [f"{self.calls} calls tried, {self.refused} of them denied"] if self.calls else []
        return "; ".join(parts)

    @property
    def shown(self) -> tuple[tuple[str, Finding], ...]:
        """The findings, each with its fingerprint, a number behind those that repeat."""
        return numbered(self.id, self.findings)


def settle(population: Sequence[Planned], outcomes: Iterable[Outcome]) -> tuple[Claim, ...]:
    """What became of every claim of the population, sorted. One of which no outcome arrived was not run, whatever the
    others say; one with several outcomes has the worst of them."""
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
    """How many claims have each status, all statuses named."""
    out: dict[Status, int] = dict.fromkeys(("pass", "fail", "unknown", "error", "not run", "exception"), 0)
    for claim in claims:
        out[claim.status] += 1
    return out
