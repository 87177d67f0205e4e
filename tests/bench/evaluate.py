"""Decisions per second on one core, and the decision on every known action for one role."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from moto.iam.aws_managed_policies import aws_managed_policies_data

from grantproof.iam import Layers, PolicyType, actions, evaluate, parse_policy, parse_request
from tests.bench.timing import best_of

SESSION = "arn:aws:sts::111111111111:assumed-role/reader/alice"
PARAMETER = "arn:aws:ssm:eu-west-1:111111111111:parameter/dva-02-002-Parameter"
READER = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "ssm:DescribeParameters", "Resource": "*"},
        {"Effect": "Allow", "Action": "ssm:GetParameter", "Resource": PARAMETER},
    ],
}
DECISIONS = 20_000


def layers(document: Any) -> Layers:
    """A role with one identity policy."""
    return Layers(identity=(parse_policy(document, PolicyType.IDENTITY, "identity[0]"),))


def decisions(held: Layers, names: list[str]) -> Callable[[], None]:
    """Decide `DECISIONS` requests for these actions in turn."""
    requests = [
        parse_request({"principal": SESSION, "action": name, "resource": PARAMETER, "resource_account": "111111111111"})
        for name in names
    ]

    def run() -> None:
        for number in range(DECISIONS):
            evaluate(requests[number % len(requests)], held)

    return run


def main() -> None:
    """Print the rates beside each other."""
    read_only = json.loads(aws_managed_policies_data)["ReadOnlyAccess"]["Document"]
    few = ["ssm:GetParameter", "ssm:DescribeParameters", "ssm:PutParameter", "ec2:RunInstances"]
    many = list(actions.every()[::97])
    small, large = best_of(5, decisions(layers(READER), few), decisions(layers(read_only), many))
    print(f"decide  the shipped role {DECISIONS / small:9,.0f}/s (aim 100,000)")
    print(f"decide  ReadOnlyAccess   {DECISIONS / large:9,.0f}/s (aim 20,000)   ratio of times {large / small:4.2f}")
    held = layers(READER)
    names = actions.every()
    requests = [parse_request({"principal": SESSION, "action": name, "resource": PARAMETER}) for name in names]
    (every,) = best_of(3, lambda: [evaluate(request, held) for request in requests])
    print(f"decide  every one of {len(names):,} known actions for one role: {every:5.3f} s (aim 0.25)")


if __name__ == "__main__":
    main()
