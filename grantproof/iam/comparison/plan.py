"""Which layers must allow a request of one kind of caller, as groups of statements.

The case distinctions of the evaluation (rules E9 to E19, T2 to T4, X1 to X6, K2 to K9) are made here once for each kind
of caller. The remaining question is: *in which groups of statements must an Allow fire?*
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from grantproof.iam.assumption import Judge
from grantproof.iam.comparison.caller import Caller
from grantproof.iam.comparison.domains import SOURCE_IDENTITY
from grantproof.iam.comparison.effort import TooHard
from grantproof.iam.decision import Cited, Match
from grantproof.iam.granting import stands_alone
from grantproof.iam.layers import Entry, Layers
from grantproof.iam.match import only, principal_matches
from grantproof.iam.policy import PolicyType
from grantproof.iam.principal import Kind, Via


@dataclass(frozen=True)
class Plan:
    """What has to happen for one kind of caller to be allowed.

    Attributes:
        options: alternatives; in one of them every group (a bit mask of statements) needs an Allow that fires. Without
            options nothing is allowed. An option without groups allows unless a Deny fires.
        denies: the Deny statements that apply.
        reached: the statements of all effects that reach the caller.
    """

    options: tuple[tuple[int, ...], ...]
    denies: int
    reached: int


def plan(
    entries: tuple[tuple[PolicyType, int, Entry], ...],
    layers: Layers,
    caller: Caller,
    type_: PolicyType,
    judge: Judge,
) -> Plan:
    """The plan for one kind of caller (the procedure after rule E44). `type_`: the type of the resource policies that
    are compared, also if this side has none.

    Raises:
        Undecided: something is not known or not documented.
    """
    if layers.grants:
        raise TooHard("KMS grants are compared beside the key policy only: give it as the resource policy (K15)")
    layer = _Fitted(entries, layers, caller, type_, judge)
    common = layer.common()
    options = () if common is None else tuple((*common, *option) for option in layer.grants())
    return Plan(options, layer.denies, layer.reached)


def names_no_caller(layers: Layers) -> bool:
    """Does no layer name principals?"""
    return not layers.grants and layers.resource is None and layers.rcp is None and layers.endpoint is None


def plan_for_anybody(entries: tuple[tuple[PolicyType, int, Entry], ...], layers: Layers) -> Plan:
    """The plan if no layer names principals: each layer must allow (rules E19, E20, E22, E24, S5)."""
    groups = {(type_, level): 0 for type_, level, _ in layers.sets}
    denies = 0
    for number, (type_, level, (_, statement)) in enumerate(entries):
        if statement.allow:
            groups[type_, level] |= 1 << number
        else:
            denies |= 1 << number
    # An organization without any level of SCPs allows nothing (rule S5).
    options = () if layers.scp == () else (tuple(groups.values()),)
    return Plan(options, denies, (1 << len(entries)) - 1)


class _Fitted:
    """The layers as they apply to one kind of caller."""

    def __init__(
        self,
        entries: tuple[tuple[PolicyType, int, Entry], ...],
        layers: Layers,
        caller: Caller,
        type_: PolicyType,
        judge: Judge,
    ) -> None:
        self._layers, self._caller, self._type, self._judge = layers, caller, type_, judge
        self._groups: dict[tuple[PolicyType, int], int] = {}
        self._resource: list[tuple[int, Match]] = []
        self.denies = self.reached = 0
        has_boundary = layers.boundary is not None
        request = caller.request
        for number, (type_, level, (policy, statement)) in enumerate(entries):
            if not self._binds(type_):
                continue
            via = principal_matches(policy, statement, request, judge, has_boundary=has_boundary)
            if policy.type is PolicyType.ENDPOINT and only(via, Via.ACCOUNT) and caller.principal.kind is not Kind.ROOT:
                raise TooHard("on a gateway endpoint an account principal covers the root user only (S27)")
            if not via:
                continue
            bit = 1 << number
            self.reached |= bit
            if not statement.allow:
                self.denies |= bit
                continue
            self._groups[type_, level] = self._groups.get((type_, level), 0) | bit
            if type_ is PolicyType.RESOURCE:
                cited = Cited(policy.label, statement.index, statement.sid, "Allow", policy.type)
                narrowed = any(test.key == "aws:principalarn" for test in statement.conditions)
                self._resource.append((bit, Match(cited, via, type_, level, narrowed)))

    def _binds(self, type_: PolicyType) -> bool:
        """As in the evaluation: do such policies apply to this caller (rules E44, S3, S16, S18; O25)?"""
        principal = self._caller.principal
        if type_ is PolicyType.RESOURCE:
            return self._caller.domain.resource_policy
        if type_ is PolicyType.SCP:
            return principal.account is not None and principal.kind is not Kind.CANONICAL
        if type_ is PolicyType.RCP:
            bound = principal.kind is not Kind.SERVICE or self._judge.takes("O25", "bound")
            return self._caller.domain.rcp and bound
        return True

    def _group(self, type_: PolicyType, level: int = 0) -> int:
        return self._groups.get((type_, level), 0)

    def common(self) -> tuple[int, ...] | None:
        """The groups that every option needs; None if nothing can be allowed."""
        out: list[int] = []
        layers = self._layers
        for type_, levels in ((PolicyType.RCP, layers.rcp), (PolicyType.SCP, layers.scp)):
            if levels is not None and self._binds(type_):
                if not levels:
                    return None
                out += [self._group(type_, level) for level in range(len(levels))]
        if layers.endpoint is not None:
            out.append(self._group(PolicyType.ENDPOINT))
        return tuple(out)

    def _limits(self) -> tuple[int, ...] | None:
        """The boundary and session policy that limit a grant; None if these allow nothing."""
        layers, principal = self._layers, self._caller.principal
        if principal.kind is Kind.FEDERATED_USER and layers.session is None and self._judge.takes("O22", "denied"):
            return None
        present = ((PolicyType.BOUNDARY, layers.boundary), (PolicyType.SESSION, layers.session))
        return tuple(self._group(type_) for type_, policies in present if policies is not None)

    def _limited(self, *groups: int) -> list[tuple[int, ...]]:
        limits = self._limits()
        return [] if limits is None else [(*groups, *limits)]

    def _resources(self, keep: Callable[[Match], bool]) -> int:
        return sum(bit for bit, match in self._resource if keep(match))

    def grants(self) -> list[tuple[int, ...]]:
        """The ways in which something is granted (rules E9 to E19, T2 to T4, X2 to X6, K2 to K7)."""
        principal, layers = self._caller.principal, self._layers
        identity = self._group(PolicyType.IDENTITY)
        resource = self._group(PolicyType.RESOURCE)
        if self._caller.open:
            return [()] if principal.kind is Kind.ROOT else self._limited(identity)
        if principal.account is None or principal.kind is Kind.CANONICAL:
            return [(resource,)]
        if principal.account != self._caller.owner:
            return self._across_accounts(identity, resource)
        type_ = self._type
        direct = self._resources(lambda m: stands_alone(m, layers, self._judge))
        named = self._resources(lambda m: bool(m.via & ~Via.ACCOUNT))
        if type_ not in (PolicyType.TRUST, PolicyType.KEY):
            if principal.kind is Kind.ROOT:
                return [()]
            return [(direct,), *self._limited(named | identity)]
        if self._sets_source_identity():
            return self._limited(resource, identity)
        delegated = self._resources(lambda m: bool(m.via & Via.ACCOUNT))
        if principal.kind is Kind.ROOT:
            return [(direct | delegated,), *self._limited(named)]
        return [(direct,), *self._limited(named), *self._limited(delegated, identity)]

    def _across_accounts(self, identity: int, resource: int) -> list[tuple[int, ...]]:
        principal, layers = self._caller.principal, self._layers
        if principal.kind is Kind.ROOT:
            return [(resource,)]
        limits = layers.boundary is not None or layers.session is not None or principal.kind is Kind.FEDERATED_USER
        out = self._limited(resource, identity)
        itself = self._resources(lambda m: bool(m.via & Via.ITSELF))
        if limits and itself and not self._judge.takes("O18", "limited"):
            out.append((itself, identity))
        return out

    def _sets_source_identity(self) -> bool:
        inside = self._caller.domain.inside
        return self._caller.principal.kind is Kind.ROLE_SESSION and inside == (SOURCE_IDENTITY,)
