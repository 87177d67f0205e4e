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
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from grantproof.evidence import matrix, picture, words
from grantproof.evidence.claim import SUITES, Claim, counts
from grantproof.evidence.finding import STATUSES, Finding, request_in_words
from grantproof.evidence.report import ASSESSOR, Evidence, remedy, risk
from grantproof.evidence.sources import Sources, anchor
from grantproof.evidence.waivers import fails_only_over_style

NAME = "evidence.html"
ASSETS = Path(__file__).with_name("assets")
#: Above this number of claims, passed ones are counted and not listed; `claims.csv` has all of them.
LISTED = 2_000
#: Deviations above this number are counted and not listed; `claims.csv` has all of them.
DEVIATIONS = 1_000
#: Symbols of statuses, so that they do not differ in colour only.
MARKS = {"pass": "✓", "fail": "✗", "unknown": "?", "error": "!", "not run": "–", "exception": "~"}
SAID = {
    "pass": "passed",
    "fail": "failed",
    "unknown": "could not be judged",
    "error": "could not be examined",
    "not run": "not run",
    "exception": "accepted deviation",
}


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
        said=SAID,
        lead=_lead(evidence),
        limits=evidence.limits,
        assessor=ASSESSOR,
        deviations=_deviations(evidence, sources),
        deviations_left_out=max(0, sum(1 for _ in evidence.deviations()) - DEVIATIONS),
        grants=[_grant(evidence, grant) for grant in evidence.results.grants],
        frameworks=_frameworks(evidence),
        suites=_suites(evidence),
        not_run=[c for c in evidence.results.claims if c.status == "not run"][:DEVIATIONS],
        waived=_waived(evidence),
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
    """Compile the page's template ahead of `render`, to use idle time."""
    _template()


def _lead(evidence: Evidence) -> str:
    """The verdict in a sentence, with the numbers of grants and claims."""
    results, totals = evidence.results, evidence.totals
    many = len(results.grants)
    bad = [grant for grant in results.grants if results.word(grant) == "not verified"]
    if not many:
        return "There is no grant."
    if bad:
        style = [grant for grant in bad if not results.gaps and fails_only_over_style(results.of(grant), grant)]
        verb, whose = "is" if len(style) == 1 else "are", "its" if many == 1 else "their"
        kinds = {
            "may give other access than agreed": [grant for grant in bad if grant not in style],
            f"{verb} not verified for how {whose} templates are written": style,
        }
        of = f"of {many:,} grant{'' if many == 1 else 's'}"
        said = " ".join(f"{len(some):,} {of} {what}: {_few(some)}." for what, some in kinds.items() if some)
    else:
        but = f", but for {totals['accepted_findings']:,} accepted deviations" if totals["accepted_findings"] else ""
        all_ = "The grant gives" if many == 1 else f"All {many:,} grants give"
        said = f"{all_} exactly the access that {'its contract says' if many == 1 else 'their contracts say'}{but}."
    if drafts := ", ".join(grant for grant in results.grants if grant in results.drafts):
        said += f" Nobody has decided yet what is marked in the contract of {drafts}."
    how = f"{totals['proved']:,} statements proved for all requests, {totals['calls']:,} calls tried"
    return f"{said} {totals['pass']:,} of {totals['population']:,} claims passed: {how}."


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")


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
    """Text with such characters written as escapes, as in `\\u202e`."""
    return _INVISIBLE.sub(lambda match: f"\\u{ord(match[0]):04x}", str(text))


# --- what is shown ----------------------------------------------------------------------------------------------------


def _deviations(evidence: Evidence, sources: Sources) -> list[dict[str, Any]]:
    order = {"fail": 0, "error": 1, "unknown": 2, "exception": 3}
    found = sorted(evidence.deviations(), key=lambda entry: order[entry[0].status])
    bearing = _bearing(evidence)
    return [
        {**_deviation(claim, print_, finding, sources), "bears": bearing.get(claim.id, [])}
        for claim, print_, finding in found[:DEVIATIONS]
    ]


def _bearing(evidence: Evidence) -> dict[str, list[tuple[str, str]]]:
    """(short name, anchor) of the controls for which a claim is direct evidence, by claim."""
    out: dict[str, list[tuple[str, str]]] = {}
    for assessed in evidence.assessed:
        if assessed.control.grade == "D":
            name = f"{assessed.framework.short} {assessed.control.id}"
            for claim in assessed.failing:
                out.setdefault(claim.id, []).append((name, anchor(f"{assessed.framework.id}-{assessed.control.id}")))
    return out


def _deviation(claim: Claim, print_: str, finding: Finding | None, sources: Sources) -> dict[str, Any]:
    place = finding.place if finding else claim.place
    accepted = finding.accepted if finding else None
    return {
        "id": f"finding-{print_}" if finding else f"claim-{anchor(claim.id)}",
        "claim": claim,
        "status": "exception" if accepted else claim.status,
        "text": (finding.detail or finding.clause) if finding else claim.reason or SAID[claim.status],
        "clause": finding.clause if finding else claim.sentence,
        "statement": finding.statement if finding else "",
        "place": place,
        "link": sources.link(place),
        "clause_place": claim.place,
        "clause_link": sources.link(claim.place),
        "witness": request_in_words(finding.witness) if finding and finding.witness else "",
        "risk": risk(claim),
        "remedy": remedy(claim, finding),
        "note": finding.note if finding else "",
        "accepted": accepted,
        "waiver": _waiver(claim, print_, finding) if finding and finding.status == "broken" and not accepted else "",
    }


