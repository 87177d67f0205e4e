"""The report of a change for code scanning, as SARIF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grantproof import __version__
from grantproof.evidence.finding import digest, without_lines
from grantproof.evidence.sarif import log, uri
from grantproof.gate.wording import EFFECTS, described
from grantproof.source import Place

if TYPE_CHECKING:
    from grantproof.gate.access import Access
    from grantproof.gate.change import Change, GrantChange

_RULES = {
    "access-beyond-contract": ("error", "New access that the contract does not promise"),
    "access-gained": ("note", "New access that the contract promises"),
    "access-lost": ("note", "Access that is taken away"),
    "access-notice": ("warning", "A change that can affect access but is not a request"),
    "access-not-compared": ("error", "A change that could not be compared"),
}


def sarif(change: Change) -> dict[str, Any]:
    """A SARIF log with a result for each piece of access, each notice and whatever could not be compared.

    Code scanning shows a result in a pull request only on a changed line. Each is therefore on the changed line nearest
    to the statement that decides.
    """
    results = []
    for grant in change.grants:
        for doubt in grant.doubts:
            results.append(_result("access-not-compared", f"{grant.grant}: {doubt}", None, grant, change))
        for notice in grant.notices:
            results.append(_result("access-notice", f"{grant.grant}: {notice}", None, grant, change))
        for access in grant.access:
            message = f"{EFFECTS[access.way].capitalize()}: " + ". ".join(described(access))
            results.append(_result(_rule(access), message, access.place, grant, change))
    rules = [
        {"id": name, "shortDescription": {"text": description}, "defaultConfiguration": {"level": level}}
        for name, (level, description) in _RULES.items()
    ]
    driver = {"name": "grantproof", "version": __version__, "rules": rules}
    return log(
        {
            "tool": {"driver": driver},
            # A category of its own, because code scanning keeps only the last upload of a category.
            "automationDetails": {"id": "grantproof-gate/"},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }
    )


def _rule(access: Access) -> str:
    if access.way == "lost":
        return "access-lost"
    return "access-gained" if access.promise else "access-beyond-contract"


def _result(rule: str, message: str, place: Place | None, grant: GrantChange, change: Change) -> dict[str, Any]:
    """One result. `place`: that of the statement that decides; None: the beginning of the contract."""
    decides = place or Place(grant.path, 1, 1)
    file, line = _nearest(decides, grant, change.changed)
    out: dict[str, Any] = {
        "ruleId": rule,
        "ruleIndex": list(_RULES).index(rule),
        "level": _RULES[rule][0],
        "message": {"text": message},
        "locations": [_location(file, line, change.top)],
        "partialFingerprints": {"grantproof/v1": digest([grant.grant, rule, without_lines(message)])},
    }
    if (file, line) != (decides.file.resolve(), decides.line):
        out["relatedLocations"] = [_location(decides.file.resolve(), decides.line, change.top)]
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
