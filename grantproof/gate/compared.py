"""`grantproof compare`: two policy documents, two exports of an account, or two grants, whichever they are.

What exports and grants need is imported where they are compared: moto alone takes seven times as long to start as two
documents to compare.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from grantproof.iam import IamError
from grantproof.iam.comparison.comparisons import as_dict, compared_documents, together, verdict_of
from grantproof.source import SourceError, read


def compared(old: Path, new: Path) -> dict[str, Any]:
    """Compare two files or folders, as plain data in the form of `comparisons.as_dict`.

    Raises:
        SourceError: one cannot be read, or they are not of one kind.
    """
    kinds = [_kind(path) for path in (old, new)]
    if kinds[0] != kinds[1]:
        said = [f"an {kind}" if kind == "export" else f"a {kind}" for kind in kinds]
        raise SourceError(new, f"is {said[1]}, and {old} is {said[0]}. Give two of one kind.")
    if kinds[0] == "grant":
        return _grants(old, new)
    return _exports(old, new) if kinds[0] == "export" else _documents(old, new)


def _kind(path: Path) -> str:
    if not path.exists():
        raise SourceError(path, "is not there. Name a policy, an export of an account, or a grant's folder.")
    if path.is_dir() and any(path.rglob("contract.yaml")):
        return "grant"
    return "export" if path.is_dir() or _is_export(path) else "policy"


def _is_export(path: Path) -> bool:
    """Does a file look like the export of an account, rather than like a policy?"""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return False
    return '"RoleDetailList"' in text or '"UserDetailList"' in text


def _documents(old: Path, new: Path) -> dict[str, Any]:
    try:
        return as_dict(compared_documents(read(old).value, read(new).value))
    except IamError as error:
        raise SourceError(new if (error.document or "").startswith("new") else old, str(error)) from None


def _exports(old: Path, new: Path) -> dict[str, Any]:
    from grantproof.aws.held.policies import Policies, SnapshotIncomplete
    from grantproof.aws.real.export import read_export
    from grantproof.gate.accounts import changed

    sides = []
    for path in (old, new):
        try:
            sides.append(Policies([read_export(path).snapshot]))
        except (IamError, SnapshotIncomplete) as error:
            raise SourceError(path, f"a policy cannot be read: {error}") from None
    before, after = sides
    return together((f"{found.arn} {found.what}", found.comparison) for found in changed(before, after))


def _grants(old: Path, new: Path) -> dict[str, Any]:
    """Both deployed, and everything that they allow compared."""
    from grantproof.contract import find
    from grantproof.gate.change import between

    contracts = []
    for path in (old, new):
        if len(found := find(path)) != 1:
            raise SourceError(path, f"holds {len(found)} grants. Give the folder of one.")
        contracts.append(found[0])
    change = between(*contracts)
    out: dict[str, Any] = {
        "verdict": verdict_of(gained=bool(change.gained), lost=bool(change.lost), doubt=bool(change.doubts))
    }
    for way, pieces in (("new_access", change.gained), ("lost_access", change.lost)):
        out[way] = [
            {"subject": one.subject, "clause": one.clause, "witness": dict(one.witness), "because": list(one.because)}
            for one in pieces
        ]
    return out | ({"reason": "; ".join(change.doubts)} if change.doubts else {})
