"""The policies that apply to a request, by layer, indexed so that only statements that can match are examined."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import Any

from grantproof.iam.document import parse
from grantproof.iam.errors import BadRequest, MalformedPolicy
from grantproof.iam.glob import Glob
from grantproof.iam.pattern import holds_private
from grantproof.iam.policy import Policy, PolicyType, Statement
from grantproof.iam.principal import PrincipalElement, is_unique_id, named_account

_MEMO_LIMIT = 65_536
_FEW = 16


class GlobIndex:
    """Finds which of many numbered globs match a text, with a dictionary for literals and buckets by first field for
    the others.

    `bucket` returns the first field of a text or of the literal prefix of a glob, or None if the prefix is too short.
    """

    def __init__(self, entries: Iterable[tuple[Glob, int]], bucket: Callable[[str], str | None]) -> None:
        self._bucket = bucket
        self._literal: dict[str, list[int]] = {}
        self._by_bucket: dict[str, list[tuple[Glob, int]]] = {}
        self._anywhere: list[tuple[Glob, int]] = []
        for glob, number in entries:
            if glob.literal is not None:
                self._literal.setdefault(glob.literal, []).append(number)
            elif (name := bucket(glob.prefix)) is not None:
                self._by_bucket.setdefault(name, []).append((glob, number))
            else:
                self._anywhere.append((glob, number))

    def matching(self, text: str) -> set[int]:
        """The numbers of all globs that match."""
        found = set(self._literal.get(text, ()))
        name = self._bucket(text)
        if name is not None:
            found.update(n for glob, n in self._by_bucket.get(name, ()) if glob.matches(text))
        found.update(n for glob, n in self._anywhere if glob.matches(text))
        return found


def service_of(text: str) -> str | None:
    """The service prefix of an action, or of the literal beginning of a pattern; None if it has no colon."""
    service, colon, _ = text.partition(":")
    return service if colon else None


def arn_service_of(text: str) -> str | None:
    """The service field of an ARN, or of the literal beginning of a pattern; None if that is too short."""
    fields = text.split(":", 3)
    return fields[2] if len(fields) == 4 else None


Entry = tuple[Policy, Statement]


class PolicySet:
    """The policies of one layer or level, as one list of statements (rule E5: their distribution over policies does not
    matter)."""

    def __init__(self, policies: tuple[Policy, ...]) -> None:
        self.policies = policies
        self.entries: tuple[Entry, ...] = tuple((p, s) for p in policies for s in p.statements)
        self._memo: dict[str, tuple[int, ...]] = {}

    @cached_property
    def _actions(self) -> GlobIndex:
        numbered = ((glob, n) for n, (_, s) in enumerate(self.entries) if not s.not_action for glob in s.actions)
        return GlobIndex(numbered, service_of)

    @cached_property
    def _negative(self) -> tuple[tuple[int, tuple[Glob, ...]], ...]:
        return tuple((n, s.actions) for n, (_, s) in enumerate(self.entries) if s.not_action)

    @cached_property
    def _resources(self) -> tuple[GlobIndex, frozenset[int]]:
        """An index of the plain resources, and the statements that are not in it (Not elements, variables, no
        resource)."""
        indexed: list[tuple[Glob, int]] = []
        others: set[int] = set()
        for number, (_, statement) in enumerate(self.entries):
            patterns = statement.resources
            if patterns is None or statement.not_resource or any(p.fixed is None for p in patterns):
                others.add(number)
            else:
                indexed += [(p.fixed, number) for p in patterns if p.fixed is not None]
        return GlobIndex(indexed, arn_service_of), frozenset(others)

    def for_action(self, key: str) -> tuple[int, ...]:
        """The statements whose Action or NotAction covers a lower-cased action, in order."""
        found = self._memo.get(key)
        if found is None:
            numbers = self._actions.matching(key)
            numbers.update(n for n, globs in self._negative if not any(g.matches(key) for g in globs))
            found = tuple(sorted(numbers))
            if len(self._memo) < _MEMO_LIMIT:
                self._memo[key] = found
        return found

    def candidates(self, key: str, resource: str | None) -> Sequence[Entry]:
        """The statements that can apply: a superset of those whose action and resource match."""
        numbers = self.for_action(key)
        if not numbers:
            return ()
        # The index does not apply to resources that are compared differently under some reading: "*", which wildcard
        # ARNs can cover (O28), and names of users, whose case may not matter (O6).
        if len(numbers) > _FEW and resource is not None and resource != "*" and ":user/" not in resource:
            index, others = self._resources
            keep = index.matching(resource) | others
            numbers = tuple(n for n in numbers if n in keep)
        return [self.entries[n] for n in numbers]

    @cached_property
    def condition_keys(self) -> frozenset[str]:
        """Every condition key that the policies use, also in variables."""
        keys: set[str] = set()
        for _, statement in self.entries:
            for test in statement.conditions:
                keys.add(test.key)
                keys.update(v.key for p in test.values for v in p.variables)
            for pattern in statement.resources or ():
                keys.update(v.key for v in pattern.variables)
        return frozenset(keys)


@dataclass(frozen=True, slots=True)
class Grant:
    """A KMS grant, which is an Allow outside policies (rules K15 to K17). Its operations are lower-cased IAM action
    names."""

    label: str
    grantee: PrincipalElement
    operations: frozenset[str]
    context_subset: Mapping[str, str] | None = None
    context_equals: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Layers:
    """All policies that apply to a request.

    None means that there is no such policy: no boundary, no session policy, no SCP. An empty *level* of SCPs or RCPs
    allows nothing (rules S5, S8). `identity` is empty if the caller has no identity policy.
    """

    identity: tuple[Policy, ...] = ()
    resource: Policy | None = None
    boundary: tuple[Policy, ...] | None = None
    session: tuple[Policy, ...] | None = None
    scp: tuple[tuple[Policy, ...], ...] | None = None
    rcp: tuple[tuple[Policy, ...], ...] | None = None
    endpoint: tuple[Policy, ...] | None = None
    grants: tuple[Grant, ...] = field(default=())

    @cached_property
    def sets(self) -> tuple[tuple[PolicyType, int, PolicySet], ...]:
        """The existing layers, as (type, level from 0, policies)."""
        out: list[tuple[PolicyType, int, PolicySet]] = [(PolicyType.IDENTITY, 0, PolicySet(self.identity))]
        if self.resource is not None:
            out.append((PolicyType.RESOURCE, 0, PolicySet((self.resource,))))
        for type_, policies in (
            (PolicyType.BOUNDARY, self.boundary),
            (PolicyType.SESSION, self.session),
            (PolicyType.ENDPOINT, self.endpoint),
        ):
            if policies is not None:
                out.append((type_, 0, PolicySet(policies)))
        for type_, levels in ((PolicyType.SCP, self.scp), (PolicyType.RCP, self.rcp)):
            out += [(type_, n, PolicySet(level)) for n, level in zip(count(), levels or ())]
        return tuple(out)

    @cached_property
    def organization(self) -> tuple[tuple[PolicyType, tuple[tuple[Policy, ...], ...]], ...]:
        """The organization's policies, by level, in the order in which they are evaluated (rule E3)."""
        both = ((PolicyType.RCP, self.rcp), (PolicyType.SCP, self.scp))
        return tuple((type_, levels) for type_, levels in both if levels is not None)

    @cached_property
    def condition_keys(self) -> frozenset[str]:
        """Every condition key that any layer uses."""
        return frozenset().union(*(policies.condition_keys for _, _, policies in self.sets))


