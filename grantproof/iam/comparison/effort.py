"""How much a comparison may cost before it is given up: nothing is known of what takes longer."""

from __future__ import annotations

from collections.abc import Hashable

from grantproof.iam.errors import Undecided

#: How many steps the searches of a comparison may take: about a second.
MOST_STEPS = 60_000


class TooHard(Undecided):
    """A comparison that was given up: nothing is known of it."""


class Effort:
    """What exact searches may still cost, shared by all those of one comparison."""

    def __init__(self, steps: int = MOST_STEPS) -> None:
        self._left = steps
        self._reason = ""
        self._paid = set[Hashable]()

    @property
    def left(self) -> int:
        """How many steps are left."""
        return self._left

    def paid(self, question: Hashable) -> bool:
        """Has the answer to this question been paid for? From now on it has."""
        paid = question in self._paid
        self._paid.add(question)
        return paid

    def spend(self, steps: int, reason: str) -> None:
        """So many steps more.

        Raises:
            TooHard: those were too many; with the reason, which stays the first one.
        """
        self._left -= steps
        if self._left < 0:
            self._reason = self._reason or reason
            raise TooHard(self._reason)
