"""`grantproof compare`: two policy documents, two exports of an account, or two grants, whichever they are.

The modules for exports and grants are imported only when needed: importing moto takes seven times as long as comparing
two documents.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grantproof.iam import IamError, actions
from grantproof.iam.comparison.comparisons import as_dict, compared_documents, together, verdict_of
from grantproof.source import Document, Key, Place, SourceError, at, parse, read


def compared(old: Path, new: Path) -> dict[str, Any]:
    """Compare two files or folders, as plain data in the form of `comparisons.as_dict`.

    Raises:
        SourceError: one cannot be read, or they are not of one kind.
    """
    (kind, before), (other, after) = (_read(path) for path in (old, new))
    if kind != other:
        said = [f"an {kind}" if kind == "export" else f"a {kind}" for kind in (kind, other)]
        raise SourceError(new, f"is {said[1]}, and {old} is {said[0]}. Give two of one kind.")
    if before is not None and after is not None:
        return _documents(before, after)
    return _grants(old, new) if kind == "grant" else _exports(old, new)


def _read(path: Path) -> tuple[str, Document | None]:
    """The kind of a file or folder, and the document where it is a policy, since a pipe can be read only once."""
    if not path.exists():
        raise SourceError(path, "is not there. Name a policy, an export of an account, or a grant's folder.")
    if path.is_dir():
        return ("grant" if any(path.rglob("contract.yaml")) else "export"), None
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return "policy", read(path)  # raises the error that says what is wrong
    if '"RoleDetailList"' not in text and '"UserDetailList"' not in text:
        return "policy", parse(text, path)
    if not path.is_file():
        raise SourceError(path, "is the export of an account in a pipe. Write it to a file and name that.")
    return "export", None


def _documents(old: Document, new: Document) -> dict[str, Any]:
    try:
        answer = as_dict(compared_documents(old.value, new.value))
    except IamError as error:
        wrong = new if (error.document or "").startswith("new") else old
        where = _place(wrong, error) if error.element or error.statement is not None else wrong.path
        raise SourceError(where, f"{error.message}.") from None
    notes = [*_unknown_actions(old), *_unknown_actions(new)]
    return answer | ({"notes": notes} if notes else {})


def _place(document: Document, error: IamError) -> Place:
    """The place in a policy that an error is about."""
    statement: tuple[Key, ...] = ()
    if error.statement is not None:
        statement = ("Statement",)
        if isinstance(at(document.value, statement), list):
            statement = ("Statement", error.statement)
    return document.place(*statement, *([error.element] if error.element else []))


def _unknown_actions(document: Document) -> Iterator[str]:
    """Notes on actions that may be mistyped. They are compared all the same: AWS accepts unknown actions in
    policies."""
    found = at(document.value, ("Statement",))
    for number, statement in enumerate(found if isinstance(found, list) else [found]):
        first: tuple[Key, ...] = ("Statement", number) if isinstance(found, list) else ("Statement",)
        for element in ("Action", "NotAction"):
            names = at(statement, (element,)) or ()
            for index, name in enumerate([names] if isinstance(names, str) else names):
                # Searching all services for `*:Get*` would take longer than the comparison.
                if not re.match(r"[^:]*[*?]", name) and not actions.names_something(name):
                    near = actions.nearest(name)
                    hint = f". Did you mean {near}?" if near else ", or it is newer than the list of actions."
                    yield f"{document.place(*first, element, index)}: there is no action {name!r}{hint}"


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
    """Deploy both grants and compare everything that they allow."""
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
