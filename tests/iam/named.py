"""Random policies that name principals, and what they allow: the evaluator is asked about every caller of a world."""

from __future__ import annotations

import copy
from functools import cache
from itertools import product
from random import Random
from typing import Any

from grantproof.iam import IamError, Layers, Request, evaluate, parse_request
from grantproof.iam.comparison.comparisons import layers_of

OWNER, PARTNER, STRANGER = "111111111111", "222222222222", "333333333333"
CALLERS: list[Any] = [
    *(f"arn:aws:iam::{account}:{name}" for account in (OWNER, PARTNER, STRANGER) for name in ("root", "user/zoe")),
    f"arn:aws:iam::{OWNER}:user/alice",
    f"arn:aws:iam::{PARTNER}:user/bob",
    *(
        f"arn:aws:sts::{account}:assumed-role/{name}"
        for account in (OWNER, PARTNER)
        for name in ("app/run", "app/x", "z/run")
    ),
    f"arn:aws:sts::{OWNER}:federated-user/fed",
    f"arn:aws:sts::{PARTNER}:federated-user/other",
    "*",
    {"Service": "sns.amazonaws.com"},
    {"Service": "other.amazonaws.com"},
]
NAMED = [
    "*",
    OWNER,
    STRANGER,
    f"arn:aws:iam::{PARTNER}:root",
    f"arn:aws:iam::{OWNER}:user/alice",
    f"arn:aws:iam::{PARTNER}:user/bob",
    f"arn:aws:iam::{OWNER}:role/app",
    f"arn:aws:iam::{PARTNER}:role/app",
    f"arn:aws:sts::{PARTNER}:assumed-role/app/run",
    f"arn:aws:sts::{OWNER}:federated-user/fed",
]
#: For each kind of resource policy: actions, action patterns, resources, resource patterns.
KINDS: dict[str, tuple[list[str], list[str], list[str], list[str]]] = {
    "trust": (
        ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
        ["sts:*", "sts:AssumeRole", "sts:TagSession", "sts:Set*"],
        [f"arn:aws:iam::{OWNER}:role/r"],
        ["*"],
    ),
    "key": (
        ["kms:Decrypt", "kms:Encrypt", "kms:PutKeyPolicy"],
        ["kms:*", "kms:Decrypt", "kms:En*"],
        [f"arn:aws:kms:eu-west-1:{OWNER}:key/k1"],
        ["*"],
    ),
    "bucket": (
        ["s3:GetObject", "s3:PutObject"],
        ["s3:*", "s3:GetObject", "s3:Put*", "*"],
        ["arn:aws:s3:::b/a", "arn:aws:s3:::b"],
        ["*", "arn:aws:s3:::b/*", "arn:aws:s3:::b"],
    ),
}
CONDITIONS = [
    {"StringEquals": {"aws:PrincipalAccount": OWNER}},
    {"StringNotEquals": {"aws:PrincipalAccount": PARTNER}},
    {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{PARTNER}:user/b*"}},
    {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}},
    {"StringEquals": {"aws:username": ["bob", "alice"]}},
    {"StringEquals": {"aws:PrincipalType": "User"}},
    {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
]


def statement(random: Random, kind: str, *, principals: bool) -> dict[str, Any]:
    _, actions, _, resources = KINDS[kind]
    out: dict[str, Any] = {"Effect": random.choice(["Allow", "Allow", "Allow", "Deny"])}
    out["Action"] = random.sample(actions, random.randint(1, 2))
    if principals:
        negated = out["Effect"] == "Deny" and kind == "bucket" and random.random() < 0.3
        who: Any = {"AWS": random.sample(NAMED[1:] if negated else NAMED, random.randint(1, 2))}
        who = {"Service": "sns.amazonaws.com"} if not negated and random.random() < 0.2 else who
        out["NotPrincipal" if negated else "Principal"] = who
    if not (principals and kind == "trust"):
        out["Resource"] = random.choice(resources)
    if random.random() < 0.35:
        out["Condition"] = random.choice(CONDITIONS)
    return out


def document(random: Random, kind: str, *, principals: bool = False) -> dict[str, Any]:
    statements = [statement(random, kind, principals=principals) for _ in range(random.randint(1, 3))]
    return {"Version": "2012-10-17", "Statement": statements}


def side(random: Random, kind: str) -> dict[str, Any]:
    """Layers with a resource policy, in the form of `grantproof evaluate`."""
    out: dict[str, Any] = {"identity": [document(random, kind)] if random.random() < 0.8 else []}
    out["resource"] = document(random, kind, principals=True)
    for name, chance in (("boundary", 0.3), ("session", 0.2)):
        if random.random() < chance:
            out[name] = [document(random, kind)]
    if random.random() < 0.2:
        out["scp"] = [[document(random, kind)]]
    if random.random() < 0.2:
        full = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
        action = random.choice(["s3:*", "sts:AssumeRole", "kms:De*"])
        deny = {**full, "Effect": "Deny", "Action": action, "Condition": random.choice(CONDITIONS)}
        out["rcp"] = [[{"Version": "2012-10-17", "Statement": [full, deny]}]]
    return out


def pair(seed: int) -> tuple[Layers, Layers]:
    """Two sides to compare, the same for the same seed."""
    random = Random(seed)  # noqa: S311 - random policies, not secrets
    kind = random.choice(sorted(KINDS))
    old = side(random, kind)
    if random.random() < 0.7:
        new = copy.deepcopy(old)
        name = random.choice([n for n in new if n in ("identity", "resource", "boundary", "session")])
        changed = document(random, kind, principals=name == "resource")
        new[name] = changed if name == "resource" else [changed]
    else:
        new = side(random, kind)
    return layers_of(old), layers_of(new)


@cache
def _requests(kind: str) -> list[Request]:
    """Every request of the small world."""
    actions, _, resources, _ = KINDS[kind]
    out = []
    for caller, action, resource, mfa in product(CALLERS, actions, resources, (True, False)):
        context = {"aws:MultiFactorAuthPresent": "true"} if mfa else {}
        asked = {"principal": caller, "action": action, "resource": resource, "resource_account": OWNER}
        out.append(parse_request({**asked, "context": context}))
    return out


def differs(old: Layers, new: Layers) -> tuple[bool, bool]:
    """Does some caller of the small world get something new, and does some caller lose something?"""
    assert old.resource is not None
    label = {"TRUST": "trust", "KEY": "key", "RESOURCE": "bucket"}[old.resource.type.name]
    more = less = False
    for request in _requests(label):
        try:
            before, after = evaluate(request, old).allowed, evaluate(request, new).allowed
        except IamError:
            continue
        more, less = more or (after and not before), less or (before and not after)
    return more, less
