"""The scope of intrinsic functions in a stack of the mocked world, built from moto's map of its resources."""

from __future__ import annotations

from typing import Any

from moto.cloudformation.exceptions import UnformattedGetAttTemplateException

from grantproof.aws.mocked import stand_ins
from grantproof.aws.mocked.created import CreatedResource, UnsupportedResource
from grantproof.aws.templates import intrinsics
from grantproof.aws.templates.scope import NO_VALUE, NotResolved, Scope

#: moto's `ResourceMap`.
Names = Any


class NotCreated:
    """In place of a resource that the mocked world could not create."""

    def __init__(self, logical_id: str, type_: str) -> None:
        self.logical_resource_id, self.type = logical_id, type_

    def refuse(self) -> None:
        """Refuse a reference to it: a resource that refers to it cannot be created either.

        Raises:
            UnsupportedResource: always.
        """
        raise UnsupportedResource(f"what it takes from {self.logical_resource_id} ({self.type}), which is not there")

    def is_created(self) -> bool:
        """Always true, so that moto does not wait for it."""
        return True

    def delete(self, account_id: str, region_name: str) -> None:
        """Nothing to delete."""


def resolve(item: Any, names: Names) -> Any:
    """A value with its intrinsic functions carried out; takes the place of moto's `clean_json`. None for AWS::NoValue.

    Raises:
        NotResolved: the value of a function or reference cannot be determined.
        UnsupportedResource: it takes something from a resource that could not be created.
    """
    found = intrinsics.resolve(item, scope(names))
    return None if found is NO_VALUE else found


def scope(names: Names) -> Scope:
    """The scope of a stack. Cached in moto's map."""
    if not hasattr(names, "scope_of_functions"):
        parsed, template = names._parsed_resources, names._template
        names.scope_of_functions = Scope(
            parameters=names.resolved_parameters,
            pseudo={name: parsed[name] for name in parsed if name.startswith("AWS::") and name != "AWS::NoValue"},
            mappings=_by_text(template.get("Mappings") or {}),
            conditions=template.get("Conditions") or {},
            reference=lambda name: _reference(names, _resource(names, name), name),
            attribute=lambda name, attribute: _attribute(names, name, attribute),
            types={name: p.get("Type", "String") for name, p in (template.get("Parameters") or {}).items()},
            exported=lambda name: _exported(names, name),
        )
    return names.scope_of_functions  # type: ignore[no-any-return]  # moto has no types


def _by_text(mapping: Any) -> Any:
    """Mappings with text as keys; YAML reads some keys as numbers."""
    return {str(key): _by_text(item) for key, item in mapping.items()} if isinstance(mapping, dict) else mapping


def _resource(names: Names, name: str) -> Any:
    """The resource of this logical ID. moto creates it when it is first asked for.

    Raises:
        NotResolved: there is none, its condition is false, or resources refer to each other in a circle.
        UnsupportedResource: it could not be created.
    """
    asked: list[str] = names.__dict__.setdefault("asked_for", [])
    if name in asked:
        raise NotResolved(f"{' -> '.join((*asked, name))} wait for each other")
    asked.append(name)
    try:
        found = names[name]
    except KeyError:
        raise NotResolved(f"nothing in the template is called {name}") from None
    finally:
        asked.pop()
    if isinstance(found, NotCreated):
        found.refuse()
    if found is None:
        raise NotResolved(f"{name} is not created, because its Condition is false")
    return found


def _reference(names: Names, resource: Any, name: str) -> Any:
    if not hasattr(resource, "create_from_cloudformation_json") and not hasattr(resource, "physical_resource_id"):
        raise NotResolved(f"{name} is no resource")
    if getattr(resource, "physical_resource_id", None) is None:
        # moto does not return the names of some resources, such as Redshift's subnet groups.
        return f"{names['AWS::StackName']}-{name}".lower()
    return resource.physical_resource_id


def _attribute(names: Names, name: str, attribute: str) -> Any:
    resource = _resource(names, name)
    if attribute.startswith("Outputs.") and hasattr(resource, "output_map"):
        wanted = attribute.split(".", 1)[1]
        for candidate in resource.output_map.values():
            if candidate is not None and candidate.key == wanted:
                return candidate.value
        raise UnsupportedResource(f"output {wanted} of the nested stack {name}, which has no such output")
    found = _from_table(names, name, attribute, resource)
    if found is None:
        try:
            found = resource.get_cfn_attribute(attribute)
        except (NotImplementedError, UnformattedGetAttTemplateException, AttributeError):
            # moto raises one of these for an attribute that it does not know.
            found = getattr(resource, _AS_CREATED.get((_type(names, name), attribute), ""), None)
    if found is None:
        raise UnsupportedResource(f"attribute {attribute} of {name}")
    return f"{found}:*" if (_type(names, name), attribute) == _WITH_ITS_STREAMS else found


#: The attribute that names a log group with its log streams: its ARN ends in `:*`, which moto leaves out.
#: Source: CloudFormation Template Reference, AWS::Logs::LogGroup, return values.
_WITH_ITS_STREAMS = ("AWS::Logs::LogGroup", "Arn")

#: Attributes that moto does not return although its object has them: under this Python attribute.
_AS_CREATED = {
    ("AWS::SNS::Topic", "TopicArn"): "physical_resource_id",
    ("AWS::SQS::Queue", "QueueUrl"): "physical_resource_id",
    ("AWS::SSM::Parameter", "Type"): "parameter_type",
    ("AWS::SSM::Parameter", "Value"): "value",
    ("AWS::StepFunctions::StateMachine", "Arn"): "physical_resource_id",
}


def _type(names: Names, name: str) -> str:
    return str((names._resource_json_map.get(name) or {}).get("Type"))


def _from_table(names: Names, name: str, attribute: str, resource: Any) -> str | None:
    where = stand_ins.where_of(names._account_id, names._region_name)
    ref = str(getattr(resource, "physical_resource_id", ""))
    if isinstance(resource, CreatedResource):
        return None  # it has its own attributes
    return stand_ins.attribute(_type(names, name), attribute, ref, {}, where)


def _exported(names: Names, wanted: str) -> Any:
    for export in (names.cross_stack_resources or {}).values():
        if export.name == wanted:
            return export.value
    raise NotResolved(f"no stack deployed before this one, in its account and region, exports {wanted}")
