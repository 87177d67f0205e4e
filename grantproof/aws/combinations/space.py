"""The parameter space of a grant: the combinations of its options, and which parts each of them can change.

A contract's variants give the values of options; a combination is a set of variants. Combinations multiply, so not all
of them are worked out. Each part of a grant (the trust policy of a role, its limits, the other policies of a stack) is
worked out under every combination of the variants that it depends on (`dependencies`). That shows every state of it:
the other variants do not change it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path

from grantproof.aws.combinations.dependencies import Dependencies, Part
from grantproof.aws.synthesis.stack_cache import StackCache
from grantproof.aws.synthesis.stacks import Refused, Synthesis, synthesise
from grantproof.aws.synthesis.synthesised import Synthesised
from grantproof.contract import Contract, Variant, load, references
from grantproof.source import Document, read
from grantproof.variants import agree, needed, subsets, with_variants


def space_of(contract: Contract) -> Space:
    """The space of a contract, built once for all who ask while its templates read the same."""
    return _space(contract.path, tuple(map(read, (contract.path, *contract.templates))))


@lru_cache(maxsize=16)
def _space(path: Path, documents: tuple[Document, ...]) -> Space:
    return Space(load(path))


class Space:
    """The combinations of one contract's variants.

    Args:
        before: one of the same contract, or of it with other variants, whose templates may have read otherwise: stacks
            of those that still read the same are not worked out again, and of the same contract not what it is under
            its variants.
    """

    def __init__(self, contract: Contract, before: Space | None = None) -> None:
        self.contract = contract
        self.dependencies = Dependencies(contract)
        self._varied: dict[frozenset[str], Contract] = (
            {} if before is None or before.contract is not contract else before._varied
        )
        self._cache: StackCache = StackCache(None if before is None else before._cache)
        self._seen: dict[tuple[frozenset[str], str], Synthesis | Refused] = {}

    @cached_property
    def base(self) -> Synthesis:
        """Without any variant.

        Raises:
            Refused, NotResolved: see `synthesise`.
        """
        return synthesise(self.contract, cache=self._cache)

    @cached_property
    def parts(self) -> Mapping[Part, tuple[Variant, ...]]:
        """The parts of the grant, each with the variants that can touch it, or that a rule ties to one which can."""
        reach = {variant.alias: self.reach(variant) for variant in self.contract.variants}
        every = {part for part, _ in self.dependencies.reached}
        out = {}
        for part in sorted(every):
            chosen = {alias for alias, parts in reach.items() if part in parts}
            while more := {a for tied in self.dependencies.tied for a in tied if tied & chosen} - chosen:
                chosen |= more
            out[part] = tuple(variant for variant in self.contract.variants if variant.alias in chosen)
        return out

    def seen(self, chosen: Sequence[Variant], region: str) -> Synthesis | Refused:
        """A combination of variants, worked out in a region; or how CloudFormation refuses it.

        Raises:
            NotResolved: it cannot be said.
            Incompatible: the variants contradict each other.
        """
        key = (frozenset(variant.alias for variant in chosen), region)
        if key not in self._seen:
            try:
                self._seen[key] = synthesise(self.varied(key[0]), region, cache=self._cache)
            except Refused as refused:
                self._seen[key] = refused
        return self._seen[key]

    def varied(self, aliases: frozenset[str]) -> Contract:
        """The contract under a combination of variants.

        Raises:
            Incompatible: the variants contradict each other.
        """
        if aliases not in self._varied:
            self._varied[aliases] = with_variants(self.contract, aliases)
        return self._varied[aliases]

    def gatherings(self) -> tuple[tuple[Variant, ...], ...]:
        """A few combinations that hold every variant at least once, each with as many as go together: enough to deploy,
        to see that what is deployed is what is worked out."""
        out: list[dict[str, Variant]] = []
        by_alias = {variant.alias: variant for variant in self.contract.variants}
        for variant in self.contract.variants:
            together = {alias: by_alias[alias] for alias in needed(self.contract, variant)}
            for group in out:
                tried = tuple({**group, **together}.values())
                if is_meant(tried) and agree(tried):
                    group.update(together)
                    break
            else:
                out.append(together)
        return tuple(tuple(v for v in self.contract.variants if v.alias in group) for group in out)

    def combinations(self, part: Part) -> Iterator[tuple[Variant, ...]]:
        """Every combination of the variants that can touch a part."""
        yield from subsets(self.parts[part])

    def template(self, path: tuple[str, ...]) -> Path:
        """The template of a stack, given by the alias of the contract's stack and logical ids."""
        return self.dependencies.instance(path).template

    def reach(self, variant: Variant) -> frozenset[Part]:
        """The parts that a variant can touch, by the templates or by what the contract says of it."""
        given = {(alias, name) for alias, values in variant.parameters.items() for name in values}
        out = {part for part, used in self.dependencies.reached if used & given}
        for alias, change in variant.changes.items():
            whole, role = self._parts_of(alias)
            out |= {(kind, *role) for kind, changed in (
                ("trust", change.trust or change.entered_by),
                ("limits", change.max_session or change.boundary is not None),
            ) if changed and role}  # fmt: skip
            out |= whole if change.allows or change.boundary is not None or not role else set()
        if variant.resources or variant.absent:
            out |= {("policies", stack.alias) for stack in self.dependencies.stacks}
        out |= {("policies", stack.alias) for stack in self.dependencies.stacks if variant.alias in stack.variants}
        return frozenset(out)

    def _parts_of(self, alias: str) -> tuple[set[Part], tuple[str, ...]]:
        """The part with a principal's policies; and the path of its resource, empty where it is not in the base."""
        principal = self.contract.principal(alias)
        named = {name.split(".")[1] for name in references(principal.reference) if name.startswith("stacks.")}
        whole: set[Part] = {
            ("policies", stack.alias) for stack in self.dependencies.stacks if stack.alias in named or not named
        }
        if principal.variants:
            return whole, ()
        base = Synthesised(self.contract, self.base)
        held = base.held(principal) if principal.kind != "policy" else None
        return whole, (base.located(held.arn) if held is not None else None) or ()


def is_meant(chosen: Sequence[Variant]) -> bool:
    """Does the contract mean this combination to be deployed, by what its variants need and exclude?"""
    aliases = {variant.alias for variant in chosen}
    return all(set(v.needs) <= aliases and not set(v.excludes) & aliases for v in chosen)
