"""The summary on the terminal: one verdict per grant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from grantproof.evidence.claim import SUITES, counts
from grantproof.evidence.finding import Status
from grantproof.evidence.results import Results

_WORDS = {
    "verified": "VERIFIED",
    "verified with accepted deviations": "VERIFIED, WITH ACCEPTED DEVIATIONS",
    "not verified": "NOT VERIFIED",
}


def lines(results: Results) -> Iterator[str]:
    """The verdicts as text."""
    for grant in results.grants:
        yield from _of(results, grant)
    for problem in results.problems:
        yield f"not whole: {problem}"
    yield from results.unused


def _of(results: Results, grant: str) -> Iterator[str]:
    claims = results.claims_of(grant)
    run = Counter(claim.suite for claim in claims)
    passed = Counter(claim.suite for claim in claims if claim.status == "pass")
    calls, refused = sum(c.calls for c in claims), sum(c.refused for c in claims)
    yield f"{_WORDS[results.word(grant)]}  {grant}"
    if grant in results.drafts:
        yield f"  {results.drafts[grant]}"
    order = [s for s in SUITES if s in run] + sorted(set(run) - set(SUITES))
    yield "  " + ("  ".join(f"{suite} {passed[suite]}/{run[suite]}" for suite in order) or "no claim was collected")
    yield (
        f"  {sum(c.proved for c in claims):,} statements proved; {calls:,} calls tried: {calls - refused:,} allowed, "
        f"{refused:,} denied; {results.seconds.get(grant, 0.0):.1f} s of tests"
    )
    yield from (f"  not tried: {claim.reason}" for claim in claims if claim.status == "pass" and claim.reason)
    if grant in results.against:
        yield f"  {results.against[grant]}"
        yield f"  not run on snapshots: {', '.join(suite for suite in SUITES if suite not in run)}"
    said: Mapping[Status, str] = {
        "not run": "not run",
        "exception": "accepted under a waiver",
        "unknown": "could not be judged",
    }
    found = counts(claims)
    other = [f"{found[status]} {words}" for status, words in said.items() if found[status]]
    if other:
        yield f"  of {len(claims)} claims: {', '.join(other)}"
