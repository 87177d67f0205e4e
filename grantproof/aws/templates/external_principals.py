"""Principals and other accounts that the properties of a resource of any type name.

Most CloudFormation types are in no table of ours. Nearly all of them give access only to principals that they name, and
the template reference names those properties alike: `Principal`, `AllowedPrincipals`, `PeerOwnerId`,
`ReadOnlyAccessAccounts`. The expressions below are tested to match all such properties of the whole reference.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from grantproof.aws.templates.template_data import spelt_out
from grantproof.source import Key

#: Properties whose value is a principal, whatever its form.
_PRINCIPAL_PROPERTY = re.compile(r"(?!Kerberos|Match)\w*(Principal|Grantee)s?(Arn|ARN|Id|Identifier)?s?")
#: Properties that hold account IDs, or ARNs of an organization or its units.
_ACCOUNT_PROPERTY = re.compile(
    r"(?!EmailSending|Excluded?|Service)\w*(Accounts?(Ids?|ID|Numbers?|Identifier)?|Owner(Id|ID)|MasterId|MemberId"
    r"|OrganizationArns|OrganizationalUnitArns|MemberArns|Subscribers|AwsAccountWhitelist)"
)
#: Properties that hold access policies. Many other properties named Policy configure behaviour instead.
_POLICY_PROPERTY = re.compile(
    r"(Access|Destination|FileSystem|InvestigationGroup|Key|Model|ModelPackageGroup|NamespaceResource|Repository"
    r"|Resource|S3Access|Session)?Policy|AccessPolicies|(?!Lifecycle)\w*Policy(Document|Text)|DeliveryDestinationPolicy"
)
#: Properties that give nobody access: free text, sources of metrics, and accounts that only restrict this account's own
#: calls.
_IGNORED = frozenset(
    """
    Comment DefaultArguments DefinitionSubstitutions Description Dimensions Environment EnvironmentVariables
    ExpectedBucketOwner InputParameters Metadata MetricDataQueries Metrics Parameters SingleMetricAnomalyDetector
    SourceAccount StackSetParameters Tags Variables
    """.split()
)
#: Roles that a service assumes, also in another account: they give nobody access here (see `property_destinations`).
ROLE_PROPERTY = re.compile(r"\w*(Role(s|Arns?|ARN)?|Credentials)")
_NUMBER = re.compile(r"\d{12}")
#: Names of resources, which may be 12 digits.
_NAME_PROPERTY = re.compile(r"(?!\w*(Account|Owner|Principal))\w*Name")
#: ARNs of principals.
PRINCIPAL = re.compile(r"arn:[\w-]+:(iam|sts|organizations)::(\d{12})?:.+", re.S)


def named_principal(properties: Any, account: str) -> str:
    """The first property that names a principal or another account, as `Path: value`; empty where there is none. Policy
    documents are left out: they are compared with the contract elsewhere.

    Args:
        account: the ID of the account that the resource is in.
    """
    for path, value in _scalars(properties, ()):
        if _is_external_principal([key for key in path if isinstance(key, str)], value, account):
            return f"{'.'.join(map(str, path))}: {value}"
    return ""


def holds_policy(properties: Any) -> bool:
    """Is there a policy document in a value, as an object, as JSON text, or nested in JSON text? The data access policy
    of OpenSearch Serverless counts too: a list of rules, each with its Principal."""
    text = spelt_out(json.dumps(properties, default=str)).replace("\\", "")
    return '"Statement' in text or '"Principal"' in text


def _scalars(value: Any, path: tuple[Key, ...]) -> Iterator[tuple[tuple[Key, ...], Any]]:
    """The scalar values with their paths, without policies and free text; an unresolved function counts as scalar."""
    if isinstance(value, Mapping):
        if "Statement" in value:
            return
        if is_function(value):
            yield path, value
            return
        for key, item in value.items():
            if key not in _IGNORED:
                yield from _scalars(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _scalars(item, (*path, number))
    elif value is not None:
        yield path, value


def is_function(value: Any) -> bool:
    """Is a value an unresolved CloudFormation function?"""
    name = str(next(iter(value))) if isinstance(value, Mapping) and len(value) == 1 else ""
    return name == "Ref" or name.startswith("Fn::")


def _is_external_principal(keys: list[str], value: Any, account: str) -> bool:
    if value == {"Ref": "AWS::NoValue"}:
        return False
    if any(_PRINCIPAL_PROPERTY.fullmatch(key) for key in keys):
        return True
    last = keys[-1] if keys else ""
    if isinstance(value, Mapping) or "{{resolve:" in str(value):
        own = value in ({"Ref": "AWS::AccountId"}, {"Fn::Sub": "${AWS::AccountId}"})
        return not own and bool(_ACCOUNT_PROPERTY.fullmatch(last) or _POLICY_PROPERTY.fullmatch(last))
    text = str(value)
    if _ACCOUNT_PROPERTY.fullmatch(last) and text.lower() in ("*", "all", "public"):
        return True
    if _NUMBER.fullmatch(text):
        return text != account and not _NAME_PROPERTY.fullmatch(last)
    found = PRINCIPAL.fullmatch(text)
    return found is not None and found[2] != account and not ROLE_PROPERTY.fullmatch(last)