_LAYERS = frozenset("identity resource boundary session scp rcp endpoint grants".split())


def parse_layers(data: Mapping[str, Any], action: str = "", resource: str = "") -> Layers:
    """Layers from plain data, in the form of `grantproof evaluate`. The type of the resource policy follows from the
    request: a trust policy for `sts:AssumeRole*` and related actions, a key policy for a KMS key.

    Raises:
        BadRequest: an unknown layer, or one of the wrong shape.
        MalformedPolicy: a document that AWS would refuse.
    """
    if unknown := sorted(set(data) - _LAYERS):
        raise BadRequest(f"unknown layer {unknown[0]!r}; known: {', '.join(sorted(_LAYERS))}", element=unknown[0])
    document = data.get("resource")
    return Layers(
        identity=_documents(data, "identity", PolicyType.IDENTITY) or (),
        resource=None if document is None else parse(document, resource_type(action, resource), "resource"),
        boundary=_documents(data, "boundary", PolicyType.BOUNDARY) or None,
        session=_documents(data, "session", PolicyType.SESSION) or None,
        scp=_levels(data, "scp", PolicyType.SCP),
        rcp=_levels(data, "rcp", PolicyType.RCP),
        endpoint=_documents(data, "endpoint", PolicyType.ENDPOINT) or None,
        grants=_grants(data),
    )


