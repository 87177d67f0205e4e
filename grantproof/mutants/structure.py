"""Edits of a template's structure: values, keys and resources are set, added, removed, renamed or reordered."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from grantproof.aws.templates.pseudo import regions
from grantproof.iam import actions
from grantproof.mutants import conditions
from grantproof.mutants.edits import edit_text
from grantproof.mutants.sites import Path, at, is_intrinsic
from grantproof.mutants.touched import Edit, Surroundings, Touched, replaced


def filled(value: Any, current: Any, around: Surroundings) -> Any:
    """An argument with its placeholders replaced: `{{value}}` by the current value, `{{owner}}` by the logical ID."""
    if value == "{{value}}":
        return copy.deepcopy(current)
    if isinstance(value, str):
        return value.replace("{{owner}}", around.owner)
    if isinstance(value, Mapping):
        return {filled(k, current, around): filled(v, current, around) for k, v in value.items()}
    if isinstance(value, list):
        return [filled(item, current, around) for item in value]
    return value


def _set(template: Any, path: Path, argument: Any, around: Surroundings) -> Touched | None:
    """Replace the value by the argument."""
    return replaced(template, path, filled(argument, at(template, path), around))


def _text(template: Any, path: Path, argument: Any, around: Surroundings) -> Touched | None:
    """Change the text of the value; the argument is the name of an edit in `edits` and its argument."""
    ((name, inner),) = argument.items()
    return replaced(template, path, edit_text(at(template, path), name, inner))


def _add(template: Any, path: Path, argument: Any, around: Surroundings) -> Touched | None:
    """Add the argument to a list of values, or make a list of a single value and the argument."""
    current = at(template, path)
    values = current if isinstance(current, list) else [current]
    new = filled(argument, current, around)
    return None if new in values or "*" in values else replaced(template, path, [*values, new])


def _remove(template: Any, path: Path, argument: Any, around: Surroundings) -> Touched | None:
    """Remove the value. With the argument `one`, and in lists, only if the list keeps another one."""
    parent = at(template, path[:-1])
    if path[-2:-1] == ("Fn::If",):
        return None
    if (argument == "one" or isinstance(parent, list)) and (isinstance(parent, dict) or len(parent) == 1):
        return None
    del parent[path[-1]]
    return Touched((path[:-1],))


def _merge(template: Any, path: Path, argument: Any, around: Surroundings) -> Touched | None:
    """Add the entries of the argument to an object; objects and lists under the same key are merged too."""
    current = at(template, path)
    if not isinstance(current, dict):
        return None
    before = copy.deepcopy(current)
    _merge_into(current, filled(argument, current, around))
    return None if current == before else Touched((path,))


def _merge_into(target: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, Mapping) and isinstance(target.get(key), dict) and not is_intrinsic(target[key]):
            _merge_into(target[key], value)
        elif isinstance(value, list) and isinstance(target.get(key), list):
            target[key] = [*target[key], *value]
        else:
            target[key] = value


def _rename(template: Any, path: Path, argument: Mapping[str, str], around: Surroundings) -> Touched | None:
    """Rename keys of an object; the argument is old name to new name."""
    current = at(template, path)
    renamed = {argument.get(key, key): value for key, value in current.items()}
    return replaced(template, path, renamed) if len(renamed) == len(current) else None


def _resources(template: Any, path: Path, argument: Any, around: Surroundings) -> Touched | None:
    """Add the resources of the argument to the template."""
    added = filled(argument, at(template, path), around)
    template["Resources"] |= added
    return Touched(tuple(("Resources", name) for name in added), tuple(added))


def _never(template: Any, path: Path, argument: Any, around: Surroundings) -> Touched | None:
    """Give a resource a Condition that is always false."""
    template.setdefault("Conditions", {})["Never"] = {"Fn::Equals": ["yes", "no"]}
    at(template, path)["Condition"] = "Never"
    return Touched((path,))


def _in_region(template: Any, path: Path, argument: Mapping[str, Any], around: Surroundings) -> Touched | None:
    """Merge `merge` of the argument, which can use a Condition `Elsewhere`: true only in the argument's `region`."""
    template.setdefault("Conditions", {})["Elsewhere"] = {"Fn::Equals": [{"Ref": "AWS::Region"}, argument["region"]]}
    return _merge(template, path, argument["merge"], around)


