"""Compares two deployed states of one grant over all requests: each piece of access that is gained or lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from grantproof.aws.held.sends import Sender
from grantproof.gate.state import State
from grantproof.iam import EVERYTHING, IamError, Layers, Policy, PolicyType, Request, evaluate
from grantproof.iam.assumption import in_doubt
from grantproof.iam.comparison.all_callers import by_all_callers
from grantproof.iam.comparison.compare import Comparison, Difference, Verdict, compare
from grantproof.iam.comparison.witness import delegated
from grantproof.source import Place, read

Way = Literal["gained", "lost"]


@dataclass(frozen=True)
class Promise:
    """The statement of the contract that covers new access. `new`: the contract did not promise it before."""

    place: Place
    new: bool


@dataclass(frozen=True)
class Access:
    """A piece of access that is gained or lost.

    Attributes:
        subject: in words, the principal and whether it may act or is assumed, or the policy on a resource.
        clause: the piece, in words.
        witness: a request that shows it: principal, action, resource, context.
        because: the statements that allow the witness, on the side that allows it, by file and line.
        place: for gained access, the place of the first of these statements.
        promise: the statement of the contract that covers gained access; None where there is none.
    """

    way: Way
    subject: str
    clause: str
    witness: Mapping[str, str]
    because: tuple[str, ...]
    place: Place | None = None
    promise: Promise | None = None


#: Labels of placeholder policies that are not part of the grant, so that they are not shown as a reason.
_PLACEHOLDER_POLICIES = ("owner", EVERYTHING.label)


@dataclass(frozen=True)
class _Piece:
    """A difference for one kind of caller."""

    way: Way
    difference: Difference
    promise: Promise | None

    @property
    def about(self) -> object:
        """What is the same for several kinds of callers whom the same statements let in."""
        cited = tuple(c for c in self.difference.because if c.policy not in _PLACEHOLDER_POLICIES)
        return self.way, self.promise, cited


#: The action of a witness for an external destination, which is no request.
SENDS = "sends"


def _written_at(sender: Sender) -> Place | None:
    resource = sender.resource
    return read(resource.template).place("Resources", resource.path[-1]) if resource.template is not None else None


def _both(old: Policy | None, new: Policy | None) -> tuple[Policy, Policy]:
    """Two resource policies, a missing one as a policy without statements."""
    some = new or old
    assert some is not None
    nothing = replace(some, statements=())
    return old or nothing, new or nothing


class Compared:
    """Compares two states of one grant; None stands for a grant that does not exist."""

    def __init__(self, before: State | None, after: State | None) -> None:
        self._before, self._after = before, after
        self.doubts: list[str] = []

    def access(self) -> Iterator[Access]:
        """All access gained and lost."""
        states = [state for state in (self._after, self._before) if state is not None]
        aliases = dict.fromkeys(p.alias for state in states for p in state.contract.principals)
        for alias in (*aliases, *dict.fromkeys(arn for state in states for arn in state.undeclared())):
            old, new = (state.layers(alias) if state else Layers() for state in (self._before, self._after))
            yield from self._differences(alias, "allows", [(old, new)], None)
            if arns := [arn for state in states if (arn := state.role_arn(alias))]:
                old, new = self._trust(alias)
                yield from self._differences(alias, "trust", [(old, new)], arns[0].split(":")[4])
                yield from self._sessions(alias, arns[0])
        yield from self._resource_policies(states)
        yield from self._sent()

    def _sent(self) -> Iterator[Access]:
        """The external destinations of resources, which no policy shows; the contract may promise them."""
        before, after = (state.sent() if state else {} for state in (self._before, self._after))
        for path, to in [key for key in (*before, *after) if not (key in before and key in after)]:
            way: Way = "gained" if (path, to) in after else "lost"
            sender = after[path, to] if way == "gained" else before[path, to]
            called = f"{'/'.join(path)} ({sender.resource.type})"
            place = _written_at(sender)
            promise = None
            if way == "gained" and self._after is not None and (said := self._after.promised_sent(path, to)):
                was = self._before.promised_sent(path, to) if self._before else None
                promise = Promise(said.place, was is None)
            named = (str(place),) if place is not None else ()
            yield Access(
                way,
                "what leaves its account",
                f"{called} sends to {to}",
                {"principal": called, "action": SENDS, "resource": to},
                named if way == "gained" else tuple(map(_base_place, named)),
                place if way == "gained" else None,
                promise,
            )

    def _sessions(self, alias: str, arn: str) -> Iterator[Access]:
        """The maximum session duration of a role, which no policy shows."""
        before, after = (state.max_session(alias) if state else None for state in (self._before, self._after))
        if before is None or after is None or before == after or self._after is None:
            return
        place, declared = self._after.written(alias), self._after.principal(alias)
        promise = None
        if declared is not None and declared.max_session >= after:
            was = self._before.principal(alias) if self._before else None
            promise = Promise(declared.place, was is None or was.max_session < after)
        context = f"DurationSeconds={max(before, after)}"
        witness = {
            "principal": f"whoever enters {alias}",
            "action": "sts:AssumeRole",
            "resource": arn,
            "context": context,
        }
        clause = f"for {after} seconds at most instead of {before}"
        gained = after > before
        yield Access("gained" if gained else "lost", f"{alias} is entered", clause, witness,
                     (f"{place} MaxSessionDuration",) if place else (), place if gained else None,
                     promise if gained else None)  # fmt: skip

    def _trust(self, alias: str) -> Iterator[Layers]:
        """The trust policies of both states, compared for callers whose own accounts allow them everything."""
        trusts = [state.trust(alias) if state else None for state in (self._before, self._after)]
        yield from (Layers(identity=(EVERYTHING,), resource=policy) for policy in _both(*trusts))

    def _resource_policies(self, states: list[State]) -> Iterator[Access]:
        for arn in dict.fromkeys(arn for state in states for arn in state.policies.resource_policies):
            owner = next(filter(None, (state.policies.owner(arn) for state in states)), None)
            found = [
                state.policies.resource_policies.get(arn) if state else None for state in (self._before, self._after)
            ]
            before, after = _both(*found)
            # Within one account a resource policy alone can allow; across accounts an identity policy has to allow as
            # well.
            pairs = [
                (Layers(identity=identity, resource=before), Layers(identity=identity, resource=after))
                for identity in ((), (EVERYTHING,))
            ]
            yield from self._differences(arn, "policy", pairs, owner)

    def _differences(
        self, alias: str, which: str, pairs: Sequence[tuple[Layers, Layers]], owner: str | None
    ) -> Iterator[Access]:
        """What differs between the old and the new layers of some pair, for all kinds of callers together."""
        subject = {"allows": f"{alias} may", "trust": f"{alias} is entered by", "policy": f"policy on {alias}"}[which]
        about = (alias, which, subject)
        pieces = [piece for old, new in pairs for piece in self._pieces(about, old, new, owner)]
        if len(pairs) > 1:
            pieces = list({str(piece.difference.clause): piece for piece in reversed(pieces)}.values())[::-1]
        merged = by_all_callers(pieces, clause=lambda piece: piece.difference.clause, alike=lambda piece: piece.about)
        for piece, clause in merged:
            yield self._access(piece.way, about, replace(piece.difference, clause=clause), piece.promise)

    def _pieces(self, about: tuple[str, str, str], old: Layers, new: Layers, owner: str | None) -> Iterator[_Piece]:
        alias, which, subject = about
        if old == new:
            return
        found = compare(old, new, owner=owner)
        self._note(subject, found)
        promise = self._after.promise(alias, which) if self._after else None
        beyond = found if promise is None else compare(_with(old, promise), new, owner=owner)
        if beyond is not found:
            self._note(f"{subject}: whether the contract covers it", beyond)
        for difference in beyond.new_access:
            yield _Piece("gained", difference, None)
        for difference in found.new_access:
            # Partly covered access is reported twice: the part not covered is among `beyond.new_access`.
            if (covering := self._promise(alias, which, difference)) is not None:
                yield _Piece("gained", difference, covering)
        for difference in found.lost_access:
            yield _Piece("lost", difference, None)

    def _note(self, subject: str, found: Comparison) -> None:
        if (reason := _doubt(found)) and not any(doubt.endswith(f": {reason}") for doubt in self.doubts):
            self.doubts.append(f"{subject}: {reason}")

    def _promise(self, alias: str, which: str, difference: Difference) -> Promise | None:
        """The statement of the contract that allows the witness of new access."""
        if self._after is None:
            return None
        for statement, policy in self._after.promised(alias, which):
            if _covers(policy, difference, which):
                before = self._before.promised(alias, which) if self._before else ()
                return Promise(statement.place, not any(_covers(old, difference, which) for _, old in before))
        return None

    def _access(self, way: Way, about: tuple[str, str, str], difference: Difference, promise: Promise | None) -> Access:
        alias, which, subject = about
        state = self._after if way == "gained" else self._before
        assert state is not None
        cited = [state.place(c) for c in difference.because if c.policy not in _PLACEHOLDER_POLICIES]
        place = next((place for _, place in cited if place is not None), None)
        named = tuple(dict.fromkeys(text if way == "gained" else _base_place(text) for text, _ in cited))
        witness = _plain(difference.witness)
        if which == "allows":
            # Identity policies do not depend on the caller, so the witness has an arbitrary one.
            witness["principal"] = state.name(alias)
        if which == "trust":
            witness["resource"] = state.role_arn(alias) or alias
        return Access(
            way,
            subject,
            str(difference.clause).replace(" on * by ", " by ") if which == "trust" else str(difference.clause),
            witness,
            named,
            place if way == "gained" else None,
            promise,
        )


def _doubt(found: Comparison) -> str:
    """Why a comparison is not complete; empty if it is."""
    if found.verdict is Verdict.UNDETERMINED:
        return found.reason
    if found.depends_on:
        return in_doubt(found.depends_on)
    return found.reason


def _covers(policy: Policy, difference: Difference, which: str) -> bool:
    request = difference.witness
    if which == "allows":
        layers = delegated(Layers(identity=(policy,)), request)
    else:
        # Within one account, an identity policy that allows everything would mask the resource policy.
        own = (EVERYTHING,) if which == "trust" or request.cross_account else ()
        layers = Layers(identity=own, resource=policy)
    try:
        return evaluate(request, layers).allowed
    except IamError:
        return False


def _with(old: Layers, promise: Policy) -> Layers:
    """The old state with the statements of the contract added. Denies and boundaries of the old state are kept, so that
    in doubt new access is reported as not covered."""
    if promise.type is PolicyType.IDENTITY:
        return replace(old, identity=(*old.identity, promise))
    if old.resource is None:
        identity = (EVERYTHING,) if promise.type is PolicyType.TRUST else old.identity
        return replace(old, identity=identity, resource=promise)
    return replace(old, resource=replace(old.resource, statements=(*old.resource.statements, *promise.statements)))


def _plain(request: Request) -> dict[str, str]:
    principal = request.principal
    who = principal.arn or principal.issuer or principal.name or principal.kind.value
    context = ", ".join(f"{key}={'|'.join(values)}" for key, values in sorted(request.context.items()))
    found = {"principal": who, "action": request.action, "resource": request.resource or "*"}
    return {**found, "context": context} if context else found


def _base_place(text: str) -> str:
    """A place in the base, without the temporary folder that the base was written to."""
    return text.partition("/base/")[2] or text
