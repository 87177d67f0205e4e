"""Results of mutation testing, read from the file that `grantproof mutants` writes beside the reports."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

NAME = "mutants.json"
_VERSION = 1
_CAUGHT, _ALIVE, _SAME = "killed", ("survived", "killed for another reason"), "equivalent"


@dataclass(frozen=True, slots=True)
class Mutation:
    """Counts of seeded faults (mutants), tied to this run by the digests of the mutated files.

    Attributes:
        state: `not run` where there are no results for exactly these files; `why` gives the reason.
        seeded: all mutants: caught, survived, equivalent, and those that AWS would not deploy or that are in a branch
            which is not deployed.
        caught: a suite failed because of the fault.
        survived: no suite failed, or for another reason.
        equivalent: proved to change no access.
    """

    state: Literal["run", "not run"]
    why: str = ""
    seeded: int = 0
    caught: int = 0
    survived: int = 0
    equivalent: int = 0

    @property
    def access_changing(self) -> int:
        """The mutants that change access, and so have to be caught."""
        return self.caught + self.survived


def read(folder: Path, grants: Iterable[str], inputs: Mapping[str, str], judges: str) -> Mutation:
    """The results for exactly these grants and suites.

    Args:
        folder: the folder of the file.
        inputs: sha256 of templates, contracts and waivers, by path.
        judges: `provenance.judges` of the run.
    """
    file = folder / NAME
    if not file.is_file():
        return Mutation("not run", f"no {NAME} stands beside the reports; `grantproof mutants` writes it")
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        return _fresh(data, set(grants), inputs, judges)
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        return Mutation("not run", f"{NAME} cannot be read: {type(error).__name__}")


def _fresh(data: Mapping[str, Any], grants: set[str], inputs: Mapping[str, str], judges: str) -> Mutation:
    if data["version"] != _VERSION:
        return Mutation("not run", f"{NAME} is of version {data['version']}; this release reads version {_VERSION}")
    if left_out := [text for text in (data["only"], *data["chosen"]) if text]:
        return Mutation("not run", f"{NAME} is of a part: it was limited to {', '.join(left_out)}")
    if data["judges_sha256"] != judges:
        return Mutation("not run", f"{NAME} is of other suites, or of another release of grantproof")
    entries = {entry["grant"]: entry for entry in data["grants"]}
    if missing := sorted(grants - entries.keys()):
        return Mutation("not run", f"{NAME} has nothing of {', '.join(missing)}")
    seen: dict[str, str] = {}
    for grant in grants:
        seen |= entries[grant]["sha256"]
    read_here = {path: digest for path, digest in inputs.items() if not path.endswith("waivers.yaml")}
    if changed := sorted(path for path in seen.keys() | read_here.keys() if seen.get(path) != read_here.get(path)):
        return Mutation("not run", f"{NAME} is of an earlier state: {changed[0]} is another file now")
    counts = [entries[grant]["counts"] for grant in sorted(grants)]
    return Mutation(
        "run",
        seeded=sum(int(number) for of in counts for number in of.values()),
        caught=sum(int(of[_CAUGHT]) for of in counts),
        survived=sum(int(of[name]) for of in counts for name in _ALIVE),
        equivalent=sum(int(of[_SAME]) for of in counts),
    )
