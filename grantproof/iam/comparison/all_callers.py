"""Pieces of access that differ only in who calls, as one: a statement that names an account lets in its users, its root
user and its role sessions, and is one thing to repair."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from grantproof.iam.comparison.clause import Clause

_T = TypeVar("_T")
#: Anonymous callers, in words.
ANYBODY = "anybody, also without credentials"


def by_all_callers(
    found: Iterable[_T], *, clause: Callable[[_T], Clause], alike: Callable[[_T], object]
) -> Iterator[tuple[_T, Clause]]:
    """Of pieces that differ only in who calls, the one that tells most, with the clause of all of them.

    Args:
        clause: the clause of a piece.
        alike: what has to be equal besides their clauses; hashable.
    """
    groups: dict[tuple[Clause, object], dict[str, _T]] = {}
    for one in found:
        whole = clause(one)
        groups.setdefault((replace(whole, callers=""), alike(one)), {}).setdefault(whole.callers, one)
    for by in groups.values():
        first = by[min(by, key=_rank)]
        yield first, replace(clause(first), callers=in_words(list(by)))


def _rank(callers: str) -> tuple[bool, bool, str]:
    """A sort key: anonymous callers first, then users."""
    return callers != ANYBODY, not callers.startswith("any user"), callers


def in_words(several: Sequence[str]) -> str:
    """Several kinds of callers (`Clause.callers`) as one, those of an account together; empty if one is everybody."""
    if "" in several:
        return ""
    groups: dict[str, list[str]] = {}
    for callers in sorted(several, key=_rank):
        kind, of, account = (callers, "", callers) if callers == ANYBODY else callers.partition(" of a")
        groups.setdefault(of + account, []).append(kind)
    return ", and by ".join(
        _enumerated(kinds) + (group if group.startswith(" of a") else "") for group, kinds in groups.items()
    )


def _enumerated(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
