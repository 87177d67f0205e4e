"""Random policies in all layers at once, and what they allow: the evaluator is asked about every request of a world.

Each pair has two condition keys of its own, beside those that follow from who asks, so that every state of them is
tried with every caller, action and resource.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import product
from random import Random
from typing import Any

from grantproof.iam import IamError, Layers, Request, parse_request
from grantproof.iam.assumption import DEFAULTS, Judge
from grantproof.iam.comparison.compare import Verdict, quick_verdict
from grantproof.iam.comparison.comparisons import layers_of
from grantproof.iam.comparison.witness import delegated
from grantproof.iam.evaluate import decided

OWNER, PARTNER = "111111111111", "222222222222"
FULL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
CALLERS: list[Any] = [
    f"arn:aws:iam::{OWNER}:root",
    f"arn:aws:iam::{OWNER}:user/zoe",
    f"arn:aws:iam::{PARTNER}:root",
    f"arn:aws:iam::{PARTNER}:user/bob",
    f"arn:aws-cn:iam::{PARTNER}:user/bob",
    f"arn:aws:sts::{OWNER}:assumed-role/app/run",
    f"arn:aws:sts::{OWNER}:assumed-role/z/run",
    f"arn:aws:sts::{PARTNER}:assumed-role/app/run",
    f"arn:aws:sts::{OWNER}:federated-user/fed",
    f"arn:aws:sts::{PARTNER}:federated-user/fed",
    "*",
    {"Service": "sns.amazonaws.com"},
    {"Federated": "accounts.google.com"},
]
NAMED: list[Any] = [
    "*",
    {"AWS": OWNER},
    {"AWS": f"arn:aws:iam::{PARTNER}:root"},
    {"AWS": [f"arn:aws:iam::{OWNER}:role/app", f"arn:aws:iam::{PARTNER}:role/app"]},
    {"AWS": f"arn:aws:sts::{PARTNER}:assumed-role/app/run"},
    {"AWS": [f"arn:aws:iam::{OWNER}:user/zoe", f"arn:aws:iam::{PARTNER}:user/bob"]},
    {"AWS": f"arn:aws:sts::{OWNER}:federated-user/fed"},
    {"Service": "sns.amazonaws.com"},
]
PROVIDER = {"Federated": "accounts.google.com"}
#: By key, its states and what may be asked of it.
KEYS: dict[str, tuple[list[tuple[str, ...]], list[dict[str, Any]]]] = {
    "sts:ExternalId": (
        [(), ("a",), ("b",), ("A",)],
        [
            {"StringEquals": "a"},
            {"StringNotEqualsIfExists": ["a", "b"]},
            {"StringEqualsIgnoreCase": "a"},
            {"StringLike": "?"},
            {"Null": "true"},
        ],
    ),
    "aws:TagKeys": (
        [(), ("",), ("a",), ("a", "b"), ("b", "c"), ("c",)],
        [
            {"ForAllValues:StringEquals": ["a", "b"]},
            {"ForAllValues:StringEquals": ["a", "b"], "Null": "false"},
            {"ForAnyValue:StringLike": ["a*", "b"]},
            {"ForAnyValue:StringNotEquals": ["a", "b"]},
            {"ForAllValues:StringNotLike": ["c*"]},
            {"ForAllValues:StringEqualsIfExists": ["a"], "ForAnyValue:StringEquals": "a"},
            {"ForAllValues:Null": "true"},
            {"ForAnyValue:Null": "false"},
        ],
    ),
    "aws:CurrentTime": (
        [(), ("2029-12-31T23:59:59Z",), ("2030-01-01T00:00:00Z",), ("1893456001",)],
        [
            {"DateLessThan": "2030-01-01T00:00:00Z"},
            {"DateLessThanEqualsIfExists": "2030-01-01T01:00:00+01:00"},
            {"DateGreaterThan": "1893456000"},
            {"DateNotEquals": "2030-01-01"},
            {"DateEqualsIfExists": "2030"},
        ],
    ),
    "aws:SourceIp": (
        [(), ("10.0.0.1",), ("10.1.0.0",), ("2001:db8::1",), ("2001:db9::",)],
        [
            {"IpAddress": ["10.0.0.0/16", "2001:db8::/32"]},
            {"NotIpAddress": "10.0.0.0/8"},
            {"IpAddressIfExists": "10.0.255.7/15"},
            {"NotIpAddressIfExists": "2001:db8::/33"},
            {"Null": "false"},
        ],
    ),
    "s3:max-keys": (
        [(), ("9",), ("10",), ("10.5",), ("11",)],
        [
            {"NumericLessThan": "10"},
            {"NumericLessThanEquals": "10.0"},
            {"NumericGreaterThanEqualsIfExists": "1.1e1"},
            {"NumericNotEquals": "10"},
            {"NumericEqualsIfExists": ["9", "11"]},
        ],
    ),
    "aws:SourceIdentity": (
        [(), ("",), ("ann",), ("bob",)],
        [
            {"StringLike": "a*"},
            {"StringNotLike": "a*"},
            {"StringEqualsIfExists": "bob"},
            {"StringEquals": "${aws:username}"},
            {"StringNotEquals": ["${aws:username}", "ann"]},
            {"StringLike": "${aws:PrincipalTag/t, 'ann'}"},
            {"Null": "true"},
        ],
    ),
    "aws:PrincipalTag/t": (
        [(), ("ann",), ("b",), ("x",)],
        [
            {"StringEquals": ["ann", "b"]},
            {"StringNotEqualsIfExists": "b"},
            {"StringLike": "?"},
            {"Null": "false"},
        ],
    ),
    "aws:MultiFactorAuthPresent": (
        [(), ("true",), ("false",)],
        [{"Bool": "true"}, {"BoolIfExists": "false"}, {"Null": "true"}, {"BoolIfExists": ["true", "false"]}],
    ),
}
OF_CALLERS: list[dict[str, Any]] = [
    {"StringEquals": {"aws:PrincipalAccount": OWNER}},
    {"StringNotEquals": {"aws:PrincipalAccount": [OWNER, PARTNER]}},
    {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}},
    {"ArnNotLikeIfExists": {"aws:PrincipalArn": "arn:aws:iam::*:user/*"}},
    {"ArnLike": {"aws:PrincipalArn": "arn:*:iam::*:user/b*"}},
    {"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::*:root"}},
    {"StringEquals": {"aws:PrincipalType": ["FederatedUser", "Account"]}},
    {"BoolIfExists": {"aws:PrincipalIsAWSService": "false"}},
    {"StringEquals": {"aws:ResourceAccount": OWNER}},
    {"StringNotEqualsIfExists": {"aws:PrincipalServiceName": "sns.amazonaws.com"}},
    {"Null": {"aws:username": "true"}},
]
ACTIONS = {
    "trust": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity", "sts:AssumeRoleWithWebIdentity"],
    "bucket": ["s3:GetObject", "s3:PutObject"],
    "identity": ["s3:GetObject", "sqs:SendMessage", "kms:PutKeyPolicy"],
}
PATTERNS = {
    "trust": ["sts:*", "sts:AssumeRole", "sts:T*", "STS:assumerole*", "sts:Set?ourceIdentity"],
    "bucket": ["s3:*", "s3:GetObject", "s3:put*", "*", "s3:?etObject"],
    "identity": ["s3:*", "*", "s3:Get*", "kms:*", "sqs:*"],
}
RESOURCES = {
    "trust": [f"arn:aws:iam::{OWNER}:role/r"],
    "bucket": ["arn:aws:s3:::b/a", "arn:aws:s3:::b", "arn:aws:s3:::b/zoe", "arn:aws-cn:s3:::b/a"],
    "identity": ["arn:aws:s3:::b/a", "*", "arn:aws:s3:::b/bob", "arn:aws-cn:s3:::b/a"],
}
NAMES = [
    *("*", "*", "arn:aws:s3:::b/*", "arn:aws:s3:::b", "arn:aws:s3:::b/?", "arn:*:s3:::b/a"),
    *("arn:aws:s3:::b/${aws:username}", "arn:aws:s3:::b/${aws:PrincipalTag/t, 'zoe'}"),
]


class World:
    """What one pair is made of, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 - random policies, not secrets
        self.kind = self.random.choice(sorted(ACTIONS))
        self.keys = self.random.sample(sorted(KEYS), 2)

    def _condition(self) -> dict[str, Any]:
        key = self.random.choice(self.keys)
        asked = self.random.choice(KEYS[key][1])
        out = {operator: {key: values} for operator, values in asked.items()}
        if self.random.random() < 0.25:
            for operator, entries in self.random.choice(OF_CALLERS).items():
                out.setdefault(operator, {}).update(entries)
        return out

    def statement(self, *, principals: bool = False, resources: bool = True) -> dict[str, Any]:
        random = self.random
        out: dict[str, Any] = {"Effect": random.choice(["Allow", "Allow", "Allow", "Deny"])}
        negated = random.random() < 0.15 and self.kind != "trust"
        out["NotAction" if negated else "Action"] = random.sample(PATTERNS[self.kind], random.randint(1, 2))
        if principals:
            out["Principal"] = random.choice([*NAMED, PROVIDER] if self.kind == "trust" else NAMED)
        if resources:
            name = random.choice(NAMES if self.kind != "trust" else ["*"])
            element = "NotResource" if name != "*" and random.random() < 0.2 else "Resource"
            out[element] = name
        if random.random() < 0.5:
            out["Condition"] = self._condition()
        elif random.random() < 0.3:
            out["Condition"] = random.choice(OF_CALLERS)
        return out

    def document(self, *, principals: bool = False) -> dict[str, Any]:
        resources = not (principals and self.kind == "trust")
        statements = [
            self.statement(principals=principals, resources=resources) for _ in range(self.random.randint(1, 2))
        ]
        return {"Version": "2012-10-17", "Statement": statements}

    def limit(self, *, rcp: bool = False) -> dict[str, Any]:
        """An SCP or RCP: everything, but for what a Deny says."""
        who = {"Principal": "*"} if rcp else {}
        action = {"trust": "sts:*", "bucket": "s3:*", "identity": "s3:*"}[self.kind]
        deny = {**FULL, **who, "Effect": "Deny", "Action": action, "Condition": self._condition()}
        return {"Version": "2012-10-17", "Statement": [{**FULL, **who}, deny]}

    def layer(self, name: str) -> Any:
        match name:
            case "resource":
                return self.document(principals=True)
            case "scp":
                return [[self.limit()] for _ in range(self.random.randint(1, 2))]
            case "rcp":
                return [[self.limit(rcp=True)]]
        return [self.document()]

    def side(self) -> dict[str, Any]:
        chances = {"identity": 0.9, "boundary": 0.35, "session": 0.35, "scp": 0.4, "rcp": 0.3}
        out: dict[str, Any] = {"identity": []}
        out |= {name: self.layer(name) for name, chance in chances.items() if self.random.random() < chance}
        return out if self.kind == "identity" else out | {"resource": self.layer("resource")}

    def pair(self) -> tuple[dict[str, Any], dict[str, Any]]:
        old = self.side()
        if self.random.random() < 0.25:
            return old, self.side()
        new = copy.deepcopy(old)
        for name in self.random.sample(sorted(new), self.random.choice([0, 1, 1, 1])):
            new[name] = self.layer(name)
        if self.random.random() < 0.3:
            new["scp"] = self.layer("scp")
        return old, new

    def requests(self) -> Iterator[tuple[Request, bool]]:
        """Every request of the small world, and whether the resource's owner lets the caller's account in."""
        some = [KEYS[key][0] for key in self.keys]
        for caller, action, resource, states in product(
            CALLERS, ACTIONS[self.kind], RESOURCES[self.kind], product(*some)
        ):
            context = {key: list(values) for key, values in zip(self.keys, states, strict=True) if values}
            asked = {"principal": caller, "action": action, "resource": resource, "context": context}
            if self.kind != "identity":
                yield parse_request({**asked, "resource_account": OWNER}), False
            elif isinstance(caller, str) and caller != "*" and not caller.endswith(":root"):
                # What is compared is the side of a caller with policies of its own.
                for owner in dict.fromkeys((caller.split(":")[4], OWNER)):
                    yield parse_request({**asked, "resource_account": owner}), owner not in caller


