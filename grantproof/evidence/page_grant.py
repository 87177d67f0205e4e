"""What the page says of one grant: its claims, and who gets which access."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from grantproof.evidence import matrix, words
from grantproof.evidence.claim import SUITES, Claim, counts
from grantproof.evidence.report import Evidence

#: Above this number of claims, passed ones are counted and not listed; `claims.csv` has all of them.
LISTED_CLAIMS = 2_000


def shown_grant(evidence: Evidence, grant: str) -> dict[str, Any]:
    """The values of the page's template for the grant of this name."""
    claims = evidence.results.claims_of(grant)
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
        "suites": _of_suites(claims, listed=len(evidence.results.claims) <= LISTED_CLAIMS),
        "matrix": [matrix.rows_of(principal, claims) for principal in facts["principals"]] if facts else [],
        "clauses": [_clauses(principal) for principal in facts["principals"]] if facts else [],
        "resources": [_merged(r["deployed"], r["promised"]) for r in facts["resources"]] if facts else [],
        "reach": _reach(facts) if facts else [],
        "entries": [matrix.entries(principal, claims) for principal in facts["principals"]] if facts else [],
    }


def _clauses(principal: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    return {
        "trust": _merged(principal["trust"], principal["promised_trust"]),
        "allowed": _merged(principal["allowed"], principal["promised"]),
    }


def _merged(deployed: Sequence[Mapping[str, Any]], promised: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Deployed and promised statements, those with equal sentences as one entry. `side` is the side that has the
    statement, empty if both have. Statements that differ may still allow the same access; only the proof shows that."""
    out: dict[str, dict[str, Any]] = {}
    for side, clauses in (("deployed", deployed), ("contract", promised)):
        for clause in clauses:
            entry = out.setdefault(_comparable(clause), {**clause, "places": [], "side": side})
            entry["places"].append((side, clause["place"]))
            entry["side"] = side if entry["side"] == side else ""
    return list(out.values())


def _comparable(clause: Mapping[str, Any]) -> str:
    """A clause's sentence with condition keys in lower case, since only they are case-insensitive."""
    text: str = clause["sentence"]
    for keys in (clause["document"].get("Condition") or {}).values():
        for key in keys:
            text = text.replace(key, key.lower())
    return text


def _reach(facts: Mapping[str, Any]) -> list[str]:
    """Lines for the overview: who gets access to which actions through each role and each resource policy, and what
    sends data out of its account."""
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
    """Whom a statement is about, in words; "everybody but ..." if it has a NotPrincipal."""
    named = words.principals_of(document)
    return [f"everybody but {' and '.join(named)}"] if "NotPrincipal" in document else named


def _reach_by_policy(resource: Mapping[str, Any]) -> Iterator[str]:
    """A line for each set of callers that a resource policy allows, which says whether under conditions."""
    found: dict[str, set[str]] = {}
    for clause in resource["deployed"]:
        document = clause["document"]
        if document.get("Effect") == "Allow":
            callers = few(sorted(set(_callers(document)))) + (", under conditions" if "Condition" in document else "")
            found.setdefault(callers, set()).update(words.actions_of(document))
    for callers, actions in found.items():
        yield f"{callers} → policy of {resource['alias']} → {_short(sorted(actions))}"
    if not found:
        yield f"nobody → policy of {resource['alias']}"


def _short(names: Sequence[str]) -> str:
    return few(names) or "nothing"


def _of_suites(claims: Sequence[Claim], *, listed: bool) -> list[dict[str, Any]]:
    """An entry for each suite, with its claims. `listed`: also list those that passed."""
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


def few(names: Sequence[str]) -> str:
    """The first three names, and the number of the others."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")
