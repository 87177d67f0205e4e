"""Which places outside an account a text names: ARNs, addresses and buckets, wherever in it they stand.

Places whose owner the text does not tell are among them: buckets, host names, mail addresses. So are those by which AWS
is told a place in a form of its own: the path of an integration of API Gateway, the address of a queue.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote


@dataclass(frozen=True)
class Own:
    """What is an account's own.

    Attributes:
        account: its number.
        buckets: the names of its buckets, which their ARNs do not tell.
    """

    account: str
    buckets: frozenset[str] = field(default_factory=frozenset)
    partition: str = "aws"

    def bucket_elsewhere(self, name: str) -> Iterator[str]:
        """The ARN of a bucket, by its name, address or path; nothing where it is the account's own."""
        name = _BUCKET_HOST.sub("", name).partition("/")[0]
        if name and not self.has(name):
            yield f"arn:{self.partition}:s3:::{name}"

    def has(self, bucket: str) -> bool:
        """Is a bucket the account's own?"""
        return bucket in self.buckets or bucket.startswith(f"{BESIDE}{self.account}:")


#: Begins the ARN that stands for a resource of the same template, whose account and name follow.
BESIDE = "arn:aws:beside::"
#: What properties and parameters of calls name buckets.
BUCKET = re.compile(
    r"(?!Table|Vector|\w*(Source|Owner|Prefix|Path|Folder|Region|Columns|Role))\w*[bB]ucket(s|List|Name|Arn|ARN)?"
)
_BUCKET_HOST = re.compile(r"\.s3[.-][\w.-]*amazonaws\.com(\.cn)?(?=/|$)")
_ARN = re.compile(r"arn:[\w-]+:[\w-]+:[\w-]*:([^:\s\"'/]*):[^\s\"'\\,;<>|&]+")
#: Services of which an ARN without an account is AWS's own: an automation, a call of the caller's role, a model.
OF_AWS = frozenset({"bedrock", "scheduler", "ssm", "states"})
#: Those of which it is AWS's own, or of whoever names it: ids of other accounts do not work there.
_OF_CALLER = OF_AWS | {"apigateway", "ec2", "elasticbeanstalk", "imagebuilder", "inspector", "route53", "securityhub"}
_QUEUE = re.compile(
    r"https?://(?:sqs\.[\w-]+|[\w-]+\.queue|queue)\.amazonaws\.com(?:\.cn)?/([^/\s\"'&]+)/[\w.$-]+", re.I
)
_OBJECTS = re.compile(r"s3(?:a|n)?://([^/\s\"']+)", re.I)
_FUNCTION = re.compile(r"(?<![\w:-])(\d{12}):function:[\w:$-]+")
_ADDRESS = re.compile(r"(?:https?|wss?)://(\[?[^/\s?#]+)[^\s]*", re.I)
_MAIL = re.compile(r"(?:mailto:)?[^@\s/:\"'<>]+@[^@\s/:\"'<>]+\.[^@\s/:\"'<>]+")
_PHONE = re.compile(r"\+\d{7,15}")
_HERE = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?")
#: https://docs.aws.amazon.com/apigateway/latest/api/API_Integration.html (uri)
_GATEWAY = re.compile(r"arn:[\w-]+:apigateway:[\w-]*:([\w.-]+):(path|action)/(\S*)")


def places_in(text: str, own: Own) -> Iterator[str]:
    """The places that a text names and that are not known to be the account's own, each as it is promised: ARNs and
    addresses as they are written, buckets as their ARN."""
    text = text.strip()
    if "%3A" in text or "%3a" in text:
        text = unquote(text)
    if (gateway := _GATEWAY.fullmatch(text)) is not None:
        yield from _through_gateway(text, gateway[1], gateway[3], own)
        return
    for arn in _ARN.finditer(text):
        if not is_own(arn[0], own):
            bucket = arn[0].split(":", 5)[2] == "s3"
            yield arn[0].partition("/")[0] if bucket and arn[0] != text else arn[0]
    for queue in _QUEUE.finditer(text):
        if queue[1] != own.account:
            yield queue[0]
    for objects in _OBJECTS.finditer(text):
        yield from own.bucket_elsewhere(objects[1])
    for function in _FUNCTION.finditer(text):
        if function[1] != own.account:
            yield function[0]
    if _is_address(text, own) or _MAIL.fullmatch(text) or _PHONE.fullmatch(text):
        yield text.removeprefix("mailto:")


def _is_address(text: str, own: Own) -> bool:
    """Is a whole text an address of whom it does not tell? A queue's tells."""
    found = _ADDRESS.fullmatch(text)
    if found is None or _QUEUE.fullmatch(text) or _HERE.fullmatch(found[1]):
        return False
    host, count = _BUCKET_HOST.subn("", found[1])
    return not (count and own.has(host))


def _through_gateway(text: str, to: str, rest: str, own: Own) -> Iterator[str]:
    """Where an integration goes: to the function that is named in it, a queue by its account, a bucket by its path.
    Actions are done in the account of whose role it is; what they name stands in the request's parameters."""
    part, _, service = to.rpartition(".")
    inside = [arn[0].removesuffix("/invocations") for arn in _ARN.finditer(rest)]
    if inside:
        yield from (arn for arn in inside if not is_own(arn, own))
    elif service == "s3":
        if not own.has(part or rest.partition("/")[0]):
            yield text
    elif (
        part
        or (service == "sqs" and rest.startswith("{"))
        or any(number != own.account for number in _NUMBERS.findall(rest))
    ):
        yield text


_NUMBERS = re.compile(r"(?<!\d)\d{12}(?!\d)")


def is_own(arn: str, own: Own, of_nobody: frozenset[str] = _OF_CALLER) -> bool:
    """Is what an ARN names the account's own, or AWS's?

    Args:
        of_nobody: the services whose ARNs without an account are nobody else's.
    """
    fields = arn.split(":", 5)
    if len(fields) < 6:
        return False
    if fields[2] == "s3" and not fields[4]:
        return own.has(fields[5].partition("/")[0])
    if fields[2] == "automate":
        return True  # what an alarm does to the instance that it watches
    return fields[4] in (own.account, "aws") or (not fields[4] and fields[2] in of_nobody)
