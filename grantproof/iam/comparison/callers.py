"""Who may be asking: all callers, sorted into the few kinds that policies can tell apart.

Two callers of one kind are named in the same way by every statement of both sides (as everybody, through their account,
their role, or themselves), and the same layers have to allow them, so that one of a kind speaks for all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from itertools import product

from grantproof.iam import rcp
from grantproof.iam.barred import KMS_ACROSS_ACCOUNTS, NEEDS_NO_PERMISSION
from grantproof.iam.comparison.effort import TooHard
from grantproof.iam.comparison.language import FRESH, intersection
from grantproof.iam.comparison.patterns import EVERY_RESOURCE
from grantproof.iam.condition import Test
from grantproof.iam.document import PolicyType, Statement
from grantproof.iam.glob import Glob, glob
from grantproof.iam.layers import ROLE_ENTRY, Layers
from grantproof.iam.pattern import Pattern
from grantproof.iam.principal import Kind, Principal, PrincipalElement
from grantproof.iam.request import Request, Values

PRINCIPAL_KEYS = frozenset(
    f"aws:{name}"
    for name in """
    principalarn principalaccount principaltype username principalisawsservice principalservicename resourceaccount
    """.split()
)
#: The keys that follow from who asks.
_STATED = PRINCIPAL_KEYS | {"aws:userid"}
_ANYWHERE = "**"
PARTITIONS = frozenset("aws aws-cn aws-us-gov aws-iso aws-iso-b aws-iso-e aws-iso-f aws-eusc".split())
#: Accounts that stand for "some account that nothing names".
OTHERS = ("210987654321", "321098765432")


@dataclass(frozen=True, slots=True)
class Region:
    """A part of all actions in which one set of rules holds: those of `inside` and none of `outside`. `things`: the
    resources that are asked about."""

    inside: tuple[Glob, ...] = (glob("*:*"),)
    outside: tuple[Glob, ...] = ()
    rcp: bool = True
    things: tuple[Glob, ...] = EVERY_RESOURCE

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
        open: the resource's own policy is not in question, only the caller's side.
        region: the actions that are asked about.
    """

    principal: Principal
    names: tuple[Glob, ...] = ()
    not_names: tuple[Glob, ...] = ()
    user_id: str | None = None
    owner: str | None = None
    open: bool = False
    region: Region = field(default_factory=Region)

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
        derived = Request(self.principal, "-:-", "*", self.owner).values
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


def callers(
    old: Layers, new: Layers, named: Callable[[], Named], keys: frozenset[str], owner: str | None
) -> Iterator[Caller]:
    """Every kind of caller that the two sides can tell apart, service-linked roles left out (rule T31).

    Args:
        named: says what either side names, where that matters.
        keys: the condition keys that either side consults.
        owner: the resource's account, where it is known.

    Raises:
        TooHard: the two resource policies are of different types, or an account is compared with a pattern.
    """
    types = {layers.resource.type for layers in (old, new) if layers.resource is not None}
    if not types and not keys & PRINCIPAL_KEYS and old.rcp is None and new.rcp is None:
        yield ANYBODY
        return
    if len(types) > 1:
        raise TooHard(f"a {' and a '.join(sorted(t.value for t in types))} are not comparable")
    inside, outside = _in_question(next(iter(types), None))
    if types:
        for caller in _distinct(_of_resource_policies(named(), keys, owner), old, new, keys):
            yield from _by_region(caller, inside, old, new)
        if not _differ_besides(old, new):
            return
    root = limits_differ(old, new)
    for caller in _distinct(_of_identity_policies(named(), keys, owner, root=root), old, new, keys):
        yield from _by_region(caller, outside, old, new)


def _in_question(type_: PolicyType | None) -> tuple[Region, Region]:
    """The actions on which a resource policy of this type decides, and all others, where it has no say."""
    entering = tuple(glob(name) for name in sorted(ROLE_ENTRY))
    keys = glob("kms:*")
    match type_:
        case PolicyType.TRUST:
            return Region(entering), Region(outside=entering)
        case PolicyType.KEY:
            return Region((keys,)), Region(outside=(keys,))
        case PolicyType.RESOURCE:
            return Region(outside=(*entering, keys)), Region((*entering, keys))
    return Region(()), Region()


def limits_differ(old: Layers, new: Layers) -> bool:
    """Are the organization's policies not the same on both sides?"""
    return (old.scp, old.rcp) != (new.scp, new.rcp)


