"""Checks that the references of a contract exist."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence

from grantproof.contract.declared import Stack, Upload
from grantproof.contract.node import Node, did_you_mean
from grantproof.contract.references import references, unknown_references
from grantproof.contract.templates import section, template_of

_PARTS = ("stacks", "setup", "principals", "resources", "sends", "variants")


def check_references(top: Node, accounts: Iterable[str], uploads: Iterable[Upload], stacks: Sequence[Stack]) -> None:
    """Check that every reference exists, and that what always exists refers only to what always exists.

    Raises:
        ContractError: at the first reference that fails.
    """
    known = {"region", "partition"} | {f"accounts.{alias}" for alias in accounts}
    known |= {f"uploads.{u.alias}.{name}" for u in uploads for name in ("bucket", "prefix")}
    for stack in stacks:
        known |= {f"stacks.{stack.alias}.name"}
        known |= {f"stacks.{stack.alias}.outputs.{name}" for name in section(stack.template, "Outputs")}
    for part in _PARTS:
        if part in top:
            _check(top[part], known, stacks)
            if part != "setup":  # which holds texts of all kinds
                _refuse_unknown_references(top[part], known)
    optional = tuple(f"stacks.{stack.alias}." for stack in stacks if stack.variants)
    known -= {name for name in known if name.startswith(optional)}
    for part in ("stacks", "principals", "resources", "sends"):
        entries = top.get(part, {})
        for alias, entry in entries.value.items() if isinstance(entries.value, Mapping) else ():
            if isinstance(entry, Mapping) and not entry.get("variants"):
                _check(entries[alias], known, stacks)


def _check(node: Node, known: Collection[str], stacks: Sequence[Stack]) -> None:
    if isinstance(node.value, str):
        for name in references(node.value):
            if name not in known and not _may_be_made(name, stacks):
                node.refuse(f"nothing is called ${{{name}}}. {did_you_mean(name, [*known, *_made_near(name, stacks)])}")
    elif isinstance(node.value, Mapping):
        for key in node.value:
            _check(node[key], known, stacks)
    elif isinstance(node.value, list):
        for number in range(len(node.value)):
            _check(node[number], known, stacks)


#: CloudFormation's names of these, which authors of templates write here by mistake.
_OF_CLOUDFORMATION = {
    "AWS::Region": "${region}",
    "AWS::Partition": "${partition}",
    "AWS::AccountId": "${accounts.ALIAS}",
    "AWS::StackName": "${stacks.ALIAS.name}",
}


def _refuse_unknown_references(node: Node, known: Collection[str]) -> None:
    """Refuse unknown references, which would otherwise be taken for text."""
    if isinstance(node.value, Mapping):
        for key in node.value:
            _refuse_unknown_references(node[key], known)
    elif isinstance(node.value, list):
        for number in range(len(node.value)):
            _refuse_unknown_references(node[number], known)
    elif isinstance(node.value, str):
        for name in unknown_references(node.value):
            meant = _OF_CLOUDFORMATION.get(name)
            hint = f"Here it is {meant}." if meant else did_you_mean(name, known)
            node.refuse(f"nothing is called ${{{name}}}. {hint}")


def _made_near(name: str, stacks: Iterable[Stack]) -> list[str]:
    """The resources of a stack, as suggestions for a reference to an unknown resource."""
    start = ".".join(name.split(".", 3)[:3])
    return [
        f"{start}.{logical}"
        for stack in stacks
        if start == f"stacks.{stack.alias}.resources"
        for logical in template_of(stack.template)["Resources"]
    ]


def _may_be_made(name: str, stacks: Iterable[Stack]) -> bool:
    """Can this be `stacks.ALIAS.resources.LOGICAL`, `.../NESTED/LOGICAL` or, for a queue, `.../LOGICAL.QueueName`?
    Before the deployment this is certain only without transforms: loops and includes add resources and outputs."""
    parts = name.split(".", 3)
    stack = next((s for s in stacks if len(parts) == 4 and s.alias == parts[1]), None)
    if stack is None or parts[0] != "stacks" or parts[2] not in ("resources", "outputs"):
        return False
    template = template_of(stack.template)
    named = parts[2] == "resources" and parts[3].split("/")[0].removesuffix(".QueueName") in template["Resources"]
    return named or "Transform" in template or "Fn::Transform" in json.dumps(template)
