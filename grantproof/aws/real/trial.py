"""Trial calls against real accounts, and the plan of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Trial:
    """One trial call.

    Attributes:
        name: a short description, unique in the grant.
        profile: the alias of the account whose profile is used.
        role: the alias of the role in whose session the call is made; empty where the profile makes it.
        enters: the alias of the role that the call assumes for later calls; empty where no call uses its session.
        allowed: does the contract allow the call?
        needs: `key=value` that AWS has to find in the caller's credentials and a profile may lack: without it, a denial
            of an allowed call decides nothing.
        place: of the clause in the contract.
    """

    grant: str
    name: str
    profile: str
    role: str
    service: str
    operation: str
    params: Mapping[str, Any]
    resource: str
    allowed: bool
    place: str
    enters: str = ""
    needs: str = ""

    def __str__(self) -> str:
        who = f"{self.role} (through profile of {self.profile})" if self.role else f"profile of {self.profile}"
        on = f" on {self.resource}" if self.resource != "*" else ""
        return f"{who}: {self.service}:{self.operation}{on}, to be {'allowed' if self.allowed else 'denied'}"


@dataclass(frozen=True)
class Plan:
    """The trial calls of a grant.

    Attributes:
        trials: in the order in which they are made.
        left_out: what is not tried and why, as text.
        unanswered: (trial, reason) of what has to be tried and cannot be.
    """

    trials: tuple[Trial, ...] = ()
    left_out: tuple[str, ...] = ()
    unanswered: tuple[tuple[Trial, str], ...] = ()


@dataclass
class Draft:
    """A mutable `Plan`, while it is built."""

    trials: list[Trial] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    unanswered: list[tuple[Trial, str]] = field(default_factory=list)

    def add(self, trial: Trial) -> None:
        """Add a trial, with a number after its name where another has the same."""
        taken = {known.name for known in self.trials}
        number, name = 2, trial.name
        while name in taken:
            name, number = f"{trial.name} ({number})", number + 1
        self.trials.append(replace(trial, name=name))
