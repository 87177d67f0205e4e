"""Where moto's CloudFormation differs from AWS's, made the same or refused.

Needed by moto 5.0 to 5.2.5, the newest when this was written. `tests/aws/test_cloudformation.py` deploys without this
module as well, and fails as soon as moto does one of these by itself, so that it can go:

1. A nested stack's outputs, `!GetAtt Stack.Outputs.Name` and `${Stack.Outputs.Name}` in `Fn::Sub`: moto cuts the
   attribute at every dot, looks at the first piece only, and its stacks answer no attribute. See `intrinsics`.
2. IAM resources: see `iam_resources`; policies of other services' resources: see `policy_resources` and `stand_ins`.
3. A resource that moto cannot create is left out with a warning, and whatever takes something from it is created with a
   hole. Here it is noted, and so is whatever takes something from it.
4. The partition is `aws` and the URL suffix `amazonaws.com` in every region.
5. `AWS::NoValue` stays in lists as null; intrinsic functions that moto does not know stay in place: see `intrinsics`.
6. Transforms: moto carries out none: see `transforms`.
7. Constraints of parameters, AWS-specific types and Rules are not checked, for nested stacks either; a default of a
   list type stays text, and spaces stay in lists. See `parameters`.
8. Exports of outputs whose condition is false.
9. Templates of other hosts, and of versions, are taken from the bucket that the address begins with. See `s3_address`.
10. Names and defaults that CloudFormation fills in are not passed on to some services: see `with_defaults`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from botocore.exceptions import ClientError
from moto.cloudformation import models as stacks_of_moto
from moto.cloudformation import parsing
from moto.cloudformation.exceptions import MissingParameterError, ValidationError
from moto.cloudformation.models import Stack
from moto.cloudformation.utils import get_stack_from_s3_url
from moto.s3.exceptions import MissingBucket, MissingKey
from moto.ssm.models import ssm_backends

from grantproof.aws.mocked import iam_resources, policies_of_aws, policy_resources, stand_ins
from grantproof.aws.mocked.created import CreatedResource, UnsupportedResource, creator
from grantproof.aws.mocked.defaults import with_defaults
from grantproof.aws.mocked.existing_values import ClientOf, existing_values
from grantproof.aws.mocked.stack_scope import NotCreated, resolve, scope
from grantproof.aws.templates import carriers, constraints, intrinsics, parameters, wellformed
from grantproof.aws.templates.pseudo import partition_of
from grantproof.aws.templates.resource_policies import resource_policies
from grantproof.aws.templates.s3_address import s3_address
from grantproof.aws.templates.scope import NotResolved
from grantproof.aws.templates.template_data import policies_as_text, with_places
from grantproof.aws.templates.transforms import TemplateError, process
from grantproof.source import Document, at, parse

#: Types that create nothing by design.
_EMPTY = frozenset(
    {"AWS::CloudFormation::WaitCondition", "AWS::CloudFormation::WaitConditionHandle", "AWS::CDK::Metadata"}
)
#: (stack id, logical id)
Name = tuple[str, str]


@dataclass
class Built:
    """What CloudFormation made of the templates of one world. Kept because moto forgets it.

    Attributes:
        documents: the text of a template as it is handed over, and the file that it comes from.
        templates: the processed template of each stack, by stack id, its objects `Placed`.
        properties: of each resource, with functions resolved, its objects `Placed`.
        refused: resources that were not created, and why.
        outputs: outputs that have no value, and why.
        deleted: stacks that are gone, by account alias and name.
    """

    documents: dict[str, Document] = field(default_factory=dict)
    templates: dict[str, Any] = field(default_factory=dict)
    properties: dict[Name, Any] = field(default_factory=dict)
    refused: dict[Name, str] = field(default_factory=dict)
    outputs: dict[Name, str] = field(default_factory=dict)
    deleted: set[tuple[str, str]] = field(default_factory=set)

    def handed(self, document: Document) -> str:
        """A template as it is handed to moto: the same data as JSON. moto reads YAML with a loader that builds
        arbitrary Python objects from tags, so a hostile template must not reach it as text."""
        text = json.dumps(document.value)
        self.documents[text] = document
        return text

    def template(self, text: str, where: str) -> Any:
        """A template's data, its objects `Placed` where it is a file of the grant."""
        document = self.documents[text] if text in self.documents else parse(text, Path(where))
        wellformed.check_numbers(document)
        return with_places(document)


@contextmanager
def like_cloudformation(client_of: ClientOf) -> Generator[Built, None, None]:
    """Deploy as CloudFormation does, as far as the list above goes."""
    built = Built()
    creators = _Creators(built, client_of, parsing)
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
    return [r for r in stack.resource_map.values() if r is not None and not isinstance(r, NotCreated)]


# --- resources --------------------------------------------------------------------------------------------------------


