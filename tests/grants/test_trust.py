"""The trust of the roles: static analysis of the deployed trust policies."""

from __future__ import annotations

from typing import Any

from policyuniverse.arn import ARN
from policyuniverse.policy import Policy as Reading

from grantproof.aws.staged.stage import Stage
from grantproof.contract import Contract, DeclaredPrincipal
from grantproof.evidence.finding import digest
from grantproof.evidence.words import document_of
from grantproof.iam.layers import is_role_entry
from grantproof.iam.shared_providers import key_of_customer, open_to_all_customers


def trust_document(world: Stage, role: DeclaredPrincipal) -> tuple[str, Any]:
    """The label and the document of the deployed role's trust policy."""
    held = world.holder(role)
    account = held.arn.split(":")[4]
    for found in world.snapshots()[account].roles:
        if found["Arn"] == held.arn:
            return f"{held.arn}#trust", found["AssumeRolePolicyDocument"]
    raise AssertionError(f"{held.arn} is not in the snapshot")


def principals(document: Any) -> set[str]:
    """All principals that the Allow statements name, as policyuniverse reads them."""
    return {
        name
        for statement in Reading(document).statements
        if statement.effect == "Allow"
        for name in statement.principals
    }


def test_nobody_but_the_declared_principals_is_named(
    grant: Contract, role: DeclaredPrincipal, world: Stage, verdict: Any
) -> None:
    label, document = trust_document(world, role)
    declared = principals({"Version": "2012-10-17", "Statement": [world.resolved(s.document) for s in role.trust]})
    let_in, named = ({_one_name(name, grant) for name in names} for names in (declared, principals(document)))
    for statement in Reading(document).statements:
        for name in sorted(n for n in statement.principals if _one_name(n, grant) not in let_in):
            index = _index(document, name)
            verdict.broken(
                f"only {', '.join(sorted(declared))} may enter {role.alias}",
                f"the trust policy of {role.alias!r} names {name}, which the contract does not ({role.place})",
                place=str(world.origins.place(label, index) or ""),
                statement=f"Statement[{index}]",
                covers=digest(document),
            )
    for name in sorted(n for n in declared if _one_name(n, grant) not in named):
        verdict.broken(
            f"{name} may enter {role.alias}",
            f"the contract lets {name} into {role.alias!r}; the trust policy does not name it",
            place=str(world.origins.place(label) or ""),
        )


def _one_name(name: str, grant: Contract) -> str:
    """One form for the names of an account: its ID and its root ARN mean the same (rule P4)."""
    return name.removeprefix(f"arn:{grant.partition}:iam::").removesuffix(":root") if name.endswith(":root") else name


def _index(document: Any, name: str) -> int:
    statements = document["Statement"]
    statements = statements if isinstance(statements, list) else [statements]
    return next(n for n, s in enumerate(statements) if name in Reading({"Statement": [s]}).statements[0].principals)


def test_the_role_is_not_open_to_the_public(
    grant: Contract, role: DeclaredPrincipal, world: Stage, verdict: Any
) -> None:
    """Not even if the contract says so: a person needs to look at a role that everybody can assume."""
    label, document = trust_document(world, role)
    if Reading(document).is_internet_accessible():
        verdict.broken(
            f"{role.alias} is not open to the public",
            f"anybody with an AWS account may enter {role.alias!r}",
            place=str(world.origins.place(label) or ""),
            covers=digest(document),
        )
    trust = world.holder(role).trust
    for statement, issuer in open_to_all_customers(trust) if trust else ():
        verdict.broken(
            f"{role.alias} is not open to the public",
            f"anybody with an account at {issuer} may enter {role.alias!r}: no condition, such as one on "
            f"{key_of_customer(issuer)}, names in full whose tokens are meant",
            place=str(world.origins.place(label, statement.index) or ""),
            statement=f"Statement[{statement.index}]",
            covers=digest(document),
        )


def test_only_accounts_of_the_contract_are_trusted(
    grant: Contract, role: DeclaredPrincipal, world: Stage, verdict: Any
) -> None:
    label, document = trust_document(world, role)
    known = set(grant.accounts.values())
    for name in sorted(principals(document)):
        account = ARN(name).account_number if name.startswith("arn:") else name if name.isdigit() else None
        if account and account not in known:
            verdict.broken(
                f"{role.alias} trusts accounts of the contract only",
                f"the trust policy of {role.alias!r} names account {account}",
                place=str(world.origins.place(label, _index(document, name)) or ""),
                covers=digest(document),
            )


def test_the_trust_policy_allows_nothing_but_entering(
    grant: Contract, role: DeclaredPrincipal, world: Stage, verdict: Any
) -> None:
    """A trust policy has no other actions than sts:AssumeRole and related ones; a wildcard would include others."""
    held = world.holder(role)
    assert held.trust is not None
    label = held.trust.label
    for statement in held.trust.statements:
        for action in statement.actions:
            if statement.not_action or action.literal is None or not is_role_entry(action.literal):
                verdict.broken(
                    f"the trust policy of {role.alias} allows entering only",
                    f"{'NotAction ' if statement.not_action else ''}{action} is more than entering the role",
                    place=str(world.origins.place(label, statement.index) or ""),
                    statement=f"Statement[{statement.index}]",
                    covers=digest(document_of(statement)),
                )


def test_sessions_last_as_long_as_the_contract_says(
    grant: Contract, role: DeclaredPrincipal, world: Stage, verdict: Any
) -> None:
    """`max_session` of the contract; one hour if it says nothing."""
    held = world.holder(role)
    if held.max_session != role.max_session:
        verdict.broken(
            f"sessions of {role.alias} last {role.max_session} seconds at most",
            f"MaxSessionDuration is {held.max_session}",
            place=str(world.origins.place(held.arn) or role.place),
        )