def resource_type(action: str, resource: str) -> PolicyType:
    """The type of resource policy that decides about this action (rules T1, K1)."""
    if is_role_entry(action):
        return PolicyType.TRUST
    if action.lower().startswith("kms:") and ":key/" in resource:
        return PolicyType.KEY
    return PolicyType.RESOURCE


ROLE_ENTRY = frozenset(
    """
    sts:assumerole sts:assumerolewithsaml sts:assumerolewithwebidentity
    sts:tagsession sts:setsourceidentity sts:setcontext
    """.split()
)


def is_role_entry(action: str) -> bool:
    """Does a role's trust policy decide about this action (rules T1, T7, T14, T18)?"""
    return action.lower() in ROLE_ENTRY


def _documents(data: Mapping[str, Any], name: str, type_: PolicyType) -> tuple[Policy, ...] | None:
    documents = data.get(name)
    if documents is None:
        return None
    if isinstance(documents, Mapping | str):
        documents = [documents]
    if not isinstance(documents, list | tuple):
        raise BadRequest(f"{name} is a list of policy documents", element=name)
    return tuple(parse(document, type_, f"{name}[{n}]") for n, document in enumerate(documents))


def _grants(data: Mapping[str, Any]) -> tuple[Grant, ...]:
    grants = data.get("grants") or ()
    if not isinstance(grants, list | tuple):
        raise BadRequest("grants is a list of KMS grants", element="grants")
    return tuple(parse_grant(grant, f"grants[{n}]") for n, grant in enumerate(grants))


def _levels(data: Mapping[str, Any], name: str, type_: PolicyType) -> tuple[tuple[Policy, ...], ...] | None:
    levels = data.get(name)
    if levels is None:
        return None
    if not isinstance(levels, list | tuple) or not all(isinstance(level, list | tuple) for level in levels):
        raise BadRequest(
            f"{name} is a list of levels, each a list of policy documents; a single level: [[...]]", element=name
        )
    return tuple(
        tuple(parse(document, type_, f"{name}[{n}][{i}]") for i, document in enumerate(level))
        for n, level in enumerate(levels)
    )


def parse_grant(data: Any, label: str) -> Grant:
    """A KMS grant in the form of ListGrants: `GranteePrincipal`, `Operations`, `Constraints`.

    Raises:
        MalformedPolicy: another shape.
    """
    known = {"GranteePrincipal", "Operations", "Constraints", "GrantId", "KeyId", "Name", "IssuingAccount"}
    if not isinstance(data, Mapping) or set(data) - known - {"RetiringPrincipal", "CreationDate"}:
        raise MalformedPolicy("a grant is an object of GranteePrincipal, Operations, Constraints", label)
    grantee, operations = data.get("GranteePrincipal"), data.get("Operations")
    if not isinstance(grantee, str) or holds_private(grantee) or not isinstance(operations, list) or not operations:
        raise MalformedPolicy("a grant needs GranteePrincipal and Operations", label)
    if not all(isinstance(operation, str) for operation in operations):
        raise MalformedPolicy("Operations holds names of KMS operations, such as Decrypt", label)
    account = named_account(grantee)
    constraints = data.get("Constraints") or {}
    _check_constraints(constraints, label)
    return Grant(
        label,
        PrincipalElement(
            accounts=frozenset({account} if account else ()),
            arns=frozenset() if account or is_unique_id(grantee) else frozenset({grantee}),
            unique_ids=frozenset({grantee} if is_unique_id(grantee) else ()),
        ),
        frozenset(f"kms:{operation}".lower() for operation in operations),
        constraints.get("EncryptionContextSubset"),
        constraints.get("EncryptionContextEquals"),
    )


_CONSTRAINTS = frozenset({"EncryptionContextSubset", "EncryptionContextEquals"})


def _check_constraints(constraints: Any, label: str) -> None:
    # A constraint that is not understood must not count as met.
    if not isinstance(constraints, Mapping) or set(constraints) - _CONSTRAINTS:
        raise MalformedPolicy(f"Constraints is an object of {' and '.join(sorted(_CONSTRAINTS))} (K15)", label)
    for name, pairs in constraints.items():
        if not isinstance(pairs, Mapping) or not all(isinstance(value, str) for value in pairs.values()):
            raise MalformedPolicy(f"{name} is an object of text, the pairs of an encryption context", label)