def pair(seed: int) -> tuple[Layers, Layers]:
    """Two sides to compare, the same for the same seed."""
    old, new = World(seed).pair()
    return layers_of(old), layers_of(new)


def owner(seed: int) -> str | None:
    """The account of the resource, where there is a resource policy."""
    return None if World(seed).kind == "identity" else OWNER


def differs(seed: int, old: Layers, new: Layers) -> tuple[bool, bool]:
    """Does some request of the small world get allowed, and does some no longer?"""
    judge = Judge(DEFAULTS)
    more = less = False
    for request, lets_in in World(seed).requests():
        if request.principal.service_linked:
            continue
        sides = [delegated(side, request) if lets_in else side for side in (old, new)]
        try:
            before, after = (decided(request, side, judge).allowed for side in sides)
        except IamError:
            continue
        more, less = more or (after and not before), less or (before and not after)
        if more and less:
            break
    return more, less


def missed(seed: int) -> bool | None:
    """Is there a difference that the comparison says is not there? None where it says nothing."""
    old, new = pair(seed)
    verdict = quick_verdict(old, new, owner=owner(seed))
    if verdict is Verdict.UNDETERMINED:
        return None
    more, less = differs(seed, old, new)
    seen = (verdict in (Verdict.WIDER, Verdict.DIFFERENT), verdict in (Verdict.NARROWER, Verdict.DIFFERENT))
    return (more and not seen[0]) or (less and not seen[1])
