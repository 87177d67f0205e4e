"""Each use of a grant's templates: a nested template is used once for each stack that names it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from grantproof.aws.mocked.nested_templates import nested_template
from grantproof.aws.templates.scope import NotResolved
from grantproof.contract import Contract, Stack
from grantproof.source import Document, read, shown


@dataclass(frozen=True)
class Instance:
    """One use of a template. `path`: the alias of the contract's stack, then the logical IDs of nested stacks."""

    path: tuple[str, ...]
    template: Path
    parent: Instance | None = None

    @property
    def document(self) -> Mapping[str, Any]:
        """The template as written."""
        found: Mapping[str, Any] = read(self.template).value
        return found

    def section(self, name: str) -> Mapping[str, Any]:
        """A section of the template, empty where it has none."""
        return self.document.get(name) or {}

    @property
    def is_transformed(self) -> bool:
        """Does CloudFormation transform the template?"""
        return is_transformed(read(self.template))

    def resources(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The resources as written, by logical ID, without loops and without malformed entries, which CloudFormation
        refuses."""
        for name, resource in self.section("Resources").items():
            if isinstance(resource, Mapping) and isinstance(resource.get("Properties") or {}, Mapping):
                yield name, resource


def instances_of(contract: Contract, stacks: Iterable[Stack]) -> Iterator[Instance]:
    """The instances of these stacks, nested stacks included.

    Raises:
        NotResolved: a nested template is not among the contract's uploads.
    """
    for stack in stacks:
        yield from _below(contract, Instance((stack.alias,), stack.template))


def _below(contract: Contract, instance: Instance) -> Iterator[Instance]:
    yield instance
    for name, resource in instance.resources():
        if resource.get("Type") == "AWS::CloudFormation::Stack":
            template = nested_template(contract, instance.template, name)
            if template is None:
                raise NotResolved(f"{shown(instance.template)}: the TemplateURL of {name} names no upload, or several")
            yield from _below(contract, Instance((*instance.path, name), template, instance))


@lru_cache(maxsize=256)
def is_transformed(document: Document) -> bool:
    """Does a template use transforms, which CloudFormation applies before it deploys?"""
    return "Transform" in document.value or _holds(document.value, "Fn::Transform")


def _holds(item: Any, key: str) -> bool:
    if isinstance(item, Mapping):
        return key in item or any(_holds(entry, key) for entry in item.values())
    return isinstance(item, list) and any(_holds(entry, key) for entry in item)
