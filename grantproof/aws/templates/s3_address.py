"""The bucket and key in the URL of a template in S3, as CloudFormation accepts it for nested stacks.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html and
https://docs.aws.amazon.com/AmazonS3/latest/API/dual-stack-endpoints.html
"""

from __future__ import annotations

import re
from functools import cache

from grantproof.aws.templates.pseudo import partition_of, regions

_ADDRESS = re.compile(r"https://([a-z0-9.-]+)/([^?#%]+)")


def s3_address(url: str, partition: str) -> tuple[str, str] | None:
    """The bucket and key in `https://BUCKET.s3.REGION.amazonaws.com/KEY`, or in a URL with the bucket in its path.

    None for any other URL: of another host; of an access point; of another partition, in which a bucket of this name
    may be another customer's; and with the version of an object, which need not be the file next to the contract.

    Args:
        partition: the partition of the stack, such as `aws`.
    """
    if (match := _ADDRESS.fullmatch(url)) is None:
        return None
    host, path = match.groups()
    if (named := re.fullmatch(_hosts(partition), host)) is None:
        return None
    bucket, _, key = path.partition("/") if named[1] is None else (named[1], "", path)
    return (bucket, key) if key and ".." not in key.split("/") else None


@cache
def _hosts(partition: str) -> str:
    """A regular expression for the hosts of S3 in a partition. Its group is the bucket, where the host has one."""
    within = [region for region, other in regions().items() if other == partition]
    suffixes = "|".join({re.escape(partition_of(region)[1]) for region in within})
    return rf"(?:([a-z0-9.-]+)\.)?s3(?:[.-](?:dualstack\.)?(?:{'|'.join(within)}))?\.(?:{suffixes})"