def _differ_besides(old: Layers, new: Layers) -> bool:
    """Do the two sides differ in anything but the resource's policy?"""
    return replace(old, resource=None) != replace(new, resource=None)


@dataclass(frozen=True)
class Named:
    """The accounts, ARNs, services and so on that policies name. `wild_accounts`: a condition compares an account with
    a pattern that leaves a part of it open. `in_partitions`: the patterns of partitions of which resources and callers'
    ARNs are told, where one leaves it open which is meant; `**` where it does not say where the partition stands."""

    arns: frozenset[str] = frozenset()
    unique_ids: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    providers: frozenset[str] = frozenset()
    canonical: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    partitions: frozenset[str] = frozenset()
    wild_accounts: bool = False
    in_partitions: frozenset[str] = frozenset()

    def __or__(self, other: Named) -> Named:
        """What either names."""
        return Named(*(getattr(self, part) | getattr(other, part) for part in _PARTS))


_PARTS = tuple(part.name for part in fields(Named))


def named_in(layers: Layers) -> Named:
    """What the statements of all layers name."""
    elements = [s.principals for s in _statements(layers) if s.principals is not None]
    arns = _union(elements, lambda e: e.arns)
    accounts, partitions = {*_union(elements, lambda e: e.accounts)}, {"aws"}
    for arn in arns:
        accounts.add(arn.split(":")[4])
        partitions.add(arn.split(":")[1])
    wild_accounts, in_partitions = False, set[str]()
    for statement in _statements(layers):
        for pattern in statement.resources or ():
            in_partitions |= _left_open(pattern, negated=statement.not_resource)
            parts = pattern.text.split(":", 5)
            if len(parts) == 6:
                accounts.update(_digits(parts[4]))
                partitions.update({parts[1]} if re.fullmatch(r"aws[a-z-]*", parts[1]) else ())
        for test in statement.conditions:
            if test.key in PRINCIPAL_KEYS:
                texts = [pattern.text for pattern in test.values]
                accounts.update(account for text in texts for account in _digits(text))
                partitions.update(found for text in texts for found in re.findall(r"arn:(aws[a-z-]*):", text))
                wild_accounts |= _compares_parts_of_accounts(test)
                if test.key == "aws:principalarn":
                    in_partitions.update(*map(_left_open, test.values))
    return Named(
        arns,
        _union(elements, lambda e: e.unique_ids),
        _union(elements, lambda e: e.services),
        _union(elements, lambda e: e.providers),
        _union(elements, lambda e: e.canonical),
        frozenset(accounts),
        frozenset(partitions),
        wild_accounts,
        frozenset(in_partitions),
    )


def _left_open(pattern: Pattern, *, negated: bool = False) -> set[str]:
    """The pattern of the partition, where ARNs of more than one may be meant, and not simply everything."""
    if not pattern.text.strip("*"):
        return set()
    fields = pattern.text.split(":", 2)
    if len(fields) < 3 or set("*?") & set(fields[0]):
        return {_ANYWHERE} if set("*?") & set(pattern.text) or negated else set()
    return {fields[1]} if negated or set("*?") & set(fields[1]) else set()


def _compares_parts_of_accounts(test: Test) -> bool:
    if test.key not in ("aws:principalaccount", "aws:resourceaccount") or not test.operator.wildcards:
        return False
    return any(set("*?") & set(pattern.text) and pattern.text.strip("*") for pattern in test.values)


def _statements(*sides: Layers) -> Iterator[Statement]:
    for layers in sides:
        for _, _, policies in layers.sets:
            yield from (statement for _, statement in policies.entries)


def _union(elements: list[PrincipalElement], part: Callable[[PrincipalElement], frozenset[str]]) -> frozenset[str]:
    return frozenset[str]().union(*map(part, elements))


def _partitions(named: Named, keys: frozenset[str]) -> list[str]:
    """Those that are named; and others, where callers are told by their ARNs or a pattern leaves the partition
    open."""
    others = sorted(PARTITIONS - named.partitions)
    if _ANYWHERE not in named.in_partitions:
        # Those that no pattern tells apart are alike.
        told = [glob(text) for text in sorted(named.in_partitions)]
        alike = {tuple(one.matches(name) for one in told): name for name in reversed(others)}
        others = sorted(alike.values()) if told or "aws:principalarn" in keys else []
    return sorted((*named.partitions, *others))


