"""What a contract allows a principal, statement by statement: its own, and those of AWS's managed policies that it
names. AWS changes these whenever it likes, so that what they say is taken from the account."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from grantproof.aws.held.policies import Policies
from grantproof.contract import DeclaredPrincipal, DeclaredStatement


def allowed(
    principal: DeclaredPrincipal, policies: Policies, resolved: Callable[[Any], Any]
) -> tuple[DeclaredStatement, ...]:
    """The statements that a contract promises a principal. Those of AWS's policies have no Sid, since two of them may
    use the same, and stand where the contract names the policy. A policy that no account holds promises nothing."""
    return (*principal.allows, *_of_aws(principal, policies, resolved))


def _of_aws(
    principal: DeclaredPrincipal, policies: Policies, resolved: Callable[[Any], Any]
) -> Iterator[DeclaredStatement]:
    for named in principal.managed:
        found = policies.documents.get(resolved(named.reference), {}).get("Statement", [])
        for statement in found if isinstance(found, list) else [found]:
            yield DeclaredStatement({k: v for k, v in statement.items() if k != "Sid"}, named.place)
