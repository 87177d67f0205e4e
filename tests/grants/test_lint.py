"""The templates, read by cfn-lint."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from cfnlint import api, core
from cfnlint.config import ManualArgs

from grantproof.contract import Contract
from grantproof.source import shown, text_of


@cache
def rules() -> Any:
    """Every rule, informational ones too. Loading them takes longer than applying them, so it is done once."""
    return core.get_rules([], [], ["I", "W", "E"])


def test_cfn_lint_has_nothing_to_say(grant: Contract, template: Path, verdict: Any) -> None:
    """Errors, warnings and informational findings all count; a template silences one in its own Metadata, with a
    reason."""
    text = text_of(template)
    config = ManualArgs(regions=[grant.region], include_checks=["I"])
    for match in api.lint(text, rules(), [grant.region], config):
        verdict.broken(
            f"cfn-lint has nothing to say about {template.name}",
            f"{match.rule.id} {match.message}",
            place=f"{shown(template)}:{match.linenumber}:{match.columnnumber}",
        )
