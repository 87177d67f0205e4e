"""Do two deployments give the same access? Proved over all requests, for each policy by itself; never assumed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from grantproof.aws.templates.carriers import KEYS
from grantproof.aws.templates.possible_characters import could_widen
from grantproof.contract import Contract
from grantproof.iam import IamError, Layers, Policy, PolicyType, Statement, parse_policy
from grantproof.iam.comparison.compare import Verdict, compare, quick_verdict
from grantproof.iam.comparison.promise import denied_less
from grantproof.mutants.deployed_access import (
    BOUNDARY,
    GROUPS,
    PERMISSIONS,
    PROPERTIES,
    SESSION,
    TAGS,
    TRUST,
    Access,
    EntityAccess,
    changes,
    statements_of,
)
from grantproof.mutants.sites import reaching_policies
from grantproof.mutants.texts import opened
from grantproof.source import Document, read


def difference(before: Access, after: Access, *, in_words: bool = True) -> str:
    """Why two deployments are not proved to give the same access; empty if they are: they have the same entities, each
    with the same trust, permissions, boundary and session duration, and everything denied before is still denied. An
    additional Deny that removes none of the access that the grant gives is no difference.

    Args:
        in_words: describe the access that differs, which takes longer than finding that some does.
    """
    for change in changes(before, after):
        if change.aspect in ("came along", "gone"):
            return f"{change.name} {change.aspect}"
        if change.aspect == TAGS:
            if name := _tag_in_policies(_other_tags(before.entities[change.name], after.entities[change.name]), after):
                return f"{change.name} has another tag {name}, and a policy asks for it"
            continue
        if change.aspect in (SESSION, GROUPS, PROPERTIES):
            return f"{change.name} differs in its {change.aspect}"
        old, new = before.entities[change.name], after.entities[change.name]
        if _partitions(old, change.aspect) != _partitions(new, change.aspect):
            return f"{change.name} names another partition, where AWS knows nobody of this one"
        if said := _unproved_difference(old, new, change.aspect, in_words=in_words):
            return f"{change.name}: {said}"
    return ""


def _other_tags(old: EntityAccess, new: EntityAccess) -> set[str]:
    """The names of the tags that differ."""
    tags = [{(name, value) for name, value in held.facts[TAGS]} for held in (old, new)]
    return {name for name, _ in tags[0] ^ tags[1]}


def _tag_in_policies(tags: set[str], access_: Access) -> str:
    """The first of these tags that a policy tests on the principal; empty where there is none."""
    asked = "".join(json.dumps(held.documents) for held in access_.entities.values()).lower()
    return next((name for name in sorted(tags) if f"principaltag/{name.lower()}" in asked), "")


def _partitions(held: EntityAccess, aspect: str) -> set[str]:
    """The partitions, other than its own, of the principals that an aspect names. They are compared here because the
    evaluator compares only account IDs. A bare account ID is of the own partition."""
    statements = [s for document in held.documents.get(aspect, {}).values() for s in statements_of(document)]
    named = [s.get(key) for s in statements if isinstance(s, Mapping) for key in ("Principal", "NotPrincipal")]
    own = held.arn.split(":")[1] if held.arn else ""
    return set(re.findall(r"arn:(aws[a-z-]*):", json.dumps(named))) - {own}


def _unproved_difference(old: EntityAccess, new: EntityAccess, aspect: str, *, in_words: bool) -> str:
    """How an aspect of an entity differs; empty where the exact comparison proves that it gives the same access."""
    try:
        pairs = list(zip(_layers(old, aspect), _layers(new, aspect), strict=True))
    except IamError as error:
        return str(error)
    for left, right in pairs:
        if not in_words and quick_verdict(left, right, owner=new.account) is not Verdict.EQUAL:
            return f"other {aspect}"
        found = compare(left, right, owner=new.account)
        if found.verdict is not Verdict.EQUAL or found.depends_on:
            pieces = [str(d.clause) for d in (*found.new_access, *found.lost_access)[:1]]
            points = [f"depends on {', '.join(found.depends_on)}"] if found.depends_on else []
            return f"{aspect} {', '.join([found.verdict.value, *pieces, found.reason, *points]).strip(', ')}"
        # A resource policy can still allow what identity policies do not, but not what they deny (rules E13 and E16).
        undenied = denied_less(left, right) if left.resource is None else None
        if undenied and (undenied.lost_access or undenied.reason or undenied.depends_on):
            pieces = [str(d.clause) for d in undenied.lost_access[:1]] or ["what cannot be said"]
            return f"{aspect} no longer denied: {pieces[0]}"
    return ""


def gives_same_access(old: Any, new: Any, type_: str, aspect: str, account: str) -> bool:
    """Do two policy documents give the same access together with any other policies?

    Sound, not complete: what they allow is compared over all requests, but their Deny statements must be the same,
    because a Deny also removes access that another policy gives.

    Args:
        type_: the CloudFormation type of the resource that holds them.
        aspect: TRUST or PERMISSIONS.
        account: the ID of its account.
    """
    apart = _statements_apart(old, new)
    pairs = [(old, new)] if apart is None else apart
    return all(_gives_same_access(json.dumps(one), json.dumps(other), type_, aspect, account) for one, other in pairs)


def _statements_apart(old: Any, new: Any) -> list[tuple[Any, Any]] | None:
    """The pairs of statements that differ, each as a document, without a Condition that both have: statements equal
    without it are equal under it. None where a statement has no counterpart."""
    if {**old, "Statement": 0} != {**new, "Statement": 0}:
        return None
    if not all(isinstance(statement, Mapping) for statement in (*statements_of(old), *statements_of(new))):
        return None
    left, right = ([_without(s, "Sid") for s in statements_of(document)] for document in (old, new))
    gone, come = [s for s in left if s not in right], [s for s in right if s not in left]
    if len(gone) != len(come):
        return None
    out = []
    for one, other in zip(gone, come, strict=True):
        same = one.get("Condition") == other.get("Condition")
        one, other = (_without(statement, "Condition") if same else statement for statement in (one, other))
        out.append(({**old, "Statement": [one]}, {**new, "Statement": [other]}))
    return out


def _without(statement: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in statement.items() if key != name}


@lru_cache(maxsize=4096)
def _gives_same_access(old: str, new: str, type_: str, aspect: str, account: str) -> bool:
    kind = "policy" if type_.startswith("AWS::IAM::") else "resource"
    sides = [EntityAccess("", account, kind, {aspect: {"": json.loads(text)}}, {"type": type_}) for text in (old, new)]
    if _partitions(sides[0], aspect) != _partitions(sides[1], aspect):
        return False
    try:
        denied = [{replace(s, index=0, sid=None) for s in _denying(side, aspect)} for side in sides]
    except IamError:
        return False
    return denied[0] == denied[1] and not _unproved_difference(sides[0], sides[1], aspect, in_words=False)


def _denying(held: EntityAccess, aspect: str) -> Iterator[Statement]:
    for layers in _layers(held, aspect)[:1]:
        for policy in (*layers.identity, *filter(None, [layers.resource])):
            yield from (statement for statement in policy.statements if not statement.allow)


#: The identity policy of a caller whose own account allows everything.
_ANYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def _layers(held: EntityAccess, aspect: str) -> list[Layers]:
    """The layers to compare: an entity's policies under its boundary; a resource's policy for callers whose identity
    policies allow everything, and for callers whose allow nothing."""
    if aspect in (PERMISSIONS, BOUNDARY) and held.kind != "resource":
        boundary = _parsed(held, BOUNDARY, PolicyType.BOUNDARY)
        return [Layers(identity=_parsed(held, PERMISSIONS, PolicyType.IDENTITY), boundary=boundary or None)]
    type_ = PolicyType.TRUST if aspect == TRUST else PolicyType.RESOURCE
    if held.facts.get("type") in KEYS:
        type_ = PolicyType.KEY
    (policy,) = _parsed(held, aspect, type_)
    callers: list[tuple[Policy, ...]] = [(parse_policy(_ANYTHING, PolicyType.IDENTITY, "the caller"),), ()]
    return [Layers(identity=identity, resource=policy) for identity in callers]


def _parsed(held: EntityAccess, aspect: str, type_: PolicyType) -> tuple[Policy, ...]:
    return tuple(parse_policy(d, type_, label) for label, d in held.documents.get(aspect, {}).items())


def constraints(contract: Contract) -> dict[str, Any]:
    """The constraints of the parameters that are inserted into policies; `anything harmless` where no accepted value
    can hold a wildcard or a policy variable."""
    return {
        f"{template.name} {name}": taken
        for template in contract.templates
        for name, taken in _constraints(read(template)).items()
    }


@lru_cache(maxsize=256)
def _constraints(document: Document) -> Mapping[str, Any]:
    out: dict[str, Any] = {}
    for name in sorted(reaching_policies(opened(document).value)):
        parameter = document.value["Parameters"][name]
        described = {"Description", "ConstraintDescription", "Default"}
        kept = {k: v for k, v in parameter.items() if k not in described}
        out[name] = kept if _could_widen(json.dumps(kept)) else "anything harmless"
    return out


@lru_cache(maxsize=1024)
def _could_widen(parameter: str) -> bool:
    return bool(could_widen(json.loads(parameter)))
