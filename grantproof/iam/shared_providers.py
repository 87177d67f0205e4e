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

#: Microsoft Sentinel has one identity for all its customers: only the names of sessions tell them apart.
_SENTINEL = "sts.windows.net/33e01921-4d64-4f8c-a055-5bdaffd5e33d"
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
        oidc.codefresh.io oidc.op1.openshiftapps.com/2c51blsaqa9gkjt0o9rt11mle8mmropu
        oidc.op1.openshiftapps.com/2f785sojlpb85i7402pk3qogugim5nfb proidc.upbound.io
        rh-oidc.s3.us-east-1.amazonaws.com/22ejnvnnturfmt6km08idd0nt4hekbn7
        rh-oidc.s3.us-east-1.amazonaws.com/23e3sd27sju1hoou6ohfs68vbno607tr
        rh-oidc.s3.us-east-1.amazonaws.com/23ne21h005qjl3n33d8dui5dlrmv2tmg
        rh-oidc.s3.us-east-1.amazonaws.com/24jrf12m5dj7ljlfb4ta2frhrcoadm26 scalr.io studio.datachain.ai/api
        token.actions.githubusercontent.com tokens.cloud.shisho.dev vstoken.actions.githubusercontent.com
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
    _SENTINEL: frozenset(),
}


def open_to_all_customers(trust: Policy) -> Iterator[tuple[Statement, str]]:
    """The statements of a trust policy that let everybody with an account at a shared issuer in, with the issuer."""
    for statement in trust.statements:
        if not statement.allow or statement.principals is None or statement.not_principal:
            continue
        for provider in sorted(statement.principals.providers):
            issuer = provider.rpartition(":oidc-provider/")[2].rstrip("/")
            if issuer in _SHARED and not any(_says_whose(test, issuer) for test in statement.conditions):
                yield statement, issuer


def key_of_customer(issuer: str) -> str:
    """A condition key that tells the customers of a shared issuer apart."""
    if issuer == _SENTINEL:
        return "sts:RoleSessionName"
    if issuer in ("graph.facebook.com", "www.amazon.com"):
        return f"{issuer}:app_id"
    return f"{issuer}:{'sub' if 'aud' in _SHARED[issuer] else 'aud'}"


def _says_whose(test: Test, issuer: str) -> bool:
    """Does a condition say which customer of the issuer is meant?"""
    op = test.operator
    if not _tells_apart(test.key, issuer) or op.type is not Type.STRING:
        return False
    # Negated, or true of a token without the claim: others come in.
    if op.negated or op.if_exists or op.prefix is Set.ALL:
        return False
    # The value of a policy variable can be the claim that it is compared with.
    return all(_is_bound(value.text) if op.wildcards else value.fixed is not None for value in test.values)


def _tells_apart(key: str, issuer: str) -> bool:
    """Does a condition key differ between the issuer's customers?"""
    if issuer == _SENTINEL:
        return key == "sts:rolesessionname"
    named, _, claim = key.rpartition(":")
    return named == issuer and claim not in _SHARED[issuer]


def _is_bound(text: str) -> bool:
    """Does a pattern name somebody in full before its first wildcard? `repo:acme/*` does. `repo:*` does not, nor does
    `repo:acme*`: anybody may register a name that begins so."""
    start = re.split(r"[*?]|\$\{", text, maxsplit=1)[0]
    name = re.sub(r"^(https://[^/]*/|[^:/]*:)", "", start)
    return start == text or re.match(r"[^:/]+[:/]", name) is not None
