"""The access that a deployment gives, in a form that can be compared with that of another deployment.

CloudFormation generates other names in each deployment, so entities are named by the path of their resource in the
stacks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grantproof.aws.held.deployed import Deployed
from grantproof.aws.held.non_policy_access import (
    ACCESS_PROPERTIES,
    AccessKind,
    access_kind,
    external_principal_in_properties,
)
from grantproof.aws.held.resource_properties import account_of
from grantproof.aws.held.sends import senders
from grantproof.aws.mocked.deployment import Resource
from grantproof.aws.templates.disclosed_secrets import disclosed

Documents = Mapping[str, Any]

#: The aspects in which an entity can change.
TRUST, PERMISSIONS, BOUNDARY, SESSION, GROUPS, TAGS = "trust", "permissions", "boundary", "session", "groups", "tags"
PROPERTIES = "properties"


@dataclass(frozen=True)
class EntityAccess:
    """One entity, or resource with a policy. In documents, entities are named by their path in the stacks."""

    arn: str
    account: str
    """The ID of its account; the ARN of a bucket does not have it."""
    kind: str
    documents: Mapping[str, Documents]
    """Aspect to label to document."""
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Access:
    """Everything that the accounts hold, by a name that is the same in every deployment."""

    entities: Mapping[str, EntityAccess]


@dataclass(frozen=True)
class Change:
    """How one entity differs: its name, the aspect (`came along`, `gone`, or one of the above), its ARN, and its new
    statements as (label, index)."""

    name: str
    aspect: str
    arn: str
    statements: tuple[tuple[str, int], ...] = ()


def access(stage: Deployed) -> Access:
    """What the accounts hold. To be called before a test creates anything in them."""
    names = _names(stage)

    def called(value: Any) -> Any:
        text = json.dumps(value, sort_keys=True)
        for old, new in names.items():
            text = text.replace(old, new)
        return json.loads(text)

    entities: dict[str, EntityAccess] = {}
    for account, snapshot in stage.snapshots().items():
        managed = {policy["Arn"]: policy["PolicyVersionList"][0]["Document"] for policy in snapshot.policies}
        for kind, entries in (("Role", snapshot.roles), ("User", snapshot.users), ("Group", snapshot.groups)):
            for entry in entries:
                arn, documents, facts = entry["Arn"], _documents(kind, entry, managed), _facts(entry)
                entities[called(arn)] = EntityAccess(arn, account, kind.lower(), called(documents), called(facts))
        for policy in snapshot.policies:
            if stage.origins.resource(policy["Arn"]) is not None:
                documents = {PERMISSIONS: {policy["Arn"]: managed[policy["Arn"]]}}
                entities[called(policy["Arn"])] = EntityAccess(policy["Arn"], account, "policy", called(documents), {})
        for entry in snapshot.resource_policies:
            documents = {PERMISSIONS: {entry["Arn"]: entry["Policy"]}}
            facts = {"type": entry["Type"]}
            entities[called(entry["Arn"])] = EntityAccess(entry["Arn"], account, "resource", called(documents), facts)
    sending = senders(stage.deployment)
    for stack in stage.deployment.stacks:
        for resource in stack.resources:
            name = f"{stack.alias}.{'.'.join(resource.path)}"
            if resource.type not in _IAM_ATTACHMENTS and not any(name in called_already for called_already in entities):
                entities[name] = EntityAccess(resource.physical_id, "", resource.type, {}, {})
            deciding = _access_properties(resource, account_of(stage.deployment, stack))
            if sender := sending.get((stack.alias, *resource.path)):
                deciding["sends to"] = json.dumps(sorted(map(str, sender.to)))
            if deciding:
                facts = {PROPERTIES: called(deciding)}
                entities[f"{name} as {resource.type}"] = EntityAccess(
                    resource.physical_id, "", resource.type, {}, facts
                )
    return Access(entities)


#: Types that only attach policies or group memberships, which are part of the entities that they attach to.
_IAM_ATTACHMENTS = frozenset(
    f"AWS::IAM::{name}" for name in ("GroupPolicy", "Policy", "RolePolicy", "UserPolicy", "UserToGroupAddition")
)


def _access_properties(resource: Resource, account: str) -> dict[str, str]:
    """The properties by which a resource gives access without a policy, names a principal or discloses a secret."""
    properties = resource.properties or {}
    names = (
        [*properties]
        if access_kind(resource.type) is AccessKind.DIRECT
        else [*ACCESS_PROPERTIES.get(resource.type, ())]
    )
    if named := external_principal_in_properties(resource.type, properties, account):
        names.append(named.partition(":")[0].partition(".")[0])
    names += [str(path[0]) for path in disclosed(resource.type, properties)]
    return {name: json.dumps(properties[name], sort_keys=True, default=str) for name in names if name in properties}


def _documents(kind: str, entry: Mapping[str, Any], managed: Documents) -> dict[str, Documents]:
    """The policies of an entity, by aspect and label."""
    arn = entry["Arn"]
    own = {f"{arn}#{p['PolicyName']}": p["PolicyDocument"] for p in entry.get(f"{kind}PolicyList") or ()}
    own |= {a["PolicyArn"]: managed[a["PolicyArn"]] for a in entry.get("AttachedManagedPolicies") or ()}
    boundary = (entry.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")
    limit: Documents = {boundary: managed[boundary]} if boundary else {}
    documents: dict[str, Documents] = {PERMISSIONS: own, BOUNDARY: limit}
    if kind == "Role":
        documents[TRUST] = {f"{arn}#trust": entry["AssumeRolePolicyDocument"]}
    return documents


def _facts(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {
        SESSION: entry.get("MaxSessionDuration"),
        GROUPS: sorted(entry.get("GroupList") or ()),
        TAGS: sorted((t["Key"], t["Value"]) for t in entry.get("Tags") or ()),
    }


#: Names that CloudFormation generates, IDs of keys, and ARNs of secrets.
_MADE_UP = re.compile(r"-[A-Z0-9]{12}$|^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$|:secret:.*-[A-Za-z0-9]{6}$")


def _names(stage: Deployed) -> dict[str, str]:
    """The replacements, longest first: ARNs of entities and generated physical names, by paths in the stacks."""
    out: dict[str, str] = {}
    places: dict[str, str] = {}
    for stack in stage.deployment.stacks:
        for resource in stack.resources:
            # A bucket policy has the physical ID of its bucket.
            places.setdefault(resource.physical_id, f"{stack.alias}.{'.'.join(resource.path)}")
    for arn in (*stage.policies.held, *stage.policies.managed):
        made = stage.origins.resource(arn)
        if made is not None:
            head, _, name = arn.partition("/")
            out[arn] = f"{head}/{places[made.physical_id]}"
            out |= {name: places[made.physical_id]} if _MADE_UP.search(name) else {}
    # The replacement of an ARN has to be an ARN: policies name it as a resource.
    made_up = {p: f"{p.rpartition(':')[0]}:{place}".lstrip(":") for p, place in places.items() if _MADE_UP.search(p)}
    out = made_up | out
    return dict(sorted(out.items(), key=lambda item: -len(item[0])))


def changes(before: Access, after: Access) -> tuple[Change, ...]:
    """The textual differences of two deployments; empty means that all documents and facts are equal."""
    out = [Change(n, "gone", h.arn) for n, h in before.entities.items() if n not in after.entities]
    for name, held in after.entities.items():
        if name not in before.entities:
            out.append(Change(name, "came along", held.arn))
            continue
        old = before.entities[name]
        for aspect in held.documents:
            if held.documents[aspect] != old.documents.get(aspect):
                new = tuple(_new_statements(old.documents.get(aspect) or {}, held.documents[aspect]))
                out.append(Change(name, aspect, held.arn, new))
        out += [Change(name, aspect, held.arn) for aspect in held.facts if held.facts[aspect] != old.facts.get(aspect)]
    return tuple(out)


def _new_statements(before: Documents, after: Documents) -> Iterator[tuple[str, int]]:
    there = [statement for document in before.values() for statement in statements_of(document)]
    for label, document in after.items():
        for number, statement in enumerate(statements_of(document)):
            if statement not in there:
                yield label, number


def statements_of(document: Any) -> list[Any]:
    """The statements of a document, also where a single one stands without a list."""
    found = document.get("Statement", [])
    return found if isinstance(found, list) else [found]
