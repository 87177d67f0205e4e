"""The templates, read by cfn-lint, which is imported where it is used: of several processes one lints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grantproof.contract import Contract
from grantproof.source import Document, Key, Place, at, read, shown, text_of

#: Where a template, or one of its resources, disables rules of cfn-lint.
_IGNORED = ("Metadata", "cfn-lint", "config", "ignore_checks")


def test_cfn_lint_has_nothing_to_say(grant: Contract, template: Path, verdict: Any) -> None:
    """Errors, warnings and informational findings all count, also those that the template disables. A waiver can accept
    these, with an owner, a reason and a last day."""
    from grantproof import linting

    document = read(template)
    for match in linting.matches(text_of(template), grant.region):
        silenced = silenced_at(document, match.rule.id, list(getattr(match, "path", None) or ()))
        verdict.broken(
            f"cfn-lint has nothing to say about {template.name}",
            f"{match.rule.id} {linting.message(match)}" + (f" (silenced at {silenced})" if silenced else ""),
            place=f"{shown(template)}:{match.linenumber}:{match.columnnumber}",
        )


def silenced_at(document: Document, rule: str, path: Sequence[Key]) -> Place | None:
    """Where a template, or the resource at the beginning of a path, disables a rule."""
    for start in ((), tuple(path[:2]) if path[:1] == ["Resources"] else ()):
        ignored = at(document.value, (*start, *_IGNORED))
        for number, name in enumerate(ignored if isinstance(ignored, list) else ()):
            if rule.startswith(str(name)):
                return document.place(*start, *_IGNORED, number)
    return None
