"""The grant with a parameter at its default that the contract sets.

A contract is deployed with its own values, which hides a changed default; a deployment without a value would use it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from grantproof.aws.templates.constraints import text
from grantproof.contract import Contract, Stack
from grantproof.contract.templates import section


@dataclass(frozen=True)
class AtDefault:
    """A grant with a parameter at a new or changed default. `before`: the grant at the old default; None where there
    was none."""

    parameter: str
    before: Contract | None
    after: Contract


def at_new_defaults(before: Contract, after: Contract) -> Iterator[AtDefault]:
    """The grant at each new or changed default of a parameter that its contract sets."""
    known = {stack.alias: stack for stack in before.stacks}
    for stack in after.stacks:
        old = _defaults(known[stack.alias]) if stack.alias in known else {}
        for name, value in _defaults(stack).items():
            if name in stack.parameters and old.get(name) != value:
                was = _without(before, stack.alias, name) if name in old else None
                yield AtDefault(name, was, _without(after, stack.alias, name))


def _defaults(stack: Stack) -> dict[str, str]:
    declared = section(stack.template, "Parameters")
    return {name: text(p["Default"]) for name, p in declared.items() if isinstance(p, Mapping) and "Default" in p}


def _without(contract: Contract, alias: str, name: str) -> Contract:
    stacks = (
        replace(stack, parameters={k: v for k, v in stack.parameters.items() if k != name})
        if stack.alias == alias
        else stack
        for stack in contract.stacks
    )
    return replace(contract, stacks=tuple(stacks))
