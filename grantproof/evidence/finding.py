"""A finding: one clause of a contract, broken or not judged, with what shows it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

Verdict = Literal["broken", "unverified"]
Status = Literal["pass", "fail", "unknown", "error", "not run", "exception"]
#: The closed vocabulary of what can be said of a claim. Only `pass` counts as passed.
STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Why a finding does not fail its claim: a waiver's owner, reason and last day (ISO date), and where it stands."""

    owner: str
    reason: str
    expires: str
    place: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What a suite found about one clause.

    Attributes:
        grant: the grant's name.
        clause: what was claimed, as a sentence about the grant.
        status: `unverified` where the claim could not be judged; it counts as a failure, never as a pass.
        detail: what was found instead.
        place: `file:line:column` of the template or contract that shows it, as a person would look it up.
        statement: the statement's Sid or index in its policy.
        witness: a request that shows it: principal, action, resource, context.
        covers: `digest` of what the text abbreviates or leaves out, such as the whole statement: another one is another
            finding.
        accepted: the waiver under which it is accepted, if there is one that has not expired.
        note: what else is to be said of it, such as that a waiver has expired.
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
        """What stays the same while the finding does, whatever lines it moves to: 16 hexadecimal digits."""
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
    """Text in which places name their file only."""
    return _LINES.sub(r"\1", text)


def digest(value: Any) -> str:
    """16 hexadecimal digits that stand for a value, which is JSON-serialisable."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def numbered(claim: str, findings: Iterable[Finding]) -> tuple[tuple[str, Finding], ...]:
    """The findings of a claim (`Claim.id`), each with its fingerprint, a number behind those that repeat."""
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
    """Calls of one kind that a test made: who called what on what, how often it was allowed and refused."""

    principal: str
    action: str
    resource: str
    allowed: int
    refused: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one phase of one test says about one grant; plain data on its way from a worker to the run.

    `proved` counts the statements that the test settled for all requests; `calls` the boto3 calls that it made,
    `refused` those of them that were refused. `reason` says why the status is what it is, where findings do not;
    of what passed, what of it was not tried.
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
        """Did the claim hold?"""
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
