"""Looks up values of AWS-specific parameter types in a mocked account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from grantproof.aws.templates import constraints

#: Returns the client for an account, a service and a region.
ClientOf = Callable[[str, str, str], Any]


def existing_values(account: str, region: str, client_of: ClientOf) -> constraints.Existing:
    """A function that looks up values of AWS-specific types in an account, with the attributes for rule functions."""

    def look_up(type_: str, value: str) -> dict[str, str] | None:
        service, operation, argument, answer, attributes = _LOOKUPS[type_]
        argued: Any = value if argument in ("Id", "Name") else [value]
        try:
            found = getattr(client_of(account, service, region), operation)(**{argument: argued})[answer]
        except ClientError:
            return None
        entry = found[0] if isinstance(found, list) and found else found
        if not entry:
            return None
        tags = {f"Tags.{tag['Key']}": tag["Value"] for tag in entry.get("Tags") or ()}
        return {**{name: str(entry[name]) for name in attributes if name in entry}, **tags}

    return look_up


#: By AWS-specific type: service, operation, parameter, key of the answer, and the attributes for rule functions.
#: Source: CloudFormation Template Reference, "Rule functions", supported attributes.
_LOOKUPS: dict[str, tuple[str, str, str, str, tuple[str, ...]]] = {
    "AWS::EC2::AvailabilityZone::Name": (
        "ec2", "describe_availability_zones", "ZoneNames", "AvailabilityZones", (),
    ),
    "AWS::EC2::Image::Id": ("ec2", "describe_images", "ImageIds", "Images", ()),
    "AWS::EC2::Instance::Id": ("ec2", "describe_instances", "InstanceIds", "Reservations", ()),
    "AWS::EC2::KeyPair::KeyName": ("ec2", "describe_key_pairs", "KeyNames", "KeyPairs", ()),
    "AWS::EC2::SecurityGroup::GroupName": ("ec2", "describe_security_groups", "GroupNames", "SecurityGroups", ()),
    "AWS::EC2::SecurityGroup::Id": ("ec2", "describe_security_groups", "GroupIds", "SecurityGroups", ("VpcId",)),
    "AWS::EC2::Subnet::Id": ("ec2", "describe_subnets", "SubnetIds", "Subnets", ("AvailabilityZone", "VpcId")),
    "AWS::EC2::Volume::Id": ("ec2", "describe_volumes", "VolumeIds", "Volumes", ()),
    "AWS::EC2::VPC::Id": ("ec2", "describe_vpcs", "VpcIds", "Vpcs", ()),
    "AWS::Route53::HostedZone::Id": ("route53", "get_hosted_zone", "Id", "HostedZone", ()),
    "AWS::SSM::Parameter::Name": ("ssm", "get_parameter", "Name", "Parameter", ()),
}  # fmt: skip
