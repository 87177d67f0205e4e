"""Reads the variants of a contract: values of parameters, and how they change what it promises."""

from __future__ import annotations

from collections.abc import Iterable

from grantproof.contract.declared import (
    Change,
    DeclaredPrincipal,
    DeclaredResource,
    DeclaredSending,
    DeclaredStatement,
    PrincipalChange,
    Stack,
    Variant,
)
from grantproof.contract.node import Node, did_you_mean
from grantproof.contract.principals import check_named, max_session
from grantproof.contract.stacks import parameters_of
from grantproof.contract.statements import check_grammar, statement
from grantproof.iam import PolicyType

_VARIANT = ("description", "parameters", "changes", "resources", "absent", "needs", "excludes")
_PRINCIPAL_CHANGE = ("trust", "allows", "max_session", "boundary", "entered_by")
_CHANGE = ("drops", "adds", "requires")


def variants_of(
    top: Node,
    stacks: Iterable[Stack],
    principals: Iterable[DeclaredPrincipal],
    resources: Iterable[DeclaredResource],
    sends: Iterable[DeclaredSending],
) -> tuple[Variant, ...]:
    """The variants, in the order of the file."""
    reader = _Reader(
        {stack.alias: stack for stack in stacks},
        {principal.alias: principal for principal in principals},
        {resource.alias: resource for resource in resources},
        [sending.alias for sending in sends],
    )
    nodes = top.aliases_at("variants")
    return tuple(
        reader.variant(alias, node, [other for other in nodes if other != alias]) for alias, node in nodes.items()
    )


class _Reader:
    """Reads variants, given the declared entries by alias."""

    def __init__(
        self,
        stacks: dict[str, Stack],
        principals: dict[str, DeclaredPrincipal],
        resources: dict[str, DeclaredResource],
        sends: list[str],
    ) -> None:
        self._stacks, self._principals, self._resources, self._sends = stacks, principals, resources, sends

    def variant(self, alias: str, node: Node, others: list[str]) -> Variant:
        what = f"variant {alias!r}"
        node.object(what, _VARIANT, ("parameters",))
        given = node["parameters"].object(f"parameters of {what}")
        for stack in given.value:
            _refuse_unknown(given, stack, self._stacks, "stack")
            parameters_of(given[stack], self._stacks[stack].template, what)
        changes = node.get("changes", {}).object(f"changes of {what}")
        for name in changes.value:
            _refuse_unknown(changes, name, self._principals, "principal")
        carried = node.get("resources", {}).object(f"resources of {what}")
        for name in carried.value:
            _refuse_unknown(carried, name, self._resources, "resource")
        known = [*self._principals, *self._resources, *self._sends]
        absent = node["absent"].items("absent") if node.value.get("absent") else []
        return Variant(
            alias=alias,
            parameters=given.value,
            absent=tuple(entry.one_of(known, "nothing is called") for entry in absent),
            description=node.text_at("description", "-"),
            changes={name: self._principal_change(changes[name], self._principals[name]) for name in changes.value},
            resources={name: _change(carried[name], "policy", self._resources[name].policy) for name in carried.value},
            needs=tuple(entry.one_of(others, "no other variant is called") for entry in node.items_at("needs")),
            excludes=tuple(entry.one_of(others, "no other variant is called") for entry in node.items_at("excludes")),
            place=node.place,
        )

    def _principal_change(self, node: Node, principal: DeclaredPrincipal) -> PrincipalChange:
        node.object(f"a change of {principal.alias!r}", _PRINCIPAL_CHANGE)
        check_named(node, principal.alias, {p.alias: p.kind for p in self._principals.values()})
        entered_by = tuple(entry.text("entered_by") for entry in node.items_at("entered_by"))
        return PrincipalChange(
            trust=_change(node["trust"], "trust", principal.trust) if "trust" in node else None,
            allows=_change(node["allows"], "allows", principal.allows) if "allows" in node else None,
            max_session=max_session(node["max_session"]) if "max_session" in node else None,
            boundary=node.text_at("boundary") or None,
            entered_by=entered_by or None,
        )


def _refuse_unknown(node: Node, name: str, known: Iterable[str], what: str) -> None:
    if name not in known:
        node.refuse(f"no {what} is called {name!r}. {did_you_mean(name, known)}", name)


def _change(node: Node, key: str, statements: tuple[DeclaredStatement, ...]) -> Change:
    """How a variant changes the statements under a key."""
    node.object(f"a change of {key!r}", _CHANGE)
    sids = [s.document["Sid"] for s in statements if "Sid" in s.document]
    drops = tuple(entry.one_of(sids, "no statement has the Sid") for entry in node.items_at("drops"))
    adds = tuple(statement(entry, key) for entry in node.items_at("adds"))
    requires = node.get("requires", {}).object("requires")
    if requires.value:
        around = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": requires.value}
        check_grammar(requires, around, PolicyType.IDENTITY)
    return Change(drops, adds, requires.value)
