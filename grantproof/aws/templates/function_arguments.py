"""The shapes of argument that CloudFormation's functions accept.

Source: CloudFormation Template Reference, "Intrinsic functions" and "Rule functions".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from grantproof.aws.templates.scope import NotResolved

#: By function that takes a list: its least and greatest number of entries.
_LENGTHS: Mapping[str, tuple[int, int]] = {
    "Fn::And": (2, 10),
    "Fn::Cidr": (2, 3),
    "Fn::Contains": (2, 2),
    "Fn::EachMemberEquals": (2, 2),
    "Fn::EachMemberIn": (2, 2),
    "Fn::Equals": (2, 2),
    "Fn::FindInMap": (3, 4),
    "Fn::If": (3, 3),
    "Fn::Join": (2, 2),
    "Fn::Not": (1, 1),
    "Fn::Or": (2, 10),
    "Fn::Select": (2, 2),
    "Fn::Split": (2, 2),
    "Fn::ValueOf": (2, 2),
    "Fn::ValueOfAll": (2, 2),
}
#: What the argument of `Ref` can be; a tuple, since `isinstance` is called a million times and a union is slower.
_NAME = (str, Mapping)


def checked_argument(name: str, argument: Any) -> Any:
    """The argument of a function, if it has a shape that the function accepts.

    Raises:
        NotResolved: it has not; CloudFormation refuses the template before it creates anything.
    """
    wanted = ""
    if name in _LENGTHS:
        least, most = _LENGTHS[name]
        if not isinstance(argument, list) or not least <= len(argument) <= most:
            wanted = f"a list of {least}" if least == most else f"a list of {least} to {most}"
    elif name == "Ref":
        wanted = "" if isinstance(argument, _NAME) else "a name"
    elif name == "Fn::GetAtt":
        parts = argument if isinstance(argument, list) else str(argument).split(".", 1)
        wanted = "" if len(parts) > 1 and isinstance(argument, str | list) else "a resource and an attribute"
    elif name == "Fn::Sub":
        match argument:
            case str() | [str(), Mapping()]:
                pass
            case _:
                wanted = "a text, or a list of a text and an object"
    if wanted:
        raise NotResolved(f"{name} takes {wanted}, not {json.dumps(argument)}")
    return argument
