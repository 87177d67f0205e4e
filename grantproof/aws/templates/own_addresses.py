"""Which URLs in a resource's properties point at resources of the same template.

This is read from the functions in the template: after deployment a URL is text, which does not show its owner.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from grantproof.aws.templates.external_principals import is_function
from grantproof.aws.templates.property_destinations import PropertyPath
from grantproof.source import at

#: By type, attributes that are the host name that AWS assigns to a resource, or begin with it.
_HOSTS: Mapping[str, tuple[str, ...]] = {
    "AWS::ApiGatewayV2::Api": ("ApiEndpoint",),
    "AWS::AppRunner::Service": ("ServiceUrl",),
    "AWS::CloudFront::Distribution": ("DomainName",),
    "AWS::EC2::Instance": ("PrivateDnsName", "PrivateIp", "PublicDnsName", "PublicIp"),
    "AWS::ElasticLoadBalancing::LoadBalancer": ("DNSName",),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": ("DNSName",),
    "AWS::Elasticsearch::Domain": ("DomainEndpoint",),
    "AWS::Lambda::Url": ("FunctionUrl",),
    "AWS::OpenSearchService::Domain": ("DomainEndpoint",),
    "AWS::S3::Bucket": ("DomainName", "RegionalDomainName", "WebsiteURL"),
    "AWS::Serverless::HttpApi": ("ApiEndpoint",),
}
_APIS = re.compile(r"AWS::(ApiGateway::RestApi|ApiGatewayV2::Api|Serverless::(Api|HttpApi))")
_WHOLE = re.compile(r"(?:(?:https?|wss?)://)?\$\{(\w+)(?:\.([\w.]+))?\}(.*)", re.S)
_API_HOST = re.compile(r"\.execute-api\.([\w-]+|\$\{AWS::Region\})\.(amazonaws\.com(\.cn)?|\$\{AWS::URLSuffix\})")
_REST = re.compile(r"(:\d+)?([/?#].*)?", re.S)


def own_addresses(written: Any, resources: Any) -> frozenset[PropertyPath]:
    """The paths at which every URL, in every branch of Fn::If, is that of a resource of the template.

    Args:
        written: the properties as the template writes them, with their functions.
        resources: the template's Resources section.
    """
    own: set[PropertyPath] = set()
    others: set[PropertyPath] = set()
    for steps, value in _written(written, ()):
        (own if _is_own(value, resources) else others).add(steps)
    return frozenset(own - others)


def _written(value: Any, steps: PropertyPath) -> Iterator[tuple[PropertyPath, Any]]:
    """The values with their paths, one for each branch of Fn::If."""
    if isinstance(value, Mapping) and is_function(value):
        branches = value.get("Fn::If")
        if isinstance(branches, list):
            for branch in branches[1:]:
                yield from _written(branch, steps)
        elif value != {"Ref": "AWS::NoValue"}:
            yield steps, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _written(item, (*steps, str(key)))
    elif isinstance(value, list):
        for item in value:
            yield from _written(item, (*steps, "*"))
    else:
        yield steps, value


def _is_own(value: Any, resources: Any) -> bool:
    found = _WHOLE.fullmatch(as_sub(value) or "")
    if found is None:
        return False
    name, attribute, rest = found.groups()
    type_ = str(at(resources, (name, "Type")))
    if attribute is None and _APIS.fullmatch(type_):
        host = _API_HOST.match(rest)
        return host is not None and _REST.fullmatch(rest[host.end() :]) is not None
    return attribute in _HOSTS.get(type_, ()) and _REST.fullmatch(rest) is not None


def as_sub(value: Any) -> str | None:
    """Ref, Fn::GetAtt, Fn::Sub, Fn::Join or a text, written as the text of one `Fn::Sub`; None for other functions and
    for an Fn::Sub with variables of its own."""
    if isinstance(value, str):
        return value.replace("${", "${!")
    if not isinstance(value, Mapping) or len(value) != 1:
        return None
    name, given = next(iter(value.items()))
    if name == "Fn::Sub":
        return given if isinstance(given, str) else None
    if name == "Ref":
        return f"${{{given}}}"
    if name == "Fn::GetAtt":
        return f"${{{'.'.join(map(str, given)) if isinstance(given, list) else given}}}"
    if name == "Fn::Join" and isinstance(given, list) and len(given) == 2 and isinstance(given[1], list):
        parts = [as_sub(part) for part in given[1]]
        return None if None in parts else str(given[0]).join(filter(None, parts))
    return None
