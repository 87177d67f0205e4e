"""The access matrix: for each principal, access by the contract, as deployed, and as observed in calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grantproof.evidence import words
from grantproof.evidence.claim import Claim
from grantproof.evidence.finding import Tried
from grantproof.iam.glob import glob
from grantproof.iam.layers import is_role_entry


@dataclass(frozen=True, slots=True)
class Row:
    """One action pattern on one resource pattern: `contract` and `deployed` are `yes`, `if`, `never` or `no`;
    `allowed` and `refused` count the calls that were tried."""

    action: str
    resource: str
    contract: str
    deployed: str
    allowed: int
    refused: int


def rows_of(principal: Mapping[str, Any], claims: Iterable[Claim]) -> tuple[Row, ...]:
    """The rows of one principal of `access.Facts`; the last one is every other request."""
    promised, deployed = _cells(principal["promised"]), _cells(principal["allowed"])
    tried = [t for claim in claims for t in claim.tried if t.principal == principal["caller"] and principal["caller"]]
    rows = []
    for action, resource in sorted(promised.keys() | deployed.keys()):
        hit = [t for t in tried if _matches(t, action, resource)]
        tried = [t for t in tried if t not in hit]
        key = (action, resource)
        rows.append(Row(action, resource, promised.get(key, "no"), deployed.get(key, "no"), *_sums(hit)))
    return (*rows, Row("", "", "no", "no", *_sums(tried)))


def entries(principal: Mapping[str, Any], claims: Iterable[Claim]) -> tuple[tuple[str, int, int], ...]:
    """The calls that tried to assume a role: (principal, times allowed, times denied)."""
    out: dict[str, tuple[int, int]] = {}
    for tried in (t for claim in claims for t in claim.tried):
        if is_role_entry(tried.action.lower()) and tried.resource == principal["arn"]:
            allowed, refused = out.get(tried.principal, (0, 0))
            out[tried.principal] = allowed + tried.allowed, refused + tried.refused
    return tuple((name, allowed, refused) for name, (allowed, refused) in sorted(out.items()))


def _cells(clauses: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    out: dict[tuple[str, str], str] = {}
    for document in (clause["document"] for clause in clauses):
        word = "never" if document["Effect"] == "Deny" else "if" if document.get("Condition") else "yes"
        for action in words.actions_of(document):
            for resource in words.resources_of(document):
                key = (action, resource)
                # A Deny decides; an Allow without conditions says more than one with.
                out[key] = min(out.get(key, word), word, key=("never", "yes", "if").index)
    return out


def _matches(tried: Tried, action: str, resource: str) -> bool:
    if " " in action or not glob(action.lower()).matches(tried.action.lower()):
        return False
    return resource == words.EVERYWHERE or (" " not in resource and glob(resource).matches(tried.resource))


def _sums(tried: Iterable[Tried]) -> tuple[int, int]:
    found = list(tried)
    return sum(t.allowed for t in found), sum(t.refused for t in found)
