"""The places in which a grant has to be seen, because conditions of its templates turn on the place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from grantproof.aws.templates import parameters
from grantproof.aws.templates.intrinsics import NotResolved, names, truth, value
from grantproof.contract import Contract
from grantproof.source import Document, read

_PLACES = frozenset({"AWS::Region", "AWS::Partition", "AWS::URLSuffix"})


def places(contract: Contract) -> tuple[str, ...]:
    """The regions in which a grant has to be seen: the contract's, and where conditions of its templates turn on the
    place, one for each set of truth values that they can have in any region that botocore knows. Where maps of the
    templates leave regions out, one that they have."""
    return _places(contract.region, tuple(map(read, contract.templates)))


@lru_cache(maxsize=64)
def _places(first: str, documents: tuple[Document, ...]) -> tuple[str, ...]:
    out: dict[Any, tuple[int, str]] = {}
    for number, region in enumerate((first, *parameters.regions())):
        truths, missing = zip(*(_of_place(document, region) for document in documents), strict=True)
        lacks = sum(missing) if number else 0
        if truths not in out or lacks < out[truths][0]:
            out[truths] = lacks, region
    return tuple(region for _, region in out.values())


def _of_place(document: Document, region: str) -> tuple[tuple[bool, ...], int]:
    """What the conditions of a template ask of the place, and how many look-ups by the place fail there."""
    comparisons, lookups = _asked_of_place(document)
    if not comparisons and not lookups:
        return (), 0
    pseudo = parameters.pseudo_parameters(region=region)
    scope = parameters.scope_of({**document.value, "Parameters": {}}, {}, pseudo)
    missing = 0
    for lookup in lookups:
        try:
            value(lookup, scope)
        except NotResolved:
            missing += 1
    return tuple(truth(asked, scope) for asked in comparisons), missing


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
            used = names(argument) if key in functions else set()
            if used & _PLACES and used <= _PLACES:
                yield {key: argument}
            else:
                yield from _asked(argument, *functions)
    elif isinstance(item, list):
        for entry in item:
            yield from _asked(entry, *functions)