class _Creators:
    """Takes the place of moto's functions that create resources."""

    def __init__(self, built: Built, client_of: ClientOf, original: Any) -> None:
        self._built, self._client_of = built, client_of
        self._class_of = original.resource_class_from_type
        self._resolved = original.parse_resource_and_generate_name
        self._create = original.parse_and_create_resource
        self._update = original.parse_and_update_resource

    def class_of(self, type_: str) -> Any:
        """moto's `resource_class_from_type`."""
        if type_ in _EMPTY:
            return creator(type_, None, lambda _client, _properties, name: _nothing(name), None)
        for module in (iam_resources, policy_resources):
            if found := module.resource_class(type_, self._client_of):
                return found
        if found := stand_ins.resource_class(type_, self._client_of):
            return found
        if type_.startswith(("Custom::", "AWS::CloudFormation::CustomResource")):
            raise UnsupportedResource("it: what a custom resource does is the code of its function")
        found = self._class_of(type_) if type_ in parsing.get_model_map() else None
        if found is None:
            raise UnsupportedResource(f"resources of the type {type_}")
        return found

    def resolved(self, logical_id: str, resource: Any, names: Any) -> Any:
        """moto's `parse_resource_and_generate_name`, with the properties noted."""
        class_, found, name = self._resolved(logical_id, resource, names)
        written = policies_as_text(found.get("Properties") or {})
        self._built.properties[names.stack_id, logical_id] = written
        before = getattr(names._parsed_resources.get(logical_id), "physical_resource_id", None)
        properties, name = with_defaults(str(found.get("Type")), written, name, before)
        return self._without_assets(class_, {**found, "Properties": properties}, name)

    def _without_assets(self, class_: Any, resource: Any, name: str) -> Any:
        """A function's code that is in a tool's bucket is not there; what it is changes nothing of who may do what."""
        code = at(resource, ("Properties", "Code"))
        if resource.get("Type") != "AWS::Lambda::Function" or not isinstance(code, Mapping) or "S3Bucket" not in code:
            return class_, resource, name
        properties = {**resource["Properties"], "Code": {"ZipFile": "pass"}}
        return class_, {**resource, "Properties": properties}, name

    def create(self, logical_id: str, resource: Any, names: Any, account_id: str, region_name: str) -> Any:
        """moto's `parse_and_create_resource`; what cannot be created is noted."""
        name = (names.stack_id, logical_id)
        self._built.refused.pop(name, None)
        try:
            made = self._create(logical_id, resource, names, account_id, region_name)
            self._check_policies(made, resource, self._built.properties.get(name), account_id, region_name)
            return made
        except (TemplateError, ValidationError, MissingParameterError, RecursionError):
            raise
        except NotResolved as error:
            self._built.refused[name] = f"it: {error}"
        except UnsupportedResource as error:
            self._built.refused[name] = str(error)
        except carriers.NoPolicy as error:
            self._built.refused[name] = f"it: {error}"
        except ClientError as error:
            self._built.refused[name] = f"it: {_said(error.response['Error'])}"
        except (MissingBucket, MissingKey):
            url = at(self._built.properties.get(name), ("TemplateURL",))
            self._built.refused[name] = f"it: {url} is not there; get that template, and name it under `uploads`"
        except KeyError as error:
            self._built.refused[name] = f"it without {error.args[0]}"
        except Exception as error:  # noqa: BLE001 - moto meets what it cannot do with whatever its own code runs into
            self._built.refused[name] = f"it: {_told(error)}"
        return NotCreated(logical_id, str(resource.get("Type")))

    def _check_policies(self, made: Any, resource: Any, properties: Any, account: str, region: str) -> None:
        type_, ref = str(resource.get("Type")), getattr(made, "physical_resource_id", None)
        if made is not None and (type_ in carriers.CARRIERS or type_ in carriers.ATTACHMENTS):
            tuple(resource_policies(type_, properties, str(ref), stand_ins.where_of(account, region)))

    def update(self, logical_id: str, resource: Any, names: Any, account_id: str, region_name: str) -> Any:
        """moto's `parse_and_update_resource`; what was not created before is created."""
        if isinstance(names[logical_id], NotCreated):
            return self.create(logical_id, resource, names, account_id, region_name)
        return self._update(logical_id, resource, names, account_id, region_name)

    def output(self, name: str, output: Any, names: Any) -> Any:
        """moto's `parse_output`; an output that has no value is noted."""
        if "Condition" in output and not names.lazy_condition_map[output["Condition"]]:
            return None
        try:
            value = resolve(output.get("Value"), names)
        except (UnsupportedResource, NotResolved) as error:
            self._built.outputs[names.stack_id, name] = str(error)
            return None
        return None if value is None else parsing.Output(name, value, output.get("Description"))


#: With what services say that something is not there.
_ABSENT = ("NoSuchEntity", "NoSuchEntityException", "NoSuchBucket", "NotFound", "ResourceNotFoundException")
#: What moto's Lambda says of a role that it does not find.
_ASSUMED = "The role defined for the function cannot be assumed by Lambda"


