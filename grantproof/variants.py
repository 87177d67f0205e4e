"""What a contract promises when options of its templates are set.

A variant of a contract says what one choice of parameters changes. A combination of variants is a contract again, so
that everything which is verified of a contract can be verified of every combination.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from grantproof.contract import (
    Change,
    Contract,
    DeclaredPrincipal,
    DeclaredStatement,
    PrincipalChange,
    Stack,
    Variant,
    ordered,
)


class Incompatible(Exception):
    """Variants that cannot hold together: they give one parameter two values, or one condition key two."""


def with_variants(contract: Contract, aliases: Iterable[str]) -> Contract:
    """The contract under a combination of its variants, in the contract's order. Its own variants stay listed.

    Raises:
        Incompatible: two of them contradict each other.
        KeyError: no variant has this alias.
        Cycle: under these parameters the stacks wait for each other.
    """
    known = {variant.alias: variant for variant in contract.variants}
    chosen = [known[alias] for alias in known if alias in {known[a].alias for a in aliases}]
    here = {variant.alias for variant in chosen}
    gone = {alias for variant in chosen for alias in variant.absent}
    more = contract.additions
    return replace(
        contract,
        stacks=ordered(_with_parameters(stack, chosen) for stack in (*contract.stacks, *_there(more.stacks, here))),
        principals=tuple(
            _changed(principal, chosen)
            for principal in (*contract.principals, *_there(more.principals, here))
            if principal.alias not in gone
        ),
        resources=tuple(
            replace(resource, policy=_all(resource.policy, [v.resources.get(resource.alias) for v in chosen]))
            for resource in (*contract.resources, *_there(more.resources, here))
            if resource.alias not in gone
        ),
        setup=(*contract.setup, *_there(more.setup, here)),
        sends=tuple(s for s in (*contract.sends, *_there(more.sends, here)) if s.alias not in gone),
    )


def _there(items: Iterable[Any], here: set[str]) -> list[Any]:
    return [item for item in items if set(item.variants) & here]


def needed(contract: Contract, variant: Variant) -> tuple[str, ...]:
    """A variant and those without which it is refused, by alias, in the contract's order."""
    by_alias = {v.alias: v for v in contract.variants}
    out: set[str] = set()
    todo = [variant.alias]
    while todo:
        alias = todo.pop()
        if alias not in out:
            out.add(alias)
            todo += by_alias[alias].needs
    return tuple(v.alias for v in contract.variants if v.alias in out)


def subsets(variants: Sequence[Variant]) -> Iterator[tuple[Variant, ...]]:
    """Every combination of variants that do not give one parameter two values, the empty one first."""
    for size in range(len(variants) + 1):
        for chosen in combinations(variants, size):
            if agree(chosen):
                yield chosen


def agree(chosen: Sequence[Variant]) -> bool:
    """Does no parameter get two values?"""
    seen: dict[tuple[str, str], str] = {}
    for variant in chosen:
        for stack, values in variant.parameters.items():
            for name, text in values.items():
                if seen.setdefault((stack, name), text) != text:
                    return False
    return True


def _with_parameters(stack: Stack, chosen: Sequence[Variant]) -> Stack:
    given = dict(stack.parameters)
    set_by: dict[str, tuple[str, str]] = {}
    for variant in chosen:
        for name, text in variant.parameters.get(stack.alias, {}).items():
            other, value = set_by.setdefault(name, (variant.alias, text))
            if value != text:
                raise Incompatible(f"variants {other!r} and {variant.alias!r} give {name} two values")
            given[name] = text
    return replace(stack, parameters=given)


def _changed(principal: DeclaredPrincipal, chosen: Sequence[Variant]) -> DeclaredPrincipal:
    changes = [variant.changes[principal.alias] for variant in chosen if principal.alias in variant.changes]
    out = replace(
        principal,
        trust=_all(principal.trust, [change.trust for change in changes]),
        allows=_all(principal.allows, [change.allows for change in changes]),
    )
    for name in ("max_session", "boundary", "entered_by"):
        for change in changes:
            found = getattr(change, name)
            if found is not None:
                out = replace(out, **{name: found})
    return out


def _all(statements: tuple[DeclaredStatement, ...], changes: Sequence[Change | None]) -> tuple[DeclaredStatement, ...]:
    """First what goes, then what comes, then what all of them require: the order of variants does not matter."""
    real = [change for change in changes if change is not None]
    dropped = {sid for change in real for sid in change.drops}
    out = [s for s in statements if s.document.get("Sid") not in dropped]
    out += [added for change in real for added in change.adds]
    for change in real:
        out = [_requiring(statement, change.requires) for statement in out]
    return tuple(out)


def _requiring(statement: DeclaredStatement, block: Mapping[str, Mapping[str, Any]]) -> DeclaredStatement:
    if not block:
        return statement
    condition = {operator: dict(keys) for operator, keys in (statement.document.get("Condition") or {}).items()}
    for operator, keys in block.items():
        for key, value in keys.items():
            if condition.setdefault(operator, {}).setdefault(key, value) != value:
                raise Incompatible(f"{statement.place}: {operator} {key} is required with two values")
    return replace(statement, document={**statement.document, "Condition": condition})


__all__ = ["Incompatible", "PrincipalChange", "subsets", "with_variants"]
