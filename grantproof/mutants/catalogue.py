"""The catalogue of mutation operators, read from YAML.

There is a file for each group of operators. An operator says what mistake it simulates, at which sites of a template it
applies, and which edit it makes there. It works on any template.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from grantproof.mutants import sites
from grantproof.mutants.edits import TEXT
from grantproof.mutants.structure import EDITS
from grantproof.source import Document, Key, SourceError, read


class CatalogueError(Exception):
    """The catalogue, or an operator in it, cannot be read, or no operator has the given name."""


@dataclass(frozen=True)
class Operator:
    """One way to break a template.

    Attributes:
        name, group: how it is called; the group is the name of its file.
        simulates: the mistake, as a sentence.
        on: what it applies to: statements, policies, resources, parameters or template.
        edit, argument: the edit (a key of `structure.EDITS`) and its argument.
        kinds: of statements and policies, only those of these kinds: trust, identity, resource.
        effect: of statements, only those with this Effect; empty: all.
        types: of resources, only those of these types; empty: all.
        reaching: of parameters, only those that policies refer to (True) or do not refer to (False); None: all.
        has, without: keys that the statement, policy or other object must have, or must not have.
        at: the path from there to the value that is edited.
        each: edit each single value in that one, in a mutant of its own.
        intrinsic: edit each use of this intrinsic function in it, likewise.
        conditions: edit each entry of the statement's Condition, likewise.
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


def folder() -> Path:
    """The folder with the operators: in the installed package, or in the working copy.

    Raises:
        CatalogueError: there is neither.
    """
    package = Path(__file__).resolve().parent
    for candidate in (package / "operators", package.parent.parent / "fixtures" / "mutants" / "operators"):
        if candidate.is_dir():
            return candidate
    raise CatalogueError("grantproof's mutation operators are missing: install the package again")


@cache
def operators() -> tuple[Operator, ...]:
    """Every operator, by group, and within a group in the order of its file.

    Raises:
        CatalogueError: one cannot be read; names the file and line.
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
    """The operators whose name or group matches one of these patterns with `*` and `?`.

    Raises:
        CatalogueError: a pattern matches none.
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
_KEYS = frozenset("name simulates on in effect types reaching has without at each intrinsic conditions do".split())


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
        kinds=_as_tuple(raw.get("in", ["trust", "identity", "resource"])),
        effect=raw.get("effect", ""),
        types=_as_tuple(raw.get("types", [])),
        reaching=raw.get("reaching"),
        has=_as_tuple(raw.get("has", [])),
        without=_as_tuple(raw.get("without", [])),
        at=tuple(int(key) if key.isdigit() else key for key in raw["at"].split(".")) if "at" in raw else (),
        each=raw.get("each", False),
        intrinsic=raw.get("intrinsic", ""),
        conditions=raw.get("conditions", False),
    )


def _as_tuple(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
