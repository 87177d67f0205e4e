"""Access that a resource gives by a property of its own, without a policy of which a contract could speak."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: The values of properties that give nobody but the owner access, by type and property.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl and
#: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
_HARMLESS: Mapping[tuple[str, str], frozenset[str]] = {
    ("AWS::S3::Bucket", "AccessControl"): frozenset({"Private", "BucketOwnerRead", "BucketOwnerFullControl"}),
    ("AWS::Lambda::Url", "AuthType"): frozenset({"AWS_IAM"}),
}


def given_without_policy(type_: str, properties: Any) -> str:
    """The property by which a resource lets others in, as `Name: value`; empty where none does. A value that is not
    resolved counts as one that does."""
    if isinstance(properties, Mapping):
        for (owner, name), harmless in _HARMLESS.items():
            if type_ == owner and name in properties and str(properties[name]) not in harmless:
                return f"{name}: {properties[name]}"
    return ""
