"""What a change does to access: two deployed states of each grant, compared for all requests."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from grantproof.aws.deploy import DeploymentFailed
from grantproof.aws.intrinsics import NotResolved
from grantproof.aws.policies import SnapshotIncomplete
from grantproof.contract import TEMPLATE_SUFFIXES, Contract, ContractError, Cycle, find, load
from grantproof.gate import notice
from grantproof.gate.history import Base, Repository
from grantproof.gate.state import State, deployed
from grantproof.iam import LawError, Layers, Policy, PolicyType, Request, evaluate, parse_policy
from grantproof.iam.compare import Comparison, Difference, Verdict, compare
from grantproof.iam.witness import delegated
from grantproof.source import Place
from grantproof.variants import Incompatible, needed, with_variants

Way = Literal["gained", "lost"]


@dataclass(frozen=True)
class Promise:
    """The statement of the contract that covers new access. `new`: the contract did not promise it before."""

    place: Place
    new: bool


@dataclass(frozen=True)
class Access:
    """A piece of access that a change gives or takes.

    Attributes:
        subject: whose: the alias of a principal and what it may do, or the policy on a resource.
        clause: the piece, in words.
        witness: one request of it: principal, action, resource, context.
        because: the statements that let the witness through on the side that allows it, by file and line.
        place: where the first of these stands now, for gained access.
        promise: what covers gained access; None where nothing does.
    """

    way: Way
    subject: str
    clause: str
    witness: Mapping[str, str]
    because: tuple[str, ...]
    place: Place | None = None
    promise: Promise | None = None


@dataclass(frozen=True)
class GrantChange:
    """What a change does to one grant. `doubts` say what could not be compared; each fails the gate. `notices` are what
    else a reviewer has to see (`gate.notice`); they fail nothing by themselves."""

    grant: str
    path: Path
    what: str
    access: tuple[Access, ...] = ()
    doubts: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    @property
    def gained(self) -> tuple[Access, ...]:
        """Requests that become possible."""
        return tuple(access for access in self.access if access.way == "gained")

    @property
    def lost(self) -> tuple[Access, ...]:
        """Requests that stop being possible."""
        return tuple(access for access in self.access if access.way == "lost")

    @property
    def uncovered(self) -> tuple[Access, ...]:
        """New access that the contract does not promise."""
        return tuple(access for access in self.gained if access.promise is None)

    @property
    def widened_with(self) -> tuple[Access, ...]:
        """New access that the contract promises since this change only."""
        return tuple(access for access in self.gained if access.promise is not None and access.promise.new)

    @property
    def passes(self) -> bool:
        """May this be merged, as far as access is concerned?"""
        return not self.uncovered and not self.doubts


@dataclass(frozen=True)
class Change:
    """What a change does to all grants. `changed` are the lines that it touched, by file; `top` is the repository."""

    base: Base
    grants: tuple[GrantChange, ...]
    top: Path = Path()
    changed: Mapping[Path, Sequence[int]] = field(default_factory=dict)

    @property
    def passes(self) -> bool:
        """Is all new access promised, and everything compared?"""
        return all(grant.passes for grant in self.grants)


def changes(directory: Path, ref: str, said: Callable[[str], None] = lambda text: None) -> Change:
    """Compare every grant below a folder of a repository with what it was at the base of the change.

    Raises:
        NotCompared: the base cannot be had.
        ContractError: a contract of the working tree is wrong.
    """
    repository = Repository.of(directory if directory.is_dir() else Path())
    base = repository.base(ref)
    repository.check(directory)
    with tempfile.TemporaryDirectory(prefix="grantproof-") as scratch:
        old = Path(scratch).resolve() / "base"
        folder = repository.within(directory)
        repository.write(base, folder, old)
        paths = sorted((old / folder).rglob("contract.yaml"))
        # Where there was a grant, and there is none any more, all of its access is lost: no mistake of the call.
        gone = paths and not _holds_anything(directory)
        now = () if gone else find(directory)
        pairs = _pairs(repository, base, folder, old, now, paths)
        found = tuple(_compared(pair, said) for pair in pairs)
    return Change(base, found, repository.top, repository.changed_lines(base, folder))


def _holds_anything(directory: Path) -> bool:
    """Is there a contract, or a template that would have to have one?"""
    files = directory.rglob("*") if directory.is_dir() else ()
    return any(file.suffix in TEMPLATE_SUFFIXES for file in files)


def between(old: Contract, new: Contract) -> GrantChange:
    """Two grants, deployed and compared as if the one were to become the other."""
    return _compared(_Pair(new.grant, new.path, old, new, "compared"), lambda text: None)


@dataclass(frozen=True)
class _Pair:
    """A grant before and after; None where it is not there. `doubt` says why what was there cannot be read."""

    name: str
    path: Path
    before: Contract | None
    after: Contract | None
    what: str
    doubt: str = ""
    away: tuple[str, ...] = ()
    """Files of a deleted grant that are now outside the folder of the grants."""


def _pairs(
    repository: Repository, base: Base, folder: str, old: Path, now: Iterable[Contract], paths: Iterable[Path]
) -> Iterator[_Pair]:
    """Each grant with the one that it was: in the same folder, or in the folder that it was renamed from."""
    renamed = repository.renamed(base, folder)
    left = {path.relative_to(old).as_posix(): path for path in paths}
    for contract in now:
        name = contract.path.resolve().relative_to(repository.top.resolve()).as_posix()
        source = name if name in left else renamed.get(name, "")
        path = left.pop(source, None)
        before, doubt = _read(path)
        what = "new" if path is None else "changed" if source == name else f"renamed from {Path(source).parent.name}"
        if before is not None and source == name and _same(before, contract):
            what = "unchanged"
        yield _Pair(contract.grant, contract.path, before, contract, what, doubt)
    moved = repository.renamed(base, "") if left and folder else {}
    for name, path in left.items():
        before, doubt = _read(path)
        inside = name.rpartition("/")[0]
        away = sorted(new for new, was in moved.items() if was.startswith(f"{inside}/") and not _below(new, folder))
        yield _Pair(path.parent.name, repository.top / name, before, None, "deleted", doubt, tuple(away))


def _below(name: str, folder: str) -> bool:
    return name.startswith(f"{folder}/")


def _read(path: Path | None) -> tuple[Contract | None, str]:
    if path is None:
        return None, ""
    try:
        return load(path), ""
    except ContractError as error:
        return None, f"its contract could not be read at the base ({error.message})"


def _same(before: Contract, after: Contract) -> bool:
    """Byte for byte the same files: then nothing needs to be deployed to see that nothing changed."""
    return _contents(before.path.parent) == _contents(after.path.parent)


def _contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def _compared(pair: _Pair, said: Callable[[str], None]) -> GrantChange:
    if pair.what == "unchanged":
        return GrantChange(pair.name, pair.path, pair.what)
    said(f"comparing {pair.name}")
    before, doubt = _deployed(pair.before)
    after, broken = _deployed(pair.after)
    doubt = pair.doubt or doubt
    notices = list(notice.of_contracts(pair.before, pair.after))
    if broken:
        return GrantChange(pair.name, pair.path, pair.what, (), (broken,), tuple(notices))
    found = _Compared(before, after)
    access, doubts = list(found.access()), [*found.doubts, *_no_longer_looked_at(pair)]
    notices += notice.of_states(before, after) if before is not None and after is not None else ()
    for variant in pair.after.variants if pair.after is not None else ():
        said(f"comparing {pair.name} with {variant.alias}")
        more, why = _under(pair, variant.alias, before)
        known = {(one.way, one.clause) for one in access}
        access += [one for one in more if (one.way, one.clause) not in known]
        doubts += why
    what = pair.what + (f"; {doubt}, so that all of its access counts as new" if doubt else "")
    return GrantChange(pair.name, pair.path, what, tuple(access), tuple(doubts), tuple(notices))


def _no_longer_looked_at(pair: _Pair) -> Iterator[str]:
    """What was compared at the base and has slipped out of what can be compared."""
    if pair.away:
        yield f"it was not deleted: {pair.away[0]} is outside the folder that is looked at. Move it back, or delete it"
    both = (pair.before, pair.after)
    accounted = [contract.accounts_for_options for contract in both if contract is not None]
    if accounted == [True, False]:
        yield "the contract no longer accounts for options, so that what they open is not seen: keep `variants`"


def _under(pair: _Pair, variant: str, before: State | None) -> tuple[list[Access], list[str]]:
    """What changes where an option of the templates is set. A new option is measured by the grant without it."""
    assert pair.after is not None
    old, aliases = before, _with_needed(pair.after, variant)
    if pair.before is not None and {known.alias for known in pair.before.variants} >= set(aliases):
        old, _ = _deployed(pair.before, aliases)
    new, broken = _deployed(pair.after, aliases)
    if broken:
        return [], [f"with {variant}, {broken}"]
    found = _Compared(old, new)
    access = [replace(one, subject=f"with {variant}, {one.subject}") for one in found.access()]
    return access, [f"with {variant}, {doubt}" for doubt in found.doubts]


def _with_needed(contract: Contract, alias: str) -> tuple[str, ...]:
    """A variant, and those without which the templates refuse it."""
    (variant,) = (known for known in contract.variants if known.alias == alias)
    return tuple(needed(contract, variant))


def _deployed(contract: Contract | None, variants: Iterable[str] = ()) -> tuple[State | None, str]:
    if contract is None:
        return None, ""
    try:
        return deployed(with_variants(contract, variants)), ""
    except (DeploymentFailed, SnapshotIncomplete, LawError, Incompatible, Cycle, NotResolved) as error:
        return None, f"it could not be deployed ({error})"


#: Everything that a caller's own account could allow it: whether it may enter is then up to the trust policy alone.
_ANYTHING = (
    parse_policy(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]},
        PolicyType.IDENTITY,
        "the caller's own account",
    ),
)


#: What stands in for policies of others: not of the grant, and no reason to show.
_TAKEN_FOR_GRANTED = ("owner", _ANYTHING[0].label)


def _both(old: Policy | None, new: Policy | None) -> tuple[Policy, Policy]:
    """Two resource policies of which one may not be there: then it is one without statements."""
    some = new or old
    assert some is not None
    nothing = replace(some, statements=())
    return old or nothing, new or nothing


class _Compared:
    """Compares two states of one grant; None is no grant."""

    def __init__(self, before: State | None, after: State | None) -> None:
        self._before, self._after = before, after
        self.doubts: list[str] = []

    def access(self) -> Iterator[Access]:
        states = [state for state in (self._after, self._before) if state is not None]
        aliases = dict.fromkeys(p.alias for state in states for p in state.contract.principals)
        for alias in (*aliases, *dict.fromkeys(arn for state in states for arn in state.undeclared())):
            old, new = (state.layers(alias) if state else Layers() for state in (self._before, self._after))
            yield from self._differences(alias, "allows", old, new, None)
            if arns := [arn for state in states if (arn := state.role_arn(alias))]:
                old, new = self._trust(alias)
                yield from self._differences(alias, "trust", old, new, arns[0].split(":")[4])
                yield from self._sessions(alias, arns[0])
        yield from self._resource_policies(states)

    def _sessions(self, alias: str, arn: str) -> Iterator[Access]:
        """How long those who enter may stay: no policy says it."""
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
        """Both sides' trust policy, before callers whose own accounts allow them anything."""
        trusts = [state.trust(alias) if state else None for state in (self._before, self._after)]
        yield from (Layers(identity=_ANYTHING, resource=policy) for policy in _both(*trusts))

    def _resource_policies(self, states: list[State]) -> Iterator[Access]:
        for arn in dict.fromkeys(arn for state in states for arn in state.policies.resource_policies):
            owner = next(filter(None, (state.policies.owner(arn) for state in states)), None)
            found = [
                state.policies.resource_policies.get(arn) if state else None for state in (self._before, self._after)
            ]
            before, after = _both(*found)
            seen: set[str] = set()
            # In one account the resource policy may let somebody in by itself; from another one, only with its own.
            for identity in ((), _ANYTHING):
                old, new = (Layers(identity=identity, resource=policy) for policy in (before, after))
                for access in self._differences(arn, "policy", old, new, owner):
                    if access.clause not in seen:
                        seen.add(access.clause)
                        yield access

    def _differences(self, alias: str, which: str, old: Layers, new: Layers, owner: str | None) -> Iterator[Access]:
        subject = {"allows": f"{alias} may", "trust": f"{alias} is entered by", "policy": f"policy on {alias}"}[which]
        if old == new:
            return
        about = (alias, which, subject)
        found = compare(old, new, owner=owner)
        self._note(subject, found)
        promise = self._after.promise(alias, which) if self._after else None
        beyond = found if promise is None else compare(_with(old, promise), new, owner=owner)
        if beyond is not found:
            self._note(f"{subject}: whether the contract covers it", beyond)
        for difference in beyond.new_access:
            yield self._access("gained", about, difference, None)
        for difference in found.new_access:
            # What the contract covers in part is there twice: the rest of it is among what is beyond the contract.
            if (covering := self._promise(alias, which, difference)) is not None:
                yield self._access("gained", about, difference, covering)
        for difference in found.lost_access:
            yield self._access("lost", about, difference, None)

    def _note(self, subject: str, found: Comparison) -> None:
        if (reason := _doubt(found)) and not any(doubt.endswith(f": {reason}") for doubt in self.doubts):
            self.doubts.append(f"{subject}: {reason}")

    def _promise(self, alias: str, which: str, difference: Difference) -> Promise | None:
        """The statement of the contract that covers new access, as far as its witness shows."""
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
        cited = [state.place(c) for c in difference.because if c.policy not in _TAKEN_FOR_GRANTED]
        place = next((place for _, place in cited if place is not None), None)
        named = tuple(dict.fromkeys(text if way == "gained" else _then(text) for text, _ in cited))
        witness = _plain(difference.witness)
        if which == "allows":
            # Who it is that calls does not matter to identity policies, so that the witness has somebody.
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
    """Why a comparison says less than it should; empty where it says all."""
    if found.verdict is Verdict.UNDETERMINED:
        return found.reason
    if found.depends_on:
        return f"depends on points that AWS's documentation leaves open: {', '.join(found.depends_on)}"
    return found.reason