def _waiver(claim: Claim, print_: str, finding: Finding) -> str:
    """The entry for waivers.yaml that would accept a finding. Values are JSON, which is valid YAML."""
    entry = {"claim": claim.id.removeprefix(f"{claim.grant}/"), "finding": finding.detail, "fingerprint": print_}
    return json.dumps(entry, ensure_ascii=False)


def _grant(evidence: Evidence, grant: str) -> dict[str, Any]:
    claims = evidence.results.of(grant)
    facts = evidence.results.facts.get(grant)
    return {
        "name": grant,
        "word": evidence.results.word(grant),
        "counts": counts(claims),
        "statuses": "|".join(name for name, number in counts(claims).items() if number),
        "facts": facts,
        "calls": sum(claim.calls for claim in claims),
        "refused": sum(claim.refused for claim in claims),
        "proved": sum(claim.proved for claim in claims),
        "suites": _of_suites(claims, listed=len(evidence.results.claims) <= LISTED),
        "matrix": [matrix.rows_of(principal, claims) for principal in facts["principals"]] if facts else [],
        "clauses": [_clauses(principal) for principal in facts["principals"]] if facts else [],
        "resources": [_beside(r["deployed"], r["promised"]) for r in facts["resources"]] if facts else [],
        "reach": _reach(facts) if facts else [],
        "entries": [matrix.entries(principal, claims) for principal in facts["principals"]] if facts else [],
    }


def _clauses(principal: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    return {
        "trust": _beside(principal["trust"], principal["promised_trust"]),
        "allowed": _beside(principal["allowed"], principal["promised"]),
    }


def _beside(deployed: Sequence[Mapping[str, Any]], promised: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Deployed and declared statements, merged where their sentences are equal. `side` marks one that only one side
    has; the proof may still find both sides equivalent."""
    out: dict[str, dict[str, Any]] = {}
    for side, clauses in (("deployed", deployed), ("contract", promised)):
        for clause in clauses:
            entry = out.setdefault(_exactly(clause), {**clause, "places": [], "side": side})
            entry["places"].append((side, clause["place"]))
            entry["side"] = side if entry["side"] == side else ""
    return list(out.values())


def _exactly(clause: Mapping[str, Any]) -> str:
    """A clause's sentence with condition keys in lower case, since only they are case-insensitive."""
    text: str = clause["sentence"]
    for keys in (clause["document"].get("Condition") or {}).values():
        for key in keys:
            text = text.replace(key, key.lower())
    return text


def _reach(facts: Mapping[str, Any]) -> list[str]:
    """One line for the overview per role, resource policy and sending: who gets access, and to which actions."""
    lines = []
    for principal in facts["principals"]:
        if principal["kind"] == "role":
            allowed = (words.actions_of(clause["document"]) for clause in principal["allowed"])
            trusted = (_callers(clause["document"]) for clause in principal["trust"])
            callers = ", ".join(sorted(set(chain(*trusted)))) or "nobody"
            lines.append(f"{callers} → role {principal['alias']} → {_short(sorted(set(chain(*allowed))))}")
    for resource in facts["resources"]:
        lines += _reach_by_policy(resource)
    for sending in facts["sends"]:
        lines.append(f"{sending['resource']} → sends out of its account → {_short(sending['to'])}")
    return lines


def _callers(document: Mapping[str, Any]) -> list[str]:
    """Whom a statement names, in words; all others are one entry."""
    named = words.principals_of(document)
    return [f"everybody but {' and '.join(named)}"] if "NotPrincipal" in document else named


def _reach_by_policy(resource: Mapping[str, Any]) -> Iterator[str]:
    """One line per set of callers whom a resource's policy lets in, and whether that is under conditions."""
    found: dict[str, set[str]] = {}
    for clause in resource["deployed"]:
        document = clause["document"]
        if document.get("Effect") == "Allow":
            callers = _few(sorted(set(_callers(document)))) + (", under conditions" if "Condition" in document else "")
            found.setdefault(callers, set()).update(words.actions_of(document))
    for callers, actions in found.items():
        yield f"{callers} → policy of {resource['alias']} → {_short(sorted(actions))}"
    if not found:
        yield f"nobody → policy of {resource['alias']}"


def _short(names: Sequence[str]) -> str:
    return _few(names) or "nothing"


def _of_suites(claims: Sequence[Claim], *, listed: bool) -> list[dict[str, Any]]:
    names = [s for s in SUITES if any(c.suite == s for c in claims)]
    names += sorted({c.suite for c in claims} - set(SUITES))
    return [
        {
            "name": suite,
            "claims": [c for c in claims if c.suite == suite and (listed or c.status != "pass")],
            "passed": sum(1 for c in claims if c.suite == suite and c.status == "pass"),
            "all": sum(1 for c in claims if c.suite == suite),
            "method": next(c.method for c in claims if c.suite == suite),
        }
        for suite in names
    ]


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


def _waived(evidence: Evidence) -> list[dict[str, Any]]:
    today = date.fromisoformat(evidence.about.time[:10])
    return [
        {
            "claim": claim,
            "print": print_,
            "finding": finding,
            "days": (date.fromisoformat(finding.accepted.expires) - today).days,
        }
        for claim in evidence.results.claims
        for print_, finding in claim.shown
        if finding.accepted
    ]
