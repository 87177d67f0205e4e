"""Which grant is deployed in the world of this process, and when it is deployed again. A process has only one world at
a time."""

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
    """Deploys a grant when a test first asks for it, and closes its stage when a test asks for another grant."""

    def __init__(self) -> None:
        self._current: Stage | None = None
        self._adopted: Stage | None = None
        """A stage that the caller of `adopt` opened and will close."""
        self._failed: dict[int, str] = {}
        """By id() of a contract: why its grant could not be deployed."""
        self._varied: dict[tuple[str, tuple[str, ...]], Contract] = {}
        """Contracts under variants, by name of the grant and aliases of the variants."""
        self._described: set[str] = set()
        """Grants of which `facts` has been called."""

    def stage_of(self, contract: Contract) -> Stage:
        """The stage of a grant, which tests before may have used. Fails the test if the grant cannot be deployed."""
        if self._current is None or self._current.contract is not contract:
            self.close()
            self._current = self.open(contract)
        return self._current

    def stage_of_variants(self, contract: Contract, variants: Iterable[Variant]) -> Stage:
        """The stage of a grant under a combination of its variants, as `stage_of`."""
        from grantproof.variants import with_variants

        key = (contract.grant, tuple(variant.alias for variant in variants))
        if not key[1]:
            return self.stage_of(contract)
        if key not in self._varied:
            self._varied[key] = with_variants(contract, key[1])
        return self.stage_of(self._varied[key])

    def untouched(self, contract: Contract) -> Stage:
        """The stage of a grant, deployed again if a test has made calls in it."""
        current = self._current
        reusable = current is not None and current.contract is contract and current.untouched
        if not reusable or current is self._adopted:
            self.close()
        return self.stage_of(contract)

    def close_if_touched(self) -> None:
        """Close the stage if a test has made calls in it, so that no other test uses it."""
        if self._current is not None and not self._current.untouched:
            self.close()

    def open(self, contract: Contract) -> Stage:
        """Deploy a grant. If that fails, every test that needs it fails with the same one-line message, and it is not
        deployed again."""
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
        """The grant's name and what it consists of, for the reports: once for each grant, before tests make calls. None
        afterwards, or if it could not be deployed."""
        if contract.grant in self._described:
            return None
        from grantproof.evidence import access

        self._described.add(contract.grant)
        try:
            return contract.grant, access.describe(contract, deployed).as_dict()
        except not_understood():
            return None  # each test that needs what could not be deployed reports it

    def close(self) -> None:
        """Close the stage, and with it the world."""
        if self._current is not None:
            stage, self._current = self._current, None
            stage.close()

    def adopt(self, stage: Stage | None) -> None:
        """Use a stage that the caller has opened and will close; None ends that."""
        # A test may have opened a stage of its own since, and the world of that one must be closed first.
        if self._current is not self._adopted:
            self.close()
        self._current = self._adopted = stage
        self._failed.clear()
