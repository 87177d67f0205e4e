"""Accepted deviations: `waivers.yaml` beside a contract, each with owner, reason and last day.

A waiver names each finding by its claim and text, for readers, and by its fingerprint, which also covers the statement,
the witness and what the text abbreviates. So a deviation that grows, or another with the same text, is not accepted.
Findings that could not be judged cannot be accepted, since their effect is unknown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, NoReturn

from grantproof.evidence.claim import Claim
from grantproof.evidence.finding import Acceptance, Finding, numbered, without_lines
from grantproof.source import Document, Key, Place, SourceError, read

NAME = "waivers.yaml"
#: Marks a value in a draft that has to be filled in by hand.
DECIDE = "DECIDE"


class WaiverError(SourceError):
    """A waiver is invalid; names the place, the fault and the next step."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A finding that a waiver accepts: its claim without the grant (`suite/test[subject]`), its text, and its
    fingerprint (`finding.numbered`)."""

    claim: str
    finding: str
    fingerprint: str
    place: Place


@dataclass(frozen=True, slots=True)
class Waiver:
    """One decision: findings that are accepted until `expires`, the last day."""

    owner: str
    reason: str
    expires: date
    accepts: tuple[Accepted, ...]
    place: Place

    @property
    def undecided(self) -> tuple[str, ...]:
        """Which of owner and reason are still marked `DECIDE`. A draft accepts nothing."""
        texts = {"owner": self.owner, "reason": self.reason}
        return tuple(name for name, text in texts.items() if re.search(rf"\b{DECIDE}\b", text))

    @property
    def acceptance(self) -> Acceptance:
        """The waiver's data, as a finding carries it."""
        return Acceptance(self.owner, self.reason, self.expires.isoformat(), str(self.place))


@dataclass(frozen=True, slots=True)
class Waivers:
    """The waivers of one grant. `path` is None where it has no such file; `drafts` are those that still have a `DECIDE`
    mark, and accept nothing."""

    grant: str
    path: Path | None = None
    entries: tuple[Waiver, ...] = field(default=())
    drafts: tuple[Waiver, ...] = field(default=())

    def apply(self, claim: str, findings: Iterable[Finding], today: date) -> tuple[Finding, ...]:
        """The findings of a claim (`Claim.id`), accepted where a waiver that has not expired accepts them."""
        return tuple(self._applied(claim, print_, finding, today) for print_, finding in numbered(claim, findings))

    def _applied(self, claim: str, print_: str, finding: Finding, today: date) -> Finding:
        if finding.status != "broken":
            return finding
        name = claim.removeprefix(f"{self.grant}/")
        alike = [
            (waiver, accepted)
            for waiver in self.entries
            for accepted in waiver.accepts
            if accepted.claim == name and without_lines(accepted.finding) == without_lines(finding.detail)
        ]
        exact = [waiver for waiver, accepted in alike if accepted.fingerprint == print_]
        for waiver in exact:
            if waiver.expires >= today:
                return replace(finding, accepted=waiver.acceptance)
        if exact:
            expired = exact[-1]
            note = f"was accepted by {expired.owner} until {expired.expires}, which is over ({expired.place})"
            return replace(finding, note=note)
        if alike:
            # Not an expired waiver but another finding: the text is the same, but what the fingerprint covers changed.
            note = f"reads like what {alike[0][1].place} accepts, and is another finding: fingerprint {print_}"
            return replace(finding, note=note)
        return finding

    def unused(self, claims: Iterable[Claim]) -> tuple[str, ...]:
        """One line for each accepted finding that was not found, of claims that have run, or whose claim is unknown,
        and one for each draft."""
        own = {claim.id.removeprefix(f"{self.grant}/"): claim for claim in claims if claim.grant == self.grant}
        out = [_open_draft(draft, own) for draft in self.drafts]
        for accepted in (a for waiver in self.entries for a in waiver.accepts):
            claim = own.get(accepted.claim)
            if claim is None:
                out.append(f"{accepted.place}: there is no claim {accepted.claim!r}; remove it or correct its name")
            elif claim.status not in ("not run", "error") and not _is_found(accepted, claim):
                out.append(f"{accepted.place}: {accepted.finding!r} is accepted and was not found; remove it")
        return tuple(out)


