"""Policies as values: a policy of some type, with its statements."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from grantproof.iam.condition import Test
from grantproof.iam.glob import Glob
from grantproof.iam.pattern import Pattern
from grantproof.iam.principal import PrincipalElement


class PolicyType(Enum):
    """The type of a policy, in the words of AWS's access-denied messages (rule N4)."""

    IDENTITY = "identity-based policy"
    RESOURCE = "resource-based policy"
    TRUST = "role trust policy"
    KEY = "key policy"
    BOUNDARY = "permissions boundary"
    SESSION = "session policy"
    SCP = "service control policy"
    RCP = "resource control policy"
    ENDPOINT = "VPC endpoint policy"

    # Faster than Enum's hash, which is computed from the name in Python; members are singletons, and often looked up.
    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, normalised. `resources` is None if the element is absent (rules R12, R13, K10)."""

    index: int
    sid: str | None
    allow: bool
    actions: tuple[Glob, ...]
    not_action: bool
    resources: tuple[Pattern, ...] | None
    not_resource: bool
    principals: PrincipalElement | None
    not_principal: bool
    conditions: tuple[Test, ...]

    @property
    def effect(self) -> str:
        """`Allow` or `Deny`."""
        return "Allow" if self.allow else "Deny"

    @property
    def essence(self) -> tuple[object, ...]:
        """Everything except its effect and Sid, as a hashable key that does not depend on the order in lists."""
        resources = None if self.resources is None else frozenset(self.resources)
        who = (self.principals, self.not_principal)
        what = (frozenset(self.actions), self.not_action, resources, self.not_resource)
        return *what, *who, frozenset(self.conditions)


@dataclass(frozen=True, slots=True)
class Policy:
    """A parsed document. `label` is its name in decisions and errors."""

    label: str
    type: PolicyType
    version: str
    statements: tuple[Statement, ...]
