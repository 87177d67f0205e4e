"""The order in which stacks can be deployed."""

from __future__ import annotations

from collections.abc import Iterable

from grantproof.contract.declared import Stack
from grantproof.contract.references import references


class Cycle(Exception):
    """Stacks that depend on each other's outputs in a cycle, by alias; the last is the first again."""

    def __init__(self, aliases: tuple[str, ...]) -> None:
        super().__init__(" -> ".join(aliases))
        self.aliases = aliases


def ordered(stacks: Iterable[Stack]) -> tuple[Stack, ...]:
    """The stacks, each after those whose outputs it uses.

    Raises:
        Cycle: there is no such order.
    """
    by_alias = {stack.alias: stack for stack in stacks}
    done: dict[str, Stack] = {}

    def visit(stack: Stack, trail: tuple[str, ...]) -> None:
        if stack.alias in trail:
            raise Cycle((*trail[trail.index(stack.alias) :], stack.alias))
        if stack.alias in done:
            return
        for name in references(stack.parameters):
            parts = name.split(".")
            if parts[0] == "stacks" and parts[2] in ("outputs", "resources"):
                visit(by_alias[parts[1]], (*trail, stack.alias))
        done[stack.alias] = stack

    for stack in by_alias.values():
        visit(stack, ())
    return tuple(done.values())
