"""Where moto's CloudFormation differs from AWS's, made the same or refused.

Needed by moto 5.0 to 5.2.5, the newest when this was written. `tests/aws/test_cloudformation.py` deploys without this
module as well, and fails as soon as moto does one of these by itself, so that it can go:

1. A nested stack's outputs, `!GetAtt Stack.Outputs.Name` and `${Stack.Outputs.Name}` in `Fn::Sub`: moto cuts the
   attribute at every dot, looks at the first piece only, and its stacks answer no attribute.
2. IAM resources: see `iam_resources`.
3. A resource type that moto does not know is not created, with a warning; here it stops the deployment.
4. The partition is `aws` and the URL suffix `amazonaws.com` in every region.
5. `AWS::NoValue` stays in lists as null.
6. Constraints of parameters, AWS-specific types and Rules are not checked, for nested stacks either; and a list
   parameter's default stays text. See `parameters`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from botocore.exceptions import ClientError
from moto.cloudformation import parsing
from moto.cloudformation.exceptions import ValidationError

from grantproof.aws import parameters
from grantproof.aws.iam_resources import UnsupportedResource, resource_class

#: Types that create nothing by design.
_EMPTY = frozenset(
    {"AWS::CloudFormation::WaitCondition", "AWS::CloudFormation::WaitConditionHandle", "AWS::CDK::Metadata"}
)


#: Gives the client of an account, a service and a region.
ClientOf = Callable[[str, str, str], Any]


@contextmanager
def like_cloudformation(client_of: ClientOf) -> Generator[None, None, None]:
    """Deploy as CloudFormation does, as far as the list above goes."""

    def resource_class_from_type(resource_type: str) -> Any:
        found = resource_class(resource_type, client_of) or original(resource_type)
        if found is None and resource_type not in _EMPTY:
            raise UnsupportedResource(resource_type)
        return found

    original = parsing.resource_class_from_type
    with (
        patch.object(parsing, "clean_json", _resolver(parsing.clean_json)),
        patch.object(parsing, "resource_class_from_type", resource_class_from_type),
        patch.object(parsing.ResourceMap, "__init__", _in_its_partition(parsing.ResourceMap.__init__)),
        patch.object(parsing.ResourceMap, "load_parameters", _checked(parsing.ResourceMap.load_parameters, client_of)),
        patch.object(parsing.ResourceMap, "update", _checked_update(parsing.ResourceMap.update, client_of)),
    ):
        yield


def _resolver(original: Callable[..., Any]) -> Callable[..., Any]:
    """moto's resolver of intrinsic functions calls itself through its module, so this sees every nested value."""

    def clean_json(value: Any, resources: Any) -> Any:
        if isinstance(value, dict) and "Fn::GetAtt" in value:
            found = value["Fn::GetAtt"]
            name, *rest = ".".join(found).split(".")
            if rest[:1] == ["Outputs"] and len(rest) == 2:
                return _output(resources, name, rest[1])
        if isinstance(value, list):
            return [item for item in original(value, resources) if item is not None]
        return original(value, resources)

    return clean_json


def _output(resources: Any, stack: str, output: str) -> str:
    for candidate in resources[stack].output_map.values():
        if candidate is not None and candidate.key == output:
            return str(candidate.value)
    raise UnsupportedResource(f"output {output} of the nested stack {stack}, which has no such output")


def _in_its_partition(original: Callable[..., None]) -> Callable[..., None]:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it takes the place of one
        original(self, *args, **kwargs)
        partition, suffix = parameters.partition_of(self._region_name)
        self._parsed_resources |= {"AWS::Partition": partition, "AWS::URLSuffix": suffix}

    return __init__


def _checked(original: Callable[..., None], client_of: ClientOf) -> Callable[..., None]:
    """moto loads the parameters of every stack, nested ones too, before it creates a resource."""

    def load_parameters(self: Any) -> None:
        _check(self, self._template, self.input_parameters, client_of)
        original(self)
        for name, declared in (self._template.get("Parameters") or {}).items():
            value = self.resolved_parameters[name]
            if isinstance(value, str) and isinstance(typed := parameters.as_typed(declared["Type"], value), list):
                self.resolved_parameters[name] = self._parsed_resources[name] = typed

    return load_parameters


def _checked_update(original: Callable[..., None], client_of: ClientOf) -> Callable[..., None]:
    def update(self: Any, template: Any, given: Any = None) -> None:
        _check(self, template, given or self.input_parameters, client_of)
        original(self, template, given)

    return update


def _check(stack: Any, template: Any, given: Any, client_of: ClientOf) -> None:
    seen = stack._parsed_resources
    pseudo = {name: seen[name] for name in seen if name.startswith("AWS::") and name != "AWS::NoValue"}
    texts = {name: ",".join(value) if isinstance(value, list) else str(value) for name, value in given.items()}
    try:
        parameters.check(template, texts, pseudo, existing(stack._account_id, stack._region_name, client_of))
    except parameters.RefusedParameters as error:
        raise ValidationError(message=str(error)) from None


def existing(account: str, region: str, client_of: ClientOf) -> parameters.Existing:
    """Looks values of AWS-specific types up in the mocked account, with the attributes that rule functions know."""

    def look_up(type_: str, value: str) -> dict[str, str] | None:
        service, operation, argument, answer, attributes = _LOOKUPS[type_]
        argued: Any = value if argument in ("Id", "Name") else [value]
        if service == "ssm":
            argued = [{"Key": "Name", "Values": [value]}]
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


#: How each AWS-specific type is looked up: service, operation, its argument, its answer, and the attributes of rules.
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
    "AWS::SSM::Parameter::Name": ("ssm", "describe_parameters", "ParameterFilters", "Parameters", ()),
}  # fmt: skip
