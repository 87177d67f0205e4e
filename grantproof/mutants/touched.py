"""The interface of edits: what an edit takes and returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from grantproof.mutants.edits import NOTHING
from grantproof.mutants.sites import Path, at


@dataclass(frozen=True)
class Touched:
    """What an edit changed: paths in the changed template, and names of added resources."""

    paths: tuple[Path, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Surroundings:
    """The context of an edit: the logical ID of the resource of the site, and the file names of the grant's other
    templates."""

    owner: str
    others: tuple[str, ...] = ()


#: Takes a template, which it changes in place, the path of the site, the argument from the catalogue and the context;
#: returns what it touched, or None where it does not apply.
Edit = Callable[[Any, Path, Any, Surroundings], Touched | None]


def replaced(template: Any, path: Path, value: Any) -> Touched | None:
    """Replace the value at a path; None where nothing changes."""
    if not path or value is NOTHING or value == at(template, path):
        return None
    at(template, path[:-1])[path[-1]] = value
    return Touched((path,))
