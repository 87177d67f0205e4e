"""Which parameters of a grant's templates are inserted into policies, where a wildcard in a value would give access."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from grantproof.aws.combinations.instances import is_transformed
from grantproof.aws.mocked.nested_templates import nested_template
from grantproof.contract import Contract
from grantproof.source import SourceError, at, read

#: Properties that hold a whole policy, which a function can produce.
_WHOLE = re.compile(r"\w*Polic(y|ies)(Document|Text)?|Body")
#: (type, attribute; empty for Ref) whose value is the text of a property, which may hold a wildcard. The names of other
#: resources cannot.
#: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/create-key-pairs.html and
#: https://docs.aws.amazon.com/vpc/latest/userguide/creating-security-groups.html
_PASSED_ON = {
    ("AWS::EC2::KeyPair", ""): "KeyName",
    ("AWS::EC2::SecurityGroup", ""): "GroupName",
    ("AWS::SSM::Parameter", "Value"): "Value",
}


def parameters_in_policies(contract: Contract) -> frozenset[tuple[Path, str]]:
    """The (template, parameter) pairs whose value is inserted into a policy: directly, through the value of an SSM
    parameter, or through an output of a nested stack."""
    found: set[tuple[Path, str]] = set()
    for template in contract.templates:
        _follow(contract, template, frozenset(_in_policies(contract, template)), found)
    return frozenset(found)


def _in_policies(contract: Contract, template: Path) -> Iterator[str]:
    resources = read(template).value.get("Resources") or {}
    yield from _referenced(resources, inside=False)
    for resource in resources.values():
        # SAM generates statements from the parameters of its policy templates.
        if isinstance(resource, Mapping) and str(resource.get("Type")).startswith("AWS::Serverless::"):
            yield from _referenced((resource.get("Properties") or {}).get("Policies"), inside=True)
    if is_transformed(read(template)):
        for file in (file for upload in contract.uploads for file in upload.files if file not in contract.templates):
            try:
                yield from _referenced(read(file).value, inside=True)  # a snippet may be included in a policy
            except SourceError:
                continue


def _follow(contract: Contract, template: Path, names: frozenset[str], found: set[tuple[Path, str]]) -> None:
    value = read(template).value
    for name in names:
        if (template, name) in found:
            continue
        found.add((template, name))
        head, _, attribute = name.partition(".")
        resource = at(value, ("Resources", head))
        if not isinstance(resource, Mapping):
            continue
        properties, type_ = resource.get("Properties") or {}, str(resource.get("Type"))
        if type_ == "AWS::CloudFormation::Stack" and attribute.startswith("Outputs."):
            inner = nested_template(contract, template, head)
            output = at(read(inner).value, ("Outputs", attribute.removeprefix("Outputs."))) if inner else None
            if inner is not None:
                _follow(contract, inner, frozenset(_referenced(output, inside=True)), found)
        if passed := at(properties, (_PASSED_ON.get((type_, attribute), ""),)):
            _follow(contract, template, frozenset(_referenced(passed, inside=True)), found)


def _referenced(value: Any, *, inside: bool) -> Iterator[str]:
    """The names that Ref, Fn::GetAtt and Fn::Sub refer to inside policies; attributes as `RESOURCE.ATTRIBUTE`."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if inside and key == "Ref":
                yield str(item)
            elif inside and key == "Fn::GetAtt":
                yield ".".join(map(str, item)) if isinstance(item, list) else str(item)
            elif inside and key == "Fn::Sub":
                text = item if isinstance(item, str) else str(next(iter(item or ()), ""))
                yield from (part.split("}")[0].lstrip("!").strip() for part in text.split("${")[1:])
            yield from _referenced(item, inside=inside or key == "Statement" or _is_policy_function(key, item))
    elif isinstance(value, list):
        for item in value:
            yield from _referenced(item, inside=inside)


def _is_policy_function(key: str, item: Any) -> bool:
    """Does a function produce a whole policy, or part of its text?"""
    by_function = isinstance(item, Mapping) and len(item) == 1 and str(next(iter(item))).startswith(("Ref", "Fn::"))
    return by_function and (_WHOLE.fullmatch(key) is not None or "Statement" in json.dumps(item))
