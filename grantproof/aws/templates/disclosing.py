"""Where a template writes the value of a secret in clear.

CloudFormation puts the value of a dynamic reference wherever it stands, and it may show up in the service of the
resource. In a password it cannot be read again; in a parameter, a tag, a function's environment or the user data of an
instance, whoever may look at the resource reads it, and no policy on the secret is asked.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/dynamic-references-secretsmanager.html
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from grantproof.source import Key

KeyPath = tuple[Key, ...]
_SECRET = re.compile(r"\{\{resolve:(secretsmanager|ssm-secure):")
#: Properties that services take as a secret and do not tell again; and user names, of which AWS's own examples take
#: those of databases from the secret that has the password.
#: https://docs.aws.amazon.com/secretsmanager/latest/userguide/cfn-example_reference-secret.html
_KEPT = re.compile(
    r"\w*(password|passphrase|secret|token|credentials?|private_?key|auth_?key|api_?key|pre_?shared_?key)\w*"
    r"|\w*user_?(name)?",
    re.I,
)
#: Properties in which everything is told as it is, whatever its user calls it.
_TOLD = frozenset(
    """
    DefaultArguments Definition DefinitionSubstitutions DockerLabels Environment EnvironmentVariables Labels Metadata
    Options Parameters RequestParameters TagSpecifications Tags UserData Variables
    """.split()
)
#: Properties in which everything is kept.
#: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-target-connection-auth.html
_KEEPING = frozenset({"AuthParameters"})


def disclosed(type_: str, properties: Any, hidden: Collection[str] = ()) -> Iterator[KeyPath]:
    """Where in the properties of a resource the value of a secret can be read by whoever may look at the resource.

    Args:
        hidden: of a nested stack, the parameters that CloudFormation does not tell (NoEcho).
    """
    text = str(properties)
    if "{{resolve:" not in text and "UserData" not in text:
        return  # asked of every resource under every combination of options
    for path in secrets_in(properties):
        names = [key for key in path if isinstance(key, str) and not key.startswith("Fn::")]
        if type_ == "AWS::CloudFormation::Stack" and names[:1] == ["Parameters"] and names[1:2] and names[1] in hidden:
            continue
        if not _KEEPING.isdisjoint(names):
            continue
        if not _TOLD.isdisjoint(names) or not names or not _KEPT.fullmatch(names[-1]):
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
