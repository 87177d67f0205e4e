"""Reads the external destinations that a contract promises (`sends`)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from grantproof.contract.declared import DeclaredPrincipal, DeclaredResource, DeclaredSending
from grantproof.contract.node import Node
from grantproof.contract.references import with_stand_ins
from grantproof.contract.stacks import under_variants

_SENDING = ("from", "to", "variants")
_RESOURCE = re.compile(r"\$\{stacks\.[^.{}]+\.resources\.[^.{}]+\}")
#: https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html has the endpoints that are no ARN.
_ADDRESS = re.compile(r"https?://[^\s/?#]+\S*|[^@\s/:]+@[^@\s/:]+\.[^@\s/:]+|\+\d{7,15}")
#: The account can be an output, whose placeholder is `name`.
_ARN = re.compile(r"arn:[\w-]+:([\w-]+):[\w-]*:(\d{12}|name)?:\S+")
#: The URI of an API Gateway integration, with a service in place of an account ID.
_INTEGRATION = re.compile(r"arn:[\w-]+:apigateway:[\w-]+:[\w.-]+:(path|action)/[^\s*]+")


def sends_of(top: Node, others: Iterable[DeclaredPrincipal | DeclaredResource]) -> tuple[DeclaredSending, ...]:
    """The declared sends, in the order of the file. `others`: further aliases that `absent` of a variant can name."""
    taken = {other.alias for other in others}
    out: list[DeclaredSending] = []
    for alias, node in top.aliases_at("sends").items():
        if alias in taken:
            node.refuse(f"{alias!r} is the name of a principal or resource as well. Give what is sent another one.")
        what = f"what {alias!r} sends"
        node.object(what, _SENDING, ("from", "to"))
        if not _RESOURCE.fullmatch(node["from"].text("from")):
            message = f"{node['from'].value!r} is no resource of a stack. Write ${{stacks.NAME.resources.LOGICAL_ID}}."
            node.refuse(message, "from")
        sending = DeclaredSending(
            alias, node.text_at("from"), _destinations(node["to"]), node.place, under_variants(node)
        )
        for before in out:
            _refuse_twice(node, before, sending)
        out.append(sending)
    return tuple(out)


def _refuse_twice(node: Node, before: DeclaredSending, sending: DeclaredSending) -> None:
    """Refuse a destination that is promised twice under the same variants: one promise could be stale unnoticed."""
    both = set(before.variants) & set(sending.variants) or not (before.variants and sending.variants)
    if before.reference == sending.reference and both:
        for destination in sending.to:
            if destination in before.to:
                node.refuse(f"{before.alias!r} promises {destination} already. Take it out of one of both.", "to")


def _destinations(node: Node) -> tuple[str, ...]:
    """One destination, or a list of them, each exact."""
    entries = [node] if isinstance(node.value, str) else node.items("to")
    found = tuple(_destination(entry) for entry in entries)
    for number, destination in enumerate(found):
        if destination in found[:number]:
            entries[number].refuse(f"{destination} is there twice. Take one of them out.")
    return found


def _destination(node: Node) -> str:
    written = node.text("a destination")
    if said := why_no_destination(written):
        node.refuse(f"{written!r} {said}")
    return written


def why_no_destination(written: str) -> str:
    """Why a text is no valid destination, and what to do about it; empty where it is valid."""
    text = str(with_stand_ins(written))
    if "{{" in text or "${" in text:
        return "is not known before it is deployed. Write the ARN or address that it stands for."
    address = _ADDRESS.fullmatch(text)
    if "*" in text or ("?" in text and not address):
        return "has a wildcard, and a destination is compared exactly. List each of them."
    if _INTEGRATION.fullmatch(text):
        return ""
    arn = _ARN.fullmatch(text)
    if not arn and not address:
        return (
            "is neither an ARN nor an address (https://..., somebody@example.com, +12025550100). Write the destination "
            "as the templates' properties have it once they are deployed, and a bucket as arn:${partition}:s3:::NAME."
        )
    if arn and not arn[2] and arn[1] != "s3":
        return "names no account, so that nothing can be said to be sent to another one. Add it."
    return ""
