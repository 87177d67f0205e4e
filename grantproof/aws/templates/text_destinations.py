"""The external destinations that a text names: ARNs, URLs, buckets, mail addresses and phone numbers.

A destination is external unless the text shows that it belongs to the account. Host names, buckets that are not listed
as the account's and mail addresses do not show their owner, so they count as external. Two forms of AWS's are parsed
too: the URI of an API Gateway integration and the URL of a queue.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote


@dataclass(frozen=True)
class OwnAccount:
    """An account, and what is needed to tell whether a destination belongs to it.

    Attributes:
        account: the 12-digit account ID.
        buckets: the names of its buckets; a bucket's ARN has no account ID.
    """

    account: str
    buckets: frozenset[str] = field(default_factory=frozenset)
    partition: str = "aws"

    def external_bucket(self, name: str) -> Iterator[str]:
        """The ARN of a bucket, given by name, URL host or path; nothing where the account owns it."""
        name = _BUCKET_HOST.sub("", name).partition("/")[0]
        if name and not self.owns_bucket(name):
            yield f"arn:{self.partition}:s3:::{name}"

    def owns_bucket(self, bucket: str) -> bool:
        """Does the account own the bucket?"""
        return bucket in self.buckets or bucket.startswith(f"{SAME_TEMPLATE}{self.account}:")


#: The prefix of the placeholder ARN of a resource of the same template; its account ID and logical ID follow.
SAME_TEMPLATE = "arn:aws:beside::"
#: Names of properties and call parameters whose value is a bucket.
BUCKET = re.compile(
    r"(?!Table|Vector|\w*(Source|Owner|Prefix|Path|Folder|Region|Columns|Role))\w*[bB]ucket(s|List|Name|Arn|ARN)?"
)
_BUCKET_HOST = re.compile(r"\.s3[.-][\w.-]*amazonaws\.com(\.cn)?(?=/|$)")
_ARN = re.compile(r"arn:[\w-]+:[\w-]+:[\w-]*:([^:\s\"'/]*):[^\s\"'\\,;<>|&]+")
#: Services whose ARNs without an account ID are AWS's own: a public automation, an SDK integration, a foundation model.
AWS_OWNED_SERVICES = frozenset({"bedrock", "scheduler", "ssm", "states"})
#: Services whose ARNs without an account ID are AWS's own or the caller's: IDs of other accounts do not work there.
_UNOWNED_SERVICES = AWS_OWNED_SERVICES | {
    "apigateway",
    "ec2",
    "elasticbeanstalk",
    "imagebuilder",
    "inspector",
    "route53",
    "securityhub",
}
_QUEUE = re.compile(
    r"https?://(?:sqs\.[\w-]+|[\w-]+\.queue|queue)\.amazonaws\.com(?:\.cn)?/([^/\s\"'&]+)/[\w.$-]+", re.I
)
_OBJECTS = re.compile(r"s3(?:a|n)?://([^/\s\"']+)", re.I)
_FUNCTION = re.compile(r"(?<![\w:-])(\d{12}):function:[\w:$-]+")
_ADDRESS = re.compile(r"(?:https?|wss?)://(\[?[^/\s?#]+)[^\s]*", re.I)
_MAIL = re.compile(r"(?:mailto:)?[^@\s/:\"'<>]+@[^@\s/:\"'<>]+\.[^@\s/:\"'<>]+")
_PHONE = re.compile(r"\+\d{7,15}")
_LOCALHOST = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?")
#: https://docs.aws.amazon.com/apigateway/latest/api/API_Integration.html (uri)
_GATEWAY = re.compile(r"arn:[\w-]+:apigateway:[\w-]*:([\w.-]+):(path|action)/(\S*)")


def destinations_in(text: str, own: OwnAccount) -> Iterator[str]:
    """The external destinations in a text, in the form in which a contract declares them: ARNs and addresses as they
    are written, buckets as their ARN."""
    text = text.strip()
    if "%3A" in text or "%3a" in text:
        text = unquote(text)
    if (gateway := _GATEWAY.fullmatch(text)) is not None:
        yield from _integration_destinations(text, gateway[1], gateway[3], own)
        return
    for arn in _ARN.finditer(text):
        if not is_own(arn[0], own):
            bucket = arn[0].split(":", 5)[2] == "s3"
            yield arn[0].partition("/")[0] if bucket and arn[0] != text else arn[0]
    for queue in _QUEUE.finditer(text):
        if queue[1] != own.account:
            yield queue[0]
    for objects in _OBJECTS.finditer(text):
        yield from own.external_bucket(objects[1])
    for function in _FUNCTION.finditer(text):
        if function[1] != own.account:
            yield function[0]
    if _is_address(text, own) or _MAIL.fullmatch(text) or _PHONE.fullmatch(text):
        yield text.removeprefix("mailto:")


def _is_address(text: str, own: OwnAccount) -> bool:
    """Is the whole text a URL that does not show its owner? The URL of a queue shows it."""
    found = _ADDRESS.fullmatch(text)
    if found is None or _QUEUE.fullmatch(text) or _LOCALHOST.fullmatch(found[1]):
        return False
    host, count = _BUCKET_HOST.subn("", found[1])
    return not (count and own.owns_bucket(host))


def _integration_destinations(text: str, to: str, rest: str, own: OwnAccount) -> Iterator[str]:
    """The external destinations of an API Gateway integration URI: a function by its ARN, a queue by its account ID, a
    bucket by its path. Other actions run in the account of the integration's role; their targets are in the request
    parameters."""
    part, _, service = to.rpartition(".")
    inside = [arn[0].removesuffix("/invocations") for arn in _ARN.finditer(rest)]
    if inside:
        yield from (arn for arn in inside if not is_own(arn, own))
    elif service == "s3":
        if not own.owns_bucket(part or rest.partition("/")[0]):
            yield text
    elif (
        part
        or (service == "sqs" and rest.startswith("{"))
        or any(number != own.account for number in _NUMBERS.findall(rest))
    ):
        yield text


_NUMBERS = re.compile(r"(?<!\d)\d{12}(?!\d)")


def is_own(arn: str, own: OwnAccount, unowned_services: frozenset[str] = _UNOWNED_SERVICES) -> bool:
    """Does an ARN name a resource of the account, or one of AWS's?

    Args:
        unowned_services: services whose ARNs without an account ID are not another customer's.
    """
    fields = arn.split(":", 5)
    if len(fields) < 6:
        return False
    if fields[2] == "s3" and not fields[4]:
        return own.owns_bucket(fields[5].partition("/")[0])
    if fields[2] == "automate":
        return True  # an alarm action on the instance that the alarm watches
    return fields[4] in (own.account, "aws") or (not fields[4] and fields[2] in unowned_services)
