"""Which parameters each part of a grant depends on.

A policy document depends on the parameters that its expression refers to, directly or through conditions, nested stacks
and outputs, and on no others.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

from grantproof.aws.combinations.instances import Instance, instances_of
from grantproof.aws.templates.referenced_names import referenced_names
from grantproof.contract import Contract, Stack, references

#: A part of a grant (see `space`): ("trust" | "limits", alias of the contract's stack, logical IDs of the role), or
#: ("policies", alias): all other policies of the stack, and which of its resources exist.
Part = tuple[str, ...]
#: A parameter of a stack of the contract: (alias, name).
Given = tuple[str, str]

#: Properties of IAM entities that give no access by themselves. Expressions that use a name are followed from there.
_NAMES = frozenset({"RoleName", "GroupName", "UserName", "ManagedPolicyName", "Path", "Description"})
#: Types whose Ref and ARN depend only on their name.
_IDENTIFIED_BY_NAME = frozenset(
    {f"AWS::IAM::{kind}" for kind in ("Role", "Group", "User", "ManagedPolicy")}
    | {"AWS::SSM::Parameter", "AWS::S3::Bucket", "AWS::SecretsManager::Secret", "AWS::KMS::Key"}
)


class Dependencies:
    """The dependencies in the templates of a contract's stacks and of the stacks that its variants add."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract

    @property
    def stacks(self) -> tuple[Stack, ...]:
        """The contract's stacks, and those that its variants add."""
        return (*self.contract.stacks, *self.contract.additions.stacks)

    @cached_property
    def instances(self) -> tuple[Instance, ...]:
        """The instances of all stacks, nested stacks included.

        Raises:
            NotResolved: see `instances_of`.
        """
        return tuple(instances_of(self.contract, self.stacks))

    def instance(self, path: tuple[str, ...]) -> Instance:
        """The instance at a path: the alias of the contract's stack, then the logical IDs of nested stacks.

        Raises:
            KeyError: there is no such stack.
        """
        return {instance.path: instance for instance in self.instances}[path]

    def may_affect_access(self, given: Given) -> bool:
        """Can access depend on a parameter? Always yes under a transformed template, since transforms are not
        followed."""
        if any(instance.is_transformed for instance in self.instances if instance.path[0] == given[0]):
            return True
        return any(given in used for _, used in self.reached)

    @cached_property
    def reached(self) -> tuple[tuple[Part, set[Given]], ...]:
        """The parts of the grant with the parameters that they depend on; a part can occur several times."""
        return tuple(found for instance in self.instances for found in self._reached_in(instance))

    def parameters_fed_by(self, given: Given) -> Iterator[tuple[Instance, str]]:
        """The parameters of other stacks whose value is an output that depends on this parameter, with their
        instances."""
        for stack in self.stacks:
            of_variants = [v.parameters.get(stack.alias, {}) for v in self.contract.variants]
            for values in (stack.parameters, *of_variants):
                for name, text in values.items():
                    for reference in references(text):
                        start, _, output = reference.partition(".outputs.")
                        known = output and start == f"stacks.{given[0]}"
                        if known and given in self._of_output(self.instance(given[:1]), output, frozenset()):
                            yield self.instance((stack.alias,)), name

    def _reached_in(self, instance: Instance) -> Iterator[tuple[Part, set[Given]]]:
        """The parts to which a template's resources belong, with the parameters that they depend on."""
        alias = instance.path[0]
        for name, resource in instance.resources():
            if "Condition" in resource:
                yield ("policies", alias), self._depends(instance, {f"Condition:{resource['Condition']}"})
            for key, expression in (resource.get("Properties") or {}).items():
                if resource.get("Type") == "AWS::CloudFormation::Stack" and key == "Parameters":
                    continue  # followed from where the nested template uses them
                used = self._depends(instance, referenced_names(expression))
                if key == "AssumeRolePolicyDocument":
                    yield ("trust", *instance.path, name), used
                elif key == "MaxSessionDuration":
                    yield ("limits", *instance.path, name), used
                elif key == "PermissionsBoundary":
                    # A boundary limits what the other policies allow, so it is compared together with them.
                    yield ("limits", *instance.path, name), used
                    yield ("policies", alias), used
                elif key not in _NAMES and resource.get("Type") != "AWS::SSM::Parameter":
                    yield ("policies", alias), used

    def _depends(self, instance: Instance, found: set[str], seen: frozenset[Any] = frozenset()) -> set[Given]:
        """The parameters of the contract's stacks that names in a template depend on. `seen` breaks cycles."""
        out: set[Given] = set()
        for name in found:
            key = (instance.path, name)
            if key in seen:
                continue
            deeper = seen | {key}
            head, _, attribute = name.partition(".")
            if name.startswith("Condition:"):
                expression = instance.section("Conditions").get(name.removeprefix("Condition:"))
                out |= self._depends(instance, referenced_names(expression), deeper)
            elif head in instance.section("Parameters"):
                out |= self._of_parameter(instance, head, deeper)
            elif head in instance.section("Resources"):
                out |= self._of_resource(instance, head, attribute, deeper)
        return out

    def _of_parameter(self, instance: Instance, name: str, seen: frozenset[Any]) -> set[Given]:
        if instance.parent is not None:
            given = instance.parent.section("Resources")[instance.path[-1]]["Properties"].get("Parameters") or {}
            return self._depends(instance.parent, referenced_names(given.get(name)), seen)
        alias = instance.path[0]
        stack = next(stack for stack in self.stacks if stack.alias == alias)
        values = [stack.parameters.get(name), *(v.parameters.get(alias, {}).get(name) for v in self.contract.variants)]
        out: set[Given] = {(alias, name)}
        for reference in references(values):
            parts = reference.split(".")
            if parts[0] == "stacks" and parts[2] == "outputs":
                other = next(i for i in self.instances if i.path == (parts[1],))
                out |= self._of_output(other, parts[3], seen)
        return out

    def _of_output(self, instance: Instance, name: str, seen: frozenset[Any]) -> set[Given]:
        output = instance.section("Outputs").get(name) or {}
        used = referenced_names(output.get("Value")) | (
            {f"Condition:{output['Condition']}"} if "Condition" in output else set()
        )
        return self._depends(instance, used, seen)

    def _of_resource(self, instance: Instance, name: str, attribute: str, seen: frozenset[Any]) -> set[Given]:
        resource = instance.section("Resources")[name]
        if "Condition" in resource:
            # What refers to a resource that is not created cannot be created either.
            conditional = self._depends(instance, {f"Condition:{resource['Condition']}"}, seen)
            return conditional | self._of_made(instance, name, attribute, seen)
        return self._of_made(instance, name, attribute, seen)

    def _of_made(self, instance: Instance, name: str, attribute: str, seen: frozenset[Any]) -> set[Given]:
        resource = instance.section("Resources")[name]
        if resource["Type"] == "AWS::CloudFormation::Stack" and attribute.startswith("Outputs."):
            inner = next(i for i in self.instances if i.path == (*instance.path, name))
            return self._of_output(inner, attribute.removeprefix("Outputs."), seen)
        properties = resource.get("Properties") or {}
        if resource["Type"] in _IDENTIFIED_BY_NAME and attribute != "Value":
            properties = {key: item for key, item in properties.items() if key == "Path" or key.endswith("Name")}
        return self._depends(instance, referenced_names(properties), seen)

    @cached_property
    def linked_variants(self) -> tuple[frozenset[str], ...]:
        """Sets of aliases of variants that can decide whether each other is refused: their parameters occur in one
        rule, or one needs or excludes the other."""
        out = []
        for instance in self.instances:
            for rule in instance.section("Rules").values():
                used = self._depends(instance, referenced_names(rule))
                out.append(
                    frozenset(
                        variant.alias
                        for variant in self.contract.variants
                        if any((alias, n) in used for alias, values in variant.parameters.items() for n in values)
                    )
                )
        out += [frozenset({v.alias, *v.needs, *v.excludes}) for v in self.contract.variants if v.needs or v.excludes]
        return tuple(out)