def _by_region(template: Any, path: Path, argument: Mapping[str, Any], around: Surroundings) -> Touched | None:
    """Replace a text by a lookup in Mappings, which gives `put` of the argument in its `region`, the same text
    elsewhere."""
    current = at(template, path)
    if not isinstance(current, str):
        return None  # Mappings cannot contain functions
    by_region = {region: {"Value": current} for region in regions()}
    by_region[argument["region"]] = {"Value": argument["put"]}
    template.setdefault("Mappings", {})["ByRegion"] = by_region
    return replaced(template, path, {"Fn::FindInMap": ["ByRegion", {"Ref": "AWS::Region"}, "Value"]})


def _reverse(template: Any, path: Path, argument: Any, around: Surroundings) -> Touched | None:
    """Reverse a list."""
    current = at(template, path)
    return replaced(template, path, current[::-1]) if isinstance(current, list) and len(current) > 1 else None


def _twice(template: Any, path: Path, argument: Any, around: Surroundings) -> Touched | None:
    """Add a copy of the value, or of each value of a list."""
    current = at(template, path)
    # Copies of statements have no Sid, which must be unique within a policy.
    values = current if isinstance(current, list) else [current]
    copies = [{k: v for k, v in c.items() if k != "Sid"} if isinstance(c, dict) else c for c in copy.deepcopy(values)]
    return replaced(template, path, [*values, *copies])


def _alone(template: Any, path: Path, argument: Any, around: Surroundings) -> Touched | None:
    """Replace a list with a single value by that value."""
    current = at(template, path)
    return replaced(template, path, current[0]) if isinstance(current, list) and len(current) == 1 else None


def _branches(template: Any, path: Path, argument: Any, around: Surroundings) -> Touched | None:
    """Change the branches of an Fn::If. For each branch the argument has the number of a branch, or another value."""
    condition, *branches = at(template, path)["Fn::If"]
    new = [copy.deepcopy(branches[item]) if isinstance(item, int) else item for item in argument]
    return replaced(template, path, {"Fn::If": [condition, *new]})


def _another_action(template: Any, path: Path, argument: str, around: Surroundings) -> Touched | None:
    """Add an action of the same service that the list does not cover and whose access level is the argument."""
    current = at(template, path)
    listed = current if isinstance(current, list) else [current]
    if not all(isinstance(pattern, str) for pattern in listed):
        return None
    covered = {name for pattern in listed for name in actions.matching(pattern)}
    for service in dict.fromkeys(pattern.partition(":")[0].lower() for pattern in listed if ":" in pattern):
        for name in actions.in_service(service):
            if name not in covered and argument in actions.details(name).levels:
                return replaced(template, path, [*listed, name])
    return None


def _another_template(template: Any, path: Path, argument: Any, around: Surroundings) -> Touched | None:
    """Use another template of the grant in the URL of a nested stack."""
    current = at(template, path)
    text = str(current)
    here = [name for name in around.others if f"/{name}" in text]
    for other in around.others if here else ():
        if other not in here:
            return replaced(template, path, _swapped(current, f"/{here[0]}", f"/{other}"))
    return None


def _swapped(value: Any, old: str, new: str) -> Any:
    if isinstance(value, str):
        return value.replace(old, new)
    if isinstance(value, Mapping):
        return {k: _swapped(v, old, new) for k, v in value.items()}
    return [_swapped(v, old, new) for v in value] if isinstance(value, list) else value


def _pattern(template: Any, path: Path, argument: str, around: Surroundings) -> Touched | None:
    """Change a regular expression: the argument `star` adds an asterisk to its character classes, `open` removes the
    anchors at its ends."""
    current = at(template, path)
    if argument == "star":
        return replaced(template, path, _CLASS.sub(r"\1*", current))
    return replaced(template, path, current.removeprefix("^").removesuffix("$"))


#: The beginning of a character class that is not negated.
_CLASS = re.compile(r"((?<!\\)\[)(?!\^)")

EDITS: Mapping[str, Edit] = {
    "set": _set,
    "text": _text,
    "add": _add,
    "remove": _remove,
    "merge": _merge,
    "rename": _rename,
    "resources": _resources,
    "never": _never,
    "in-region": _in_region,
    "by-region": _by_region,
    "reverse": _reverse,
    "twice": _twice,
    "alone": _alone,
    "branches": _branches,
    "another-action": _another_action,
    **conditions.EDITS,
    "another-template": _another_template,
    "pattern": _pattern,
}
