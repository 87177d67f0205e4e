"""Describes in words what each option of a grant's templates changes in its contract."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grantproof.contract import Change, Contract, DeclaredStatement, PrincipalChange, Variant
from grantproof.evidence import words

Say = Callable[[Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True)
class Clause:
    """A statement: in IAM's grammar, in words, and where it stands (`file:line`, empty where no file has it). What is
    no statement has no document."""

    document: Mapping[str, Any]
    sentence: str
    place: str


@dataclass(frozen=True, slots=True)
class Option:
    """A variant of the contract.

    Attributes:
        parameters: those that choose it, as `stack: Name=value`.
        changes: what it changes about who may enter, what is allowed, and what is there.
        needs, excludes: other variants with, or without, which CloudFormation takes it.
    """

    alias: str
    description: str
    place: str
    parameters: tuple[str, ...]
    changes: tuple[Clause, ...]
    needs: tuple[str, ...]
    excludes: tuple[str, ...]


def options(contract: Contract, filled: Callable[[Any], Any]) -> tuple[Option, ...]:
    """The description of every variant of a contract. `filled` replaces the references of a value that are known."""
    return tuple(_ChangeSummary(contract, variant, filled).option() for variant in contract.variants)


class _ChangeSummary:
    """Describes what one variant changes."""

    def __init__(self, contract: Contract, variant: Variant, filled: Callable[[Any], Any]) -> None:
        self._contract, self._variant, self._filled = contract, variant, filled

    def option(self) -> Option:
        variant = self._variant
        return Option(
            alias=variant.alias,
            description="" if variant.description == "-" else variant.description,
            place=str(variant.place),
            parameters=tuple(
                f"{stack}: {name}={self._filled(value)}"
                for stack, values in variant.parameters.items()
                for name, value in values.items()
            ),
            changes=tuple(self._changes()),
            needs=variant.needs,
            excludes=variant.excludes,
        )

    def _changes(self) -> Iterator[Clause]:
        variant, more = self._variant, self._contract.additions
        kinds = {p.alias: p.kind for p in (*self._contract.principals, *more.principals)}
        for alias, change in variant.changes.items():
            yield from self._principal(f"{kinds[alias]} {alias}", change)
        for alias, resource in variant.resources.items():
            yield from self._statements(resource, f"the policy of {alias}", words.naming)
        silent = {sending.alias for sending in (*self._contract.sends, *more.sends)}
        for alias in variant.absent:
            if alias in silent:
                yield self._note(f"What {alias} sends is not sent.")
                continue
            yield self._note(f"{kinds.get(alias, '')} {alias} is not created.".strip())
        for principal in more.principals:
            if variant.alias in principal.variants:
                name = f"{principal.kind} {principal.alias}"
                yield Clause({}, _capital(f"{name} is created."), str(principal.place))
                yield from self._clauses(principal.trust, _entering(name))
                yield from self._clauses(principal.allows, _saying(name))
                for policy in principal.managed:
                    named = self._filled(policy.reference)
                    yield Clause({}, _capital(f"{name} may do what AWS's {named} says."), str(policy.place))
        for declared in more.resources:
            if variant.alias in declared.variants:
                yield Clause({}, f"The policy of {declared.alias} is created.", str(declared.place))
                yield from self._clauses(declared.policy, words.naming)

        for sending in more.sends:
            if variant.alias in sending.variants:
                said = f"{'/'.join(sending.path)} sends to {', '.join(self._filled(sending.to))}."
                yield Clause({}, _capital(said), str(sending.place))

    def _principal(self, name: str, change: PrincipalChange) -> Iterator[Clause]:
        yield from self._statements(change.trust, f"the trust policy of {name}", _entering(name))
        yield from self._statements(change.allows, f"what {name} may do", _saying(name))
        if change.max_session is not None:
            yield self._note(f"Sessions of {name} last {change.max_session} seconds at most.")
        if change.boundary is not None:
            yield self._note(f"The permissions boundary of {name} is {change.boundary or 'none'}.")
        if change.entered_by is not None:
            yield self._note(f"{name} is entered by {', '.join(change.entered_by) or 'nobody'}.")

    def _statements(self, change: Change | None, what: str, say: Say) -> Iterator[Clause]:
        if change is None:
            return
        for sid in change.drops:
            yield self._note(f"{what}: {sid} goes.")
        yield from self._clauses(change.adds, say)
        if change.requires:
            tests = words.conditions({"Condition": self._filled(change.requires)})
            yield self._note(f"{what}: everything holds only if {' and '.join(tests)}.")

    def _clauses(self, statements: Iterable[DeclaredStatement], say: Say) -> Iterator[Clause]:
        for statement in statements:
            document = self._filled(statement.document)
            yield Clause(document, say(document), str(statement.place))

    def _note(self, sentence: str) -> Clause:
        return Clause({}, _capital(sentence), str(self._variant.place))


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _entering(name: str) -> Say:
    return lambda document: words.entering(document, name)


def _saying(name: str) -> Say:
    return lambda document: words.sentence(document, name)
