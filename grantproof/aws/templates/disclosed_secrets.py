"""Finds properties that disclose the value of a secret.

CloudFormation replaces a dynamic reference in a property by the value of the secret. Services do not return passwords,
but parameters, tags, function environments and user data can be read by everybody who may describe the resource,
whatever the policies on the secret say.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references-secretsmanager.html
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any

from grantproof.source import Document, Key, at

KeyPath = tuple[Key, ...]
_SECRET = re.compile(r"\{\{resolve:(secretsmanager|ssm-secure):")
#: Properties that services do not return; and user names, which AWS's own examples take from the secret that also holds
#: the password of a database.
#: https://docs.aws.amazon.com/secretsmanager/latest/userguide/cfn-example_reference-secret.html
_NOT_RETURNED = re.compile(
    r"\w*(password|passphrase|secret|token|credentials?|private_?key|auth_?key|api_?key|pre_?shared_?key)\w*"
    r"|\w*user_?(name)?",
    re.I,
)
#: Properties that services return with all their content, whatever its keys are.
_RETURNED = frozenset(
    """
    DefaultArguments Definition DefinitionSubstitutions DockerLabels Environment EnvironmentVariables Labels Metadata
    Options Parameters RequestParameters TagSpecifications Tags UserData Variables
    """.split()
)
#: Properties of which services return no content.
#: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-target-connection-auth.html
_NOTHING_RETURNED = frozenset({"AuthParameters"})
#: By type, the attribute that is a secret.
_SECRET_ATTRIBUTES = {"AWS::Cognito::UserPoolClient": "ClientSecret", "AWS::IAM::AccessKey": "SecretAccessKey"}


def disclosed(type_: str, properties: Any, hidden: Collection[str] = ()) -> Iterator[KeyPath]:
    """The paths in the properties at which everybody who may describe the resource can read the value of a secret.

    Args:
        properties: with intrinsic functions resolved, dynamic references as they are written.
        hidden: of a nested stack, the parameters that CloudFormation masks (NoEcho).
    """
    text = str(properties)
    if "{{resolve:" in text or "UserData" in text:  # a quick check: every resource is examined for every combination
        yield from (path for path in secrets_in(properties) if _is_returned(type_, path, hidden))


def disclosed_attributes(
    type_: str, written: Any, secrets: Collection[str], hidden: Collection[str] = ()
) -> Iterator[KeyPath]:
    """As `disclosed`, for secrets that are attributes of other resources in the template.

    Args:
        written: the properties as the template writes them, with their functions.
        secrets: the attributes that are secrets, from `secret_attributes`.
    """
    if secrets:
        yield from (path for path in attributes_in(written, secrets) if _is_returned(type_, path, hidden))


def may_refer_to_secret(written: Any) -> bool:
    """Can properties refer to a secret attribute of another resource? A quick check, without reading the template,
    since every resource is examined for every combination of options."""
    text = str(written)
    return any(attribute in text for attribute in _SECRET_ATTRIBUTES.values())


@lru_cache(maxsize=256)
def secret_attributes(document: Document) -> frozenset[str]:
    """The attributes of a template's resources that are secrets, as `LogicalId.Attribute`."""
    types = {name: at(resource, ("Type",)) for name, resource in document.value["Resources"].items()}
    return frozenset(
        f"{name}.{_SECRET_ATTRIBUTES[type_]}" for name, type_ in types.items() if type_ in _SECRET_ATTRIBUTES
    )


def _is_returned(type_: str, path: KeyPath, hidden: Collection[str]) -> bool:
    """Does the service return the value at a path in the properties to whoever describes the resource?"""
    names = [key for key in path if isinstance(key, str) and not key.startswith("Fn::")]
    if type_ == "AWS::CloudFormation::Stack" and names[:1] == ["Parameters"] and not set(names[1:2]).isdisjoint(hidden):
        return False
    if not _NOTHING_RETURNED.isdisjoint(names):
        return False
    return not _RETURNED.isdisjoint(names) or not names or not _NOT_RETURNED.fullmatch(names[-1])


def attributes_in(value: Any, attributes: Collection[str], path: KeyPath = ()) -> Iterator[KeyPath]:
    """The paths in a value at which `Fn::GetAtt` or `Fn::Sub` inserts one of these attributes."""
    if isinstance(value, Mapping):
        named = value.get("Fn::GetAtt")
        if (".".join(map(str, named)) if isinstance(named, list) else named) in attributes:
            yield path
            return
        for key, item in value.items():
            yield from attributes_in(item, attributes, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from attributes_in(item, attributes, (*path, number))
    elif isinstance(value, str) and any(f"${{{name}}}" in value for name in attributes):
        yield path


def secrets_in(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """The paths of the texts in a value that have a dynamic reference to a secret; also in user data, which is encoded
    in Base64."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from secrets_in(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from secrets_in(item, (*path, number))
    elif isinstance(value, str) and (_SECRET.search(value) or ("UserData" in path and _SECRET.search(_decoded(value)))):
        yield path


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode(errors="replace")
    except (binascii.Error, ValueError):
        return ""
