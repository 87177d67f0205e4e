"""The holder of credentials, and the condition keys that its requests have because of that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Literal

Kind = Literal["root", "user", "role session", "service", "federated"]


@dataclass(frozen=True)
class Identity:
    """The holder of an access key.

    Attributes:
        arn: of the user, the root user or the role session; the name of a service or of an identity provider, which
            hold no access key in AWS but call all the same.
        issuer: the role's ARN for a session, with its path; else empty.
        user_id: `aws:userid` (rule C54): the account for root, `AIDA...` for a user, `AROA...:session` for a session.
        expires: when temporary credentials end; None for a long-term key.
        session_policies: the documents passed to AssumeRole (rule T12).
        session: context keys that the session carries: its tags, its source identity.
        mfa: was MFA used to obtain the credentials; None where they carry no MFA information (rules C57, C60).
        chained: was the role assumed with role credentials (rule T11).
        entry: the action by which a federated identity enters roles (rules T7, T8).
    """

    arn: str
    account: str
    kind: Kind
    access_key: str
    user_id: str
    issuer: str = ""
    issued: datetime | None = None
    expires: datetime | None = None
    session_policies: tuple[str, ...] = ()
    session: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    mfa: bool | None = None
    chained: bool = False
    entry: str = ""

    @property
    def principal(self) -> str | dict[str, str]:
        """As `parse_principal` takes it."""
        if self.kind in ("service", "federated"):
            return {self.kind.capitalize(): self.arn}
        return self.arn

    @cached_property
    def _context(self) -> Mapping[str, tuple[str, ...]]:
        """The keys that stay as long as the credentials."""
        out: dict[str, tuple[str, ...]] = {**({"aws:userid": (self.user_id,)} if self.user_id else {}), **self.session}
        if self.issued is not None:
            out["aws:TokenIssueTime"] = (self.issued.strftime("%Y-%m-%dT%H:%M:%SZ"),)
        if self.mfa is not None:
            out["aws:MultiFactorAuthPresent"] = ("true" if self.mfa else "false",)
        return out

    def context(self, now: datetime) -> Mapping[str, tuple[str, ...]]:
        """The condition keys that follow from the credentials at a time (rules C52 to C60, C73)."""
        out = dict(self._context)
        if self.mfa and self.issued is not None:
            out["aws:MultiFactorAuthAge"] = (str(max(0, int((now - self.issued).total_seconds()))),)
        return out
