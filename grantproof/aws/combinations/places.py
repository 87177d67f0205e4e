"""The places in which a grant has to be seen, because conditions of its templates turn on the place, or because their
maps hold a wildcard for it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from grantproof.aws.templates import parameters
from grantproof.aws.templates.intrinsics import NotResolved, truth, value
from grantproof.aws.templates.pseudo import pseudo_parameters, regions
from grantproof.aws.templates.referenced_names import referenced_names
from grantproof.contract import Contract
from grantproof.source import Document, read

#: What says where a stack is.
PLACES = frozenset({"AWS::Region", "AWS::Partition", "AWS::URLSuffix"})


def places(contract: Contract) -> tuple[str, ...]:
    """The regions in which a grant has to be seen: the contract's, and where conditions of its templates turn on the
    place, one for each set of truth values that they can have in any region that botocore knows; and one for each
    wildcard that their maps hold for some regions. Where maps leave regions out, one that they have.

    What else maps hold for other regions is left out: of images and of AWS's own accounts each region has others.
    """
    return _places(contract.region, tuple(map(read, contract.templates)))


@lru_cache(maxsize=64)
def _places(first: str, documents: tuple[Document, ...]) -> tuple[str, ...]:
    out: dict[Any, tuple[int, str]] = {}
    everywhere = (first, *regions())
    found = [_of_places(document, everywhere) for document in documents]
    for number, (region, *of_documents) in enumerate(zip(everywhere, *found, strict=True)):
        truths, missing = zip(*of_documents, strict=True)
        lacks = sum(missing) if number else 0
        if truths not in out or lacks < out[truths][0]:
            out[truths] = lacks, region
    return tuple(region for _, region in out.values())


#: The truth of what a template's conditions ask of a place with the wildcards that maps hold for it, and how many
#: look-ups by the place fail there.
_Place = tuple[tuple[object, ...], int]
_ANYWHERE: _Place = ((), 0)


@lru_cache(maxsize=256)
def _of_places(document: Document, regions: tuple[str, ...]) -> Sequence[_Place]:
    comparisons, lookups = _asked_of_place(document)
    if not comparisons and not lookups and not _WILD.search(str(document.value.get("Mappings", ""))):
        return [_ANYWHERE] * len(regions)
    # All that they can name: parameters are left out, and so are the resources.
    named = {name: document.value[name] for name in ("Mappings", "Conditions") if name in document.value}
    return _of_asked(json.dumps([comparisons, lookups, named]), regions)


@lru_cache(maxsize=64)
def _of_asked(asked: str, regions: tuple[str, ...]) -> Sequence[_Place]:
    comparisons, lookups, named = json.loads(asked)
    return [_of_place(comparisons, lookups, named, region) for region in regions]


def _of_place(comparisons: Sequence[Any], lookups: Sequence[Any], named: Mapping[str, Any], region: str) -> _Place:
    pseudo = pseudo_parameters(region=region)
    scope = parameters.scope_of(named, {}, pseudo)
    missing = 0
    for lookup in lookups:
        try:
            value(lookup, scope)
        except NotResolved:
            missing += 1
    here = [str(pseudo[name]) for name in sorted(PLACES)]
    return (*(truth(asked, scope) for asked in comparisons), _wildcards(named.get("Mappings") or {}, here)), missing


def told_nowhere_apart(document: Document) -> Iterator[str]:
    """The conditions of a template with a comparison that comes to the same in every region that is known, and so waits
    for another."""
    for name, expression in (document.value.get("Conditions") or {}).items():
        for asked in _asked(expression, *_TRUTHS):
            named = {key: document.value[key] for key in ("Mappings", "Conditions") if key in document.value}
            seen = {_of_place([asked], [], named, region)[0][0] for region in regions()}
            if len(seen) == 1:
                yield name


_WILD = re.compile(r"[*?]")


def _wildcards(maps: Any, here: Sequence[str]) -> frozenset[tuple[object, ...]]:
    """The texts with a wildcard that maps hold for a place under its names or parts of them, however they are looked
    up, each with the names of its entry, and how these stand for the place."""
    found: set[tuple[object, ...]] = set()
    for name, entries in maps.items():
        for first, values in entries.items():
            for second, held in values.items() if isinstance(values, Mapping) else ():
                keys = [(_of_place_named(key, here) or key) for key in (first, second)]
                if keys != [first, second] and _WILD.search(text := str(held)):
                    for number, word in enumerate(here):
                        text = text.replace(word, f"{{{number}}}")
                    found.add((name, *keys, text))
    return frozenset(found)


def _of_place_named(key: str, here: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """How a key stands for a place: which of its names it has within it, or which parts of which name it is."""
    out: list[tuple[int, ...]] = []
    for number, name in enumerate(here):
        between = "." if "." in name else "-"
        parts = name.split(between)
        ends = range(1, len(parts) + 1)
        out += [(number, start, end) for end in ends for start in range(end) if between.join(parts[start:end]) == key]
        if name in key and name != key:
            out.append((number,))
    return tuple(out)


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
            used = referenced_names(argument) if key in functions else set()
            if used & PLACES and used <= PLACES:
                yield {key: argument}
            else:
                yield from _asked(argument, *functions)
    elif isinstance(item, list):
        for entry in item:
            yield from _asked(entry, *functions)
