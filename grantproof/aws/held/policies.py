"""The policies of snapshots, parsed, and those of them that apply to a request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grantproof.aws.held.parsed import parsed
from grantproof.aws.held.snapshot import AccountSnapshot
from grantproof.aws.templates.carriers import KEYS, carrier_arn, registry_policy_arn, what_else_decides
from grantproof.iam import Layers, Policy, PolicyType, Request
from grantproof.iam.errors import Undecided
from grantproof.iam.layers import is_role_entry, resource_type


class SnapshotIncomplete(Exception):
    """Something that is needed is missing from a snapshot: a policy that it names, or an output of a stack."""


@dataclass(frozen=True)
class Held:
    """An IAM entity and its policies.

    Attributes:
        kind: `user`, `group` or `role`.
        unique_id: as in AROA..., AIDA... or AGPA...
        identity: inline and attached policies, for a user also those of its groups (rule E19). The label of an inline
            policy is `ARN of the entity#name`, that of a managed one its ARN.
        boundary: the permissions boundary; None without one.
        trust: a role's trust policy, labelled `ARN#trust`.
        groups: ARNs of a user's groups.
        max_session: a role's maximum session duration, in seconds.
    """

    arn: str
    kind: str
    unique_id: str
    identity: tuple[Policy, ...]
    boundary: tuple[Policy, ...] | None = None
    trust: Policy | None = None
    groups: tuple[str, ...] = ()
    max_session: int = 3600


class Policies:
    """The policies of several accounts, parsed once.

    Raises:
        SnapshotIncomplete: an attached policy or a boundary is not in the snapshot.
        MalformedPolicy: a document that AWS would reject.
    """

    def __init__(self, snapshots: Iterable[AccountSnapshot]) -> None:
        self.snapshots = tuple(snapshots)
        self.held: dict[str, Held] = {}
        self.managed: dict[str, Policy] = {}
        self.documents: dict[str, Mapping[str, Any]] = {}
        """The documents of managed policies, unparsed, by ARN."""
        self._resource: dict[str, tuple[Mapping[str, Any], Policy]] = {}
        self._layers: dict[Any, Layers] = {}
        for snapshot in self.snapshots:
            self.documents |= {policy["Arn"]: _default_version(policy) for policy in snapshot.policies}
            for held in _Reader(snapshot, self.managed).entities():
                self.held[held.arn] = held
            for entry in snapshot.resource_policies:
                type_ = PolicyType.KEY if entry["Type"] in KEYS else PolicyType.RESOURCE
                self._resource[entry["Arn"]] = (entry, parsed(entry["Policy"], type_, entry["Arn"]))

    @property
    def resource_policies(self) -> Mapping[str, Policy]:
        """Resource policies by the ARN of their resource. Trust policies are in `held`."""
        return {arn: policy for arn, (_, policy) in self._resource.items()}

    def same_as(self, other: Policies) -> bool:
        """Are the entities, resources and policies equal to those of another?"""
        mine = self.held, self.managed, self.documents, self._resource
        return mine == (other.held, other.managed, other.documents, other._resource)

    def owner(self, resource: str) -> str | None:
        """The account that owns a resource whose ARN has no account, such as a bucket; None where it is not known."""
        entry = self._resource.get(carrier_arn(resource))
        return None if entry is None else str(entry[0]["Account"])

    def resource_policy(self, action: str, resource: str | None) -> Policy | None:
        """The resource policy for a request: a role's trust policy for assuming it, else the policy of the resource,
        or of the bucket that contains the object. None where there is none.

        Raises:
            Undecided: something other than policies also decides about the action there.
        """
        if resource is None:
            return None
        if is_role_entry(action):
            role = self.held.get(resource)
            return role.trust if role else None
        if whole := self._resource.get(registry_policy_arn(resource)):
            raise Undecided(
                f"{action} on {resource}: the registry's policy decides over each repository", whole[1].label
            )
        found = self._resource.get(carrier_arn(resource))
        if found is None:
            return None
        if beyond := what_else_decides(found[0]["Type"], action):
            raise Undecided(f"{action} on {resource}: {beyond}", found[1].label)
        wanted = resource_type(action, resource)
        return found[1] if found[1].type is wanted or wanted is PolicyType.RESOURCE else None

    def layers(self, request: Request, session: tuple[str, ...] = ()) -> Layers:
        """The policies that apply to a request. `session` are the documents of the caller's session policies."""
        resource = self.resource_policy(request.action, request.resource)
        key = (request.principal.identity_arn, resource.label if resource else None, session)
        found = self._layers.get(key)
        if found is None:
            caller = self.held.get(request.principal.identity_arn or "")
            found = self._layers[key] = Layers(
                identity=caller.identity if caller else (),
                boundary=caller.boundary if caller else None,
                resource=resource,
                session=tuple(parsed(d, PolicyType.SESSION, f"session[{n}]") for n, d in enumerate(session)) or None,
            )
        return found


