"""What the names in a template stand for, as far as that is known before a deployment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


class NotResolved(Exception):
    """A function or a reference whose value cannot be determined without a deployment."""


class _NoValue:
    """`AWS::NoValue`: removes the property or the list entry that it is the value of."""

    def __repr__(self) -> str:
        return "AWS::NoValue"


NO_VALUE = _NoValue()


def _unknown(name: str, *_: str) -> Any:
    raise NotResolved(f"{name} stands for nothing that is known here")


@dataclass(frozen=True)
class Scope:
    """What the names in one template stand for.

    The functions among the attributes raise `NotResolved` for a name that they do not know.

    Attributes:
        parameters: name to value; the value of a list type is a list.
        pseudo: the pseudo parameters, such as `AWS::Region`; see `pseudo`.
        mappings: the template's Mappings.
        conditions: the template's Conditions, as they are written.
        reference: logical ID of a resource to the value of `Ref`.
        attribute: logical ID and attribute to the value of `Fn::GetAtt`.
        attributes_of: value of a parameter of an AWS-specific type, and attribute, to the value of `Fn::ValueOf`.
        types: name to type of each parameter.
        exported: name of an export to the value of `Fn::ImportValue`.
        evaluated: the results of conditions, a cache; None marks one that is being evaluated, so that a condition that
            refers to itself is noticed. `dataclasses.replace` makes a scope with an empty cache.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    pseudo: Mapping[str, Any] = field(default_factory=dict)
    mappings: Mapping[str, Any] = field(default_factory=dict)
    conditions: Mapping[str, Any] = field(default_factory=dict)
    reference: Callable[[str], Any] = _unknown
    attribute: Callable[[str, str], Any] = _unknown
    attributes_of: Callable[[str, str], Any] = _unknown
    types: Mapping[str, str] = field(default_factory=dict)
    exported: Callable[[str], Any] = _unknown
    evaluated: dict[str, bool | None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def ref(self, name: str) -> Any:
        """The value of `Ref` of a parameter, a pseudo parameter or a resource.

        Raises:
            NotResolved: nothing of that name is known.
        """
        if name == "AWS::NoValue":
            return NO_VALUE
        for values in (self.parameters, self.pseudo):
            if name in values:
                return values[name]
        return self.reference(name)
