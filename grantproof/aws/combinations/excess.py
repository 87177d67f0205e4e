"""The access that a grant's stacks can give beyond the contract, through what the contract leaves open.

Representative values of open parameters (`open_parameters`), alone and combined with variants and other parameters, and
other regions (`regions_to_check`) must give nobody more access than the contract says. Less access is not reported.
Parameters that the contract sets are not varied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from grantproof.aws.combinations.combined import (
    CombinedFindings,
    combination_name,
    compare_part,
    note_unknown_access,
    synthesised_under,
)
from grantproof.aws.combinations.dependencies import Part
from grantproof.aws.combinations.deployment_dependent import DeploymentDependent
from grantproof.aws.combinations.open_parameters import OpenParameter, open_parameters
from grantproof.aws.combinations.regions_to_check import regions_to_check, undistinguished_conditions
from grantproof.aws.combinations.space import Space
from grantproof.aws.held.policies import SnapshotIncomplete
from grantproof.aws.synthesis.stacks import Refused
from grantproof.aws.templates.scope import NotResolved
from grantproof.contract import Contract, UnknownFact, Variant
from grantproof.iam import IamError
from grantproof.source import Place, read, shown
from grantproof.variants import subsets

#: More combinations than this are not looked at, and the grant is then not verified.
_MOST = 20_000


@dataclass(frozen=True)
class Excess:
    """Access that the contract does not promise: the place in the template that permits it, and what it is."""

    place: str
    detail: str


def excess(contract: Contract, before: Space | None = None) -> Iterator[Excess]:
    """All excess, in the order of the stacks' parameters, at most once for a parameter. `before`: see `Space`."""
    space = Space(contract, before)
    try:
        open_, regions = open_parameters(space), regions_to_check(contract)
    except NotResolved as error:
        yield Excess(shown(contract.path), f"what parameters change cannot be said: {error}")
        return
    yield from (_excess_of(item, item.unclear) for item in open_ if item.unclear)
    yield from _deployment_dependent(space)
    clear = [item for item in open_ if not item.unclear]
    elsewhere = regions[1:] if not contract.accounts_for_options else ()
    if not clear and not elsewhere:
        return
    try:
        search = _Search(space, [value for item in clear for value in item.variants()])
    except (NotResolved, Refused) as error:
        told = clear[0].place if clear else shown(contract.path)
        yield Excess(str(told), f"what parameters and places change cannot be said: {error}")
        return
    silent: list[OpenParameter] = []
    for item in clear:
        found = [f"with {value.alias}: {said}" for value in item.variants() for said in search.alone(value, regions)]
        if found:
            yield _excess_of(item, found[0])
        else:
            silent.append(item)
    # Where a contract has variants, the suites compare every region under all of them.
    for region in elsewhere:
        yield from (Excess(shown(contract.path), f"in {region}, {s}") for s in search.elsewhere(region, regions[0]))
    yield from search.together(silent, regions)


def _excess_of(item: OpenParameter, why: str) -> Excess:
    return Excess(
        str(item.place),
        f"the contract leaves parameter {item.parameter} open, and {why}. Give stack {item.stack.alias!r} the value "
        "with which it is deployed, under its parameters, or say under 'variants' what other values change",
    )


def _deployment_dependent(space: Space) -> Iterator[Excess]:
    """Branches that depend on the deployment. Conditions count only in a contract without variants: the suites require
    one with variants to show both results of every condition."""
    found = DeploymentDependent(space.dependencies)
    told: set[Place] = set()
    for document in map(read, space.contract.templates):
        for name in undistinguished_conditions(document):
            place = document.place("Conditions", name)
            yield Excess(str(place), f"condition {name} asks for a place that is not known here; name one that is")
    conditions = found.conditions() if not space.contract.accounts_for_options else ()
    for kind, turning in (
        ("condition", conditions),
        ("the row of map", found.lookups()),
        ("the loop", found.loops()),
        ("the snippet", found.snippets()),
    ):
        for place, name, turns in turning:
            if place not in told:
                told.add(place)
                yield Excess(
                    str(place),
                    f"{kind} {name} turns on {', '.join(sorted(turns))}, so that the template may give something "
                    "else elsewhere. Let it turn on a parameter that the contract sets, or say under 'variants' what "
                    "it gives where it turns out otherwise",
                )


class _Search:
    """Searches the combinations with values of open parameters.

    Raises:
        NotResolved, Refused: the stacks without variants and values cannot be synthesised.
    """

    def __init__(self, space: Space, values: Sequence[Variant]) -> None:
        contract = space.contract
        self._declared = contract.variants
        self._space = Space(replace(contract, variants=(*contract.variants, *values)), space)
        self._parts = self._space.parts
        # Raises: without the base, nothing can be compared.
        _ = self._space.base

    def alone(self, value: Variant, regions: Sequence[str]) -> tuple[str, ...]:
        """The excess of a value without any variant, in the first region that has any."""
        return next(filter(None, (self.new((value,), (), region, self._parts) for region in regions)), ())

    def elsewhere(self, region: str, home: str) -> tuple[str, ...]:
        """The excess in another region that the home region does not have."""
        try:
            before = self._differences((), home, self._parts)
            return tuple(said for said in self._differences((), region, self._parts) if said not in before)
        except _UNRESOLVABLE as error:
            return (f"it cannot be said what they give: {error}",)

    def together(self, items: Sequence[OpenParameter], regions: Sequence[str]) -> Iterator[Excess]:
        """The excess of values only in combination with other values or variants."""
        of_value = {value.alias: item for item in items for value in item.variants()}
        looked_at = {*of_value, *(variant.alias for variant in self._declared)}
        told: set[Place] = set()
        seen = 0
        for part, touching in self._parts.items():
            for chosen in subsets([variant for variant in touching if variant.alias in looked_at]):
                opened = [of_value[variant.alias] for variant in chosen if variant.alias in of_value]
                if not opened or len(chosen) < 2 or told & {item.place for item in opened}:
                    continue
                seen += len(regions)
                if seen > _MOST:
                    yield _excess_of(opened[0], f"there are more than {_MOST:,} combinations with others")
                    return
                without = tuple(variant for variant in chosen if variant.alias not in of_value)
                found = next(filter(None, (self.new(chosen, without, region, [part]) for region in regions)), ())
                if found:
                    told.update(item.place for item in opened)
                    yield _excess_of(opened[0], f"with {combination_name(chosen)}: {found[0]}")

    def new(
        self, chosen: tuple[Variant, ...], without: tuple[Variant, ...], region: str, parts: Iterable[Part]
    ) -> tuple[str, ...]:
        """The excess of a combination that the same combination without the values does not have."""
        try:
            found = self._differences(chosen, region, parts)
        except _UNRESOLVABLE as error:
            return (f"it cannot be said what that gives: {error}",)
        try:
            before = self._differences(without, region, parts) if found else ()
        except _UNRESOLVABLE:
            before = ()
        return tuple(said for said in found if said not in before)

    def _differences(self, chosen: Sequence[Variant], region: str, parts: Iterable[Part]) -> tuple[str, ...]:
        noted = CombinedFindings(only_wider=True)
        found = synthesised_under(self._space, chosen, region, noted)
        if found is not None:
            for part in parts:
                compare_part(found, part, noted)
            note_unknown_access(self._space, found, noted)
        return tuple(f"{clause!r} fails: {detail}" for clause, detail, _ in noted.found)


_UNRESOLVABLE = (NotResolved, IamError, SnapshotIncomplete, UnknownFact)
