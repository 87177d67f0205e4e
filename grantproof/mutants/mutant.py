"""The mutants of a grant: copies of it with one fault each, made by the operators of the catalogue."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from grantproof.contract import Contract
from grantproof.mutants import sites
from grantproof.mutants.catalogue import Operator
from grantproof.mutants.sites import Site, at
from grantproof.mutants.structure import EDITS
from grantproof.mutants.texts import NotText, opened, outside
from grantproof.mutants.touched import Surroundings
from grantproof.source import Key, read


@dataclass(frozen=True)
class Mutant:
    """A grant with one fault in one of its templates.

    Attributes:
        id: `operator template[n]`; n counts the mutants by this operator of this template, from 1.
        template: the file that is changed.
        text: its new content, as JSON.
        site: the path of the edited value in the original.
        touched: the paths in the new content that differ.
        names: the logical IDs of added resources.
    """

    id: str
    operator: Operator
    template: Path
    text: str = field(repr=False)
    site: tuple[Key, ...]
    touched: tuple[tuple[Key, ...], ...]
    names: tuple[str, ...]


def mutants(contract: Contract, using: Sequence[Operator], most_each: int | None = None) -> Iterator[Mutant]:
    """The mutants of a grant. Of several with the same text only the first is returned.

    Args:
        using: the operators to apply.
        most_each: the greatest number of mutants by each operator; None: no limit.
    """
    seen: set[tuple[Path, str]] = set()
    for operator in using:
        yield from islice(_new_mutants(operator, contract, seen), most_each)


def _new_mutants(operator: Operator, contract: Contract, seen: set[tuple[Path, str]]) -> Iterator[Mutant]:
    for template in contract.templates:
        for mutant in _mutants_of_template(operator, template, contract):
            if (template, mutant.text) not in seen:
                seen.add((template, mutant.text))
                yield mutant


def _mutants_of_template(operator: Operator, template: Path, contract: Contract) -> Iterator[Mutant]:
    original = read(template)
    with_objects = opened(original)
    others = tuple(path.name for path in contract.templates)
    number = 0
    as_json = json.dumps(with_objects.value)  # to parse it for each mutant takes a third of the time of deepcopy
    for site in _sites(operator, with_objects.value):
        value = json.loads(as_json)
        touched = EDITS[operator.edit](value, site.path, operator.argument, Surroundings(site.owner, others))
        try:
            value = with_objects.closed(value)
        except NotText:
            continue
        if touched is None or value == original.value:
            continue
        number += 1
        yield Mutant(
            id=f"{operator.name} {template.name}[{number}]",
            operator=operator,
            template=template,
            text=written(value),
            site=outside(site.path),
            touched=tuple(dict.fromkeys(map(outside, touched.paths))),
            names=touched.names,
        )


def written(template: Mapping[str, Any]) -> str:
    """A template as `json.dumps` writes it with an indent of 1, in a tenth of the time.

    Mutants differ in one or two entries of a section. The text of each other entry comes from a cache.
    """
    sections = []
    for name, section in template.items():
        entries = section.items() if isinstance(section, Mapping) and section else ()
        lines = ",\n".join(f"  {json.dumps(key)}: {_indented(json.dumps(entry), 2)}" for key, entry in entries)
        content = f"{{\n{lines}\n }}" if lines else _indented(json.dumps(section), 1)
        sections.append(f" {json.dumps(name)}: {content}")
    return "{\n" + ",\n".join(sections) + "\n}"


@lru_cache(maxsize=4096)
def _indented(value: str, depth: int) -> str:
    # JSON escapes the line ends in strings, so each line end here is one between lines.
    return json.dumps(json.loads(value), indent=1).replace("\n", "\n" + " " * depth)


def _sites(operator: Operator, template: Mapping[str, Any]) -> Iterator[Site]:
    """The sites in a template that an operator edits."""
    for outer in _objects(operator, template):
        value = at(template, outer.path)
        if any(key not in value for key in operator.has) or any(key in value for key in operator.without):
            continue
        try:
            at(value, operator.at)
        except (KeyError, IndexError, TypeError):
            continue
        site = Site((*outer.path, *operator.at), outer.owner)
        if operator.conditions:
            yield from _condition_entries(template, site)
        elif operator.intrinsic:
            yield from sites.intrinsics(template, site, operator.intrinsic)
        elif operator.each:
            yield from sites.leaves(template, site)
        else:
            yield site


def _condition_entries(template: Mapping[str, Any], statement: Site) -> Iterator[Site]:
    block = at(template, statement.path).get("Condition")
    for test, keys in block.items() if isinstance(block, Mapping) else ():
        for key in keys if isinstance(keys, Mapping) else ():
            yield Site((*statement.path, "Condition", test, key), statement.owner)


def _objects(operator: Operator, template: Mapping[str, Any]) -> Iterator[Site]:
    """The statements, policies or other objects that an operator looks at."""
    match operator.on:
        case "statements":
            yield from sites.statements(template, operator.kinds, operator.effect)
        case "policies":
            yield from sites.policies(template, operator.kinds)
        case "resources":
            yield from sites.resources(template, operator.types)
        case "parameters":
            reaching = sites.reaching_policies(template)
            for site in sites.parameters(template):
                if operator.reaching is None or operator.reaching == (site.owner in reaching):
                    yield site
        case "template":
            yield Site(())
