"""What a change does to access, for a terminal, a pull request, a code scanner and other programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grantproof import __version__
from grantproof.evidence.finding import digest, without_lines
from grantproof.evidence.report_folder import put
from grantproof.evidence.sarif import log, uri
from grantproof.source import Place, shown

if TYPE_CHECKING:
    from grantproof.gate.access import Access
    from grantproof.gate.change import Change, GrantChange

_WORDS = {"gained": "becomes possible", "lost": "stops being possible"}


def headline(change: Change) -> str:
    """The whole in one line."""
    count = len(change.grants)
    of = f"{count} grant{'' if count == 1 else 's'} compared with {change.base}"
    gained = sum(len(grant.gained) for grant in change.grants)
    lost = sum(len(grant.lost) for grant in change.grants)
    doubts = sum(len(grant.doubts) for grant in change.grants)
    notices = sum(len(grant.notices) for grant in change.grants)
    if not (gained or lost or doubts or notices):
        return f"No change in access: {of}."
    beyond = sum(len(grant.uncovered) for grant in change.grants)
    widened = sum(len(grant.widened_with) for grant in change.grants)
    why = [f"{beyond} beyond the contract"] if beyond else []
    why += [f"{widened} BY WIDENING THE CONTRACT"] if widened else []
    parts = [f"{gained} gained" + (f" ({', '.join(why)})" if why else ""), f"{lost} lost"]
    parts += [f"{doubts} not compared"] if doubts else []
    parts += [f"{notices} more to look at"] if notices else []
    return f"Access changes: {', '.join(parts)}; {of}."


# --- terminal ---------------------------------------------------------------------------------------------------------


def text(change: Change) -> str:
    """For a terminal."""
    lines = [headline(change)]
    lines += [f"  note: {change.base.note}"] if change.base.note else []
    for grant in _speaking(change):
        lines.append(f"{'' if grant.passes else 'NOT COVERED  '}{grant.grant}  ({grant.what})")
        lines += [f"  cannot be compared: {doubt}" for doubt in grant.doubts]
        lines += [f"  ! {seen}" for seen in grant.notices]
        for access in grant.access:
            lines += [f"  {'+' if access.way == 'gained' else '-'} {line}" if n == 0 else f"      {line}" for n, line in
                      enumerate(_about(access))]  # fmt: skip
    return "\n".join(lines) + "\n"


def _about(access: Access) -> Iterator[str]:
    yield f"{access.subject}: {access.clause}"
    if (request := _request(access.witness)) != access.clause:
        yield f"for example {request}"
    if access.because:
        yield f"{'because of' if access.way == 'gained' else 'it was because of'} {', '.join(access.because)}"
    if access.way == "gained":
        yield _promised(access)


def _request(witness: Mapping[str, str]) -> str:
    if witness["action"] == "sends":  # it is no request (`access.SENDS`)
        return f"{witness['principal']} sends to {witness['resource']}"
    said = f"{witness['principal']} calls {witness['action']} on {witness['resource']}"
    return said + (f" with {witness['context']}" if "context" in witness else "")


_SINCE_THIS_CHANGE = "THE CONTRACT WAS WIDENED for it: promised since this change"


def _promised(access: Access) -> str:
    if access.promise is None:
        return "BEYOND THE CONTRACT: no statement covers this. Widen the contract in the same change, or take it out."
    what = _SINCE_THIS_CHANGE if access.promise.new else "promised before already"
    return f"{what} by {access.promise.place}"


def _speaking(change: Change) -> list[GrantChange]:
    return [
        grant
        for grant in change.grants
        if grant.access or grant.doubts or grant.notices or grant.kind in ("new", "deleted")
    ]


# --- pull requests ----------------------------------------------------------------------------------------------------


def markdown(change: Change, verdict: str = "") -> str:
    """For a comment under a pull request. What comes from templates stands in code spans, so that it is shown and not
    rendered."""
    passes = "✅" if change.passes else "❌"
    lines = ["<!-- grantproof -->", f"### {passes} grantproof: {headline(change)}", ""]
    lines += [f"_{change.base.note}_", ""] if change.base.note else []
    for grant in _speaking(change):
        lines += [f"#### {_code(grant.grant)} {_escaped(grant.what)}", ""]
        lines += [f"- ❌ cannot be compared: {_code(doubt)}" for doubt in grant.doubts]
        lines += [f"- ⚠️ {_code(seen)}" for seen in grant.notices]
        for way in ("gained", "lost"):
            found = [access for access in grant.access if access.way == way]
            if found:
                lines += [f"**{_WORDS[way].capitalize()}**", ""]
                lines += [line for access in found for line in _bullet(access)]
                lines.append("")
    if verdict:
        lines += [
            "<details><summary>Verification</summary>",
            "",
            "```text",
            verdict.replace("```", "'''"),
            "```",
            "</details>",
            "",
        ]
    return "\n".join(lines)


def _bullet(access: Access) -> Iterator[str]:
    mark = "➖" if access.way == "lost" else "❌" if access.promise is None else "➕"
    yield f"- {mark} {_code(access.subject)}: {_code(access.clause)}"
    if (request := _request(access.witness)) != access.clause:
        yield f"  - for example {_code(request)}"
    yield from (f"  - because of {_code(place)}" for place in access.because)
    if access.way == "gained":
        covered = access.promise
        if covered is None:
            yield "  - **beyond the contract**: no statement of it covers this"
        else:
            what = f"**{_SINCE_THIS_CHANGE}**" if covered.new else "promised before already"
            yield f"  - {what} by {_code(str(covered.place))}"


def _code(text: str) -> str:
    """A code span that its content cannot end."""
    return f"`{' '.join(text.split()).replace('`', chr(0x2019))}`"


def _escaped(text: str) -> str:
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>()#+-.!|" else c for c in " ".join(text.split()))


# --- programs ---------------------------------------------------------------------------------------------------------


def data(change: Change) -> dict[str, Any]:
    """Plain data, JSON-serialisable."""
    return {
        "version": 1,
        "base": {"ref": change.base.name, "commit": change.base.commit, "note": change.base.note},
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


_RULES = {
    "access-beyond-contract": ("error", "New access that the contract does not promise"),
    "access-gained": ("note", "New access that the contract promises"),
    "access-lost": ("note", "Access that is taken away"),
    "access-notice": ("warning", "What bears on access and is no request"),
    "access-not-compared": ("error", "A change that could not be compared"),
}


def sarif(change: Change) -> dict[str, Any]:
    """For code scanning: a result for each piece of access, on the changed line nearest to what decides it."""
    results = []
    changed, top = change.changed, change.top
    for grant in change.grants:
        results += [
            _result("access-not-compared", f"{grant.grant}: {doubt}", None, grant, changed, top)
            for doubt in grant.doubts
        ]
        results += [
            _result("access-notice", f"{grant.grant}: {seen}", None, grant, changed, top) for seen in grant.notices
        ]
        for access in grant.access:
            rule = (
                "access-lost"
                if access.way == "lost"
                else "access-gained"
                if access.promise
                else "access-beyond-contract"
            )
            message = f"{_WORDS[access.way].capitalize()}: " + ". ".join(_about(access))
            results.append(_result(rule, message, access.place, grant, changed, top))
    rules = [
        {"id": name, "shortDescription": {"text": said}, "defaultConfiguration": {"level": level}}
        for name, (level, said) in _RULES.items()
    ]
    driver = {"name": "grantproof", "version": __version__, "rules": rules}
    return log(
        {
            "tool": {"driver": driver},
            # A category of its own: of two uploads in one category, code scanning keeps the second.
            "automationDetails": {"id": "grantproof-gate/"},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }
    )


def _result(
    rule: str, message: str, place: Place | None, grant: GrantChange, changed: Mapping[Path, Sequence[int]], top: Path
) -> dict[str, Any]:
    decides = place or Place(grant.path, 1, 1)
    file, line = _nearest(decides, grant, changed)
    out: dict[str, Any] = {
        "ruleId": rule,
        "ruleIndex": list(_RULES).index(rule),
        "level": _RULES[rule][0],
        "message": {"text": message},
        "locations": [_location(file, line, top)],
        "partialFingerprints": {"grantproof/v1": digest([grant.grant, rule, without_lines(message)])},
    }
    if (file, line) != (decides.file.resolve(), decides.line):
        out["relatedLocations"] = [_location(decides.file.resolve(), decides.line, top)]
    return out


def _nearest(place: Place, grant: GrantChange, changed: Mapping[Path, Sequence[int]]) -> tuple[Path, int]:
    """The changed line that is nearest in the same file; else the first one in the grant's folder; else the place."""
    own = {file.resolve(): lines for file, lines in changed.items() if lines}
    file = place.file.resolve()
    if lines := own.get(file):
        return file, min(lines, key=lambda line: (abs(line - place.line), line))
    for other, lines in sorted(own.items()):
        if grant.path.resolve().parent in other.parents:
            return other, lines[0]
    return file, place.line


def _location(file: Path, line: int, top: Path) -> dict[str, Any]:
    inside = file.is_relative_to(top.resolve())
    name = uri(str(file.relative_to(top.resolve()) if inside else file))
    return {"physicalLocation": {"artifactLocation": {"uri": name}, "region": {"startLine": max(line, 1)}}}


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
