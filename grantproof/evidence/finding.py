"""Findings and outcomes: a clause that does not hold or could not be judged, with its evidence."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

Verdict = Literal["broken", "unverified"]
Status = Literal["pass", "fail", "unknown", "error", "not run", "exception"]
#: The statuses of a claim. Only `pass` counts as passed.
STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The waiver under which a finding does not fail its claim: owner, reason, last day (ISO date), and place."""

    owner: str
    reason: str
    expires: str
    place: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A clause that does not hold or could not be judged.

    Attributes:
        grant: the grant's name.
        clause: the claim, as a sentence about the grant.
        status: `broken`; or `unverified` where the claim could not be judged, which counts as a failure.
        detail: what was found instead.
        place: `file:line:column` in the template or contract.
        statement: the statement's Sid or index in its policy.
        witness: a request that demonstrates it: principal, action, resource, context.
        covers: `digest` of what the text abbreviates or omits, such as the whole statement. It is part of the
            fingerprint, so that a changed statement is another finding.
        accepted: the unexpired waiver under which it is accepted, if any.
        note: an additional remark, such as that a waiver has expired.
    """

    grant: str
    clause: str
    status: Verdict
    detail: str = ""
    place: str = ""
    statement: str = ""
    witness: Mapping[str, Any] = field(default_factory=dict)
    covers: str = ""
    accepted: Acceptance | None = None
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Finding:
        """The inverse of `as_dict`."""
        accepted = data.get("accepted")
        return Finding(**{**data, "accepted": Acceptance(**accepted) if accepted else None})

    def fingerprint(self, claim: str) -> str:
        """An identifier that does not depend on line numbers: 16 hexadecimal digits."""
        text = without_lines("\0".join((claim, self.clause, self.detail, self.statement)))
        return digest([text, dict(self.witness), self.covers])

    def __str__(self) -> str:
        lines = [f"{self.place or self.grant}: {self.detail or self.clause}"]
        if self.statement:
            lines[0] = f"{self.place or self.grant} {self.statement}: {self.detail or self.clause}"
        if self.witness:
            lines.append("    for example: " + request_in_words(self.witness))
        if self.note:
            lines.append(f"    {self.note}")
        return "\n".join(lines)


_LINES = re.compile(r"(\.(?:yaml|yml|json|template)):\d+(?::\d+)?\b")


def without_lines(text: str) -> str:
    """Text with places reduced to their file."""
    return _LINES.sub(r"\1", text)


def digest(value: Any) -> str:
    """A hash of a JSON-serialisable value: 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def numbered(claim: str, findings: Iterable[Finding]) -> tuple[tuple[str, Finding], ...]:
    """(fingerprint, finding) of the findings of a claim (`Claim.id`); a repeated fingerprint has a number appended."""
    seen: dict[str, int] = {}
    out = []
    for finding in findings:
        print_ = finding.fingerprint(claim)
        seen[print_] = seen.get(print_, 0) + 1
        out.append((print_ if seen[print_] == 1 else f"{print_}-{seen[print_]}", finding))
    return tuple(out)


def request_in_words(witness: Mapping[str, Any]) -> str:
    """A witness as one line."""
    text = f"{witness.get('principal')} calls {witness.get('action')} on {witness.get('resource')}"
    context = witness.get("context") or {}
    if context:
        text += " with " + ", ".join(f"{k}={v}" for k, v in sorted(context.items()))
    return text


@dataclass(frozen=True, slots=True)
class Tried:
    """Equal calls of a test: principal, action, resource, and how often they were allowed and denied."""

    principal: str
    action: str
    resource: str
    allowed: int
    refused: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one phase of one test for one grant, as plain data that a worker sends to the controller.

    `proved` counts the statements that the test proved for all requests; `calls` the boto3 calls that it made,
    `refused` those of them that were denied. `reason` explains the status where findings do not; for a passed claim, it
    says what was proved but not tried.
    """

    nodeid: str
    grant: str
    suite: str
    test: str
    status: Status
    seconds: float
    reason: str = ""
    proved: int = 0
    calls: int = 0
    refused: int = 0
    findings: tuple[Finding, ...] = ()
    tried: tuple[Tried, ...] = ()

    @property
    def passed(self) -> bool:
        """Does the claim hold?"""
        return self.status == "pass"

    def as_dict(self) -> dict[str, Any]:
        """Plain data, JSON-serialisable."""
        return asdict(self)

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Outcome:
        """The inverse of `as_dict`."""
        findings = tuple(Finding.from_dict(finding) for finding in data["findings"])
        tried = tuple(Tried(**entry) for entry in data["tried"])
        return Outcome(**{**data, "findings": findings, "tried": tried})
