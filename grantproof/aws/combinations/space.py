"""The parameter space of a grant: the combinations of its variants, and which parts of the grant each can change.

A variant sets parameters; a combination is a set of variants. There are exponentially many, so not all are synthesised.
Each part of a grant (the trust policy of a role, its limits, the other policies of a stack) is synthesised under every
combination of the variants that it depends on (`dependencies`). Other variants do not change the part, so this covers
all its states.
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
from grantproof.variants import have_consistent_parameters, needed, subsets, with_variants


def space_of(contract: Contract) -> Space:
    """The space of a contract, cached as long as the contract and its templates are unchanged."""
    return _space(contract.path, tuple(map(read, (contract.path, *contract.templates))))


@lru_cache(maxsize=16)
def _space(path: Path, documents: tuple[Document, ...]) -> Space:
    return Space(load(path))


class Space:
    """The combinations of one contract's variants.

    Args:
        before: the space of the same contract, or of one with other variants or other template texts, whose results are
            reused: stacks of unchanged templates, and, for the same contract object, the contract under its variants.
    """

    def __init__(self, contract: Contract, before: Space | None = None) -> None:
        self.contract = contract
        self.dependencies = Dependencies(contract)
        self._varied: dict[frozenset[str], Contract] = (
            {} if before is None or before.contract is not contract else before._varied
        )
        self._cache: StackCache = StackCache(None if before is None else before._cache)
        self._synthesised: dict[tuple[frozenset[str], str], Synthesis | Refused] = {}

    @cached_property
    def base(self) -> Synthesis:
        """The stacks without any variant.

        Raises:
            Refused, NotResolved: see `synthesise`.
        """
        return synthesise(self.contract, cache=self._cache)

    @cached_property
    def parts(self) -> Mapping[Part, tuple[Variant, ...]]:
        """The parts of the grant, each with the variants that can change it, or that are linked to one that can."""
        reach = {variant.alias: self.reach(variant) for variant in self.contract.variants}
        every = {part for part, _ in self.dependencies.reached}
        out = {}
        for part in sorted(every):
            chosen = {alias for alias, parts in reach.items() if part in parts}
            while (
                more := {a for linked in self.dependencies.linked_variants for a in linked if linked & chosen} - chosen
            ):
                chosen |= more
            out[part] = tuple(variant for variant in self.contract.variants if variant.alias in chosen)
        return out

    def synthesised(self, chosen: Sequence[Variant], region: str) -> Synthesis | Refused:
        """The stacks under a combination of variants in a region; `Refused` if CloudFormation refuses them.

        Raises:
            NotResolved: a value cannot be computed.
            Incompatible: the variants contradict each other.
        """
        key = (frozenset(variant.alias for variant in chosen), region)
        if key not in self._synthesised:
            try:
                self._synthesised[key] = synthesise(self.varied(key[0]), region, cache=self._cache)
            except Refused as refused:
                self._synthesised[key] = refused
        return self._synthesised[key]

    def varied(self, aliases: frozenset[str]) -> Contract:
        """The contract under a combination of variants.

        Raises:
            Incompatible: the variants contradict each other.
        """
        if aliases not in self._varied:
            self._varied[aliases] = with_variants(self.contract, aliases)
        return self._varied[aliases]

    def covering_combinations(self) -> tuple[tuple[Variant, ...], ...]:
        """A covering set: a few combinations that together contain every variant, each as large as possible. They are
        deployed, to test that a deployment and a synthesis agree."""
        out: list[dict[str, Variant]] = []
        by_alias = {variant.alias: variant for variant in self.contract.variants}
        for variant in self.contract.variants:
            together = {alias: by_alias[alias] for alias in needed(self.contract, variant)}
            for group in out:
                tried = tuple({**group, **together}.values())
                if meets_requirements(tried) and have_consistent_parameters(tried):
                    group.update(together)
                    break
            else:
                out.append(together)
        return tuple(tuple(v for v in self.contract.variants if v.alias in group) for group in out)

    def combinations(self, part: Part) -> Iterator[tuple[Variant, ...]]:
        """Every combination of the variants that can change a part."""
        yield from subsets(self.parts[part])

    def template(self, path: tuple[str, ...]) -> Path:
        """The template of the instance at a path (`Dependencies.instance`)."""
        return self.dependencies.instance(path).template

    def reach(self, variant: Variant) -> frozenset[Part]:
        """The parts that a variant can change, in the templates or in the contract."""
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
        """The parts with a principal's policies, and the path of its resource; empty where only a variant creates
        it."""
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


def meets_requirements(chosen: Sequence[Variant]) -> bool:
    """Does the combination fulfil the `needs` and `excludes` of its variants? If not, it must be refused."""
    aliases = {variant.alias for variant in chosen}
    return all(set(v.needs) <= aliases and not set(v.excludes) & aliases for v in chosen)
