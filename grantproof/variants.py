"""A contract under a combination of its variants.

A variant sets parameters of templates and says what that changes in the contract. A contract under a combination of
variants is again a contract, so everything that is verified of a contract can be verified of every combination.
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
    """Variants that contradict each other: they give one parameter, or one required condition key, two values."""


def with_variants(contract: Contract, aliases: Iterable[str]) -> Contract:
    """The contract under a combination of its variants, applied in the order of the contract. Its `variants` are kept.

    Raises:
        Incompatible: two variants contradict each other.
        KeyError: no variant has this alias.
        Cycle: with these parameters the stacks depend on each other in a cycle.
    """
    known = {variant.alias: variant for variant in contract.variants}
    chosen = [known[alias] for alias in known if alias in {known[a].alias for a in aliases}]
    here = {variant.alias for variant in chosen}
    gone = {alias for variant in chosen for alias in variant.absent}
    more = contract.additions
    return replace(
        contract,
        stacks=ordered(
            _with_parameters(stack, chosen) for stack in (*contract.stacks, *_under_variants(more.stacks, here))
        ),
        principals=tuple(
            _changed_principal(principal, chosen)
            for principal in (*contract.principals, *_under_variants(more.principals, here))
            if principal.alias not in gone
        ),
        resources=tuple(
            replace(
                resource, policy=_changed_statements(resource.policy, [v.resources.get(resource.alias) for v in chosen])
            )
            for resource in (*contract.resources, *_under_variants(more.resources, here))
            if resource.alias not in gone
        ),
        setup=(*contract.setup, *_under_variants(more.setup, here)),
        sends=tuple(s for s in (*contract.sends, *_under_variants(more.sends, here)) if s.alias not in gone),
    )


def _under_variants(items: Iterable[Any], here: set[str]) -> list[Any]:
    return [item for item in items if set(item.variants) & here]


def needed(contract: Contract, variant: Variant) -> tuple[str, ...]:
    """The aliases of a variant and of all that it needs, transitively, in the contract's order."""
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
            if have_consistent_parameters(chosen):
                yield chosen


def have_consistent_parameters(chosen: Sequence[Variant]) -> bool:
    """Does no parameter get two different values?"""
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


def _changed_principal(principal: DeclaredPrincipal, chosen: Sequence[Variant]) -> DeclaredPrincipal:
    changes = [variant.changes[principal.alias] for variant in chosen if principal.alias in variant.changes]
    out = replace(
        principal,
        trust=_changed_statements(principal.trust, [change.trust for change in changes]),
        allows=_changed_statements(principal.allows, [change.allows for change in changes]),
    )
    for name in ("max_session", "boundary", "entered_by"):
        for change in changes:
            found = getattr(change, name)
            if found is not None:
                out = replace(out, **{name: found})
    return out


def _changed_statements(
    statements: tuple[DeclaredStatement, ...], changes: Sequence[Change | None]
) -> tuple[DeclaredStatement, ...]:
    """Apply all `drops`, then all `adds`, then all `requires`, so that the order of the variants does not matter."""
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
