"""Compares policies with the contract: permissions of a principal, trust policy of a role, policy of a resource.

The policies may be deployed in the mocked world, synthesised without it, or taken from the export of a real account.
"""

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
    """The two sides of one comparison: policies in force, and those of the contract.

    Attributes:
        declared: the principal or resource of the contract.
        what: the verb of the claim: "may do", "is entered" or "says".
        real: the policies in force; exactly one where it is a trust or resource policy.
        promised: the contract's statements as policies of the same type.
        boundary: the permissions boundary that limits `real`; None without one.
        bearer: the ARN of the user or role to which identity policies belong; None for a group, a managed policy, and
            trust and resource policies.
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
        """The claim, as a sentence."""
        return f"{self.declared.alias} {self.what} exactly as the contract says"

    def trivially_agree(self) -> bool:
        """Do the two sides agree statement by statement? Fast and sound, but incomplete: False does not mean that they
        differ."""
        return not self.missing_managed and self.boundary is None and _trivially_agree(self.real, self.promised)


_OF_AWS = ":iam::aws:policy/"


@lru_cache(maxsize=1024)
def _trivially_agree(real: tuple[Policy, ...], promised: tuple[Policy, ...]) -> bool:
    # Cached: most policies are the same under most combinations of options.
    try:
        return not uncovered(real, promised) and not uncovered(promised, real)
    except NotPlain:
        return False


@dataclass(frozen=True)
class Disagreement:
    """A difference between the two sides, or the reason why they cannot be compared.

    Attributes:
        kind: `wider` or `narrower` than the contract; `doubt` where it cannot be decided.
        detail: the difference, for the finding's text.
        place: of the deployed statement that causes it; empty where only the contract has one.
        shown: `statement` (its Sid or index) and `witness` (a request on which the sides differ).
        covers: what the text abbreviates or leaves out.
    """

    kind: Literal["wider", "narrower", "doubt"]
    detail: str
    place: str = ""
    shown: Mapping[str, Any] = field(default_factory=dict)
    covers: str = ""


def permissions(deployed: Deployed, principal: DeclaredPrincipal) -> Sides:
    """The identity policies of a principal, under its permissions boundary.

    Raises:
        SnapshotIncomplete: the contract names an output that no stack has.
        PrincipalNotDeployed: the principal is not deployed.
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
    """The trust policy of a role."""
    return Sides(role, "is entered", (policy,), (deployed.promised(role.trust, PolicyType.TRUST),))


def resource_policy(deployed: Deployed, resource: DeclaredResource, policy: Policy) -> Sides:
    """The policy of a resource."""
    return Sides(resource, "says", (policy,), (deployed.promised(resource.policy, policy.type),))


def disagreements(deployed: Deployed, sides: Sides) -> Iterator[Disagreement]:
    """Every difference between the two sides, over all requests; then what could not be compared."""
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
        yield Disagreement("wider" if breach.wider else "narrower", _said(breach), place, shown, breach.in_full)
    if found.doubt:
        yield Disagreement("doubt", f"cannot be compared: {found.doubt}")


def _owner(deployed: Deployed, policies: tuple[Policy, ...]) -> str | None:
    """The account that owns the role or resource of a trust or resource policy; None for identity policies."""
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
    """Place and name of the statement that causes a breach."""
    cited = breach.cited
    name = f"Sid {cited.sid}" if cited.sid else f"Statement[{cited.statement}]"
    if cited.policy == "contract":
        return "", name
    found = deployed.origins.place(cited.policy, cited.statement)
    return str(found or ""), name + deployed.origins.inside(cited.policy)
