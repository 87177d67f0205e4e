"""What one test notes while it runs: what it proved, and what it found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from grantproof.evidence.finding import Finding


@dataclass
class Notes:
    """The suites' `verdict`, for one grant."""

    grant: str = ""
    proved: int = 0
    findings: tuple[Finding, ...] = ()
    untried: tuple[str, ...] = ()

    def proves(self, number: int = 1) -> None:
        """Note that so many statements are settled for all requests."""
        self.proved += number

    def leaves_untried(self, what: str) -> None:
        """Note what was proved and could not be tried: it is said of the claim, which holds all the same."""
        self.untried += (what,)

    def broken(self, clause: str, detail: str, **shown: Any) -> None:
        """Note that a clause does not hold, with what shows it (`place`, `statement`, `witness`)."""
        self.findings += (Finding(self.grant, clause, "broken", detail, **shown),)

    def unverified(self, clause: str, detail: str, **shown: Any) -> None:
        """Note that a clause could not be judged: it fails, because not understood is not verified."""
        self.findings += (Finding(self.grant, clause, "unverified", detail, **shown),)
