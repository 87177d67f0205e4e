"""What is known of the properties of a deployed resource, whether it is of the mocked world or of a real account."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from grantproof.aws.held.origin import properties_of
from grantproof.aws.mocked.deploy import DeployedStack, Deployment, Resource
from grantproof.aws.templates import parameters
from grantproof.aws.templates.intrinsics import NO_VALUE, NotResolved, Scope, value
from grantproof.aws.templates.naming import is_function
from grantproof.source import at, read


def account_of(deployment: Deployment, stack: DeployedStack) -> str:
    """The number of the account that a stack is in."""
    return deployment.facts.values.get(f"accounts.{stack.account}", stack.account)


def as_known(deployment: Deployment, stack: DeployedStack, resource: Resource) -> Any:
    """The properties of a resource, with functions resolved; of a real account, as they are written, as far as the
    export tells what the stack was given. What refers to the same template is resolved as far as that it is of the same
    account; what is not known stays the function that it is."""
    if resource.properties is not None:
        return resource.properties
    beside = read(resource.template).value["Resources"] if resource.template is not None else {}
    account = account_of(deployment, stack)
    written = properties_of(resource)
    if (scope := _scope(deployment, stack, resource)) is not None:
        written = _resolved(written, scope)
    return _as_own(written, beside, account)


def _scope(deployment: Deployment, stack: DeployedStack, resource: Resource) -> Scope | None:
    """What the names in a resource of a real stack stand for, as far as its export says. What a nested stack is given,
    and what a transform makes of a template, no export says."""
    if resource.template != stack.template or len(resource.path) != 1:
        return None
    template = read(stack.template).value
    if "Transform" in template:
        return None
    region = deployment.facts.values["region"]
    pseudo = parameters.pseudo_parameters(account_of(deployment, stack), region, stack.name)
    found = parameters.scope_of(template, stack.parameters, pseudo)
    # Of a parameter that is looked up the export tells the name that it is looked up by.
    told = {
        name: given
        for name, given in found.parameters.items()
        if name in stack.parameters and not found.types[name].startswith("AWS::SSM::Parameter::Value")
    }
    return replace(found, parameters=told)


def _resolved(written: Any, scope: Scope) -> Any:
    """A value with the functions carried out that can be."""
    if isinstance(written, list):
        return [one for item in written if (one := _resolved(item, scope)) is not NO_VALUE]
    if not isinstance(written, Mapping):
        return written
    if is_function(written):
        try:
            return value(written, scope)
        except (NotResolved, KeyError, TypeError, ValueError, AttributeError, IndexError):
            return written
    entries = {key: _resolved(item, scope) for key, item in written.items()}
    return {key: item for key, item in entries.items() if item is not NO_VALUE}


def _as_own(written: Any, beside: Mapping[str, Any], account: str) -> Any:
    if isinstance(written, list):
        return [_as_own(item, beside, account) for item in written]
    if not isinstance(written, Mapping):
        return written
    whole = _WHOLE.fullmatch(str(written.get("Fn::Sub")))
    attribute = written.get("Fn::GetAtt")
    named = written.get("Ref") or (whole[1] if whole else attribute[0] if isinstance(attribute, list) else attribute)
    if is_function(written) and isinstance(named, str):
        if named == "AWS::AccountId":
            return account
        type_ = at(beside, (named.partition(".")[0], "Type"))
        if type_ is not None and not str(type_).startswith(_TELLS):
            return f"arn:aws:beside::{account}:{named}"
    return {key: _as_own(item, beside, account) for key, item in written.items()}


#: Types whose attributes are whatever they were told: names and ARNs of others, too.
_TELLS = ("AWS::CloudFormation::", "AWS::SSM::Parameter", "Custom::")
_WHOLE = re.compile(r"\$\{([\w.:]+)\}")
