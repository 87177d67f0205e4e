"""The errors with which each service refuses a call.

Sources: the services' API references, "Common errors"; rules N10 and N11 for EC2.
"""

from __future__ import annotations

from collections.abc import Mapping

#: (HTTP status, code) of a call without permission. JSON services call it AccessDeniedException, XML ones AccessDenied.
_NOT_AUTHORISED: Mapping[str, tuple[int, str]] = {
    "ec2": (403, "UnauthorizedOperation"),
    "sns": (403, "AuthorizationError"),
}
_EXPIRED: Mapping[str, tuple[int, str]] = {"ec2": (400, "RequestExpired")}
_JSON_STATUS = 400
_JSON = frozenset({"json", "rest-json", "smithy-rpc-v2-cbor"})


def not_authorised(service: str, protocol: str) -> tuple[int, str]:
    """The HTTP status and error code of a refused call."""
    if service in _NOT_AUTHORISED:
        return _NOT_AUTHORISED[service]
    if service == "sqs":
        return 403, "AccessDenied"
    if protocol == "json":
        return _JSON_STATUS, "AccessDeniedException"
    return 403, "AccessDeniedException" if protocol in _JSON else "AccessDenied"


def expired(service: str, protocol: str) -> tuple[int, str]:
    """The HTTP status and error code of a call with expired temporary credentials."""
    if service in _EXPIRED:
        return _EXPIRED[service]
    if protocol in _JSON and service != "sqs":
        return 400 if protocol == "json" else 403, "ExpiredTokenException"
    return 403 if service != "s3" else 400, "ExpiredToken"


#: The error of STS for role sessions, whatever their policies allow (rule T23).
NO_FEDERATION = "Cannot call GetFederationToken with session credentials"
EXPIRED_MESSAGE = "The security token included in the request is expired"
