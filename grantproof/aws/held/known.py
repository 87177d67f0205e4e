"""What is known of the properties of a deployed resource, whether it is of the mocked world or of a real account."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from grantproof.aws.held.origin import properties_of
from grantproof.aws.mocked.deploy import DeployedStack, Deployment, Resource
from grantproof.aws.templates.naming import is_function
from grantproof.source import at, read


def account_of(deployment: Deployment, stack: DeployedStack) -> str:
    """The number of the account that a stack is in."""
    return deployment.facts.values.get(f"accounts.{stack.account}", stack.account)


def as_known(resource: Resource, account: str) -> Any:
    """The properties of a resource, with functions resolved; of a real account, as they are written, what refers to the
    same template resolved as far as that it is of the same account."""
    if resource.properties is not None:
        return resource.properties
    beside = read(resource.template).value["Resources"] if resource.template is not None else {}
    return _as_own(properties_of(resource), beside, account)


def _as_own(value: Any, beside: Mapping[str, Any], account: str) -> Any:
    if isinstance(value, list):
        return [_as_own(item, beside, account) for item in value]
    if not isinstance(value, Mapping):
        return value
    whole = _WHOLE.fullmatch(str(value.get("Fn::Sub")))
    attribute = value.get("Fn::GetAtt")
    named = value.get("Ref") or (whole[1] if whole else attribute[0] if isinstance(attribute, list) else attribute)
    if is_function(value) and isinstance(named, str):
        if named == "AWS::AccountId":
            return account
        type_ = at(beside, (named.partition(".")[0], "Type"))
        if type_ is not None and not str(type_).startswith(_TELLS):
            return f"arn:aws:beside::{account}:{named}"
    return {key: _as_own(item, beside, account) for key, item in value.items()}


#: Types whose attributes are whatever they were told: names and ARNs of others, too.
_TELLS = ("AWS::CloudFormation::", "AWS::SSM::Parameter", "Custom::")
_WHOLE = re.compile(r"\$\{([\w.:]+)\}")