def _said(error: Mapping[str, Any]) -> str:
    """What a service says, and what to do where something is not there that a template takes for given."""
    message = str(error["Message"]).rstrip(".")
    if error["Code"] not in _ABSENT and not message.startswith(_ASSUMED):
        return message
    if found := re.search(r"arn:[a-z-]+:iam::aws:policy/\S+", message):
        near = policies_of_aws.nearest(found[0])
        meant = f"did you mean {near}? Or " if near else ""
        return f"{message}; {meant}AWS has withdrawn it, or has made it after this release of moto"
    return f"{message}; a stack of the contract before this one has to create it, from a template of what is there"


def _told(error: Exception) -> str:
    """What a service answers, which moto raises where it is not asked over HTTP; else what its own code ran into."""
    message = getattr(error, "message", None)
    if isinstance(message, str) and message:
        return _said({"Code": getattr(error, "error_type", ""), "Message": message})
    return f"{type(error).__name__} {error}"


def _nothing(name: str) -> CreatedResource:
    return CreatedResource(None, name)


# --- stacks -----------------------------------------------------------------------------------------------------------


class _Stacks:
    """Takes the place of what moto's stacks do with their templates."""

    def __init__(self, built: Built, client_of: ClientOf) -> None:
        self._built, self._client_of = built, client_of

    @property
    def parse(self) -> Callable[[Any], None]:
        """moto's `Stack._parse_template`. Processing needs the parameters, which are set after the first call."""

        def _parse_template(stack: Any) -> None:
            stack.template_dict = self._built.template(stack.template, stack.name)
            if hasattr(stack, "cross_stack_resources"):
                stack.template_dict = self._processed(stack)

        return _parse_template

    def resource_map(self, original: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """moto's `Stack._create_resource_map`."""

        def _create_resource_map(stack: Any) -> Any:
            stack.template_dict = self._processed(stack)
            return original(stack)

        return _create_resource_map

    def update(self, original: Callable[..., None]) -> Callable[..., None]:
        """moto's `Stack.update`, with the new parameters at hand when the template is processed."""

        def update(stack: Any, template: str, role_arn: Any = None, parameters: Any = None, tags: Any = None) -> None:
            stack.parameters = parameters or stack.parameters
            original(stack, template, role_arn, parameters, tags)

        return update

    def _processed(self, stack: Any) -> Any:
        raw = stack.template_dict
        if not isinstance(raw, Mapping) or not isinstance(raw.get("Resources"), Mapping):
            raise TemplateError("the template has no Resources")
        # Conditions and resources are not known yet, so the map is made of what is: parameters and mappings.
        names = parsing.ResourceMap(
            stack.stack_id, stack.name, stack.parameters, {}, stack.region_name, stack.account_id, dict(raw), {}
        )
        names.load_parameters()
        out = process(raw, scope(names), self._fetch(stack))
        for resource in out["Resources"].values():
            if isinstance(resource, dict):
                # moto puts them there as it creates a resource, and at the next deployment takes that for a change.
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
    """moto's `get_stack_from_s3_url`, which takes other hosts for S3, and any version for the newest."""

    def from_s3(url: Any, account_id: str, partition: str) -> str:
        address = s3_address(str(url), partition)
        if address is None:
            raise UnsupportedResource(
                f"it: {url} is not the address of an object in S3, without a version; give it one, as `aws "
                "cloudformation package` does: https://BUCKET.s3.amazonaws.com/KEY"
            )
        return original("https://s3.amazonaws.com/" + "/".join(address), account_id, partition)

    return from_s3


def _parameters(client_of: ClientOf) -> Callable[[Any], None]:
    """moto's `ResourceMap.load_parameters`, which it calls before it creates or updates anything."""

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
    """A parameter's text as `Ref` gives it."""
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
    """moto's `ResourceMap.load_conditions`."""
    known = scope(names)
    names.lazy_condition_map = {name: intrinsics.condition_holds(name, known) for name in known.conditions}


def _exports(outputs: Any) -> list[Any]:
    """moto's `OutputMap.exports`, without those whose condition is false."""
    names, out = outputs._resource_map, []
    for key, declared in (outputs._output_json_map or {}).items():
        found = outputs[key] if declared.get("Export") else None
        if found is not None:
            name = resolve(declared["Export"]["Name"], names)
            out.append(parsing.Export(outputs._stack_id, name, found.value))
    return out


def _in_its_partition(original: Callable[..., None]) -> Callable[..., None]:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it takes the place of one
        original(self, *args, **kwargs)
        partition, suffix = partition_of(self._region_name)
        self._parsed_resources |= {"AWS::Partition": partition, "AWS::URLSuffix": suffix, "AWS::NotificationARNs": []}

    return __init__
