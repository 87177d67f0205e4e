"""The deployments to verify: a file with one on each line, and the part of it that one run verifies."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from grantproof import __version__
from grantproof.contract import Contract
from grantproof.source import Place, SourceError, shown


class FleetError(SourceError):
    """A file of deployments that cannot be verified. The message names the line, and says what is wrong and what to
    do."""


@dataclass(frozen=True)
class Deployment:
    """One grant in one set of real accounts.

    Attributes:
        line: its line in the file, from 1.
        grant: the name of the grant's folder.
        accounts: alias to account ID, where they differ from the contract's.
        stacks: alias to the real name of a stack, where it differs from the contract's.
        snapshots: alias to the export of the account.
    """

    line: int
    grant: str
    accounts: Mapping[str, str]
    stacks: Mapping[str, str]
    snapshots: Mapping[str, Path]

    @property
    def name(self) -> str:
        """Its name in reports: the grant and its accounts."""
        named = self.accounts or {alias: path.stem for alias, path in self.snapshots.items()}
        return f"{self.grant} {' '.join(f'{alias}={number}' for alias, number in sorted(named.items()))}"

    def bound(self, contract: Contract) -> Contract:
        """The contract with this deployment's account IDs and stack names."""
        stacks = tuple(replace(stack, name=self.stacks.get(stack.alias, stack.name)) for stack in contract.stacks)
        return replace(contract, accounts={**contract.accounts, **self.accounts}, stacks=stacks)


_KEYS = ("grant", "accounts", "stacks", "snapshots")


def deployments(file: Path, contracts: Mapping[str, Contract]) -> Iterator[Deployment]:
    """Read a file of deployments, line by line. Paths of snapshots are relative to it.

    Raises:
        FleetError: a line is not a deployment of a known grant, or occurs twice; or the file has none.
    """
    seen: dict[str, int] = {}
    try:
        with file.open(encoding="utf-8") as lines:
            for number, text in enumerate(lines, 1):
                if not text.strip():
                    continue
                found = _deployment(file, number, text, contracts)
                if found.name in seen:
                    raise FleetError(Place(file, number, 1), f"is the same as line {seen[found.name]}: {found.name}.")
                seen[found.name] = number
                yield found
    except OSError as error:
        raise FleetError(file, f"cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise FleetError(file, "is not UTF-8 text.") from None
    if not seen:
        raise FleetError(file, "holds no deployment. Write one JSON object a line.")


def _deployment(file: Path, number: int, text: str, contracts: Mapping[str, Contract]) -> Deployment:
    place = Place(file, number, 1)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise FleetError(place, "is not a JSON object on one line.") from None
    if not isinstance(value, dict) or (unknown := [key for key in value if key not in _KEYS]):
        what = f"the key {unknown[0]!r}" if isinstance(value, dict) else "something other than an object"
        raise FleetError(place, f"has {what}. A deployment has {', '.join(_KEYS)}.")
    contract = contracts.get(str(value.get("grant")))
    if contract is None:
        raise FleetError(place, f"no grant is called {value.get('grant')!r}. Known: {', '.join(sorted(contracts))}.")
    aliases = {stack.alias for stack in contract.stacks}
    accounts = _texts(place, value, "accounts", set(contract.accounts))
    for alias, digits in accounts.items():
        if not re.fullmatch(r"\d{12}", digits):
            raise FleetError(place, f"account {alias!r} is {digits!r}, which is not 12 digits.")
    if len({**contract.accounts, **accounts}) != len(set({**contract.accounts, **accounts}.values())):
        raise FleetError(place, "two accounts have the same number. Each alias is another account.")
    snapshots = _texts(place, value, "snapshots", set(contract.accounts))
    if missing := sorted(set(contract.accounts) - set(snapshots)):
        raise FleetError(place, f"has no snapshot of account {missing[0]!r}. Add one under snapshots.")
    paths = {alias: file.parent / name for alias, name in snapshots.items()}
    for path in paths.values():
        if not path.exists():
            raise FleetError(place, f"there is no snapshot {shown(path)}.")
    return Deployment(number, contract.grant, accounts, _texts(place, value, "stacks", aliases), paths)


def _texts(place: Place, value: Mapping[str, Any], key: str, known: set[str]) -> dict[str, str]:
    found = value.get(key, {})
    if not isinstance(found, dict) or not all(isinstance(item, str) and item for item in found.values()):
        raise FleetError(place, f"{key} is an object of text.")
    for alias in found:
        if alias not in known:
            raise FleetError(place, f"{key} has {alias!r}; the contract has {', '.join(sorted(known))}.")
    return found


# --- shards -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Shard:
    """One of several disjoint parts, which together are the whole."""

    number: int = 1
    of: int = 1

    def includes(self, position: int) -> bool:
        """Is the deployment at this position (from 0) in this part?"""
        return position % self.of == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def shard(text: str) -> Shard:
    """A part written as `2/5`: the second of five.

    Raises:
        ValueError: the text does not have this form.
    """
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise ValueError(f"--shard takes NUMBER/OF, from 1/5 to 5/5, not {text!r}")
    return Shard(int(match[1]), int(match[2]))


# --- what has been done before ----------------------------------------------------------------------------------------


class Keys:
    """Digests of everything on which a verdict depends: the deployment, the files of the grant, the snapshots, the
    suites and this release. An earlier verdict counts only if its digest is the same."""

    def __init__(self, contracts: Mapping[str, Contract], suites: Path) -> None:
        self._suites = _digest(sorted(suites.glob("test_*.py")))
        self._grants = {
            name: _digest(sorted(path for path in contract.path.parent.rglob("*") if path.is_file()))
            for name, contract in contracts.items()
        }
        self._snapshots: dict[tuple[Path, int, int], str] = {}

    def digest(self, deployment: Deployment) -> str:
        """The digest for a deployment's verdict."""
        snapshots = {alias: self._snapshot(path) for alias, path in sorted(deployment.snapshots.items())}
        about = [__version__, self._suites, self._grants[deployment.grant], deployment.name]
        rest = [sorted(deployment.accounts.items()), sorted(deployment.stacks.items()), snapshots]
        return hashlib.sha256(json.dumps([*about, *rest]).encode()).hexdigest()

    def _snapshot(self, path: Path) -> str:
        stat = path.stat()
        at = (path, stat.st_mtime_ns, stat.st_size)
        if at not in self._snapshots:
            self._snapshots[at] = _digest(sorted(path.glob("*.json")) if path.is_dir() else [path])
        return self._snapshots[at]


def _digest(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(f"{file.name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()
