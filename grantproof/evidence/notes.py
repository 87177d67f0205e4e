"""The notes of one test: the number of statements that it proved, and its findings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from grantproof.evidence.finding import Finding


@dataclass
class Notes:
    """What one test notes about one grant; the fixture `verdict` of the suites."""

    grant: str = ""
    proved: int = 0
    findings: tuple[Finding, ...] = ()
    untried: tuple[str, ...] = ()

    def proves(self, number: int = 1) -> None:
        """Record that `number` statements were proved for all requests."""
        self.proved += number

    def could_not_try(self, what: str) -> None:
        """Record what was proved but could not be tried by a call. Reports show it; the claim holds all the same."""
        self.untried += (what,)

    def broken(self, clause: str, detail: str, **shown: Any) -> None:
        """Record that a clause does not hold; `shown` are fields of `Finding`: `place`, `statement`, `witness`."""
        self.findings += (Finding(self.grant, clause, "broken", detail, **shown),)

    def unverified(self, clause: str, detail: str, **shown: Any) -> None:
        """Record that a clause could not be judged, which makes its claim fail; `shown` as in `broken`."""
        self.findings += (Finding(self.grant, clause, "unverified", detail, **shown),)
