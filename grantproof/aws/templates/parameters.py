"""What CloudFormation checks about parameters before it creates anything, and moto does not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any

from grantproof.aws.isolation import models
from grantproof.aws.templates.intrinsics import NotResolved, Scope, condition, truth
from grantproof.source import Document


class RefusedParameters(Exception):
    """CloudFormation would refuse the stack because of a parameter."""


#: Says what a value of an AWS-specific type is in the account: (type, value) to its attributes, None where it does not
#: exist. The attributes are those of rule functions (`VpcId`, `Tags.Department`).
Existing = Callable[[str, str], Mapping[str, str] | None]


def check(
    template: Mapping[str, Any],
    given: Mapping[str, str],
    pseudo: Mapping[str, Any] | None = None,
    existing: Existing | None = None,
) -> None:
    """Check parameter values against a template: missing and unknown parameters, types, AllowedPattern, AllowedValues,
    MinLength, MaxLength, MinValue, MaxValue, and Rules with all rule functions.

    Args:
        pseudo: `AWS::Region` and its kin, for Rules; see `pseudo_parameters`, whose defaults are used where None.
        existing: looks AWS-specific and SSM types up; where None only their form is checked.

    Raises:
        RefusedParameters: with CloudFormation's own words, as far as they are documented; a rule with its
            AssertDescription. Also for a rule that cannot be evaluated here: not understood is not accepted.

    Source: CloudFormation User Guide, "Parameters" and "Rules".
    """
    _check(template, given, pseudo, lambda name, parameter, value: problem(name, parameter, value, existing), existing)


def _check(
    template: Mapping[str, Any],
    given: Mapping[str, str],
    pseudo: Mapping[str, Any] | None,
    problem_of: Callable[[str, Mapping[str, Any], str], str],
    existing: Existing | None = None,
) -> None:
    declared: Mapping[str, Any] = template.get("Parameters") or {}
    if unknown := [name for name in given if name not in declared]:
        raise RefusedParameters(f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    missing = [name for name, p in declared.items() if name not in given and "Default" not in p]
    if missing:
        raise RefusedParameters(f"Parameters: [{', '.join(missing)}] must have values")
    for name, parameter in declared.items():
        value = text(given.get(name, parameter.get("Default", "")))
        if refused := problem_of(name, parameter, value):
            raise RefusedParameters(refused)
    if template.get("Rules"):
        _check_rules(template, scope_of(template, given, pseudo or pseudo_parameters(), existing))


def refusal(document: Document, given: Mapping[str, str], pseudo: Mapping[str, Any]) -> str:
    """Why `check` refuses parameter values for a template, empty where it does not: found out once for all templates
    that say the same of their parameters. Pseudo parameters are strings."""
    asking = _sections(document, ("Parameters", "Rules", "Mappings"))
    return _refusal(asking, tuple(given.items()), tuple(pseudo.items()))


def truths(document: Document, given: Mapping[str, str], pseudo: Mapping[str, Any]) -> Mapping[str, bool]:
    """The truth of each of a template's conditions, which can name no resource: found out once for all templates that
    say the same of parameters and conditions.

    Raises:
        NotResolved: one cannot be evaluated here.
    """
    asking = _sections(document, ("Parameters", "Conditions", "Mappings"))
    return _truths(asking, tuple(given.items()), tuple(pseudo.items()))


@lru_cache(maxsize=512)
def _sections(document: Document, names: tuple[str, ...]) -> str:
    return _same(json.dumps({name: document.value[name] for name in names if name in document.value}))


@lru_cache(maxsize=512)
def _same(text: str) -> str:
    return text  # the same object for the same text, which is then told without a look at each character


@lru_cache(maxsize=512)
def _read(sections: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(sections)
    return found


@lru_cache(maxsize=8192)
def _truths(asking: str, given: tuple[tuple[str, str], ...], pseudo: tuple[tuple[str, Any], ...]) -> Mapping[str, bool]:
    scope = scope_of(_read(asking), dict(given), dict(pseudo))
    return {name: condition(name, scope) for name in scope.conditions}


@lru_cache(maxsize=8192)
def _refusal(asking: str, given: tuple[tuple[str, str], ...], pseudo: tuple[tuple[str, Any], ...]) -> str:
    try:
        _check(_read(asking), dict(given), dict(pseudo), lambda name, _, value: _problem(asking, name, value))
    except RefusedParameters as error:
        return str(error)
    return ""


@lru_cache(maxsize=32768)
def _problem(asking: str, name: str, value: str) -> str:
    # Most combinations give most parameters the same value.
    return problem(name, _read(asking)["Parameters"][name], value)


def scope_of(
    template: Mapping[str, Any], given: Mapping[str, str], pseudo: Mapping[str, Any], existing: Existing | None = None
) -> Scope:
    """What the names of a template stand for under these parameter values, defaults filled in; resources stay
    unknown."""
    declared: Mapping[str, Any] = template.get("Parameters") or {}
    types = {name: parameter.get("Type", "String") for name, parameter in declared.items()}
    values = {
        name: as_typed(types[name], text(given.get(name, parameter.get("Default", ""))))
        for name, parameter in declared.items()
    }

    def attribute(value: str, name: str) -> str:
        kinds = [
            types[parameter].removeprefix("List<").removesuffix(">")
            for parameter, held in values.items()
            if value in (held if isinstance(held, list) else [held])
        ]
        found = existing(kinds[-1], value) if existing is not None and kinds else None
        if found is None or name not in found:
            raise NotResolved(f"{name} of {value!r} is not known here")
        return found[name]

    return Scope(
        parameters=values,
        pseudo=pseudo,
        mappings=template.get("Mappings") or {},
        conditions=template.get("Conditions") or {},
        attributes_of=attribute,
        types=types,
    )


def as_typed(type_: str, value: str) -> str | list[str]:
    """A parameter's text as `Ref` gives it: list types become lists, their members without blanks around them."""
    is_list = type_ == "CommaDelimitedList" or type_.startswith(("List<", "AWS::SSM::Parameter::Value<List<"))
    return [item.strip() for item in value.split(",")] if is_list else value


