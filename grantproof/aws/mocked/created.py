"""Resources that are created here and not by moto's CloudFormation, in the shape in which moto keeps its own."""

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
    """A created resource, in the shape in which moto's stacks keep theirs."""

    client: Client
    physical_resource_id: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    remove: Callable[[], None] = lambda: None
    type: str = ""
    cf_resource_type: str = ""
    logical_resource_id: str = ""

    @property
    def physical_id(self) -> str:
        """moto's other name for it."""
        return self.physical_resource_id

    def get_cfn_attribute(self, name: str) -> str:
        """`Fn::GetAtt`."""
        if name not in self.attributes:
            raise UnsupportedResource(f"attribute {name} of {self.cf_resource_type}")
        return self.attributes[name]

    def is_created(self) -> bool:
        """moto asks; creation here is done when it returns."""
        return True

    def delete(self, account_id: str, region_name: str) -> None:
        """Called by moto when the stack goes."""
        self.remove()


def creator(
    resource_type: str,
    known: str | None,
    create: Callable[[Client, Properties, str], CreatedResource],
    client: Callable[[str, str], Client] | None,
    update: Callable[[CreatedResource, Properties], None] | None = None,
) -> Any:
    """A class as moto calls it to create resources of a type.

    Args:
        known: the properties that `create` understands, separated by spaces; any other is refused. None: all.
        create: makes a resource from client, resolved properties and generated name.
        client: gives the client for an account and region; None where none is needed.
        update: changes a resource in place where it can; else another is created in its place.
    """

    class Creator:
        """The class methods that moto calls."""

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
