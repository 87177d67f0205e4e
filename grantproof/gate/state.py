"""A deployed grant, in names that two deployments share.

CloudFormation generates other names in each deployment. Generated names are replaced: for a principal by its alias in
the contract, otherwise by the logical ID. Names that a template sets are kept, so that changing one is a change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from grantproof.aws.held.origin import Origins
from grantproof.aws.held.policies import Held, Policies
from grantproof.aws.held.promises import allowed
from grantproof.aws.held.sends import Path_, Sender, senders
from grantproof.aws.held.snapshot import AccountSnapshot
from grantproof.aws.mocked.deploy import DeploymentFailed
from grantproof.aws.mocked.deployment import Deployment, Resource
from grantproof.aws.staged.stage import Stage
from grantproof.contract import Contract, DeclaredPrincipal, DeclaredSending, DeclaredStatement, UnknownFact, resolve
from grantproof.iam import Layers, Policy, PolicyType, parse_policy
from grantproof.iam.decision import Cited
from grantproof.source import Place, shown


@dataclass(frozen=True)
class State:
    """A deployed grant. Policies are in shared names; `_shared` maps generated names to them."""

    contract: Contract
    deployment: Deployment
    policies: Policies
    _shared: Mapping[str, str]
    origins: Origins

    def resolved(self, value: Any) -> Any:
        """A value of the contract with its references filled, in shared names."""
        return _renamed(resolve(value, self.deployment.facts), self._shared)

    def in_shared_names(self, value: Any) -> Any:
        """A value of the deployment, in shared names."""
        return _renamed(value, self._shared)

    def principal(self, alias: str) -> DeclaredPrincipal | None:
        """The declared principal of this alias, or None."""
        return next((p for p in self.contract.principals if p.alias == alias), None)

    def held(self, principal: DeclaredPrincipal) -> Held | None:
        """The deployed entity of a declared principal that is no managed policy; None where there is none."""
        reference = self.resolved(principal.reference)
        for arn, held in self.policies.held.items():
            if held.kind == principal.kind and reference in (arn, arn.rsplit("/", 1)[1]):
                return held
        return None

    def layers(self, alias: str) -> Layers:
        """The identity policies and boundary of a principal; empty where it does not exist."""
        principal = self.principal(alias)
        if principal is None:
            held, managed = self.policies.held.get(alias), self.policies.managed.get(alias)
            if held is not None:
                return Layers(identity=held.identity, boundary=held.boundary)
            return Layers(identity=(managed,) if managed else ())
        if principal.kind == "policy":
            managed = self.policies.managed.get(self.resolved(principal.reference))
            return Layers(identity=(managed,) if managed else ())
        held = self.held(principal)
        return Layers(identity=held.identity, boundary=held.boundary) if held else Layers()

    def trust(self, alias: str) -> Policy | None:
        """The trust policy of a declared role; None where there is none."""
        held = self._role(alias)
        return held.trust if held else None

    def role_arn(self, alias: str) -> str | None:
        """The ARN of a declared role that is deployed."""
        held = self._role(alias)
        return held.arn if held else None

    def max_session(self, alias: str) -> int | None:
        """The maximum session duration of a declared role, in seconds; None where there is no role."""
        held = self._role(alias)
        return held.max_session if held else None

    def written(self, alias: str) -> Place | None:
        """The place in the templates of a declared role."""
        held = self._role(alias)
        back = {new: old for old, new in self._shared.items()}
        return self.origins.place(_renamed(held.arn, back)) if held else None

    def _role(self, alias: str) -> Held | None:
        principal = self.principal(alias)
        if principal is None:
            held = self.policies.held.get(alias)
            return held if held is not None and held.kind == "role" else None
        return self.held(principal) if principal.kind == "role" else None

    def undeclared(self) -> tuple[str, ...]:
        """The ARNs of entities that the stacks create and the contract does not declare. The verification fails on
        them; their access is compared all the same."""
        declared = {self.resolved(p.reference) for p in self.contract.principals}
        back = {new: old for old, new in self._shared.items()}
        found = [*self.policies.held, *self.policies.managed]
        return tuple(
            arn
            for arn in found
            if not {arn, arn.rsplit("/", 1)[1]} & declared and self.origins.resource(_renamed(arn, back)) is not None
        )

    def name(self, alias: str) -> str:
        """The name of a principal in a witness: its ARN, or "whoever has" a managed policy."""
        principal = self.principal(alias)
        held = self.held(principal) if principal is not None and principal.kind != "policy" else None
        if principal is None:
            held = self.policies.held.get(alias)
        if held is None:
            return f"whoever has {alias}"
        return {"role": "a session of ", "group": "a member of "}.get(held.kind, "") + held.arn

    def promised(self, alias: str, which: str) -> tuple[tuple[DeclaredStatement, Policy], ...]:
        """The statements that the contract has under `allows` or `trust` for a principal, or under `policy` for the
        resource with this ARN, each with a policy of this statement alone."""
        found, type_ = self._declared(alias, which)
        return tuple((statement, self._policy([statement], type_)) for statement in found)

    def promise(self, alias: str, which: str) -> Policy | None:
        """The same statements as one policy; None where there is none."""
        found, type_ = self._declared(alias, which)
        return self._policy(found, type_) if found else None

    def _declared(self, alias: str, which: str) -> tuple[tuple[DeclaredStatement, ...], PolicyType]:
        if which == "policy":
            real = self.policies.resource_policies.get(alias)
            carriers = [r for r in self.contract.resources if self.resolved(r.reference) == alias]
            return carriers[0].policy if carriers else (), real.type if real else PolicyType.RESOURCE
        principal = self.principal(alias)
        if which == "trust":
            return principal.trust if principal is not None else (), PolicyType.TRUST
        found = allowed(principal, self.policies, self.resolved) if principal is not None else ()
        return found, PolicyType.IDENTITY

    def _policy(self, statements: Any, type_: PolicyType) -> Policy:
        document = {"Version": "2012-10-17", "Statement": [self.resolved(s.document) for s in statements]}
        return parse_policy(document, type_, "contract")

    def sent(self) -> Mapping[tuple[Path_, str], Sender]:
        """The resources with external destinations, by path and destination in shared names."""
        return {
            (path, str(self.in_shared_names(destination))): sender
            for path, sender in senders(self.deployment).items()
            for destination in sender.to
        }

    def promised_sent(self, path: Path_, destination: str) -> DeclaredSending | None:
        """The promise of the contract for a resource's destination in shared names; None where there is none."""
        for sending in self.contract.sends:
            if sending.path == path:
                for promised in sending.to:
                    with suppress(UnknownFact):
                        if self.resolved(promised) == destination:
                            return sending
        return None

    def place(self, cited: Cited) -> tuple[str, Any]:
        """A deciding statement in words, with its place."""
        back = {new: old for old, new in self._shared.items()}
        label = _renamed(cited.policy, back)
        place = self.origins.place(label, cited.statement)
        sid = f"Sid {cited.sid}" if cited.sid else f"Statement[{cited.statement}]"
        return f"{place or cited.policy} {sid}{self.origins.inside(label)}", place


