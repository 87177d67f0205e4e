"""What a reviewer has to see of a change besides access gained and lost: promises and checks that were removed, new
waivers, and changed properties that affect access without being policies. What can hide wider access fails the gate."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from grantproof.aws.held.non_policy_access import (
    ACCESS_PROPERTIES,
    AccessKind,
    access_kind,
    external_principal_in_properties,
    granting_property,
)
from grantproof.aws.held.resource_properties import account_of
from grantproof.aws.mocked.deployment import Resource
from grantproof.aws.templates.destinations import DESTINATION_PROPERTIES
from grantproof.contract import Contract, DeclaredStatement
from grantproof.contract.templates import section
from grantproof.evidence.waivers import NAME, OF_STYLE, load
from grantproof.gate.state import State
from grantproof.source import SourceError


def contract_notices(before: Contract | None, after: Contract | None) -> Iterator[str]:
    """Notices: where a contract and its waivers are less strict than before."""
    if after is None:
        return
    yield from (said for _, said in _newly_accepted(before, after))
    if before is None:
        return
    for alias, number in after.accounts.items():
        if before.accounts.get(alias, number) != number:
            yield f"account {alias!r} of the contract is {number} instead of {before.accounts[alias]}"
    declared = {principal.alias: principal for principal in after.principals}
    for principal in before.principals:
        now = declared.get(principal.alias)
        for statement in _gone(principal.denies, now.denies if now is not None else ()):
            yield f"the contract no longer names as denied to {principal.alias}: {statement}"
    kept = {variant.alias for variant in after.variants}
    for variant in before.variants:
        if variant.alias not in kept:
            yield f"the contract no longer speaks of the variant {variant.alias!r}, which is compared no more"


def _gone(before: tuple[DeclaredStatement, ...], after: tuple[DeclaredStatement, ...]) -> Iterator[str]:
    there = [(statement.document, statement.levels) for statement in after]
    for statement in before:
        if (statement.document, statement.levels) not in there:
            levels = f" ({', '.join(statement.levels)})" if statement.levels else ""
            yield f"{json.dumps(statement.document.get('Action', statement.document.get('NotAction')))}{levels}"


def waivers_with_changes(before: Contract | None, after: Contract) -> Iterator[str]:
    """Doubts: new waivers in a change that also changes the grant, except for findings of style. They could make the
    verification pass over access that the comparison does not find."""
    if before is not None and _without_waivers(before) == _without_waivers(after):
        return
    for claim, said in _newly_accepted(before, after):
        if not claim.startswith(OF_STYLE):
            yield f"{said}; accept it in a change of its own, before this one, so that nothing is widened under it"


def _without_waivers(contract: Contract) -> dict[str, bytes]:
    folder = contract.path.parent
    files = (file for file in folder.rglob("*") if file.is_file() and file != folder / NAME)
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def _newly_accepted(before: Contract | None, after: Contract) -> Iterator[tuple[str, str]]:
    """The newly accepted findings: claim and message."""
    try:
        known = {accepted for accepted, _ in _accepted(before)} if before is not None else set()
    except SourceError:
        known = set()  # unreadable waivers accepted nothing
    for accepted, said in _accepted(after):
        if accepted not in known:
            yield accepted[0], said


def _accepted(contract: Contract) -> Iterator[tuple[tuple[str, str, str, str], str]]:
    """The accepted findings of a contract as (claim, finding, fingerprint, last day), each with its message."""
    for waiver in load(contract.path, contract.grant).entries:
        until = waiver.expires.isoformat()
        for one in waiver.accepts:
            said = f"newly accepted by {waiver.owner} until {until}, at {one.place}: {one.claim}: {one.finding}"
            yield (one.claim, one.finding, one.fingerprint, until), said


def property_notices(before: State, after: State) -> Iterator[str]:
    """Notices: changed properties that affect access without being policies, and give no more of it."""
    yield from (said for said, narrows in _properties(before, after) if narrows)


def possibly_widening_properties(before: State, after: State) -> Iterator[str]:
    """Doubts: changed properties that affect access without being policies, and may give more of it."""
    for said, narrows in _properties(before, after):
        if not narrows:
            yield f"{said}, which may let more in, and no contract can say whom"


def _properties(before: State, after: State) -> Iterator[tuple[str, bool]]:
    """How each such property changed, and whether it certainly gives no more access."""
    old, new = _access_properties(before), _access_properties(after)
    gone = {_type(name) for name in old.keys() - new.keys()}
    for name in sorted({*old, *new}):
        was, now = old.get(name, {}), new.get(name, {})
        # New resources are left to the verification, which checks them against the contract, unless a resource of the
        # same type is gone: then it may be a renamed one.
        by_itself = name not in new or (name not in old and _type(name) not in gone)
        for key in sorted({*was, *now}):
            if was.get(key) != now.get(key):
                said = f"{name}: {key} is {_shown(now.get(key))} instead of {_shown(was.get(key))}"
                yield said, by_itself or _narrows(key, was.get(key), now.get(key))


def _type(name: str) -> str:
    return name.rpartition(" ")[2]


def _narrows(key: str, was: Any, now: Any) -> bool:
    if key in _NO_ACCESS_VALUES:
        return now in _NO_ACCESS_VALUES[key]
    if key == "PublicAccessBlockConfiguration":
        old, new = (value if isinstance(value, Mapping) else {} for value in (was, now))
        return all(_is_true(new.get(flag)) for flag in old if _is_true(old[flag]))
    if key in _PRINCIPAL_LISTS and isinstance(was, list) and isinstance(now, list):
        return all(item in was for item in now)
    return key in _ONLY_ADDS and now is None


def _is_true(value: Any) -> bool:
    return str(value).lower() == "true"


#: By property, values that give nobody access; None: it is absent. New buckets have ACLs disabled:
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html
_NO_ACCESS_VALUES: Mapping[str, tuple[Any, ...]] = {
    "AccessControl": (None, *(ACCESS_PROPERTIES["AWS::S3::Bucket"]["AccessControl"] or ())),
    "AuthType": tuple(ACCESS_PROPERTIES["AWS::Lambda::Url"]["AuthType"] or ()),
    "OwnershipControls": (None, {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}),
}
_PRINCIPAL_LISTS = frozenset({"ClientIdList", "ThumbprintList", "Roles", "Users"})
_ONLY_ADDS = frozenset({"LoginProfile", "Cors", "ClientIdList"})


def changed_tags_in_policies(before: State, after: State) -> Iterator[str]:
    """Doubts: changed tags of resources in both states that policies of the grant test (attribute-based access
    control), so that an unchanged policy allows somebody else. Tag names in condition keys are case-insensitive."""
    policies = json.dumps([resource.properties for s in (before, after) for resource in _resources(s)], default=str)
    old, new = _tags(before), _tags(after)
    for name in sorted(old.keys() & new.keys()):
        for key in sorted({*old[name], *new[name]}):
            was, now = old[name].get(key), new[name].get(key)
            if was != now and f"tag/{key.lower()}" in policies.lower():
                said = f"{name}: the tag {key} is {_shown(now)} instead of {_shown(was)}"
                yield f"{said}, for which policies of the grant ask: whom they let in by it is not compared"


def _tags(state: State) -> dict[str, dict[str, Any]]:
    out: dict[str, dict[str, Any]] = {}
    for resource in _resources(state):
        given = resource.properties.get("Tags") if isinstance(resource.properties, Mapping) else None
        pairs = given.items() if isinstance(given, Mapping) else _pairs(given)
        out[f"{'/'.join(resource.path)} ({resource.type})"] = {str(key): state.in_shared_names(v) for key, v in pairs}
    return out


def _pairs(tags: Any) -> Iterator[tuple[Any, Any]]:
    for tag in tags if isinstance(tags, list) else ():
        if isinstance(tag, Mapping):
            yield tag.get("Key"), tag.get("Value")


def _resources(state: State) -> Iterator[Resource]:
    for stack in state.deployment.stacks:
        yield from stack.resources


def new_access_by_property(before: State | None, after: State) -> Iterator[str]:
    """Doubts: properties that newly give access, which no contract can promise. A waiver is no promise."""
    known = set(_access_by_property(before)) if before is not None else set()
    for said in _access_by_property(after):
        if said not in known:
            yield f"{said} lets others in, and no contract can promise that: grant it by a policy"


def _access_by_property(state: State) -> Iterator[str]:
    for stack in state.deployment.stacks:
        for resource in stack.resources:
            if by := granting_property(resource.type, resource.properties):
                yield f"{'/'.join(resource.path)} ({resource.type}) by {by}"


def removed_variants(before: Contract, after: Contract) -> Iterator[str]:
    """The variants that a contract no longer has, under this name or another, although the templates still declare one
    of their parameters."""
    kept = [variant.parameters for variant in after.variants]
    taken = {stack.alias: set(section(stack.template, "Parameters")) for stack in after.stacks}
    for variant in before.variants:
        still = any(taken.get(stack, set()) & set(values) for stack, values in variant.parameters.items())
        if still and variant.parameters not in kept:
            yield variant.alias


def _access_properties(state: State) -> dict[str, Mapping[str, Any]]:
    out: dict[str, Mapping[str, Any]] = {}
    for stack in state.deployment.stacks:
        for resource in stack.resources:
            properties = resource.properties if isinstance(resource.properties, Mapping) else {}
            # Policies and trust are compared for all requests; of IAM's other types, every property decides.
            by_itself = resource.type.startswith("AWS::IAM::") and access_kind(resource.type) is AccessKind.DIRECT
            keys = tuple(properties) if by_itself else tuple(ACCESS_PROPERTIES.get(resource.type, ()))
            found = {key: state.in_shared_names(properties[key]) for key in keys if key in properties}
            if named := external_principal_in_properties(
                resource.type, properties, account_of(state.deployment, stack)
            ):
                found["whom it names"] = named
            if (
                by_itself
                or resource.type in (*ACCESS_PROPERTIES, *DESTINATION_PROPERTIES)
                or access_kind(resource.type) is None
            ):
                out[f"{'/'.join(resource.path)} ({resource.type})"] = found
    return out


def _shown(value: Any) -> str:
    return "not there" if value is None else json.dumps(value, sort_keys=True, default=str)
