"""Resource policies taken from the resolved properties of deployed resources, for services that moto does not answer
for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from grantproof.aws.mocked.deployment import DeployedStack, Resource
from grantproof.aws.templates.carriers import ATTACHMENTS, CARRIERS, Location
from grantproof.aws.templates.pseudo import partition_of
from grantproof.aws.templates.resource_policies import ResourcePolicy, resource_policies, snapshot_entries
from grantproof.contract import Contract


def property_policies(stacks: Iterable[DeployedStack], account: str, contract: Contract) -> Iterator[dict[str, Any]]:
    """The resource policies that stacks create in one account, as entries of `AccountSnapshot.resource_policies`. A
    resource whose policy cannot be derived was not created (`NoPolicy`)."""
    where = Location(partition_of(contract.region)[0], contract.region, account)
    own = (stack for stack in stacks if contract.accounts.get(stack.account) == account)
    found = (one for stack in own for resource in stack.resources for one in policies_of_resource(resource, where))
    return snapshot_entries(found, account)


def policies_of_resource(resource: Resource, where: Location) -> Iterator[ResourcePolicy]:
    """The policies that a deployed resource creates on itself or on another; none for types not in `CARRIERS` or
    `ATTACHMENTS`."""
    if resource.type in CARRIERS or resource.type in ATTACHMENTS:
        yield from resource_policies(resource.type, resource.properties, resource.physical_id, where)


def merged_entries(
    from_properties: Iterable[Mapping[str, Any]], from_services: Iterable[Mapping[str, Any]]
) -> tuple[Mapping[str, Any], ...]:
    """The entries of both, one for each ARN. Where both have one, it has the statements of both."""
    by_arn = {entry["Arn"]: dict(entry) for entry in from_properties}
    for entry in from_services:
        own = by_arn.get(entry["Arn"])
        if own is None:
            by_arn[entry["Arn"]] = dict(entry)
            continue
        statements = own["Policy"]["Statement"]
        more = [s for s in _listed(entry["Policy"]["Statement"]) if s not in statements]
        own["Policy"] = {**own["Policy"], "Statement": [*statements, *more]}
    return tuple(by_arn.values())


def _listed(statements: Any) -> list[Any]:
    return statements if isinstance(statements, list) else [statements]
