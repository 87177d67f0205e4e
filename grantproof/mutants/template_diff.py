"""Where a mutated template differs from the original, and which effect that has under the parameters of a stack.

A difference has an effect only if the changed part is used and has another value.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from grantproof.aws.templates.constraints import text, violation
from grantproof.aws.templates.intrinsics import condition_holds, resolve
from grantproof.aws.templates.scope import NotResolved, Scope
from grantproof.mutants.deployed_access import PERMISSIONS, TRUST
from grantproof.mutants.equivalence import gives_same_access
from grantproof.source import Key

Path_ = tuple[Key, ...]
Template = Mapping[str, Any]
TRUST_POLICY = "AssumeRolePolicyDocument"
#: Properties that hold a policy document, which is compared as a whole.
_DOCUMENTS = (TRUST_POLICY, "PolicyDocument", "KeyPolicy", "ResourcePolicy")


@dataclass(frozen=True)
class TemplateDiff:
    """The differences between an original template (`before`) and a mutated one (`after`).

    Attributes:
        given: the parameters that every instance of the template sets, so that their defaults do not matter.
    """

    before: Template
    after: Template
    given: frozenset[str]

    @cached_property
    def changed(self) -> tuple[Path_, ...]:
        """The paths of the smallest parts of Resources that differ; policies as a whole."""
        return tuple(dict.fromkeys(_changes(self.before["Resources"], self.after["Resources"], ())))

    @cached_property
    def changed_parameters(self) -> Mapping[str, Any]:
        """The parameters whose declarations differ, as in `after`."""
        old, new = self.before.get("Parameters") or {}, self.after.get("Parameters") or {}
        return {name: p for name, p in new.items() if _without(p, _SAID) != _without(old.get(name, {}), _SAID)}

    @cached_property
    def differs_outside_resources(self) -> bool:
        """Does anything differ that can change all resources, or whether they are created?"""
        return _sections(self.before, self.given) != _sections(self.after, self.given)

    @cached_property
    def changes_parameter_checks(self) -> bool:
        """Does anything differ that decides which combinations of parameters are refused?"""
        old, new = _sections(self.before, self.given), _sections(self.after, self.given)
        return any(old.get(name) != new.get(name) for name in ("Parameters", "Rules", "Mappings"))

    def effects(self, scope: Scope) -> list[Any]:
        """The effect of each difference in a stack; empty where none has an effect."""
        ways = [_way(scope, self.before["Resources"], self.after["Resources"], change) for change in self.changed]
        ways += [violation(name, p, text(scope.parameters[name])) for name, p in self.changed_parameters.items()]
        return ways if any(ways) else []

    def gives_same_access(self, ways: Iterable[Any], scope: Scope) -> bool:
        """Are all these effects policies that give the same access as before, together with any other policies?"""
        if self.changed_parameters:
            return False
        pairs = zip(self.changed, ways, strict=True)
        return all(not pair or self._same_wherever_it_stands(change, pair, scope) for change, pair in pairs)

    def _same_wherever_it_stands(self, change: Path_, pair: Any, scope: Scope) -> bool:
        if change[-1] not in _DOCUMENTS or not (isinstance(pair, tuple) and all(isinstance(p, Mapping) for p in pair)):
            return False
        old, new = pair
        type_ = self.before["Resources"][str(change[0])]["Type"]
        aspect = TRUST if change[-1] == TRUST_POLICY else PERMISSIONS
        return gives_same_access(old, new, type_, aspect, str(scope.pseudo["AWS::AccountId"]))

    def is_used(self, scopes: Iterable[Scope]) -> bool:
        """Is every part that differs used by some stack?"""
        if {**self.before, "Resources": 0} != {**self.after, "Resources": 0}:
            return True
        here, resources = tuple(scopes), self.before["Resources"]
        changed = _changes(resources, self.after["Resources"], (), whole=False)
        return all(any(_is_made(scope, resources, change) for scope in here) for change in changed)


_CONSTRAINTS = ("AllowedPattern", "AllowedValues", "MinLength", "MaxLength", "MinValue", "MaxValue")
_SAID = ("Description", "ConstraintDescription")


def _sections(template: Template, always_given: frozenset[str]) -> dict[str, Any]:
    """The template without Resources, descriptions, constraints and unused defaults; of resources, type and
    condition."""
    out = {name: section for name, section in template.items() if name not in ("Resources", "Description", "Metadata")}
    given = {
        name: _without(p, (*_CONSTRAINTS, *_SAID, *(("Default",) if name in always_given else ())))
        for name, p in (template.get("Parameters") or {}).items()
    }
    told = {name: _without(o, _SAID) for name, o in (template.get("Outputs") or {}).items()}
    made = {name: (r.get("Type"), r.get("Condition")) for name, r in template["Resources"].items()}
    return {**out, "Parameters": given, "Outputs": told, "made": made}


def _without(item: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: entry for name, entry in item.items() if name not in names}


def _changes(before: Any, after: Any, path: Path_, *, whole: bool = True) -> Iterator[Path_]:
    """The paths of the smallest parts that differ and can be evaluated by themselves. With `whole`, a policy document
    is one part, since one statement can mask another."""
    if before == after:
        return
    if whole and path and path[-1] in _DOCUMENTS:
        yield path
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping) and set(before) == set(after):
        (name,) = before if len(before) == 1 else ("",)
        if not name.startswith("Fn::") or (name == "Fn::If" and before[name][0] == after[name][0]):
            for key in before:
                yield from _changes(before[key], after[key], (*path, key), whole=whole)
            return
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (left, right) in enumerate(zip(before, after, strict=True)):
            yield from _changes(left, right, (*path, number), whole=whole)
        return
    yield path


def _is_made(scope: Scope, resources: Any, path: Path_) -> bool:
    """Is a part of Resources in a branch that is taken?"""
    entry, item = resources[path[0]] if path else {}, resources
    if "Condition" in entry and not condition_holds(entry["Condition"], scope):
        return False
    for number, key in enumerate(path):
        if key == "Fn::If" and number + 1 < len(path):
            taken = 1 if condition_holds(item[key][0], scope) else 2
            if path[number + 1] not in (0, taken):
                return False
        item = item[key]
    return True


def _way(scope: Scope, before: Any, after: Any, path: Path_) -> Any:
    """The effect of a change on a part of Resources: both values, or None where there is none."""
    if not _is_made(scope, before, path):
        return None
    for key in path:
        before, after = before[key], after[key]
    try:
        values = resolve(before, scope), resolve(after, scope)
    except NotResolved as error:
        return str(error)
    return values if values[0] != values[1] else None


def given_wherever_used(uses: Iterable[frozenset[str]]) -> frozenset[str]:
    """The parameters that every use of a template sets; empty where there is no use."""
    found = list(uses)
    return frozenset.intersection(*found) if found else frozenset()


def passed(parameters: Any) -> frozenset[str]:
    """The parameters of a nested stack that a template sets under any parameters of its own."""
    written = parameters.items() if isinstance(parameters, Mapping) and "Fn::If" not in parameters else ()
    return frozenset(name for name, entry in written if "AWS::NoValue" not in json.dumps(entry))
