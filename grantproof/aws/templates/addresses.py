"""Which addresses in a resource's properties are of resources of its own template, as they are written there.

What is made has only its text, which does not tell whose host it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from grantproof.aws.templates.naming import is_function
from grantproof.aws.templates.outward import Steps
from grantproof.source import at

#: Attributes that are the host that AWS gives a resource, or begin with it.
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


def own_addresses(written: Any, resources: Any) -> frozenset[Steps]:
    """The ways to addresses, as `outward.Steps`, of which each that is written there is a resource's of the template.

    Args:
        written: the properties as the template writes them, with their functions.
        resources: those of the template.
    """
    own: set[Steps] = set()
    others: set[Steps] = set()
    for steps, value in _written(written, ()):
        (own if _is_own(value, resources) else others).add(steps)
    return frozenset(own - others)


def _written(value: Any, steps: Steps) -> Iterator[tuple[Steps, Any]]:
    """What is written at each way, by each branch of a condition."""
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
    """A function that puts text together, as the text of `Fn::Sub`; None for one that does not, or that has variables
    of its own."""
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
