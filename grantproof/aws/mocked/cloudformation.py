"""Makes moto's CloudFormation do what AWS's does, where access depends on it, or refuse what it cannot do.

This is needed with moto 5.0 to 5.2.5, the newest when it was written. `tests/aws/test_cloudformation.py` also deploys
without this module, and fails as soon as moto does one of these by itself, so that the correction can be removed:

1. A nested stack's outputs, `!GetAtt Stack.Outputs.Name` and `${Stack.Outputs.Name}` in `Fn::Sub`: moto splits the
   attribute at every dot and uses the first part only, and its stacks have no attributes. See `intrinsics`.
2. moto drops parts of IAM resources, and policies of other resources: see `iam_resources`, `policy_resources` and
   `stand_ins`.
3. moto omits a resource that it cannot create, with a warning, and creates the resources that refer to it without the
   value. Here both are noted as not created. See `resource_creation`.
4. To moto the partition is `aws` and the URL suffix `amazonaws.com` in every region.
5. `AWS::NoValue` in lists becomes null, and intrinsic functions that moto does not know are not replaced: see
   `intrinsics`.
6. moto applies no transforms: see `transforms`.
7. moto does not check constraints of parameters, AWS-specific types and Rules, of nested stacks neither. It leaves the
   default of a list type as text, and spaces in lists. See `parameters`.
8. moto exports outputs whose condition is false.
9. moto reads a template from the bucket that its URL begins with, also if the URL has another host or a version. See
   `s3_address`.
10. moto does not pass names and defaults that CloudFormation fills in to some services: see `with_defaults`.
11. moto takes a mapping for the resource of the same name. CloudFormation keeps the names of the two apart.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from botocore.exceptions import ClientError
from moto.cloudformation import models as stacks_of_moto
from moto.cloudformation import parsing
from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.models import Stack
from moto.cloudformation.utils import get_stack_from_s3_url
from moto.s3.exceptions import MissingKey
from moto.ssm.models import ssm_backends

from grantproof.aws.mocked.built import Built
from grantproof.aws.mocked.created import UnsupportedResource
from grantproof.aws.mocked.existing_values import ClientOf, existing_values
from grantproof.aws.mocked.resource_creation import ResourceCreation
from grantproof.aws.mocked.stack_scope import NotCreated, resolve, scope
from grantproof.aws.templates import constraints, intrinsics, parameters
from grantproof.aws.templates.pseudo import partition_of
from grantproof.aws.templates.s3_address import s3_address
from grantproof.aws.templates.transforms import TemplateError, process


@contextmanager
def like_cloudformation(client_of: ClientOf) -> Generator[Built, None, None]:
    """A context in which moto deploys with the corrections listed above. `client_of` returns the client of a service in
    an account and region."""
    built = Built()
    creators = ResourceCreation(built, client_of, parsing)
    stacks = _Stacks(built, client_of)
    with (
        patch.object(parsing, "clean_json", resolve),
        patch.object(parsing, "parse_output", creators.output),
        patch.object(parsing, "resource_class_from_type", creators.class_of),
        patch.object(parsing, "parse_resource_and_generate_name", creators.resolved),
        patch.object(parsing, "parse_and_create_resource", creators.create),
        patch.object(parsing, "parse_and_update_resource", creators.update),
        patch.object(parsing.ResourceMap, "__init__", _in_its_partition(parsing.ResourceMap.__init__)),
        patch.object(parsing.ResourceMap, "load_parameters", _parameters(client_of)),
        patch.object(parsing.ResourceMap, "load_conditions", _load_conditions),
        patch.object(parsing.ResourceMap, "load_mapping", lambda self: None),
        patch.object(parsing.ResourceMap, "transform_mapping", lambda self: None),
        patch.object(parsing.ResourceMap, "validate_outputs", lambda self: None),
        patch.object(parsing.OutputMap, "exports", property(_exports)),
        patch.object(stacks_of_moto, "get_stack_from_s3_url", _at_its_address(get_stack_from_s3_url)),
        patch.object(Stack, "_parse_template", stacks.parse),
        patch.object(Stack, "_create_resource_map", stacks.resource_map(Stack._create_resource_map)),
        patch.object(Stack, "update", stacks.update(Stack.update)),
        patch.object(Stack, "has_template", lambda self, other: self.template == other),
        patch.object(Stack, "stack_resources", property(_created)),
    ):
        yield built


def _created(stack: Any) -> list[Any]:
    """In place of moto's `Stack.stack_resources`."""
    return [r for r in stack.resource_map.values() if r is not None and not isinstance(r, NotCreated)]


# --- stacks -----------------------------------------------------------------------------------------------------------


