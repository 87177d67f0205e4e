"""The evaluation: is a request allowed, and by what (rules E1 to E43)?

The central rule is `_decide`; it reads from top to bottom as the procedure after rule E43 does. Everything above it
collects which statements apply, everything below it is a rule that belongs to one kind of resource or caller.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from itertools import islice, product

from grantproof.iam import rcp
from grantproof.iam.assumption import DEFAULTS, Assumptions, Judge
from grantproof.iam.document import Policy, PolicyType, Statement
from grantproof.iam.errors import BadRequest, Undecided
from grantproof.iam.layers import ROLE_ENTRY, Grant, Layers, is_role_entry
from grantproof.iam.match import applies
from grantproof.iam.principal import Kind, Via
from grantproof.iam.request import Request


class Outcome(Enum):
    """What becomes of a request (rule E6)."""

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
    """The answer to a request.

    Attributes:
        because: for `allowed` every statement that supplied an allow (of identity and resource policies both, where
            either would have been enough), for `explicitDeny` every Deny that applied; empty for an implicit deny and
            where no statement is needed (root user, rule T28).
        blocked_by: for an implicit deny, the policy type that had no allow; None where a rule bars the request whatever
            the policies say.
        rule: the rule that settled it without a statement, such as `T9`; empty otherwise.
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


def evaluate(request: Request, layers: Layers, assumptions: Assumptions = DEFAULTS) -> Decision:
    """Decide one request. Exact for the rules of the reference; open points are read as `assumptions` says.

    Raises:
        Undecided: the decision rests on something unknown or undocumented; names document and statement.
        BadRequest: the decision rests on the resource's account, which is not known.
    """
    judge = Judge(assumptions)
    decision = _with_known_owner(request, layers, judge)
    if not judge.consulted:
        return decision
    dependencies = _dependencies(request, layers, assumptions, judge.consulted, decision)
    return replace(decision, depends_on=dependencies) if dependencies else decision


_MOST_COMBINATIONS = 256


def _dependencies(
    request: Request, layers: Layers, assumptions: Assumptions, consulted: set[str], decision: Decision
) -> tuple[str, ...]:
    """The consulted open points that matter: those that differ in a combination of readings with another outcome.

    A different reading may consult further points, so the set is grown until it is stable.
    """
    names = sorted(consulted)
    found: set[str] = set()
    options = [[assumptions, *assumptions.alternatives(name)] for name in names]
    for combination in islice(product(*options), _MOST_COMBINATIONS):
        chosen = dict(assumptions.chosen)
        for name, option in zip(names, combination, strict=True):
            chosen[name] = option.reading(name)
        judge = Judge(Assumptions(chosen))
        try:
            differs = _with_known_owner(request, layers, judge).outcome is not decision.outcome
        except (Undecided, BadRequest):
            differs = True
        if not judge.consulted <= set(names):
            return _dependencies(request, layers, assumptions, consulted | judge.consulted, decision)
        if differs:
            found.update(n for n in names if chosen[n] != assumptions.reading(n))
    return tuple(sorted(found, key=lambda name: int(name[1:])))


_FOREIGN = "000000000000"


def _with_known_owner(request: Request, layers: Layers, judge: Judge) -> Decision:
    """Where the resource's owner is not known, the decision must be the same for an own and a foreign resource."""
    account = request.principal.account
    if request.resource_account is not None or account is None:
        return _evaluate(request, layers, judge)
    if "aws:resourceaccount" not in layers.condition_keys:
        own = _evaluate(replace(request, resource_account=account), layers, judge)
        foreign = _evaluate(replace(request, resource_account=_FOREIGN), layers, judge)
        if own.outcome is foreign.outcome:
            return foreign
    raise BadRequest(
        f"{request.resource} does not say whose it is, and the decision depends on it: give resource_account",
        element="resource_account",
    )


@dataclass(frozen=True, slots=True)
class Match:
    """A statement (or KMS grant) that applies, and how it reaches the caller."""

    cited: Cited
    via: Via
    type: PolicyType
    level: int = 0
    narrowed_by_arn: bool = False


