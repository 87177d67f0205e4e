"""Random pairs of policies with a policy variable whose value is compared with and without regard to case, and whether
they differ, by trying every text, tag and key of a small world."""

from __future__ import annotations

import re
from functools import cache
from itertools import product
from random import Random
from typing import Any

from grantproof.iam import parse_layers
from grantproof.iam.comparison.compare import Verdict, quick_verdict

BUCKET = "arn:aws:s3:::"
TAG, KEY = "aws:PrincipalTag/u", "s3:prefix"
VARIABLE = f"${{{TAG}}}"
PATTERNS = (VARIABLE, f"a{VARIABLE}", f"{VARIABLE}a", f"{VARIABLE}*", "a", "A", "a*", "*A", "ab", "AB", "*", "x")
OPERATORS = ("StringEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike")
TEXTS = [*("".join(letters) for size in range(4) for letters in product("aAbB", repeat=size)), "x"]
#: None stands for a key that is not in the request.
TAGS = (None, "", *(text for text in TEXTS if 0 < len(text) <= 2))
VALUES = (None, *(text for text in TEXTS if len(text) <= 1), "q", "Q")


def _statement(random: Random) -> dict[str, Any]:
    out: dict[str, Any] = {"Effect": random.choice(["Allow", "Allow", "Deny"]), "Action": "s3:*"}
    element = random.choice(["Resource", "Resource", "NotResource"])
    out[element] = [f"{BUCKET}{random.choice(PATTERNS)}" for _ in range(random.randint(1, 2))]
    asked: dict[str, dict[str, str]] = {}
    for key, values in ((TAG, ("a", "ab", "", "A", "B")), (TAG, ("a", "AB")), (KEY, (VARIABLE, "a", "A"))):
        if random.random() < 0.4:
            if_exists = random.choice(["", "", "IfExists"])
            asked.setdefault(random.choice(OPERATORS) + if_exists, {})[key] = random.choice(values)
    return out | ({"Condition": asked} if asked else {})


def pair(seed: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The statements of two policies, which differ in one; the same for the same seed."""
    random = Random(seed)  # noqa: S311 - random policies, not secrets
    old = [_statement(random) for _ in range(random.randint(1, 2))]
    new = [*old]
    new[random.randrange(len(new))] = _statement(random)
    return old, new


@cache
def _matches(pattern: str, text: str, tag: str | None, fold: bool, wild: bool) -> bool:
    if VARIABLE in pattern and not tag:
        return False  # a variable without value is in nothing (rule V7)
    pieces = re.split(r"(\*)" if wild else r"(?!)", pattern.replace(VARIABLE, "\0"))
    expression = "".join(".*" if piece == "*" and wild else re.escape(piece) for piece in pieces)
    expression = expression.replace(re.escape("\0"), re.escape(tag or ""))
    return re.fullmatch(expression, text, re.IGNORECASE if fold else 0) is not None


def _holds(operator: str, value: str | None, wanted: str, tag: str | None) -> bool:
    negated = "Not" in operator
    if value is None:
        return negated or operator.endswith("IfExists")
    fold, wild = "IgnoreCase" in operator, "Like" in operator
    return _matches(wanted, value, tag, fold, wild) != negated


def _fires(statement: dict[str, Any], text: str, tag: str | None, value: str | None) -> bool:
    for operator, entries in statement.get("Condition", {}).items():
        for key, wanted in entries.items():
            if not _holds(operator, tag if key == TAG else value, wanted, tag):
                return False
    element = "Resource" if "Resource" in statement else "NotResource"
    met = any(_matches(p.removeprefix(BUCKET), text, tag, False, True) for p in statement[element])
    return met == (element == "Resource")


def _allowed(statements: list[dict[str, Any]], text: str, tag: str | None, value: str | None) -> bool:
    effects = {s["Effect"] for s in statements if _fires(s, text, tag, value)}
    return effects == {"Allow"}


def missed(seed: int) -> bool | None:
    """Is there a difference that the comparison says is not there? None where it says nothing."""
    old, new = pair(seed)
    sides = [parse_layers({"identity": [{"Version": "2012-10-17", "Statement": side}]}) for side in (old, new)]
    verdict = quick_verdict(*sides)
    if verdict is Verdict.UNDETERMINED:
        return None
    more, less = verdict in (Verdict.WIDER, Verdict.DIFFERENT), verdict in (Verdict.NARROWER, Verdict.DIFFERENT)
    for text, tag, value in product(TEXTS, TAGS, VALUES):
        before, after = (_allowed(side, text, tag, value) for side in (old, new))
        if (after and not before and not more) or (before and not after and not less):
            return True
    return False
