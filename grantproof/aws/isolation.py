"""Keeps the user's AWS settings out of the mocked world, and its calls off the network."""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from unittest.mock import patch

from botocore.awsrequest import AWSPreparedRequest
from botocore.httpsession import URLLib3Session
from botocore.loaders import Loader

#: Environment variables that can give boto3 an account, an endpoint, credentials or a proxy, or that configure moto.
_FOREIGN = re.compile(
    r"(AWS|AMAZON|BOTO|MOTO|S3|EC2)_.*|(HTTPS?|ALL|NO)_PROXY|_?REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE", re.I
)
#: Environment variables in the mocked world, in place of the user's.
_OWN = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "AWS_MAX_ATTEMPTS": "1",
}


class LeftTheWorld(Exception):
    """moto did not answer a call, so that it would have gone to the network. It was stopped."""


@contextmanager
def isolated() -> Generator[None, None, None]:
    """A context without the user's AWS settings, in which no call can reach the network. At its end, also after an
    exception, everything is as before.

    moto answers calls before botocore sends them. A request that reaches botocore's HTTP session is therefore one that
    moto does not know, and raises `LeftTheWorld`.
    """
    kept = {name: os.environ[name] for name in os.environ if _FOREIGN.fullmatch(name)}
    for name in kept:
        del os.environ[name]
    os.environ.update(_OWN)
    try:
        with (
            # Nothing is sent, so clients need no TLS. To prepare it takes half of the time to make a client.
            patch.multiple(URLLib3Session, __init__=_unprepared, send=_refuse),
            patch("botocore.session.create_loader", _loader),
        ):
            yield
    finally:
        for name in _OWN:
            os.environ.pop(name, None)
        os.environ.update(kept)


@cache
def models() -> Loader:
    """A loader of the service models that botocore ships, not of those that the user may have under ~/.aws. All
    sessions share it, so each model is read once: EC2's takes a fifth of a second, and moto makes a session for every
    list of regions that it needs."""
    return Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)


def _loader(_: str | None = None) -> Loader:
    return models()


def _unprepared(_: URLLib3Session, **__: object) -> None:
    pass


def _refuse(_: URLLib3Session, request: AWSPreparedRequest) -> None:
    raise LeftTheWorld(f"moto does not answer {request.method} {request.url}; the call was stopped before it was sent")
