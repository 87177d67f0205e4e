"""The reports of a change: for a terminal, for a pull request, as data, and the files of a report folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grantproof.evidence.report_folder import put
from grantproof.gate.sarif import sarif
from grantproof.gate.wording import EFFECTS, SINCE_THIS_CHANGE, described, headline, notes, request_words, shown_grants
from grantproof.source import shown

if TYPE_CHECKING:
    from grantproof.gate.access import Access
    from grantproof.gate.change import Change


# --- terminal ---------------------------------------------------------------------------------------------------------


def text(change: Change) -> str:
    """For a terminal."""
    lines = [headline(change)]
    lines += [f"  note: {note}" for note in notes(change)]
    for grant in shown_grants(change):
        lines.append(f"{'' if grant.passes else 'NOT COVERED  '}{grant.grant}  ({grant.what})")
        lines += [f"  cannot be compared: {doubt}" for doubt in grant.doubts]
        lines += [f"  ! {notice}" for notice in grant.notices]
        for access in grant.access:
            first, *others = described(access)
            lines.append(f"  {'+' if access.way == 'gained' else '-'} {first}")
            lines += [f"      {line}" for line in others]
    return "\n".join(lines) + "\n"


# --- pull requests ----------------------------------------------------------------------------------------------------


def markdown(change: Change) -> str:
    """For a comment on a pull request. Text from templates is put in code spans, which keeps Markdown in it from being
    rendered."""
    passes = "✅" if change.passes else "❌"
    lines = ["<!-- grantproof -->", f"### {passes} grantproof: {headline(change)}", ""]
    lines += [line for note in notes(change) for line in (f"_{_escaped(note)}_", "")]
    for grant in shown_grants(change):
        lines += [f"#### {_code(grant.grant)} {_escaped(grant.what)}", ""]
        lines += [f"- ❌ cannot be compared: {_code(doubt)}" for doubt in grant.doubts]
        lines += [f"- ⚠️ {_code(notice)}" for notice in grant.notices]
        for way in ("gained", "lost"):
            found = [access for access in grant.access if access.way == way]
            if found:
                lines += [f"**{EFFECTS[way].capitalize()}**", ""]
                lines += [line for access in found for line in _bullet(access)]
                lines.append("")
    return "\n".join(lines)


def _bullet(access: Access) -> Iterator[str]:
    mark = "➖" if access.way == "lost" else "❌" if access.promise is None else "➕"
    yield f"- {mark} {_code(access.subject)}: {_code(access.clause)}"
    if (request := request_words(access.witness)) != access.clause:
        yield f"  - for example {_code(request)}"
    yield from (f"  - because of {_code(place)}" for place in access.because)
    if access.way == "gained":
        promise = access.promise
        if promise is None:
            yield "  - **beyond the contract**: no statement of it covers this"
        else:
            what = f"**{SINCE_THIS_CHANGE}**" if promise.new else "promised before already"
            yield f"  - {what} by {_code(str(promise.place))}"


def _code(text: str) -> str:
    """A code span on one line. Backticks in the text are replaced, since they would end it."""
    return f"`{' '.join(text.split()).replace('`', chr(0x2019))}`"


def _escaped(text: str) -> str:
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>()#+-.!|" else c for c in " ".join(text.split()))


# --- programs ---------------------------------------------------------------------------------------------------------


def data(change: Change) -> dict[str, Any]:
    """Plain data, JSON-serialisable."""
    return {
        "version": 1,
        "base": {"ref": change.base.name, "commit": change.base.commit, "note": change.base.note},
        "uncommitted": list(change.uncommitted),
        "passes": change.passes,
        "summary": headline(change),
        "grants": [
            {
                "grant": grant.grant,
                "contract": shown(grant.path),
                "what": grant.what,
                "passes": grant.passes,
                "doubts": list(grant.doubts),
                "notices": list(grant.notices),
                "access": [_access(access) for access in grant.access],
            }
            for grant in change.grants
        ],
    }


def _access(access: Access) -> dict[str, Any]:
    promise = access.promise
    return {
        "way": access.way,
        "subject": access.subject,
        "clause": access.clause,
        "witness": dict(access.witness),
        "because": list(access.because),
        "promise": {"place": str(promise.place), "new": promise.new} if promise else None,
    }


NAMES = ("gate.md", "gate.sarif", "gate.json")


def clear(folder: Path) -> None:
    """Remove the reports of an earlier run, so that none of them can be taken for this one's."""
    for name in NAMES:
        (folder / name).unlink(missing_ok=True)


def write(change: Change, folder: Path) -> None:
    """Write `gate.md`, `gate.sarif` and `gate.json`, all of them or none.

    Raises:
        OSError: one of them could not be written.
    """
    texts = (markdown(change), dumps(sarif(change)), dumps(data(change)))
    put({name: text.encode(errors="backslashreplace") for name, text in zip(NAMES, texts, strict=True)}, folder)


def dumps(value: Any) -> str:
    """JSON as it is written to files: the same bytes for the same change."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
