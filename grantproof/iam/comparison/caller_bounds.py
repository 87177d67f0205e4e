"""What the caller determines about condition keys."""

from __future__ import annotations

from collections.abc import Mapping

from grantproof.iam.comparison.caller import Caller
from grantproof.iam.comparison.values import Bounds
from grantproof.iam.glob import Glob, Wild
from grantproof.iam.principal import Kind
from grantproof.iam.request import Values

#: The keys that a caller with a name always has (C45, C53).
_A_USERS, _A_ROLES = frozenset({"aws:principalarn", "aws:username"}), frozenset({"aws:principalarn"})
#: The form of `aws:userid` (C54): a unique ID, or that of a role with the name of the session.
_USER_IDS: Mapping[Kind, Mapping[str, tuple[tuple[Glob, ...], tuple[Glob, ...]]]] = {
    Kind.USER: {"aws:userid": ((Glob((Wild.FIELD_ONE, Wild.FIELD)),), ())},
    Kind.ROLE_SESSION: {"aws:userid": ((Glob((Wild.FIELD_ONE, Wild.FIELD, ":", Wild.FIELD_ONE, Wild.FIELD)),), ())},
}


def bounds_of(
    caller: Caller,
    keys: frozenset[str],
    single: frozenset[str],
    variables: Mapping[str, Values],
    *,
    identified: bool,
    correlated: bool,
) -> Bounds:
    """The bounds of a kind of caller.

    Args:
        keys: the condition keys that are used.
        single: those that have one value at most.
        variables: the values of those that are used as policy variables.
        identified: the caller stands only for its own kind, so its `aws:userid` has the form of that kind.
        correlated: do keys have to fit together (`correlated`)?
    """
    states = {**caller.states(keys), **{key: (value,) for key, value in variables.items()}}
    shapes = {"aws:principalarn": (caller.names, caller.not_names)} if caller.names else {}
    if identified and "aws:userid" in keys:
        shapes |= _USER_IDS.get(caller.principal.kind, {})
    present = frozenset[str]()
    if caller.names:
        present = _A_USERS if caller.principal.kind is Kind.USER else _A_ROLES
    return Bounds(states, shapes, single, present, variables, correlated)
