"""What a drafted contract leaves for a person to decide."""

from __future__ import annotations

import re

#: As a comment beside a value, or as the value.
_MARKED = re.compile(r"""(# |["'])DECIDE\b""")


def undecided(text: str) -> tuple[int, ...]:
    """The lines of a contract, from 1, that are still marked `DECIDE`."""
    return tuple(number for number, line in enumerate(text.splitlines(), 1) if _MARKED.search(line))
