"""What the evaluator refuses to decide, and where.

Nothing here is an answer: a caller that catches one of these has learnt neither "allowed" nor "denied".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class IamError(Exception):
    """A refusal to decide, with its place.

    `document` is the policy's label (`identity[0]`, `resource`, ...), `statement` its index from 0, `element` the
    IAM element (`Effect`, `Condition`, ...); each is None where the refusal concerns something larger.
    """

    kind: ClassVar[str] = "error"

    def __init__(
        self, message: str, document: str | None = None, statement: int | None = None, element: str | None = None
    ) -> None:
        super().__init__(message, document, statement, element)
        self.message, self.document, self.statement, self.element = message, document, statement, element

    def __str__(self) -> str:
        place = self.document or ""
        if self.statement is not None:
            place += f" Statement[{self.statement}]"
        if self.element is not None:
            place += f" {self.element}"
        place = place.strip()
        return f"{place}: {self.message}" if place else self.message

    def as_dict(self) -> dict[str, object]:
        """The refusal as plain data, the `error` of `grantproof evaluate`."""
        return {
            "kind": self.kind,
            "document": self.document,
            "statement": self.statement,
            "element": self.element,
            "message": self.message,
        }


def in_json(value: object) -> str:
    """What a value that was read from JSON or YAML is called there: `null`, `an object`, `a number`."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "text"
        case int() | float():
            return "a number"
        case list() | tuple():
            return "a list"
        case Mapping():
            return "an object"
    return f"a {type(value).__name__}"


class MalformedPolicy(IamError):
    """A document that AWS would not accept (grammar, limits: rules G1 to G21 and those of each policy type)."""

    kind = "malformed"


class Undecided(IamError):
    """A well-formed question that the documentation, or what is known of the request, does not decide."""

    kind = "undecided"


class BadRequest(IamError):
    """A request that could not have been made: an unreadable principal, a missing field."""

    kind = "badRequest"
