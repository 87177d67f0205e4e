"""The effect of a change on access: two deployed states of each grant, compared over all requests."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from grantproof.aws.held.policies import SnapshotIncomplete
from grantproof.aws.mocked.deploy import DeploymentFailed
from grantproof.aws.templates.scope import NotResolved
from grantproof.contract import TEMPLATE_SUFFIXES, Contract, ContractError, Cycle, find, load
from grantproof.gate import notice
from grantproof.gate.access import Access, Compared
from grantproof.gate.defaults import AtDefault, at_new_defaults
from grantproof.gate.history import Base, Repository
from grantproof.gate.mappings import changed_elsewhere
from grantproof.gate.state import State, deployed
from grantproof.iam import IamError
from grantproof.variants import Incompatible, needed, with_variants

#: What happened to a grant; `compared`: two grants were given instead of a history.
Kind = Literal["new", "changed", "unchanged", "renamed", "deleted", "compared"]


@dataclass(frozen=True)
class GrantChange:
    """The effect of a change on one grant.

    Attributes:
        access: what is gained and lost.
        doubts: what could not be compared; each fails the gate.
        notices: what else a reviewer should see (`gate.notice`); they do not fail the gate.
        renamed_from: the former folder of a renamed grant.
        nothing_before: why the grant counts as new although the base has it; empty where it does not.
    """

    grant: str
    path: Path
    kind: Kind
    access: tuple[Access, ...] = ()
    doubts: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    renamed_from: str = ""
    nothing_before: str = ""

    @property
    def what(self) -> str:
        """What happened to the grant, in words."""
        kind = f"renamed from {self.renamed_from}" if self.renamed_from else self.kind
        if not self.nothing_before:
            return kind
        so = "what it loses is not shown" if self.kind == "deleted" else "all of its access counts as new"
        return f"{kind}; {self.nothing_before}, so that {so}"

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
        """New access that the contract promises only since this change."""
        return tuple(access for access in self.gained if access.promise is not None and access.promise.new)

    @property
    def passes(self) -> bool:
        """May this be merged, as far as access is concerned?"""
        return not self.uncovered and not self.doubts


@dataclass(frozen=True)
class Change:
    """The effect of a change on all grants. `changed`: the lines that it touched, by file; `top`: the repository;
    `uncommitted`: files of the working tree that are part of it and of no commit."""

    base: Base
    grants: tuple[GrantChange, ...]
    top: Path = Path()
    changed: Mapping[Path, Sequence[int]] = field(default_factory=dict)
    uncommitted: tuple[str, ...] = ()

    @property
    def passes(self) -> bool:
        """Is all new access promised, and everything compared?"""
        return all(grant.passes for grant in self.grants)


def changes(directory: Path, ref: str, said: Callable[[str], None] = lambda text: None) -> Change:
    """Compare every grant below a folder of a repository with its state at the base of the change.

    Raises:
        NotCompared: the base is not available.
        ContractError: a contract of the working tree is wrong.
    """
    repository = Repository.containing(directory if directory.is_dir() else Path())
    base = repository.base(ref)
    repository.check(directory)
    with tempfile.TemporaryDirectory(prefix="grantproof-") as scratch:
        old = Path(scratch).resolve() / "base"
        folder = repository.within(directory)
        repository.write(base, folder, old)
        paths = sorted((old / folder).rglob("contract.yaml"))
        # If all grants were deleted, their access is lost; that is no mistake in the arguments.
        gone = paths and not _has_templates(directory)
        now = () if gone else find(directory)
        pairs = _pairs(repository, base, folder, old, now, paths)
        found = tuple(_compared(pair, said) for pair in pairs)
    changed = repository.changed_lines(base, folder)
    return Change(base, found, repository.top, changed, repository.uncommitted(folder))


def _has_templates(directory: Path) -> bool:
    """Does a folder have a contract, or a template that needs one?"""
    files = directory.rglob("*") if directory.is_dir() else ()
    return any(file.suffix.lower() in TEMPLATE_SUFFIXES for file in files)


def between(old: Contract, new: Contract) -> GrantChange:
    """Deploy two grants and compare them as if the second replaced the first."""
    return _compared(_Pair(new.grant, new.path, old, new, "compared"), lambda text: None)


@dataclass(frozen=True)
class _Pair:
    """A grant before and after; None where it is not there. `doubt` says why what was there cannot be read."""

    name: str
    path: Path
    before: Contract | None
    after: Contract | None
    kind: Kind
    doubt: str = ""
    renamed_from: str = ""
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
        kind: Kind = "new" if path is None else "changed" if source == name else "renamed"
        if before is not None and source == name and _same(before, contract):
            kind = "unchanged"
        was = Path(source).parent.name if kind == "renamed" else ""
        yield _Pair(contract.grant, contract.path, before, contract, kind, doubt, renamed_from=was)
    moved = repository.renamed(base, "") if left and folder else {}
    for name, path in left.items():
        before, doubt = _read(path)
        inside = name.rpartition("/")[0]
        away = sorted(new for new, was in moved.items() if was.startswith(f"{inside}/") and not _below(new, folder))
        yield _Pair(path.parent.name, repository.top / name, before, None, "deleted", doubt, away=tuple(away))


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
    """Are all files byte-identical? Then nothing has to be deployed."""
    return _contents(before.path.parent) == _contents(after.path.parent)


def _contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def _compared(pair: _Pair, said: Callable[[str], None]) -> GrantChange:
    result = GrantChange(pair.name, pair.path, pair.kind, renamed_from=pair.renamed_from)
    if pair.kind == "unchanged":
        return result
    said(f"comparing {pair.name}")
    before, doubt = _deployed(pair.before)
    after, broken = _deployed(pair.after)
    doubt = pair.doubt or doubt
    if before is not None and (moved := _moved(pair)):
        before, doubt = None, moved
    notices = list(notice.contract_notices(pair.before, pair.after))
    if broken:
        return replace(result, doubts=(broken,), notices=tuple(notices))
    found = Compared(before, after)
    access, doubts = list(found.access()), [*found.doubts, *_no_longer_compared(pair)]
    notices += notice.property_notices(before, after) if before is not None and after is not None else ()
    doubts += notice.new_access_by_property(before, after) if after is not None else ()
    if before is not None and after is not None:
        doubts += [*notice.possibly_widening_properties(before, after), *notice.changed_tags_in_policies(before, after)]
    doubts += changed_elsewhere(pair.before, pair.after) if pair.before is not None and pair.after is not None else ()
    doubts += notice.waivers_with_changes(pair.before, pair.after) if pair.after is not None else ()
    for variant in pair.after.variants if pair.after is not None else ():
        said(f"comparing {pair.name} with {variant.alias}")
        more, why = _under(pair, variant.alias, before)
        known = {(one.way, one.clause, one.promise is None) for one in access}
        access += [one for one in more if (one.way, one.clause, one.promise is None) not in known]
        doubts += why
    if pair.before is not None and pair.after is not None:
        for found_at in at_new_defaults(pair.before, pair.after):
            said(f"comparing {pair.name} with the default of {found_at.parameter}")
            more, why = _with_default(found_at, before)
            access += more
            doubts += why
    return replace(result, access=tuple(access), doubts=tuple(doubts), notices=tuple(notices), nothing_before=doubt)


def _no_longer_compared(pair: _Pair) -> Iterator[str]:
    """What the base allowed to compare and the change does not."""
    if pair.away:
        yield f"it was not deleted: {pair.away[0]} is outside the folder that is looked at. Move it back, or delete it"
    both = (pair.before, pair.after)
    accounted = [contract.accounts_for_options for contract in both if contract is not None]
    if accounted == [True, False]:
        yield "the contract no longer accounts for options, so that what they open is not seen: keep `variants`"
    if pair.before is not None and pair.after is not None:
        for alias in notice.removed_variants(pair.before, pair.after):
            if any(variant.alias == alias for variant in pair.after.variants):
                yield f"the contract gives the variant {alias!r} other values: keep it, and add one with the new ones"
            else:
                yield f"the contract strikes the variant {alias!r} whose parameters the templates still take: keep it"


def _under(pair: _Pair, variant: str, before: State | None) -> tuple[list[Access], list[str]]:
    """The differences under a variant. A new variant is compared with the grant without it."""
    assert pair.after is not None
    old, aliases = before, _with_needed(pair.after, variant)
    if (
        before is not None
        and pair.before is not None
        and {known.alias for known in pair.before.variants} >= set(aliases)
    ):
        old, _ = _deployed(pair.before, aliases)
    new, broken = _deployed(pair.after, aliases)
    if broken:
        return [], [f"with {variant}, {broken}"]
    found = Compared(old, new)
    access = [replace(one, subject=f"with {variant}, {one.subject}") for one in found.access()]
    return access, [f"with {variant}, {doubt}" for doubt in found.doubts]


def _moved(pair: _Pair) -> str:
    """The first stack that is now deployed in another account, where all that it gives is new; empty where there is
    none."""
    assert pair.before is not None
    was = {stack.alias: pair.before.accounts[stack.account] for stack in pair.before.stacks}
    for stack in pair.after.stacks if pair.after is not None else ():
        number = pair.after.accounts[stack.account] if pair.after is not None else ""
        if was.get(stack.alias, number) != number:
            return f"stack {stack.alias!r} is deployed in account {number} instead of {was[stack.alias]}"
    return ""


def _with_default(at: AtDefault, before: State | None) -> tuple[list[Access], list[str]]:
    """The differences with a parameter at its default. A new default is compared with the grant before the change."""
    old = before if at.before is None else _deployed(at.before)[0]
    new, broken = _deployed(at.after)
    start = f"with the default of {at.parameter},"
    if broken:
        return [], [f"{start} {broken}"]
    found = Compared(old, new)
    access = [replace(one, subject=f"{start} {one.subject}") for one in found.access()]
    return access, [f"{start} {doubt}" for doubt in found.doubts]


def _with_needed(contract: Contract, alias: str) -> tuple[str, ...]:
    """A variant and the variants that it needs."""
    (variant,) = (known for known in contract.variants if known.alias == alias)
    return tuple(needed(contract, variant))


def _deployed(contract: Contract | None, variants: Iterable[str] = ()) -> tuple[State | None, str]:
    if contract is None:
        return None, ""
    try:
        return deployed(with_variants(contract, variants)), ""
    except (DeploymentFailed, SnapshotIncomplete, IamError, Incompatible, Cycle, NotResolved) as error:
        return None, f"it could not be deployed ({error})"
