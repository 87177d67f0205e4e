"""z3 as a second opinion, and as a measure: random pairs of AWS's managed policies that have no conditions.

The encoding is the direct one: an action and a resource are strings, a pattern is a regular expression, and asked is
whether one formula holds and the other does not. z3 gives up after three seconds; only what it decides is compared.
"""

from __future__ import annotations

import statistics
import sys
import time
from itertools import product
from random import Random
from typing import Any

import z3

from grantproof.iam import Policy, parse_policy
from grantproof.iam.comparison import automaton, language
from grantproof.iam.comparison.compare import contained
from grantproof.iam.comparison.prepared import Prepared
from grantproof.iam.errors import Undecided
from grantproof.iam.glob import Glob, Wild, glob
from grantproof.iam.layers import Layers
from grantproof.iam.policy import PolicyType, Statement
from tests.bench.managed import documents

PAIRS, CONTAINED_PAIRS, TIMEOUT = 150, 40, 3_000
ROUNDS = 3


def expression(pattern: Glob) -> Any:
    """A pattern as z3's regular expression."""
    character = z3.AllChar(z3.ReSort(z3.StringSort()))
    parts = [
        z3.Re(token) if isinstance(token, str) else z3.Star(character) if token is Wild.ANY else character
        for token in pattern.tokens
    ]
    if not parts:
        return z3.Re("")
    return parts[0] if len(parts) == 1 else z3.Concat(*parts)


def matches(text: Any, patterns: tuple[Glob, ...], negated: bool) -> Any:
    """Does a text match one of the patterns, or in Not form none?"""
    found = z3.Or([z3.InRe(text, expression(p)) for p in patterns])
    return z3.Not(found) if negated else found


def fires(statement: Statement, action: Any, resource: Any) -> Any:
    """Does a statement without conditions fire?"""
    globs = tuple(p.fixed for p in statement.resources or () if p.fixed is not None)
    return z3.And(
        matches(action, statement.actions, statement.not_action), matches(resource, globs, statement.not_resource)
    )


def allowed(policy: Policy, action: Any, resource: Any) -> Any:
    """Does some Allow fire and no Deny?"""
    allows = [fires(s, action, resource) for s in policy.statements if s.allow]
    denies = [fires(s, action, resource) for s in policy.statements if not s.allow]
    return z3.And(z3.Or(allows), z3.Not(z3.Or(denies)))


def by_solver(inner: Policy, outer: Policy) -> bool | None:
    """Is everything allowed by the one allowed by the other? None where z3 gives up."""
    action, resource = z3.String("action"), z3.String("resource")
    solver = z3.Solver()
    solver.set("timeout", TIMEOUT)
    arn = z3.Or(resource == z3.StringVal("*"), z3.InRe(resource, expression(glob("arn:*:*:*:*:*"))))
    solver.add(z3.InRe(action, expression(glob("?*:?*"))), arn)
    # What needs no permission is not in question (rules T26, T28).
    solver.add(*(action != z3.StringVal(name) for name in ("sts:getcalleridentity", "sts:getsessiontoken")))
    solver.add(allowed(inner, action, resource), z3.Not(allowed(outer, action, resource)))
    answer = solver.check()
    return None if answer == z3.unknown else answer == z3.unsat


def plain() -> dict[str, Policy]:
    """The managed policies without conditions and variables."""
    found = {name: parse_policy(document, PolicyType.IDENTITY, name) for name, document in documents().items()}
    return {
        name: policy
        for name, policy in found.items()
        if not any(s.conditions or any(p.variables for p in s.resources or ()) for s in policy.statements)
    }


def ours(policies: dict[str, Policy], inner: str, outer: str) -> tuple[bool | None, float]:
    """The comparison's answer, and its seconds with everything that is worked out for it; of a few runs that know
    nothing of each other the shortest, as so little time is easily doubled by what else the machine does."""
    best = float("inf")
    for _ in range(ROUNDS):
        language.forget()
        automaton.forget()
        language.generic_point.cache_clear()
        started = time.process_time()
        sides = [Prepared(Layers(identity=(policies[name],))) for name in (inner, outer)]
        try:
            answer: bool | None = contained(*sides)
        except Undecided:
            answer = None
        best = min(best, time.process_time() - started)
    return answer, best


def opinion(title: str, policies: dict[str, Policy], pairs: list[tuple[str, str]]) -> bool:
    """Compare the two, print one line, and say whether they agree."""
    disagree, ratios, unknown = [], [], 0
    for inner, outer in pairs:
        answer, seconds = ours(policies, inner, outer)
        started = time.process_time()
        other = by_solver(policies[inner], policies[outer])
        theirs = time.process_time() - started
        unknown += other is None
        if other is not None and other != answer:
            disagree.append((inner, outer, answer, other))
        ratios.append(theirs / seconds)
    print(
        f"z3 {title:24} {len(pairs)} pairs: z3 gives up on {unknown}, disagrees on {len(disagree)}; "
        f"median {statistics.median(ratios):.0f} times as slow"
    )
    for pair in disagree:
        print("  disagreement:", *pair)
    return not disagree


def main() -> int:
    """The exit status is 1 when the two disagree anywhere."""
    policies = plain()
    names = sorted(policies)
    random = Random(2)  # noqa: S311 - pairs to measure, not secrets
    pairs = [(random.choice(names), random.choice(names)) for _ in range(PAIRS)]
    sides = {name: Prepared(Layers(identity=(policies[name],))) for name in names}
    inside = [(a, b) for a, b in product(names, names) if a != b and contained(sides[a], sides[b])]
    agree = [
        opinion("random pairs", policies, pairs),
        opinion("where containment holds", policies, random.sample(inside, CONTAINED_PAIRS)),
    ]
    return 0 if all(agree) else 1


if __name__ == "__main__":
    sys.exit(main())
