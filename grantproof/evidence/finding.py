"""A finding: one clause of a contract, verified or broken, with what shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Status = Literal["verified", "broken", "unverified"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a suite found about one clause.

    Attributes:
        grant: the grant's name.
        clause: what was claimed, as a sentence about the grant.
        status: `unverified` where the claim could not be judged; it counts as a failure, never as a pass.
        detail: what was found instead; empty where the claim is verified.
        place: `file:line:column` of the template or contract that shows it, as a person would look it up.
        statement: the statement's Sid or index in its policy.
        witness: a request that shows it: principal, action, resource, context.
    """

    grant: str
    clause: str
    status: Status
    detail: str = ""
    place: str = ""
    statement: str = ""
    witness: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"{self.place or self.grant}: {self.detail or self.clause}"]
        if self.statement:
            lines[0] = f"{self.place or self.grant} {self.statement}: {self.detail or self.clause}"
        if self.witness:
            lines.append("    for example: " + _request(self.witness))
        return "\n".join(lines)


def _request(witness: Mapping[str, Any]) -> str:
    text = f"{witness.get('principal')} calls {witness.get('action')} on {witness.get('resource')}"
    context = witness.get("context") or {}
    if context:
        text += " with " + ", ".join(f"{k}={v}" for k, v in sorted(context.items()))
    return text


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one test says about one grant; plain data on its way from a worker to the summary.

    `proved` counts the statements that the test settled for all requests; `calls` the boto3 calls that it made,
    `refused` those of them that the law refused.
    """

    grant: str
    suite: str
    test: str
    passed: bool
    seconds: float
    proved: int = 0
    calls: int = 0
    refused: int = 0
    findings: tuple[Finding, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain data, JSON-serialisable."""
        return asdict(self)

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Outcome:
        """The inverse of `as_dict`."""
        findings = tuple(Finding(**finding) for finding in data["findings"])
        return Outcome(**{**data, "findings": findings})
