"""The facts of a deployed grant for reports: principals, trust, permissions, resource policies, and counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Protocol

from grantproof.contract import (
    Contract,
    DeclaredPrincipal,
    DeclaredResource,
    DeclaredStatement,
    UnknownFact,
    resolve,
)
from grantproof.evidence import words
from grantproof.evidence.options import Clause, Option, options
from grantproof.iam import Policy, Statement, actions
from grantproof.source import Place


class Holder(Protocol):
    """A deployed IAM entity and its policies."""

    @property
    def arn(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def trust(self) -> Policy | None: ...
    @property
    def boundary(self) -> tuple[Policy, ...] | None: ...
    @property
    def max_session(self) -> int: ...


class Origins(Protocol):
    """The places of deployed statements in the templates."""

    def place(self, label: str, statement: int | None = None) -> Place | None: ...


class Deployed(Protocol):
    """A deployed grant, as far as reports use it."""

    @property
    def origins(self) -> Any: ...
    @property
    def deployment(self) -> Any: ...
    def resolved(self, value: Any) -> Any: ...
    def held(self, principal: DeclaredPrincipal) -> Any: ...
    def allowed(self, principal: DeclaredPrincipal) -> tuple[DeclaredStatement, ...]: ...
    def identity_policies(self, principal: DeclaredPrincipal) -> tuple[Policy, ...]: ...
    def resource_policy(self, resource: DeclaredResource) -> Policy | None: ...


@dataclass(frozen=True, slots=True)
class Known:
    """Numbers of known actions that a principal's deployed policies allow without conditions, allow under conditions,
    and deny on every resource. `release` is that of the action list."""

    allowed: int
    conditional: int
    denied: int
    total: int
    release: str


@dataclass(frozen=True, slots=True)
class Principal:
    """A declared principal: the contract's clauses (`promised_...`) and the deployed ones.

    `caller` is the ARN with which it calls in the mocked world; `arn` is empty where it is not deployed.
    """

    alias: str
    kind: str
    place: str
    arn: str
    caller: str
    max_session: int
    promised_session: int
    entered_by: tuple[str, ...]
    promised_trust: tuple[Clause, ...]
    promised: tuple[Clause, ...]
    denied: tuple[Clause, ...]
    trust: tuple[Clause, ...]
    allowed: tuple[Clause, ...]
    boundary: tuple[Clause, ...]
    known: Known


@dataclass(frozen=True, slots=True)
class Resource:
    """A declared resource with a policy: the contract's clauses and the deployed ones."""

    alias: str
    arn: str
    place: str
    promised: tuple[Clause, ...]
    deployed: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class Sending:
    """An entry of the contract's `sends`: the sending resource as `stack/logical ids`, and its destinations."""

    alias: str
    resource: str
    place: str
    to: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of a grant. `all_options`: the contract accounts for every option of the templates."""

    grant: str
    description: str
    region: str
    accounts: Mapping[str, str]
    stacks: tuple[Mapping[str, str], ...]
    principals: tuple[Principal, ...]
    resources: tuple[Resource, ...] = ()
    options: tuple[Option, ...] = ()
    all_options: bool = False
    sends: tuple[Sending, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain data, JSON-serialisable."""
        return asdict(self)


def describe(contract: Contract, deployed: Deployed) -> Facts:
    """Everything that reports show of a grant besides its claims."""
    stacks = tuple(
        {
            "alias": stack.alias,
            "account": stack.account,
            "name": stack.name,
            "template": stack.template.name,
            "resources": ", ".join(sorted(f"{'/'.join(r.path)} ({r.type})" for r in stack.resources)),
        }
        for stack in deployed.deployment.stacks
    )
    return Facts(
        grant=contract.grant,
        description="" if contract.description == "-" else contract.description,
        region=contract.region,
        accounts=dict(contract.accounts),
        stacks=stacks,
        principals=tuple(_principal(principal, deployed) for principal in contract.principals),
        resources=tuple(_resource(resource, deployed) for resource in contract.resources),
        options=options(contract, partial(_filled, deployed)),
        all_options=contract.accounts_for_options,
        sends=tuple(
            Sending(s.alias, "/".join(s.path), str(s.place), tuple(_filled(deployed, s.to))) for s in contract.sends
        ),
    )


#: Takes a statement and what it is about, and returns a sentence.
_Sentence = Callable[[Any, str], str]


def _resource(resource: DeclaredResource, deployed: Deployed) -> Resource:
    policy = deployed.resource_policy(resource)
    promised = [(deployed.resolved(s.document), str(s.place)) for s in resource.policy]
    found = [(words.document_of(s), _place(deployed.origins, policy, s)) for s in policy.statements] if policy else []

    def clauses(statements: Iterable[tuple[Any, str]]) -> tuple[Clause, ...]:
        return tuple(Clause(document, words.policy_sentence(document), place) for document, place in statements)

    return Resource(
        alias=resource.alias,
        arn=str(deployed.resolved(resource.reference)),
        place=str(resource.place),
        promised=clauses(promised),
        deployed=clauses(found),
    )