def _covers(policy: Policy, difference: Difference, which: str) -> bool:
    request = difference.witness
    layers = Layers(identity=_ANYTHING, resource=policy) if which == "trust" else Layers(identity=(policy,))
    if which != "trust":
        layers = delegated(layers, request)
    try:
        return evaluate(request, layers).allowed
    except LawError:
        return False


def _with(old: Layers, promise: Policy) -> Layers:
    """What was allowed, and what the contract promises. Denies and boundaries of the old side stay, which errs towards
    finding new access that is not covered."""
    if promise.type is not PolicyType.TRUST:
        return replace(old, identity=(*old.identity, promise))
    if old.resource is None:
        return Layers(identity=_ANYTHING, resource=promise)
    return replace(old, resource=replace(old.resource, statements=(*old.resource.statements, *promise.statements)))


def _plain(request: Request) -> dict[str, str]:
    principal = request.principal
    who = principal.arn or principal.issuer or principal.name or principal.kind.value
    context = ", ".join(f"{key}={'|'.join(values)}" for key, values in sorted(request.context.items()))
    found = {"principal": who, "action": request.action, "resource": request.resource or "*"}
    return {**found, "context": context} if context else found


def _then(text: str) -> str:
    """A place in the base is in a folder that is gone by now: only what is below it says something."""
    return text.partition("/base/")[2] or text
