"""The greatest cost of a comparison, after which it is given up without a result."""

from __future__ import annotations

from collections.abc import Hashable

from grantproof.iam.errors import Undecided

#: The greatest number of steps in the searches of one comparison: about a second.
MOST_STEPS = 60_000


class TooHard(Undecided):
    """A comparison that was given up, without a result."""


class Effort:
    """The remaining cost for exact searches, shared by all those of one comparison."""

    def __init__(self, steps: int = MOST_STEPS) -> None:
        self._left = steps
        self._reason = ""
        self._paid = set[Hashable]()

    @property
    def left(self) -> int:
        """The number of remaining steps."""
        return self._left

    def paid(self, question: Hashable) -> bool:
        """Was the answer to this question already paid for? From now on it counts as paid."""
        paid = question in self._paid
        self._paid.add(question)
        return paid

    def spend(self, steps: int, reason: str) -> None:
        """Spend this many steps.

        Raises:
            TooHard: too few are left; with the reason, of which the first is kept.
        """
        self._left -= steps
        if self._left < 0:
            self._reason = self._reason or reason
            raise TooHard(self._reason)
