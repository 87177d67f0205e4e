"""The sites of a template at which operators apply: policies, statements, elements, parameters, resources, by path.

Works on parsed templates of any shape: a statement can stand alone or in a list, in branches of `Fn::If`, and in
inline, managed, trust and resource policies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grantproof.source import Key

Path = tuple[Key, ...]
TRUST, IDENTITY, RESOURCE = "trust", "identity", "resource"
#: Policies of these types are identity policies, except trust policies.
_IAM = "AWS::IAM::"


@dataclass(frozen=True)
class Site:
    """A value of a template. `owner`: the logical ID of the resource, or the name of the parameter, that contains
    it."""

    path: Path
    owner: str = ""


def at(value: Any, path: Path) -> Any:
    """The value at a path.

    Raises:
        KeyError, IndexError, TypeError: there is none.
    """
    for key in path:
        value = value[key]
    return value


def resources(template: Mapping[str, Any], types: tuple[str, ...] = ()) -> Iterator[Site]:
    """The resources of these types, or all; a resource within a loop once."""
    for path, resource in _resources(template["Resources"], ("Resources",)):
        if isinstance(resource, Mapping) and (not types or resource.get("Type") in types):
            yield Site(path, str(path[-1]))


def _resources(entries: Mapping[str, Any], above: Path) -> Iterator[tuple[Path, Any]]:
    for name, resource in entries.items():
        looped = isinstance(resource, list) and name.startswith("Fn::ForEach::") and isinstance(resource[-1], Mapping)
        if looped:
            yield from _resources(resource[-1], (*above, name, len(resource) - 1))
        else:
            yield (*above, name), resource


def policies(template: Mapping[str, Any], kinds: tuple[str, ...]) -> Iterator[Site]:
    """The policy documents of these kinds."""
    for resource in resources(template):
        type_ = str(at(template, resource.path).get("Type", ""))
        base = (*resource.path, "Properties")
        properties = at(template, resource.path).get("Properties") or {}
        for path in _holding(properties, "Statement"):
            kind = TRUST if "AssumeRolePolicyDocument" in path else IDENTITY if type_.startswith(_IAM) else RESOURCE
            if kind in kinds:
                yield Site((*base, *path), resource.owner)


def statements(template: Mapping[str, Any], kinds: tuple[str, ...], effect: str = "") -> Iterator[Site]:
    """The statements of policies of these kinds, with this Effect if one is given."""
    for policy in policies(template, kinds):
        base = (*policy.path, "Statement")
        for path in _holding(at(template, base), "Effect"):
            if not effect or at(template, (*base, *path))["Effect"] == effect:
                yield Site((*base, *path), policy.owner)


def leaves(template: Mapping[str, Any], site: Site) -> Iterator[Site]:
    """The single values of an element: each item of a list, branch of a condition, and kind of principal."""
    value = at(template, site.path)
    if isinstance(value, list):
        for number in range(len(value)):
            yield from leaves(template, Site((*site.path, number), site.owner))
    elif isinstance(value, Mapping) and isinstance(value.get("Fn::If"), list):
        for number in range(1, len(value["Fn::If"])):
            yield from leaves(template, Site((*site.path, "Fn::If", number), site.owner))
    elif isinstance(value, Mapping) and not is_intrinsic(value):
        for key in value:
            yield from leaves(template, Site((*site.path, key), site.owner))
    else:
        yield site


def intrinsics(template: Mapping[str, Any], site: Site, name: str) -> Iterator[Site]:
    """The uses of an intrinsic function inside a value."""
    for path in _holding(at(template, site.path), name):
        yield Site((*site.path, *path), site.owner)


def parameters(template: Mapping[str, Any]) -> Iterator[Site]:
    """The parameters."""
    for name in template.get("Parameters") or {}:
        yield Site(("Parameters", name), name)


def reaching_policies(template: Mapping[str, Any]) -> frozenset[str]:
    """The names of the parameters that policies refer to directly."""
    found: set[str] = set()
    for policy in policies(template, (TRUST, IDENTITY, RESOURCE)):
        found |= set(_referred(at(template, policy.path)))
    return frozenset(found & set(template.get("Parameters") or {}))


def is_intrinsic(value: Mapping[str, Any]) -> bool:
    """Is a value an intrinsic function?"""
    return len(value) == 1 and str(next(iter(value))).startswith(("Ref", "Fn::"))


def _holding(value: Any, key: str) -> Iterator[Path]:
    """Paths of the outermost objects that have a key."""
    if isinstance(value, Mapping):
        if key in value:
            yield ()
            return
        for name, item in value.items():
            yield from ((name, *path) for path in _holding(item, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from ((number, *path) for path in _holding(item, key))


def _referred(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key == "Ref":
                yield str(item)
            elif key == "Fn::Sub":
                text = item if isinstance(item, str) else item[0]
                yield from (part.split("}")[0].strip() for part in text.split("${")[1:])
            yield from _referred(item)
    elif isinstance(value, list):
        for item in value:
            yield from _referred(item)
