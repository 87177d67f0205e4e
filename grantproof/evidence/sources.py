"""The source lines of the grants' files, as the page shows them."""

from __future__ import annotations

import re

from grantproof.evidence.finding import digest
from grantproof.evidence.report import Evidence, position

#: Above this number of characters, only lines near cited ones are shown.
SOURCES = 400_000
_AROUND = 3


def anchor(text: str) -> str:
    """An HTML id for a text: the text itself where it is a valid id, else its valid characters and a digest."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", text)[:60].strip("-")
    return plain if plain == text else f"{plain}-{digest(text)[:8]}"


class Sources:
    """The files of the grants with their lines, and links to them inside the page, which work wherever it is copied."""

    def __init__(self, evidence: Evidence) -> None:
        self._lines = {name: text.splitlines() for name, text in evidence.about.contents.items()}
        whole = sum(map(len, evidence.about.contents.values())) <= SOURCES
        cited = _cited(evidence)
        self.whole = whole
        self._near = {name: _around(cited.get(name, set()), len(lines)) for name, lines in self._lines.items()}
        self._shown = {
            name: set(range(1, len(lines) + 1)) if whole else self._near[name] for name, lines in self._lines.items()
        }

    def link(self, place: str) -> str:
        """The href of a place; empty where the page does not show it."""
        found = position(place)
        if found is None or found[1] not in self._shown.get(found[0], ()):
            return ""
        return f"#src-{anchor(found[0])}-L{found[1]}"

    def files(self) -> list[tuple[str, str, list[tuple[int, str, str]]]]:
        """(name, anchor, lines) of each file of which something is shown; a line is (number, text, class): `gap` after
        lines that are left out, `far` where nothing cites it, which paper does without."""
        out = []
        for name, lines in sorted(self._lines.items()):
            shown = sorted(self._shown[name])
            if shown:
                rows = [(n, lines[n - 1], self._class(name, n)) for n in shown]
                out.append((name, anchor(name), rows))
        return out

    def _class(self, name: str, line: int) -> str:
        if line not in self._near[name]:
            return "far"
        return "gap" if line > 1 and line - 1 not in self._shown[name] else ""


def _cited(evidence: Evidence) -> dict[str, set[int]]:
    places = [finding.place for claim in evidence.results.claims for finding in claim.findings]
    places += [claim.place for claim in evidence.results.claims if claim.status != "pass"]
    for facts in evidence.results.facts.values():
        for principal in facts["principals"]:
            places += [c["place"] for key in ("trust", "allowed", "promised", "promised_trust") for c in principal[key]]
        for resource in facts["resources"]:
            places += [c["place"] for key in ("promised", "deployed") for c in resource[key]]
        places += [sending["place"] for sending in facts["sends"]]
        places += [c["place"] for option in facts["options"] for c in option["changes"]]
    out: dict[str, set[int]] = {}
    for found in map(position, places):
        if found:
            out.setdefault(found[0], set()).add(found[1])
    return out


def _around(cited: set[int], last: int) -> set[int]:
    return {n for line in cited for n in range(max(1, line - _AROUND), min(last, line + _AROUND) + 1)}
