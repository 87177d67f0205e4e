"""One kind of caller, and the part of all requests that is asked of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from grantproof.iam.comparison.language import FRESH
from grantproof.iam.comparison.patterns import EVERY_RESOURCE
from grantproof.iam.glob import Glob, glob
from grantproof.iam.principal import Kind, Principal
from grantproof.iam.request import DERIVED_KEYS, OF_SERVICES, Request, Values
from grantproof.iam.without_policies import NEEDS_NO_PERMISSION

PRINCIPAL_KEYS = DERIVED_KEYS
#: Those of them that are an account.
ACCOUNT_KEYS = frozenset(part for pair in OF_SERVICES.values() for part in pair)


#: The keys that follow from who asks.
_STATED = PRINCIPAL_KEYS | {"aws:userid"}


@dataclass(frozen=True, slots=True)
class Domain:
    """A part of all actions in which one set of rules holds: those of `inside` and none of `outside`. `resources`: the
    resources that are asked about. `rcp`, `resource_policy`: do those have a say? `service`: the only one whose
    actions these are, where a key of its own tells who asks."""

    inside: tuple[Glob, ...] = (glob("*:*"),)
    outside: tuple[Glob, ...] = ()
    rcp: bool = True
    resource_policy: bool = True
    resources: tuple[Glob, ...] = EVERY_RESOURCE
    service: str = "-"

    def excludes(self, action: str) -> bool:
        """Is this action one of `outside`?"""
        return any(one.matches(action) for one in self.outside)


@dataclass(frozen=True)
class Caller:
    """One kind of caller, and whose the resource is.

    Attributes:
        principal: one of them; where `names` is not empty, its name stands for any name.
        names: the patterns of `aws:PrincipalArn` of all of them.
        not_names: ARNs that other kinds have.
        user_id: `aws:userid` where statements name it.
        owner: the resource's account; None where nothing depends on it.
        of_any_other: the account stands for all that nothing names.
        open: the resource's own policy is not in question, only the caller's side.
        domain: the actions that are asked about.
    """

    principal: Principal
    names: tuple[Glob, ...] = ()
    not_names: tuple[Glob, ...] = ()
    user_id: str | None = None
    owner: str | None = None
    open: bool = False
    of_any_other: bool = False
    domain: Domain = field(default_factory=Domain)

    @property
    def alike(self) -> bool:
        """Is it a caller of whom only the own policies are in question, which are all that it takes?"""
        return self.open and self.principal.kind in (Kind.USER, Kind.ROLE_SESSION)

    @property
    def request(self) -> Request:
        """A request of theirs, with nothing known of action, resource and context."""
        context: dict[str, Values] = {"aws:userid": (self.user_id or f"AIDA{FRESH}",)}
        return Request(self.principal, "-:-", "*", self.owner, context)

    def states(self, keys: Iterable[str]) -> dict[str, tuple[Values, ...]]:
        """The states of the keys that follow from who asks and whose the resource is."""
        asked = _STATED.intersection(keys)
        if not asked and self.user_id is None:
            return {}
        derived = Request(self.principal, f"{self.domain.service}:-", "*", self.owner).values
        out: dict[str, tuple[Values, ...]] = {}
        for key in PRINCIPAL_KEYS & asked:
            if self.names and key in ("aws:principalarn", "aws:username") and key in derived:
                continue
            out[key] = (derived.get(key, ()),)
        if self.user_id is not None:
            out["aws:userid"] = ((self.user_id,),)
        elif "aws:userid" in derived:
            out["aws:userid"] = (derived["aws:userid"],)
        return out


def named_by(kind: Kind, partition: str, account: str) -> Caller:
    """The callers of one kind in an account whose names nothing says."""
    iam = f"arn:{partition}:iam::{account}"
    match kind:
        case Kind.USER:
            shape = f"{iam}:user/*"
            return Caller(Principal(kind, f"{iam}:user/{FRESH}", account, partition), (glob(shape),))
        case Kind.ROLE_SESSION:
            session = f"arn:{partition}:sts::{account}:assumed-role/{FRESH}/{FRESH}"
            role = Principal(kind, session, account, partition, issuer=f"{iam}:role/{FRESH}")
            # Service-linked roles are AWS's, with fixed policies and outside SCPs and RCPs (T31): not in question.
            return Caller(role, (glob(f"{iam}:role/*"),), (glob(f"{iam}:role/aws-service-role/*"),))
        case Kind.FEDERATED_USER:
            arn = f"arn:{partition}:sts::{account}:federated-user/{FRESH}"
            shape = f"arn:{partition}:sts::{account}:federated-user/*"
            return Caller(Principal(kind, arn, account, partition, issuer=f"{iam}:user/{FRESH}"), (glob(shape),))
    return Caller(Principal(Kind.ROOT, f"{iam}:root", account, partition))


def never_in_question(principal: Principal) -> tuple[Glob, ...]:
    """Actions that are decided without looking at any policy, so that no two policies differ on them."""
    out = [glob(name) for name in NEEDS_NO_PERMISSION] if principal.account is not None else []
    match principal.kind:
        case Kind.ROOT:
            out.append(glob("sts:assumerole"))
        case Kind.ROLE_SESSION:
            out += [glob("sts:getfederationtoken"), glob("sts:getsessiontoken")]
        case Kind.FEDERATED_USER:
            out += [glob("iam:*"), glob("sts:*")]
    return tuple(out)


#: Where nothing tells callers apart: a user, who can call whatever a session can.
ANYBODY = replace(
    named_by(Kind.USER, "aws", "111111111111"),
    owner="111111111111",
    open=True,
    domain=Domain(outside=never_in_question(named_by(Kind.USER, "aws", "111111111111").principal)),
)
