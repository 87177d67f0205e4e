"""The page: one self-contained file for an auditor, a manager and a reviewer.

It is complete without script and network. Its Content Security Policy allows only its own style and script, by digest.
Text from templates is untrusted and escaped by the template engine.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from grantproof.evidence import picture
from grantproof.evidence.claim import SUITES
from grantproof.evidence.finding import STATUSES
from grantproof.evidence.page_deviations import LISTED_DEVIATIONS, STATUS_IN_WORDS, accepted, deviations
from grantproof.evidence.page_grant import few, shown_grant
from grantproof.evidence.report import ASSESSOR, Evidence
from grantproof.evidence.sources import Sources, anchor
from grantproof.evidence.waivers import fails_only_over_style

NAME = "evidence.html"
#: The folder of the page's template, style and script.
ASSETS = Path(__file__).with_name("assets")
#: Symbols of statuses, so that they differ in more than their colour.
MARKS = {"pass": "✓", "fail": "✗", "unknown": "?", "error": "!", "not run": "–", "exception": "~"}


def render(evidence: Evidence) -> str:
    """The page as HTML."""
    style, script = _asset("page.css"), _asset("page.js")
    sources = Sources(evidence)
    text: str = _template().render(
        evidence=evidence,
        results=evidence.results,
        about=evidence.about,
        counts=evidence.counts,
        totals=evidence.totals,
        statuses=STATUSES,
        marks=MARKS,
        said=STATUS_IN_WORDS,
        lead=_lead(evidence),
        limits=evidence.limits,
        assessor=ASSESSOR,
        deviations=deviations(evidence, sources),
        deviations_left_out=max(0, sum(1 for _ in evidence.deviations()) - LISTED_DEVIATIONS),
        grants=[shown_grant(evidence, grant) for grant in evidence.results.grants],
        frameworks=_frameworks(evidence),
        suites=_suites(evidence),
        not_run=[c for c in evidence.results.claims if c.status == "not run"][:LISTED_DEVIATIONS],
        waived=accepted(evidence),
        epoch=int(datetime.fromisoformat(evidence.about.time).timestamp()),
        sources=sources,
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        policy=(
            f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; base-uri 'none'; "
            "form-action 'none'"
        ),
    )
    return text


def prepare() -> None:
    """Compile the page's template before `render` needs it, to use idle time."""
    _template()


def _lead(evidence: Evidence) -> str:
    """The first sentences of the page: the verdict, with the numbers of grants and claims."""
    results, totals = evidence.results, evidence.totals
    number = len(results.grants)
    bad = [grant for grant in results.grants if results.word(grant) == "not verified"]
    if not number:
        return "There is no grant."
    if bad:
        style = [grant for grant in bad if not results.gaps and fails_only_over_style(results.claims_of(grant), grant)]
        verb, whose = "is" if len(style) == 1 else "are", "its" if number == 1 else "their"
        kinds = {
            "may give other access than agreed": [grant for grant in bad if grant not in style],
            f"{verb} not verified for how {whose} templates are written": style,
        }
        of = f"of {number:,} grant{'' if number == 1 else 's'}"
        text = " ".join(f"{len(some):,} {of} {what}: {few(some)}." for what, some in kinds.items() if some)
    else:
        but = f", but for {totals['accepted_findings']:,} accepted deviations" if totals["accepted_findings"] else ""
        all_ = "The grant gives" if number == 1 else f"All {number:,} grants give"
        text = f"{all_} exactly the access that {'its contract says' if number == 1 else 'their contracts say'}{but}."
    if drafts := ", ".join(grant for grant in results.grants if grant in results.drafts):
        text += f" Nobody has decided yet what is marked in the contract of {drafts}."
    how = f"{totals['proved']:,} statements proved for all requests, {totals['calls']:,} calls tried"
    return f"{text} {totals['pass']:,} of {totals['population']:,} claims passed: {how}."


@cache
def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(anchor=anchor, number=lambda value: f"{value:,}", visible=with_escapes)
    environment.filters["json"] = lambda value: json.dumps(value, indent=2, ensure_ascii=False)
    environment.globals.update(draw=picture.draw, width=picture.WIDTH)
    return environment.get_template("page.html.jinja")


@cache
def _asset(name: str) -> str:
    return "\n" + (ASSETS / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


#: Invisible characters and those that change text direction, with which one name could imitate another.
_INVISIBLE = re.compile("[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def with_escapes(text: object) -> str:
    """Text in which invisible characters and those that change its direction are written as escapes, as in
    `\\u202e`."""
    return _INVISIBLE.sub(lambda match: f"\\u{ord(match[0]):04x}", str(text))


def _frameworks(evidence: Evidence) -> list[dict[str, Any]]:
    out: dict[str, dict[str, Any]] = {}
    for assessed in evidence.assessed:
        entry = out.setdefault(assessed.framework.id, {"framework": assessed.framework, "controls": []})
        entry["controls"].append(assessed)
    return list(out.values())


def _suites(evidence: Evidence) -> Mapping[str, Mapping[str, int]]:
    """Numbers of claims by suite and status."""
    out: dict[str, Counter[str]] = {}
    for claim in evidence.results.claims:
        out.setdefault(claim.suite, Counter())[claim.status] += 1
    order = [s for s in SUITES if s in out] + sorted(set(out) - set(SUITES))
    return {suite: out[suite] for suite in order}
