"""Outputs that the contract's promises quote, and whose value the template is free to write.

A contract is written apart from its templates, so that the two can disagree. A promise that quotes an output
(`Resource: ${stacks.owner.outputs.Arn}`) means whatever the output says: it has to be the name of something that the
stacks create, and not a text such as `*` or the name of something else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from grantproof.aws.held.deployed import Deployed
from grantproof.aws.held.origin import written_of
from grantproof.aws.held.resource_properties import account_of
from grantproof.aws.mocked.deployment import DeployedStack, Resource
from grantproof.aws.templates.assumed_values import assumed_arn
from grantproof.aws.templates.carriers import Location
from grantproof.contract import references
from grantproof.source import at, read

#: What a contract promises, by section, as keys of an entry.
_PROMISES: Mapping[str, tuple[str, ...]] = {
    "principals": ("trust", "allows", "denies"),
    "resources": ("policy",),
    "sends": ("to",),
    "variants": ("changes", "resources"),
}
#: Types whose attributes are whatever their template or code says.
_ARBITRARY = ("AWS::CloudFormation::", "AWS::SSM::Parameter", "Custom::")


def freely_written_outputs(deployed: Deployed, stack: DeployedStack) -> Iterator[str]:
    """The outputs of a stack that promises quote and that name nothing that the stacks create."""
    names = _Names(deployed, stack)
    start = f"stacks.{stack.alias}.outputs."
    for name in sorted({one.removeprefix(start) for one in _quoted(deployed) if one.startswith(start)}):
        value = stack.outputs.get(name)
        written = at(read(stack.template).value, ("Outputs", name, "Value"))
        if value is None or written is None or names.is_name(written, (), stack.template):
            continue
        if value not in _created_names(deployed):
            yield name


def _quoted(deployed: Deployed) -> Iterator[str]:
    written = read(deployed.contract.path).value
    for section, keys in _PROMISES.items():
        for entry in (at(written, (section,)) or {}).values():
            for key in keys:
                yield from references(at(entry, (key,)))


def _created_names(deployed: Deployed) -> frozenset[str]:
    """The physical ids of all resources, and their ARNs as services usually form them."""
    found: set[str] = set()
    region, partition = (deployed.deployment.facts.values[name] for name in ("region", "partition"))
    for stack in deployed.deployment.stacks:
        where = Location(partition, region, account_of(deployed.deployment, stack))
        for resource in stack.resources:
            found.add(resource.physical_id)
            if resource.type.startswith("AWS::"):
                found.add(assumed_arn(resource.type, resource.physical_id.lstrip("/"), where))
    return frozenset(found)


class _Names:
    """Tells whether expressions of one stack are names of what it creates."""

    def __init__(self, deployed: Deployed, stack: DeployedStack) -> None:
        self._contract, self._alias = deployed.contract, stack.alias
        self._resources: Mapping[tuple[str, ...], Resource] = {one.path: one for one in stack.resources}
        self._nested = deployed.origins.nested

    def is_name(self, written: Any, inside: tuple[str, ...], template: Path) -> bool:
        """`inside`: the logical ids of the nested stacks in whose `template` the expression stands."""
        if not isinstance(written, Mapping) or len(written) != 1:
            return False
        ((function, argument),) = written.items()
        if function == "Ref":
            resource = self._resources.get((*inside, str(argument)))
            if resource is None:
                return self._is_set(str(argument), inside)
            return not resource.type.startswith(("AWS::CloudFormation::", "Custom::"))
        if function == "Fn::GetAtt":
            name, _, attribute = (argument if isinstance(argument, str) else ".".join(map(str, argument))).partition(
                "."
            )
            return self._is_attribute(name, attribute, inside)
        if function == "Fn::If" and isinstance(argument, list):
            branches = [one for one in argument[1:] if one != {"Ref": "AWS::NoValue"}]
            return all(self.is_name(one, inside, template) for one in branches)
        return False

    def _is_attribute(self, name: str, attribute: str, inside: tuple[str, ...]) -> bool:
        resource = self._resources.get((*inside, name))
        if resource is None:
            return False
        if resource.type == "AWS::CloudFormation::Stack":
            nested = self._nested(resource)
            output = attribute.removeprefix("Outputs.")
            written = at(read(nested).value, ("Outputs", output, "Value")) if nested is not None else None
            return nested is not None and self.is_name(written, (*inside, name), nested)
        return not resource.type.startswith(_ARBITRARY)

    def _is_set(self, parameter: str, inside: tuple[str, ...]) -> bool:
        """Is it a pseudo parameter, or a parameter that the contract sets, or a parent template to such a name?"""
        if parameter.startswith("AWS::"):
            return True
        if inside:
            parent = self._resources[inside]
            given = at(written_of(parent), ("Properties", "Parameters", parameter))
            return parent.template is not None and self.is_name(given, inside[:-1], parent.template)
        (stack,) = (one for one in self._contract.stacks if one.alias == self._alias)
        # What another stack's output fills in is a question of that output.
        return parameter in stack.parameters and not any(
            ".outputs." in one for one in references(stack.parameters[parameter])
        )
