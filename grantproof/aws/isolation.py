"""Nothing of the user's environment gets into the mocked world, and no call leaves the machine."""

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

#: Whatever could choose an account, an endpoint, credentials or a route for boto3, or steer moto.
_FOREIGN = re.compile(
    r"(AWS|AMAZON|BOTO|MOTO|S3|EC2)_.*|(HTTPS?|ALL|NO)_PROXY|_?REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE", re.I
)
_OWN = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "AWS_MAX_ATTEMPTS": "1",
}


class LeftTheWorld(Exception):
    """A call that moto did not answer and that would have gone to the network."""


@contextmanager
def isolated() -> Generator[None, None, None]:
    """Run without the user's AWS settings and without a way to the network; both are back afterwards, whatever
    happened.

    moto answers before botocore sends, so a request that reaches botocore's HTTP session is one that moto does not
    know.
    """
    kept = {name: os.environ[name] for name in os.environ if _FOREIGN.fullmatch(name)}
    for name in kept:
        del os.environ[name]
    os.environ.update(_OWN)
    try:
        with (
            # Nothing is sent, so that no client needs TLS, which takes as long to prepare as all else of it.
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
    """botocore's own service models, without those that the user may have put under ~/.aws. Read once for all sessions:
    EC2's alone takes a fifth of a second, and moto makes a session for every list of regions that it needs."""
    return Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)


def _loader(_: str | None = None) -> Loader:
    return models()


def _unprepared(_: URLLib3Session, **__: object) -> None:
    pass


def _refuse(_: URLLib3Session, request: AWSPreparedRequest) -> None:
    raise LeftTheWorld(f"moto does not answer {request.method} {request.url}; the call was stopped before it was sent")
