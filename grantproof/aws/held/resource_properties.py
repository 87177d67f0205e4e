"""The properties of a deployed resource, as far as they are known, in the mocked world or a real account."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from grantproof.aws.held.origin import properties_of, written_of
from grantproof.aws.mocked.deployment import DeployedStack, Deployment, Resource
from grantproof.aws.templates import parameters
from grantproof.aws.templates.external_principals import is_function
from grantproof.aws.templates.intrinsics import resolve
from grantproof.aws.templates.own_addresses import as_sub, own_addresses
from grantproof.aws.templates.property_destinations import PropertyPath
from grantproof.aws.templates.pseudo import pseudo_parameters
from grantproof.aws.templates.scope import NO_VALUE, NotResolved, Scope
from grantproof.aws.templates.text_destinations import SAME_TEMPLATE
from grantproof.source import at, read


def account_of(deployment: Deployment, stack: DeployedStack) -> str:
    """The number of the account in which a stack is deployed."""
    return deployment.facts.values.get(f"accounts.{stack.account}", stack.account)


def not_created(stack: DeployedStack) -> tuple[Resource, ...]:
    """The resources of a stack that the mocked world could not create, as written. That they are missing is a finding
    which can be waived; what their properties say is still compared."""
    return tuple(
        Resource(one.path, one.type, "", stack.account, one.place.file if one.place else None, one.written)
        for one in stack.missing
    )


def known_properties(deployment: Deployment, stack: DeployedStack, resource: Resource) -> Any:
    """The properties of a resource, with functions resolved.

    For a real account, the written properties, resolved with the parameters that the export shows. A reference to a
    resource of the same template becomes a placeholder ARN of the same account; what is not known stays a function.
    """
    if resource.properties is not None:
        return resource.properties
    beside = read(resource.template).value["Resources"] if resource.template is not None else {}
    account = account_of(deployment, stack)
    written = properties_of(resource)
    pseudo = pseudo_parameters(account, deployment.facts.values["region"], stack.name)
    if (scope := _scope(deployment, stack, resource, pseudo)) is not None:
        written = _resolved(written, scope)
    return _as_own(written, beside, pseudo)


def addresses_of(resource: Resource) -> frozenset[PropertyPath]:
    """The paths to values in the properties of a resource that are addresses of resources of the same template."""
    beside = read(resource.template).value["Resources"] if resource.template is not None else {}
    written = at(written_of(resource), ("Properties",)) or {}
    return own_addresses(written, beside)


def _scope(deployment: Deployment, stack: DeployedStack, resource: Resource, pseudo: Mapping[str, Any]) -> Scope | None:
    """The parameters and pseudo parameters for a resource that was not created, or is a real account's. None where no
    export has them: for resources of nested stacks and of templates with a transform."""
    if resource.template != stack.template or len(resource.path) != 1:
        return None
    template = read(stack.template).value
    if "Transform" in template:
        return None
    found = parameters.scope_of(template, stack.parameters, pseudo)
    # For a parameter of the Parameter Store the export contains its name there, not its value.
    given_values = {
        name: given
        for name, given in found.parameters.items()
        if (name in stack.parameters or resource.written is not None)
        and not found.types[name].startswith("AWS::SSM::Parameter::Value")
    }
    return replace(found, parameters=given_values)


def _resolved(written: Any, scope: Scope) -> Any:
    """A value with all functions evaluated that can be."""
    if isinstance(written, list):
        return [one for item in written if (one := _resolved(item, scope)) is not NO_VALUE]
    if not isinstance(written, Mapping):
        return written
    if is_function(written):
        try:
            return resolve(written, scope)
        except (NotResolved, KeyError, TypeError, ValueError, AttributeError, IndexError):
            return written
    entries = {key: _resolved(item, scope) for key, item in written.items()}
    return {key: item for key, item in entries.items() if item is not NO_VALUE}


def _as_own(written: Any, beside: Mapping[str, Any], pseudo: Mapping[str, Any]) -> Any:
    """A value in which references to resources of the same template are replaced by placeholder ARNs of its account,
    which no real resource has."""
    if isinstance(written, list):
        return [_as_own(item, beside, pseudo) for item in written]
    if not isinstance(written, Mapping):
        return written
    text = as_sub(written) if is_function(written) else None
    if text is not None:
        values = {name: _referred(name, beside, pseudo) for name in _NAMED.findall(text)}
        if None not in values.values():
            return _NAMED.sub(lambda match: str(values[match[1]]), text).replace("${!", "${")
    return {key: _as_own(item, beside, pseudo) for key, item in written.items()}


def _referred(name: str, beside: Mapping[str, Any], pseudo: Mapping[str, Any]) -> str | None:
    """The value for a name in an Fn::Sub text, exact only in its account; None where that is not known."""
    type_ = at(beside, (name.partition(".")[0], "Type"))
    if type_ is not None:
        return None if str(type_).startswith(_ARBITRARY) else f"{SAME_TEMPLATE}{pseudo['AWS::AccountId']}:{name}"
    return str(pseudo[name]) if name in _PLACES else None


#: Types whose attributes are arbitrary values, which may be names and ARNs of other accounts.
_ARBITRARY = ("AWS::CloudFormation::", "AWS::SSM::Parameter", "Custom::")
_PLACES = ("AWS::AccountId", "AWS::Partition", "AWS::Region", "AWS::URLSuffix")
_NAMED = re.compile(r"\$\{(?!!)([^{}]+)\}")
