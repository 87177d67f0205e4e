"""What stands behind a finding about a resource, so that accepting the finding accepts exactly that.

The text of such a finding names the resource, and not what its properties say. A waiver that went by the text would
also accept another principal, another function, or another policy in the same place.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grantproof.aws.held.origin import written_of
from grantproof.aws.held.policies import Policies
from grantproof.aws.held.resource_properties import not_created
from grantproof.aws.mocked.deployment import DeployedStack, Resource
from grantproof.aws.templates.referenced_names import referenced_names
from grantproof.source import at, read


@dataclass(frozen=True)
class ResourceFinding:
    """What is wrong with a resource. `place`: `file:line:column`; `content`: as `content`."""

    detail: str
    place: str
    content: str


def content(stack: DeployedStack, resource: Resource) -> str:
    """A resource as its template writes it, with everything that it names there, as JSON: other resources, parameters
    with their values, conditions, mappings. Of a resource in a nested stack, also what the parent templates write of
    that stack. It is the same for a mocked account and for a real one with the same parameters."""
    beside = {one.path: one for one in (*stack.resources, *not_created(stack))}
    chain = [beside.get(resource.path[:end], resource) for end in range(1, len(resource.path) + 1)]
    return _as_text([_with_what_it_names(stack, beside, one) for one in chain])


def held_content(policies: Policies, arn: str) -> str:
    """All that a user, group, role, managed policy or resource policy says, with the policies that are attached to it
    and the groups that it is in, as JSON. Ids and dates are left out."""
    found: list[Any] = []
    for snapshot in policies.snapshots:
        groups = {group["GroupName"]: group["Arn"] for group in snapshot.groups}
        for entry in (*snapshot.users, *snapshot.groups, *snapshot.roles, *snapshot.resource_policies):
            if entry["Arn"] != arn:
                continue
            attached = [one["PolicyArn"] for one in entry.get("AttachedManagedPolicies") or ()]
            boundary = (entry.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")
            found += [
                [entry.get(name) for name in _SAID],
                {one: policies.documents.get(one) for one in attached},
                {boundary: policies.documents.get(boundary)} if boundary else None,
                [held_content(policies, groups[name]) for name in entry.get("GroupList") or ()],
            ]
    return _as_text([found, policies.documents.get(arn)])


#: What an entry of a snapshot says of access, beside what it refers to.
_SAID = (
    "AssumeRolePolicyDocument",
    "GroupPolicyList",
    "MaxSessionDuration",
    "Policy",
    "RolePolicyList",
    "UserPolicyList",
)


def _with_what_it_names(
    stack: DeployedStack, everything: Mapping[tuple[str, ...], Resource], resource: Resource
) -> Mapping[str, Any]:
    inside = resource.path[:-1]
    sections = read(resource.template).value if resource.template is not None else {}
    given = stack.parameters if not inside else {}
    found: dict[str, Any] = {}
    waiting = [resource.path[-1]]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        named = everything.get((*inside, name))
        if named is not None:
            found[name] = _entry(named)
            if named is not resource:  # what a nested stack gives is made by its resources
                nested = [r for path, r in everything.items() if path[: len(named.path)] == named.path]
                found[name]["in it"] = sorted(_as_text([one.path, _entry(one)]) for one in nested if one is not named)
        elif name.startswith("Condition:"):
            found[name] = at(sections, ("Conditions", name.removeprefix("Condition:")))
        elif name.startswith(_MAPPING):
            found[name] = at(sections, ("Mappings", name.removeprefix(_MAPPING)))
        else:
            found[name] = given.get(name, at(sections, ("Parameters", name, "Default")))
            continue
        waiting += [one.partition(".")[0] for one in referenced_names(found[name])]
        waiting += _mappings(found[name], sections)
    return found


_MAPPING = "Mapping:"


def _mappings(value: Any, sections: Any) -> Iterator[str]:
    """The mappings that a value looks something up in; all of the template where it computes which."""
    if isinstance(value, list):
        for item in value:
            yield from _mappings(item, sections)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key == "Fn::FindInMap":
                first = at(item, (0,))
                names = [first] if isinstance(first, str) else list(at(sections, ("Mappings",)) or ())
                yield from (f"{_MAPPING}{name}" for name in names)
            yield from _mappings(item, sections)


def _entry(resource: Resource) -> dict[str, Any]:
    """A resource's entry in its template. Metadata changes nothing of what it is."""
    written = written_of(resource)
    known = written if isinstance(written, Mapping) else {}
    return {key: value for key, value in known.items() if key != "Metadata"}


def _as_text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
