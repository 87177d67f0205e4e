"""Resources that this package creates in place of moto's CloudFormation, in the form that moto expects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


class UnsupportedResource(Exception):
    """A resource, or a property of one, that the mocked world cannot create."""


Client = Any
Properties = dict[str, Any]


@dataclass
class CreatedResource:
    """A created resource, with the attributes and methods that moto's stacks use.

    Attributes:
        client: the client with which it can be changed.
        physical_resource_id: the value of `Ref`.
        attributes: the values of `Fn::GetAtt`.
        remove: deletes the resource.
    """

    client: Client
    physical_resource_id: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    remove: Callable[[], None] = lambda: None
    type: str = ""
    cf_resource_type: str = ""
    logical_resource_id: str = ""

    @property
    def physical_id(self) -> str:
        """The same as `physical_resource_id`; moto uses both names."""
        return self.physical_resource_id

    def get_cfn_attribute(self, name: str) -> str:
        """The value of `Fn::GetAtt`.

        Raises:
            UnsupportedResource: it has no such attribute.
        """
        if name not in self.attributes:
            raise UnsupportedResource(f"attribute {name} of {self.cf_resource_type}")
        return self.attributes[name]

    def is_created(self) -> bool:
        """Always true: creation is finished when the object exists."""
        return True

    def delete(self, account_id: str, region_name: str) -> None:
        """Delete the resource; moto calls it when the stack is deleted."""
        self.remove()


def creator(
    resource_type: str,
    known: str | None,
    create: Callable[[Client, Properties, str], CreatedResource],
    client: Callable[[str, str], Client] | None,
    update: Callable[[CreatedResource, Properties], None] | None = None,
) -> Any:
    """A class with the class methods by which moto creates and updates resources of a type.

    Args:
        known: the properties that `create` supports, separated by spaces; others are refused. None: all are accepted.
        create: creates a resource, given a client, its resolved properties and a generated name.
        client: returns the client for an account and region; None if `create` needs none.
        update: changes a resource in place; None: an update replaces it by a new one.
    """

    class Creator:
        """The class for moto."""

        @classmethod
        def has_cfn_attr(cls, attribute: str) -> bool:
            return True

        @classmethod
        def create_from_cloudformation_json(
            cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
        ) -> CreatedResource:
            properties = cloudformation_json.get("Properties") or {}
            if known is not None and (unknown := sorted(set(properties) - set(known.split()))):
                raise UnsupportedResource(f"property {unknown[0]} of {resource_type}")
            resource = create(client(account_id, region_name) if client else None, properties, resource_name)
            resource.type = resource.cf_resource_type = resource_type
            return resource

        @classmethod
        def update_from_cloudformation_json(
            cls,
            original_resource: CreatedResource,
            new_resource_name: str,
            cloudformation_json: Any,
            account_id: str,
            region_name: str,
        ) -> CreatedResource:
            properties = cloudformation_json.get("Properties") or {}
            if update is not None and not set(properties) - set((known or "").split()):
                update(original_resource, properties)
                return original_resource
            original_resource.remove()
            name = original_resource.physical_resource_id
            return cls.create_from_cloudformation_json(name, cloudformation_json, account_id, region_name)

    return Creator
