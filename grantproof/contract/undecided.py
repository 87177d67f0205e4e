"""What a drafted contract leaves for a person to decide."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: As a comment beside a value, or as the value.
_MARKED = re.compile(r"""(# |["'])DECIDE\b""")


@dataclass(frozen=True, slots=True)
class Draft:
    """A contract that a person has not gone through yet: it promises whatever its templates give, so that a verdict on
    it says little.

    Attributes:
        decisions_left: the number of lines that are still marked.
        first: the place of the first of them, `file:line`.
    """

    decisions_left: int
    first: str

    def __str__(self) -> str:
        lines = "1 line is" if self.decisions_left == 1 else f"{self.decisions_left} lines are"
        return f"against a draft: {lines} still marked DECIDE, from {self.first} on"


def undecided(text: str) -> tuple[int, ...]:
    """The lines of a contract, from 1, that are still marked `DECIDE`."""
    return tuple(number for number, line in enumerate(text.splitlines(), 1) if _MARKED.search(line))
