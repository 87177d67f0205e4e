"""The subjects that a test can have besides a whole grant: the named parts of its contract."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from grantproof.contract import Contract

Axis = Callable[["Contract"], Iterable[tuple[str, Any]]]


def _principals(*kinds: str) -> Axis:
    return lambda contract: ((p.alias, p) for p in contract.principals if not kinds or p.kind in kinds)


def _statements(which: str) -> Axis:
    def of(contract: Contract) -> Iterable[tuple[str, Any]]:
        for principal in contract.principals:
            for number, statement in enumerate(getattr(principal, which)):
                name = statement.document.get("Sid") or "+".join(statement.patterns[:2])
                yield f"{principal.alias}-{which}[{number}]-{name}", (principal, statement)

    return of


#: By the name of the test's argument.
SUBJECTS: Mapping[str, Axis] = {
    "principal": _principals(),
    "role": _principals("role"),
    "caller": _principals("role", "user"),
    "resource": lambda contract: ((resource.alias, resource) for resource in contract.resources),
    "sending": lambda contract: ((sending.alias, sending) for sending in contract.sends),
    "allowed": _statements("allows"),
    "denied": _statements("denies"),
}
