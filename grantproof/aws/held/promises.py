"""The statements that a contract allows a principal: its own, and those of the AWS managed policies that it names.

AWS may change a managed policy at any time, so that its document is taken from the account."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from grantproof.aws.held.policies import Policies
from grantproof.contract import DeclaredPrincipal, DeclaredStatement


def allowed(
    principal: DeclaredPrincipal, policies: Policies, resolved: Callable[[Any], Any]
) -> tuple[DeclaredStatement, ...]:
    """The statements that a contract allows a principal.

    Statements of AWS managed policies lose their Sid, since two policies may use the same, and have the place at which
    the contract names the policy. A policy that no account holds adds no statement.
    """
    return (*principal.allows, *_of_aws(principal, policies, resolved))


def _of_aws(
    principal: DeclaredPrincipal, policies: Policies, resolved: Callable[[Any], Any]
) -> Iterator[DeclaredStatement]:
    for named in principal.managed:
        found = policies.documents.get(resolved(named.reference), {}).get("Statement", [])
        for statement in found if isinstance(found, list) else [found]:
            yield DeclaredStatement({k: v for k, v in statement.items() if k != "Sid"}, named.place)
