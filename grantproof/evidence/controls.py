"""The controls for which a run is evidence: the mapping in `controls.yaml`, applied to the claims of a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from grantproof.evidence.claim import Claim
from grantproof.evidence.results import Results
from grantproof.source import read

Grade = Literal["D", "p"]
State = Literal["supported", "not supported"]


@dataclass(frozen=True, slots=True)
class Control:
    """A control, and the claims that are evidence for it: suites, or `suite/test`.

    Attributes:
        grade: `D` direct evidence, for the templates as written; `p` partial.
        missing: what the control requires besides, in one sentence.
        oscal: the id in NIST's OSCAL catalog; empty for other frameworks.
        target: the objective or statement of that catalog that an OSCAL finding judges; only for grade D.
    """

    id: str
    title: str
    grade: Grade
    claims: tuple[str, ...]
    missing: str
    oscal: str = ""
    target: str = ""

    def includes(self, claim: Claim) -> bool:
        """Is the claim part of the evidence for the control?"""
        return claim.suite in self.claims or f"{claim.suite}/{claim.test}" in self.claims


@dataclass(frozen=True, slots=True)
class Framework:
    """A framework with the controls for which there is evidence, and those (id, reason) for which there is none."""

    id: str
    short: str
    title: str
    version: str
    controls: tuple[Control, ...]
    absent: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Assessed:
    """A control and its state in a run. Supported: all claims for it passed, and each suite and test that it
    names has a claim, unless no grant contains anything to which these apply."""

    framework: Framework
    control: Control
    claims: tuple[Claim, ...]
    state: State

    @property
    def failing(self) -> tuple[Claim, ...]:
        """The claims that did not pass."""
        return tuple(claim for claim in self.claims if claim.status != "pass")


@cache
def frameworks() -> tuple[Framework, ...]:
    """The mapping, by framework."""
    data = read(Path(__file__).with_name("controls.yaml")).value
    return tuple(
        Framework(
            id=entry["id"],
            short=entry["short"],
            title=entry["title"],
            version=entry["version"],
            controls=tuple(Control(**{**c, "claims": tuple(c["claims"])}) for c in entry["controls"]),
            absent=tuple((absent["id"], absent["why"]) for absent in entry["not"]),
        )
        for entry in data["frameworks"]
    )


def assess(results: Results) -> tuple[Assessed, ...]:
    """Every control of the mapping, judged by the claims of a run. An incomplete run supports none."""
    return tuple(_assessed(framework, control, results) for framework in frameworks() for control in framework.controls)


def _assessed(framework: Framework, control: Control, results: Results) -> Assessed:
    claims = tuple(claim for claim in results.claims if control.includes(claim))
    whole = not results.problems and all(_looked_at(name, claims, results) for name in control.claims)
    return Assessed(framework, control, claims, _state(claims, whole=whole))


def _looked_at(name: str, claims: Iterable[Claim], results: Results) -> bool:
    """Did a suite or test that a control names run, or had it nothing to examine in any grant?"""
    names = {f"{claim.suite}/{claim.test}" for claim in claims}
    names |= {test for tests in results.untouched.values() for test in tests}
    return any(name in (test, test.partition("/")[0]) for test in names)


def _state(claims: Iterable[Claim], *, whole: bool) -> State:
    statuses = {claim.status for claim in claims}
    return "supported" if whole and statuses == {"pass"} else "not supported"