def _is_found(accepted: Accepted, claim: Claim) -> bool:
    found = {(print_, without_lines(f.detail)) for print_, f in claim.shown}
    return (accepted.fingerprint, without_lines(accepted.finding)) in found


def _open_draft(draft: Waiver, claims: Mapping[str, Claim]) -> str:
    """A line on a waiver that nobody has decided on yet. `claims`: those of its grant, by name without the grant."""
    named = [(accepted, claims.get(accepted.claim)) for accepted in draft.accepts]
    found = sum(claim is not None and _is_found(accepted, claim) for accepted, claim in named)
    which = f"{' and '.join(draft.undecided)} {'is' if len(draft.undecided) == 1 else 'are'}"
    marked = f"{draft.place}: {which} still marked {DECIDE}, so that it accepts nothing"
    if found:
        what = f"what it lists ({found} of the findings above)"
        return f"{marked}. To accept {what}, say who answers for it and why; or mend the templates and delete it"
    if any(claim is None or claim.status in ("not run", "error") for _, claim in named):
        return marked
    return f"{marked}, and nothing of it is found any more; delete it"


#: Prefixes of claims about the style of templates, which do not concern access.
OF_STYLE = ("lint/", "deployment/test_bad_parameter_values_are_refused", "deployment/test_no_parameter_that_reaches_")


def _is_of_style(claim: Mapping[str, Any], grant: str) -> bool:
    return str(claim["id"]).removeprefix(f"{grant}/").startswith(OF_STYLE)


def _is_unwanted_style(finding: Mapping[str, Any]) -> bool:
    """Is a style finding one that a waiver may accept? cfn-lint's errors (E1031 and others) are not, since
    CloudFormation rejects these templates."""
    return finding["status"] == "broken" and not re.match(r"E\d{4} ", finding["detail"])


def drafted(findings: Mapping[str, Any], grant: str, expires: date) -> str:
    """The text of waivers for a run's style findings in a grant's templates; empty without any. It accepts nothing
    until its `DECIDE` marks are replaced. Findings about access are omitted, since each needs a review.

    Args:
        findings: the content of `findings.json`.
        expires: the last day of the waivers.
    """
    accepts = [
        (claim["id"].removeprefix(f"{grant}/"), finding["detail"], finding["fingerprint"])
        for claim in findings["claims"]
        if claim["grant"] == grant and _is_of_style(claim, grant)
        for finding in claim["findings"]
        if _is_unwanted_style(finding)
    ]
    if not accepts:
        return ""
    lines = ["version: 1", "waivers:"]
    lines += [f'  - owner: "{DECIDE}: who answers for this?"']
    lines += [f'    reason: "{DECIDE}: why is each of these accepted?"']
    lines += [f"    expires: {expires.isoformat()}", "    accepts:"]
    for name, detail, print_ in accepts:
        lines += [f"      - claim: {json.dumps(name)}", f"        finding: {json.dumps(detail)}"]
        lines += [f'        fingerprint: "{print_}"']
    return "\n".join(lines) + "\n"


def fails_only_over_style(claims: Iterable[Claim], grant: str) -> bool:
    """Do all claims of a grant that do not hold concern how its templates are written, and were all others judged?"""
    open_ = [claim for claim in claims if claim.status not in ("pass", "exception")]
    return all(c.status == "fail" and c.id.removeprefix(f"{grant}/").startswith(OF_STYLE) for c in open_)


def count_remaining_failures(findings: Mapping[str, Any], grant: str) -> int:
    """The number of claims of a grant that would still fail if the waivers of `drafted` were accepted."""
    return sum(
        claim["status"] in ("error", "unknown")
        or (claim["status"] == "fail" and not _is_of_style(claim, grant))
        or not all(_is_unwanted_style(finding) for finding in claim["findings"])
        for claim in findings["claims"]
        if claim["grant"] == grant
    )


def load(contract: Path, grant: str) -> Waivers:
    """Read the waivers beside a contract.

    Raises:
        WaiverError: the file is invalid.
    """
    path = contract.parent / NAME
    if not path.exists():
        return Waivers(grant)
    try:
        document = read(path)
    except SourceError as error:
        raise WaiverError(error.place, error.message) from None
    found = _Reader(document).waivers()
    decided = tuple(waiver for waiver in found if not waiver.undecided)
    return Waivers(grant, path, decided, tuple(waiver for waiver in found if waiver.undecided))