def pseudo_parameters(account: str = "123456789012", region: str = "us-east-1", stack: str = "stack") -> dict[str, Any]:
    """The pseudo parameters of a stack, but for its id and notifications, which nothing should turn on.

    Raises:
        KeyError: botocore knows no such region.
    """
    partition, suffix = partition_of(region)
    return {
        "AWS::AccountId": account,
        "AWS::Region": region,
        "AWS::Partition": partition,
        "AWS::URLSuffix": suffix,
        "AWS::StackName": stack,
    }


@cache
def _partitions() -> Mapping[str, tuple[str, str]]:
    return {
        region: (entry["partition"], entry["dnsSuffix"])
        for entry in models().load_data("endpoints")["partitions"]
        for region in entry["regions"]
    }


def partition_of(region: str) -> tuple[str, str]:
    """The partition of a region, and the suffix of its hosts.

    Raises:
        KeyError: botocore knows no such region.
    """
    return _partitions()[region]


def regions() -> Mapping[str, str]:
    """Every region that botocore knows, and its partition; the regions of a partition in botocore's order."""
    return {region: partition for region, (partition, _) in _partitions().items()}


def _check_rules(template: Mapping[str, Any], scope: Scope) -> None:
    """Source: CloudFormation User Guide, "Rules": assertions are evaluated where the RuleCondition is true, or is not
    there. Conditions of the template cannot be named in rules."""
    bare = replace(scope, conditions={})
    for name, rule in (template.get("Rules") or {}).items():
        try:
            if "RuleCondition" in rule and not truth(rule["RuleCondition"], bare):
                continue
            for assertion in rule["Assertions"]:
                if not truth(assertion["Assert"], bare):
                    said = assertion.get("AssertDescription") or "an assertion does not hold"
                    raise RefusedParameters(f"Template error: rule {name} failed: {said}")
        except (NotResolved, KeyError, TypeError, ValueError) as error:
            raise RefusedParameters(f"Template error: rule {name} cannot be evaluated: {error}") from None


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


def _member_type(type_: str) -> str | None:
    """The type of a parameter's single values: String, Number, an AWS-specific type, or `AWS::SSM::Parameter::Name` for
    the types whose values are names of parameters. None for a type that CloudFormation does not know."""
    if type_ in ("String", "CommaDelimitedList"):
        return "String"
    if type_ in ("Number", "List<Number>"):
        return "Number"
    if type_ == "AWS::SSM::Parameter::Name":
        return type_
    if match := _SSM_VALUE.fullmatch(type_):
        inner = match[1].removeprefix("List<").removesuffix(">")
        return "AWS::SSM::Parameter::Name" if inner == "String" or inner in _FORMS else None
    inner = type_.removeprefix("List<").removesuffix(">")
    return inner if inner in _FORMS and (type_ == inner or inner not in _SINGLE) else None


def text(value: Any) -> str:
    """A value of a template as CloudFormation gives it to a parameter."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(text(item) for item in value)
    return str(value)


def form_of(type_: str) -> str:
    """The form of the values of an AWS-specific type, as an expression; empty for a type without one."""
    return _FORMS.get(_member_type(type_) or "", "")


def problem(name: str, parameter: Mapping[str, Any], value: str, existing: Existing | None = None) -> str:
    """How the constraints of a parameter refuse a value, in CloudFormation's words; empty where they accept it."""
    type_ = parameter.get("Type", "String")
    kind = _member_type(type_)
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
    """A Java pattern as Python reads it: a final `$` must not match before a newline."""
    return re.sub(r"(?<!\\)\$$", r"\\Z", pattern)


def only_in_java(pattern: str) -> str:
    """What of a pattern Java reads, and Python reads otherwise: Java takes a class within a class for their union, and
    `&&` in one for an intersection. Empty where there is nothing of the kind.

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
            if problem(name, parameter, value):
                yield BadValue(name, value, why)
