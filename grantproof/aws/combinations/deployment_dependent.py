"""Branches of templates that depend on values known only after deployment: the account ID, availability zones, stack
names, and names and IDs that AWS generates. A mocked world has made-up values, so a real account can take another
branch of a condition, or another entry of a mapping.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from grantproof.aws.combinations.dependencies import Dependencies
from grantproof.aws.combinations.instances import Instance
from grantproof.aws.combinations.regions_to_check import LOCATION_PARAMETERS
from grantproof.aws.held.non_policy_access import AccessKind, access_kind
from grantproof.aws.templates.referenced_names import referenced_names
from grantproof.contract import references
from grantproof.contract.templates import is_named_as_template
from grantproof.source import Key, Place, SourceError, read

_DEPLOYMENT_PARAMETERS = frozenset({"AWS::AccountId", "AWS::StackName", "AWS::StackId", "AWS::NotificationARNs"})
#: Types whose Ref is their name, and the property that gives it.
_NAMED = {
    "AWS::IAM::Group": "GroupName",
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::User": "UserName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SSM::Parameter": "Name",
}
_NESTED = "AWS::CloudFormation::Stack"
_LOOP = "Fn::ForEach::"
#: An included snippet in JSON or YAML with a function.
_READABLE = re.compile(rb"Fn::|![A-Z]")
_TESTS = ("Fn::And", "Fn::Or", "Fn::Not")
_WILDCARD = re.compile(r"[*?]")


class DeploymentDependent:
    """Finds what in a grant's templates depends on values known only after deployment, and names these values."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies
        self._following: list[object] = []

    def conditions(self) -> Iterator[tuple[Place, str, frozenset[str]]]:
        """The conditions that depend on such values: place, name, values. A comparison with the empty text does not
        count, because a value that AWS generates is never empty."""
        for instance in self._dependencies.instances:
            for name, expression in instance.section("Conditions").items():
                looped = name.startswith(_LOOP)
                if turns := self._placed(instance, expression) if looped else self._asked(instance, expression):
                    yield read(instance.template).place("Conditions", name), name, turns

    def lookups(self) -> Iterator[tuple[Place, str, frozenset[str]]]:
        """The look-ups in mappings by such values, in expressions that can give access, where an entry of the mapping
        holds a wildcard: place, mapping, values."""
        for instance in self._dependencies.instances:
            for path, item in _access_giving(instance):
                for at, argument in _lookups(item, path):
                    turns = self._of(instance, argument[1:3])
                    if _WILDCARD.search(str(argument[3:])):  # a default value: the entry can be missing in a region
                        turns |= referenced_names(argument[1:3]) & LOCATION_PARAMETERS
                    rows = instance.section("Mappings").get(str(argument[0]), instance.section("Mappings"))
                    if turns and _WILDCARD.search(str([rows, *argument[3:]])):
                        yield read(instance.template).place(*at), str(argument[0]), turns

    def loops(self) -> Iterator[tuple[Place, str, frozenset[str]]]:
        """The loops over such values or over the region: place, name, values. Loops are expanded in the contract's
        region only."""
        for instance in self._dependencies.instances:
            for path, name, collection in _loops(instance.document, ()):
                if turns := self._placed(instance, collection):
                    yield read(instance.template).place(*path), name, turns

    def snippets(self) -> Iterator[tuple[Place, str, frozenset[str]]]:
        """The included snippets that compare such values or the region: place, file name, values. Snippets are included
        in the contract's region only."""
        contract = self._dependencies.contract
        for file in (file for upload in contract.uploads for file in upload.files if file not in contract.templates):
            if is_named_as_template(file) or _READABLE.search(file.read_bytes()):
                try:
                    value = read(file).value
                except SourceError:
                    continue  # not a valid snippet
                asked = _compared(value)
                if turns := referenced_names(asked) & (_DEPLOYMENT_PARAMETERS | LOCATION_PARAMETERS) | _functions(
                    asked
                ):
                    yield read(file).place(), file.name, frozenset(turns)

    def _placed(self, instance: Instance, item: Any) -> frozenset[str]:
        return self._of(instance, item) | (referenced_names(item) & LOCATION_PARAMETERS)

    def _asked(self, instance: Instance, expression: Any) -> frozenset[str]:
        match expression:
            case {"Condition": str()}:
                return frozenset()
            case {"Fn::Equals": [left, right]}:
                turns = self._of(instance, [left, right])
                return turns & {"AWS::NotificationARNs"} if "" in (left, right) else turns
            case Mapping():
                return frozenset().union(
                    *(
                        self._asked(instance, e) if key in _TESTS else self._of(instance, e)
                        for key, entry in expression.items()
                        for e in (entry if isinstance(entry, list) else [entry])
                    )
                )
        return frozenset()

    def _of(self, instance: Instance, item: Any) -> frozenset[str]:
        out = set(referenced_names(item)) & _DEPLOYMENT_PARAMETERS
        for name in referenced_names(item) - out:
            head, _, attribute = name.partition(".")
            if head in instance.section("Parameters"):
                out |= self._once(("parameter", instance.path, head), lambda h=head: self._of_parameter(instance, h))
            elif head in instance.section("Resources"):
                key = ("resource", instance.path, name)
                out |= self._once(key, lambda h=head, a=attribute: self._of_resource(instance, h, a))
        return frozenset(out | _functions(item))

    def _once(self, key: object, found: Any) -> frozenset[str]:
        if key in self._following:
            return frozenset()
        self._following.append(key)
        try:
            return frozenset(found())
        finally:
            self._following.pop()

    def _of_parameter(self, instance: Instance, name: str) -> frozenset[str]:
        declared = instance.section("Parameters")[name]
        if "AWS::SSM::Parameter::Value<" in str(declared.get("Type") if isinstance(declared, Mapping) else ""):
            return frozenset({f"what is stored under the name in {name}"})
        if instance.parent is not None:
            properties = instance.parent.section("Resources")[instance.path[-1]].get("Properties") or {}
            return self._of(instance.parent, (properties.get("Parameters") or {}).get(name))
        alias = instance.path[0]
        stack = next(stack for stack in self._dependencies.stacks if stack.alias == alias)
        variants = self._dependencies.contract.variants
        out: set[str] = set()
        for given in (stack.parameters, *(v.parameters.get(alias, {}) for v in variants)):
            for reference in references(given.get(name)):
                kind, _, rest = reference.partition(".")
                other, _, what = rest.partition(".")
                if kind == "stacks" and what.startswith("outputs."):
                    out |= self._of_output(self._dependencies.instance((other,)), what.removeprefix("outputs."))
                elif kind == "stacks":
                    out.add(f"the id of {what.removeprefix('resources.')}")
        return frozenset(out)

    def _of_output(self, instance: Instance, name: str) -> frozenset[str]:
        return self._of(instance, (instance.section("Outputs").get(name) or {}).get("Value"))

    def _of_resource(self, instance: Instance, name: str, attribute: str) -> frozenset[str]:
        resource = instance.section("Resources")[name]
        type_, properties = resource.get("Type"), resource.get("Properties") or {}
        if type_ == _NESTED and attribute.startswith("Outputs."):
            inner = self._dependencies.instance((*instance.path, name))
            return self._of_output(inner, attribute.removeprefix("Outputs."))
        written = _NAMED.get(str(type_)) if not attribute else attribute if type_ == "AWS::SSM::Parameter" else None
        if written in properties:
            return self._of(instance, properties[written])
        return frozenset({f"{attribute or 'the name'} of {name}"})