_PRINT = re.compile(r"[0-9a-f]{16}(-[0-9]+)?")
_CLAIM = re.compile(r"[a-z_]+/test_\w+(\[.+\])?")


class _Reader:
    """Reads one file. Methods are in the order of the file."""

    def __init__(self, document: Document) -> None:
        self._document = document

    def _refuse(self, path: Sequence[Key], message: str) -> NoReturn:
        raise WaiverError(self._document.place(*path), message)

    def _object(self, value: Any, keys: Sequence[str], path: Sequence[Key], what: str) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            self._refuse(path, f"{what} is an object with the keys {', '.join(keys)}.")
        for key in value:
            if key not in keys:
                self._refuse([*path, key], f"{what} has no key {key!r}. Known: {', '.join(keys)}.")
        for key in keys:
            if key not in value:
                self._refuse(path, f"{what} has no {key!r}. Add it.")
        return value

    def _list(self, value: Any, path: Sequence[Key], what: str) -> list[Any]:
        if not isinstance(value, list) or not value:
            self._refuse(path, f"{what} is a list with at least one entry.")
        return value

    def _text(self, value: Any, path: Sequence[Key], what: str) -> str:
        if not isinstance(value, str) or not value.strip():
            self._refuse(path, f"{what} is text, and not empty.")
        return value.strip()

    def waivers(self) -> tuple[Waiver, ...]:
        top = self._object(self._document.value, ("version", "waivers"), (), "a file of waivers")
        if top["version"] != 1:
            self._refuse(["version"], f"version {top['version']!r} is not known. This release reads version 1.")
        entries = self._list(top["waivers"], ["waivers"], "waivers")
        out = tuple(self._waiver(entry, ["waivers", n]) for n, entry in enumerate(entries))
        seen: dict[tuple[str, str], Place] = {}
        for accepted in (a for waiver in out for a in waiver.accepts):
            key = (accepted.claim, accepted.fingerprint)
            if key in seen:
                raise WaiverError(accepted.place, f"accepts what {seen[key]} accepts already. Remove one of the two.")
            seen[key] = accepted.place
        return out

    def _waiver(self, value: Any, path: list[Key]) -> Waiver:
        entry = self._object(value, ("owner", "reason", "expires", "accepts"), path, "a waiver")
        items = self._list(entry["accepts"], [*path, "accepts"], "accepts")
        return Waiver(
            owner=self._text(entry["owner"], [*path, "owner"], "owner"),
            reason=self._text(entry["reason"], [*path, "reason"], "reason"),
            expires=self._day(entry["expires"], [*path, "expires"]),
            accepts=tuple(self._accepted(item, [*path, "accepts", n]) for n, item in enumerate(items)),
            place=self._document.place(*path),
        )

    def _day(self, value: Any, path: Sequence[Key]) -> date:
        text, day = str(value), None
        with suppress(ValueError):
            day = date.fromisoformat(text)
        if day is None or day.isoformat() != text:  # Python reads weeks as well
            self._refuse(path, f"expires is {value!r}; it is the last day, as in 2027-01-31.")
        return day

    def _accepted(self, value: Any, path: list[Key]) -> Accepted:
        if isinstance(value, Mapping) and "fingerprint" not in value:
            message = "an entry of 'accepts' has no 'fingerprint'. Take it from the finding in evidence.html."
            self._refuse(path, message)
        entry = self._object(value, ("claim", "finding", "fingerprint"), path, "an entry of 'accepts'")
        claim = self._text(entry["claim"], [*path, "claim"], "claim")
        if not _CLAIM.fullmatch(claim):
            example = "proof/test_nothing_else_came_along"
            self._refuse([*path, "claim"], f"{claim!r} is not a claim's name, which is as in {example}.")
        finding = self._text(entry["finding"], [*path, "finding"], "finding")
        print_ = self._text(entry["fingerprint"], [*path, "fingerprint"], "fingerprint")
        if not _PRINT.fullmatch(print_):
            self._refuse([*path, "fingerprint"], f"{print_!r} is no fingerprint: 16 hexadecimal digits, in quotes.")
        return Accepted(claim, finding, print_, self._document.place(*path))
