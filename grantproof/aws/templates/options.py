"""The options of a template: parameters with AllowedValues, or with the empty text as default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grantproof.aws.templates import constraints


@dataclass(frozen=True)
class Option:
    """An option. `values`: its AllowedValues, the default first; only the empty text where it has no AllowedValues."""

    parameter: str
    values: tuple[str, ...]


def options(template: Mapping[str, Any]) -> tuple[Option, ...]:
    """The options of a template."""
    out = []
    for name, declared in (template.get("Parameters") or {}).items():
        if "AllowedValues" in declared:
            listed = [constraints.text(value) for value in declared["AllowedValues"]]
            default = [constraints.text(declared["Default"])] if "Default" in declared else []
            out.append(Option(name, tuple(dict.fromkeys([*default, *listed]))))
        elif declared.get("Default") == "":
            out.append(Option(name, ("",)))
    return tuple(out)
