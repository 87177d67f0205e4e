"""Creates resources as CloudFormation does, in place of moto's functions. Notes what could not be created, and why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError
from moto.cloudformation import parsing
from moto.cloudformation.exceptions import MissingParameterError, ValidationError
from moto.s3.exceptions import MissingBucket, MissingKey

from grantproof.aws.mocked import iam_resources, policies_of_aws, policy_resources, stand_ins
from grantproof.aws.mocked.aws_managed_keys import aws_managed_keys
from grantproof.aws.mocked.built import Built
from grantproof.aws.mocked.created import CreatedResource, UnsupportedResource, creator
from grantproof.aws.mocked.defaults import with_defaults
from grantproof.aws.mocked.existing_values import ClientOf
from grantproof.aws.mocked.stack_scope import NotCreated, resolve
from grantproof.aws.templates import carriers
from grantproof.aws.templates.resource_policies import resource_policies
from grantproof.aws.templates.scope import NotResolved
from grantproof.aws.templates.template_data import policies_as_text
from grantproof.aws.templates.transforms import TemplateError
from grantproof.source import at

#: Types that create nothing in AWS either.
_EMPTY = frozenset(
    {"AWS::CloudFormation::WaitCondition", "AWS::CloudFormation::WaitConditionHandle", "AWS::CDK::Metadata"}
)


class ResourceCreation:
    """The functions that replace moto's. `original`: moto's module, before it is patched."""

    def __init__(self, built: Built, client_of: ClientOf, original: Any) -> None:
        self._built, self._client_of = built, client_of
        self._class_of = original.resource_class_from_type
        self._resolved = original.parse_resource_and_generate_name
        self._create = original.parse_and_create_resource
        self._update = original.parse_and_update_resource

    def class_of(self, type_: str) -> Any:
        """In place of moto's `resource_class_from_type`.

        Raises:
            UnsupportedResource: neither moto nor this package can create resources of the type.
        """
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
        """In place of moto's `parse_resource_and_generate_name`; notes the properties and fills in defaults."""
        class_, found, name = self._resolved(logical_id, resource, names)
        written = policies_as_text(found.get("Properties") or {})
        self._built.properties[names.stack_id, logical_id] = written
        before = getattr(names._parsed_resources.get(logical_id), "physical_resource_id", None)
        properties, name = with_defaults(str(found.get("Type")), written, name, before)
        return self._without_assets(class_, {**found, "Properties": properties}, name)

    def _without_assets(self, class_: Any, resource: Any, name: str) -> Any:
        """Replaces the code of a function that is in S3, where a packaging tool would have put it. The code does not
        change who has access."""
        code = at(resource, ("Properties", "Code"))
        if resource.get("Type") != "AWS::Lambda::Function" or not isinstance(code, Mapping) or "S3Bucket" not in code:
            return class_, resource, name
        properties = {**resource["Properties"], "Code": {"ZipFile": "pass"}}
        return class_, {**resource, "Properties": properties}, name

    def create(self, logical_id: str, resource: Any, names: Any, account_id: str, region_name: str) -> Any:
        """In place of moto's `parse_and_create_resource`. A resource that cannot be created is noted, and replaced by
        `NotCreated`."""
        name = (names.stack_id, logical_id)
        self._built.refused.pop(name, None)
        try:
            with aws_managed_keys(str(resource.get("Type"))):
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
            self._built.refused[name] = f"it: {_service_message(error.response['Error'])}"
        except (MissingBucket, MissingKey):
            url = at(self._built.properties.get(name), ("TemplateURL",))
            self._built.refused[name] = f"it: {url} is not there; get that template, and name it under `uploads`"
        except KeyError as error:
            self._built.refused[name] = f"it without {error.args[0]}"
        except Exception as error:  # noqa: BLE001 - moto raises arbitrary errors for what it does not support
            self._built.refused[name] = f"it: {_error_message(error)}"
        return NotCreated(logical_id, str(resource.get("Type")))

    def _check_policies(self, made: Any, resource: Any, properties: Any, account: str, region: str) -> None:
        """Check that the resource policies of a created resource can be determined.

        Raises:
            NoPolicy: they cannot.
        """
        type_, ref = str(resource.get("Type")), getattr(made, "physical_resource_id", None)
        if made is not None and (type_ in carriers.CARRIERS or type_ in carriers.ATTACHMENTS):
            tuple(resource_policies(type_, properties, str(ref), stand_ins.where_of(account, region)))

    def update(self, logical_id: str, resource: Any, names: Any, account_id: str, region_name: str) -> Any:
        """In place of moto's `parse_and_update_resource`. A resource that could not be created before is created."""
        if isinstance(names[logical_id], NotCreated):
            return self.create(logical_id, resource, names, account_id, region_name)
        with aws_managed_keys(str(resource.get("Type"))):
            return self._update(logical_id, resource, names, account_id, region_name)

    def output(self, name: str, output: Any, names: Any) -> Any:
        """In place of moto's `parse_output`. An output without a value is noted."""
        if "Condition" in output and not names.lazy_condition_map[output["Condition"]]:
            return None
        try:
            value = resolve(output.get("Value"), names)
        except (UnsupportedResource, NotResolved) as error:
            self._built.outputs[names.stack_id, name] = str(error)
            return None
        return None if value is None else parsing.Output(name, value, output.get("Description"))


#: The error codes of services for something that does not exist.
_ABSENT = ("NoSuchEntity", "NoSuchEntityException", "NoSuchBucket", "NotFound", "ResourceNotFoundException")
#: The beginning of the error of moto's Lambda for a role that does not exist.
_NO_ROLE = "The role defined for the function cannot be assumed by Lambda"


def _service_message(error: Mapping[str, Any]) -> str:
    """The message of a service's error; if something does not exist, with a hint what to do."""
    message = str(error["Message"]).rstrip(".")
    if error["Code"] not in _ABSENT and not message.startswith(_NO_ROLE):
        return message
    if found := re.search(r"arn:[a-z-]+:iam::aws:policy/\S+", message):
        near = policies_of_aws.nearest(found[0])
        meant = f"did you mean {near}? Or " if near else ""
        return f"{message}; {meant}AWS has withdrawn it, or has made it after this release of moto"
    return f"{message}; a stack of the contract before this one has to create it, from a template of what is there"


def _error_message(error: Exception) -> str:
    """The message of a service's error, which moto raises if it is not called over HTTP; else the error itself."""
    message = getattr(error, "message", None)
    if isinstance(message, str) and message:
        return _service_message({"Code": getattr(error, "error_type", ""), "Message": message})
    return f"{type(error).__name__} {error}"


def _nothing(name: str) -> CreatedResource:
    return CreatedResource(None, name)