class Found:
    """The statements that apply, the Allows by layer and level."""

    __slots__ = ("_allows", "denies")

    def __init__(self) -> None:
        self._allows: dict[tuple[PolicyType, int], tuple[Match, ...]] = {}
        self.denies: tuple[Match, ...] = ()

    def add(self, match: Match) -> None:
        """One more."""
        if match.cited.effect == "Deny":
            self.denies += (match,)
        else:
            at = (match.type, match.level)
            self._allows[at] = (*self._allows.get(at, ()), match)

    def of(self, type_: PolicyType, level: int = 0) -> tuple[Match, ...]:
        """The Allow statements of one layer or level."""
        return self._allows.get((type_, level), ())


def _evaluate(request: Request, layers: Layers, judge: Judge) -> Decision:
    barred = _barred(request)
    if not barred and (rule := _needs_no_permission(request)):
        return Decision(Outcome.ALLOWED, rule=rule)
    found, doubts = _scan(request, layers, judge)
    decision = _decide(request, layers, found, barred, judge)
    if not doubts or decision.outcome is Outcome.EXPLICIT_DENY:
        return decision
    # A statement that may or may not apply matters only if the outcome turns on it.
    for match, doubt in doubts:
        if match.cited.effect == "Deny":
            raise doubt
    for match, _ in doubts:
        found.add(match)
    if _decide(request, layers, found, barred, judge).outcome is not decision.outcome:
        raise doubts[0][1]
    return decision


Doubts = list[tuple[Match, Undecided]]


def _scan(request: Request, layers: Layers, judge: Judge) -> tuple[Found, Doubts]:
    """Which statements of every layer apply, and of which that cannot be said."""
    found = Found()
    doubts: Doubts = []
    bounded = layers.boundary is not None
    for type_, level, policies in layers.sets:
        candidates = policies.candidates(request.key, request.resource)
        if not candidates or not _binds(type_, request, judge):
            continue
        for policy, statement in candidates:
            try:
                via = applies(policy, statement, request, bounded, judge)
            except Undecided as error:
                doubt = Undecided(error.message, policy.label, statement.index, error.element)
                doubts.append((_match(type_, level, policy, statement, _EVERY_WAY), doubt))
                continue
            if via:
                found.add(_match(type_, level, policy, statement, via))
    for grant in layers.grants:
        if via := _granted_by(grant, request):
            found.add(Match(Cited(grant.label, 0, None, "Allow", PolicyType.KEY), via, PolicyType.RESOURCE))
    return found, doubts


_EVERY_WAY = Via.EVERYONE | Via.ACCOUNT | Via.ROLE | Via.FEDERATING_USER | Via.ITSELF


def _match(type_: PolicyType, level: int, policy: Policy, statement: Statement, via: Via) -> Match:
    cited = Cited(policy.label, statement.index, statement.sid, statement.effect, policy.type)
    narrowed = any(test.key == "aws:principalarn" for test in statement.conditions)
    return Match(cited, via, type_, level, narrowed)


def _binds(type_: PolicyType, request: Request, judge: Judge) -> bool:
    """Does this type of policy bear on the request at all? (rules E40, S3, S16, S18; O25)"""
    caller = request.principal
    if type_ is PolicyType.SCP:
        return caller.account is not None and caller.kind is not Kind.CANONICAL and not caller.service_linked
    if type_ is PolicyType.RCP:
        if caller.service_linked or request.key == "kms:retiregrant" or _enters_service_linked_role(request):
            return False
        if request.key.partition(":")[0] not in rcp.services():
            return False
        return caller.kind is not Kind.SERVICE or judge.takes("O25", "bound")
    return True


def _enters_service_linked_role(request: Request) -> bool:
    return is_role_entry(request.action) and ":role/aws-service-role/" in (request.resource or "")


