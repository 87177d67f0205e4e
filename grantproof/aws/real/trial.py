"""A call that is tried against a real account, and the plan of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Trial:
    """One call.

    Attributes:
        name: what it is, in a few words; unlike every other of the grant.
        profile: the alias of the account with whose profile it begins.
        role: the alias of the role in whose session the call is made; empty where the profile itself makes it.
        enters: the alias of the role that the call enters, where others follow in its session.
        allowed: what the contract says of it.
        needs: what AWS has to find in the caller's credentials and a profile may lack: without it, a denial of what the
            contract allows settles nothing.
        place: where the contract says so.
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
    """The calls in their order; in words what is not tried, with why; and what had to be tried and cannot be."""

    trials: tuple[Trial, ...] = ()
    left_out: tuple[str, ...] = ()
    unanswered: tuple[tuple[Trial, str], ...] = ()


@dataclass
class Draft:
    """A plan while it is made; see `Plan`."""

    trials: list[Trial] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    unanswered: list[tuple[Trial, str]] = field(default_factory=list)

    def add(self, trial: Trial) -> None:
        """Take a trial in, under a name that no other has."""
        taken = {known.name for known in self.trials}
        number, name = 2, trial.name
        while name in taken:
            name, number = f"{trial.name} ({number})", number + 1
        self.trials.append(replace(trial, name=name))
