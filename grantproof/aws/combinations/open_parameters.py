"""The parameters that a contract leaves open, and representative values for each.

A parameter that neither a stack nor a variant of the contract sets can have any value that the template accepts. If a
template only inserts it (Ref, Fn::Sub, Fn::Join ...), one value represents all. If it compares the parameter with texts
or uses it as a key of a mapping, these texts and one other value represent all. Of a number, the greatest and smallest
values are tried as well, of other types the empty text. Any other use is not followed, nor is one of a text where it
matters which value is greater (a condition on numbers, dates or addresses); the parameter is then reported as unclear.
Wildcards and policy variables in values are a separate check (`accepted.could_widen`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grantproof.aws.combinations.instances import Instance
from grantproof.aws.combinations.space import Space
from grantproof.aws.templates import constraints
from grantproof.aws.templates.referenced_names import referenced_names
from grantproof.aws.templates.sampling import extremes, is_number, samples
from grantproof.contract import Stack, Variant
from grantproof.source import Place, read


@dataclass(frozen=True)
class OpenParameter:
    """A parameter that a contract leaves open.

    Attributes:
        values: representative values, without those that the contract itself sets.
        unclear: why no representative values exist; empty where they do.
    """

    stack: Stack
    parameter: str
    values: tuple[str, ...]
    unclear: str = ""

    @property
    def place(self) -> Place:
        """Where the template declares it."""
        return read(self.stack.template).place("Parameters", self.parameter)

    def variants(self) -> tuple[Variant, ...]:
        """A variant for each value, under which the contract promises no change."""
        return tuple(self._variant(value) for value in self.values)

    def _variant(self, value: str) -> Variant:
        given = {self.stack.alias: {self.parameter: value}}
        return Variant(f"{self.parameter}={value!r} of {self.stack.alias}", "", given, {}, {}, (), (), (), self.place)


def open_parameters(space: Space) -> tuple[OpenParameter, ...]:
    """The parameters that a contract leaves open and that access can depend on.

    Raises:
        NotResolved: the contract's uploads do not have a nested template.
    """
    out = []
    for stack in space.dependencies.stacks:
        of_variants = [v.parameters.get(stack.alias, {}) for v in space.contract.variants]
        for name, declared in (read(stack.template).value.get("Parameters") or {}).items():
            spoken = [values[name] for values in of_variants if name in values]
            fixed = name in stack.parameters and not spoken
            if not fixed and space.dependencies.may_affect_access((stack.alias, name)):
                found = _open(space, stack, name, declared, spoken)
                out += [found] if found.values or found.unclear else []
    return tuple(out)


def _open(space: Space, stack: Stack, name: str, declared: Mapping[str, Any], spoken: list[str]) -> OpenParameter:
    known = {*spoken, constraints.text(stack.parameters.get(name, declared.get("Default", "")))}
    if "AllowedValues" in declared:
        listed = [constraints.text(value) for value in declared["AllowedValues"]]
        listed += [",".join(listed)] if "List" in str(declared.get("Type")) else []
        return OpenParameter(stack, name, tuple(value for value in listed if value not in known))
    asked = _ComparedTexts(space)
    asked.add(space.dependencies.instance((stack.alias,)), name)
    if spoken:
        # The variants set values, so only texts that the template compares with can be missing.
        others = (v for v in samples(name, declared, 1 + len(asked.texts | known)) if v not in asked.texts | known)
        asked.unclear, fresh = "", () if set(spoken) - asked.texts else tuple(others)[:1]
    else:
        fresh = tuple(v for v in samples(name, declared, 2 + len(asked.texts) + len(known)) if v not in asked.texts)
        # The empty text leaves nothing of the parameter before a wildcard that follows it.
        empty = () if constraints.violation(name, declared, "") else ("",)
        more = dict.fromkeys((*extremes(name, declared), *asked.accepted, *empty))
        fresh += tuple(value for value in more if value not in (*asked.texts, *fresh))
        if not fresh and not asked.texts and not asked.unclear:
            asked.unclear = "no value was found that its constraints accept"
        if asked.ordered and not is_number(declared):
            asked.unclear = asked.unclear or asked.ordered
    values = [
        v for v in (*sorted(asked.texts), *fresh) if v not in known and not constraints.violation(name, declared, v)
    ]
    if not values and not spoken and not is_number(declared):
        # An expression that only accepts the default is rare, and one that the search does not follow is not.
        asked.unclear = asked.unclear or "no other value than its default was found that its constraints accept"
    return OpenParameter(stack, name, tuple(values), asked.unclear)


#: Functions whose effect does not depend on which text they are given.
_PASS_ON = frozenset(
    "Ref Condition Fn::Sub Fn::Join Fn::If Fn::Split Fn::Base64 Fn::ToJsonString Fn::Cidr Fn::GetAZs "
    "Fn::And Fn::Or Fn::Not".split()
)


def _accepted_beyond(declared: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Values that a parameter accepts to which another is passed on; none where it accepts any text."""
    if "AllowedValues" in declared:
        return tuple(constraints.text(value) for value in declared["AllowedValues"])
    if set(declared) & {"AllowedPattern", "MinLength", "MaxLength"} or declared.get("Type") != "String":
        return (*samples(name, declared, 3), *extremes(name, declared))
    return ()


