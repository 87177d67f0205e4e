"""Whom the properties of a resource name: principals, and accounts that are not its own.

Most of CloudFormation's types are in no table of ours. Nearly all of them let somebody in only by naming them, and in
the template reference the properties that do are called alike: `Principal`, `AllowedPrincipals`, `PeerOwnerId`,
`ReadOnlyAccessAccounts`. So it can be said of every type whether it names somebody, and nobody has to wait until it has
been entered into a table. That the names below take in all that the reference has is tested with all of it.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from grantproof.aws.templates.placed import spelt_out
from grantproof.source import Key

#: Properties that say who may do something, whatever they say.
_WHO = re.compile(r"(?!Kerberos|Match)\w*(Principal|Grantee)s?(Arn|ARN|Id|Identifier)?s?")
#: Properties that hold the numbers of accounts, or ARNs of an organization's parts.
_ACCOUNT = re.compile(
    r"(?!EmailSending|Excluded?|Service)\w*(Accounts?(Ids?|ID|Numbers?|Identifier)?|Owner(Id|ID)|MasterId|MemberId"
    r"|OrganizationArns|OrganizationalUnitArns|MemberArns|Subscribers|AwsAccountWhitelist)"
)
#: Properties that hold policies about who may do something. Those of many other names say how something is done.
_POLICY = re.compile(
    r"(Access|Destination|FileSystem|InvestigationGroup|Key|Model|ModelPackageGroup|NamespaceResource|Repository"
    r"|Resource|S3Access|Session)?Policy|AccessPolicies|(?!Lifecycle)\w*Policy(Document|Text)|DeliveryDestinationPolicy"
)
#: Properties in which everything is the user's own word, tells where metrics come from, or is what only this account's
#: own caller is held to: nobody is let in by it.
_FREE = frozenset(
    """
    Comment DefaultArguments DefinitionSubstitutions Description Dimensions Environment EnvironmentVariables
    ExpectedBucketOwner InputParameters Metadata MetricDataQueries Metrics Parameters SingleMetricAnomalyDetector
    SourceAccount StackSetParameters Tags Variables
    """.split()
)
#: Where a service goes, as a role that another account lets it be: nobody comes in by it (`outward` has it).
OUTWARD = re.compile(r"\w*(Role(s|Arns?|ARN)?|Credentials)")
_NUMBER = re.compile(r"\d{12}")
#: What something is called, which may be digits.
_CALLED = re.compile(r"(?!\w*(Account|Owner|Principal))\w*Name")
#: ARNs of principals.
PRINCIPAL = re.compile(r"arn:[\w-]+:(iam|sts|organizations)::(\d{12})?:.+", re.S)


def names_somebody(properties: Any, account: str) -> str:
    """The first property that names a principal, or an account besides the resource's own, as `Path: value`; empty
    where none does. What is in a policy document is not looked at: whoever holds policies against the contract does.

    Args:
        account: the number of the resource's own.
    """
    for path, value in _scalars(properties, ()):
        if _is_somebody([key for key in path if isinstance(key, str)], value, account):
            return f"{'.'.join(map(str, path))}: {value}"
    return ""


def holds_policy(properties: Any) -> bool:
    """Is there a policy document in a value, as an object, as text, or as text in text? OpenSearch Serverless has one
    of its own form: a list of rules, each with its Principal."""
    text = spelt_out(json.dumps(properties, default=str)).replace("\\", "")
    return '"Statement' in text or '"Principal"' in text


def _scalars(value: Any, path: tuple[Key, ...]) -> Iterator[tuple[tuple[Key, ...], Any]]:
    """What stands in a value, policies and free text aside; of what is not resolved, the function."""
    if isinstance(value, Mapping):
        if "Statement" in value:
            return
        if is_function(value):
            yield path, value
            return
        for key, item in value.items():
            if key not in _FREE:
                yield from _scalars(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _scalars(item, (*path, number))
    elif value is not None:
        yield path, value


def is_function(value: Any) -> bool:
    """Is a value one of CloudFormation's functions, which is not resolved?"""
    name = str(next(iter(value))) if isinstance(value, Mapping) and len(value) == 1 else ""
    return name == "Ref" or name.startswith("Fn::")


def _is_somebody(keys: list[str], value: Any, account: str) -> bool:
    if value == {"Ref": "AWS::NoValue"}:
        return False
    if any(_WHO.fullmatch(key) for key in keys):
        return True
    last = keys[-1] if keys else ""
    if isinstance(value, Mapping) or "{{resolve:" in str(value):
        own = value in ({"Ref": "AWS::AccountId"}, {"Fn::Sub": "${AWS::AccountId}"})
        return not own and bool(_ACCOUNT.fullmatch(last) or _POLICY.fullmatch(last))
    text = str(value)
    if _ACCOUNT.fullmatch(last) and text.lower() in ("*", "all", "public"):
        return True
    if _NUMBER.fullmatch(text):
        return text != account and not _CALLED.fullmatch(last)
    found = PRINCIPAL.fullmatch(text)
    return found is not None and found[2] != account and not OUTWARD.fullmatch(last)
