"""Resources of the types in `carriers` and `inert`, as far as moto does not create them with their policies.

moto 5.2.5 creates some of these types and drops their policies; others it does not know. Resources of the latter get a
stand-in, which has a name and attributes as in AWS, but no call can use it. The policies of both are read from the
resolved properties of the deployed resources (`held/property_policies`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from moto.cloudformation import parsing

from grantproof.aws.mocked.created import Client, CreatedResource, Properties, creator
from grantproof.aws.templates.assumed_values import assumed_attribute, assumed_ref, given_name
from grantproof.aws.templates.carriers import ATTACHMENTS, CARRIERS, Location, filled
from grantproof.aws.templates.inert import INERT
from grantproof.aws.templates.pseudo import partition_of


def where_of(account: str, region: str) -> Location:
    """The location of a resource in an account and region."""
    return Location(partition_of(region)[0], region, account)


def resource_class(type_: str, client_of: Callable[[str, str, str], Client]) -> Any:
    """As `iam_resources.resource_class`, for types that moto does not create, or not as needed."""
    if type_ == "AWS::Events::EventBus":
        # moto gives an event bus no physical ID.
        return creator(type_, None, _bus, lambda account, region: client_of(account, "events", region))
    if type_ == "AWS::ApiGateway::RestApi":
        # moto requires a Name, which can instead be in the Body.
        return creator(type_, None, _api, lambda account, region: client_of(account, "apigateway", region))
    if type_ in ATTACHMENTS or is_stand_in(type_):
        return creator(type_, None, _stand_in(type_), where_of)
    if type_ in INERT or type_ in _TOLD_ANYWAY:
        return creator(type_, None, partial(_inert, type_), where_of)
    return None


#: Types of which `held/non_policy_access` tells wherever they are: whoever calls them may be let in. There is a
#: stand-in all the same, so that the policies that name them are read.
_TOLD_ANYWAY = frozenset({"AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::Route"})


def _api(gateway: Client, p: Properties, generated: str) -> CreatedResource:
    made = gateway.create_rest_api(name=p.get("Name") or generated)["id"]
    root = next(r["id"] for r in gateway.get_resources(restApiId=made)["items"] if r["path"] == "/")
    attributes = {"RestApiId": made, "RootResourceId": root}
    return CreatedResource(gateway, made, attributes, lambda: gateway.delete_rest_api(restApiId=made))


def is_stand_in(type_: str) -> bool:
    """Does the mocked world have only stand-ins for resources of the type?"""
    return type_ in CARRIERS and (type_ in _WITHOUT_ID or type_ not in parsing.get_model_map())


#: Types that moto creates without returning a physical ID.
_WITHOUT_ID = frozenset({"AWS::Lambda::Version"})


def _bus(events: Client, p: Properties, generated: str) -> CreatedResource:
    name = p.get("Name") or generated
    arn = events.create_event_bus(Name=name)["EventBusArn"]
    return CreatedResource(events, name, {"Arn": arn, "Name": name}, lambda: events.delete_event_bus(Name=name))


def _inert(type_: str, where: Location, p: Properties, generated: str) -> CreatedResource:
    ref = assumed_ref(type_, str(given_name(type_, p) or generated), where)
    return CreatedResource(None, ref, _AssumedAttributes(type_, ref, where))


class _AssumedAttributes(dict[str, str]):
    """The attributes of a resource that is not created; it has one for every name."""

    def __init__(self, type_: str, name: str, where: Location) -> None:
        super().__init__()
        self._of = (type_, name, where)

    def __contains__(self, attribute: object) -> bool:
        return True

    def __missing__(self, attribute: str) -> str:
        type_, name, where = self._of
        return assumed_attribute(type_, attribute, name, where)


def _stand_in(type_: str) -> Callable[[Location, Properties, str], CreatedResource]:
    def create(where: Location, p: Properties, generated: str) -> CreatedResource:
        carrier = CARRIERS.get(type_)
        if carrier is None:
            return CreatedResource(None, generated)
        name = str(p.get(carrier.name_property) or carrier.id_of(generated).lower())
        ref = filled(carrier.arn, p, name, where) if carrier.ref == "arn" else name
        return CreatedResource(
            None, ref, {key: filled(text, p, name, where) for key, text in carrier.attributes.items()}
        )

    return create


def attribute(type_: str, name: str, ref: str, properties: Any, where: Location) -> str | None:
    """An attribute that moto does not return, of a resource that it created; None where `carriers` does not have it
    either."""
    carrier = CARRIERS.get(type_)
    if carrier is None or name not in carrier.attributes:
        return None
    return filled(carrier.attributes[name], properties or {}, carrier.id_of(ref), where)
