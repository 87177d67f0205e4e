"""The catalogue of mutation operators, and the mutants that they make of a grant.

Operators are data, one file a group. Each says what it simulates, at which sites of a template it applies, and what it
does there; nothing in one knows the template that it will meet.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from grantproof.contract import Contract
from grantproof.mutants import sites
from grantproof.mutants.edits import TEXT
from grantproof.mutants.sites import Site, at
from grantproof.mutants.structure import EDITS
from grantproof.mutants.texts import NotText, opened, outside
from grantproof.mutants.touched import Surroundings
from grantproof.source import Document, Key, SourceError, read


class CatalogueError(Exception):
    """An operator that cannot be read: which, and why."""


@dataclass(frozen=True)
class Operator:
    """One way to break a template.

    Attributes:
        on: where it looks: statements, policies, resources, parameters, template.
        kinds: for statements and policies: trust, identity, resource.
        effect: for statements: only those with this Effect.
        types: for resources: only these.
        reaching: for parameters: only those that policies are built from (True), or only others (False).
        has, without: keys that the site must or must not have.
        at: the value below the site that is changed.
        each: each single value below that one; `intrinsic`: each use of this function below it; `conditions`: each
            entry of the statement's Condition.
        edit, argument: what is done there.
    """

    name: str
    group: str
    simulates: str
    on: str
    edit: str
    argument: Any
    kinds: tuple[str, ...] = (sites.TRUST, sites.IDENTITY, sites.RESOURCE)
    effect: str = ""
    types: tuple[str, ...] = ()
    reaching: bool | None = None
    has: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    at: tuple[Key, ...] = ()
    each: bool = False
    intrinsic: str = ""
    conditions: bool = False


@dataclass(frozen=True)
class Mutant:
    """A grant with one fault in one of its templates.

    Attributes:
        id: `operator template[n]`, n counting the sites of the operator in the template.
        template: the file that differs.
        text: what it reads now, as JSON.
        site: the path of what was changed in the original.
        touched: the paths of what differs, in the new text.
        names: what came along, by logical id.
    """

    id: str
    operator: Operator
    template: Path
    text: str = field(repr=False)
    site: tuple[Key, ...]
    touched: tuple[tuple[Key, ...], ...]
    names: tuple[str, ...]


def folder() -> Path:
    """Where the operators are: inside an installed package, or in the working copy.

    Raises:
        CatalogueError: neither is there.
    """
    package = Path(__file__).resolve().parent
    for candidate in (package / "operators", package.parent.parent / "fixtures" / "mutants" / "operators"):
        if candidate.is_dir():
            return candidate
    raise CatalogueError("grantproof's mutation operators are missing: install the package again")


@cache
def operators() -> tuple[Operator, ...]:
    """Every operator, by group and in the order in which they stand in their file.

    Raises:
        CatalogueError: one cannot be read.
    """
    out: list[Operator] = []
    for path in sorted(folder().glob("*.yaml")):
        try:
            document = read(path)
        except SourceError as error:
            raise CatalogueError(str(error)) from None
        out += [_operator(document, number) for number in range(len(document.value))]
    return tuple(out)


def chosen(patterns: Sequence[str]) -> tuple[Operator, ...]:
    """The operators whose name or group matches one of the patterns, with `*` and `?`.

    Raises:
        CatalogueError: for one of them there is none.
    """
    out: dict[str, Operator] = {}
    for pattern in patterns:
        found = [o for o in operators() if fnmatchcase(o.name, pattern) or fnmatchcase(o.group, pattern)]
        if not found:
            groups = ", ".join(dict.fromkeys(o.group for o in operators()))
            raise CatalogueError(f"no mutation operator is called {pattern!r}. Groups: {groups}.")
        out |= {operator.name: operator for operator in found}
    return tuple(out.values())


_ON = ("statements", "policies", "resources", "parameters", "template")
_KEYS = frozenset(
    "name simulates on in effect types reaching has without at each intrinsic conditions do".split()
)  # fmt: skip


def _operator(document: Document, number: int) -> Operator:
    raw = document.value[number]
    place = document.place(number)
    if unknown := set(raw) - _KEYS:
        raise CatalogueError(f"{place}: an operator has no key {sorted(unknown)[0]!r}")
    if missing := {"name", "simulates", "on", "do"} - set(raw):
        raise CatalogueError(f"{place}: an operator needs {sorted(missing)[0]!r}")
    ((edit, argument),) = raw["do"].items()
    if raw["on"] not in _ON or edit not in EDITS or (edit == "text" and next(iter(argument)) not in {*TEXT, "field"}):
        raise CatalogueError(f"{place}: {raw['name']}: unknown site or edit")
    return Operator(
        name=raw["name"],
        group=document.path.stem,
        simulates=raw["simulates"],
        on=raw["on"],
        edit=edit,
        argument=argument,
        kinds=_several(raw.get("in", ["trust", "identity", "resource"])),
        effect=raw.get("effect", ""),
        types=_several(raw.get("types", [])),
        reaching=raw.get("reaching"),
        has=_several(raw.get("has", [])),
        without=_several(raw.get("without", [])),
        at=tuple(int(key) if key.isdigit() else key for key in raw["at"].split(".")) if "at" in raw else (),
        each=raw.get("each", False),
        intrinsic=raw.get("intrinsic", ""),
        conditions=raw.get("conditions", False),
    )


def _several(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def mutants(contract: Contract, using: Sequence[Operator], each: int | None = None) -> Iterator[Mutant]:
    """What the operators make of a grant's templates, at most `each` of every operator; of mutants with the same text
    only the first."""
    seen: set[tuple[Path, str]] = set()
    for operator in using:
        yield from islice(_new(operator, contract, seen), each)


def _new(operator: Operator, contract: Contract, seen: set[tuple[Path, str]]) -> Iterator[Mutant]:
    for template in contract.templates:
        for mutant in _of(operator, template, contract):
            if (template, mutant.text) not in seen:
                seen.add((template, mutant.text))
                yield mutant


def _of(operator: Operator, template: Path, contract: Contract) -> Iterator[Mutant]:
    original = read(template)
    open_ = opened(original)
    others = tuple(path.name for path in contract.templates)
    number, plain = 0, json.dumps(open_.value)  # a third of what deepcopy takes
    for site in _sites(operator, open_.value):
        value = json.loads(plain)
        touched = EDITS[operator.edit](value, site.path, operator.argument, Surroundings(site.owner, others))
        try:
            value = open_.closed(value)
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
    """What `json.dumps` gives with an indent of one, in a tenth of the time: mutants differ in a line or two, so that
    most of it was written before."""
    sections = []
    for name, section in template.items():
        entries = section.items() if isinstance(section, Mapping) and section else ()
        told = ",\n".join(f"  {json.dumps(key)}: {_entry(json.dumps(entry), 2)}" for key, entry in entries)
        below = f"{{\n{told}\n }}" if told else _entry(json.dumps(section), 1)
        sections.append(f" {json.dumps(name)}: {below}")
    return "{\n" + ",\n".join(sections) + "\n}"


@lru_cache(maxsize=4096)
def _entry(value: str, depth: int) -> str:
    # Within a text of JSON no line ends, so that every line is one to be moved in.
    return json.dumps(json.loads(value), indent=1).replace("\n", "\n" + " " * depth)


def _sites(operator: Operator, template: Mapping[str, Any]) -> Iterator[Site]:
    for outer in _outer(operator, template):
        value = at(template, outer.path)
        if any(key not in value for key in operator.has) or any(key in value for key in operator.without):
            continue
        try:
            at(value, operator.at)
        except (KeyError, IndexError, TypeError):
            continue
        site = Site((*outer.path, *operator.at), outer.owner)
        if operator.conditions:
            yield from _conditions(template, site)
        elif operator.intrinsic:
            yield from sites.intrinsics(template, site, operator.intrinsic)
        elif operator.each:
            yield from sites.leaves(template, site)
        else:
            yield site


def _conditions(template: Mapping[str, Any], statement: Site) -> Iterator[Site]:
    block = at(template, statement.path).get("Condition")
    for operator, keys in block.items() if isinstance(block, Mapping) else ():
        for key in keys if isinstance(keys, Mapping) else ():
            yield Site((*statement.path, "Condition", operator, key), statement.owner)


def _outer(operator: Operator, template: Mapping[str, Any]) -> Iterator[Site]:
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
