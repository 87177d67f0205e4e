"""Describes in words what each option of a grant's templates changes in its contract."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from grantproof.contract import Change, Contract, DeclaredStatement, PrincipalChange, Variant
from grantproof.evidence import words

#: Takes a statement and returns a sentence.
Say = Callable[[Mapping[str, Any]], str]


@dataclass(frozen=True, slots=True)
class Clause:
    """A statement of the contract or of a deployed policy, or a remark about them.

    Attributes:
        document: the statement in IAM's grammar; empty for a remark.
        sentence: the same in words.
        place: `file:line`; empty where no file contains it.
    """

    document: Mapping[str, Any]
    sentence: str
    place: str


@dataclass(frozen=True, slots=True)
class Option:
    """A variant of the contract.

    Attributes:
        parameters: the parameter values that select it, as `stack: Name=value`.
        changes: what it changes about trust policies, allowed actions and resources.
        needs, excludes: other variants that CloudFormation requires, or refuses, together with it.
    """

    alias: str
    description: str
    place: str
    parameters: tuple[str, ...]
    changes: tuple[Clause, ...]
    needs: tuple[str, ...]
    excludes: tuple[str, ...]


def options(contract: Contract, filled: Callable[[Any], Any]) -> tuple[Option, ...]:
    """The description of every variant of a contract. `filled` replaces the references in a value that are known."""
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
        yield from self._to_existing()
        yield from self._to_additions()

    def _to_existing(self) -> Iterator[Clause]:
        """How the variant changes what is always declared, and what it takes away."""
        variant, more = self._variant, self._contract.additions
        kinds = {p.alias: p.kind for p in (*self._contract.principals, *more.principals)}
        for alias, change in variant.changes.items():
            yield from self._principal(f"{kinds[alias]} {alias}", change)
        for alias, resource in variant.resources.items():
            yield from self._statements(resource, f"the policy of {alias}", words.policy_sentence)
        sends = {sending.alias for sending in (*self._contract.sends, *more.sends)}
        for alias in variant.absent:
            if alias in sends:
                yield self._note(f"What {alias} sends is not sent.")
            else:
                yield self._note(f"{kinds.get(alias, '')} {alias} is not created.".strip())

    def _to_additions(self) -> Iterator[Clause]:
        """What is declared only under the variant."""
        alias, more = self._variant.alias, self._contract.additions
        for principal in more.principals:
            if alias in principal.variants:
                name = f"{principal.kind} {principal.alias}"
                yield Clause({}, _capital(f"{name} is created."), str(principal.place))
                yield from self._clauses(principal.trust, partial(words.trust_sentence, role=name))
                yield from self._clauses(principal.allows, partial(words.sentence, subject=name))
                for policy in principal.managed:
                    named = self._filled(policy.reference)
                    yield Clause({}, _capital(f"{name} may do what AWS's {named} says."), str(policy.place))
        for declared in more.resources:
            if alias in declared.variants:
                yield Clause({}, f"The policy of {declared.alias} is created.", str(declared.place))
                yield from self._clauses(declared.policy, words.policy_sentence)
        for sending in more.sends:
            if alias in sending.variants:
                said = f"{'/'.join(sending.path)} sends to {', '.join(self._filled(sending.to))}."
                yield Clause({}, _capital(said), str(sending.place))

    def _principal(self, name: str, change: PrincipalChange) -> Iterator[Clause]:
        yield from self._statements(
            change.trust, f"the trust policy of {name}", partial(words.trust_sentence, role=name)
        )
        yield from self._statements(change.allows, f"what {name} may do", partial(words.sentence, subject=name))
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
            tests = words.conditions_of({"Condition": self._filled(change.requires)})
            yield self._note(f"{what}: everything holds only if {' and '.join(tests)}.")

    def _clauses(self, statements: Iterable[DeclaredStatement], say: Say) -> Iterator[Clause]:
        for statement in statements:
            document = self._filled(statement.document)
            yield Clause(document, say(document), str(statement.place))

    def _note(self, sentence: str) -> Clause:
        return Clause({}, _capital(sentence), str(self._variant.place))


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
