"""Does what is deployed say what the contract says? One comparison for all who ask: of what a principal may do, of who
enters a role, and of what the policy on a resource says; deployed, worked out or held by a real account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from grantproof.aws.held.deployed import Deployed
from grantproof.aws.mocked import policies_of_aws
from grantproof.contract import DeclaredPrincipal, DeclaredResource
from grantproof.iam import Policy, PolicyType
from grantproof.iam.comparison.comparisons import request_as_dict
from grantproof.iam.comparison.cover import NotPlain, uncovered
from grantproof.iam.comparison.promise import Breach, check_promise
from grantproof.iam.request import account_of


@dataclass(frozen=True)
class Sides:
    """What is compared.

    Attributes:
        declared: whose access it is.
        what: the verb: "may do", "is entered" or "says".
        real: the policies that are held. Those that name principals are one.
        promised: the contract's, of the same type.
        boundary: cuts the held ones.
        bearer: the ARN of the user or role that has the policies; None where they are not one's own.
        missing_managed: ARNs of promised AWS managed policies that the account does not hold; not readable.
    """

    declared: DeclaredPrincipal | DeclaredResource
    what: str
    real: tuple[Policy, ...]
    promised: tuple[Policy, ...]
    boundary: tuple[Policy, ...] | None = None
    bearer: str | None = None
    missing_managed: tuple[str, ...] = ()

    @property
    def clause(self) -> str:
        """What is claimed."""
        return f"{self.declared.alias} {self.what} exactly as the contract says"

    def trivially_agree(self) -> bool:
        """Does it take no more than a look at each statement to see that they agree? Quick, and sound; False says
        nothing."""
        return not self.missing_managed and self.boundary is None and _trivially_agree(self.real, self.promised)


_OF_AWS = ":iam::aws:policy/"


@lru_cache(maxsize=1024)
def _trivially_agree(real: tuple[Policy, ...], promised: tuple[Policy, ...]) -> bool:
    # Most policies are the same under most combinations.
    try:
        return not uncovered(real, promised) and not uncovered(promised, real)
    except NotPlain:
        return False


@dataclass(frozen=True)
class Disagreement:
    """What one side gives and the other does not, or why that cannot be said.

    Attributes:
        place: of the deployed statement that shows it; empty where only the contract has one.
        shown: the statement's name, and a request as a witness.
    """

    kind: Literal["wider", "narrower", "doubt"]
    detail: str
    place: str = ""
    shown: Mapping[str, Any] = field(default_factory=dict)


def permissions(deployed: Deployed, principal: DeclaredPrincipal) -> Sides:
    """What a principal may do, by its policies under its boundary.

    Raises:
        SnapshotIncomplete: the contract names an output that no stack has.
        KeyError: nothing of this name is deployed.
    """
    held = deployed.held(principal) if principal.kind != "policy" else None
    known = deployed.policies.documents
    return Sides(
        principal,
        "may do",
        deployed.identity_policies(principal),
        (deployed.promised(deployed.allowed(principal), PolicyType.IDENTITY),),
        held.boundary if held is not None else None,
        held.arn if held is not None and principal.kind in ("role", "user") else None,
        tuple(arn for named in principal.managed if (arn := deployed.resolved(named.reference)) not in known),
    )


def trust(deployed: Deployed, role: DeclaredPrincipal, policy: Policy) -> Sides:
    """Who enters a role, by its trust policy."""
    return Sides(role, "is entered", (policy,), (deployed.promised(role.trust, PolicyType.TRUST),))


def resource_policy(deployed: Deployed, resource: DeclaredResource, policy: Policy) -> Sides:
    """What the policy on a resource says."""
    return Sides(resource, "says", (policy,), (deployed.promised(resource.policy, policy.type),))


def disagreements(deployed: Deployed, sides: Sides) -> Iterator[Disagreement]:
    """Every piece of access that one side gives and the other does not, over all requests; then what cannot be said."""
    attached = [policy.label for policy in sides.real if _OF_AWS in policy.label]
    for arn in sides.missing_managed:
        others = f"; attached of AWS's own: {', '.join(attached)}" if attached else ""
        near = policies_of_aws.nearest(arn)
        meant = f". There is no such policy; did you mean {near}?" if near else ""
        said = f"narrower than the contract, which promises {arn}: it is not attached{others}{meant}"
        yield Disagreement("narrower", said)
    found = check_promise(
        sides.promised,
        sides.real,
        boundary=sides.boundary,
        owner=_owner(deployed, sides.real),
        bearer=sides.bearer,
        partition=deployed.contract.partition,
    )
    for breach in found.breaches:
        place, statement = _shown_by(deployed, breach)
        shown = {"statement": statement, "witness": request_as_dict(breach.witness)}
        yield Disagreement("wider" if breach.wider else "narrower", _said(breach), place, shown)
    if found.doubt:
        yield Disagreement("doubt", f"cannot be compared: {found.doubt}")


def _owner(deployed: Deployed, policies: tuple[Policy, ...]) -> str | None:
    """The account of the role or resource on which a policy stands that names principals."""
    if not policies or policies[0].type is PolicyType.IDENTITY:
        return None
    arn = policies[0].label.removesuffix("#trust")
    return account_of(arn) or deployed.policies.owner(arn)


def _said(breach: Breach) -> str:
    if breach.denied:
        return (
            f"the contract promises that {breach.clause} is denied, whatever else allows it, and no statement denies it"
        )
    if not breach.wider:
        cut = "; a Deny takes it away" if breach.cited.policy != "contract" and breach.cited.effect == "Deny" else ""
        return f"narrower than the contract, which promises {breach.clause}{cut}"
    return f"wider than the contract: {breach.clause}"


def _shown_by(deployed: Deployed, breach: Breach) -> tuple[str, str]:
    """Place and name of the statement that shows a breach."""
    cited = breach.cited
    name = f"Sid {cited.sid}" if cited.sid else f"Statement[{cited.statement}]"
    if cited.policy == "contract":
        return "", name
    found = deployed.origins.place(cited.policy, cited.statement)
    return str(found or ""), name + deployed.origins.inside(cited.policy)
