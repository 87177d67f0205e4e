"""A deployed grant: policies in force and their places in the templates, for mocked worlds and real accounts alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from functools import cached_property
from typing import Any

from grantproof.aws.held import promises
from grantproof.aws.held.origin import Origins
from grantproof.aws.held.parsed import parsed
from grantproof.aws.held.policies import Held, Policies, SnapshotIncomplete
from grantproof.aws.held.snapshot import AccountSnapshot
from grantproof.aws.mocked.deployment import Deployment
from grantproof.contract import (
    Contract,
    DeclaredPrincipal,
    DeclaredResource,
    DeclaredStatement,
    references,
    resolve,
)
from grantproof.iam import Policy, PolicyType, actions
from grantproof.source import Place

#: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references.html
_DYNAMIC = "{{resolve:"


class PrincipalNotDeployed(LookupError):
    """A principal of the contract does not exist in the accounts. `place` is its place in the contract."""

    def __init__(self, said: str, place: Place) -> None:
        super().__init__(said)
        self.place = place


class Deployed(ABC):
    """A contract and the state of its accounts: all that the suites need that make no calls."""

    contract: Contract
    deployment: Deployment

    @property
    @abstractmethod
    def policies(self) -> Policies:
        """The policies in force."""

    @abstractmethod
    def snapshots(self) -> Mapping[str, AccountSnapshot]:
        """What IAM holds, by account number."""

    @property
    def calls(self) -> tuple[int, int]:
        """Calls made so far, and how many of them were refused."""
        return 0, 0

    @property
    def tried(self) -> Counter[tuple[str, str, str, bool]]:
        """The requests behind these calls: principal, action, resource, whether it was allowed."""
        return Counter()

    @cached_property
    def origins(self) -> Origins:
        """Where deployed statements stand in the templates."""
        return Origins(self.deployment)

    def may_have_created(self, arn: str) -> bool:
        """May the stacks of the contract have created the resource with this ARN?"""
        return True

    def resolved(self, value: Any) -> Any:
        """A value of the contract with its references (`${...}`) replaced.

        Raises:
            SnapshotIncomplete: it refers to an output that no stack has, or to a dynamic reference, which
                CloudFormation resolves during deployment.
        """
        try:
            found = resolve(value, self.deployment.facts)
        except KeyError as error:
            raise SnapshotIncomplete(f"the contract names {error.args[0]}, which is not deployed") from None
        if _DYNAMIC in str(found):
            raise SnapshotIncomplete(
                f"{found} holds a dynamic reference ({_DYNAMIC}...): what CloudFormation will find there is not known"
            )
        return found

    def allowed(self, principal: DeclaredPrincipal) -> tuple[DeclaredStatement, ...]:
        """The statements that the contract allows a principal, with those of the AWS managed policies that it names.

        Raises:
            SnapshotIncomplete: it refers to an output that no stack has.
        """
        return promises.allowed(principal, self.policies, self.resolved)

    def promised(self, statements: Iterable[DeclaredStatement], type_: PolicyType) -> Policy:
        """Statements of the contract as one policy of a type.

        Raises:
            SnapshotIncomplete: one refers to an output that no stack has.
        """
        document = {"Version": "2012-10-17", "Statement": [self.resolved(s.document) for s in statements]}
        return parsed(document, type_, "contract")

    def held(self, principal: DeclaredPrincipal) -> Held | None:
        """The deployed entity of a declared principal, with its policies; None where it is not deployed.

        Raises:
            SnapshotIncomplete: the contract gives a name without account, and several accounts have such an entity.
        """
        reference, account = self.resolved(principal.reference), self._account(principal)
        found = [
            held
            for arn, held in self.policies.held.items()
            if held.kind == principal.kind
            and (reference == arn or (reference == arn.rsplit("/", 1)[1] and account in (None, arn.split(":")[4])))
        ]
        if len(found) > 1:
            arns = " and ".join(held.arn for held in found)
            raise SnapshotIncomplete(f"{reference!r} may be {arns}: let the contract name the ARN")
        return found[0] if found else None

    def _account(self, principal: DeclaredPrincipal) -> str | None:
        """The account of a principal that the contract names by a stack's output; None where it does not."""
        for name in references(principal.reference):
            for stack in self.contract.stacks:
                if name.startswith(f"stacks.{stack.alias}.outputs."):
                    return self.contract.accounts[stack.account]
        return None

    def identity_policies(self, principal: DeclaredPrincipal) -> tuple[Policy, ...]:
        """The identity policies of a declared principal: its own and those of its groups; for a managed policy, the
        policy itself.

        Raises:
            PrincipalNotDeployed: the principal is not deployed.
        """
        if principal.kind != "policy":
            return self.holder(principal).identity
        policy = self.policies.managed.get(self.resolved(principal.reference))
        if policy is None:
            raise self._not_deployed(principal)
        return (policy,)

    def bounded(self, principal: DeclaredPrincipal) -> frozenset[str] | None:
        """The known actions that Allow statements of a principal's permissions boundary cover; None without a boundary.

        An upper bound: Deny statements and conditions of the boundary are ignored here and left to the proof.
        """
        held = self.held(principal) if principal.kind != "policy" else None
        if held is None or held.boundary is None:
            return None
        allows = [s for policy in held.boundary for s in policy.statements if s.allow]
        return frozenset(name for s in allows for name in actions.covered(map(str, s.actions), others=s.not_action))

    def holder(self, principal: DeclaredPrincipal) -> Held:
        """The deployed entity of a declared user, group or role, with its policies.

        Raises:
            PrincipalNotDeployed: no such entity is deployed.
        """
        held = self.held(principal)
        if held is None:
            raise self._not_deployed(principal)
        return held

    def _not_deployed(self, principal: DeclaredPrincipal) -> PrincipalNotDeployed:
        """The error, with up to three entities that the stacks do create, the most similar name first."""
        reference, kind = str(self.resolved(principal.reference)), principal.kind
        policies = self.policies
        there = policies.managed if kind == "policy" else [a for a, h in policies.held.items() if h.kind == kind]
        made = [arn for arn in there if self.origins.resource(arn) is not None]
        made.sort(key=lambda arn: (-SequenceMatcher(None, reference, arn).ratio(), arn))
        instead = f"create {', '.join(made[:3])}" if made else f"create no {kind}"
        return PrincipalNotDeployed(f"no {kind} {reference!r} is deployed; the stacks {instead}", principal.place)

    def located(self, arn: str) -> tuple[str, ...] | None:
        """(alias of the stack, *logical ids) of the resource that an ARN names; None where no stack created it."""
        found = self.origins.resource(arn)
        for stack in self.deployment.stacks:
            if any(resource is found for resource in stack.resources):
                return (stack.alias, *found.path) if found is not None else None
        return None

    def resource_policy(self, resource: DeclaredResource) -> Policy | None:
        """The policy of a declared resource; None where the resource or its policy does not exist."""
        return self.policies.resource_policies.get(self.resolved(resource.reference))
