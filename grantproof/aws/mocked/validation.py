"""Makes the mocked services accept and refuse policy documents as AWS does, with the evaluator's parser.

moto 5.2.5 refuses documents that AWS accepts: those of version 2008-10-17 or without a version, and trust policies with
sts:TagSession. It accepts documents that AWS refuses, since it does not check the trust policy of a new role. It also
applies bucket policies to calls, wrongly: to it, a Deny of calls without TLS denies every call.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from moto.iam import models as iam
from moto.iam.access_control import PermissionResult
from moto.iam.exceptions import MalformedPolicyDocument
from moto.s3.models import FakeBucket

from grantproof.iam import MalformedPolicy, PolicyType, parse_policy


@contextmanager
def judged_by_the_evaluator() -> Generator[None, None, None]:
    """A context in which the mocked services check policy documents with `grantproof.iam`, and allow every call."""
    with (
        patch.object(iam, "IAMPolicyDocumentValidator", _validator(PolicyType.IDENTITY)),
        patch.object(iam, "IAMTrustPolicyDocumentValidator", _validator(PolicyType.TRUST)),
        patch.object(iam.IAMBackend, "create_role", _checking(iam.IAMBackend.create_role)),
        patch.object(FakeBucket, "get_permission", lambda *_: PermissionResult.PERMITTED),
    ):
        yield


def _checking(original: Callable[..., Any]) -> Callable[..., Any]:
    def create_role(self: Any, role_name: str, assume_role_policy_document: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(assume_role_policy_document, str):
            _validator(PolicyType.TRUST)(assume_role_policy_document).validate()
        return original(self, role_name, assume_role_policy_document, *args, **kwargs)

    return create_role


def _validator(type_: PolicyType) -> Any:
    class Validator:
        """Has the interface of moto's validators."""

        def __init__(self, policy_document: str) -> None:
            self._document = policy_document

        def validate(self) -> None:
            try:
                parse_policy(self._document, type_, "policy")
            except MalformedPolicy as error:
                raise MalformedPolicyDocument(str(error)) from None

    return Validator
