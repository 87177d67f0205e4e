"""Types that moto does not create, or not whatever their properties, and by which nobody gets in.

Each was looked up in the template reference: what resources of it do is done with the permissions of roles and policies
that are read, and no property of theirs names somebody who may do something, but for those that `held/giving` and
`sending` have. So there is a stand-in for them in the mocked world. All others that cannot be created are said, one by
one.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-template-resource-type-ref.html
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from grantproof.aws.templates.carriers import Where
from grantproof.iam import actions

INERT = frozenset(
    f"AWS::{name}"
    for name in """
    ApiGateway::Account ApiGateway::BasePathMapping ApiGateway::Deployment ApiGateway::DocumentationPart
    ApiGateway::DocumentationVersion ApiGateway::GatewayResponse ApiGateway::Method ApiGateway::Model
    ApiGateway::RequestValidator ApiGateway::Resource ApiGateway::Stage ApiGateway::UsagePlan ApiGateway::UsagePlanKey
    ApplicationAutoScaling::ScalableTarget ApplicationAutoScaling::ScalingPolicy
    Athena::WorkGroup Backup::BackupPlan Backup::BackupSelection CertificateManager::Certificate CloudTrail::Trail
    CloudWatch::Alarm CloudWatch::AnomalyDetector CloudWatch::CompositeAlarm CloudWatch::Dashboard
    Config::ConfigRule Events::Archive Glue::Database GuardDuty::Detector Lambda::EventInvokeConfig
    Logs::MetricFilter Logs::SubscriptionFilter SNS::Subscription SecretsManager::RotationSchedule
    SecretsManager::SecretTargetAttachment WAFv2::WebACL WAFv2::WebACLAssociation
    """.split()
)


def name_of(type_: str, properties: Mapping[str, Any]) -> Any:
    """What the properties call a resource; None where they do not."""
    names = ("Name", f"{type_.rsplit('::', 1)[1]}Name")
    return next((text for key, text in properties.items() if key in names), None)


def shaped_id(type_: str, path: tuple[str, ...]) -> str | None:
    """An id of the shape that AWS gives resources of a type, always the same for the same path; None where their names
    are free. Parameters of AWS-specific types take nothing of another shape."""
    digits = hashlib.sha256("/".join(path).encode()).hexdigest()
    return f"{_PREFIXES[type_]}-{digits[:17]}" if type_ in _PREFIXES else None


_PREFIXES = {
    "AWS::EC2::Instance": "i",
    "AWS::EC2::SecurityGroup": "sg",
    "AWS::EC2::Subnet": "subnet",
    "AWS::EC2::VPC": "vpc",
    "AWS::EC2::Volume": "vol",
}


def usual_arn(type_: str, physical_id: str, where: Where) -> str:
    """The ARN of a resource of no kind that is known here: as the action list writes those of its kind, where that
    takes nothing but its name."""
    service, kind = (part.lower() for part in type_.split("::")[1:3])
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


def plain_arn(service: str, resource: str, where: Where) -> str:
    """An ARN with region and account."""
    return f"arn:{where.partition}:{service}:{where.region}:{where.account}:{resource}"


def made_up(type_: str, attribute: str, physical_id: str, where: Where) -> str:
    """What `Fn::GetAtt` gives of a resource that is not made: its name, but for ARNs."""
    if not attribute.endswith("Arn"):
        return physical_id
    if attribute == "Arn":
        return usual_arn(type_, physical_id, where)
    return plain_arn(type_.split("::")[1].lower(), physical_id, where)


_VARIABLE = re.compile(r"\$\{(\w+)\}")