class _Reader:
    """Reads the entities of one account."""

    def __init__(self, snapshot: AccountSnapshot, managed: dict[str, Policy]) -> None:
        self._snapshot = snapshot
        self._documents = {p["Arn"]: _default_version(p) for p in snapshot.policies}
        self._managed = managed
        for arn, document in self._documents.items():
            if arn not in managed:
                managed[arn] = parsed(document, PolicyType.IDENTITY, arn)

    def entities(self) -> Iterator[Held]:
        groups = {group["GroupName"]: self._group(group) for group in self._snapshot.groups}
        yield from groups.values()
        for user in self._snapshot.users:
            member_of = [groups[name] for name in user.get("GroupList") or ()]
            own = self._own(user, "UserPolicyList")
            identity = (*own, *(policy for group in member_of for policy in group.identity))
            names = tuple(group.arn for group in member_of)
            yield Held(user["Arn"], "user", user["UserId"], identity, self._boundary(user), groups=names)
        for role in self._snapshot.roles:
            trust = parsed(role["AssumeRolePolicyDocument"], PolicyType.TRUST, f"{role['Arn']}#trust")
            yield Held(
                role["Arn"],
                "role",
                role["RoleId"],
                self._own(role, "RolePolicyList"),
                self._boundary(role),
                trust,
                max_session=int(role.get("MaxSessionDuration", 3600)),
            )

    def _group(self, group: Mapping[str, Any]) -> Held:
        return Held(group["Arn"], "group", group.get("GroupId", ""), self._own(group, "GroupPolicyList"))

    def _own(self, entity: Mapping[str, Any], inline: str) -> tuple[Policy, ...]:
        out = [
            parsed(entry["PolicyDocument"], PolicyType.IDENTITY, f"{entity['Arn']}#{entry['PolicyName']}")
            for entry in entity.get(inline) or ()
        ]
        for attached in entity.get("AttachedManagedPolicies") or ():
            self._require(attached["PolicyArn"], entity["Arn"])
            out.append(self._managed[attached["PolicyArn"]])
        return tuple(out)

    def _boundary(self, entity: Mapping[str, Any]) -> tuple[Policy, ...] | None:
        boundary = entity.get("PermissionsBoundary")
        if not boundary:
            return None
        arn = boundary["PermissionsBoundaryArn"]
        self._require(arn, entity["Arn"])
        return (parsed(self._documents[arn], PolicyType.BOUNDARY, arn),)

    def _require(self, arn: str, entity: str) -> None:
        if arn not in self._documents:
            raise SnapshotIncomplete(f"{entity} has the policy {arn}, which the snapshot does not hold")


def _default_version(policy: Mapping[str, Any]) -> Any:
    for version in policy["PolicyVersionList"]:
        if version.get("IsDefaultVersion"):
            return version["Document"]
    raise SnapshotIncomplete(f"{policy['Arn']} has no default version in the snapshot")
