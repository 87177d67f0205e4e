"""Synthesis: computes what a grant's stacks would hold from the templates, without deploying them.

This makes it possible to check thousands of combinations of parameters. The suites deploy a grant's variants and test
that the synthesis agrees (`tests/grants/test_variants.py`). A resource or function whose access cannot be computed
raises `NotResolved`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from grantproof.aws.held.property_policies import property_policies
from grantproof.aws.held.snapshot import AccountSnapshot
from grantproof.aws.held.undeclarable import unknown_access
from grantproof.aws.mocked.deployment import DeployedStack, Deployment, Resource
from grantproof.aws.synthesis.made_account import MadeAccount
from grantproof.aws.synthesis.made_stack import Refused, Shared, StackPath
from grantproof.aws.synthesis.stack_cache import StackCache
from grantproof.aws.templates.pseudo import partition_of
from grantproof.aws.templates.scope import Scope
from grantproof.contract import Contract, facts_of, resolve


@dataclass(frozen=True)
class Synthesis:
    """What the stacks would create.

    Attributes:
        deployment: as `deploy` returns it.
        snapshots: the snapshots of the accounts, by ID, with only what the stacks create.
        conditions: the truth of every template's conditions, by the path of its stack.
        scopes: the scopes of the templates, likewise.
    """

    deployment: Deployment
    snapshots: Mapping[str, AccountSnapshot]
    conditions: Mapping[StackPath, Mapping[str, bool]]
    scopes: Mapping[StackPath, Scope]

    @cached_property
    def unknown_access(self) -> Mapping[StackPath, Resource]:
        """The resources that can give access in a way that is not modelled: see `undeclarable.unknown_access`. It reads
        the templates, so it has to be used before they change."""
        return unknown_access(self.deployment)


def synthesise(
    contract: Contract,
    region: str = "",
    physical: Mapping[StackPath, str] | None = None,
    cache: StackCache | None = None,
) -> Synthesis:
    """Synthesise the stacks of a contract.

    Args:
        region: another region than the contract's, for branches that depend on the region.
        physical: physical IDs of resources, by path, if those of a real deployment are to be used.
        cache: stacks of this contract, or of it under other variants, synthesised before with the same physical IDs.

    Raises:
        Refused: CloudFormation would refuse a stack.
        NotResolved: what a stack creates cannot be computed.
    """
    region = region or contract.region
    partition, _ = partition_of(region)
    if (region, partition) != (contract.region, contract.partition):
        contract = replace(contract, region=region, partition=partition)
    accounts = {number: MadeAccount(number) for number in contract.accounts.values()}
    shared = Shared(contract, physical or {}, accounts, cache if cache is not None else StackCache())
    facts, stacks = facts_of(contract), []
    for stack in contract.stacks:
        given, account = resolve(stack.parameters, facts), contract.accounts[stack.account]
        made = shared.stack((stack.alias,), account, stack.name, stack.template, given)
        outputs = made.outputs()
        resources = made.resources(stack.account)
        stacks.append(DeployedStack(stack.alias, stack.account, stack.name, stack.template, given, outputs, resources))
        facts = facts.with_values(stacks[-1].facts)
    snapshots = {number: account.snapshot() for number, account in shared.accounts.items()}
    for number, snapshot in snapshots.items():
        held = (*snapshot.resource_policies, *property_policies(stacks, number, contract))
        snapshots[number] = replace(snapshot, resource_policies=held)
    return Synthesis(Deployment(tuple(stacks), facts), snapshots, shared.conditions, shared.scopes)


__all__ = ["Refused", "Synthesis", "synthesise"]
