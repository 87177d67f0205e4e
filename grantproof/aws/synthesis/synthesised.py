"""A contract with the synthesis of its stacks, with the interface of a deployed grant."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from grantproof.aws.held.deployed import Deployed
from grantproof.aws.held.policies import Held, Policies
from grantproof.aws.held.snapshot import AccountSnapshot
from grantproof.aws.mocked.deployment import Resource
from grantproof.aws.synthesis.stacks import Synthesis
from grantproof.contract import Contract, DeclaredPrincipal


class Synthesised(Deployed):
    """A contract with the synthesis of its stacks."""

    def __init__(self, contract: Contract, synthesis: Synthesis) -> None:
        self.contract, self.deployment = contract, synthesis.deployment
        self._synthesis = synthesis
        self._held: dict[tuple[str, str], Held | None] = {}
        self._located: dict[str, tuple[str, ...] | None] = {}

    @cached_property
    def _policies(self) -> Policies:
        return Policies(self._synthesis.snapshots.values())

    @property
    def policies(self) -> Policies:
        """The policies that the accounts would hold."""
        return self._policies

    def snapshots(self) -> Mapping[str, AccountSnapshot]:
        """What IAM would hold, by account number."""
        return self._synthesis.snapshots

    def held(self, principal: DeclaredPrincipal) -> Held | None:
        """As `Deployed.held`, cached: a synthesis does not change."""
        asked = principal.kind, principal.reference
        if asked not in self._held:
            self._held[asked] = super().held(principal)
        return self._held[asked]

    def located(self, arn: str) -> tuple[str, ...] | None:
        """As `Deployed.located`, cached."""
        if arn not in self._located:
            self._located[arn] = super().located(arn)
        return self._located[arn]

    @property
    def unknown_access(self) -> Mapping[tuple[str, ...], Resource]:
        """Resources that may give access in a way that is not modelled: see `undeclarable.unknown_access`."""
        return self._synthesis.unknown_access