#: Where a value gives more access than another without being equal to what the contract names.
_ORDERED = re.compile(
    r"(ForA\w+:)?((Numeric|Date)(Less|Greater)\w+|(Not)?IpAddress(IfExists)?)|MaxSessionDuration", re.I
)


class _ComparedTexts:
    """Collects the texts that templates compare a parameter with, and uses of it: those that are not followed
    (`unclear`), and those in which it matters which value is greater (`ordered`). `accepted`: values that the
    constraints of templates accept to which it is passed on."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._seen: set[tuple[tuple[str, ...], str]] = set()
        self.texts: set[str] = set()
        self.unclear = ""
        self.ordered = ""
        self.accepted: tuple[str, ...] = ()

    def add(self, instance: Instance, name: str) -> None:
        """Add the texts with which a template, its nested templates and stacks that take its outputs compare a
        parameter."""
        if (instance.path, name) in self._seen:
            return
        self._seen.add((instance.path, name))
        if instance.is_transformed:
            self.unclear = f"{instance.template.name} is transformed before it is deployed"
        for section in ("Conditions", "Rules", "Resources", "Outputs"):
            self._walk(instance.section(section), name, instance)
        for key, resource in instance.section("Resources").items():
            if isinstance(resource, Mapping) and resource.get("Type") == "AWS::CloudFormation::Stack":
                given = (resource.get("Properties") or {}).get("Parameters") or {}
                for inner, expression in given.items():
                    if name in referenced_names(expression):
                        self._passed(
                            self._space.dependencies.instance((*instance.path, key)),
                            inner,
                            whole=expression == {"Ref": name},
                        )
        for other, inner in (
            self._space.dependencies.parameters_fed_by((instance.path[0], name)) if len(instance.path) == 1 else ()
        ):
            self._passed(other, inner, whole=False)

    def _passed(self, instance: Instance, name: str, *, whole: bool) -> None:
        before = set(self.texts)
        self.add(instance, name)
        # The other template refuses most values that this one accepts, so that those tell nothing.
        self.accepted += _accepted_beyond(instance.section("Parameters").get(name) or {}, name)
        if not whole and self.texts != before:
            # It is not known which values of the outer parameter result in these texts.
            self.unclear = self.unclear or f"{instance.template.name} asks what has become of it in {name}"

    def _walk(self, item: Any, name: str, instance: Instance) -> None:
        if isinstance(item, list):
            for entry in item:
                self._walk(entry, name, instance)
        elif isinstance(item, Mapping):
            for key, argument in item.items():
                if key in ("Fn::RefAll", "Fn::ValueOfAll"):
                    self.unclear = f"{instance.template.name} looks at all parameters of a type"
                elif key.startswith("Fn::") and key not in _PASS_ON:
                    self._function(key, argument, name, instance)
                elif _ORDERED.fullmatch(key) and name in referenced_names(argument):
                    self.ordered = f"{instance.template.name} compares it in {key}"
                self._walk(argument, name, instance)

    def _function(self, key: str, argument: Any, name: str, instance: Instance) -> None:
        """Add a function that may depend on the parameter's text."""
        texts = _compared_texts(key, argument, name, instance)
        if texts is None:
            self.unclear = self.unclear or f"{instance.template.name} takes it apart in {key}"
        else:
            self.texts |= texts


def _compared_texts(key: str, argument: Any, name: str, instance: Instance) -> set[str] | None:
    """The texts with which a function compares a parameter; None if it uses its text in another way."""
    if name not in referenced_names({key: argument}):
        return set()
    whole = {"Ref": name}
    match key, argument:
        case "Fn::Equals", [left, right]:
            for one, other in ((left, right), (right, left)):
                if not referenced_names(other) and not isinstance(other, Mapping | list):
                    if one == whole:
                        return {constraints.text(other)}
                    if one == {"Fn::Join": ["", whole]} and other == "":
                        return {""}
        case "Fn::FindInMap", [str(found), *keys]:
            rows = instance.section("Mappings").get(found) or {}
            if whole in keys[:2] and all(k == whole or name not in referenced_names(k) for k in keys):
                first = set(rows) if keys[0] == whole else set()
                return first | ({c for row in rows.values() for c in row} if keys[1] == whole else set())
        case "Fn::Contains" | "Fn::EachMemberIn", [left, right]:
            for one, other in ((left, right), (right, left)):
                if one == whole and isinstance(other, list) and not referenced_names(other):
                    return {constraints.text(item) for item in other}
        case "Fn::Select", [index, _] if name not in referenced_names(index):
            return set()
    return None
