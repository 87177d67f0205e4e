"""A role that trusts an identity provider with many customers must restrict whose tokens it accepts."""

from __future__ import annotations

from typing import Any

import pytest

from grantproof.iam import PolicyType, parse_policy
from grantproof.iam.shared_providers import key_of_customer, open_to_all_customers

GITHUB = "token.actions.githubusercontent.com"


def is_open(condition: Any, provider: str = f"arn:aws:iam::111111111111:oidc-provider/{GITHUB}") -> bool:
    statement = {"Effect": "Allow", "Principal": {"Federated": provider}, "Action": "sts:AssumeRoleWithWebIdentity"}
    trust = {"Version": "2012-10-17", "Statement": [statement | ({"Condition": condition} if condition else {})]}
    return bool(list(open_to_all_customers(parse_policy(trust, PolicyType.TRUST, "trust"))))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (None, True),
        ({"StringEquals": {f"{GITHUB}:aud": "sts.amazonaws.com"}}, True),
        ({"StringEquals": {f"{GITHUB}:sub": "repo:acme/shop:ref:refs/heads/main"}}, False),
        ({"StringEquals": {f"{GITHUB}:repository_id": "1234"}}, False),
        ({"StringLike": {f"{GITHUB}:sub": "repo:acme/*"}}, False),
        ({"ForAnyValue:StringLike": {f"{GITHUB}:sub": ["repo:acme/*", "repo:acme-labs/*"]}}, False),
        ({"StringLike": {f"{GITHUB}:sub": "*"}}, True),
        ({"StringLike": {f"{GITHUB}:sub": "repo:*"}}, True),
        ({"StringLike": {f"{GITHUB}:sub": "repo:acme*"}}, True),
        ({"StringLike": {f"{GITHUB}:sub": "repo:acme?shop:*"}}, True),
        ({"StringLike": {f"{GITHUB}:repository_owner": "acme*"}}, True),
        ({"StringLike": {f"{GITHUB}:repository": "acme/*"}}, False),
        ({"StringLike": {f"{GITHUB}:sub": "repository_owner:acme:*"}}, False),
        ({"StringLike": {f"{GITHUB}:sub": "repo:*/shop:*"}}, True),
        ({"StringLike": {f"{GITHUB}:sub": ["repo:acme/*", "repo:*:environment:prod"]}}, True),
        ({"StringLikeIfExists": {f"{GITHUB}:sub": "repo:acme/*"}}, True),
        ({"ForAllValues:StringLike": {f"{GITHUB}:sub": "repo:acme/*"}}, True),
        ({"StringNotLike": {f"{GITHUB}:sub": "repo:evil/*"}}, True),
        ({"StringEquals": {f"{GITHUB}:sub": f"${{{GITHUB}:sub}}"}}, True),
        ({"Null": {f"{GITHUB}:sub": "false"}}, True),
        ({"StringEquals": {"gitlab.com:sub": "project_path:acme/shop"}}, True),
    ],
    ids=str,
)
def test_a_condition_on_a_claim_other_than_the_audience_is_enough(condition: Any, expected: bool) -> None:
    assert is_open(condition) is expected


def test_the_audience_distinguishes_pools_of_cognito() -> None:
    cognito = "cognito-identity.amazonaws.com"
    assert is_open({"ForAnyValue:StringLike": {f"{cognito}:amr": "authenticated"}}, cognito)
    assert not is_open({"StringEquals": {f"{cognito}:aud": "eu-west-1:12345678-dead-beef-cafe-123456790ab"}}, cognito)


@pytest.mark.parametrize(
    ("issuer", "told"),
    [
        ("vstoken.actions.githubusercontent.com", "sub"),
        ("oidc-configuration.audit-log.githubusercontent.com", "sub"),
        ("studio.datachain.ai/api", "sub"),
        ("proidc.upbound.io", "sub"),
        ("oidc.vercel.com", "aud"),
        ("api.pulumi.com/oidc", "aud"),
        ("rh-oidc.s3.us-east-1.amazonaws.com/24jrf12m5dj7ljlfb4ta2frhrcoadm26", "sub"),
        ("oidc.op1.openshiftapps.com/2f785sojlpb85i7402pk3qogugim5nfb", "sub"),
    ],
)
def test_each_listed_issuer_requires_the_claim_that_distinguishes_its_customers(issuer: str, told: str) -> None:
    provider = f"arn:aws:iam::111111111111:oidc-provider/{issuer}"
    assert is_open(None, provider)
    assert is_open({"StringEquals": {f"{issuer}:aud": "sts.amazonaws.com"}}, provider) is (told == "sub")
    assert not is_open({"StringEquals": {f"{issuer}:{told}": "acme"}}, provider)
    assert key_of_customer(issuer) == f"{issuer}:{told}"


@pytest.mark.parametrize(
    ("issuer", "claim"),
    [("accounts.google.com", "aud"), ("www.amazon.com", "app_id"), ("graph.facebook.com", "app_id")],
)
def test_an_issuer_that_iam_knows_by_itself_signs_tokens_for_the_application_of_anybody(
    issuer: str, claim: str
) -> None:
    assert is_open(None, issuer)
    assert not is_open({"StringEquals": {f"{issuer}:{claim}": "app-1"}}, issuer)


@pytest.mark.parametrize("end", ["", "/"])
def test_the_session_name_distinguishes_customers_of_sentinel(end: str) -> None:
    issuer = "sts.windows.net/33e01921-4d64-4f8c-a055-5bdaffd5e33d" + end
    provider = f"arn:aws:iam::111111111111:oidc-provider/{issuer}"
    claim = {f"{issuer}:aud": "api://application", f"{issuer}:sub": "one for all"}
    assert is_open({"StringEquals": claim}, provider)
    assert is_open({"StringLike": {"sts:RoleSessionName": "MicrosoftSentinel_*"}}, provider)
    assert key_of_customer(issuer.rstrip("/")) == "sts:RoleSessionName"
    assert not is_open({"StringEquals": claim | {"sts:RoleSessionName": "MicrosoftSentinel_workspace"}}, provider)


def test_an_issuer_of_one_organization_needs_no_claim() -> None:
    assert not is_open(None, "arn:aws:iam::111111111111:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/ABCD")
