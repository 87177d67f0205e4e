"""The place of a deployed statement in the templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from grantproof.aws.held.non_policy_access import LIMITING_PROPERTIES, AccessKind, access_kind
from grantproof.aws.held.property_policies import policies_of_resource
from grantproof.aws.mocked.deployment import Deployment, Resource
from grantproof.aws.templates.carriers import ATTACHMENTS, CARRIERS, Location, filled
from grantproof.aws.templates.resource_policies import ResourcePolicy, by_arn
from grantproof.aws.templates.template_data import Placed, place_of, policy_paths, with_places_cached
from grantproof.source import Key, Place, at, read

KeyPath = tuple[Key, ...]
#: Properties that hold the policy document of a resource that is a policy, or has one of its own.
_DOCUMENTS = ("PolicyDocument", "KeyPolicy", "ResourcePolicy", "RepositoryPolicyText")
_SEPARATE = ("AWS::IAM::Policy", "AWS::IAM::RolePolicy", "AWS::IAM::UserPolicy", "AWS::IAM::GroupPolicy")
#: The properties by which a resource names those that it attaches its policy to: a queue by URL, a topic by ARN, a
#: bucket by name.
_ATTACHED_BY_PROPERTY: Mapping[str, tuple[str, ...]] = {
    "AWS::S3::BucketPolicy": ("Bucket",),
    "AWS::SQS::QueuePolicy": ("Queues",),
    "AWS::SQS::QueueInlinePolicy": ("Queue",),
    "AWS::SNS::TopicPolicy": ("Topics",),
    "AWS::SNS::TopicInlinePolicy": ("TopicArn",),
    "AWS::SecretsManager::ResourcePolicy": ("SecretId",),
    **{type_: (attachment.target_property,) for type_, attachment in ATTACHMENTS.items()},
}


class Origins:
    """Finds the place of a statement by the label of its policy (see `policies.Held`) and its index.

    Exact in the mocked world: the objects of a template keep their places through transforms, loops, conditions and
    functions. For a real account, of which only the templates are known, the place of the whole policy where its
    statements are computed.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    @cached_property
    def _all(self) -> tuple[Resource, ...]:
        return tuple(resource for stack in self._deployment.stacks for resource in stack.resources)

    @cached_property
    def _resources(self) -> dict[str, Resource]:
        """Resources by `ALIAS:role/NAME`, `ALIAS:group/NAME`, `ALIAS:user/NAME` with the account's alias, and by
        physical id."""
        out: dict[str, Resource] = {}
        for resource in self._all:
            kind = resource.type.rsplit("::", 1)[1].lower()
            out[f"{resource.account}:{kind}/{resource.physical_id}"] = resource
            out[resource.physical_id] = resource
        return out

    @cached_property
    def _by_id(self) -> Mapping[str, list[Resource]]:
        """Resources by physical id."""
        out: dict[str, list[Resource]] = {}
        for resource in self._all:
            out.setdefault(resource.physical_id, []).append(resource)
        return out

    @cached_property
    def _accounts(self) -> Mapping[str, str]:
        """Aliases of accounts, by account number."""
        values = self._deployment.facts.values
        return {number: name.split(".", 1)[1] for name, number in values.items() if name.startswith("accounts.")}

    @cached_property
    def _carriers(self) -> Mapping[str, Resource]:
        """By ARN, the resource of a type in `CARRIERS`; where there is none, the resource that attaches the policy."""
        out = {arn: hanging[0][0] for arn, hanging in self._carried.items()}
        for resource in self._all:
            if (carrier := CARRIERS.get(resource.type)) and isinstance(resource.properties, Mapping):
                id_ = carrier.id_of(resource.physical_id)
                out[filled(carrier.arn, resource.properties, id_, self._where(resource))] = resource
        return out

    @cached_property
    def _carried(self) -> Mapping[str, list[tuple[Resource, ResourcePolicy]]]:
        """By ARN of a resource, the policies put on it, each with the resource that does, in the order of their
        statements."""
        by: dict[int, Resource] = {}
        found: list[ResourcePolicy] = []
        for resource in self._all:
            for one in policies_of_resource(resource, self._where(resource)) if resource.properties is not None else ():
                by[id(one)] = resource
                found.append(one)
        return {arn: [(by[id(one)], one) for one in several] for arn, several in by_arn(found).items()}

    def _where(self, resource: Resource) -> Location:
        values = self._deployment.facts.values
        number = values.get(f"accounts.{resource.account}", resource.account)
        return Location(values.get("partition", ""), values.get("region", ""), number)

    def resource(self, arn: str) -> Resource | None:
        """The deployed resource with an ARN, or None."""
        if arn in self._carriers:
            return self._carriers[arn]
        fields = arn.split(":", 5)
        kind, _, name = fields[-1].partition("/")
        account = self._accounts.get(fields[4], "") if len(fields) == 6 else ""
        # Names of repositories contain slashes; of an IAM entity, what stands before the last is its path.
        names = (name, name.rsplit("/", 1)[-1])
        found = self._resources.get(arn) or next(
            (of for n in names if (of := self._resources.get(f"{account}:{kind}/{n}"))), None
        )
        # The physical id of buckets, keys and queues is a name, an id or a URL, not an ARN.
        return found or self._named(name.rsplit("/", 1)[-1] or kind, fields) or self._by_ending(fields)

    def _named(self, name: str, fields: list[str]) -> Resource | None:
        """The resource with a name as its physical id, of the service of the ARN if there is one; none of another
        account, where something else may have the same name."""
        there = fields[4] if len(fields) == 6 else ""
        found = [r for r in self._by_id.get(name, ()) if not there or there == self._where(r).account]
        return next((r for r in found if [r.type.split("::")[1].lower()] == fields[2:3]), found[-1] if found else None)

    def _by_ending(self, fields: list[str]) -> Resource | None:
        name = fields[-1].rsplit(":", 1)[-1]
        own = (r for r in self._all if r.physical_id == name or r.physical_id.endswith(f"/{name}"))
        return next((r for r in own if r.type.split("::")[1].lower() == fields[2]), None) if len(fields) == 6 else None

    def written(self) -> Iterator[Place]:
        """The place of every policy document in the properties of every deployed resource."""
        for resource in self._all:
            properties = properties_of(resource)
            for path in policy_paths(properties, text=access_kind(resource.type) is not AccessKind.NONE):
                if path[:1] != (LIMITING_PROPERTIES.get(resource.type),) and (place := place_of(properties, path)):
                    yield place

    def nested(self, stack: Resource) -> Path | None:
        """The template file of a nested stack, or None where it is not a file of the contract."""
        for deployed in self._deployment.stacks:
            for resource in deployed.resources:
                if resource.account == stack.account and resource.path[:-1] == stack.path:
                    return resource.template
        return None

    def place(self, label: str, statement: int | None = None) -> Place | None:
        """The place of a policy or of one of its statements; None where no template of the grant contains it."""
        found = self._policy(label, statement)
        if found is None:
            return None
        resource, path = found
        return place_of(properties_of(resource), path) or place_of(written_of(resource))

    def places(self, label: str) -> Iterator[Place | None]:
        """All places of a policy, to which several resources may contribute statements."""
        for resource, one in self._carried.get(label, ()):
            yield place_of(properties_of(resource), one.path)
        yield self.place(label)

    def described(self, label: str, statement: int | None = None) -> str:
        """The resource that contains a policy: its logical ids through nested stacks, and for templates that CDK
        synthesised its construct path (`aws:cdk:path`); empty where no template of the grant contains it."""
        found = self._policy(label, statement)
        if found is None:
            return ""
        name, tool = "/".join(found[0].path), at(written_of(found[0]), ("Metadata", "aws:cdk:path"))
        return f"{name}, {tool}" if isinstance(tool, str) else name

    def inside(self, label: str) -> str:
        """` of ...`, with `described`, for findings in templates that CDK synthesised; else empty."""
        resource = self.described(label)
        return f" of {resource}" if ", " in resource else ""

    def _policy(self, label: str, statement: int | None) -> tuple[Resource, KeyPath] | None:
        """The resource that contains a policy, and the path of the policy or statement in its properties."""
        arn, _, name = label.partition("#")
        resource = self.resource(arn)
        if name == "trust" and resource is not None:
            return resource, _statement(resource, ("AssumeRolePolicyDocument",), statement)
        if name:
            return self._inline(resource, arn, name, statement)
        left = statement
        for carried, one in self._carried.get(label, ()):
            number = len(one.document["Statement"])
            if left is None or left < number:
                return carried, _listed(properties_of(carried), one.path, left)
            left -= number
        for attachment in self._attached_to(arn, resource):
            path = _statement(attachment, _document(attachment), statement)
            if statement is None or path:
                return attachment, path
        return (resource, _statement(resource, _document(resource), statement)) if resource is not None else None

    def _inline(
        self, resource: Resource | None, arn: str, name: str, statement: int | None
    ) -> tuple[Resource, KeyPath] | None:
        if resource is not None:
            own = at(properties_of(resource), ("Policies",))
            entries = own if isinstance(own, list) else []
            for number, entry in enumerate(entries):
                if _fits(entry, name, only=len(entries) == 1 and resource.properties is None):
                    return resource, _statement(resource, ("Policies", number, "PolicyDocument"), statement)
        for separate in self._all:
            if separate.type in _SEPARATE and _named(separate, name) and _is_attached_to(separate, arn):
                return separate, _statement(separate, ("PolicyDocument",), statement)
        return (resource, ()) if resource is not None else None

    def _attached_to(self, arn: str, resource: Resource | None) -> Iterator[Resource]:
        """The resources that attach a policy to the resource with an ARN."""
        wanted = {arn, arn.rsplit(":", 1)[-1]} | ({resource.physical_id} if resource else set())
        service = arn.split(":", 3)[2:3]
        for attachment in self._all:
            if attachment.properties is not None and attachment.type in ATTACHMENTS:
                continue  # with resolved properties, `_carried` has its target
            if attachment.type.count("::") == 2 and [attachment.type.split("::")[1].lower()] != service:
                continue
            for name in _ATTACHED_BY_PROPERTY.get(attachment.type, ()):
                value = at(properties_of(attachment), (name,))
                values = value if isinstance(value, list) else [value]
                if any(str(v) in wanted or str(v).rsplit("/", 1)[-1] in wanted for v in values):
                    yield attachment


