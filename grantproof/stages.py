"""The one world of a process that runs the suites: which grant stands in it, and when it has to stand anew."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pytest

from grantproof.recording import not_understood

if TYPE_CHECKING:
    from grantproof.aws.real.recorded import Recorded
    from grantproof.aws.staged.stage import Stage
    from grantproof.contract import Contract, Variant


class Stages:
    """Opens a grant's stage when a test first asks for it, and closes it when one asks for another."""

    def __init__(self) -> None:
        self._current: Stage | None = None
        self._lent: Stage | None = None
        self._failed: dict[int, str] = {}
        self._varied: dict[tuple[str, tuple[str, ...]], Contract] = {}
        self._described: set[str] = set()

    def of(self, contract: Contract) -> Stage:
        """A grant's stage, whoever has used it before."""
        if self._current is None or self._current.contract is not contract:
            self.close()
            self._current = self.open(contract)
        return self._current

    def of_variants(self, contract: Contract, variants: Iterable[Variant]) -> Stage:
        """A contract under some of its variants."""
        from grantproof.variants import with_variants

        key = (contract.grant, tuple(variant.alias for variant in variants))
        if not key[1]:
            return self.of(contract)
        if key not in self._varied:
            self._varied[key] = with_variants(contract, key[1])
        return self.of(self._varied[key])

    def untouched(self, contract: Contract) -> Stage:
        """A stage that is as it was when it had been deployed."""
        current = self._current
        reusable = current is not None and current.contract is contract and current.untouched
        if not reusable or current is self._lent:
            self.close()
        return self.of(contract)

    def close_if_touched(self) -> None:
        """Keep the stage only for whoever may still use it."""
        if self._current is not None and not self._current.untouched:
            self.close()

    def open(self, contract: Contract) -> Stage:
        """A new stage. What cannot be deployed is tried once and then fails every test that needs it, in one line."""
        from grantproof.aws.mocked.deploy import DeploymentFailed
        from grantproof.aws.staged.stage import Stage

        stage = Stage(contract, partial=True)
        if id(contract) not in self._failed:
            try:
                stage.open()
            except not_understood(DeploymentFailed) as error:
                self._failed[id(contract)] = str(error)
        if id(contract) in self._failed:
            pytest.fail(self._failed[id(contract)], pytrace=False)
        return stage

    def facts(self, contract: Contract, deployed: Stage | Recorded) -> tuple[str, Any] | None:
        """What the grant was found to consist of, once in a process: before anybody has come to make calls."""
        if contract.grant in self._described:
            return None
        from grantproof.evidence import access

        self._described.add(contract.grant)
        try:
            return contract.grant, access.describe(contract, deployed).as_dict()
        except not_understood():
            return None  # of what could not be deployed; each test that needs it says so

    def close(self) -> None:
        """Leave the world; the next that is asked for is deployed anew."""
        if self._current is not None:
            stage, self._current = self._current, None
            stage.close()

    def adopt(self, stage: Stage | None) -> None:
        """Serve a stage that somebody else opened, and will close; None takes it back."""
        # A suite may have put a stage of its own in the place of the one that it was lent: two worlds are one.
        if self._current is not self._lent:
            self.close()
        self._current = self._lent = stage
        self._failed.clear()
