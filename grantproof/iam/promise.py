"""Does what is deployed allow exactly what was promised?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from grantproof.iam.compare import Comparison, Difference, compare
from grantproof.iam.document import Policy, PolicyType, parse
from grantproof.iam.evaluate import Cited, Outcome, evaluate
from grantproof.iam.layers import Layers
from grantproof.iam.request import Request

_EVERYTHING = parse(
    {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}, PolicyType.IDENTITY, "everything"
)


@dataclass(frozen=True)
class Breach:
    """A piece of access in which the deployed policies and the promise differ.

    Attributes:
        wider: is it deployed and not promised, or promised and not deployed?
        clause: the piece, in words.
        cited: the statement that shows it: the deployed one that allows what was not promised, or that denies what was;
            else the promised one that nothing deployed answers to.
        witness: a request of it, decided by the evaluator on both sides.
    """

    wider: bool
    clause: str
    cited: Cited
    witness: Request


@dataclass(frozen=True)
class Kept:
    """The answer. `doubt` says why it is not one; empty where `breaches` is all that there is."""

    breaches: tuple[Breach, ...] = ()
    doubt: str = ""


def kept(
    promised: Sequence[Policy],
    deployed: Sequence[Policy],
    *,
    boundary: Sequence[Policy] | None = None,
    owner: str | None = None,
) -> Kept:
    """Compare deployed policies with promised ones, over all requests, both ways.

    Identity policies are compared as the policies of one caller, limited by its `boundary`. A policy that names
    principals is compared as the policy of one resource of the account `owner`, for callers whose own policies allow
    everything.

    Exact; a verdict that depends on a reading of AWS's documentation is a doubt, as is what could not be decided.
    """
    return _kept(tuple(promised), tuple(deployed), None if boundary is None else tuple(boundary), owner)


@lru_cache(maxsize=1024)
def _kept(
    promised: tuple[Policy, ...], deployed: tuple[Policy, ...], boundary: tuple[Policy, ...] | None, owner: str | None
) -> Kept:
    of_resource = any(policy.type is not PolicyType.IDENTITY for policy in (*promised, *deployed))
    if of_resource:
        old, new = (_of_resource(policies) for policies in (promised, deployed))
    else:
        old, new = Layers(identity=promised), Layers(identity=deployed, boundary=boundary)
    found = compare(old, new, owner=owner)
    breaches = [Breach(True, str(d.clause), _of_interest(d), d.witness) for d in found.new_access]
    breaches += [Breach(False, str(d.clause), _answered(d, new), d.witness) for d in found.lost_access]
    return Kept(tuple(breaches), _doubt(found))


def _of_resource(policies: tuple[Policy, ...]) -> Layers:
    (policy,) = policies
    return Layers(identity=(_EVERYTHING,), resource=policy)


def _doubt(found: Comparison) -> str:
    if found.reason:
        return found.reason
    if found.depends_on:
        return f"it depends on open points of AWS's documentation: {', '.join(found.depends_on)}"
    return ""


def _of_interest(difference: Difference) -> Cited:
    """The statement that lets the witness through: of the layer that grants, and not what limits it."""
    cited = [c for c in difference.because if c.policy != _EVERYTHING.label]
    granting = [c for c in cited if c.type is not PolicyType.BOUNDARY]
    return (granting or cited)[0]


def _answered(difference: Difference, new: Layers) -> Cited:
    """A deployed Deny that takes away what is promised, or the promising statement."""
    decision = evaluate(difference.witness, new)
    if decision.outcome is Outcome.EXPLICIT_DENY:
        return decision.because[0]
    return _of_interest(difference)
