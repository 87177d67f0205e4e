"""Parameters of templates whose values CloudFormation takes from the Parameter Store, where no template puts them.

Real accounts have them (every synthesised CDK template asks for `/cdk-bootstrap/.../version`); mocked ones are empty. A
draft gets a template beside the others that creates them, in the place of what the real account holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from grantproof.aws.templates import parameters
from grantproof.source import SourceError, read

#: The template that stands for what a real account holds.
NAME = "ssm-parameters.yaml"
_TYPE = "AWS::SSM::Parameter::Value<"
_CANDIDATES = ("21", "example", "ami-0123456789abcdef0", "vpc-0123456789abcdef0", "subnet-0123456789abcdef0")


def stand_in(templates: Sequence[Path], given: Mapping[str, str]) -> Path | None:
    """Write a template that creates what the templates take from the Parameter Store and none of them creates; None
    where nothing is missing, or the file is there. Names that begin with `/aws/` are AWS's own, and nobody's to create.
    """
    values = dict(_missing([_data(path) for path in templates], given))
    path = templates[0].parent / NAME
    if not values or path.exists():
        return None
    resources = {
        f"Parameter{number}": {"Type": "AWS::SSM::Parameter", "Properties": {"Name": n, "Type": "String", "Value": v}}
        for number, (n, v) in enumerate(values.items(), 1)
    }
    lines = [f"  {alias}: {json.dumps(resource)}" for alias, resource in resources.items()]
    about = "# DECIDE: stands for parameters that the real account holds; not to be deployed there."
    path.write_text("\n".join((about, "Resources:", *lines, "")), encoding="utf-8")
    return path


def _missing(documents: Sequence[Any], given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    created = json.dumps([document.get("Resources") for document in documents], default=str)
    for document in documents:
        for name, declared in (document.get("Parameters") or {}).items():
            type_ = str(declared.get("Type", ""))
            key = given.get(name, str(declared.get("Default", "")))
            if type_.startswith(_TYPE) and key and not key.startswith("/aws/") and json.dumps(key) not in created:
                yield key, _value({**declared, "Type": type_.removeprefix(_TYPE)[:-1]})


def _value(declared: Mapping[str, Any]) -> str:
    for candidate in (*map(str, declared.get("AllowedValues") or ()), *_CANDIDATES):
        try:
            parameters.check({"Parameters": {"P": {**declared, "Default": candidate}}}, {"P": candidate})
        except parameters.RefusedParameters:
            continue
        return candidate
    return _CANDIDATES[0]


def _data(path: Path) -> Mapping[str, Any]:
    try:
        value = read(path).value
    except SourceError:
        return {}  # said by whoever reads the template next
    return value if isinstance(value, Mapping) else {}
