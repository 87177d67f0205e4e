"""The one error of this package."""

from __future__ import annotations

from grantproof.source import SourceError


class ContractError(SourceError):
    """A contract that cannot be verified against: place, what is wrong, next step."""
