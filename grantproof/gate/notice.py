"""What a reviewer has to see of a change beside the requests that it makes possible: what is promised or checked less
than before, what is newly accepted, and properties that bear on access and are no policy. What of it may hide wider
access fails the gate."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from grantproof.aws.held.known import account_of
from grantproof.aws.held.non_policy_access import (
    ACCESS_PROPERTIES,
    AccessKind,
    access_kind,
    external_principal_in_properties,
    granting_property,
)
from grantproof.aws.mocked.deploy import Resource
from grantproof.aws.templates.destinations import DESTINATION_PROPERTIES
from grantproof.contract import Contract, DeclaredStatement
from grantproof.contract.templates import section
from grantproof.evidence.waivers import NAME, OF_STYLE, load
from grantproof.gate.state import State
from grantproof.source import SourceError


def of_contracts(before: Contract | None, after: Contract | None) -> Iterator[str]:
    """What a contract, and the waivers beside it, say less strictly than before."""
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


def accepted_beside(before: Contract | None, after: Contract) -> Iterator[str]:
    """What is newly accepted of a grant in the change that makes it, but for how its templates are written: the
    verification would be green over what the comparison does not see."""
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
    """The claim and what is said."""
    try:
        known = {accepted for accepted, _ in _accepted(before)} if before is not None else set()
    except SourceError:
        known = set()  # what could not be read then accepted nothing
    for accepted, said in _accepted(after):
        if accepted not in known:
            yield accepted[0], said


def _accepted(contract: Contract) -> Iterator[tuple[tuple[str, str, str, str], str]]:
    """What is accepted and until when, and how that is said."""
    for waiver in load(contract.path, contract.grant).entries:
        until = waiver.expires.isoformat()
        for one in waiver.accepts:
            said = f"newly accepted by {waiver.owner} until {until}, at {one.place}: {one.claim}: {one.finding}"
            yield (one.claim, one.finding, one.fingerprint, until), said


def of_states(before: State, after: State) -> Iterator[str]:
    """Properties that bear on access, are no policy, and let in nobody whom they did not let in before."""
    yield from (said for said, narrows in _properties(before, after) if narrows)


def may_let_in(before: State, after: State) -> Iterator[str]:
    """Properties that bear on access, are no policy, and of which it is not sure that they let in nobody more."""
    for said, narrows in _properties(before, after):
        if not narrows:
            yield f"{said}, which may let more in, and no contract can say whom"


def _properties(before: State, after: State) -> Iterator[tuple[str, bool]]:
    """How each such property changed, and whether it is sure that it lets in nobody more."""
    old, new = _deciding(before), _deciding(after)
    gone = {_type(name) for name in old.keys() - new.keys()}
    for name in sorted({*old, *new}):
        was, now = old.get(name, {}), new.get(name, {})
        # What is new by itself is for the verification, which asks whether a contract speaks of it. It may as well be
        # what is gone, under another name.
        by_itself = name not in new or (name not in old and _type(name) not in gone)
        for key in sorted({*was, *now}):
            if was.get(key) != now.get(key):
                said = f"{name}: {key} is {_shown(now.get(key))} instead of {_shown(was.get(key))}"
                yield said, by_itself or _narrows(key, was.get(key), now.get(key))


def _type(name: str) -> str:
    return name.rpartition(" ")[2]


def _narrows(key: str, was: Any, now: Any) -> bool:
    if key in _LETS_NOBODY_IN:
        return now in _LETS_NOBODY_IN[key]
    if key == "PublicAccessBlockConfiguration":
        old, new = (value if isinstance(value, Mapping) else {} for value in (was, now))
        return all(_is_true(new.get(flag)) for flag in old if _is_true(old[flag]))
    if key in _LISTS_OF_WHO and isinstance(was, list) and isinstance(now, list):
        return all(item in was for item in now)
    return key in _ONLY_ADDS and now is None


def _is_true(value: Any) -> bool:
    return str(value).lower() == "true"


#: Values that let nobody in, where None is that the property is not there. A new bucket has no lists of access in use:
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html
_LETS_NOBODY_IN: Mapping[str, tuple[Any, ...]] = {
    "AccessControl": (None, *(ACCESS_PROPERTIES["AWS::S3::Bucket"]["AccessControl"] or ())),
    "AuthType": tuple(ACCESS_PROPERTIES["AWS::Lambda::Url"]["AuthType"] or ()),
    "OwnershipControls": (None, {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}),
}
_LISTS_OF_WHO = frozenset({"ClientIdList", "ThumbprintList", "Roles", "Users"})
_ONLY_ADDS = frozenset({"LoginProfile", "Cors", "ClientIdList"})


def tags_asked_for(before: State, after: State) -> Iterator[str]:
    """Tags of what is there before and after that changed, and that policies of the grant ask for: these say the same
    and let in somebody else (attribute-based access control). Names of tags in condition keys know no case."""
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


def lets_in(before: State | None, after: State) -> Iterator[str]:
    """What newly lets others in by a property, which no contract can promise; a waiver is no promise."""
    known = set(_letting_in(before)) if before is not None else set()
    for said in _letting_in(after):
        if said not in known:
            yield f"{said} lets others in, and no contract can promise that: grant it by a policy"


def _letting_in(state: State) -> Iterator[str]:
    for stack in state.deployment.stacks:
        for resource in stack.resources:
            if by := granting_property(resource.type, resource.properties):
                yield f"{'/'.join(resource.path)} ({resource.type}) by {by}"


def struck(before: Contract, after: Contract) -> Iterator[str]:
    """The variants that a contract no longer has, under this name or another, of which the templates still take a
    parameter."""
    kept = [variant.parameters for variant in after.variants]
    taken = {stack.alias: set(section(stack.template, "Parameters")) for stack in after.stacks}
    for variant in before.variants:
        still = any(taken.get(stack, set()) & set(values) for stack, values in variant.parameters.items())
        if still and variant.parameters not in kept:
            yield variant.alias


def _deciding(state: State) -> dict[str, Mapping[str, Any]]:
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