def _decide(request: Request, layers: Layers, found: Found, barred: str, judge: Judge) -> Decision:
    """The procedure after rule E43. `barred`: the rule by which the request cannot succeed, or nothing."""
    if found.denies:
        return Decision(Outcome.EXPLICIT_DENY, tuple(match.cited for match in found.denies))
    if barred:
        return Decision(Outcome.IMPLICIT_DENY, rule=barred)

    needed: list[Match] = []
    for type_, levels in layers.organization:
        if _binds(type_, request, judge):
            if not levels:
                return Decision(Outcome.IMPLICIT_DENY, blocked_by=type_)
            for level in range(len(levels)):
                if not (allows := found.of(type_, level)):
                    return Decision(Outcome.IMPLICIT_DENY, blocked_by=type_)
                needed += allows
    if layers.endpoint is not None:
        if not (allows := found.of(PolicyType.ENDPOINT)):
            return Decision(Outcome.IMPLICIT_DENY, blocked_by=PolicyType.ENDPOINT)
        needed += allows

    grants = _grants(request, layers, found, judge)
    if isinstance(grants, PolicyType):
        return Decision(Outcome.IMPLICIT_DENY, blocked_by=grants)
    needed += grants.matches
    bounded = layers.boundary is not None or layers.session is not None
    if grants.limited and (bounded or request.principal.kind is Kind.FEDERATED_USER):
        for type_, present in ((PolicyType.BOUNDARY, layers.boundary), (PolicyType.SESSION, layers.session)):
            if present is not None:
                if not (allows := found.of(type_)):
                    return Decision(Outcome.IMPLICIT_DENY, blocked_by=type_)
                needed += allows
        if _lacks_session_policy(request, layers, judge):
            return Decision(Outcome.IMPLICIT_DENY, blocked_by=PolicyType.SESSION)
    return Decision(Outcome.ALLOWED, tuple(match.cited for match in needed), rule=grants.rule)


@dataclass(frozen=True, slots=True)
class _Granted:
    """What grants the request, and whether boundary and session policy then limit it."""

    matches: tuple[Match, ...]
    limited: bool
    rule: str = ""


def _grants(request: Request, layers: Layers, found: Found, judge: Judge) -> _Granted | PolicyType:
    """The grant from identity policies and the resource policy, or the type that lacks an allow."""
    resource = found.of(PolicyType.RESOURCE)
    identity = found.of(PolicyType.IDENTITY)
    caller = request.principal
    resource_type = layers.resource.type if layers.resource else _implied_type(request)
    if caller.account is None or caller.kind is Kind.CANONICAL:
        # Services, federated identities and anonymous callers have no policies of their own (rules T8, E42).
        return _Granted(resource, limited=False) if resource else resource_type
    if request.cross_account:
        return _across_accounts(request, layers, resource, identity, judge) or (
            PolicyType.IDENTITY if resource else resource_type
        )
    if resource_type in (PolicyType.TRUST, PolicyType.KEY):
        return _by_resource_policy(request, layers, resource, identity, judge) or (
            PolicyType.IDENTITY if resource else resource_type
        )
    if caller.kind is Kind.ROOT:
        return _Granted((), limited=False, rule="E1")
    if not resource:
        return _Granted(identity, limited=True) if identity else PolicyType.IDENTITY
    direct = tuple(m for m in resource if stands_alone(m, layers, judge))
    if direct:
        unlimited = layers.boundary is None and layers.session is None
        return _Granted((*direct, *identity) if unlimited else direct, limited=False)
    named = tuple(m for m in resource if m.via & ~Via.ACCOUNT)
    if named or identity:
        return _Granted((*named, *identity), limited=True)
    return PolicyType.IDENTITY


def _across_accounts(
    request: Request, layers: Layers, resource: tuple[Match, ...], identity: tuple[Match, ...], judge: Judge
) -> _Granted | None:
    """Both sides have to allow (rules X2 to X6, K7); the root user of a trusted account has everything that the account
    was given (rule X6)."""
    if not resource:
        return None
    if request.principal.kind is Kind.ROOT:
        return _Granted(resource, limited=False)
    if not identity:
        return None
    limits = layers.boundary is not None or layers.session is not None or request.principal.kind is Kind.FEDERATED_USER
    direct = limits and any(m.via & Via.ITSELF for m in resource)
    return _Granted((*resource, *identity), limited=not direct or judge.takes("O18", "limited"))


def _by_resource_policy(
    request: Request, layers: Layers, resource: tuple[Match, ...], identity: tuple[Match, ...], judge: Judge
) -> _Granted | None:
    """Role trust policies and key policies have to allow by themselves: the caller, or its account, which then passes
    the permission on through identity policies (rules E10, T2, T3, K2 to K6). To set a source identity, a chained
    session needs an allow of its own policies besides (rule T18)."""
    if request.key == "sts:setsourceidentity" and request.principal.kind is Kind.ROLE_SESSION:
        return _Granted((*resource, *identity), limited=True) if resource and identity else None
    direct = tuple(m for m in resource if stands_alone(m, layers, judge))
    if direct:
        return _Granted(direct, limited=False)
    named = tuple(m for m in resource if m.via & ~Via.ACCOUNT)
    delegated = tuple(m for m in resource if m.via & Via.ACCOUNT)
    if delegated and request.principal.kind is Kind.ROOT:
        return _Granted(delegated, limited=False)
    if named:
        return _Granted(named, limited=True)
    if delegated and identity:
        return _Granted((*delegated, *identity), limited=True)
    return None


