"""Policy variables before the fifth colon of a Resource, under every reading of their effect there (O42)."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import product
from random import Random
from typing import Any

import pytest

from grantproof.iam import Assumptions, Layers, parse_layers
from grantproof.iam.assumption import Judge
from grantproof.iam.comparison.compare import Verdict, compare
from grantproof.iam.evaluate import decided
from grantproof.iam.principal import parse as parse_principal
from grantproof.iam.request import Request

CALLER = parse_principal("arn:aws:iam::111111111111:user/u")
RESOURCES = [
    f"arn:aws:{service}:{region}::{name}"
    for service, region, name in product(("s3", "a"), ("", "a", "b", "aa", "ac", "c", "a:"), ("a", "b", "a:a"))
]
CONTEXTS = [
    {"v": v, "j": j} for v, j in product([(), ("a",), ("b",), ("c",), ("a:",), ("a::a",), ("s3:a",)], [(), ("a",)])
]
SERVICES = ["s3", "s3", "s3", "${v}", "a", "*"]
REGIONS = ["", "a", "*", "${v}", "${v}", "a${v}", "?", "${v}*", "${v, 'b'}"]
NAMES = ["a", "*", "${v}", "b", "a*", "*b"]


def statement(random: Random) -> dict[str, Any]:
    def pattern() -> str:
        return f"arn:aws:{random.choice(SERVICES)}:{random.choice(REGIONS)}::{random.choice(NAMES)}"

    out: dict[str, Any] = {"Effect": random.choice(["Allow", "Allow", "Deny"]), "Action": "s3:*"}
    patterns = [pattern() for _ in range(random.randint(1, 2))] if random.random() < 0.85 else ["*"]
    out[random.choice(["Resource", "Resource", "NotResource"])] = patterns
    if random.random() < 0.3:
        name = random.choice(["StringEquals", "StringNotEquals", "StringLike"])
        key, value = random.choice([("j", "a"), ("j", "${v}"), ("v", "a"), ("v", "b")])
        out["Condition"] = {name: {key: value}}
    return out


def pair(seed: int) -> tuple[Layers, Layers]:
    random = Random(seed)  # noqa: S311 - random policies, not secrets

    def document() -> list[dict[str, Any]]:
        return [statement(random) for _ in range(random.randint(1, 2))]

    old = document()
    new = [*old[1:], statement(random)] if random.random() < 0.5 else document()
    boundary = {"boundary": [{"Version": "2012-10-17", "Statement": document()}]} if random.random() < 0.3 else {}
    sides = ({"identity": [{"Version": "2012-10-17", "Statement": some}], **boundary} for some in (old, new))
    before, after = map(parse_layers, sides)
    return before, after


@cache
def requests() -> tuple[Request, ...]:
    return tuple(Request(CALLER, "s3:Get", r, "111111111111", c) for r, c in product(RESOURCES, CONTEXTS))


def allowed(layers: Layers, reading: Assumptions) -> set[int]:
    return {n for n, request in enumerate(requests()) if decided(request, layers, Judge(reading)).allowed}


@pytest.mark.parametrize(
    "reading",
    [
        {},
        {"O42": "replaced"},
        {"O42": "replaced", "O39": "never"},
        {"O42": "replaced", "O5": "segments"},
        {"O42": "replaced", "O9": "void"},
    ],
    ids=str,
)
def test_every_difference_in_a_small_world_is_found(reading: dict[str, str]) -> None:
    assumptions, verdicts = Assumptions(reading), Counter[Verdict]()
    for seed in range(40):
        old, new = pair(seed)
        before, after = allowed(old, assumptions), allowed(new, assumptions)
        verdict = compare(old, new, assumptions=assumptions, every_reading=False).verdict
        verdicts[verdict] += 1
        if verdict is not Verdict.UNDETERMINED:
            assert not after - before or verdict in (Verdict.WIDER, Verdict.DIFFERENT), seed
            assert not before - after or verdict in (Verdict.NARROWER, Verdict.DIFFERENT), seed
    assert verdicts[Verdict.UNDETERMINED] < 8
    assert all(verdicts[verdict] > 2 for verdict in Verdict if verdict is not Verdict.UNDETERMINED)


def test_a_verdict_that_depends_on_the_reading_of_such_a_variable_names_the_open_point() -> None:
    """If the two readings give different verdicts, either verdict depends on the open point."""
    replaced, turned = Assumptions({"O42": "replaced"}), 0
    for seed in range(40):
        old, new = pair(seed)
        found, other = compare(old, new), compare(old, new, assumptions=replaced, every_reading=False)
        if Verdict.UNDETERMINED not in (found.verdict, other.verdict) and found.verdict is not other.verdict:
            turned += 1
            assert "O42" in found.depends_on, seed
    assert turned > 5
