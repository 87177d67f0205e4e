"""KMS grants in a comparison, against the evaluator on every request of a small world."""

from __future__ import annotations

import json
from itertools import product
from random import Random
from typing import Any

from grantproof.iam import Layers, evaluate, parse_request
from grantproof.iam.comparison.compare import Verdict, compare
from grantproof.iam.comparison.comparisons import layers_of

OWNER, PARTNER = "111111111111", "222222222222"
APP = f"arn:aws:iam::{OWNER}:role/app"
KEY = f"arn:aws:kms:eu-west-1:{OWNER}:key/k1"
CALLERS = [
    f"arn:aws:iam::{OWNER}:root",
    f"arn:aws:iam::{OWNER}:user/zoe",
    f"arn:aws:sts::{OWNER}:assumed-role/app/run",
    f"arn:aws:sts::{OWNER}:assumed-role/other/run",
    f"arn:aws:iam::{PARTNER}:user/bob",
    f"arn:aws:sts::{PARTNER}:assumed-role/app/run",
]
GRANTEES = [APP, f"arn:aws:iam::{OWNER}:user/zoe", f"arn:aws:iam::{PARTNER}:root", f"arn:aws:iam::{PARTNER}:user/bob"]
PAIRS = [{}, {"a": "1"}, {"a": "2"}, {"b": "1"}, {"a": "1", "b": "1"}, {"c": "1"}, {"a": "1", "c": "1"}]


def grant(grantee: str = APP, operations: tuple[str, ...] = ("Decrypt",), **constraints: Any) -> dict[str, Any]:
    return {"GranteePrincipal": grantee, "Operations": list(operations), "Constraints": constraints}


def side(*grants: dict[str, Any], policy: list[dict[str, Any]] | None = None, **more: Any) -> Layers:
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    allows = policy or [{**everything, "Principal": {"AWS": OWNER}, "Action": "kms:DescribeKey"}]
    key = {"Version": "2012-10-17", "Statement": allows}
    return layers_of({"identity": [{"Statement": [everything]}], "resource": key, "grants": list(grants), **more})


def verdict(old: Layers, new: Layers) -> str:
    return compare(old, new, owner=OWNER).verdict.value


def test_another_grant_is_new_access_and_its_witness_is_allowed_by_it() -> None:
    old, new = side(grant()), side(grant(), grant(operations=("Encrypt",)))
    found = compare(old, new, owner=OWNER)
    assert found.verdict is Verdict.WIDER
    assert all(evaluate(d.witness, new).allowed for d in found.new_access)
    assert {d.witness.action for d in found.new_access} == {"kms:Encrypt"}
    assert verdict(new, old) == "narrower"


def test_the_same_grants_are_equal_in_whatever_order() -> None:
    one, other = grant(), grant(CALLERS[1], EncryptionContextSubset={"a": "1"})
    assert verdict(side(one, other), side(other, one)) == "equal"


def test_an_encryption_context_narrows_a_grant_and_an_exact_one_still_more() -> None:
    free, some, exact = (
        grant(**c) for c in ({}, {"EncryptionContextSubset": {"a": "1"}}, {"EncryptionContextEquals": {"a": "1"}})
    )
    assert verdict(side(free), side(some)) == "narrower"
    assert verdict(side(some), side(exact)) == "narrower"
    assert verdict(side(exact), side(free)) == "wider"


def test_constraints_that_contradict_each_other_give_nothing() -> None:
    never = grant(EncryptionContextSubset={"a": "1"}, EncryptionContextEquals={"a": "2"})
    assert verdict(side(), side(never)) == "equal"
    more = grant(EncryptionContextSubset={"b": "1"}, EncryptionContextEquals={"a": "2"})
    assert verdict(side(), side(more)) == "equal"


def test_a_grant_is_an_allow_of_the_key_policy() -> None:
    allow = {"Effect": "Allow", "Principal": {"AWS": APP}, "Action": "kms:Decrypt", "Resource": "*"}
    described = {**allow, "Principal": {"AWS": OWNER}, "Action": "kms:DescribeKey"}
    condition = {"StringEquals": {"kms:EncryptionContext:a": "1"}}
    written = side(policy=[described, {**allow, "Condition": condition}])
    assert verdict(side(grant(EncryptionContextSubset={"a": "1"})), written) == "equal"


def test_grants_without_the_key_policy_are_not_compared_and_say_so() -> None:
    found = compare(layers_of({"identity": [], "grants": [grant()]}), layers_of({"identity": []}))
    assert found.verdict is Verdict.UNDETERMINED
    assert "give it as the resource policy" in found.reason


def random_side(random: Random) -> Layers:
    grants = []
    for _ in range(random.randint(0, 2)):
        names = [n for n in ("EncryptionContextSubset", "EncryptionContextEquals") if random.random() < 0.4]
        constraints = {name: random.choice(PAIRS[1:5]) for name in names}
        operations = tuple(random.sample(["Decrypt", "Encrypt"], random.randint(1, 2)))
        grants.append(grant(random.choice(GRANTEES), operations, **constraints))
    policy = []
    for _ in range(random.randint(1, 2)):
        conditions: list[dict[str, Any]] = [{}, {"StringNotEquals": {"kms:EncryptionContext:b": "1"}}]
        block = random.choice([*conditions, {"StringEquals": {"kms:EncryptionContext:a": ["1", "2"]}}])
        statement = {"Effect": random.choice(["Allow", "Allow", "Deny"]), "Action": random.choice(["kms:*", "kms:De*"])}
        policy.append({**statement, "Principal": {"AWS": random.choice(GRANTEES)}, "Resource": "*", "Condition": block})
    return side(*grants, policy=policy)


def differs(old: Layers, new: Layers) -> tuple[bool, bool]:
    more = less = False
    for caller, action, pairs in product(CALLERS, ("kms:Decrypt", "kms:Encrypt"), PAIRS):
        context = {f"kms:EncryptionContext:{name}": value for name, value in pairs.items()}
        asked = {"principal": caller, "action": action, "resource": KEY, "resource_account": OWNER, "context": context}
        request = parse_request(asked)
        before, after = evaluate(request, old).allowed, evaluate(request, new).allowed
        more, less = more or (after and not before), less or (before and not after)
    return more, less


def test_no_difference_between_grants_is_missed() -> None:
    seen = set()
    for seed in range(40):
        random = Random(seed)  # noqa: S311 - random policies, not secrets
        old, new = random_side(random), random_side(random)
        more, less = differs(old, new)
        found = compare(old, new, owner=OWNER, every_reading=False)
        assert found.verdict is not Verdict.UNDETERMINED, (seed, found.reason)
        # It may find more: other operations, other callers.
        assert not more or found.new_access, (seed, json.dumps([str(old.grants), str(new.grants)]))
        assert not less or found.lost_access, seed
        seen.add((more, less))
    assert len(seen) == 4
