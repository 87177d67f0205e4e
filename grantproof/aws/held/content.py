"""The content of a resource behind a finding, so that accepting the finding accepts exactly this content.

The text of such a finding names the resource, but not its properties. A waiver by the text alone would also accept
another principal, function or policy in the same resource.
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
    """A finding about a resource. `place`: `file:line:column`; `content`: the result of `content`."""

    detail: str
    place: str
    content: str


def content(stack: DeployedStack, resource: Resource) -> str:
    """A resource as its template writes it, with everything to which it refers there, as JSON: other resources,
    parameters with their values, conditions, mappings; for a resource in a nested stack, also what the parent templates
    write about that stack. It is the same for a mocked account and for a real one with the same parameters."""
    beside = {one.path: one for one in (*stack.resources, *not_created(stack))}
    chain = [beside.get(resource.path[:end], resource) for end in range(1, len(resource.path) + 1)]
    return _as_text([_with_what_it_names(stack, beside, one) for one in chain])


def held_content(policies: Policies, arn: str) -> str:
    """Everything in a user, group, role, managed policy or resource policy, with the attached policies and the groups
    of a user, as JSON, without IDs and dates."""
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


#: The keys in an entry of a snapshot that concern access, besides references.
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
            if named is not resource:  # the outputs of a nested stack come from its resources
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
    """The mappings in which a value looks something up; all mappings of the template if it computes the name."""
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
    """A resource's entry in its template, without Metadata, which has no effect."""
    written = written_of(resource)
    known = written if isinstance(written, Mapping) else {}
    return {key: value for key, value in known.items() if key != "Metadata"}


def _as_text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
