"""Does a rule of a template refuse anything?"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path
from typing import Any

from grantproof.aws.templates import constraints, parameters
from grantproof.aws.templates.referenced_names import referenced_names
from grantproof.aws.templates.sampling import samples
from grantproof.contract import Contract
from grantproof.source import read

#: More combinations of values than this are not tried.
_MOST = 20_000


def refuses(contract: Contract, template: Path, rule: str) -> bool:
    """Does a rule refuse some values that the constraints of the parameters accept? Tried are values from the contract,
    from the rule's text, and generated ones."""
    value = read(template).value
    expression = value["Rules"][rule]
    declared = {name: p for name, p in (value.get("Parameters") or {}).items() if name in referenced_names(expression)}
    texts = set(_texts(expression))
    spoken = [v.parameters.get(s.alias, {}) for v in contract.variants for s in contract.stacks]
    candidates = []
    for name, parameter in declared.items():
        known = {constraints.text(parameter.get("Default", "")), "", *texts, *samples(name, parameter, 1)}
        known |= {constraints.text(listed) for listed in parameter.get("AllowedValues") or ()}
        known |= {given[name] for given in spoken if name in given}
        fitting = [text for text in sorted(known) if not constraints.violation(name, parameter, text)]
        candidates.append([(name, text) for text in fitting])
    part = {"Parameters": declared, "Rules": {rule: expression}, "Mappings": value.get("Mappings") or {}}
    return any(_refused(part, dict(chosen)) for chosen in islice(product(*candidates), _MOST))


def _refused(template: dict[str, Any], given: dict[str, str]) -> bool:
    try:
        parameters.check(template, given)
    except parameters.RefusedParameters as error:
        return "failed:" in str(error)
    return False


def _texts(item: Any) -> Iterator[str]:
    if isinstance(item, dict):
        for entry in item.values():
            yield from _texts(entry)
    elif isinstance(item, list):
        for entry in item:
            yield from _texts(entry)
    elif isinstance(item, str | int | float):
        yield constraints.text(item)
