"""The errors of the evaluator: why it does not decide, and at which position.

None of them is an answer: the request is neither allowed nor denied.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class IamError(Exception):
    """No decision, with the position of the reason.

    `document` is the label of the policy (`identity[0]`, `resource`, ...), `statement` its index from 0, `element` the
    IAM element (`Effect`, `Condition`, ...); each is None if the reason concerns something larger.
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
        """The error as plain data: the `error` of `grantproof evaluate`."""
        return {
            "kind": self.kind,
            "document": self.document,
            "statement": self.statement,
            "element": self.element,
            "message": self.message,
        }


def in_json(value: object) -> str:
    """The kind of a value in the words of JSON: `null`, `an object`, `a number`."""
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
    """A document that AWS would not accept (grammar and limits: rules G1 to G21, and those of each policy type)."""

    kind = "malformed"


class Undecided(IamError):
    """A valid question to which neither the documentation nor the data of the request gives an answer."""

    kind = "undecided"


class BadRequest(IamError):
    """A request that cannot exist, with an unreadable principal or a missing field."""

    kind = "badRequest"
