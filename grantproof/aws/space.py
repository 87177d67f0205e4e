"""The parameter space of a grant: which combinations of its options there are, and which parts of it each can touch.

An option is a parameter that may be left alone: it has AllowedValues, or its default is the empty text that means
"off". A contract's variants give the values; a combination is a set of variants.

Combinations multiply, so they are not all looked at as a whole. A policy document is a function of the parameters that
its expression names, through conditions, nested stacks and outputs, and of nothing else. So each part of a grant (the
trust policy of a role, its limits, the other policies of a stack) is seen under every combination of the variants that
reach it, which shows it as it is under every combination of all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from grantproof.aws import parameters
from grantproof.aws.deploy import nested_template
from grantproof.aws.intrinsics import NotResolved, names, truth, value
from grantproof.aws.synthesis import Refused, Synthesis, synthesise
from grantproof.aws.synthesised import Synthesised
from grantproof.contract import Contract, Stack, Variant, load, references
from grantproof.source import Document, read, shown
from grantproof.variants import agree, needed, subsets, with_variants


@dataclass(frozen=True)
class Option:
    """A parameter that may be left alone. `values` are those that it lists, the default first; an option whose default
    is the empty text lists only that, and what else it takes is for its AllowedPattern to say."""

    parameter: str
    values: tuple[str, ...]


def options(template: Mapping[str, Any]) -> tuple[Option, ...]:
    """The options of a template."""
    out = []
    for name, declared in (template.get("Parameters") or {}).items():
        if "AllowedValues" in declared:
            listed = [parameters.text(value) for value in declared["AllowedValues"]]
            default = [parameters.text(declared["Default"])] if "Default" in declared else []
            out.append(Option(name, tuple(dict.fromkeys([*default, *listed]))))
        elif declared.get("Default") == "":
            out.append(Option(name, ("",)))
    return tuple(out)


def branch(
    template: Mapping[str, Any], given: Mapping[str, str], pseudo: Mapping[str, Any]
) -> Mapping[str, bool] | parameters.RefusedParameters:
    """The truth of a single template's conditions under parameter values, or how CloudFormation refuses them.

    Raises:
        NotResolved: a condition that cannot be evaluated.
    """
    try:
        parameters.check(template, given, pseudo)
    except parameters.RefusedParameters as error:
        return error
    scope = parameters.scope_of(template, given, pseudo)
    return {name: truth({"Condition": name}, scope) for name in template.get("Conditions") or {}}


_PLACES = frozenset({"AWS::Region", "AWS::Partition", "AWS::URLSuffix"})


def places(contract: Contract) -> tuple[str, ...]:
    """The regions in which a grant has to be seen: the contract's, and where conditions of its templates turn on the
    place, one for each set of truth values that they can have in any region that botocore knows. Where maps of the
    templates leave regions out, one that they have."""
    out: dict[Any, tuple[int, str]] = {}
    for number, region in enumerate((contract.region, *parameters.regions())):
        truths, missing = zip(*(_of_place(path, region) for path in contract.templates), strict=True)
        lacks = sum(missing) if number else 0
        if truths not in out or lacks < out[truths][0]:
            out[truths] = lacks, region
    return tuple(region for _, region in out.values())


def _of_place(path: Path, region: str) -> tuple[tuple[bool, ...], int]:
    """What the conditions of a template ask of the place, and how many look-ups by the place fail there."""
    document = read(path)
    comparisons, lookups = _asked_of_place(document)
    if not comparisons and not lookups:
        return (), 0
    pseudo = parameters.pseudo_parameters(region=region)
    scope = parameters.scope_of({**document.value, "Parameters": {}}, {}, pseudo)
    missing = 0
    for lookup in lookups:
        try:
            value(lookup, scope)
        except NotResolved:
            missing += 1
    return tuple(truth(asked, scope) for asked in comparisons), missing


@lru_cache(maxsize=256)
def _asked_of_place(document: Document) -> tuple[tuple[Mapping[str, Any], ...], tuple[Mapping[str, Any], ...]]:
    """The comparisons in conditions, and the look-ups in resources, that turn on the place alone."""
    return (
        tuple(_asked(document.value.get("Conditions") or {}, *_TRUTHS)),
        tuple(_asked(document.value.get("Resources") or {}, "Fn::FindInMap")),
    )


_TRUTHS = ("Fn::Equals", "Fn::And", "Fn::Or", "Fn::Not")


def _asked(item: Any, *functions: str) -> Iterator[Mapping[str, Any]]:
    """The outermost uses of functions that turn on the place alone."""
    if isinstance(item, Mapping):
        for key, argument in item.items():
            used = names(argument) if key in functions else set()
            if used & _PLACES and used <= _PLACES:
                yield {key: argument}
            else:
                yield from _asked(argument, *functions)
    elif isinstance(item, list):
        for entry in item:
            yield from _asked(entry, *functions)


# --- parts ------------------------------------------------------------------------------------------------------------

#: ("trust" | "limits" | "policies", alias of the contract's stack, logical ids): see the module's docstring. For
#: "policies" there are no logical ids: it is all other policies of the stack, and which of its resources exist.
Part = tuple[str, ...]
#: A parameter of a stack of the contract: (alias, name).
Given = tuple[str, str]


@dataclass(frozen=True)
class Instance:
    """One template where it is used: the alias of the contract's stack, and logical ids of nested ones."""

    path: tuple[str, ...]
    template: Path
    parent: Instance | None = None

    @property
    def document(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = read(self.template).value
        return found

    def section(self, name: str) -> Mapping[str, Any]:
        """A section of the template, empty where it has none."""
        return self.document.get(name) or {}

    @property
    def is_transformed(self) -> bool:
        """Does CloudFormation make something else of the template before it deploys it?"""
        return "Transform" in self.document or _holds(self.document, "Fn::Transform")

    def resources(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The resources as they are written, by logical id; without loops."""
        yield from ((name, r) for name, r in self.section("Resources").items() if isinstance(r, Mapping))


def _holds(item: Any, key: str) -> bool:
    if isinstance(item, Mapping):
        return key in item or any(_holds(entry, key) for entry in item.values())
    return isinstance(item, list) and any(_holds(entry, key) for entry in item)


def space_of(contract: Contract) -> Space:
    """The space of a contract, built once for all who ask while its templates read the same."""
    return _space(contract.path, tuple(map(read, (contract.path, *contract.templates))))


@lru_cache(maxsize=16)
def _space(path: Path, documents: tuple[Document, ...]) -> Space:
    return Space(load(path))


class Space:
    """The combinations of one contract's variants."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self._seen: dict[tuple[frozenset[str], str], Synthesis | Refused] = {}

    @cached_property
    def base(self) -> Synthesis:
        """Without any variant.

        Raises:
            Refused, NotResolved: see `synthesise`.
        """
        return synthesise(self.contract)

    @cached_property
    def parts(self) -> Mapping[Part, tuple[Variant, ...]]:
        """The parts of the grant, each with the variants that can touch it, or that a rule ties to one which can."""
        reach = {variant.alias: self.reach(variant) for variant in self.contract.variants}
        every = {part for part, _ in self._all_reached}
        out = {}
        for part in sorted(every):
            chosen = {alias for alias, parts in reach.items() if part in parts}
            while more := {a for tied in self._tied for a in tied if tied & chosen} - chosen:
                chosen |= more
            out[part] = tuple(variant for variant in self.contract.variants if variant.alias in chosen)
        return out

    def seen(self, chosen: Sequence[Variant], region: str) -> Synthesis | Refused:
        """A combination of variants, worked out in a region; or how CloudFormation refuses it.

        Raises:
            NotResolved: it cannot be said.
            Incompatible: the variants contradict each other.
        """
        key = (frozenset(variant.alias for variant in chosen), region)
        if key not in self._seen:
            try:
                self._seen[key] = synthesise(with_variants(self.contract, key[0]), region)
            except Refused as refused:
                self._seen[key] = refused
        return self._seen[key]

    def gatherings(self) -> tuple[tuple[Variant, ...], ...]:
        """A few combinations that hold every variant at least once, each with as many as go together: enough to deploy,
        to see that what is deployed is what is worked out."""
        out: list[dict[str, Variant]] = []
        by_alias = {variant.alias: variant for variant in self.contract.variants}
        for variant in self.contract.variants:
            together = {alias: by_alias[alias] for alias in needed(self.contract, variant)}
            for group in out:
                tried = tuple({**group, **together}.values())
                if is_meant(tried) and agree(tried):
                    group.update(together)
                    break
            else:
                out.append(together)
        return tuple(tuple(v for v in self.contract.variants if v.alias in group) for group in out)

    def combinations(self, part: Part) -> Iterator[tuple[Variant, ...]]:
        """Every combination of the variants that can touch a part."""
        yield from subsets(self.parts[part])

    def template(self, path: tuple[str, ...]) -> Path:
        """The template of a stack, given by the alias of the contract's stack and logical ids."""
        return self.instance(path).template

    def reach(self, variant: Variant) -> frozenset[Part]:
        """The parts that a variant can touch, by the templates or by what the contract says of it."""
        given = {(alias, name) for alias, values in variant.parameters.items() for name in values}
        out = {part for part, used in self._all_reached if used & given}
        for alias, change in variant.changes.items():
            whole, role = self._parts_of(alias)
            out |= {(kind, *role) for kind, changed in (
                ("trust", change.trust or change.entered_by),
                ("limits", change.max_session or change.boundary is not None),
            ) if changed and role}  # fmt: skip
            out |= whole if change.allows or change.boundary is not None or not role else set()
        if variant.resources or variant.absent:
            out |= {("policies", stack.alias) for stack in self.stacks}
        out |= {("policies", stack.alias) for stack in self.stacks if variant.alias in stack.variants}
        return frozenset(out)

    def _parts_of(self, alias: str) -> tuple[set[Part], tuple[str, ...]]:
        """The part with a principal's policies; and the path of its resource, empty where it is not in the base."""
        principal = self.contract.principal(alias)
        named = {name.split(".")[1] for name in references(principal.reference) if name.startswith("stacks.")}
        whole: set[Part] = {("policies", stack.alias) for stack in self.stacks if stack.alias in named or not named}
        if principal.variants:
            return whole, ()
        base = Synthesised(self.contract, self.base)
        held = base.held(principal) if principal.kind != "policy" else None
        return whole, (base.located(held.arn) if held is not None else None) or ()

    @property
    def stacks(self) -> tuple[Stack, ...]:
        """The contract's stacks, those of its variants included."""
        return (*self.contract.stacks, *self.contract.additions.stacks)

    # what depends on what

    @cached_property
    def instances(self) -> tuple[Instance, ...]:
        """Every template where it is used, nested ones included.

        Raises:
            NotResolved: a nested template is not among the contract's uploads.
        """
        return tuple(i for stack in self.stacks for i in self._below(Instance((stack.alias,), stack.template)))

    def _below(self, instance: Instance) -> Iterator[Instance]:
        yield instance
        for name, resource in instance.resources():
            if resource.get("Type") == "AWS::CloudFormation::Stack":
                template = nested_template(self.contract, instance.template, name)
                if template is None:
                    raise NotResolved(f"{shown(instance.template)}: the template of {name} is no upload")
                yield from self._below(Instance((*instance.path, name), template, instance))

    def instance(self, path: tuple[str, ...]) -> Instance:
        """The template of a stack, given by the alias of the contract's stack and logical ids.

        Raises:
            KeyError: there is no such stack.
        """
        return {instance.path: instance for instance in self.instances}[path]

    def reaches(self, given: Given) -> bool:
        """Can access turn on a parameter of a stack of the contract? What transforms make of it is not followed, so
        that it may."""
        if any(instance.is_transformed for instance in self.instances if instance.path[0] == given[0]):
            return True
        return any(given in used for _, used in self._all_reached)

    @cached_property
    def _all_reached(self) -> tuple[tuple[Part, set[Given]], ...]:
        return tuple(reached for instance in self.instances for reached in self._reached(instance))

    def fed_by(self, given: Given) -> Iterator[tuple[Instance, str]]:
        """The parameters of other stacks that are given an output which turns on this one, beside their templates."""
        for stack in self.stacks:
            of_variants = [v.parameters.get(stack.alias, {}) for v in self.contract.variants]
            for values in (stack.parameters, *of_variants):
                for name, text in values.items():
                    for reference in references(text):
                        start, _, output = reference.partition(".outputs.")
                        known = output and start == f"stacks.{given[0]}"
                        if known and given in self._of_output(self.instance(given[:1]), output, frozenset()):
                            yield self.instance((stack.alias,)), name

    def _reached(self, instance: Instance) -> Iterator[tuple[Part, set[Given]]]:
        """The parts that a template's resources make up, each with the parameters that they depend on."""
        alias = instance.path[0]
        for name, resource in instance.resources():
            if "Condition" in resource:
                yield ("policies", alias), self._depends(instance, {f"Condition:{resource['Condition']}"})
            for key, expression in (resource.get("Properties") or {}).items():
                if resource.get("Type") == "AWS::CloudFormation::Stack" and key == "Parameters":
                    continue  # seen where the nested template uses them
                used = self._depends(instance, names(expression))
                if key == "AssumeRolePolicyDocument":
                    yield ("trust", *instance.path, name), used
                elif key == "MaxSessionDuration":
                    yield ("limits", *instance.path, name), used
                elif key == "PermissionsBoundary":
                    # What the other policies give is cut by it, so that they are looked at together.
                    yield ("limits", *instance.path, name), used
                    yield ("policies", alias), used
                elif key not in _NAMES and resource.get("Type") != "AWS::SSM::Parameter":
                    yield ("policies", alias), used

    def _depends(self, instance: Instance, found: set[str], seen: frozenset[Any] = frozenset()) -> set[Given]:
        """The parameters of the contract's stacks on which names in a template depend."""
        out: set[Given] = set()
        for name in found:
            key = (instance.path, name)
            if key in seen:
                continue
            deeper = seen | {key}
            head, _, attribute = name.partition(".")
            if name.startswith("Condition:"):
                expression = instance.section("Conditions").get(name.removeprefix("Condition:"))
                out |= self._depends(instance, names(expression), deeper)
            elif head in instance.section("Parameters"):
                out |= self._of_parameter(instance, head, deeper)
            elif head in instance.section("Resources"):
                out |= self._of_resource(instance, head, attribute, deeper)
        return out

    def _of_parameter(self, instance: Instance, name: str, seen: frozenset[Any]) -> set[Given]:
        if instance.parent is not None:
            given = instance.parent.section("Resources")[instance.path[-1]]["Properties"].get("Parameters") or {}
            return self._depends(instance.parent, names(given.get(name)), seen)
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
        used = names(output.get("Value")) | ({f"Condition:{output['Condition']}"} if "Condition" in output else set())
        return self._depends(instance, used, seen)

    def _of_resource(self, instance: Instance, name: str, attribute: str, seen: frozenset[Any]) -> set[Given]:
        resource = instance.section("Resources")[name]
        if "Condition" in resource:
            # Where it is not made, what refers to it cannot be made either.
            conditional = self._depends(instance, {f"Condition:{resource['Condition']}"}, seen)
            return conditional | self._of_made(instance, name, attribute, seen)
        return self._of_made(instance, name, attribute, seen)

    def _of_made(self, instance: Instance, name: str, attribute: str, seen: frozenset[Any]) -> set[Given]:
        resource = instance.section("Resources")[name]
        if resource["Type"] == "AWS::CloudFormation::Stack" and attribute.startswith("Outputs."):
            inner = next(i for i in self.instances if i.path == (*instance.path, name))
            return self._of_output(inner, attribute.removeprefix("Outputs."), seen)
        properties = resource.get("Properties") or {}
        if resource["Type"] in _CALLED_BY_NAME and attribute != "Value":
            properties = {key: item for key, item in properties.items() if key == "Path" or key.endswith("Name")}
        return self._depends(instance, names(properties), seen)

    @cached_property
    def _tied(self) -> tuple[frozenset[str], ...]:
        """Variants whose parameters stand together in a rule: whether one is refused may turn on the other."""
        out = []
        for instance in self.instances:
            for rule in instance.section("Rules").values():
                used = self._depends(instance, names(rule))
                out.append(
                    frozenset(
                        variant.alias
                        for variant in self.contract.variants
                        if any((alias, n) in used for alias, values in variant.parameters.items() for n in values)
                    )
                )
        out += [frozenset({v.alias, *v.needs, *v.excludes}) for v in self.contract.variants if v.needs or v.excludes]
        return tuple(out)


#: Properties of IAM entities that give no access. What takes a name from them is seen where it does.
_NAMES = frozenset({"RoleName", "GroupName", "UserName", "ManagedPolicyName", "Path", "Description"})
#: Types whose Ref and ARN follow from what they are called.
_CALLED_BY_NAME = frozenset(
    {f"AWS::IAM::{kind}" for kind in ("Role", "Group", "User", "ManagedPolicy")}
    | {"AWS::SSM::Parameter", "AWS::S3::Bucket", "AWS::SecretsManager::Secret", "AWS::KMS::Key"}
)


def is_meant(chosen: Sequence[Variant]) -> bool:
    """Does the contract mean this combination to be deployed, by what its variants need and exclude?"""
    aliases = {variant.alias for variant in chosen}
    return all(set(v.needs) <= aliases and not set(v.excludes) & aliases for v in chosen)
