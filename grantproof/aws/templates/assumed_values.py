"""The names, `Ref` and `Fn::GetAtt` values that are assumed for resources that are not created.

AWS generates some of these values. An assumed one has the usual form for its type and is always the same for the same
resource, so that two deployments can be compared.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from grantproof.aws.templates.carriers import Location
from grantproof.iam import actions


def given_name(type_: str, properties: Mapping[str, Any]) -> Any:
    """The name that the properties give a resource; None where they give none."""
    names = ("Name", f"{type_.rsplit('::', 1)[1]}Name")
    return next((text for key, text in properties.items() if key in names), None)


#: Types whose `Ref` is the ARN.
_REF_IS_ARN = frozenset(
    f"AWS::{name}"
    for name in """
    AccessAnalyzer::Analyzer AutoScaling::ScalingPolicy CE::AnomalyMonitor CE::AnomalySubscription
    CertificateManager::Certificate CloudFront::Function CodeBuild::ReportGroup CodeConnections::Connection
    CodeStarConnections::Connection Lambda::CodeSigningConfig Lambda::LayerVersion SNS::Subscription SecurityHub::Hub
    SecurityHub::Standard StepFunctions::Activity StepFunctions::StateMachineAlias StepFunctions::StateMachineVersion
    XRay::Group XRay::SamplingRule
    """.split()
)
#: Services whose prefix in ARNs is not their name in the type, in lower case.
_SERVICE_PREFIXES = {
    "AccessAnalyzer": "access-analyzer",
    "ApplicationAutoScaling": "application-autoscaling",
    "CertificateManager": "acm",
    "CodeStarConnections": "codestar-connections",
    "Cognito": "cognito-idp",
    "ResourceGroups": "resource-groups",
    "StepFunctions": "states",
}


def _service_of(type_: str) -> str:
    service = type_.split("::")[1]
    return _SERVICE_PREFIXES.get(service, service.lower())


def assumed_ref(type_: str, name: str, where: Location) -> str:
    """The value of `Ref` of a resource of this name."""
    return name if type_ not in _REF_IS_ARN or name.startswith("arn:") else assumed_arn(type_, name, where)


def assumed_id(type_: str, path: tuple[str, ...]) -> str | None:
    """The ID of a resource, for types whose IDs have a fixed form, which parameters of AWS-specific types require; None
    for other types.

    Args:
        path: the logical IDs that lead to the resource, those of nested stacks first. The same path, the same ID.
    """
    digits = hashlib.sha256("/".join(path).encode()).hexdigest()
    return f"{_ID_PREFIXES[type_]}-{digits[:17]}" if type_ in _ID_PREFIXES else None


_ID_PREFIXES = {
    "AWS::EC2::Instance": "i",
    "AWS::EC2::SecurityGroup": "sg",
    "AWS::EC2::Subnet": "subnet",
    "AWS::EC2::VPC": "vpc",
    "AWS::EC2::Volume": "vol",
}


def assumed_arn(type_: str, physical_id: str, where: Location) -> str:
    """The ARN of a resource, in the form that AWS's list of actions gives for this kind of resource, if that form needs
    nothing but a name; else `plain_arn`."""
    service, kind = _service_of(type_), type_.split("::")[2].lower()
    template = actions.arn_template(service, kind)
    names = [name for name in _VARIABLE.findall(template) if name not in ("Partition", "Region", "Account")]
    if len(names) != 1:
        return plain_arn(service, physical_id, where)
    given = {
        "Partition": where.partition,
        "Region": where.region,
        "Account": where.account,
        names[0]: physical_id,
    }
    return _VARIABLE.sub(lambda match: str(given[match[1]]), template)


def plain_arn(service: str, resource: str, where: Location) -> str:
    """An ARN with region and account."""
    return f"arn:{where.partition}:{service}:{where.region}:{where.account}:{resource}"


def assumed_attribute(type_: str, attribute: str, physical_id: str, where: Location) -> str:
    """The value of `Fn::GetAtt` of a resource: an ARN where the attribute's name ends in Arn, else the physical ID."""
    if not attribute.lower().endswith("arn") or physical_id.startswith("arn:"):
        return physical_id
    if attribute == "Arn":
        return assumed_arn(type_, physical_id, where)
    return plain_arn(_service_of(type_), physical_id, where)


_VARIABLE = re.compile(r"\$\{(\w+)\}")
