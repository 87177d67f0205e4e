"""The scoreboard: how many conformance cases this evaluator and moto's own IAM evaluation decide as documented.

moto is asked the way its services ask it (`moto.iam.access_control`): its identity policies, and for entering a role
the trust policy besides. It does not tell an implicit from an explicit deny, so for it allowed or denied is enough.
"""

from __future__ import annotations

import json
import sys
from collections import Counter

from moto.iam.access_control import IAMPolicy, PermissionResult

from grantproof.iam import IamError
from grantproof.iam.decisions import decide
from tests.conformance import Case, every_case


def ours(case: Case) -> bool:
    """Is the decision exactly the documented one?"""
    try:
        outcome = decide(case.asked)["decision"]
    except IamError as error:
        return str(error.kind) == case.expected.get("error", {}).get("kind")
    return bool(outcome == case.expected.get("decision"))


def moto(case: Case) -> bool:
    """Does moto let through what is documented as allowed, and nothing else?"""
    try:
        allowed = _moto_allows(case)
    except Exception:  # noqa: BLE001 - whatever it raises, the user of moto sees an error and no decision
        return False
    return allowed == (case.expected.get("decision") == "allowed")


def _moto_allows(case: Case) -> bool:
    request, policies = case.asked["request"], case.asked["policies"]
    action, resource, principal = request["action"], request["resource"], request["principal"]
    if action == "sts:GetCallerIdentity":
        return True
    results = [
        IAMPolicy(json.dumps(document)).is_action_permitted(action, resource)
        for document in policies.get("identity", ())
    ]
    if PermissionResult.DENIED in results:
        return False
    permitted = PermissionResult.PERMITTED in results
    if action.startswith("sts:AssumeRole") and policies.get("resource"):
        sent = {k: v for k, v in request["context"].items() if isinstance(v, str)}
        trust = IAMPolicy(json.dumps(policies["resource"]))
        permitted = permitted and (
            trust.is_action_permitted(action, resource, principal, sent) is PermissionResult.PERMITTED
        )
    return permitted


def main() -> int:
    """Print one line a topic; the exit status is 1 when this evaluator misses a case."""
    cases = list(every_case())
    total = Counter(case.topic for case in cases)
    right = Counter(case.topic for case in cases if ours(case))
    theirs = Counter(case.topic for case in cases if moto(case))
    print(f"{'topic':16}{'cases':>7}{'grantproof':>12}{'moto':>12}")
    for topic in sorted(total):
        n = total[topic]
        print(f"{topic:16}{n:7}{right[topic]:7} {right[topic] / n:4.0%}{theirs[topic]:7} {theirs[topic] / n:4.0%}")
    n, ok, other = len(cases), right.total(), theirs.total()
    print(f"{'all':16}{n:7}{ok:7} {ok / n:4.0%}{other:7} {other / n:4.0%}")
    return 0 if ok == n else 1


if __name__ == "__main__":
    sys.exit(main())