def stands_alone(match: Match, layers: Layers, judge: Judge) -> bool:
    """Does this grant of a resource policy of the caller's own account stand whatever boundary and session policy leave
    out (rules E11 to E17)?"""
    if match.via & Via.ITSELF:
        return True
    if layers.boundary is None and layers.session is None:
        return bool(match.via & (Via.EVERYONE | Via.ROLE))
    if match.via & Via.EVERYONE:
        return match.narrowed_by_arn or judge.takes("O37", "unlimited")
    if match.via & Via.ROLE:
        if match.cited.type is PolicyType.TRUST:
            return judge.takes("O19", "unlimited")
        return judge.takes("O17", "unlimited")
    return False


def _lacks_session_policy(request: Request, layers: Layers, judge: Judge) -> bool:
    """A federated user session without session policy has none of its user's rights (rules E23, T25; O22)."""
    federated = request.principal.kind is Kind.FEDERATED_USER
    return federated and layers.session is None and judge.takes("O22", "denied")


NEEDS_NO_PERMISSION = {"sts:getcalleridentity": "T28", "sts:getsessiontoken": "T26"}


def _needs_no_permission(request: Request) -> str:
    """The rule by which the action needs no permission and cannot be denied, or nothing."""
    if request.principal.account is None:
        return ""
    return NEEDS_NO_PERMISSION.get(request.key, "")


def _barred(request: Request) -> str:
    """The rule by which the request cannot succeed whatever the policies say, or nothing."""
    caller, key = request.principal, request.key
    if caller.kind is Kind.ROOT and key == "sts:assumerole":
        return "T9"
    if caller.kind is Kind.ROLE_SESSION and key in ("sts:getfederationtoken", "sts:getsessiontoken"):
        return "T23"
    if caller.kind is Kind.FEDERATED_USER and (
        key.startswith("iam:") or (key.startswith("sts:") and key != "sts:getcalleridentity")
    ):
        return "T24"
    if request.cross_account:
        if key.startswith("kms:") and key not in KMS_ACROSS_ACCOUNTS:
            return "K9"
        partition = (request.resource or "").split(":", 2)[1:2]
        if partition and caller.partition not in (None, partition[0]):
            return "X10"
    return ""


#: The operations of rule K9, the cryptographic ones spelt out.
KMS_ACROSS_ACCOUNTS = frozenset(
    f"kms:{name}".lower()
    for name in """
    Decrypt DeriveSharedSecret Encrypt GenerateDataKey GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext
    GenerateDataKeyWithoutPlaintext GenerateMac GenerateRandom ReEncryptFrom ReEncryptTo Sign Verify VerifyMac
    CreateGrant DescribeKey GetKeyRotationStatus GetPublicKey ListGrants RetireGrant RevokeGrant
    """.split()
)


def _implied_type(request: Request) -> PolicyType:
    """What resource policy would have to exist: every role has a trust policy and every key a key policy."""
    if request.key in ROLE_ENTRY:
        return PolicyType.TRUST
    if request.key.startswith("kms:") and ":key/" in (request.resource or ""):
        return PolicyType.KEY
    return PolicyType.RESOURCE


def _granted_by(grant: Grant, request: Request) -> Via:
    """How a KMS grant reaches the caller (rules K15 to K17)."""
    if request.key not in grant.operations:
        return Via.NONE
    prefix = "kms:encryptioncontext:"
    context = {k[len(prefix) :]: v for k, v in request.values.items() if k.startswith(prefix)}
    for wanted, exact in ((grant.context_subset, False), (grant.context_equals, True)):
        if wanted is None:
            continue
        pairs = {name.lower(): (value,) for name, value in wanted.items()}
        if any(context.get(name) != value for name, value in pairs.items()) or (exact and set(context) != set(pairs)):
            return Via.NONE
    return grant.grantee.reaches(request.principal, request.values.get("aws:userid", (None,))[0])
