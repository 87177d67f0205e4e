"""What a reviewer has to see of a change beside the requests that it makes possible: what is promised or checked less
than before, what is newly accepted, and properties that bear on access and are no policy."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from grantproof.aws.giving import DECIDING, Way, let_in_by, way_of
from grantproof.contract import Contract, DeclaredStatement
from grantproof.contract.templates import section
from grantproof.evidence.waivers import load
from grantproof.gate.state import State
from grantproof.source import SourceError


def of_contracts(before: Contract | None, after: Contract | None) -> Iterator[str]:
    """What a contract, and the waivers beside it, say less strictly than before."""
    if after is None:
        return
    yield from _newly_accepted(before, after)
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


def _newly_accepted(before: Contract | None, after: Contract) -> Iterator[str]:
    try:
        known = {accepted for accepted, _ in _accepted(before)} if before is not None else set()
    except SourceError:
        known = set()  # what could not be read then accepted nothing
    for accepted, said in _accepted(after):
        if accepted not in known:
            yield said


def _accepted(contract: Contract) -> Iterator[tuple[tuple[str, str, str, str], str]]:
    """What is accepted and until when, and how that is said."""
    for waiver in load(contract.path, contract.grant).entries:
        until = waiver.expires.isoformat()
        for one in waiver.accepts:
            said = f"newly accepted by {waiver.owner} until {until}, at {one.place}: {one.claim}: {one.finding}"
            yield (one.claim, one.finding, one.fingerprint, until), said


def of_states(before: State, after: State) -> Iterator[str]:
    """Properties that bear on access and are no policy."""
    old, new = _deciding(before), _deciding(after)
    for name in sorted({*old, *new}):
        was, now = old.get(name, {}), new.get(name, {})
        for key in sorted({*was, *now}):
            if was.get(key) != now.get(key):
                yield f"{name}: {key} is {_shown(now.get(key))} instead of {_shown(was.get(key))}"


def lets_in(before: State | None, after: State) -> Iterator[str]:
    """What newly lets others in by a property, which no contract can promise; a waiver is no promise."""
    known = set(_letting_in(before)) if before is not None else set()
    for said in _letting_in(after):
        if said not in known:
            yield f"{said} lets others in, and no contract can promise that: grant it by a policy"


def _letting_in(state: State) -> Iterator[str]:
    for stack in state.deployment.stacks:
        for resource in stack.resources:
            if by := let_in_by(resource.type, resource.properties):
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
            by_itself = resource.type.startswith("AWS::IAM::") and way_of(resource.type) is Way.ITSELF
            keys = tuple(properties) if by_itself else tuple(DECIDING.get(resource.type, ()))
            found = {key: state.in_shared_names(properties[key]) for key in keys if key in properties}
            if found or by_itself:
                out[f"{'/'.join(resource.path)} ({resource.type})"] = found
    return out


def _shown(value: Any) -> str:
    return "not there" if value is None else json.dumps(value, sort_keys=True, default=str)
