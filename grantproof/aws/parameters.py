"""What CloudFormation checks about parameters before it creates anything, and moto does not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


class RefusedParameters(Exception):
    """CloudFormation would refuse the stack because of a parameter."""


def check(template: Mapping[str, Any], given: Mapping[str, str]) -> None:
    """Check parameter values against a template.

    Exact for missing and unknown parameters, AllowedPattern, AllowedValues, MinLength, MaxLength, MinValue, MaxValue
    and the types Number and List<Number>. Parameters of AWS-specific and SSM types are not looked up.

    Raises:
        RefusedParameters: with CloudFormation's own words.

    Source: CloudFormation User Guide, "Parameters".
    """
    declared: Mapping[str, Any] = template.get("Parameters") or {}
    if unknown := [name for name in given if name not in declared]:
        raise RefusedParameters(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    missing = [name for name, p in declared.items() if name not in given and "Default" not in p]
    if missing:
        raise RefusedParameters(f"Parameters: [{', '.join(missing)}] must have values")
    for name, parameter in declared.items():
        value = str(given.get(name, parameter.get("Default", "")))
        if problem := _problem(name, parameter, value):
            raise RefusedParameters(problem)


def _problem(name: str, parameter: Mapping[str, Any], value: str) -> str:
    type_ = parameter.get("Type", "String")
    items = value.split(",") if type_ == "CommaDelimitedList" or type_.startswith("List<") else [value]
    for item in items:
        if type_ in ("Number", "List<Number>") and not re.fullmatch(r"\s*-?\d+(\.\d+)?\s*", item):
            return f"Parameter '{name}' must be a number"
        if message := _broken(name, parameter, item):
            return str((parameter.get("ConstraintDescription") and f"Parameter {name} failed to satisfy constraint: "
                       f"{parameter['ConstraintDescription']}") or message)  # fmt: skip
    return ""


def _broken(name: str, parameter: Mapping[str, Any], value: str) -> str:
    start = f"Parameter '{name}' must"
    if "AllowedValues" in parameter and value not in [str(v) for v in parameter["AllowedValues"]]:
        return f"{start} be one of AllowedValues"
    # CloudFormation matches the whole value, whether or not the pattern is anchored.
    if "AllowedPattern" in parameter and not re.fullmatch(_python(parameter["AllowedPattern"]), value):
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


def _python(pattern: str) -> str:
    """A Java pattern as Python reads it: a final `$` must not match before a newline."""
    return re.sub(r"(?<!\\)\$$", r"\\Z", pattern)


_CONSTRAINTS = ("AllowedValues", "AllowedPattern", "MinLength", "MaxLength", "MinValue", "MaxValue")


def unconstrained(template: Mapping[str, Any]) -> tuple[str, ...]:
    """Parameters that take any text at all."""
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


#: What people paste and attackers try, where a policy is built from it.
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
    """For each constrained parameter, hostile values and boundary values that its constraints refuse, by `check`'s own
    rule. A parameter whose constraints refuse none of the wildcards yields none of them: see `accepts_wildcards`."""
    for name, parameter in (template.get("Parameters") or {}).items():
        values = dict(_HOSTILE)
        if "MaxLength" in parameter:
            values["x" * (int(parameter["MaxLength"]) + 1)] = "one character too many"
        for limit, step in (("MinValue", -1), ("MaxValue", 1)):
            if limit in parameter:
                values[str(int(parameter[limit]) + step)] = f"beyond {limit}"
        for value, why in values.items():
            if _problem(name, parameter, value):
                yield BadValue(name, value, why)
