"""The constraints of a single parameter: types, AllowedPattern, AllowedValues, lengths and limits.

Source: CloudFormation User Guide, "Parameters".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

#: Looks up a value of an AWS-specific type in the account: (type, value) to its attributes; None: it does not exist.
#: The attributes are those of rule functions (`VpcId`, `Tags.Department`).
Existing = Callable[[str, str], Mapping[str, str] | None]


def as_typed(type_: str, value: str) -> str | list[str]:
    """A parameter's text as `Ref` gives it: list types become lists, their members without blanks around them."""
    is_list = type_ == "CommaDelimitedList" or type_.startswith(("List<", "AWS::SSM::Parameter::Value<List<"))
    return [item.strip() for item in value.split(",")] if is_list else value


_NUMBER = re.compile(r"\s*-?\d+(\.\d+)?\s*")
#: The AWS-specific types, and the form of their values. The types in _SINGLE have no list.
_FORMS: Mapping[str, str] = {
    "AWS::EC2::AvailabilityZone::Name": r"[a-z]{2}(-[a-z]+)+-\d[a-z]",
    "AWS::EC2::Image::Id": r"ami-[0-9a-f]{8,17}",
    "AWS::EC2::Instance::Id": r"i-[0-9a-f]{8,17}",
    "AWS::EC2::KeyPair::KeyName": r".{1,255}",
    "AWS::EC2::SecurityGroup::GroupName": r".{1,255}",
    "AWS::EC2::SecurityGroup::Id": r"sg-[0-9a-f]{8,17}",
    "AWS::EC2::Subnet::Id": r"subnet-[0-9a-f]{8,17}",
    "AWS::EC2::Volume::Id": r"vol-[0-9a-f]{8,17}",
    "AWS::EC2::VPC::Id": r"vpc-[0-9a-f]{8,17}",
    "AWS::Route53::HostedZone::Id": r"[A-Z0-9]{1,32}",
    "AWS::SSM::Parameter::Name": r"[A-Za-z0-9_.:/-]{1,2048}",
}
_SINGLE = frozenset({"AWS::EC2::KeyPair::KeyName", "AWS::SSM::Parameter::Name"})
_SSM_VALUE = re.compile(r"AWS::SSM::Parameter::Value<(.+)>")


def member_type(type_: str) -> str:
    """The type of the members of a list type `List<X>`; any other type unchanged."""
    return type_.removeprefix("List<").removesuffix(">")


def _value_type(type_: str) -> str | None:
    """The type of a parameter's value, or of each member of a list: String, Number, an AWS-specific type, or
    `AWS::SSM::Parameter::Name` for the types whose values are names of parameters. None for a type that CloudFormation
    does not know."""
    if type_ in ("String", "CommaDelimitedList"):
        return "String"
    if type_ in ("Number", "List<Number>"):
        return "Number"
    if type_ == "AWS::SSM::Parameter::Name":
        return type_
    if match := _SSM_VALUE.fullmatch(type_):
        inner = member_type(match[1])
        return "AWS::SSM::Parameter::Name" if inner == "String" or inner in _FORMS else None
    inner = member_type(type_)
    return inner if inner in _FORMS and (type_ == inner or inner not in _SINGLE) else None


def text(value: Any) -> str:
    """A value of a template as CloudFormation gives it to a parameter."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(text(item) for item in value)
    return str(value)


def form_of(type_: str) -> str:
    """The regular expression of the values of an AWS-specific type; empty for other types."""
    return _FORMS.get(_value_type(type_) or "", "")


def violation(name: str, parameter: Mapping[str, Any], value: str, existing: Existing | None = None) -> str:
    """Which constraint of a parameter a value violates, in CloudFormation's words; empty if none."""
    type_ = parameter.get("Type", "String")
    kind = _value_type(type_)
    if kind is None:
        return f"Template format error: Unrecognized parameter type: {type_}"
    typed = as_typed(type_, value) if not type_.startswith("AWS::SSM::") else value
    for item in typed if isinstance(typed, list) else [typed]:
        if kind == "Number" and not _NUMBER.fullmatch(item):
            return f"Parameter '{name}' must be a number"
        if message := _broken(name, parameter, item):
            return str((parameter.get("ConstraintDescription") and f"Parameter {name} failed to satisfy constraint: "
                       f"{parameter['ConstraintDescription']}") or message)  # fmt: skip
        formed = kind not in _FORMS or re.fullmatch(_FORMS[kind], item)
        if not formed or (kind.startswith("AWS::") and existing is not None and existing(kind, item) is None):
            return f"Parameter validation failed: parameter value {item} for parameter name {name} does not exist"
    return ""


