"""The regions in which a grant is checked, because conditions of its templates depend on the region, or because its
mappings hold a wildcard for some regions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from grantproof.aws.templates import parameters
from grantproof.aws.templates.intrinsics import resolve, truth
from grantproof.aws.templates.pseudo import pseudo_parameters, regions
from grantproof.aws.templates.referenced_names import referenced_names
from grantproof.aws.templates.scope import NotResolved
from grantproof.contract import Contract
from grantproof.source import Document, read

#: The pseudo parameters that depend on the region.
LOCATION_PARAMETERS = frozenset({"AWS::Region", "AWS::Partition", "AWS::URLSuffix"})


def regions_to_check(contract: Contract) -> tuple[str, ...]:
    """The regions in which a grant is checked, the contract's first.

    Of all regions that botocore knows, one is chosen for each combination of truth values that region-dependent
    conditions can have, and of wildcards that mappings hold for the region; if possible, a region that the mappings
    have. Other values of mappings are ignored: image IDs and AWS's own account IDs differ in every region.
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


#: What one region means for a template: the truth values of its region-dependent comparisons with the wildcards that
#: mappings hold for the region, and how many look-ups by region fail.
_Place = tuple[tuple[object, ...], int]
_ANYWHERE: _Place = ((), 0)


@lru_cache(maxsize=256)
def _of_places(document: Document, regions: tuple[str, ...]) -> Sequence[_Place]:
    comparisons, lookups = _asked_of_place(document)
    if not comparisons and not lookups and not _WILDCARD.search(str(document.value.get("Mappings", ""))):
        return [_ANYWHERE] * len(regions)
    # Comparisons and look-ups that depend on the region alone can name nothing else.
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
            resolve(lookup, scope)
        except NotResolved:
            missing += 1
    here = [str(pseudo[name]) for name in sorted(LOCATION_PARAMETERS)]
    return (*(truth(asked, scope) for asked in comparisons), _wildcards(named.get("Mappings") or {}, here)), missing


def undistinguished_conditions(document: Document) -> Iterator[str]:
    """The conditions of a template with a region-dependent comparison that has the same result in every known region,
    so that its other result cannot be checked."""
    conditions = document.value.get("Conditions")
    for name, expression in conditions.items() if isinstance(conditions, Mapping) else ():
        for asked in _asked(expression, *_TRUTHS):
            named = {key: document.value[key] for key in ("Mappings", "Conditions") if key in document.value}
            seen = {_of_place([asked], [], named, region)[0][0] for region in regions()}
            if len(seen) == 1:
                yield name


_WILDCARD = re.compile(r"[*?]")


def _wildcards(maps: Any, here: Sequence[str]) -> frozenset[tuple[object, ...]]:
    """The texts with a wildcard that mappings hold under keys made of the region's names or parts of them, each with
    its mapping and keys. Names of the region are replaced by placeholders, so that the entries of two regions are equal
    if they say the same of their own region."""
    found: set[tuple[object, ...]] = set()
    for name, entries in maps.items():
        for first, values in entries.items():
            for second, held in values.items() if isinstance(values, Mapping) else ():
                keys = [(_of_place_named(key, here) or key) for key in (first, second)]
                if keys != [first, second] and _WILDCARD.search(text := str(held)):
                    for number, word in enumerate(here):
                        text = text.replace(word, f"{{{number}}}")
                    found.add((name, *keys, text))
    return frozenset(found)


def _of_place_named(key: str, here: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """How a key refers to a region: which of the region's names it contains, or which parts of which name it is."""
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
    """The comparisons in conditions, and the look-ups in resources, that depend on the region alone."""
    return (
        tuple(_asked(document.value.get("Conditions") or {}, *_TRUTHS)),
        tuple(_asked(document.value.get("Resources") or {}, "Fn::FindInMap")),
    )


_TRUTHS = ("Fn::Equals", "Fn::And", "Fn::Or", "Fn::Not")


def _asked(item: Any, *functions: str) -> Iterator[Mapping[str, Any]]:
    """The outermost uses of these functions that depend on the region alone."""
    if isinstance(item, Mapping):
        for key, argument in item.items():
            used = referenced_names(argument) if key in functions else set()
            if used & LOCATION_PARAMETERS and used <= LOCATION_PARAMETERS:
                yield {key: argument}
            else:
                yield from _asked(argument, *functions)
    elif isinstance(item, list):
        for entry in item:
            yield from _asked(entry, *functions)
