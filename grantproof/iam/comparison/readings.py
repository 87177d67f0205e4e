"""Which other readings of AWS's documentation can matter to a comparison (the O-rules, `assumption`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice, product

from grantproof.iam.assumption import Assumptions
from grantproof.iam.comparison.variables import filled
from grantproof.iam.document import PolicyType, Statement
from grantproof.iam.layers import Layers
from grantproof.iam.match import of_whole_service
from grantproof.iam.operators import Set, Type
from grantproof.iam.pattern import Pattern, within_fields

_MOST_READINGS = 64


def other_readings(old: Layers, new: Layers, assumptions: Assumptions) -> Iterator[Assumptions]:
    """Every other combination of readings of the points that these policies touch; of many points, every single other
    reading and all of them at once."""
    names = [name for name, touches in _TOUCHED.items() if touches(old, new)]
    options = [
        [assumptions.reading(name), *(a.reading(name) for a in assumptions.alternatives(name))] for name in names
    ]
    first = tuple(option[0] for option in options)
    combinations = list(islice(product(*options), _MOST_READINGS + 1))
    if len(combinations) > _MOST_READINGS:
        combinations = [
            (*first[:at], other, *first[at + 1 :]) for at, option in enumerate(options) for other in option[1:]
        ]
        combinations.append(tuple(option[-1] for option in options))
    # Those that change least come first, so that a verdict is put down to the points that it takes.
    for chosen in sorted(combinations, key=lambda c: sum(a != b for a, b in zip(c, first, strict=True))):
        if chosen != first:
            yield Assumptions({**assumptions.chosen, **dict(zip(names, chosen, strict=True))})


def _any_statement(test: Callable[[Statement], bool]) -> Callable[[Layers, Layers], bool]:
    def touches(old: Layers, new: Layers) -> bool:
        return any(test(s) for layers in (old, new) for _, _, policies in layers.sets for _, s in policies.entries)

    return touches


def _any_layers(test: Callable[[Layers], bool]) -> Callable[[Layers, Layers], bool]:
    return lambda old, new: test(old) or test(new)


def _has_resource(test: Callable[[Pattern], bool]) -> Callable[[Layers, Layers], bool]:
    return _any_statement(lambda s: any(test(p) for p in s.resources or ()))


def _limited(layers: Layers) -> bool:
    return layers.resource is not None and (layers.boundary is not None or layers.session is not None)


def _crosses_fields(pattern: Pattern) -> bool:
    found = filled(pattern, {})
    return found.literal is None and not found.everything and within_fields(found) != found


def _has_variable(pattern: Pattern) -> bool:
    return any(variable.default is None for variable in pattern.variables)


#: When the reading of an open point can make a difference at all; too often costs time, never correctness.
_TOUCHED: Mapping[str, Callable[[Layers, Layers], bool]] = {
    "O3": _any_statement(lambda s: any(t.operator.prefix is Set.ANY and t.operator.negated for t in s.conditions)),
    "O4": _any_statement(
        lambda s: any(t.operator.type is Type.BOOL and any(p.variables for p in t.values) for t in s.conditions)
    ),
    "O5": _has_resource(_crosses_fields),
    "O9": _any_statement(
        lambda s: (
            any(_has_variable(p) for p in s.resources or ())
            or any(_has_variable(p) for t in s.conditions for p in t.values)
        )
    ),
    "O10": _any_layers(
        lambda layers: (
            layers.resource is not None
            and layers.resource.type is PolicyType.TRUST
            and any(s.principals is not None and s.principals.everyone for s in layers.resource.statements)
        )
    ),
    "O16": _any_statement(
        lambda s: any(
            t.operator.type is Type.IP and any(":" in p.text and "/" not in p.text for p in t.values)
            for t in s.conditions
        )
    ),
    "O17": _any_layers(_limited),
    "O18": _any_layers(_limited),
    "O19": _any_layers(_limited),
    "O20": _any_statement(lambda s: any(t.operator.type is Type.NULL for t in s.conditions)),
    "O21": _any_statement(lambda s: s.not_principal),
    "O22": _any_layers(lambda layers: layers.resource is not None and layers.session is None),
    "O23": _any_statement(lambda s: any(t.key.startswith("aws:requesttag/") for t in s.conditions)),
    "O25": _any_layers(lambda layers: layers.rcp is not None),
    "O28": _has_resource(of_whole_service),
    "O36": _any_layers(
        lambda layers: (
            layers.resource is not None
            and any(
                not s.allow and s.principals is not None and s.principals.accounts for s in layers.resource.statements
            )
        )
    ),
    "O37": _any_layers(_limited),
    "O39": _has_resource(lambda p: _wild_in_service(p)),
}


def _wild_in_service(pattern: Pattern) -> bool:
    fields = pattern.text.split(":", 3)
    return len(fields) == 4 and bool(set("*?") & set(fields[2]))