def deployed(contract: Contract) -> State:
    """Deploy a grant and read its state.

    Raises:
        DeploymentFailed: it cannot be deployed.
        IamError, SnapshotIncomplete: its policies cannot be read.
    """
    for file in contract.files:
        if _SHARED.encode() in file.read_bytes():
            raise DeploymentFailed(
                f"{shown(file)}: {_SHARED}... is how the gate calls generated names; use another name."
            )
    stage = Stage(contract)
    stage.open()
    try:
        snapshots = [snapshot.as_dict() for snapshot in stage.snapshots().values()]
        deployment = stage.deployment
    finally:
        stage.close()
    shared = dict(_names(contract, deployment))
    policies = Policies(AccountSnapshot.from_dict(_renamed(snapshot, shared)) for snapshot in snapshots)
    return State(contract, deployment, policies, shared, Origins(deployment))


def _names(contract: Contract, deployment: Deployment) -> Iterator[tuple[str, str]]:
    """Generated name to shared name, longest first, so that no name is replaced within a longer one."""
    aliases = {}
    for principal in contract.principals:
        aliases[resolve(principal.reference, deployment.facts).rsplit("/", 1)[-1]] = principal.alias
    found: dict[str, str] = {}
    taken: set[str] = set()
    for stack in deployment.stacks:
        for resource in stack.resources:
            name = resource.physical_id.rsplit("/", 1)[-1].rsplit(":", 1)[-1]
            if name in found or not _generated(name, resource):
                continue
            shared = f"{_SHARED}{aliases.get(name, resource.path[-1])}"
            if shared in taken:
                shared = f"{_SHARED}{stack.alias}-{'-'.join(resource.path)}"
            taken.add(shared)
            found[name] = shared
    yield from sorted(found.items(), key=lambda pair: -len(pair[0]))


#: The prefix of shared names. No template may contain it, since its names would be taken for generated ones.
_SHARED = "generated-name-of-"
_LONGEST = 64
_RANDOM = re.compile(r"-[A-Z0-9]{4,}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _generated(name: str, resource: Resource) -> bool:
    """Does a name have the form that CloudFormation generates, STACK-LOGICALID-RANDOM, or that AWS generates?"""
    if _UUID.fullmatch(name) or resource.type == "AWS::SecretsManager::Secret":
        return True
    if len(name) == _LONGEST:
        return True  # truncated to the limit of IAM, possibly within the logical ID
    head, dash, tail = name.rpartition("-")
    return f"-{resource.path[-1].lower()}" in f"{head.lower()}" and bool(_RANDOM.fullmatch(dash + tail.upper()))


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for old, new in names.items():
            if old in value:
                value = value.replace(old, new)
        return value
    if isinstance(value, Mapping):
        return {_renamed(key, names): _renamed(item, names) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_renamed(item, names) for item in value]
    return value
