"""Does a suite fail for the right reason? A finding has to name what was mutated, or a consequence of it.

A suite that fails over something else does not detect the fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from grantproof.aws.held.deployed import Deployed
from grantproof.aws.held.policies import SnapshotIncomplete
from grantproof.contract import Contract, DeclaredPrincipal, DeclaredResource, DeclaredSending, references
from grantproof.evidence.finding import Finding
from grantproof.mutants.deployed_access import TRUST, Change
from grantproof.mutants.mutant import Mutant
from grantproof.source import Document, Place, read, shown

#: A touched path is widened to the entry below one of these: a finding names a statement, not a part of it.
_WHOLE = ("Statement", "Parameters", "Resources", "Conditions")


@dataclass(frozen=True)
class Promise:
    """Where a contract declares an entity that changed. `entering`: whether its trust policy changed; None where the
    whole entity appeared or disappeared."""

    file: str
    lines: range
    entering: bool | None


@dataclass(frozen=True)
class Traces:
    """What a finding can name to show that it detected the fault.

    Attributes:
        lines: by file, the lines of what was touched and of the deployed statements that differ.
        names: ARNs, labels and names of entities that differ or were added.
        promises: the clauses of the contract that no longer hold.
    """

    lines: tuple[tuple[str, range], ...]
    names: tuple[str, ...]
    promises: tuple[Promise, ...] = ()

    def match(self, finding: Finding) -> bool:
        """Does the finding name the fault?"""
        file, line = _split(finding.place)
        if any(file == name and line in lines for name, lines in self.lines):
            return True
        for promise in self.promises:
            right = promise.entering is None or promise.entering == (" enter" in finding.clause)
            if file == promise.file and line in promise.lines and right:
                return True
        # Not the clause: every claim about an entity names it, whatever was found.
        said = f"{finding.place} {finding.detail}"
        return any(name in said for name in self.names)


def _split(place: str) -> tuple[str, int]:
    file, _, rest = place.partition(":")
    line = rest.split(":")[0]
    return file, int(line) if line.isdigit() else 0


def names_fault(findings: Iterable[Finding], traces: Traces) -> bool:
    """Does one of the findings name the fault?"""
    return any(traces.match(finding) for finding in findings)


def traces_of(mutant: Mutant) -> Traces:
    """The traces known before a deployment: the touched lines, and names of added resources."""
    document = read(mutant.template)
    file = shown(mutant.template)
    lines = tuple((file, document.lines(*_whole(path))) for path in mutant.touched)
    return Traces(lines, mutant.names)


def _whole(path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """The statement, parameter or resource that a path is part of."""
    for number in range(len(path) - 1, -1, -1):
        if path[number] in _WHOLE and number < len(path) - 1:
            # A single statement may stand without a list.
            alone = path[number] == "Statement" and not isinstance(path[number + 1], int)
            return path[: number + (1 if alone else 2)]
    return path


def declared_references(stage: Deployed) -> dict[tuple[str, str], str]:
    """The resolved references of what the contract declares, by section of the contract and alias; without references
    to what is not deployed."""
    out: dict[tuple[str, str], str] = {}
    for section, declared in _declared(stage.contract):
        with suppress(SnapshotIncomplete):
            out[section, declared.alias] = str(stage.resolved(declared.reference))
    return out


def _declared(contract: Contract) -> Iterator[tuple[str, DeclaredPrincipal | DeclaredResource | DeclaredSending]]:
    yield from (("principals", principal) for principal in contract.principals)
    yield from (("resources", resource) for resource in contract.resources)
    yield from (("sends", sending) for sending in contract.sends)


def with_changes(
    traces: Traces, changes: Sequence[Change], stage: Deployed, baseline: Mapping[tuple[str, str], str]
) -> Traces:
    """The traces with what differs in the deployment. `baseline`: `declared_references` of the original grant."""
    lines: list[tuple[str, range]] = list(traces.lines)
    names: list[str] = list(traces.names)
    promises: list[Promise] = []
    contract, broken = stage.contract, declared_references(stage)
    for change in changes:
        names += [change.arn] if change.aspect == "came along" else []
        for label, index in change.statements:
            place = stage.origins.place(label, index)
            if place is not None:
                lines.append((shown(place.file), range(place.line, place.line + 1)))
            else:
                names.append(label)
        for section, declared in _declared(contract):
            called = {baseline.get((section, declared.alias)), broken.get((section, declared.alias))}
            if not called & {change.arn, change.arn.rsplit("/", 1)[-1]}:
                continue
            whole = change.aspect in ("came along", "gone")
            spot = read(contract.path).lines(section, declared.alias)
            names += references(declared.reference) if change.aspect == "gone" else ()
            promises.append(Promise(shown(contract.path), spot, None if whole else change.aspect == TRUST))
            if not whole and stage.origins.resource(change.arn):
                found = stage.origins.place(change.arn)
                lines += [(shown(found.file), range(found.line, found.line + 1))] if found else []
            break
    return Traces(tuple(lines), tuple(dict.fromkeys(names)), tuple(promises))


def original_place(mutated: Document, original: Document, place: str) -> str:
    """A place in a mutant's text, as the place in the original file."""
    file, line = _split(place)
    if file != shown(mutated.path):
        return place
    column = place.rpartition(":")[2]
    path = mutated.at(line, int(column) if column.isdigit() else 0)
    found: Place = original.place(*(path or ()))
    return str(found) if path else shown(Path(original.path))