def _broken(name: str, parameter: Mapping[str, Any], value: str) -> str:
    start = f"Parameter '{name}' must"
    if "AllowedValues" in parameter and value not in [text(v) for v in parameter["AllowedValues"]]:
        return f"{start} be one of AllowedValues"
    # CloudFormation matches the whole value, whether or not the pattern is anchored.
    if "AllowedPattern" in parameter and not re.fullmatch(python_pattern(parameter["AllowedPattern"]), value):
        return f"{start} match pattern {parameter['AllowedPattern']}"
    if "MinLength" in parameter and len(value) < int(parameter["MinLength"]):
        return f"{start} contain at least {parameter['MinLength']} characters"
    if "MaxLength" in parameter and len(value) > int(parameter["MaxLength"]):
        return f"{start} contain at most {parameter['MaxLength']} characters"
    if "MinValue" in parameter and float(value) < float(parameter["MinValue"]):
        return f"{start} be a number not less than {parameter['MinValue']}"
    if "MaxValue" in parameter and float(value) > float(parameter["MaxValue"]):
        return f"{start} be a number not greater than {parameter['MaxValue']}"
    return ""


@lru_cache(maxsize=1024)
def python_pattern(pattern: str) -> str:
    """A Java pattern for Python, where a final `$` would also match before a newline."""
    return re.sub(r"(?<!\\)\$$", r"\\Z", pattern)


def only_in_java(pattern: str) -> str:
    """The syntax in a pattern that Java and Python interpret differently: in Java, a class within a class is a union,
    and `&&` an intersection. Empty where there is none.

    Source: https://docs.oracle.com/javase/8/docs/api/java/util/regex/Pattern.html
    """
    if re.match(r"\(\?[a-zA-Z]*x", pattern):
        return "with the flag x, white space in a class"
    inside = False
    for found in re.finditer(r"\\.|&&|\[\^?\]?|\]", pattern, re.DOTALL):
        text = found[0]
        if inside and (text == "&&" or text.startswith("[")):
            return f"{text} in a class"
        inside = text.startswith("[") or (inside and text != "]")
    return ""


_CONSTRAINTS = ("AllowedValues", "AllowedPattern", "MinLength", "MaxLength", "MinValue", "MaxValue")


def unconstrained(template: Mapping[str, Any]) -> tuple[str, ...]:
    """The parameters that accept any text."""
    return tuple(
        name
        for name, parameter in (template.get("Parameters") or {}).items()
        if parameter.get("Type", "String") in ("String", "CommaDelimitedList")
        and not any(constraint in parameter for constraint in _CONSTRAINTS)
    )


@dataclass(frozen=True)
class BadValue:
    """A value that a parameter's own constraints refuse."""

    parameter: str
    value: str
    why: str


#: Values that users paste by mistake or attackers try, for parameters that are inserted into policies.
_HOSTILE = {
    "": "empty",
    "*": "a wildcard",
    "?": "a wildcard",
    "${aws:username}": "a policy variable",
    " ": "blank",
    "a\n": "a line end",
    "../x": "a path upwards",
    "11111111111": "11 digits",
    "arn:aws:iam::111111111111:role/*": "an ARN with a wildcard",
}


def bad_values(template: Mapping[str, Any]) -> Iterator[BadValue]:
    """For each parameter, the hostile values and values just outside its limits that its constraints refuse."""
    for name, parameter in (template.get("Parameters") or {}).items():
        values = dict(_HOSTILE)
        if "MaxLength" in parameter:
            values["x" * (int(parameter["MaxLength"]) + 1)] = "one character too many"
        for limit, step in (("MinValue", -1), ("MaxValue", 1)):
            if limit in parameter:
                values[str(int(parameter[limit]) + step)] = f"beyond {limit}"
        for value, why in values.items():
            if violation(name, parameter, value):
                yield BadValue(name, value, why)
