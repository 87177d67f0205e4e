"""Finds properties that disclose the value of a secret.

CloudFormation inserts the value of a dynamic reference into the property. Services do not return passwords, but a
parameter, tag, function environment or user data can be read by everybody who may describe the resource, without any
check of the policies on the secret.
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
#: Properties that services do not return, and user names, which AWS's own examples take from the secret with the
#: password of a database.
#: https://docs.aws.amazon.com/secretsmanager/latest/userguide/cfn-example_reference-secret.html
_KEPT = re.compile(
    r"\w*(password|passphrase|secret|token|credentials?|private_?key|auth_?key|api_?key|pre_?shared_?key)\w*"
    r"|\w*user_?(name)?",
    re.I,
)
#: Properties whose whole content services return, whatever its keys are.
_TOLD = frozenset(
    """
    DefaultArguments Definition DefinitionSubstitutions DockerLabels Environment EnvironmentVariables Labels Metadata
    Options Parameters RequestParameters TagSpecifications Tags UserData Variables
    """.split()
)
#: Properties whose whole content services do not return.
#: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-target-connection-auth.html
_KEEPING = frozenset({"AuthParameters"})


#: Attributes that are the secret itself, by type.
_ATTRIBUTES = {"AWS::Cognito::UserPoolClient": "ClientSecret", "AWS::IAM::AccessKey": "SecretAccessKey"}


def disclosed(type_: str, properties: Any, hidden: Collection[str] = ()) -> Iterator[KeyPath]:
    """The paths in the properties at which everybody who may describe the resource can read the value of a secret.

    Args:
        hidden: of a nested stack, the parameters that CloudFormation does not tell (NoEcho).
    """
    text = str(properties)
    if "{{resolve:" in text or "UserData" in text:  # asked of every resource under every combination of options
        yield from (path for path in secrets_in(properties) if _is_told(type_, path, hidden))


def taken(type_: str, written: Any, kept: Collection[str], hidden: Collection[str] = ()) -> Iterator[KeyPath]:
    """The same of secrets that properties take from another resource of the template, as they are written.

    Args:
        kept: the attributes that are secrets (`kept_beside`).
    """
    if kept:
        yield from (path for path in attributes_in(written, kept) if _is_told(type_, path, hidden))


def may_take(written: Any) -> bool:
    """May properties take a secret from another resource? Asked of every resource under every combination of options,
    so that no template is read for it."""
    text = str(written)
    return any(attribute in text for attribute in _ATTRIBUTES.values())


@lru_cache(maxsize=256)
def kept_beside(document: Document) -> frozenset[str]:
    """The attributes of a template's resources that are secrets, as `LogicalId.Attribute`."""
    types = {name: at(resource, ("Type",)) for name, resource in document.value["Resources"].items()}
    return frozenset(f"{name}.{_ATTRIBUTES[type_]}" for name, type_ in types.items() if type_ in _ATTRIBUTES)


def _is_told(type_: str, path: KeyPath, hidden: Collection[str]) -> bool:
    names = [key for key in path if isinstance(key, str) and not key.startswith("Fn::")]
    if type_ == "AWS::CloudFormation::Stack" and names[:1] == ["Parameters"] and not set(names[1:2]).isdisjoint(hidden):
        return False
    if not _KEEPING.isdisjoint(names):
        return False
    return not _TOLD.isdisjoint(names) or not names or not _KEPT.fullmatch(names[-1])


def attributes_in(value: Any, kept: Collection[str], path: KeyPath = ()) -> Iterator[KeyPath]:
    """The paths of what takes one of these attributes, by `Fn::GetAtt` or `Fn::Sub`."""
    if isinstance(value, Mapping):
        named = value.get("Fn::GetAtt")
        if (".".join(map(str, named)) if isinstance(named, list) else named) in kept:
            yield path
            return
        for key, item in value.items():
            yield from attributes_in(item, kept, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from attributes_in(item, kept, (*path, number))
    elif isinstance(value, str) and any(f"${{{name}}}" in value for name in kept):
        yield path


def secrets_in(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """The paths of the texts in a value that take the value of a secret; also of those encoded, as user data is."""
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
