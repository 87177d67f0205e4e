"""One kind of caller, and the part of all requests that is compared for it."""

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
#: Those whose value is an account.
ACCOUNT_KEYS = frozenset(part for pair in OF_SERVICES.values() for part in pair)


#: The keys that follow from the caller.
_STATED = PRINCIPAL_KEYS | {"aws:userid"}


@dataclass(frozen=True, slots=True)
class Domain:
    """A part of all actions in which the same rules apply: those of `inside` and none of `outside`. `resources`: the
    resources that are compared. `rcp`, `resource_policy`: do these policies apply? `service`: the only service of these
    actions, if one of its own keys identifies the caller."""

    inside: tuple[Glob, ...] = (glob("*:*"),)
    outside: tuple[Glob, ...] = ()
    rcp: bool = True
    resource_policy: bool = True
    resources: tuple[Glob, ...] = EVERY_RESOURCE
    service: str = "-"

    def excludes(self, action: str) -> bool:
        """Is this action in `outside`?"""
        return any(one.matches(action) for one in self.outside)


@dataclass(frozen=True)
class Caller:
    """One kind of caller, and the owner of the resource.

    Attributes:
        principal: one of them; if `names` is not empty, its name stands for any name.
        names: the patterns of `aws:PrincipalArn` of all of them.
        not_names: ARNs that belong to other kinds.
        user_id: `aws:userid`, if statements name it.
        owner: the account of the resource; None if nothing depends on it.
        of_any_other: the account stands for all accounts that nothing names.
        open: only the policies of the caller are compared, not the resource's own policy.
        domain: the actions that are compared.
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
        """Are only the caller's own policies compared, which alone decide?"""
        return self.open and self.principal.kind in (Kind.USER, Kind.ROLE_SESSION)

    @property
    def request(self) -> Request:
        """A request of this caller, without a known action, resource and context."""
        context: dict[str, Values] = {"aws:userid": (self.user_id or f"AIDA{FRESH}",)}
        return Request(self.principal, "-:-", "*", self.owner, context)

    def states(self, keys: Iterable[str]) -> dict[str, tuple[Values, ...]]:
        """The states of the keys that follow from the caller and the owner of the resource."""
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
    """The callers of one kind in an account, with unspecified names."""
    iam = f"arn:{partition}:iam::{account}"
    match kind:
        case Kind.USER:
            shape = f"{iam}:user/*"
            return Caller(Principal(kind, f"{iam}:user/{FRESH}", account, partition), (glob(shape),))
        case Kind.ROLE_SESSION:
            session = f"arn:{partition}:sts::{account}:assumed-role/{FRESH}/{FRESH}"
            role = Principal(kind, session, account, partition, issuer=f"{iam}:role/{FRESH}")
            # Service-linked roles have fixed policies of AWS, and no SCPs and RCPs (T31): they are not compared.
            return Caller(role, (glob(f"{iam}:role/*"),), (glob(f"{iam}:role/aws-service-role/*"),))
        case Kind.FEDERATED_USER:
            arn = f"arn:{partition}:sts::{account}:federated-user/{FRESH}"
            shape = f"arn:{partition}:sts::{account}:federated-user/*"
            return Caller(Principal(kind, arn, account, partition, issuer=f"{iam}:user/{FRESH}"), (glob(shape),))
    return Caller(Principal(Kind.ROOT, f"{iam}:root", account, partition))


def never_in_question(principal: Principal) -> tuple[Glob, ...]:
    """The actions that are decided without any policy, so that policies make no difference to them."""
    out = [glob(name) for name in NEEDS_NO_PERMISSION] if principal.account is not None else []
    match principal.kind:
        case Kind.ROOT:
            out.append(glob("sts:assumerole"))
        case Kind.ROLE_SESSION:
            out += [glob("sts:getfederationtoken"), glob("sts:getsessiontoken")]
        case Kind.FEDERATED_USER:
            out += [glob("iam:*"), glob("sts:*")]
    return tuple(out)


#: The caller if policies do not distinguish callers: a user, who can make every call that a session can make.
ANYBODY = replace(
    named_by(Kind.USER, "aws", "111111111111"),
    owner="111111111111",
    open=True,
    domain=Domain(outside=never_in_question(named_by(Kind.USER, "aws", "111111111111").principal)),
)