def _digits(text: str) -> list[str]:
    return re.findall(r"(?<![0-9])[0-9]{12}(?![0-9])", text)


def _named_by(kind: Kind, partition: str, account: str) -> Caller:
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


def _of_identity_policies(named: Named, keys: frozenset[str], owner: str | None, *, root: bool) -> Iterator[Caller]:
    """Without a resource policy on either side, what is compared is the caller's side alone: users and role sessions,
    and resources of whatever account, as if their owner let the caller's account in (rules X7, R14)."""
    if not keys & PRINCIPAL_KEYS:
        yield ANYBODY
        return
    if named.wild_accounts:
        raise TooHard("an account is compared with a pattern")
    kinds = [Kind.USER, Kind.ROLE_SESSION]
    if keys & {"aws:principalarn", "aws:principaltype", "aws:username"}:
        # A federated user session has its user's policies, as far as its session policy lets it (E23).
        kinds.append(Kind.FEDERATED_USER)
    if root:
        # The organization's policies bind the root user, too, who needs no other policy (E1, E31).
        kinds.append(Kind.ROOT)
    accounts = (*sorted(named.accounts), OTHERS[0])
    owners: tuple[str | None, ...] = (owner,) if owner else (None, *sorted(named.accounts), OTHERS[1])
    partitions = _partitions(named, keys) if named.in_partitions or "aws:principalarn" in keys else ["aws"]
    for kind, partition, account, whose in product(kinds, partitions, accounts, owners):
        yield replace(_named_by(kind, partition, account), owner=whose or account, open=True)


def _of_resource_policies(named: Named, keys: frozenset[str], owner: str | None) -> Iterator[Caller]:
    accounts = dict.fromkeys((*sorted(named.accounts), *([owner] if owner else []), OTHERS[0]))
    owners = (owner,) if owner else (*sorted(named.accounts), OTHERS[1], OTHERS[0])
    if named.wild_accounts:
        raise TooHard("an account is compared with a pattern")
    kinds = (Kind.USER, Kind.ROLE_SESSION, Kind.FEDERATED_USER, Kind.ROOT)
    some = [
        *(_named_by(k, p, a) for k, p, a in product(kinds, _partitions(named, keys), accounts)),
        *(caller for arn in sorted(named.arns) for caller in _at_arn(arn)),
        *(caller for unique_id in sorted(named.unique_ids) for caller in _with_id(unique_id, named, keys)),
        *(Caller(Principal(Kind.SERVICE, name=name)) for name in (*sorted(named.services), f"{FRESH}.amazonaws.com")),
        *(Caller(Principal(Kind.FEDERATED, name=name)) for name in (*sorted(named.providers), FRESH)),
        *(
            Caller(Principal(Kind.CANONICAL, name=name))
            for name in (*sorted(named.canonical), FRESH)
            if named.canonical
        ),
        Caller(Principal(Kind.ANONYMOUS)),
    ]
    taken = tuple(glob_of(arn) for arn in sorted(named.arns))
    for caller, whose in product(some, owners):
        yield replace(caller, owner=whose, not_names=(*caller.not_names, *taken) if caller.names else ())


def glob_of(text: str) -> Glob:
    """The pattern that matches this text alone."""
    return Glob((text,))


def _at_arn(arn: str) -> Iterator[Caller]:
    """The callers that a Principal element means when it names this ARN."""
    partition, account, name = arn.split(":")[1], arn.split(":")[4], arn.split(":", 5)[5]
    kind, _, rest = name.partition("/")
    iam = f"arn:{partition}:iam::{account}"
    if kind == "user":
        yield Caller(Principal(Kind.USER, arn, account, partition))
        federated = f"arn:{partition}:sts::{account}:federated-user/"
        yield Caller(
            Principal(Kind.FEDERATED_USER, federated + FRESH, account, partition, issuer=arn),
            (glob(f"{federated}*"),),
        )
    elif kind == "role":
        session = f"arn:{partition}:sts::{account}:assumed-role/{rest.rsplit('/', 1)[-1]}/{FRESH}"
        yield Caller(Principal(Kind.ROLE_SESSION, session, account, partition, issuer=arn))
    elif kind == "assumed-role":
        role = f"{iam}:role/{rest.split('/')[0]}"
        yield Caller(Principal(Kind.ROLE_SESSION, arn, account, partition, issuer=role))
        other = arn.rsplit("/", 1)[0] + f"/{FRESH}"
        yield Caller(Principal(Kind.ROLE_SESSION, other, account, partition, issuer=role))
    elif kind == "federated-user":
        yield Caller(Principal(Kind.FEDERATED_USER, arn, account, partition, issuer=f"{iam}:user/{FRESH}"))


