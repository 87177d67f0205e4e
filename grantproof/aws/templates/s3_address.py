"""Which object of S3 an address stands for, as CloudFormation takes the address of a template.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html and
https://docs.aws.amazon.com/AmazonS3/latest/API/dual-stack-endpoints.html
"""

from __future__ import annotations

import re
from functools import cache

from grantproof.aws.templates.pseudo import partition_of, regions

_ADDRESS = re.compile(r"https://([a-z0-9.-]+)/([^?#%]+)")


def s3_address(url: str, partition: str) -> tuple[str, str] | None:
    """Bucket and key of `https://BUCKET.s3.REGION.amazonaws.com/KEY`, or with the bucket in the path.

    None for whatever else it is: another host, whose name may begin with the bucket's; an access point; another
    partition, where the same bucket may be somebody else's; a version of the object, which is not the file that lies
    beside the contract.
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
    """The hosts of S3 in a partition, as an expression with the bucket."""
    within = [region for region, other in regions().items() if other == partition]
    suffixes = "|".join({re.escape(partition_of(region)[1]) for region in within})
    return rf"(?:([a-z0-9.-]+)\.)?s3(?:[.-](?:dualstack\.)?(?:{'|'.join(within)}))?\.(?:{suffixes})"
