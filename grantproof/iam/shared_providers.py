"""OIDC providers that all customers of a service share: GitHub signs the tokens of everybody's workflows.

A role that trusts one lets everybody with an account there in, unless a condition on a claim says whose tokens are
accepted. IAM refuses to save such trust policies today, but keeps those that were saved before.

Source: IAM User Guide, "Identity-provider controls for shared OIDC providers"
(https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_providers_oidc_secure-by-default.html).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from grantproof.iam.condition import Test
from grantproof.iam.operators import Set, Type
from grantproof.iam.policy import Policy, Statement

#: Claims of the token's audience and presenter: with most of these issuers everybody may ask for the same.
_AUDIENCE = frozenset({"amr", "aud", "azp"})
#: The issuers as ARNs of providers and condition keys have them, each with the claims that do not tell its customers
#: apart. Of Cognito, Pulumi, sandboxes.cloud and Vercel, the audience is the customer; of Google, Amazon and Facebook,
#: which IAM knows without a provider, it is the application, and everybody may register one.
#: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html#condition-keys-wif
_SHARED = {
    **dict.fromkeys(
        """
        agent.buildkite.com app.terraform.io gitlab.com oidc-configuration.audit-log.githubusercontent.com
        oidc.codefresh.io proidc.upbound.io scalr.io studio.datachain.ai/api token.actions.githubusercontent.com
        tokens.cloud.shisho.dev vstoken.actions.githubusercontent.com
        """.split(),
        _AUDIENCE,
    ),
    **dict.fromkeys(
        """
        accounts.google.com api.pulumi.com/oidc graph.facebook.com oidc.vercel.com sandboxes.cloud www.amazon.com
        """.split(),
        frozenset({"amr", "azp"}),
    ),
    "cognito-identity.amazonaws.com": frozenset({"amr", "sub"}),
}


def open_to_all_customers(trust: Policy) -> Iterator[tuple[Statement, str]]:
    """The statements of a trust policy that let everybody with an account at a shared issuer in, with the issuer."""
    for statement in trust.statements:
        if not statement.allow or statement.principals is None or statement.not_principal:
            continue
        for provider in sorted(statement.principals.providers):
            issuer = provider.rpartition(":oidc-provider/")[2]
            if issuer in _SHARED and not any(_says_whose(test, issuer) for test in statement.conditions):
                yield statement, issuer


def _says_whose(test: Test, issuer: str) -> bool:
    """Does a condition restrict a claim that differs between the issuer's customers?"""
    named, _, claim = test.key.rpartition(":")
    op = test.operator
    if named != issuer or claim in _SHARED[issuer] or op.type is not Type.STRING:
        return False
    # Negated, or true of a token without the claim: others come in.
    if op.negated or op.if_exists or op.prefix is Set.ALL:
        return False
    # The value of a policy variable can be the claim that it is compared with.
    return all(_is_bound(value.text) if op.wildcards else value.fixed is not None for value in test.values)


def _is_bound(text: str) -> bool:
    """Does a pattern name somebody before its first wildcard? `repo:*` and `repo:*/shop:*` do not."""
    start = re.split(r"[*?]|\$\{", text, maxsplit=1)[0]
    return start == text or bool(start.partition(":")[2] or (start and ":" not in text))
