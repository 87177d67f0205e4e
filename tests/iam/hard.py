"""Policies made to be hard to compare: each of these would take minutes or more if it were not given up in time."""

from __future__ import annotations

from random import Random
from typing import Any

from grantproof.iam import Layers, parse_layers

_LETTERS = "abcdefghijklmnop"
_ROTATIONS = ["".join(f"*{letter}" for letter in _LETTERS[n:] + _LETTERS[:n]) + "*" for n in range(16)]
_COUNTING = ["*" + "?" * n + letter + "*" for n in range(12) for letter in _LETTERS[:8]]


def _layers(*statements: dict[str, Any], **limits: Any) -> Layers:
    return parse_layers({"identity": [{"Version": "2012-10-17", "Statement": list(statements)}], **limits})


def _allow(actions: list[str], element: str = "Action", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", element: [f"s3:{action}" for action in actions], "Resource": "*", **more}


def _scattered(seed: int) -> list[str]:
    """Forty patterns of eight letters each, `*c*a*f*...*`."""
    random = Random(seed)  # noqa: S311 - hard patterns, not secrets
    return ["".join(f"*{letter}" for letter in random.sample(_LETTERS, 8)) + "*" for _ in range(40)]


def _one_of_three(keys: int, statements: int) -> list[dict[str, Any]]:
    """Statements that each fail where one of three keys has its way: together no keys' values make them all fail, and
    that they do not is what satisfiability solvers are measured by."""
    random = Random(1)  # noqa: S311 - hard conditions, not secrets
    out = []
    for _ in range(statements):
        block: dict[str, Any] = {}
        for key in random.sample(range(keys), 3):
            block.setdefault(random.choice(["StringEquals", "StringNotEquals"]), {})[f"k{key}"] = "a"
        out.append(_allow(["*"], Condition=block))
    return out


def layered(first: int, values: list[str]) -> Layers:
    """Sixty ways in two layers, some of them in two more: what each key has to be; in the first layer without those
    before the `first`."""
    ways = [_allow(["*"], Condition={"StringEquals": {f"k{n}": values}}) for n in range(60)]
    boundary, session, scp = ({"Statement": ways[:count]} for count in (60, 12, 40))
    return _layers(*ways[first:], boundary=[boundary], session=[session], scp=[[scp]])


CASES: dict[str, tuple[Layers, Layers]] = {
    "16 rotations against themselves": (_layers(_allow(_ROTATIONS)), _layers(_allow(_ROTATIONS[::-1]))),
    "40 scattered patterns against 40": (_layers(_allow(_scattered(1))), _layers(_allow(_scattered(2)))),
    "four Not forms": (
        _layers(*(_allow(_scattered(1)[n::4], "NotAction") for n in range(4))),
        _layers(*(_allow(_scattered(2)[n::4], "NotAction") for n in range(4))),
    ),
    "96 patterns that count characters": (_layers(_allow(_COUNTING)), _layers(_allow(_ROTATIONS))),
    "one of three keys, 260 times": (_layers(_allow(["*"])), _layers(*_one_of_three(60, 260))),
    "sixty ways in each of four layers": (layered(0, ["a"]), layered(1, ["a", "b"])),
}