def _loops(item: Any, path: tuple[Key, ...]) -> Iterator[tuple[tuple[Key, ...], str, Any]]:
    entries = item.items() if isinstance(item, Mapping) else enumerate(item) if isinstance(item, list) else ()
    for key, entry in entries:
        if str(key).startswith(_LOOP) and isinstance(entry, list):
            yield (*path, key), str(key), entry[1:2]
        yield from _loops(entry, (*path, key))


def _compared(item: Any) -> list[Any]:
    """The arguments of the comparing functions in a value: Fn::Equals and Fn::FindInMap."""
    if isinstance(item, list):
        return [found for entry in item for found in _compared(entry)]
    if not isinstance(item, Mapping):
        return []
    own = [entry for key, entry in item.items() if key in ("Fn::Equals", "Fn::FindInMap")]
    return own + [found for entry in item.values() for found in _compared(entry)]


def _functions(item: Any) -> set[str]:
    """The functions in a value whose result depends on the account."""
    if isinstance(item, list):
        return set().union(*map(_functions, item)) if item else set()
    if not isinstance(item, Mapping):
        return set()
    return {"Fn::GetAZs", "Fn::ImportValue"}.intersection(item).union(*map(_functions, item.values()))


def _access_giving(instance: Instance) -> Iterator[tuple[tuple[Key, ...], Any]]:
    """The parts of a template that can give access: here, or through outputs in other templates."""
    for name, resource in instance.resources():
        if resource.get("Type") == _NESTED or access_kind(str(resource.get("Type"))) in (
            AccessKind.POLICY,
            AccessKind.DIRECT,
        ):
            yield ("Resources", name, "Properties"), resource.get("Properties")
    for name, output in instance.section("Outputs").items():
        yield ("Outputs", name), output


def _lookups(item: Any, path: tuple[Key, ...]) -> Iterator[tuple[tuple[Key, ...], list[Any]]]:
    if isinstance(item, list):
        for number, entry in enumerate(item):
            yield from _lookups(entry, (*path, number))
    elif isinstance(item, Mapping):
        for key, entry in item.items():
            if key == "Fn::FindInMap" and isinstance(entry, list):
                yield (*path, key), entry
            yield from _lookups(entry, (*path, key))
