"""Reads the principals and resources of a contract."""

from __future__ import annotations

import re
from collections.abc import Mapping

from grantproof.contract.declared import KINDS, AwsPolicy, DeclaredPrincipal, DeclaredResource, Kind
from grantproof.contract.node import Node
from grantproof.contract.stacks import under_variants
from grantproof.contract.statements import statements_at

_PRINCIPAL = (*KINDS, "entered_by", "max_session", "boundary", "trust", "allows", "managed", "denies", "variants")


def principals_of(top: Node) -> tuple[DeclaredPrincipal, ...]:
    """The principals, in the order of the file. There can be none only if the contract has `resources` or `sends`."""
    node = top["principals"]
    none = node.value == {} and bool(top.value.get("resources") or top.value.get("sends"))
    nodes = {} if none else node.aliases("principals")
    out = tuple(_principal(alias, entry) for alias, entry in nodes.items())
    kinds = {principal.alias: principal.kind for principal in out}
    for alias, entry in nodes.items():
        check_named(entry, alias, kinds)
    return out


def check_named(node: Node, alias: str, kinds: Mapping[str, Kind]) -> None:
    """Check that `entered_by` and `boundary` of an object name principals of the right kind."""
    for entry in node.items_at("entered_by"):
        name = entry.one_of(kinds, "no principal is called")
        if name == alias:
            entry.refuse(f"{name!r} cannot enter a role; name a group, user, policy or other role.")
    if "boundary" in node:
        policies = [name for name, kind in kinds.items() if kind == "policy"]
        node["boundary"].one_of(policies, "no policy is called")


def _principal(alias: str, node: Node) -> DeclaredPrincipal:
    kind = _kind(alias, node)
    return DeclaredPrincipal(
        alias=alias,
        kind=kind,
        reference=node.text_at(kind),
        place=node.place,
        trust=statements_at(node, "trust"),
        allows=statements_at(node, "allows"),
        managed=tuple(_aws_policy(entry) for entry in node.items_at("managed")),
        denies=statements_at(node, "denies"),
        entered_by=tuple(entry.text("entered_by") for entry in node.items_at("entered_by")),
        max_session=max_session(node.get("max_session", 3600)),
        boundary=node.text_at("boundary"),
        variants=under_variants(node),
    )


def _kind(alias: str, node: Node) -> Kind:
    """The kind of a principal, whose keys are checked against it."""
    what = f"principal {alias!r}"
    node.object(what, _PRINCIPAL)
    kinds = [kind for kind in KINDS if kind in node]
    if len(kinds) != 1:
        node.refuse(f"{what} names {' and '.join(kinds) or 'nothing'}; name one of {', '.join(KINDS)}.")
    kind = kinds[0]
    for key in ("trust", "entered_by", "max_session"):
        if key in node and kind != "role":
            node.refuse(f"{what} is a {kind}; only a role has {key!r}.", key)
    if kind == "role" and "trust" not in node:
        node.refuse(f"{what} is a role and has no 'trust'. Say who may enter it.")
    if "managed" in node and kind == "policy":
        node.refuse(f"{what} is a policy; only roles, groups and users have others attached.", "managed")
    if "boundary" in node and kind not in ("role", "user"):
        node.refuse(f"{what} is a {kind}; only roles and users have a boundary.", "boundary")
    return kind


#: https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-vs-inline.html#aws-managed-policies
_OF_AWS = re.compile(r"arn:(?:\$\{partition\}|aws[a-z-]*):iam::aws:policy/.+")


def _aws_policy(node: Node) -> AwsPolicy:
    found = node.text("an entry of 'managed'")
    if not _OF_AWS.fullmatch(found):
        node.refuse(
            f"{found!r} is no managed policy of AWS's own (arn:${{partition}}:iam::aws:policy/NAME). "
            "Write the statements of any other policy under 'allows'."
        )
    return AwsPolicy(found, node.place)


def max_session(node: Node) -> int:
    """The maximum session duration of a role, in seconds."""
    longest = node.value
    if not isinstance(longest, int) or isinstance(longest, bool) or not 3600 <= longest <= 43200:
        node.refuse(f"max_session is {longest!r}; it is 3600 to 43200 seconds.")
    return longest


def resources_of(top: Node) -> tuple[DeclaredResource, ...]:
    """The resources with a policy, in the order of the file."""
    out = []
    for alias, node in top.aliases_at("resources").items():
        node.object(f"resource {alias!r}", ("arn", "policy", "variants"), ("arn", "policy"))
        arn, policy = node.text_at("arn"), statements_at(node, "policy")
        out.append(DeclaredResource(alias, arn, policy, node.place, under_variants(node)))
    return tuple(out)
