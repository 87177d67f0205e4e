"""What policies name, as far as it distinguishes callers: accounts, ARNs, services, partitions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from itertools import combinations

from grantproof.iam.comparison.caller import ACCOUNT_KEYS, PRINCIPAL_KEYS
from grantproof.iam.comparison.effort import TooHard
from grantproof.iam.comparison.language import FRESH, generic_point, intersection
from grantproof.iam.condition import Test
from grantproof.iam.glob import Glob, glob
from grantproof.iam.layers import Layers
from grantproof.iam.operators import Type
from grantproof.iam.pattern import Pattern
from grantproof.iam.policy import Statement
from grantproof.iam.principal import PrincipalElement

_ANYWHERE = "**"


PARTITIONS = frozenset("aws aws-cn aws-us-gov aws-iso aws-iso-b aws-iso-e aws-iso-f aws-eusc".split())


@dataclass(frozen=True)
class Named:
    """The accounts, ARNs, services and so on that policies name. `wild_accounts`: a condition compares an account with
    a pattern that is not a single account. `in_partitions`: the patterns of partitions in ARNs of resources and
    callers, where a pattern can mean several; `**` if it does not show the partition. `asked_services`: the patterns
    with which conditions compare the name of a calling service; None for one with a variable."""

    arns: frozenset[str] = frozenset()
    unique_ids: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    providers: frozenset[str] = frozenset()
    canonical: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    partitions: frozenset[str] = frozenset()
    wild_accounts: bool = False
    in_partitions: frozenset[str] = frozenset()
    asked_services: frozenset[Glob | None] = frozenset()

    def __or__(self, other: Named) -> Named:
        """What either names."""
        return Named(*(getattr(self, part) | getattr(other, part) for part in _PARTS))


_PARTS = tuple(part.name for part in fields(Named))


def named_in(layers: Layers) -> Named:
    """What the statements of all layers name."""
    elements = [s.principals for s in statements_of(layers) if s.principals is not None]
    arns = _union(elements, lambda e: e.arns)
    accounts, partitions = {*_union(elements, lambda e: e.accounts)}, {"aws"}
    for arn in arns:
        accounts.add(arn.split(":")[4])
        partitions.add(arn.split(":")[1])
    wild_accounts, in_partitions, asked_services = False, set[str](), set[Glob | None]()
    for statement in statements_of(layers):
        for pattern in statement.resources or ():
            in_partitions |= _left_open(pattern, negated=statement.not_resource)
            parts = pattern.outline.split(":", 5)
            if len(parts) == 6:
                accounts.update(_digits(parts[4]))
                partitions.update({parts[1]} if re.fullmatch(r"aws[a-z-]*", parts[1]) else ())
        for test in statement.conditions:
            if test.key in PRINCIPAL_KEYS:
                texts = [pattern.text for pattern in test.values]
                accounts.update(account for text in texts for account in _digits(text))
                partitions.update(found for text in texts for found in re.findall(r"arn:(aws[a-z-]*):", text))
                wild_accounts |= _compares_parts_of_accounts(test)
                if test.key == "aws:principalarn":
                    in_partitions.update(*map(_left_open, test.values))
                if test.key == "aws:principalservicename" and test.operator.type is not Type.NULL:
                    asked_services.update(pattern.fixed for pattern in test.values)
    return Named(
        arns,
        _union(elements, lambda e: e.unique_ids),
        _union(elements, lambda e: e.services),
        _union(elements, lambda e: e.providers),
        _union(elements, lambda e: e.canonical),
        frozenset(accounts),
        frozenset(partitions),
        wild_accounts,
        frozenset(in_partitions),
        frozenset(asked_services),
    )


def _left_open(pattern: Pattern, *, negated: bool = False) -> set[str]:
    """The pattern of the partition, if it can match ARNs of more than one, and is not simply everything."""
    if not pattern.text.strip("*"):
        return set()
    fields = pattern.outline.split(":", 2)
    if len(fields) < 3 or set("*?") & set(fields[0]) or "$" in fields[1]:
        return {_ANYWHERE} if set("*?$") & set(pattern.text) or negated else set()
    return {fields[1]} if negated or set("*?") & set(fields[1]) else set()


def _compares_parts_of_accounts(test: Test) -> bool:
    if test.key not in ACCOUNT_KEYS or not test.operator.wildcards:
        return False
    return any(set("*?") & set(pattern.text) and pattern.text.strip("*") for pattern in test.values)


def statements_of(*sides: Layers) -> Iterator[Statement]:
    for layers in sides:
        for _, _, policies in layers.sets:
            yield from (statement for _, statement in policies.entries)


def _union(elements: list[PrincipalElement], part: Callable[[PrincipalElement], frozenset[str]]) -> frozenset[str]:
    return frozenset[str]().union(*map(part, elements))


def partitions_of(named: Named, keys: frozenset[str]) -> list[str]:
    """The partitions that are named; and others, if callers are compared by their ARNs or a pattern matches several."""
    others = sorted(PARTITIONS - named.partitions)
    if _ANYWHERE not in named.in_partitions:
        # Partitions that no pattern distinguishes are equivalent.
        told = [glob(text) for text in sorted(named.in_partitions)]
        alike = {tuple(one.matches(name) for one in told): name for name in reversed(others)}
        others = sorted(alike.values()) if told or "aws:principalarn" in keys else []
    return sorted((*named.partitions, *others))


def services_of(named: Named) -> list[str]:
    """The services that are named; and one for each way in which patterns of conditions distinguish others.

    Raises:
        TooHard: there are too many.
    """
    patterns = [pattern for pattern in named.asked_services if pattern is not None and not pattern.everything]
    wild = [pattern for pattern in patterns if pattern.literal is None]
    if None in named.asked_services or len(wild) > _MOST_WILD:
        raise TooHard("the name of a calling service is compared with too many patterns, or with a variable")
    meeting = [both for one, other in combinations(wild, 2) for both in intersection(one, other)]
    told = {pattern.literal or generic_point(pattern) for pattern in (*patterns, *meeting)}
    unnamed = (f"{FRESH}.amazonaws.com", *([FRESH] if wild else ()))
    return [*sorted(named.services | told), *unnamed]


#: Combinations of three patterns or more are not searched.
_MOST_WILD = 2


def _digits(text: str) -> list[str]:
    return re.findall(r"(?<![0-9])[0-9]{12}(?![0-9])", text)
