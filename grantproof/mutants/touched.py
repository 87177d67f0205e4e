"""What an edit of a template is: what it takes, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from grantproof.mutants.edits import NOTHING
from grantproof.mutants.sites import Path, at


@dataclass(frozen=True)
class Touched:
    """What an edit changed: paths in the changed template, and names of what came along."""

    paths: tuple[Path, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Surroundings:
    """What an edit may need to know: the logical id that the site belongs to, and the file names of the grant's other
    templates."""

    owner: str
    others: tuple[str, ...] = ()


#: Takes a template that it may change, the path of the site, its argument from the catalogue and the surroundings, and
#: says what it touched; None where it does not apply.
Edit = Callable[[Any, Path, Any, Surroundings], Touched | None]


def replaced(template: Any, path: Path, value: Any) -> Touched | None:
    """Put a value in the place of another."""
    if not path or value is NOTHING or value == at(template, path):
        return None
    at(template, path[:-1])[path[-1]] = value
    return Touched((path,))
