"""Compares the destinations outside the account to which resources send data with `sends` of the contract.

They must be exactly those that the contract lists. Destinations are compared as text; one that is not resolved matches
no entry of the contract.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grantproof.aws.held.agreement import Disagreement
from grantproof.aws.held.content import ResourceFinding, content
from grantproof.aws.held.deployed import Deployed
from grantproof.aws.held.non_policy_access import access_kind
from grantproof.aws.held.origin import properties_of
from grantproof.aws.held.resource_properties import account_of, addresses_of, known_properties, not_created
from grantproof.aws.held.undeclarable import place_of
from grantproof.aws.mocked.deployment import DeployedStack, Deployment, Resource
from grantproof.aws.templates.definition_destinations import UnresolvedDestination
from grantproof.aws.templates.destinations import DESTINATION_PROPERTIES, external_destinations
from grantproof.aws.templates.text_destinations import SAME_TEMPLATE, OwnAccount
from grantproof.contract import DeclaredSending
from grantproof.source import read

#: The alias of the contract's stack, and logical ids through nested stacks.
Path_ = tuple[str, ...]


@dataclass(frozen=True)
class DestinationNotExported:
    """The unknown destination of a real account's resource that is missing in the template of its stack: the template
    has changed since the deployment, or the resource is of a nested stack whose template is not part of the grant."""

    def __str__(self) -> str:
        return "where neither an export nor a template of the grant tells"


@dataclass(frozen=True)
class Sender:
    """A resource with destinations that are not known to be in its account. `to`: as in `external_destinations`;
    functions as they are written for a real account."""

    resource: Resource
    to: tuple[Any, ...]
    stack: DeployedStack

    @property
    def called(self) -> str:
        """The logical id and type, as in `Topic (AWS::SNS::Topic)`."""
        return f"{self.resource.path[-1]} ({self.resource.type})"

    @property
    def content(self) -> str:
        """As `held.content`."""
        return content(self.stack, self.resource)


def senders(deployment: Deployment) -> Mapping[Path_, Sender]:
    """Every resource that sends data out of its account, by the stack's alias and logical ids."""
    out: dict[Path_, Sender] = {}
    for stack in deployment.stacks:
        buckets = _buckets_of(deployment, stack.account)
        own = OwnAccount(account_of(deployment, stack), buckets, deployment.facts.values["partition"])
        for resource in (*stack.resources, *not_created(stack)):
            known = known_properties(deployment, stack, resource)
            to = external_destinations(resource.type, known, own)
            if any("://" in str(place) or not isinstance(place, str) for place in to):
                to = external_destinations(resource.type, known, own, addresses_of(resource))
            if (
                resource.type in DESTINATION_PROPERTIES or access_kind(resource.type) is None
            ) and _destination_is_not_exported(stack, resource):
                to = (DestinationNotExported(),)
            if to:
                out[stack.alias, *resource.path] = Sender(resource, to, stack)
    return out


def _destination_is_not_exported(stack: DeployedStack, resource: Resource) -> bool:
    """Is there neither a template entry nor an export with its properties? Resources that a transform generates are
    not in the template either, and do not count."""
    told = resource.properties is not None or resource.written is not None or resource.template is not None
    return not told and "Transform" not in read(stack.template).value


def _buckets_of(deployment: Deployment, alias: str) -> frozenset[str]:
    """The names of the buckets that the stacks create in an account; a bucket's ARN does not contain the account."""
    resources = (r for stack in deployment.stacks if stack.account == alias for r in stack.resources)
    return frozenset(resource.physical_id for resource in resources if resource.type == "AWS::S3::Bucket")


def clause_of(sending: DeclaredSending) -> str:
    """The claim about one entry of `sends`, as a sentence."""
    return f"{sending.alias} sends exactly where the contract says"


def undeclared_sends(deployed: Deployed) -> Iterator[ResourceFinding]:
    """Destinations of resources that the contract does not list at all."""
    declared = {sending.path for sending in deployed.contract.sends}
    for path, sender in senders(deployed.deployment).items():
        if path not in declared:
            for destination in sender.to:
                said = f"{sender.called} sends to {destination}, {_unknown(destination)}"
                yield ResourceFinding(said, place_of(sender.resource, deployed), sender.content)


def _unknown(destination: Any) -> str:
    if isinstance(destination, UnresolvedDestination):
        return "and no contract can promise that: write into the template where to"
    return "which is not known to be of its account, and the contract promises nothing of it under `sends`"


def disagreements_about(deployed: Deployed, sending: DeclaredSending) -> Iterator[Disagreement]:
    """Differences about one entry of `sends`: `wider` for a destination that no entry of the resource lists, `narrower`
    for a listed one that the resource does not have, `doubt` where a real account's destination is not fully known.

    Raises:
        SnapshotIncomplete: a promise names an output that no stack has.
    """
    resource = _resource(deployed.deployment, sending.path)
    sender = senders(deployed.deployment).get(sending.path)
    promised = {
        deployed.resolved(destination)
        for one in deployed.contract.sends
        if one.path == sending.path
        for destination in one.to
    }
    to = sender.to if sender is not None else ()
    doubtful = [one for one in to if resource is not None and resource.properties is None and _is_part_known(one)]
    for destination in to:
        if isinstance(destination, str) and destination in promised:
            continue
        assert sender is not None
        place = place_of(sender.resource, deployed)
        if destination in doubtful:
            said = f"{sender.called} sends to {destination}"
            said += "" if isinstance(destination, DestinationNotExported) else ", and no export holds what that is"
            yield Disagreement("doubt", said, place)
        else:
            why = (
                "which no promise can name"
                if isinstance(destination, UnresolvedDestination)
                else "which no promise of it names"
            )
            said = f"{sender.called} sends to {destination}, {why}"
            yield Disagreement("wider", said, place, covers=sender.content)
    for destination in map(deployed.resolved, sending.to):
        if destination not in to and not doubtful:
            why = _why_not(sending, resource, destination)
            yield Disagreement("narrower", f"promises that {destination} is sent to, and {why}", str(sending.place))


def _is_part_known(destination: Any) -> bool:
    """Is a destination not fully known, as can be if only the template of a resource is known?"""
    return not isinstance(destination, str) or SAME_TEMPLATE in destination


def _resource(deployment: Deployment, path: Path_) -> Resource | None:
    found = (r for stack in deployment.stacks for r in stack.resources if (stack.alias, *r.path) == path)
    return next(found, None)


def _why_not(sending: DeclaredSending, resource: Resource | None, destination: str) -> str:
    name = "/".join(sending.path[1:])
    if resource is None:
        return f"no {name} is deployed"
    if repr(destination) in str(properties_of(resource)):
        return f"{name} sends nothing there that leaves its account, of which nothing has to be promised"
    return f"{name} does not send there. Take it out of the contract, or let the template send there"
