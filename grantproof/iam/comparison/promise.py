"""Do deployed policies allow exactly what was promised?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from grantproof.iam.assumption import in_doubt
from grantproof.iam.comparison.all_callers import by_all_callers
from grantproof.iam.comparison.clause import Clause
from grantproof.iam.comparison.compare import Comparison, Difference, compare
from grantproof.iam.comparison.witness import borne_by, delegated, in_partition
from grantproof.iam.decision import Cited, Outcome
from grantproof.iam.document import EVERYTHING
from grantproof.iam.errors import IamError
from grantproof.iam.evaluate import evaluate
from grantproof.iam.layers import Layers
from grantproof.iam.policy import Policy, PolicyType
from grantproof.iam.request import Request


@dataclass(frozen=True, kw_only=True)
class Breach:
    """A piece of access in which the deployed policies and the promise differ.

    Attributes:
        wider: is it deployed and not promised, rather than promised and not deployed?
        clause: the piece, in words.
        in_full: the same with all entries of its lists.
        cited: the statement that shows it: the deployed one that allows what was not promised, or denies what was; else
            the promised one, an Allow or Deny, to which nothing deployed corresponds.
        witness: a request of it, decided by the evaluator on both sides.
        denied: was it promised that this is denied, even if another policy allows it?
    """

    wider: bool
    clause: str
    in_full: str
    cited: Cited
    witness: Request
    denied: bool = False


@dataclass(frozen=True)
class PromiseCheck:
    """The result. `doubt`: why `breaches` can be incomplete; empty if they are complete."""

    breaches: tuple[Breach, ...] = ()
    doubt: str = ""


def check_promise(
    promised: Sequence[Policy],
    deployed: Sequence[Policy],
    *,
    boundary: Sequence[Policy] | None = None,
    owner: str | None = None,
    bearer: str | None = None,
    partition: str = "aws",
) -> PromiseCheck:
    """Compare deployed policies with promised ones, over all requests, both ways.

    Identity policies are compared as the policies of one caller, limited by its `boundary`. A policy that names
    principals is compared as the policy of one resource of the account `owner`: for callers whose own policies allow
    everything, and for callers who have none.

    Of identity policies a promised Deny has to be there as well, also where nothing beside it is allowed: the policy of
    a resource can let a session in that a boundary merely leaves out, but not one that is denied (rules E2, E13, E16).

    `bearer` is the ARN of the user or role that has the identity policies; witnesses are its requests where they can
    be, and in this partition.

    Exact; a verdict that depends on a reading of AWS's documentation is a doubt, as is what could not be decided.
    """
    return _checked(
        tuple(promised), tuple(deployed), None if boundary is None else tuple(boundary), owner, bearer, partition
    )


@lru_cache(maxsize=1024)
def _checked(
    promised: tuple[Policy, ...],
    deployed: tuple[Policy, ...],
    boundary: tuple[Policy, ...] | None,
    owner: str | None,
    bearer: str | None,
    partition: str,
) -> PromiseCheck:
    sides = [(Layers(identity=promised), Layers(identity=deployed, boundary=boundary))]
    if any(policy.type is not PolicyType.IDENTITY for policy in (*promised, *deployed)):
        (old,), (new,) = promised, deployed
        # Whom a policy names in its own account it lets in by itself; others need policies of their own (E11 to E18).
        sides = [
            (Layers(identity=identity, resource=old), Layers(identity=identity, resource=new))
            for identity in ((EVERYTHING,), ())
        ]
    pieces: dict[tuple[bool, str], _Piece] = {}
    doubts = []
    for before, after in sides:
        found = compare(before, after, owner=owner)
        doubts.append(_doubt(found))
        for difference in found.new_access:
            witness = _told(difference.witness, after, before, bearer, partition)
            piece = _Piece(True, difference.clause, _of_interest(difference, before), witness)
            pieces.setdefault((True, difference.clause.in_words()), piece)
        for difference in found.lost_access:
            witness = _told(difference.witness, before, after, bearer, partition)
            piece = _Piece(False, difference.clause, _answered(difference, after), witness)
            pieces.setdefault((False, difference.clause.in_words()), piece)
    merged = by_all_callers(pieces.values(), clause=lambda p: p.clause, alike=lambda p: (p.wider, p.cited))
    told = [_breach(clause, piece.cited, piece.witness, wider=piece.wider) for piece, clause in merged]
    breaches = {(breach.wider, breach.in_full): breach for breach in told}
    if len(sides) == 1:
        undenied = denied_less(Layers(identity=promised), sides[0][1])
        doubts.append(_doubt(undenied))
        for difference in undenied.lost_access:
            witness = difference.witness
            cited = evaluate(witness, sides[0][0]).because[0]
            breach = replace(_breach(difference.clause, cited, witness, wider=True), denied=True)
            breaches.setdefault((True, breach.in_full), breach)
    return PromiseCheck(tuple(breaches.values()), "; ".join(dict.fromkeys(filter(None, doubts))))


@dataclass(frozen=True, slots=True)
class _Piece:
    """A breach by one kind of caller."""

    wider: bool
    clause: Clause
    cited: Cited
    witness: Request


def _breach(clause: Clause, cited: Cited, witness: Request, *, wider: bool) -> Breach:
    return Breach(wider=wider, clause=str(clause), in_full=clause.in_words(), cited=cited, witness=witness)


def denied_less(old: Layers, new: Layers) -> Comparison:
    """What identity policies and boundary of one caller deny, before and after. `lost_access` is what no statement
    denies any more; what is denied besides is not looked for where the old ones deny nothing."""
    before, after = _denials(old), _denials(new)
    if not before or before == after:
        before = after = ()
    return compare(Layers(identity=before), Layers(identity=after))


@lru_cache(maxsize=1024)
def taken_away(policies: tuple[Policy, ...], deny: Policy) -> Comparison:
    """What a Deny takes away from what the identity policies of one caller allow: `lost_access`."""
    return compare(Layers(identity=policies), Layers(identity=(*policies, deny)))


def _denials(layers: Layers) -> tuple[Policy, ...]:
    """The Deny statements as Allows: whether a statement applies does not depend on its effect (rule C4)."""
    out = []
    for policy in (*layers.identity, *(layers.boundary or ())):
        if any(not statement.allow for statement in policy.statements):
            turned = tuple(replace(s, allow=True) for s in policy.statements if not s.allow)
            out.append(replace(policy, type=PolicyType.IDENTITY, statements=turned))
    return tuple(out)


def _told(witness: Request, allowing: Layers, refusing: Layers, bearer: str | None, partition: str) -> Request:
    """The witness as a request in the partition, of the bearer, replayed on both sides, also with a resource owner who
    lets it in; unchanged if that does not show the breach."""
    request = in_partition(witness, partition)
    sides = [(allowing, refusing)]
    if bearer is not None:
        request = borne_by(request, bearer)
    if allowing.resource is None:
        sides.append((delegated(allowing, request), delegated(refusing, request)))
    for here, there in sides if request != witness else ():
        try:
            if evaluate(request, here).allowed and not evaluate(request, there).allowed:
                return request
        except IamError:
            continue
    return witness


def _doubt(found: Comparison) -> str:
    if found.reason:
        return found.reason
    if found.depends_on:
        return in_doubt(found.depends_on)
    return ""


def _of_interest(difference: Difference, refusing: Layers) -> Cited:
    """The statement that lets the witness through: of the layer that grants it, not of one that limits it. If only the
    caller's own policies do, the Deny on the other side that forbids the witness."""
    cited = [c for c in difference.because if c.policy != EVERYTHING.label]
    granting = [c for c in cited if c.type is not PolicyType.BOUNDARY]
    return (granting or cited or evaluate(difference.witness, refusing).because)[0]


def _answered(difference: Difference, new: Layers) -> Cited:
    """A deployed Deny that forbids what is promised, or the promising statement."""
    decision = evaluate(difference.witness, new)
    if decision.outcome is Outcome.EXPLICIT_DENY:
        return decision.because[0]
    return _of_interest(difference, new)