def properties_of(resource: Resource) -> Any:
    """The properties of a resource, with functions resolved; of a real account's resource, as written."""
    return resource.properties if resource.properties is not None else at(written_of(resource), ("Properties",)) or {}


def written_of(resource: Resource) -> Any:
    """The resource's entry in its template; in the mocked world, after transforms."""
    if resource.written is not None or resource.template is None:
        return resource.written
    document = read(resource.template)
    found = at(with_places_cached(document), ("Resources", resource.path[-1]))
    place = document.place("Resources", resource.path[-1])
    return Placed(found, place, found.keys_at) if isinstance(found, Placed) else found


def _document(resource: Resource) -> KeyPath:
    properties = properties_of(resource)
    if resource.type in ATTACHMENTS:
        return ATTACHMENTS[resource.type].policy_path
    if resource.type in CARRIERS:
        return CARRIERS[resource.type].policy_path
    return next(((name,) for name in _DOCUMENTS if isinstance(properties, Mapping) and name in properties), ())


def _statement(resource: Resource, path: KeyPath, number: int | None) -> KeyPath:
    return _listed(properties_of(resource), path, number) if path else path


def _listed(properties: Any, path: KeyPath, number: int | None) -> KeyPath:
    policy = at(properties, path)
    if number is None or not isinstance(policy, Mapping) or "Statement" not in policy:
        return path
    statements = policy.get("Statement")
    if isinstance(statements, list) and number < len(statements):
        return (*path, "Statement", number)
    return (*path, "Statement")


def _fits(entry: Any, name: str, *, only: bool) -> bool:
    """Is this entry of `Policies` the inline policy with a deployed name? Where PolicyName is an unresolved Fn::Sub,
    all its literal parts have to occur in the deployed name. An `only` entry always matches."""
    written = entry.get("PolicyName") if isinstance(entry, Mapping) else None
    if isinstance(written, Mapping) and isinstance(written.get("Fn::Sub"), str):
        pieces = [piece.rpartition("}")[2] for piece in written["Fn::Sub"].split("${")]
        return all(piece in name for piece in pieces) or only
    return written == name or only


def _named(separate: Resource, name: str) -> bool:
    written = at(properties_of(separate), ("PolicyName",))
    return written == name or (separate.properties is None and isinstance(written, Mapping))


def _is_attached_to(separate: Resource, arn: str) -> bool:
    """Does an inline policy that is a separate resource belong to the entity with this ARN?"""
    if separate.properties is None:
        return True
    kind, _, name = arn.split(":", 5)[-1].partition("/")
    properties, plural = separate.properties, f"{kind.capitalize()}s"
    targets = [*(properties.get(plural) or ()), properties.get(f"{kind.capitalize()}Name")]
    return name.rsplit("/", 1)[-1] in targets
