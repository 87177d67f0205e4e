"""The verdict on each mutant, and the score of a grant."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grantproof.contract import Contract
from grantproof.evidence.finding import Finding
from grantproof.iam import actions
from grantproof.mutants.catalogue import folder, operators
from grantproof.mutants.mutant import Mutant
from grantproof.source import read, shown

#: Verdicts. Killed: a suite fails and names the fault. Misplaced: suites fail without naming it. Equivalent: proved to
#: give the same access. Invalid: AWS would not deploy it. Dormant: it is in a branch that no combination of the
#: contract takes; there it is only checked that it gives no more access. All others survived, also those that took too
#: long.
KILLED, SURVIVED, MISPLACED = "killed", "survived", "killed for another reason"
EQUIVALENT, INVALID, DORMANT = "equivalent", "invalid", "dormant"
VERDICTS = (KILLED, SURVIVED, MISPLACED, EQUIVALENT, INVALID, DORMANT)


@dataclass(frozen=True)
class Result:
    """The verdict on one mutant. `why`: why it is invalid, or why it is not proved equivalent."""

    mutant: Mutant
    verdict: str
    why: str = ""
    tests: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    def payload(self) -> dict[str, Any]:
        """The result without its mutant, as a child process returns it."""
        findings = [finding.as_dict() for finding in self.findings]
        return {"verdict": self.verdict, "why": self.why, "tests": list(self.tests), "findings": findings}

    @staticmethod
    def from_payload(mutant: Mutant, data: bytes) -> Result:
        """The inverse of `payload`, from JSON. Empty data: the child ended before its verdict."""
        if not data:
            return Result(mutant, SURVIVED, "its suites did not come to an end")
        said = json.loads(data)
        findings = tuple(Finding.from_dict(f) for f in said.get("findings", ()))
        return Result(mutant, said["verdict"], said["why"], tuple(said.get("tests", ())), findings)

    @property
    def place(self) -> str:
        """The place in the original template that was changed."""
        return str(read(self.mutant.template).place(*self.mutant.site))

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        operator = self.mutant.operator
        return {
            "id": self.mutant.id,
            "operator": operator.name,
            "group": operator.group,
            "simulates": operator.simulates,
            "place": self.place,
            "template_sha256": hashlib.sha256(self.mutant.text.encode()).hexdigest(),
            **self.payload(),
        }

    def __str__(self) -> str:
        lines = [f"{self.verdict.upper()}  {self.place}: {self.mutant.operator.name}: {self.mutant.operator.simulates}"]
        if self.why:
            lines.append(f"    {self.why}")
        if self.tests:
            lines.append(f"    failing: {', '.join(self.tests)}")
        lines += [f"    {line}" for finding in self.findings for line in str(finding).splitlines()]
        return "\n".join(lines)


@dataclass(frozen=True)
class Score:
    """All mutants of one grant."""

    grant: str
    templates: Mapping[str, str]
    """Template to the SHA-256 of its file."""
    results: tuple[Result, ...] = field(repr=False)

    @staticmethod
    def of_grant(contract: Contract, results: tuple[Result, ...]) -> Score:
        """The score of a grant."""
        files = (*contract.templates, contract.path)
        return Score(
            contract.grant, {shown(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}, results
        )

    @property
    def counts(self) -> Counter[str]:
        """Mutants by verdict."""
        return Counter(result.verdict for result in self.results)

    @property
    def alive(self) -> tuple[Result, ...]:
        """The mutants that no suite detected."""
        return tuple(r for r in self.results if r.verdict in (SURVIVED, MISPLACED))

    @property
    def passed(self) -> bool:
        """Is there at least one killed mutant, and none alive?"""
        return self.counts[KILLED] > 0 and not self.alive

    def groups(self) -> dict[str, Counter[str]]:
        """Mutants by verdict, by group of operators."""
        out: dict[str, Counter[str]] = {}
        for result in self.results:
            out.setdefault(result.mutant.operator.group, Counter())[result.verdict] += 1
        return out

    def lines(self) -> list[str]:
        """As text: the mutants alive, then a line for each group, then the score."""
        out = [str(result) for result in self.alive]
        used = {result.mutant.operator.name for result in self.results}
        made = f"{_number(len(self.results), 'mutant')}, by {_number(len(used), 'operator')}"
        out.append(f"MUTANTS  {self.grant}: {made}")
        for group, counts in self.groups().items():
            out.append(f"  {group:12} {_counted(counts)}")
        counts = self.counts
        due = counts[KILLED] + len(self.alive)
        rest = [f"{counts[EQUIVALENT]} proved equivalent", f"{counts[INVALID]} invalid"]
        rest += [f"{counts[DORMANT]} in branches of which the contract does not speak"] if counts[DORMANT] else []
        out.append(f"  score {counts[KILLED]}/{due}; {', '.join(rest)}")
        return out

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "grant": self.grant,
            "sha256": dict(self.templates),
            "counts": {verdict: self.counts[verdict] for verdict in VERDICTS},
            "groups": {group: {v: counts[v] for v in VERDICTS} for group, counts in self.groups().items()},
            "mutants": [result.as_dict() for result in self.results],
        }


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict])


def document(scores: Sequence[Score], judges: str, *, only: str = "", chosen: Sequence[str] = ()) -> dict[str, Any]:
    """Scores as plain data, for reports: the same bytes for the same templates, catalogue and release.

    Args:
        judges: the digest of the suites (`evidence.provenance.judges`).
        only, chosen: the expression that selected tests and the patterns that selected operators; empty for all.
    """
    digest = hashlib.sha256()
    for path in sorted(folder().glob("*.yaml")):
        digest.update(path.read_bytes())
    return {
        "version": 1,
        "operators": len(operators()),
        "catalogue_sha256": digest.hexdigest(),
        "judges_sha256": judges,
        "only": only,
        "chosen": list(chosen),
        "action_list": actions.release(),
        "grants": [score.as_dict() for score in scores],
    }
