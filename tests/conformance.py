"""Reading `fixtures/conformance`: every case with its documents in their place."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

CONFORMANCE = Path(__file__).parent.parent / "fixtures" / "conformance"
FILES = tuple(sorted(CONFORMANCE.glob("*/*.json")))


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON's own reader keeps the last of two equal keys; a fixture with two is wrong."""
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys)), f"a key stands twice: {keys}"
    return dict(pairs)


@cache
def load(path: Path) -> Any:
    """One file, as plain data."""
    return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=unique_keys)


@dataclass(frozen=True)
class Case:
    """One case. `name` is topic/behaviour/id; `asked` is the line of `grantproof evaluate` without its id."""

    name: str
    rules: tuple[str, ...]
    asked: Mapping[str, Any]
    expected: Mapping[str, Any]

    @property
    def topic(self) -> str:
        """The folder in which the case stands."""
        return self.name.split("/", 1)[0]


def resolved(path: Path, case: Mapping[str, Any]) -> dict[str, Any]:
    """What an evaluator gets of a case: every document in its place, none by name."""
    shared = load(path).get("policies", {})

    def place(value: Any) -> Any:
        if isinstance(value, list):
            return [place(item) for item in value]
        return shared[value] if isinstance(value, str) else value

    layers = {name: value if name == "grants" else place(value) for name, value in case["policies"].items()}
    return {
        "request": {"context": {}} | case["request"],
        "policies": layers,
        "assumptions": case.get("assumptions", {}),
    }


def every_case() -> Iterator[Case]:
    """All cases of all topics."""
    for path in FILES:
        for case in load(path)["cases"]:
            name = f"{path.parent.name}/{path.stem}/{case['id']}"
            yield Case(name, tuple(case["rules"]), resolved(path, case), case["expected"])
