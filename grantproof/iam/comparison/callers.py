"""All callers, sorted into the few kinds that policies distinguish.

Two callers are of one kind if every statement of both sides names them in the same way (as everybody, through their
account, their role, or themselves), and the same layers have to allow them. One caller then stands for all of its kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import product

from grantproof.iam.comparison.caller import ANYBODY, PRINCIPAL_KEYS, Caller, named_by
from grantproof.iam.comparison.domains import by_domain, in_question
from grantproof.iam.comparison.effort import TooHard
from grantproof.iam.comparison.language import FRESH
from grantproof.iam.comparison.named import Named, partitions_of, services_of, statements_of
from grantproof.iam.glob import Glob, glob
from grantproof.iam.layers import Layers
from grantproof.iam.principal import Kind, Principal

#: Accounts that stand for "an account that nothing names", unless they are named.
_STAND_INS = ("210987654321", "321098765432", *(f"{number:012}" for number in range(432109876543, 432109876643)))


def others(named: Named, owner: str | None = None) -> tuple[str, str]:
    """Two accounts that no policy names, neither of which is the owner.

    Raises:
        TooHard: all accounts of a fixed list are named.
    """
    first, second, *_ = *(one for one in _STAND_INS if one != owner and one not in named.accounts), "", ""
    if not second:
        raise TooHard("the policies name all accounts that were to stand for those that they do not name")
    return first, second


def callers(
    old: Layers, new: Layers, named: Callable[[], Named], keys: frozenset[str], owner: str | None
) -> Iterator[Caller]:
    """Every kind of caller that the two sides can distinguish, except service-linked roles (rule T31).

    Args:
        named: what either side names, if that matters.
        keys: the condition keys that either side uses.
        owner: the account of the resource, if it is known.

    Raises:
        TooHard: the two resource policies are of different types, or an account is compared with a pattern.
    """
    types = {layers.resource.type for layers in (old, new) if layers.resource is not None}
    if not types and not keys & PRINCIPAL_KEYS and old.rcp is None and new.rcp is None:
        yield ANYBODY
        return
    if len(types) > 1:
        raise TooHard(f"a {' and a '.join(sorted(t.value for t in types))} are not comparable")
    inside, outside = in_question(next(iter(types), None))
    if types:
        for caller in _distinct(_of_resource_policies(named(), keys, owner), old, new, keys):
            yield from by_domain(caller, inside, old, new, keys)
        if not _differ_besides(old, new):
            return
    root = limits_differ(old, new)
    for caller in _distinct(_of_identity_policies(named(), keys, owner, root=root), old, new, keys):
        yield from by_domain(caller, outside, old, new, keys)


def limits_differ(old: Layers, new: Layers) -> bool:
    """Do the organization's policies of the two sides differ?"""
    return (old.scp, old.rcp) != (new.scp, new.rcp)


def _differ_besides(old: Layers, new: Layers) -> bool:
    """Do the two sides differ in more than the resource's policy?"""
    return replace(old, resource=None) != replace(new, resource=None)


def _of_identity_policies(named: Named, keys: frozenset[str], owner: str | None, *, root: bool) -> Iterator[Caller]:
    """Without a resource policy on either side, only the caller's policies are compared: for users and role sessions,
    and resources of any account, as if their owner let the caller's account in (rules X7, R14)."""
    if not keys & PRINCIPAL_KEYS:
        yield ANYBODY
        return
    if named.wild_accounts:
        raise TooHard("an account is compared with a pattern")
    kinds = [Kind.USER, Kind.ROLE_SESSION]
    if keys & {"aws:principalarn", "aws:principaltype", "aws:username"}:
        # A federated user session has its user's policies, limited by its session policy (E23).
        kinds.append(Kind.FEDERATED_USER)
    if root:
        # The organization's policies bind the root user, too, who needs no other policy (E1, E31).
        kinds.append(Kind.ROOT)
    other, another = others(named, owner)
    accounts = (*sorted(named.accounts), other)
    owners: tuple[str | None, ...] = (owner,) if owner else (None, *sorted(named.accounts), another)
    partitions = partitions_of(named, keys) if named.in_partitions or "aws:principalarn" in keys else ["aws"]
    for kind, partition, account, whose in product(kinds, partitions, accounts, owners):
        caller = named_by(kind, partition, account)
        yield replace(caller, owner=whose or account, open=True, of_any_other=account == other)


def _of_resource_policies(named: Named, keys: frozenset[str], owner: str | None) -> Iterator[Caller]:
    other, another = others(named, owner)
    accounts = dict.fromkeys((*sorted(named.accounts), *([owner] if owner else []), other))
    owners = (owner,) if owner else (*sorted(named.accounts), another, other)
    if named.wild_accounts:
        raise TooHard("an account is compared with a pattern")
    kinds = (Kind.USER, Kind.ROLE_SESSION, Kind.FEDERATED_USER, Kind.ROOT)
    some = [
        *(
            replace(named_by(k, p, a), of_any_other=a == other)
            for k, p, a in product(kinds, partitions_of(named, keys), accounts)
        ),
        *(caller for arn in sorted(named.arns) for caller in at_arn(arn)),
        *(caller for one in sorted(named.unique_ids) for caller in _with_id(one, partitions_of(named, keys), accounts)),
        *(Caller(Principal(Kind.SERVICE, name=name)) for name in services_of(named)),
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
    """The pattern that matches only this text."""
    return Glob((text,))


def at_arn(arn: str) -> Iterator[Caller]:
    """The callers that a Principal element means if it names this ARN."""
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


def _with_id(unique_id: str, partitions: Iterable[str], accounts: Iterable[str]) -> Iterator[Caller]:
    """The callers with a unique ID that a Principal element names (rules P21 to P23)."""
    for partition, account in product(partitions, accounts):
        yield replace(named_by(Kind.USER, partition, account), user_id=unique_id)
        yield replace(named_by(Kind.ROLE_SESSION, partition, account), user_id=f"{unique_id}:{FRESH}")


def _distinct(found: Iterable[Caller], old: Layers, new: Layers, keys: frozenset[str]) -> Iterator[Caller]:
    """One caller of each group that no statement and no condition distinguishes."""
    seen = set()
    told_apart = bool(keys & PRINCIPAL_KEYS)
    for caller in found:
        principal = caller.principal
        ways = tuple(
            statement.principals.reaches(principal, caller.user_id)
            for statement in statements_of(old, new)
            if statement.principals is not None
        )
        cross = principal.account is not None and principal.account != caller.owner
        sign: tuple[object, ...] = (principal.kind, ways, cross, principal.partition)
        if told_apart:
            sign = (*sign, principal.account, caller.owner, caller.names or principal.identity_arn, principal.name)
        if sign not in seen:
            seen.add(sign)
            yield caller