def _filled(deployed: Deployed, value: Any) -> Any:
    """A value with its references replaced; as written where it refers to a resource that only an option creates."""
    if isinstance(value, Mapping):
        return {key: _filled(deployed, item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(deployed, item) for item in value]
    try:
        return resolve(value, deployed.deployment.facts)
    except UnknownFact:
        return value


def _principal(principal: DeclaredPrincipal, deployed: Deployed) -> Principal:
    held: Holder | None = deployed.held(principal) if principal.kind != "policy" else None
    try:
        policies = deployed.identity_policies(principal)
    except LookupError:
        policies = ()
    arn = held.arn if held else deployed.resolved(principal.reference) if policies else ""
    name = f"{principal.kind} {principal.alias}"

    def promised(statements: Iterable[DeclaredStatement], sentence: _Sentence = words.sentence) -> tuple[Clause, ...]:
        return tuple(_promised(s, deployed.resolved(s.document), name, sentence) for s in statements)

    def found(policies: Iterable[Policy], sentence: _Sentence = words.sentence) -> tuple[Clause, ...]:
        return tuple(
            Clause(document, sentence(document, name), _place(deployed.origins, policy, statement))
            for policy in policies
            for statement in policy.statements
            for document in [words.document_of(statement)]
        )

    return Principal(
        alias=principal.alias,
        kind=principal.kind,
        place=str(principal.place),
        arn=arn,
        caller=_caller(principal, arn),
        max_session=held.max_session if held and principal.kind == "role" else 0,
        promised_session=principal.max_session if principal.kind == "role" else 0,
        entered_by=principal.entered_by,
        promised_trust=promised(principal.trust, words.trust_sentence),
        promised=promised(deployed.allowed(principal)),
        denied=promised(principal.denies),
        trust=found((held.trust,) if held and held.trust else (), words.trust_sentence),
        allowed=found(policies),
        boundary=found((held.boundary or ()) if held else ()),
        known=numbers(_of(policies), _of(held.boundary) if held and held.boundary is not None else None),
    )


def _promised(statement: DeclaredStatement, document: Any, name: str, sentence: _Sentence) -> Clause:
    if statement.levels:
        document = {**document, "AccessLevel": list(statement.levels)}
    text = sentence(document, name)
    if statement.levels:
        text = text.removesuffix(".") + f", as far as the actions are of level {' or '.join(statement.levels)}."
    return Clause(document, text, str(statement.place))


def _place(origins: Origins, policy: Policy, statement: Statement) -> str:
    found = origins.place(policy.label, statement.index)
    return str(found) if found else ""


def _caller(principal: DeclaredPrincipal, arn: str) -> str:
    """The ARN with which `Stage.member` acts as the principal in the mocked world."""
    if principal.kind != "group" or not arn:
        return arn
    return f"{arn.rpartition(':')[0]}:user/{principal.alias}-member"


def _of(policies: Iterable[Policy]) -> list[Statement]:
    return [statement for policy in policies for statement in policy.statements]


def numbers(statements: Sequence[Statement], boundary: Sequence[Statement] | None = None) -> Known:
    """Count the known actions. An action that an Allow covers counts as allowed unless a Deny without conditions
    covers it on every resource; under a boundary, as far as that allows it too."""
    free, bound = _counted(statements)
    if boundary is not None:
        most_free, most_bound = _counted(boundary)
        free, bound = free & most_free, (free | bound) & (most_free | most_bound)
    total = len(actions.every())
    return Known(len(free), len(bound - free), total - len(free | bound), total, actions.release())


def _counted(statements: Sequence[Statement]) -> tuple[set[str], set[str]]:
    """The known actions that are allowed without conditions, and those that are allowed under conditions."""
    free = _names(s for s in statements if s.allow and not s.conditions)
    bound = _names(s for s in statements if s.allow and s.conditions)
    taken = _names(s for s in statements if not s.allow and not s.conditions and _on_everything(s))
    limited = _names(s for s in statements if not s.allow and not (not s.conditions and _on_everything(s)))
    allowed = free - taken - limited
    return allowed, (free | bound) - taken - allowed


def _on_everything(statement: Statement) -> bool:
    return not statement.not_resource and any(r.text == "*" for r in statement.resources or ())


def _names(statements: Iterable[Statement]) -> set[str]:
    return {name for s in statements for name in actions.covered(map(str, s.actions), others=s.not_action)}