class _Stacks:
    """The methods that replace those with which moto's stacks read their templates."""

    def __init__(self, built: Built, client_of: ClientOf) -> None:
        self._built, self._client_of = built, client_of

    @property
    def parse(self) -> Callable[[Any], None]:
        """In place of moto's `Stack._parse_template`. Transforms are applied from the second call on: they need the
        parameters, which moto sets after the first."""

        def _parse_template(stack: Any) -> None:
            stack.template_dict = self._built.template(stack.template, stack.name)
            if hasattr(stack, "cross_stack_resources"):
                stack.template_dict = self._processed(stack)

        return _parse_template

    def resource_map(self, original: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """In place of moto's `Stack._create_resource_map`."""

        def _create_resource_map(stack: Any) -> Any:
            stack.template_dict = self._processed(stack)
            return original(stack)

        return _create_resource_map

    def update(self, original: Callable[..., None]) -> Callable[..., None]:
        """In place of moto's `Stack.update`: sets the new parameters before the template is processed."""

        def update(stack: Any, template: str, role_arn: Any = None, parameters: Any = None, tags: Any = None) -> None:
            stack.parameters = parameters or stack.parameters
            original(stack, template, role_arn, parameters, tags)

        return update

    def _processed(self, stack: Any) -> Any:
        """The template of a stack with its transforms applied."""
        raw = stack.template_dict
        if not isinstance(raw, Mapping) or not isinstance(raw.get("Resources"), Mapping):
            raise TemplateError("the template has no Resources")
        # Transforms can refer to parameters and mappings only, so a map without conditions and resources is enough.
        names = parsing.ResourceMap(
            stack.stack_id, stack.name, stack.parameters, {}, stack.region_name, stack.account_id, dict(raw), {}
        )
        names.load_parameters()
        out = process(raw, scope(names), self._fetch(stack))
        for resource in out["Resources"].values():
            if isinstance(resource, dict):
                # moto adds them when it creates a resource, and at the next deployment would take that for a change.
                resource.setdefault("Properties", {})
        self._built.templates[stack.stack_id] = out
        return out

    def _fetch(self, stack: Any) -> Callable[[str], Any]:
        def fetch(location: str) -> Any:
            bucket, _, key = location.removeprefix("s3://").partition("/")
            s3 = self._client_of(stack.account_id, "s3", stack.region_name)
            try:
                content = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
            except ClientError as error:
                raise TemplateError(f"cannot include {location}: {error.response['Error']['Message']}") from None
            return self._built.template(content, location)

        return fetch


def _at_its_address(original: Callable[..., str]) -> Callable[..., str]:
    """In place of moto's `get_stack_from_s3_url`, which accepts other hosts than S3's and ignores a version."""

    def from_s3(url: Any, account_id: str, partition: str) -> str:
        address = s3_address(str(url), partition)
        if address is None:
            raise UnsupportedResource(
                f"it: {url} is not the address of an object in S3, without a version; give it one, as `aws "
                "cloudformation package` does: https://BUCKET.s3.amazonaws.com/KEY"
            )
        try:
            return original("https://s3.amazonaws.com/" + "/".join(address), account_id, partition)
        except AttributeError:
            raise MissingKey from None  # moto takes it for granted that the bucket has the object

    return from_s3


def _parameters(client_of: ClientOf) -> Callable[[Any], None]:
    """In place of moto's `ResourceMap.load_parameters`, which it calls before it creates or updates anything."""

    def load_parameters(names: Any) -> None:
        seen, account, region = names._parsed_resources, names._account_id, names._region_name
        template, given = names._template, names.input_parameters
        pseudo = {name: seen[name] for name in seen if name.startswith("AWS::") and name != "AWS::NoValue"}
        texts = {name: ",".join(map(str, v)) if isinstance(v, list) else str(v) for name, v in given.items()}
        try:
            parameters.check(template, texts, pseudo, existing_values(account, region, client_of))
        except parameters.RefusedParameters as error:
            raise ValidationError(message=str(error)) from None
        declared = template.get("Parameters") or {}
        names.no_echo_parameter_keys = [name for name, p in declared.items() if p.get("NoEcho")]
        for name, parameter in declared.items():
            value = texts.get(name, intrinsics.text(parameter.get("Default", "")))
            names.resolved_parameters[name] = _typed(str(parameter.get("Type", "String")), value, account, region)
        names._parsed_resources.update(names.resolved_parameters)
        names.__dict__.pop("scope_of_functions", None)

    return load_parameters


def _typed(type_: str, given: str, account: str, region: str) -> Any:
    """The value of `Ref` of a parameter. `given`: its text, or the name under which the text is in Parameter Store."""
    if type_.startswith("AWS::SSM::Parameter::Value<"):
        stored = ssm_backends[account][region].get_parameter(given)
        if stored is None:
            raise ValidationError(message=f"the parameter store of {account} has no {given}")
        return constraints.as_typed(type_.split("<", 1)[1].removesuffix(">"), str(stored.value))
    typed = constraints.as_typed(type_, given)
    if type_ in ("Number", "List<Number>"):
        return [_number(item) for item in typed] if isinstance(typed, list) else _number(typed)
    return typed


def _number(given: str) -> int | float:
    try:
        return int(given)
    except ValueError:
        return float(given)


def _load_conditions(names: Any) -> None:
    """In place of moto's `ResourceMap.load_conditions`."""
    known = scope(names)
    names.lazy_condition_map = {name: intrinsics.condition_holds(name, known) for name in known.conditions}


def _exports(outputs: Any) -> list[Any]:
    """In place of moto's `OutputMap.exports`: without outputs whose condition is false."""
    names, out = outputs._resource_map, []
    for key, declared in (outputs._output_json_map or {}).items():
        found = outputs[key] if declared.get("Export") else None
        if found is not None:
            name = resolve(declared["Export"]["Name"], names)
            out.append(parsing.Export(outputs._stack_id, name, found.value))
    return out


def _in_its_partition(original: Callable[..., None]) -> Callable[..., None]:
    """In place of `ResourceMap.__init__`: sets the pseudo parameters that depend on the partition of the region."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it takes the place of one
        original(self, *args, **kwargs)
        partition, suffix = partition_of(self._region_name)
        self._parsed_resources |= {"AWS::Partition": partition, "AWS::URLSuffix": suffix, "AWS::NotificationARNs": []}

    return __init__