def _with_id(unique_id: str, named: Named, keys: frozenset[str]) -> Iterator[Caller]:
    """The callers that have a unique id which a Principal element names (rules P21 to P23)."""
    for partition, account in product(_partitions(named, keys), (*sorted(named.accounts), OTHERS[0])):
        yield replace(_named_by(Kind.USER, partition, account), user_id=unique_id)
        yield replace(_named_by(Kind.ROLE_SESSION, partition, account), user_id=f"{unique_id}:{FRESH}")


def _distinct(found: Iterable[Caller], old: Layers, new: Layers, keys: frozenset[str]) -> Iterator[Caller]:
    """One of those that no statement and no condition tells apart."""
    seen = set()
    told_apart = bool(keys & PRINCIPAL_KEYS)
    for caller in found:
        principal = caller.principal
        ways = tuple(
            statement.principals.reaches(principal, caller.user_id)
            for statement in _statements(old, new)
            if statement.principals is not None
        )
        cross = principal.account is not None and principal.account != caller.owner
        sign: tuple[object, ...] = (principal.kind, ways, cross, principal.partition)
        if told_apart:
            sign = (*sign, principal.account, caller.owner, caller.names or principal.identity_arn)
        if sign not in seen:
            seen.add(sign)
            yield caller


def _by_region(caller: Caller, region: Region, old: Layers, new: Layers) -> Iterator[Caller]:
    """The same callers, once for each part of the region in which the rules differ."""
    principal = caller.principal
    cross = principal.account is not None and principal.account != caller.owner
    regions = [replace(region, outside=(*region.outside, *_never_in_question(principal)))]
    if cross and principal.partition is not None:
        # Rule X10: nobody gets at another account's resources in another partition.
        things = (Glob(("*",)), glob(f"arn:{principal.partition}:*:*:*:*"))
        regions = [replace(whole, things=things) for whole in regions]
    if cross:
        # Rule K9: of KMS, only these operations work from another account.
        across = tuple(glob(name) for name in sorted(KMS_ACROSS_ACCOUNTS))
        regions = [
            part
            for whole in regions
            for part in (
                replace(whole, outside=(*whole.outside, glob("kms:*"))),
                replace(whole, inside=_meet_all(whole.inside, across)),
            )
        ]
    if old.rcp is not None or new.rcp is not None:
        regions = [part for whole in regions for part in _by_rcp(whole)]
    if not cross and principal.kind is Kind.ROLE_SESSION and not caller.open:
        # Rule T18 asks more of a chained session that sets a source identity.
        regions = [
            part
            for whole in regions
            for part in (
                replace(whole, outside=(*whole.outside, SOURCE_IDENTITY)),
                replace(whole, inside=_meet_all(whole.inside, (SOURCE_IDENTITY,))),
            )
        ]
    yield from (replace(caller, region=part) for part in regions if part.inside)


SOURCE_IDENTITY = glob("sts:setsourceidentity")


def _never_in_question(principal: Principal) -> tuple[Glob, ...]:
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


def _by_rcp(region: Region) -> Iterator[Region]:
    """Where RCPs bind and where not (rules S16, S18)."""
    services = tuple(glob(f"{service}:*") for service in sorted(rcp.services()))
    retire = glob("kms:retiregrant")
    yield replace(region, inside=_meet_all(region.inside, services), outside=(*region.outside, retire))
    yield replace(region, outside=(*region.outside, *services), rcp=False)
    yield replace(region, inside=_meet_all(region.inside, (retire,)), rcp=False)


#: Where nothing tells callers apart: a user, who can call whatever a session can.
ANYBODY = replace(
    _named_by(Kind.USER, "aws", "111111111111"),
    owner="111111111111",
    open=True,
    region=Region(outside=_never_in_question(_named_by(Kind.USER, "aws", "111111111111").principal)),
)


@lru_cache(maxsize=1024)
def _meet_all(left: tuple[Glob, ...], right: tuple[Glob, ...]) -> tuple[Glob, ...]:
    return tuple(dict.fromkeys(part for one, other in product(left, right) for part in intersection(one, other)))
