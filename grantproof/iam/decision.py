"""A decision with its reasons, and the statements that apply to a request."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from grantproof.iam.policy import PolicyType
from grantproof.iam.principal import Via


class Outcome(Enum):
    """The outcome of a request (rule E6)."""

    ALLOWED = "allowed"
    EXPLICIT_DENY = "explicitDeny"
    IMPLICIT_DENY = "implicitDeny"


@dataclass(frozen=True, slots=True)
class Cited:
    """A statement named as a reason."""

    policy: str
    statement: int
    sid: str | None
    effect: str
    type: PolicyType


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision about a request.

    Attributes:
        because: for `allowed`, every Allow statement that applies (of identity and resource policies, even if one would
            have been enough); for `explicitDeny`, every Deny statement that applies; empty for an implicit deny, and if
            no statement is needed (root user, rule T28).
        blocked_by: for an implicit deny, the policy type that lacks an Allow; None if a rule forbids the request
            whatever the policies say.
        rule: the rule that decided without a statement, such as `T9`; empty otherwise.
        depends_on: open points of which another reading would change the outcome.
    """

    outcome: Outcome
    because: tuple[Cited, ...] = ()
    blocked_by: PolicyType | None = None
    rule: str = ""
    depends_on: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """Is the request allowed?"""
        return self.outcome is Outcome.ALLOWED


@dataclass(frozen=True, slots=True)
class Match:
    """A statement (or KMS grant) that applies, and how it reaches the caller."""

    cited: Cited
    via: Via
    type: PolicyType
    level: int = 0
    narrowed_by_arn: bool = False


class Found:
    """The statements that apply: the Denies, and the Allows by layer and level."""

    __slots__ = ("_allows", "denies")

    def __init__(self) -> None:
        self._allows: dict[tuple[PolicyType, int], tuple[Match, ...]] = {}
        self.denies: tuple[Match, ...] = ()

    def add(self, match: Match) -> None:
        """Add a statement."""
        if match.cited.effect == "Deny":
            self.denies += (match,)
        else:
            at = (match.type, match.level)
            self._allows[at] = (*self._allows.get(at, ()), match)

    def allows_of(self, type_: PolicyType, level: int = 0) -> tuple[Match, ...]:
        """The Allow statements of one layer or level."""
        return self._allows.get((type_, level), ())
